"""How a suite, or `inflor-bench measure`, measures latency, memory and power. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from inflor_bench.measure.energy.model import Bits

Positive = Annotated[int, Field(ge=1)]
BitWidth = Annotated[int, Field(ge=1, le=64)]
Variant = Literal["cold-cache", "cuda-graph"]
Profile = Literal["full", "quick"]

QUICK_ROUNDS = 30


class MeasureSettings(BaseModel):
    """The table [measure] of a suite.

    Attributes:
        batch_size: samples in a batch.
        rounds: timed rounds.
        information_samples: of how many samples of the test set, its first ones, the information loss is taken; None:
            of all. Counts and accuracy are always those of all samples.
        profile: "quick" is for CI: at most 30 rounds, a shorter warm-up, and one short window of the power meter. The
            record says so.
        device: where latency, memory and power are measured; "auto" is the GPU if there is one. Counts come from the
            CPU: they are the same everywhere.
        variants: other conditions under which the same pass is timed, in turn with the usual one.
        sweep_batch_sizes, sweep_timesteps: points of a sweep, each with the cell's own value of the other.
        timed: whether there is a latency, and memory and power with it; else all of the cells is counted and no more.
        weight_bits, sum_bits, activation_bits: what the models of energy at equal precision price. Activations take as
            many bits as the T of the network needs, ceil(log2(T + 1)), or 8 where it has none, if not said otherwise.
        tdp_watts: also estimate energy from CPU time and this rated power of the whole CPU.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    batch_size: Positive = 32
    rounds: Positive = 100
    information_samples: Positive | None = None
    profile: Profile = "full"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    variants: list[Variant] = []
    sweep_batch_sizes: list[Positive] = []
    sweep_timesteps: list[Positive] = []
    timed: bool = True
    weight_bits: BitWidth = 8
    sum_bits: BitWidth = 32
    activation_bits: BitWidth | None = None
    tdp_watts: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    def bits(self, activation: int | None) -> Bits:
        """What energy is priced at, where the network's own activations take so many bits."""
        return Bits(self.weight_bits, self.sum_bits, self.activation_bits or activation or Bits.activation)

    @property
    def timed_rounds(self) -> int:
        """Rounds that are timed under the profile."""
        return min(self.rounds, QUICK_ROUNDS) if self.profile == "quick" else self.rounds

    @property
    def warmup_seconds(self) -> float:
        """How long a warm-up takes, s."""
        return 1.0 if self.profile == "quick" else 3.0

    @property
    def sustained_seconds(self) -> float:
        """How long throughput is watched, s."""
        return 0.2 if self.profile == "quick" else 1.0
