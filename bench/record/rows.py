"""What is kept of a run file: a row for the run, one for each record, one for each layer, as Parquet tables hold them.

Counts are those of the record, over all its samples; None is what was not measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

from inflor_bench.errors import TrackInputError
from inflor_bench.record.origin import Git
from inflor_bench.record.run_file import Run, in_utc, run_name
from inflor_bench.record.schema import Record
from inflor_bench.record.section import Absent


@dataclass(frozen=True)
class RunRow:
    """One run. `file` is its name in the history, `proper` the one that it should have (None: it cannot have one).

    `state` changes with the file's content, and `sha256` is the hash of that.
    """

    file: str
    state: str
    sha256: str
    proper: str | None
    run_id: str
    created: str
    machine: str
    sha: str | None
    tree: str | None
    parents: tuple[str, ...]
    base_sha: str | None
    branch: str | None
    message: str
    dirty: bool
    suite: str | None
    cells: int

    @property
    def order(self) -> tuple[str, str]:
        """Sort key: by time in UTC, whatever offset it was written with."""
        return time_order(self.created), self.run_id


def time_order(created: str) -> str:
    """Return a time as text that sorts; what is no time as it is."""
    try:
        return in_utc(created).isoformat()
    except (ValueError, OverflowError):
        return created


@dataclass(frozen=True)
class RecordRow:
    """One record. `energy_*` are its estimates in order; `skipped` is the reason where nothing at all was measured."""

    file: str
    cell: str
    dataset: str | None
    network: str | None
    neuron: str | None
    timesteps: int | None
    seed: int | None
    device: str
    skipped: str | None
    samples: int | None
    correct: int | None
    firing_rate: float | None
    synops_samples: int | None
    ac: int | None
    mac: int | None
    dense: int | None
    energy_models: tuple[str, ...]
    energy_versions: tuple[str, ...]
    energy_joules: tuple[float, ...]
    latency: float | None
    latency_p95: float | None
    batch_size: int | None
    joules: float | None
    peak_bytes: int | None


@dataclass(frozen=True)
class Rows:
    """All rows of one run file."""

    run: RunRow
    records: tuple[RecordRow, ...]


def rows_of(run: Run, file: str, state: str = "", content: bytes = b"") -> Rows:
    """Return what is kept of a run."""
    records = [result.record for result in run.cells.values()]
    return Rows(row_of(run, file, state, content), tuple(_record(record, file) for record in records))


def row_of(run: Run, file: str, state: str = "", content: bytes = b"") -> RunRow:
    """Return what is kept of a run as a whole."""
    git = run.git if isinstance(run.git, Git) else None
    try:
        proper = run_name(run)
    except TrackInputError:
        proper = None
    return RunRow(
        file=file,
        state=state,
        sha256=sha256(content).hexdigest(),
        proper=proper,
        run_id=run.run_id,
        created=run.created,
        machine=run.machine.fingerprint,
        sha=git.sha if git else None,
        tree=git.tree if git else None,
        parents=tuple(git.parents) if git else (),
        base_sha=git.base_sha if git else None,
        branch=git.branch if git else None,
        message=git.message.strip().partition("\n")[0][:500] if git else "",
        dirty=git.dirty if git else False,
        suite=run.common("suite"),
        cells=len(run.cells),
    )


def _record(record: Record, file: str) -> RecordRow:
    model = record.model
    accuracy = None if isinstance(record.accuracy, Absent) else record.accuracy
    spikes = None if isinstance(record.spikes, Absent) else record.spikes
    synops = None if isinstance(record.synops, Absent) else record.synops
    estimates = [] if isinstance(record.energy, Absent) else record.energy.models
    latency = None if isinstance(record.latency, Absent) else record.latency
    return RecordRow(
        file=file,
        cell=record.name,
        dataset=model.dataset,
        network=model.network,
        neuron=model.neuron,
        timesteps=model.timesteps,
        seed=model.seed,
        device=record.provenance.device,
        skipped=record.unmeasured.reason if record.unmeasured else None,
        samples=accuracy.n if accuracy else None,
        correct=accuracy.correct if accuracy else None,
        firing_rate=spikes.mean_firing_rate if spikes else None,
        synops_samples=synops.samples if synops else None,
        ac=synops.total.ac if synops else None,
        mac=synops.total.mac if synops else None,
        dense=synops.total.dense if synops else None,
        energy_models=tuple(estimate.name for estimate in estimates),
        energy_versions=tuple(estimate.version for estimate in estimates),
        energy_joules=tuple(estimate.joules for estimate in estimates),
        latency=latency.median if latency else None,
        latency_p95=latency.p95 if latency else None,
        batch_size=latency.batch_size if latency else None,
        joules=None if isinstance(record.power, Absent) else record.power.joules_per_inference,
        peak_bytes=None if isinstance(record.memory, Absent) else record.memory.peak_bytes,
    )
