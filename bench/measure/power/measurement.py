"""Energy of one inference: windows over a running load, on the ticks of the meter. The protocol:

- idle first: the same meter, nothing running, 5 s;
- the load runs 2 s before the first window and goes on between windows, so that averaging sensors have settled;
- 5 windows, each after a random delay of up to 1 s, each at least 5 s and 32 iterations, opened and closed on a tick;
- a second meter of the same device is read in the same windows; more than 20 % apart is flagged;
- throttling, temperature, clock and power limit are watched throughout, and nothing is changed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.power.observation import Observation
from inflor_bench.measure.power.profile import FULL, Profile
from inflor_bench.measure.power.protocol import Meter
from inflor_bench.measure.power.result import PowerMeasurement, summarise
from inflor_bench.measure.power.separate import SeparateProcess
from inflor_bench.measure.unavailable import Unavailable

LOGGER = logging.getLogger(__name__)


class Observer(Protocol):
    """Who watches the meters while the load runs. Tests have one of their own, with virtual time."""

    def observe(
        self, call: Callable[[], object], meters: Sequence[Meter], profile: Profile, random: Random
    ) -> tuple[Observation | Unavailable, Callable[[float], float]]:
        """What the meters gave, and how many iterations of `call` were done by a moment."""
        ...


def measure_power(
    call: Callable[[], object],
    meters: Sequence[Meter],
    *,
    batch_size: int,
    profile: Profile = FULL,
    observer: Observer | None = None,
    random: Random | None = None,
) -> PowerMeasurement | Unavailable:
    """Measure the energy of `call`, one batch of `batch_size` samples, with the first of `meters` that can be read.

    The next one of the same device that can be read checks it. `call` runs in this thread, again and again, and must
    return when its work is done (synchronised); an error of it is passed on. `observer` and `random` are for tests.

    Returns:
        The measurement, or why there is none: what every meter says.

    Raises:
        MeasureInputError: the batch holds no sample.
    """
    if batch_size < 1:
        raise MeasureInputError(f"Energy is measured per sample, but the batch holds {batch_size}; give at least 1.")
    found, iterations_at = (observer or SeparateProcess()).observe(call, meters, profile, random or Random())
    if isinstance(found, Unavailable):
        LOGGER.info("Power is not measured: %s", found.reason)
        return found
    iterations = [iterations_at(window.end.time) - iterations_at(window.start.time) for window in found.windows]
    return summarise(found, iterations, batch_size=batch_size, profile=profile)
