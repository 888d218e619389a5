"""What a cell costs: energy estimated and measured, time and memory."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from inflor_bench.record.section import Absent, Count, Section


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
