"""What trends and an index need of a run: a few numbers a cell, small enough to keep by the hundred."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.track.errors import TrackInputError
from bench.track.history import run_files
from bench.track.records import Absent
from bench.track.runs import Run, read_run
from reports.cells import Cell, Missing, collect, headline_energy


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


def read_moments(directory: Path, *, besides: Run | None = None) -> Moments:
    """Read a directory of run files one by one, so that a long history takes little memory.

    `besides` is a run that belongs to the history whether or not its file lies there.
    """
    damaged: list[str] = []

    def read() -> Iterator[Moment]:
        for path in run_files(directory):
            try:
                yield moment(read_run(path))
            except TrackInputError as error:
                damaged.append(str(error))

    found = list(read())
    if besides is not None and all(m.run_id != besides.run_id for m in found):
        found.append(moment(besides))
    return Moments(ordered(found), damaged)


def ordered(found: Iterable[Moment]) -> list[Moment]:
    """Oldest first."""
    return sorted(found, key=lambda kept: kept.order)
