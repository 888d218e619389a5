"""The record: everything that was measured of one cell, as versioned data.

A section is either present (`status` "measured" or "estimated") or an `Absent` with a status and a reason. A value that
was not measured is therefore never a 0. Counts are exact integers; rates and ratios are derived from them on reading.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:  # it takes longer to import than all else here, and only per-sample bits need it
    import numpy as np

SCHEMA_VERSION: Final = 1

# Neurons, by the name of a cell, whose networks have no time: ReLU, and the fair twin, whose T is its levels above 0.
WITHOUT_TIME: Final = ("relu", "quant")

Count = Annotated[int, Field(ge=0)]


class Section(BaseModel):
    """Base of all parts of a record: unknown keys and non-finite numbers are refused, so a record is strict JSON."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, ser_json_inf_nan="null", defer_build=True
    )


class Absent(Section):
    """A section that has no values, and why."""

    status: Literal["unavailable", "skipped", "failed"]
    reason: str = Field(min_length=1)


class Git(Section):
    """Where the code stood, stored so that reports and comparisons need no repository."""

    status: Literal["measured"] = "measured"
    sha: str
    tree: str
    parents: list[str]
    base_sha: str | None
    first_parent_index: int | None
    branch: str | None
    dirty: bool
    diff_sha256: str | None
    shallow: bool
    message: str = ""
    committed: str = ""


class Machine(Section):
    """Hash of what time and power depend on, with its preimage. Times are compared within one fingerprint only."""

    fingerprint: str
    preimage: dict[str, str]


class DatasetProvenance(Section):
    """The data that was measured on."""

    name: str
    split: str
    samples: int
    sha256: str
    simulated: bool = False


class WeightsProvenance(Section):
    """The weights that were measured: where they came from and what determined them.

    `card_accuracy` is the share of correct predictions after training, `card_anytime` that after 1, 2, ... T steps.
    """

    source: Literal["shipped", "trained", "cached", "user"]
    sha256: str
    training_key: str | None = None
    recipe: dict[str, Any] = {}
    card_accuracy: Annotated[float, Field(ge=0, le=1)] | None = None
    card_anytime: list[float] = []


class Budget(Section):
    """One budget of a suite: a limit on a metric of the cells that the glob covers."""

    cell: str
    metric: str
    relation: Literal["<=", ">="]
    limit: float

    def __str__(self) -> str:
        return f"{self.metric} {self.relation} {self.limit:g}"

    def kept(self, value: float) -> bool:
        """Whether a value keeps the limit."""
        return value <= self.limit if self.relation == "<=" else value >= self.limit


class Provenance(Section):
    """Everything that determines a record.

    Times, memory and power are of `device`; counts and accuracy are of `counted_on`, None in older files, see
    `counting_device`.

    `suite` is the name of the suite that the run was asked for, `suite_cells` a hash of the names of all its cells,
    `budgets` its limits, and `settings` its table [measure] with what the command line replaced; None in older files,
    and of a user's own model. `only` is the pattern of the cells that were asked for, `shard` the part of the suite,
    such as "2/8"; None for all of it. `merged_from` is the id of the run that measured the cell, where several were
    merged into this one.
    """

    run_id: str
    created: str
    command: list[str]
    git: Annotated[Git | Absent, Field(discriminator="status")]
    machine: Machine
    versions: dict[str, str]
    threads: int
    device: str
    counted_on: str | None = None
    suite: str | None = None
    suite_cells: str | None = None
    budgets: list[Budget] | None = None
    only: str | None = None
    shard: str | None = None
    merged_from: str | None = None
    settings: dict[str, Any] | None = None
    dataset: DatasetProvenance | None = None
    weights: WeightsProvenance | None = None

    @property
    def counting_device(self) -> str:
        """The kind of device that counts and accuracy were made on: until that was kept the CPU, but for own models."""
        own = self.weights is not None and self.weights.source == "user"
        return (self.counted_on or (self.device if own else "cpu")).partition(":")[0]


class ModelDescription(Section):
    """What was measured. Of a user's own model `network`, `neuron` and `seed` are None, and what is not known.

    `timesteps` is the cell's T: of the fair twin ("quant") no time, but its `levels` above 0, each value of which takes
    `activation_bits`.
    """

    dataset: str | None = None
    network: str | None = None
    neuron: str | None = None
    timesteps: int | None = None
    seed: int | None = None
    parameters: int | None = None
    decay: float | None = None
    threshold: float | None = None
    reset: str | None = None
    reset_by: float | None = None
    mpr: bool | None = None
    levels: int | None = None
    activation_bits: int | None = None
    form: Literal["training", "deployed"] = "training"

    @property
    def bits_of_values(self) -> int | None:
        """Bits of T + 1 values, ceil(log2(T + 1)); None of a network without time or levels."""
        return None if self.timesteps is None or self.neuron == "relu" else self.timesteps.bit_length()


class Accuracy(Section):
    """Correct predictions, in total and bit by bit (zlib-compressed packed bits in base64) for paired tests.

    `anytime` are the correct predictions after 1, 2, ... T time steps of the same pass; None where that is not known.
    """

    status: Literal["measured"] = "measured"
    n: int = Field(ge=1)
    correct: Count
    bits: str
    anytime: list[Count] | None = None

    @property
    def value(self) -> float:
        """Share of correct predictions."""
        return self.correct / self.n

    @classmethod
    def from_bits(cls, bits: np.ndarray) -> Accuracy:
        """Build from one boolean a sample."""
        import numpy as np

        packed = np.packbits(np.asarray(bits, dtype=bool)).tobytes()
        encoded = base64.b64encode(zlib.compress(packed, 9)).decode("ascii")
        return cls(n=int(bits.size), correct=int(bits.sum()), bits=encoded)

    def unpack(self) -> np.ndarray:
        """Return one boolean a sample, [n].

        The length is checked against `n` while decompressing, so that a hostile file cannot fill the memory.
        """
        import numpy as np

        expected = (self.n + 7) // 8
        compressed = base64.b64decode(self.bits, validate=True)
        most = 1032 * len(compressed) + 1032  # zlib makes at most 1032 bytes of one
        packed = zlib.decompressobj().decompress(compressed, min(expected, most) + 1)
        if len(packed) != expected:
            raise ValueError("accuracy.bits does not hold n bits")
        return np.unpackbits(np.frombuffer(packed, dtype=np.uint8), count=self.n).astype(bool)

    @model_validator(mode="after")
    def _consistent(self) -> Accuracy:
        try:
            correct = int(self.unpack().sum())
        except (ValueError, zlib.error) as error:
            raise ValueError(f"accuracy.bits cannot be decoded: {error}") from None
        if correct != self.correct:
            raise ValueError("accuracy.correct disagrees with accuracy.bits")
        return self


class SpikeLayer(Section):
    """Spikes of one spiking layer over all samples. `shape` is that of one sample at one step, e.g. [C, H, W].

    `recognised` says by what a module of the user's was told to be a spiking neuron; None where it says so itself.
    """

    name: str
    shape: list[int]
    neurons: Count
    spikes_per_step: list[Count]
    recognised: str | None = None

    @property
    def spikes(self) -> int:
        """Spikes over all samples and steps."""
        return sum(self.spikes_per_step)


class Spikes(Section):
    """Spike counts. The firing rate (spikes per neuron and step) is spikes / (neurons * samples * steps)."""

    status: Literal["measured"] = "measured"
    samples: int = Field(ge=1)
    layers: list[SpikeLayer]

    def firing_rate(self, layer: SpikeLayer, step: int | None = None) -> float:
        """Spikes per neuron and step of one layer, over all steps or at one."""
        steps = layer.spikes_per_step if step is None else [layer.spikes_per_step[step]]
        return sum(steps) / (layer.neurons * self.samples * len(steps))

    @property
    def mean_firing_rate(self) -> float | None:
        """Spikes per neuron and step over the whole network; None without spiking neurons."""
        return self.mean_firing_rate_of(self.layers)

    def mean_firing_rate_of(self, layers: Sequence[SpikeLayer]) -> float | None:
        """Spikes per neuron and step over some of the layers; None without spiking neurons."""
        sites = sum(layer.neurons * len(layer.spikes_per_step) for layer in layers) * self.samples
        return sum(layer.spikes for layer in layers) / sites if sites else None


class SynopCounts(Section):
    """Exact operations over all samples: accumulates, multiply-accumulates, in-bounds pairs, and pairs with padding."""

    ac: Count
    mac: Count
    dense: Count
    dense_padded: Count


class SynopLayer(SynopCounts):
    """Synaptic operations of one site.

    `mixed` says that the site saw both unit-valued and other inputs; `unit_share` is the share of its non-zero input
    elements whose magnitude was 1. `levels` are the distinct magnitudes besides 0 of a graded input, whole numbers or
    one scale times whole numbers; None of any other, of a binary one, and in older files. `input_nonzero` of
    `input_elements` were not 0, in `input_rows`, each of which is one step of one sample; `output_elements` came out,
    of `output_channels`, each with a `bias` or without. `per_step` are the operations, AC or MAC, at each time step;
    None where they were not asked for or, as `unattributed` says, where time is not known.
    """

    name: str
    kind: str
    weight_shape: list[int]
    output_shape: list[int]
    mixed: bool = False
    unit_share: float | None = None
    levels: Annotated[int, Field(ge=1)] | None = None
    input_elements: Count | None = None
    input_nonzero: Count | None = None
    input_rows: Count | None = None
    output_elements: Count | None = None
    output_channels: Count | None = None
    bias: bool | None = None
    per_step: list[Count] | None = None
    unattributed: str | None = None


class Uncounted(Section):
    """An operator that may hold synaptic operations and that no formula covers."""

    name: str
    operator: str
    calls: int


class Synops(Section):
    """Synaptic operations of all samples, by layer. Divide by `samples` for one inference."""

    status: Literal["measured"] = "measured"
    samples: int = Field(ge=1)
    total: SynopCounts
    layers: list[SynopLayer]
    uncounted: list[Uncounted] = []


class DenseDifference(Section):
    """A module, with all inside it, in which two counts of dense operations differ, and the operators seen there."""

    name: str
    ours: Count
    theirs: Count
    operators: list[str]


class DenseCheck(Section):
    """Dense operations of one sample, padding included, by us and by an independent counter, and where they differ.

    `unsupported` are the operators of the network that the other one does not know, with their calls; most are not
    synaptic.
    """

    status: Literal["measured"] = "measured"
    counter: str
    ours: Count
    theirs: Count
    differences: list[DenseDifference] = []
    unsupported: dict[str, Count] = {}


class NeuronOpsLayer(Section):
    """Neuron updates of one layer over all samples, and what they are made of. `neurons` is how many it has."""

    name: str
    reset: str
    mpr: bool
    neurons: Count | None = None
    updates: Count
    leak_multiplies: Count
    integrate_adds: Count
    compares: Count
    reset_operations: Count


class NeuronOps(Section):
    """Neuron updates: one per neuron, step and sample. MPR adds nothing at inference: it never changes a spike."""

    status: Literal["measured"] = "measured"
    samples: int = Field(ge=1)
    layers: list[NeuronOpsLayer]

    @property
    def updates(self) -> int:
        """Neuron updates over all samples and layers."""
        return sum(layer.updates for layer in self.layers)


class Histogram(Section):
    """Counts in equal bins over [low, high), with what fell below and above, so that histograms merge by addition."""

    low: float
    high: float
    counts: list[Count]
    below: Count
    above: Count


class InformationLayer(Section):
    """Information loss of one spiking layer (Guo et al., ECCV 2022), as means over samples, neurons and steps.

    `quantisation_error` is the mean of (o - u)^2, `quantisation_error_rectified` of (o - phi(u))^2; `reset_loss` is the
    mean of |u - v - o| over fired neurons, None where none fired. `elements` is the number of membranes, `fired` that
    of spikes. The rectified values apply phi whether or not the neuron uses it, and are None for a neuron that offers
    no phi. `firing_level` is the membrane above which its neurons fire, None where that is not one number.
    """

    name: str
    elements: Count
    fired: Count
    quantisation_error: float
    quantisation_error_rectified: float | None
    reset_loss: float | None
    membrane: Histogram
    rectified: Histogram | None
    firing_level: float | None = None


class Information(Section):
    """Information loss by layer. `firing_level` is None where the layers fire at different levels."""

    status: Literal["measured"] = "measured"
    samples: int = Field(ge=1)
    firing_level: float | None
    layers: list[InformationLayer]


class EnergyModel(Section):
    """One estimate, J per inference, by one named model of energy, with its source and the share of every layer.

    `notes` say what the model does not cover of this network.
    """

    name: str
    version: str
    source: str
    joules: float = Field(ge=0)
    layers: dict[str, float]
    notes: list[str] = []


class Energy(Section):
    """Energy estimates from operation counts. These are not measurements. `failed`: models that gave none, and why."""

    status: Literal["estimated"] = "estimated"
    models: list[EnergyModel]
    failed: dict[str, str] = {}


class Rounds(Section):
    """Rounds of one thing that was timed, s: all of them, and their order statistics.

    `median_low` to `median_high` covers the true median with at least `confidence`. A percentile is None where the
    rounds are too few to hold it.
    """

    status: Literal["measured"] = "measured"
    seconds: list[float] = Field(min_length=1)
    rounds: int
    median: float
    median_low: float | None
    median_high: float | None
    confidence: float
    iqr: float
    minimum: float
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None


class LatencyVariant(Section):
    """The same forward pass under another condition, timed in turn (A B A B) with "plain", which is that of the cell.

    `note` says what the condition was.
    """

    name: Literal["plain", "cold-cache", "cuda-graph"]
    note: str
    rounds: Annotated[Rounds | Absent, Field(discriminator="status")]


class LatencyPoint(Section):
    """One point of a sweep: the same network with another batch or number of steps (None: it has no time axis).

    `inferences_per_second` is the sustained throughput.
    """

    batch_size: int
    timesteps: int | None
    rounds: Annotated[Rounds | Absent, Field(discriminator="status")]
    inferences_per_second: float | None = None
    steady: bool | None = None


class Latency(Section):
    """Wall time of one forward pass of `batch_size` samples, s, by the host's clock, with the device synchronised.

    Raw rounds are in the benchmark's own `stats.data`. `events` is the time between two CUDA events around the pass,
    None in files that are older than it. `inferences_per_second` is the sustained throughput, without waiting for the
    device between passes. `cpu_seconds_per_inference` is CPU time of all threads for one sample, no energy.
    Of the rounds, `processors` is CPU time over wall time and `waited` the time that threads were ready and had no
    processor over wall time; where other processes took more than a tenth of the time so, it is `disturbed`.
    """

    status: Literal["measured"] = "measured"
    profile: str = "full"
    batch_size: int
    rounds: int
    median: float
    median_low: float | None
    median_high: float | None
    confidence: float
    iqr: float
    minimum: float
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None
    warmup_iterations: int
    warmup_seconds: float
    steady: bool
    involuntary_switches: Count | None = None
    processors: float | None = None
    waited: float | None = None
    disturbed: bool = False
    cpu_seconds_per_inference: float | None = None
    inferences_per_second: float | None = None
    events: Annotated[Rounds | Absent, Field(discriminator="status")] | None = None
    variants: list[LatencyVariant] = []
    sweep: list[LatencyPoint] = []

    @property
    def doubt(self) -> str:
        """Why the time is read with care, in two words; empty where nothing speaks against it."""
        return "disturbed" if self.disturbed else "" if self.steady else "not steady"


class Power(Section):
    """Measured power and energy of one inference, total and above idle, with the instrument that read it.

    `trials` are J per inference of each window. The uncertainty stands in three parts, each a share:
    `instrument_uncertainty` is assumed of the instrument, `trial_spread` is the standard deviation of the trials, and
    `edge_uncertainty` what the times of a window's edges may be off by. `cross_check_*` is what a second meter of the
    device made of the windows. `event_reasons` is NVML's mask of clock-event reasons, all windows together. None is
    what was not told.
    """

    status: Literal["measured"] = "measured"
    profile: str | None = None
    meter: str
    device: str
    batch_size: int | None = None
    joules_per_inference: float
    joules_per_inference_above_idle: float
    idle_watts: float
    mean_watts: float
    trials: list[float]
    flags: list[str] = []
    cross_check_meter: str | None = None
    cross_check_joules_per_inference: float | None = None
    instrument_uncertainty: float | None = None
    trial_spread: float | None = None
    edge_uncertainty: float | None = None
    tick_seconds: float | None = None
    poll_seconds: float | None = None
    longest_poll_seconds: float | None = None
    window_seconds: list[float] = []
    iterations: list[float] = []
    event_reasons: int | None = None
    temperature_celsius: float | None = None
    clock_mhz: float | None = None
    power_limit_watts: float | None = None


class TdpEstimate(Section):
    """J per inference as CPU time would cost it at the CPU's rated power. An estimate that was asked for, no reading.

    joules_per_inference = cpu_seconds_per_inference * tdp_watts / logical_cpus.
    """

    status: Literal["estimated"] = "estimated"
    tdp_watts: float = Field(gt=0)
    logical_cpus: int = Field(ge=1)
    cpu_seconds_per_inference: float
    joules_per_inference: float


class Ratios(Section):
    """Measured energy over what each energy model estimates, by the model's name."""

    status: Literal["derived"] = "derived"
    models: dict[str, float]


class Product(Section):
    """J per inference times s per forward pass, both of the meter's windows, at one batch size, J s."""

    status: Literal["derived"] = "derived"
    batch_size: int
    joule_seconds: float


class Derived(Section):
    """Figures that follow from measured energy, and from nothing else."""

    status: Literal["derived"] = "derived"
    joules_per_inference: float
    inferences_per_joule: float
    energy_delay_product: Annotated[Product | Absent, Field(discriminator="status")]
    measured_to_estimated: Annotated[Ratios | Absent, Field(discriminator="status")]


class Memory(Section):
    """Peak memory while one batch runs, bytes: in all, above what stood before, and of the parameters alone."""

    status: Literal["measured"] = "measured"
    kind: Literal["host_peak_rss", "cuda_peak_allocated"]
    batch_size: int
    peak_bytes: Count
    above_baseline_bytes: Count
    parameter_bytes: Count


class Record(Section):
    """Everything that was measured of one cell. `name` is the cell's name, or the target's for a user's model.

    `derived` follows from the other sections; `tdp_estimate` is there only where it was asked for. `dense_check` is
    None in files that are older than it, and of a cell that was not measured.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    name: str = Field(min_length=1)
    model: ModelDescription
    provenance: Provenance
    accuracy: Annotated[Accuracy | Absent, Field(discriminator="status")]
    spikes: Annotated[Spikes | Absent, Field(discriminator="status")]
    synops: Annotated[Synops | Absent, Field(discriminator="status")]
    neuron_ops: Annotated[NeuronOps | Absent, Field(discriminator="status")]
    information: Annotated[Information | Absent, Field(discriminator="status")]
    energy: Annotated[Energy | Absent, Field(discriminator="status")]
    latency: Annotated[Latency | Absent, Field(discriminator="status")]
    power: Annotated[Power | Absent, Field(discriminator="status")]
    memory: Annotated[Memory | Absent, Field(discriminator="status")]
    derived: Annotated[Derived | Absent, Field(discriminator="status")] = Absent(
        status="unavailable", reason="not_derived: the file was written before such figures were kept"
    )
    tdp_estimate: TdpEstimate | None = None
    dense_check: Annotated[DenseCheck | Absent, Field(discriminator="status")] | None = None

    @property
    def unmeasured(self) -> Absent | None:
        """Why nothing at all was measured, in the words of what was skipped or failed; None if something was."""
        sections = [getattr(self, name) for name in SECTIONS]
        absent = [section for section in sections if isinstance(section, Absent)]
        if len(absent) < len(sections):
            return None
        return next((section for section in absent if section.status in ("skipped", "failed")), absent[0])


SECTIONS = ("accuracy", "spikes", "synops", "neuron_ops", "information", "energy", "latency", "power", "memory")
