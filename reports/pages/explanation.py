"""How an estimate of energy was computed, as a table of a page, as Markdown, and as LaTeX."""

from __future__ import annotations

from inflor_bench.reports.data.tables import Column, Datum, Row, Table, text, text_columns
from inflor_bench.reports.pages.comment import escape
from inflor_bench.text import one_line, plain
from inflor_bench.verdict.explanation import Explanation

PICOJOULE = 1e-12
_LONGEST = 1500  # characters of a formula or a source
_LATEX = {
    **{char: "\\" + char for char in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "µ": r"\textmu{}",
}


def number(value: float) -> str:
    """Six significant digits or all before the point: what is shown can be multiplied and added up again."""
    return f"{value:,.0f}" if abs(value) >= 1e6 else f"{value:,.6g}"


def formula(found: Explanation) -> str:
    """The energy of one inference in words: a sum over the layers of operations times their prices."""
    return " + ".join(f"{operation} × {_factor(price)}" for operation, price in found.formula)


def _factor(price: str) -> str:
    return f"({price})" if " + " in price else price


def prices(found: Explanation) -> list[str]:
    """What each price is, where it is one in all layers."""
    return [f"{name} = {number(joules / PICOJOULE)} pJ" for name, joules in found.prices.items()]


def notes(found: Explanation) -> str:
    """What was counted, and where the prices come from."""
    return "; ".join([f"counts are means over {found.samples} samples", found.given.source, *found.given.notes])


def explanation_table(found: Explanation) -> Table:
    """A row a term, layer by layer, and the sum."""
    columns = [
        *text_columns("Layer", "Operation"),
        Column("Count", "1", meaning="per inference"),
        Column("Price", numeric=False),
        Column("Each", "pJ"),
        Column("Energy", "pJ", meaning="pJ per inference"),
    ]

    def figure(value: float) -> Datum:
        return Datum(number(value), value)

    rows = [
        Row(
            [
                text(layer),
                text(term.operation),
                figure(term.count),
                text(term.price),
                figure(term.joules_each / PICOJOULE),
                figure(term.joules / PICOJOULE),
            ]
        )
        for layer, term in found.terms
    ]
    rows.append(Row([text("sum"), *[text("")] * 4, figure(found.joules / PICOJOULE)]))
    return Table("energy-terms", f"Energy of one inference by {found.given.name}, term by term", columns, rows)


def as_markdown(found: Explanation) -> str:
    """The formula, its prices, the table, and the source."""
    table = explanation_table(found)
    lines = [
        f"**{escape(found.cell)}**: {_said(found)}",
        f"E = sum over layers of {escape(formula(found), _LONGEST)}",
        *([", ".join(map(escape, prices(found)))] if found.prices else []),
        "\n".join(
            [
                f"| {' | '.join(heads(table))} |",
                f"|{'|'.join('---:' if column.numeric else '---' for column in table.columns)}|",
                *(f"| {' | '.join(escape(datum.text) for datum in row.data)} |" for row in table.rows),
            ]
        ),
        f"{escape(notes(found), _LONGEST)}.",
    ]
    return "\n\n".join(lines) + "\n"


def as_latex(found: Explanation) -> str:
    """The formula as an equation, and a table of `booktabs`."""
    table = explanation_table(found)
    summands = [
        rf"N_{{\text{{{latex(operation)}}}}} \cdot \text{{{latex(_factor(price))}}}"
        for operation, price in found.formula
    ]
    caption = "; ".join([f"{found.cell}: {_said(found)}", *prices(found), notes(found)])
    body = [" & ".join(latex(datum.text) for datum in row.data) + r" \\" for row in table.rows]
    lines = [
        "% needs the packages amsmath and booktabs",
        r"\begin{multline}",
        r"E = \sum_{\text{layers}} \bigl(" + " \\\\\n  + ".join(summands) + r"\bigr)",
        r"\end{multline}",
        r"\begin{table}",
        rf"\caption{{{latex(caption)}.}}",
        rf"\begin{{tabular}}{{{''.join('r' if column.numeric else 'l' for column in table.columns)}}}",
        r"\toprule",
        " & ".join(heads(table)) + r" \\",
        r"\midrule",
        *body[:-1],
        r"\midrule",
        body[-1],
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _said(found: Explanation) -> str:
    return (
        f"{number(found.joules / PICOJOULE)} pJ per inference by {plain(f'{found.given.name} {found.given.version}')}"
    )


def heads(table: Table) -> list[str]:
    """The heads of the columns, with the unit where it is one of energy."""
    return [f"{column.head} (pJ)" if column.unit == "pJ" else column.head for column in table.columns]


def latex(said: str) -> str:
    """Text that LaTeX sets letter for letter."""
    return "".join(_LATEX.get(char, char) for char in one_line(said))
