"""What trends and an index need of a run: a few numbers a cell, small enough to keep by the hundred."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from bench.track.errors import TrackInputError
from bench.track.history import run_files
from bench.track.records import Absent
from bench.track.runs import Run, read_run
from reports.cells import Cell, Missing, collect, headline_energy
from reports.files import write
from reports.text import digest

_FORMAT = 1
_POOLED = 64  # with fewer files to read, starting processes takes longer than they save


@dataclass(frozen=True)
class Figures:
    """One cell of one run, per inference; None where something was not measured. `page` is its address in a report."""

    page: str
    dataset: str
    network: str
    neuron: str
    timesteps: str
    device: str
    skipped: str | None
    accuracy: float | None
    firing_rate: float | None
    operations: float | None
    energy: float | None
    energy_model: str | None
    latency: float | None
    joules: float | None


@dataclass(frozen=True)
class Moment:
    """One run of a history. `cells` are by name; texts are those of the run and untrusted."""

    file: str
    run_id: str
    created: str
    machine: str
    sha: str | None
    parents: tuple[str, ...]
    base_sha: str | None
    branch: str | None
    message: str
    dirty: bool
    cells: Mapping[str, Figures]

    @property
    def order(self) -> tuple[str, str]:
        """Sort key: by time in UTC, whatever offset it was written with."""
        try:
            time = datetime.fromisoformat(self.created)
        except ValueError:
            return self.created, self.run_id
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC).isoformat(), self.run_id

    @property
    def commit(self) -> str:
        """The commit for a line of text: twelve digits, and whether the tree was dirty."""
        return "no commit" if self.sha is None else self.sha[:12] + (" (dirty)" if self.dirty else "")


def moment(run: Run) -> Moment:
    """What is kept of a run."""
    git = None if isinstance(run.git, Absent) else run.git
    cells = collect([run])
    model = headline_energy(cells)
    return Moment(
        file=run.path.name,
        run_id=run.run_id,
        created=run.created,
        machine=run.machine.fingerprint,
        sha=git.sha if git else None,
        parents=tuple(git.parents) if git else (),
        base_sha=git.base_sha if git else None,
        branch=git.branch if git else None,
        message=git.message.strip().partition("\n")[0][:500] if git else "",
        dirty=git.dirty if git else False,
        cells={cell.record.name: _figures(cell, model) for cell in cells},
    )


def _figures(cell: Cell, energy_model: str | None) -> Figures:
    accuracy, rate = cell.accuracy, cell.firing_rate
    ac, mac = cell.operations("ac"), cell.operations("mac")
    energy = cell.energy(energy_model) if energy_model else Missing("none")
    latency, power = cell.record.latency, cell.record.power
    return Figures(
        page=cell.slug,
        dataset=cell.dataset,
        network=cell.network,
        neuron=cell.neuron,
        timesteps=cell.timesteps,
        device=cell.record.provenance.device,
        skipped=cell.skipped.reason if cell.skipped else None,
        accuracy=None if isinstance(accuracy, Missing) else accuracy.value,
        firing_rate=None if isinstance(rate, Missing) else rate,
        operations=None if isinstance(ac, Missing) or isinstance(mac, Missing) else ac + mac,
        energy=None if isinstance(energy, Missing) else energy.joules,
        energy_model=None if isinstance(energy, Missing) else f"{energy.name} {energy.version}",
        latency=None if isinstance(latency, Absent) else latency.median,
        joules=None if isinstance(power, Absent) else power.joules_per_inference,
    )


def to_json(kept: Moment) -> dict[str, Any]:
    """A moment as JSON."""
    return asdict(kept)


def from_json(document: Mapping[str, Any]) -> Moment:
    """The moment of such a JSON.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: It is not one.
    """
    values = {field.name: document[field.name] for field in fields(Moment)}
    values["parents"] = tuple(values["parents"])
    values["cells"] = {name: Figures(**figures) for name, figures in values["cells"].items()}
    return Moment(**values)


@dataclass(frozen=True)
class Moments:
    """A history, oldest first, and a sentence for each file that could not be read."""

    moments: Sequence[Moment]
    damaged: Sequence[str]


def read_moments(directory: Path, *, besides: Run | None = None, cache: Path | None = None) -> Moments:
    """Read a directory of run files, of which only a few numbers a cell are kept in memory.

    `besides` is a run that belongs to the history whether or not its file lies there. `cache` is a directory that keeps
    what was read, so that the next call reads only what is new; it may be deleted at any time.
    """
    paths = run_files(directory)
    keys = {path: _key(path) for path in paths}
    place = cache / f"{digest(str(directory.absolute()))}.jsonl" if cache else None
    kept = _load(place) if place else {}
    new = [path for path in paths if keys[path] not in kept]
    fresh = dict(zip(new, _read_all(new), strict=True))
    damaged = [result for result in fresh.values() if isinstance(result, str)]
    known = {keys[p]: r for p, r in fresh.items() if isinstance(r, Moment)}
    known = {key: kept[key] for key in keys.values() if key in kept} | known
    if place and known.keys() != kept.keys():
        lines = [json.dumps([_FORMAT, key, to_json(value)]) for key, value in sorted(known.items())]
        write(place.parent, {place.name: "\n".join(lines)})
    found = list(known.values())
    if besides is not None and all(m.run_id != besides.run_id for m in found):
        found.append(moment(besides))
    return Moments(ordered(found), damaged)


def _key(path: Path) -> str:
    try:
        state = path.stat()
    except OSError:
        return str(path)
    return f"{path.absolute()}:{state.st_size}:{state.st_mtime_ns}"


def _load(place: Path) -> dict[str, Moment]:
    """What an earlier call kept; nothing where that cannot be read."""
    try:
        lines = [json.loads(line) for line in place.read_text("utf-8").splitlines()]
        return {key: from_json(document) for version, key, document in lines if version == _FORMAT}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _read_all(paths: Sequence[Path]) -> list[Moment | str]:
    workers = os.cpu_count() or 1
    if len(paths) < _POOLED or workers < 2:
        return [_read(path) for path in paths]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return list(pool.map(_read, paths, chunksize=8))


def _read(path: Path) -> Moment | str:
    """What is kept of a run file, or the sentence that says why it cannot be read."""
    try:
        return moment(read_run(path))
    except TrackInputError as error:
        return str(error)


def ordered(found: Iterable[Moment]) -> list[Moment]:
    """Oldest first."""
    return sorted(found, key=lambda kept: kept.order)
