"""What was measured, and where it came from: the model, the code, the machine, the data and the weights."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from inflor_bench.record.section import Absent, Section

# Neurons, by the name of a cell, whose networks have no time: ReLU, and the fair twin, whose T is its levels above 0.
WITHOUT_TIME: Final = ("relu", "quant")


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
    """The data that was measured on: `sha256` of the frames where they are events, `events_sha256` of those."""

    name: str
    split: str
    samples: int
    sha256: str
    simulated: bool = False
    events_sha256: str | None = None

    def same_samples(self, other: DatasetProvenance) -> bool:
        """Whether the samples are known to be the same ones, if in other frames."""
        of_events = self.events_sha256 is not None and self.events_sha256 == other.events_sha256
        return self.sha256 == other.sha256 or of_events


class WeightsProvenance(Section):
    """The weights that were measured: where they came from and what determined them.

    `card_accuracy` is the share of correct predictions after training, `card_anytime` that after 1, 2, ... T steps, and
    `card_epochs` that on the test set after each epoch.
    """

    source: Literal["shipped", "trained", "cached", "user"]
    sha256: str
    training_key: str | None = None
    recipe: dict[str, Any] = {}
    card_accuracy: Annotated[float, Field(ge=0, le=1)] | None = None
    card_anytime: list[float] = []
    card_epochs: list[float] = []


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
