"""What windows over a load amount to: J per inference, in total and above idle, with its uncertainty in parts."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from inflor_bench.measure.power.observation import Observation
from inflor_bench.measure.power.profile import FULL, Profile
from inflor_bench.measure.power.protocol import Conditions
from inflor_bench.measure.unavailable import Unavailable

# Clock-event reasons that mean the device ran slower than it could (NVML's names).
THROTTLING = {
    0x4: "software power cap",
    0x8: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake",
}
CROSS_CHECK_TOLERANCE = 0.2
LONGEST_MEAN_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class PowerMeasurement:
    """Energy and power that were measured, J per inference (one sample) and W, in total and above idle.

    `trials` are J per inference of each window. The uncertainty stands in three parts, each a share:
    `instrument_uncertainty` is assumed of the instrument, None where nothing is known; `trial_spread` is the standard
    deviation of the trials, None of a single one; `edge_uncertainty` is how far the times of a window's edges may be
    off, at worst. `tick_seconds` is how often the meter moved, None of one that is polled; `poll_seconds` the mean time
    between two readings, `longest_poll_seconds` the longest. `event_reasons` is the mask of clock-event reasons, all of
    the windows together; temperature is the highest that was seen, clock the lowest. None is what was not told.
    """

    profile: str
    meter: str
    device: str
    batch_size: int
    joules_per_inference: float
    joules_per_inference_above_idle: float
    idle_watts: float
    mean_watts: float
    trials: tuple[float, ...]
    flags: tuple[str, ...]
    cross_check_meter: str | None
    cross_check_joules_per_inference: float | None
    instrument_uncertainty: float | None
    trial_spread: float | None
    edge_uncertainty: float
    tick_seconds: float | None
    poll_seconds: float
    longest_poll_seconds: float
    window_seconds: tuple[float, ...]
    iterations: tuple[float, ...]
    event_reasons: int | None
    temperature_celsius: float | None
    clock_mhz: float | None
    power_limit_watts: float | None


def summarise(
    found: Observation, iterations: Sequence[float], *, batch_size: int, profile: Profile
) -> PowerMeasurement | Unavailable:
    """Make the result of at least one window; `iterations` are those of each."""
    name, cross_name, idle, windows = found.meter, found.cross_meter, found.idle, found.windows
    inferences = [count * batch_size for count in iterations]
    joules, seconds = sum(w.joules for w in windows), sum(w.seconds for w in windows)
    if joules <= 0:
        return Unavailable(f"meter_reads_zero: {name} reported no energy over {seconds:.1f} s of load.")
    if idle.joules <= 0:
        return Unavailable(f"meter_reads_zero: {name} reported no energy over {idle.seconds:.1f} s without load.")
    idle_watts = idle.joules / idle.seconds
    per_inference = joules / sum(inferences)
    trials = tuple(w.joules / n for w, n in zip(windows, inferences, strict=True))
    crossed = [w.cross_joules for w in windows]
    cross = None if None in crossed else sum(j for j in crossed if j is not None) / sum(inferences)
    gaps = [gap for w in windows for gap in w.gaps]
    flags = [*found.flags]
    if profile.name != FULL.name:
        flags.append(f"{profile.name}_profile: {profile.trials} windows of {profile.seconds:g} s")
    if found.lost is not None:
        flags.append(f"{found.lost} Only {len(windows)} of {profile.trials} windows were measured.")
    if cross is not None and abs(cross - per_inference) > CROSS_CHECK_TOLERANCE * per_inference:
        flags.append(f"cross_check: {cross_name} gives {cross:.3g} J per inference, {name} {per_inference:.3g} J")
    if not found.ticks and statistics.fmean(gaps) > LONGEST_MEAN_POLL_SECONDS:
        flags.append(f"slow_polling: power was read every {1e3 * statistics.fmean(gaps):.0f} ms, not every 20 ms")
    mask = _event_reasons(found.conditions)
    if slowed := throttling(mask):
        flags.append(f"throttled: {', '.join(slowed)} (0x{mask:x})")
    temperatures = [c.temperature for c in found.conditions if c.temperature is not None]
    clocks = [c.clock for c in found.conditions if c.clock is not None]
    limits = [c.power_limit for c in found.conditions if c.power_limit is not None]
    return PowerMeasurement(
        profile=profile.name,
        meter=name,
        device=found.device,
        batch_size=batch_size,
        joules_per_inference=per_inference,
        joules_per_inference_above_idle=(joules - idle_watts * seconds) / sum(inferences),
        idle_watts=idle_watts,
        mean_watts=joules / seconds,
        trials=trials,
        flags=tuple(flags),
        cross_check_meter=None if cross is None else cross_name,
        cross_check_joules_per_inference=cross,
        instrument_uncertainty=found.relative_uncertainty,
        trial_spread=statistics.stdev(trials) / statistics.fmean(trials) if len(trials) > 1 else None,
        edge_uncertainty=max(w.edge_uncertainty for w in windows),
        tick_seconds=found.tick_seconds,
        poll_seconds=statistics.fmean(gaps),
        longest_poll_seconds=max(gaps),
        window_seconds=tuple(w.seconds for w in windows),
        iterations=tuple(iterations),
        event_reasons=mask,
        temperature_celsius=max(temperatures, default=None),
        clock_mhz=min(clocks, default=None),
        power_limit_watts=min(limits, default=None),
    )


def throttling(event_reasons: int | None) -> list[str]:
    """The reasons in a mask for which the device ran slower than it could."""
    return [name for bit, name in THROTTLING.items() if (event_reasons or 0) & bit]


def _event_reasons(conditions: Sequence[Conditions]) -> int | None:
    """All reasons that were told, together; None where the device tells none at all."""
    told = [c.event_reasons for c in conditions if c.event_reasons is not None]
    mask = 0
    for reasons in told:
        mask |= reasons
    return mask if told else None


def device_lost(result: PowerMeasurement | Unavailable) -> str | None:
    """Why nothing more may run on the device; None where it is well."""
    said = [result.reason] if isinstance(result, Unavailable) else result.flags
    return next((text for text in said if text.startswith(("gpu_is_lost: ", "gpu_reset_required: "))), None)
