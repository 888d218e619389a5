"""Figures that follow from measured energy. Where energy was not measured there are none."""

from __future__ import annotations

import math
import os

from inflor_bench.record.costs import Derived, Energy, Latency, Power, Product, Ratios, TdpEstimate
from inflor_bench.record.section import Absent, Section


def derive(power: Section | None, energy: Section | None) -> Derived | Absent:
    """Derive from the sections of a record, each perhaps absent."""
    if not isinstance(power, Power):
        return _absent("energy was not measured", power)
    return Derived(
        joules_per_inference=power.joules_per_inference,
        inferences_per_joule=1 / power.joules_per_inference,
        energy_delay_product=_energy_delay(power),
        measured_to_estimated=_ratios(power, energy),
    )


def _energy_delay(power: Power) -> Product | Absent:
    """The delay is that of the meter's own windows, so both cover the same work, the reset of the state included."""
    if power.batch_size is None or not power.iterations or not power.window_seconds:
        return Absent(status="unavailable", reason="the windows of the meter are not in the file")
    delay = math.fsum(power.window_seconds) / math.fsum(power.iterations)
    return Product(batch_size=power.batch_size, joule_seconds=power.joules_per_inference * delay)


def _ratios(power: Power, energy: Section | None) -> Ratios | Absent:
    if not isinstance(energy, Energy):
        return _absent("there is no estimate", energy)
    ratios = {model.name: power.joules_per_inference / model.joules for model in energy.models if model.joules > 0}
    if not ratios:
        return Absent(status="unavailable", reason="no model of energy gave an estimate above 0 J")
    return Ratios(models=ratios)


def _absent(what: str, section: Section | None) -> Absent:
    """The status of what is missing, and its reason."""
    if isinstance(section, Absent):
        return Absent(status=section.status, reason=f"{what}: {section.reason}")
    return Absent(status="unavailable", reason=what)


def tdp_estimate(latency: Section, tdp_watts: float | None) -> TdpEstimate | None:
    """Estimate from CPU time, where that was asked for and CPU time is known."""
    if tdp_watts is None or not isinstance(latency, Latency) or latency.cpu_seconds_per_inference is None:
        return None
    cpus = os.cpu_count() or 1
    return TdpEstimate(
        tdp_watts=tdp_watts,
        logical_cpus=cpus,
        cpu_seconds_per_inference=latency.cpu_seconds_per_inference,
        joules_per_inference=latency.cpu_seconds_per_inference * tdp_watts / cpus,
    )
