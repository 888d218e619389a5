"""The gate on time: pairs of processes of base and head, interleaved in one job on one machine.

What varies from process to process (memory layout) does not average out over the rounds of one process, so a process
counts once, as the median of its rounds. The two processes of a pair run their rounds in turn, so what varies from
minute to minute (neighbours) is the same for both, and only the pair's ratio says anything: the gate rejects where the
signed-rank test of the pairs has p < `ALPHA` and the median ratio is further from 1 than the floor: `FLOOR`, or what
the machine shows in A/A pairs, if that is more.

Pairs are added until it is decided, and looked at after the numbers in `LOOKS`. Each look spends its own share of
`ALPHA`: by the union bound the chance that any look is wrong stays below their sum, whatever they have in common.
Stopping early because nothing moved costs no false alarm, and neither does it where the machine is too noisy to tell.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from inflor_bench.verdict.statistics import signed_rank

if TYPE_CHECKING:
    import numpy as np

ALPHA = 0.002
# Number of pairs, and the share of ALPHA that the look after so many may spend. Few pairs can only say "the same": the
# least p-value of n of them is 2 / 2^n.
LOOKS = {6: 0.0, 10: 0.0, 14: 0.3, 17: 0.3, 20: 0.4}
MOST_PAIRS = max(LOOKS)
ROUNDS = 20
FLOOR = 0.03  # the least change of a time that counts on any machine
ASKED = 0.10  # the change that the gate is there to find
_RESAMPLES = 2000


@dataclass(frozen=True)
class Pairs:
    """Rounds, s, of interleaved processes: `base[i]` and `head[i]` are those of the i-th pair."""

    base: tuple[tuple[float, ...], ...]
    head: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        rounds = [value for side in (self.base, self.head) for process in side for value in process]
        if len(self.base) != len(self.head) or not all(self.base) or not all(self.head):
            raise ValueError("pairs need rounds of both base and head")
        if not all(math.isfinite(value) and value > 0 for value in rounds):
            raise ValueError("rounds are positive, finite numbers")

    def __len__(self) -> int:
        return len(self.base)

    def medians(self) -> tuple[list[float], list[float]]:
        """Return the median of every process, of base and of head."""
        return [median(process) for process in self.base], [median(process) for process in self.head]


@dataclass(frozen=True)
class Change:
    """Head over base: the ratio, its 95 % interval by bootstrap over the pairs, and the p-value over all looks."""

    ratio: float
    interval: tuple[float, float]
    p_value: float

    def exceeds(self, floor: float) -> bool:
        """Whether the ratio is further from 1 than the floor."""
        return abs(self.ratio - 1) > floor

    def within(self, floor: float) -> bool:
        """Whether the whole interval is nearer to 1 than the floor: nothing moved that counts.

        Where the floor is beyond `ASKED`, it has to be nearer than that: noise is no reason to say "the same".
        """
        return max(1 - self.interval[0], self.interval[1] - 1) <= min(floor, ASKED)


def change_of(pairs: Pairs) -> Change:
    """Return how head and base differ.

    The p-value is the least over the looks so far, each divided by its share of ALPHA: it is below ALPHA exactly where
    one of the looks rejects.

    Raises:
        ValueError: There is no pair.
    """
    if not len(pairs):
        raise ValueError("a change needs at least one pair")
    logs = _log_ratios(pairs)
    p_value = 1.0
    for look, share in LOOKS.items():
        if share and look <= len(pairs):
            p_value = min(p_value, signed_rank(logs[:look].tolist()) / share)
    import numpy as np

    drawn = _generator().integers(0, len(logs), (_RESAMPLES, len(logs)))
    low, high = np.exp(np.quantile(np.median(logs[drawn], axis=1), [0.025, 0.975]))
    return Change(float(np.exp(np.median(logs))), (float(low), float(high)), p_value)


def noise_floor(same: Pairs, least: float) -> float:
    """Return the least change that counts on this machine, `least` or more, learnt from A/A pairs.

    It is what 95 of 100 comparisons of ten pairs stay below where nothing changed, by resampling the A/A pairs with
    either sign.
    """
    import numpy as np

    logs, generator = _log_ratios(same), _generator()
    drawn = logs[generator.integers(0, len(logs), (_RESAMPLES, 10))] * generator.choice([-1.0, 1.0], (_RESAMPLES, 10))
    return max(least, float(np.expm1(np.quantile(np.abs(np.median(drawn, axis=1)), 0.95))))


def decided(pairs: Pairs, floor: float, tests: int) -> bool:
    """Whether more pairs can be spared: what was seen stands among `tests` tests, or nothing moved that would count.

    Benjamini-Hochberg adjusts a p-value of m tests by at most m, so what passes here passes there.
    """
    if len(pairs) >= MOST_PAIRS:
        return True
    if len(pairs) not in LOOKS:
        return False
    change = change_of(pairs)
    return change.within(floor) or (change.exceeds(floor) and change.p_value * tests < ALPHA)


def hopeless(pairs: Pairs, floor: float) -> bool:
    """Whether more pairs would tell nothing: noise hides a change of `ASKED`, and the head is not further than noise.

    A change that is larger than such a floor is followed up like any other.
    """
    return len(pairs) in LOOKS and floor > ASKED and not change_of(pairs).exceeds(floor)


def most_moved(layers: Sequence[tuple[str, float, float]]) -> tuple[str, float, float] | None:
    """Return the layer (name, s of base, s of head) whose time moved most; None without layers."""
    return max(layers, key=lambda layer: abs(layer[2] - layer[1]), default=None)


def _log_ratios(pairs: Pairs) -> np.ndarray:
    import numpy as np

    base, head = pairs.medians()
    return np.log(np.asarray(head) / np.asarray(base))


def _generator() -> np.random.Generator:
    import numpy as np

    return np.random.default_rng(0)
