"""What `SynOpCounter` found: exact operations by site, and the operators that it could not count."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class OperationCounts:
    """Exact numbers of operations: accumulates, multiply-accumulates, pairs inside the borders, pairs with padding taps."""

    ac: int = 0
    mac: int = 0
    dense: int = 0
    dense_padded: int = 0

    @property
    def effective(self) -> int:
        """Pairs of a non-zero input and a non-zero weight, whatever their class."""
        return self.ac + self.mac


@dataclass(frozen=True)
class SynOpLayer(OperationCounts):
    """Synaptic operations of one site over the whole run.

    `weight_shape` is empty for a product of two activations; `output_shape` is that of one row (no batch axis) at the last
    call. `mixed` says that the site saw unit-valued and other inputs; `unit_share` is the share of its non-zero input
    elements that are 1 or -1 (of two activations the higher one), None where every input was 0.
    """

    name: str = ""
    kind: str = ""
    weight_shape: list[int] = field(default_factory=list)
    output_shape: list[int] = field(default_factory=list)
    calls: int = 0
    mixed: bool = False
    unit_share: float | None = None


@dataclass(frozen=True)
class UncountedOperator:
    """An operator that may hold synaptic operations and that no formula covers, in the module `name`."""

    name: str
    operator: str
    calls: int


@dataclass(frozen=True)
class SynOpResult:
    """Synaptic operations of everything that ran inside the counter. `samples` is what the caller gave, or None."""

    total: OperationCounts
    layers: dict[str, SynOpLayer]
    uncounted: list[UncountedOperator]
    samples: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        return {
            "samples": self.samples,
            "total": asdict(self.total),
            "layers": [asdict(layer) for layer in self.layers.values()],
            "uncounted": [asdict(operator) for operator in self.uncounted],
        }
