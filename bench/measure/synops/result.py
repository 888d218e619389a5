"""What `SynOpCounter` found: exact operations by site, and the operators that it could not count."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from inflor_bench.errors import MeasureInputError

if TYPE_CHECKING:
    import pandas
    import rich.table


@dataclass(frozen=True)
class OperationCounts:
    """Exact numbers: accumulates, multiply-accumulates, pairs inside the borders, pairs with padding taps."""

    ac: int = 0
    mac: int = 0
    dense: int = 0
    dense_padded: int = 0

    @property
    def effective(self) -> int:
        """Pairs of a non-zero input and a non-zero weight, whatever their class."""
        return self.ac + self.mac


@dataclass(frozen=True)
class ClassCounts:
    """Accumulates and multiply-accumulates of one sample or one time step."""

    ac: int
    mac: int


@dataclass(frozen=True)
class SynOpSite(OperationCounts):
    """Synaptic operations of one site over the whole run.

    Attributes:
        name: the module that owns the weight, or where the product is; sites that share a name are numbered `#2`, `#3`.
        kind: "linear", "conv2d", "conv_transpose1d", "matmul", "attention_scores", "attention_values", "bilinear", ...
        weight_shape: empty for a product of two activations.
        output_shape: of one row, that is without the first axis, at the last call.
        mixed: the site saw unit-valued and other inputs.
        unit_share: share of the non-zero input elements that are 1 or -1 (of two activations the higher one); None
            where every input was 0.
        levels: distinct magnitudes besides 0, where the input was graded: whole numbers, or one scale times whole
            numbers, over the whole run (of two activations the one with fewer); None where it was not, or binary.
        input_elements, input_nonzero: size of all inputs together, and how much of it was not 0.
        input_rows, output_elements: rows of all inputs together, each of which is one step of one sample (of a linear
            layer also one token), and how many elements came out for them; None where they were not told,
            without a weight say.
        output_channels: channels or features that come out; None likewise.
        bias: a bias is added to every output element.
        per_step: operations at each time step, [T]; None where no time axis was given or the site has none.
        per_sample: operations of each sample, in order; None where not asked for or where rows do not map to samples.
        unattributed: why `per_step` or `per_sample` was asked for and is None.
    """

    name: str = ""
    kind: str = ""
    weight_shape: list[int] = field(default_factory=list)
    output_shape: list[int] = field(default_factory=list)
    calls: int = 0
    mixed: bool = False
    unit_share: float | None = None
    levels: int | None = None
    input_elements: int = 0
    input_nonzero: int = 0
    input_rows: int | None = None
    output_elements: int | None = None
    output_channels: int | None = None
    bias: bool = False
    per_step: list[int] | None = None
    per_sample: list[int] | None = None
    unattributed: str | None = None

    @property
    def sparsity(self) -> float | None:
        """Share of the input elements that are 0; None without input."""
        return 1 - self.input_nonzero / self.input_elements if self.input_elements else None


@dataclass(frozen=True)
class UncountedOperator:
    """An operator that may hold synaptic operations and that no formula covers, in the module `name`."""

    name: str
    operator: str
    calls: int


@dataclass(frozen=True)
class SynOpResult:
    """Synaptic operations of everything that ran inside the counter, as totals over the run."""

    total: OperationCounts
    layers: dict[str, SynOpSite]
    uncounted: list[UncountedOperator]
    samples: int | None = None

    @property
    def complete(self) -> bool:
        """Whether every operator was counted. If not, the total is a lower bound."""
        return not self.uncounted

    def mean(self) -> dict[str, float] | None:
        """Operations of one sample on average, by the names of `OperationCounts`; None without `samples`."""
        if self.samples is None:
            return None
        return {name: count / self.samples for name, count in asdict(self.total).items()}

    def total_of(self, module: str) -> OperationCounts:
        """Sum the sites of a module and of all that is inside it, by its name, such as "stages.0"; "" is the whole.

        Raises:
            MeasureInputError: nothing was counted there.
        """
        inside = [layer for layer in self.layers.values() if within(layer.name, module)]
        if not inside and module:
            raise MeasureInputError(f"Nothing was counted in {module!r}: name a module of one of `layers`.")
        return summed(inside)

    def by_sample(self) -> list[ClassCounts] | None:
        """Sum the layers for each sample; None where a layer does not say it."""
        return self._sum([(layer, layer.per_sample) for layer in self.layers.values()])

    def by_step(self) -> list[ClassCounts] | None:
        """Sum the layers that have a time axis for each time step; None without any."""
        return self._sum([(layer, layer.per_step) for layer in self.layers.values() if layer.per_step is not None])

    @staticmethod
    def _sum(vectors: Iterable[tuple[SynOpSite, list[int] | None]]) -> list[ClassCounts] | None:
        rows = [(layer.mac > 0, vector) for layer, vector in vectors]
        if not rows or any(vector is None for _, vector in rows):
            return None
        columns = zip(*(vector for _, vector in rows if vector is not None), strict=True)
        classes = [is_mac for is_mac, _ in rows]
        return [
            ClassCounts(
                ac=sum(count for count, is_mac in zip(column, classes, strict=True) if not is_mac),
                mac=sum(count for count, is_mac in zip(column, classes, strict=True) if is_mac),
            )
            for column in columns
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return JSON-ready values; read each layer's and operator's fields by name to make a record."""
        return {
            "samples": self.samples,
            "total": asdict(self.total),
            "layers": [asdict(layer) for layer in self.layers.values()],
            "uncounted": [asdict(operator) for operator in self.uncounted],
        }

    def frame(self) -> pandas.DataFrame:
        """Return one row a layer, with the fields of `SynOpSite` as columns."""
        import pandas as pd

        columns = list(SynOpSite.__dataclass_fields__)
        return pd.DataFrame([asdict(layer) for layer in self.layers.values()], columns=columns).set_index("name")

    def table(self) -> rich.table.Table:
        """Return one row a layer, the total, and what was not counted."""
        from rich.table import Table

        caption = None
        if self.uncounted:
            seen = ", ".join(
                f"{op.operator} in {op.name or 'the module itself'} ({op.calls}x)" for op in self.uncounted
            )
            caption = f"Not counted, so the total is a lower bound: {seen}"
        table = Table("layer", "kind", caption=caption)
        for name in ("AC", "MAC", "dense", "dense, padded", "input zeros"):
            table.add_column(name, justify="right")
        for layer in self.layers.values():
            zeros = "" if layer.sparsity is None else f"{layer.sparsity:.1%}"
            table.add_row(layer.name, layer.kind, *self._cells(layer), zeros)
        table.add_section()
        table.add_row("total", "", *self._cells(self.total), "")
        return table

    @staticmethod
    def _cells(counts: OperationCounts) -> list[str]:
        return [f"{count:,}" for count in (counts.ac, counts.mac, counts.dense, counts.dense_padded)]


def summed(sites: Collection[OperationCounts]) -> OperationCounts:
    """Sum operations over sites."""
    names = asdict(OperationCounts())
    return OperationCounts(**{name: sum(getattr(site, name) for site in sites) for name in names})


def within(site: str, module: str) -> bool:
    """Whether a site, `name` or `name#2`, is a module's own or that of a module inside it."""
    name = site.partition("#")[0]
    return not module or name == module or name.startswith(f"{module}.")
