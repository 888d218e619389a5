"""What a comparison finds: one verdict on one metric of one cell, with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from inflor_bench.metrics import INSTRUMENTS
from inflor_bench.record.origin import Provenance
from inflor_bench.record.run_file import CellResult
from inflor_bench.record.section import Absent

Verdict = Literal["regressed", "accepted", "changed", "improved", "too_noisy", "not_comparable", "same"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)  # worst first


@dataclass(frozen=True)
class Finding:
    """One verdict.

    `metric` is a name of `metrics`, that of a section where it is missing as a whole, "cell" for the cell as a
    whole. `layer` is where counts moved. `change` is relative to the base (0.1 is 10 % more), except for accuracy,
    where it is the difference of the shares; `interval` is that of `change` at 95 %. `p_value` is raw; `p_adjusted` is
    adjusted among the tests of its kind, and decides. `floor` is the least change that counts.
    """

    cell: str
    metric: str
    layer: str | None
    verdict: Verdict
    reason: str
    base: float | int | str | None = None
    head: float | int | str | None = None
    change: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    interval: tuple[float, float] | None = None
    floor: float | None = None

    @property
    def rank(self) -> tuple[int, float, str, str]:
        """Sort key: worst first, and the largest change first among equals."""
        return VERDICTS.index(self.verdict), -abs(self.change or 0.0), self.cell, self.metric


@dataclass(frozen=True)
class Pair:
    """The same cell in both runs, and what is the same about how it was measured."""

    cell: str
    base: CellResult
    head: CellResult

    @property
    def provenances(self) -> tuple[Provenance, Provenance]:
        """Where the two records come from."""
        return self.base.record.provenance, self.head.record.provenance

    @property
    def same_machine(self) -> bool:
        """Whether times may be compared: the machine, the threads and the device are the same."""
        base, head = self.provenances
        return (base.machine.fingerprint, base.threads, base.device) == (
            head.machine.fingerprint,
            head.threads,
            head.device,
        )

    @property
    def same_data(self) -> bool | None:
        """Whether the data have the same hash; None where it was not recorded."""
        base, head = (provenance.dataset for provenance in self.provenances)
        return None if base is None or head is None else base.sha256 == head.sha256

    @property
    def retrained(self) -> bool:
        """Whether the weights are known to differ."""
        base, head = (provenance.weights for provenance in self.provenances)
        return base is not None and head is not None and base.sha256 != head.sha256

    def finding(self, metric: str, verdict: Verdict, reason: str, **values: Any) -> Finding:
        """Make a finding on this cell."""
        return Finding(self.cell, metric, values.pop("layer", None), verdict, reason, **values)

    def sections(self, name: str) -> tuple[Any, Any] | Finding:
        """Return a section of both records, or the finding where it is absent from one.

        What the base measured and the head did not is a regression where the section needs no instrument, or where
        measuring failed.
        """
        base, head = (getattr(cell.record, name) for cell in (self.base, self.head))
        if not isinstance(base, Absent) and not isinstance(head, Absent):
            return base, head
        if not isinstance(head, Absent):
            return self.finding(name, "changed", f"measured now; not at the base: {base.reason}")
        if isinstance(base, Absent):
            return self.finding(name, "not_comparable", f"not measured in either run: {head.reason}")
        lost: Verdict = "not_comparable" if name in INSTRUMENTS and head.status != "failed" else "regressed"
        return self.finding(name, lost, f"not measured any more: {head.reason}")


def relative(base: float, head: float) -> float | None:
    """Return the relative change, None from a base of 0."""
    return head / base - 1 if base else None


def percent(change: float | None) -> str:
    """Return a relative change for a sentence: "+3.2 %", and "from 0" where there is none."""
    if change is None:
        return "from 0"
    return f"{100 * change:+.2g} %" if abs(change) < 0.1 else f"{100 * change:+,.0f} %"
