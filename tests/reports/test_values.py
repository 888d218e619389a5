"""Numbers, names, tables and the front, against something independent of them."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from inflor_bench.record.costs import EnergyModel
from inflor_bench.record.schema import Record
from inflor_bench.record.section import Absent
from inflor_bench.reports.data import format as fmt
from inflor_bench.reports.data.cells import Interval, Missing, ReportCell, collect
from inflor_bench.reports.data.pareto import front
from inflor_bench.reports.data.tables import Column, Datum, Row, Table, csv_text, missing, text
from inflor_bench.reports.data.text import clean, shorten_start, slug, spreadsheet_safe
from inflor_bench.reports.pages.comment import escape
from inflor_bench.reports.pages.model import energy_table
from inflor_bench.reports.pages.reset import paired_p_value
from tests.reports import sample

PREFIX = {"f": -15, "p": -12, "n": -9, "µ": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15}


@given(st.floats(1e-14, 1e15))
def test_si_says_the_value_to_three_digits(value: float) -> None:
    match = re.fullmatch(r"([\d.]+)\u202f([fpnµmkMGTP]?)J", fmt.si(value, "J"))
    assert match is not None
    number, prefix = match.groups()
    assert float(number) * 10.0 ** PREFIX[prefix] == pytest.approx(value, rel=6e-3)
    assert 1 <= float(number) < 1000
    assert len(number.replace(".", "").lstrip("0")) == 3


@given(st.floats(-1e9, 1e9).filter(lambda v: abs(v) > 1e-9))
def test_significant_rounds_like_the_e_format(value: float) -> None:
    shown = float(fmt.significant(value).replace("−", "-"))
    assert shown == pytest.approx(float(f"{value:.2e}"), rel=1e-12)
    assert "e" not in fmt.significant(value)


def test_a_sign_is_never_lost_or_made_up() -> None:
    assert fmt.points(0.0123) == "+1.23"
    assert fmt.points(-0.0123) == "−1.23"
    assert fmt.points(-1e-9) == "0.00"
    assert fmt.above(-0.0051) == "0.51 points below"
    assert fmt.above(1e-9) == "level with"


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=12))
def test_the_front_is_what_nothing_dominates(points: list[tuple[int, int]]) -> None:
    def beaten(p: tuple[int, int]) -> bool:
        return any(q[0] <= p[0] and q[1] >= p[1] and q != p for q in points)

    assert sorted(front(points)) == [i for i, p in enumerate(points) if not beaten(p)]
    costs = [points[i][0] for i in front(points)]
    assert costs == sorted(costs)


@given(st.text(max_size=300))
def test_clean_text_is_one_harmless_line(value: str) -> None:
    cleaned = clean(value, 40)
    assert len(cleaned) <= 40
    assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs") for c in cleaned)
    cleaned.encode("utf-8")


def test_clean_keeps_what_is_fine_and_cuts_what_is_endless() -> None:
    assert clean("résumé 神经 שלום <b>") == "résumé 神经 שלום <b>"
    assert clean("x" * 10_000) == "x" * 159 + "…"
    assert clean("a\u202eb\x00c\nd\ud800e") == "abc d?e"
    assert clean("p\u202f=\u202f0.5") == "p\u202f=\u202f0.5"
    assert shorten_start("stages.0.0.activation1", 12) == "…activation1"


@given(st.lists(st.text(max_size=30), unique=True, max_size=20))
def test_addresses_are_safe_and_tell_names_apart(names: list[str]) -> None:
    slugs = [slug(name) for name in names]
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", s) and len(s) < 100 for s in slugs)
    assert len(set(slugs)) == len(slugs)


def test_a_cell_has_a_readable_address_that_others_cannot_take() -> None:
    assert slug("digits/resnet8/soft-mpr/T4/s0") == "digits-resnet8-soft-mpr-t4-s0"
    assert slug("digits/resnet8/soft-mpr/t4/s0") != slug("digits/resnet8/soft-mpr/T4/s0")


def collected(folder: Path, *records: Record) -> list[ReportCell]:
    """The cells of a report on these records."""
    return collect(sample.run_of(records, folder / "run.json"))


def test_cells_whose_addresses_would_be_the_same_get_different_ones(tmp_path: Path) -> None:
    one = sample.record("a/b-c/soft/T2/s0")
    two = sample.with_name(one, "a-b/c/soft/T2/s0")
    assert len({c.slug for c in collected(tmp_path, one, two)}) == 2


@pytest.mark.parametrize("formula", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\tx", "=HYPERLINK(0)"])
def test_formulas_reach_no_spreadsheet(formula: str) -> None:
    assert spreadsheet_safe(formula) == "'" + formula


@pytest.mark.parametrize("value", ["-0.5", "+1e-3", "plain", "", "3"])
def test_numbers_and_words_stay_as_they_are(value: str) -> None:
    assert spreadsheet_safe(value) == value


def test_csv_holds_raw_values_and_leaves_missing_ones_empty() -> None:
    table = Table(
        "t",
        "caption",
        [Column("Name", numeric=False), Column("Energy", "J", "Estimated")],
        [Row([text('say "=1", twice'), Datum("1.23 µJ", 1.2345e-6)]), Row([text("=1+1"), missing("no meter")])],
    )
    rows = list(csv.reader(io.StringIO(csv_text(table))))
    assert rows == [["Name", "Estimated Energy [J]"], ['say "=1", twice', "1.2345e-06"], ["'=1+1", ""]]


def test_markdown_of_a_run_shows_letters_and_nothing_else() -> None:
    shown = escape("![x](http://e.org) <img src=x> @user `a` | b")
    assert "<img" not in shown
    assert "](" not in shown.replace("\\]\\(", "")
    assert "@user" not in shown
    assert "://" not in shown
    assert re.search(r"(?<!\\)[|`]", shown) is None


def test_a_cell_s_figures_are_those_of_its_record(tmp_path: Path) -> None:
    (one,) = collected(tmp_path, sample.record())
    record = one.record
    assert not isinstance(record.accuracy, Absent)
    assert not isinstance(record.spikes, Absent)
    assert not isinstance(record.synops, Absent)
    assert not isinstance(record.information, Absent)
    low, high = proportion_confint(record.accuracy.correct, record.accuracy.n, method="wilson")
    assert one.accuracy == Interval(
        record.accuracy.correct / record.accuracy.n, pytest.approx(low), pytest.approx(high)
    )
    spikes = sum(sum(layer.spikes_per_step) for layer in record.spikes.layers)
    sites = sum(layer.neurons * len(layer.spikes_per_step) for layer in record.spikes.layers) * record.spikes.samples
    assert one.figure("firing_rate") == pytest.approx(spikes / sites)
    assert one.figure("ac") == sum(layer.ac for layer in record.synops.layers) / record.synops.samples
    layers = record.information.layers
    fired = [layer.fired for layer in layers]
    assert one.figure("reset_loss") == pytest.approx(np.average([x.reset_loss or 0 for x in layers], weights=fired))
    error = one.quantisation
    assert not isinstance(error, Missing)
    elements = [layer.elements for layer in layers]
    assert error[0] == pytest.approx(np.average([x.quantisation_error for x in layers], weights=elements))


def test_what_is_missing_is_missing_with_its_reason(tmp_path: Path) -> None:
    whole = sample.record("digits/resnet8/relu/T1/s0")
    (one,) = collected(tmp_path, whole)
    assert one.figure("firing_rate") == Missing("an ANN has no spikes")
    assert one.figure("reset_loss") == Missing("an ANN has no membrane")
    assert one.skipped is None
    (gone,) = collected(tmp_path, sample.skipped(whole, "no data"))
    assert gone.skipped == Missing("no data", "skipped")


def test_the_paired_test_is_mcnemar_s(tmp_path: Path) -> None:
    names = ("digits/resnet8/hard/T4/s0", "digits/resnet8/soft/T4/s0")
    records = [
        sample.record(name, accuracy=a, n=300, seed=s)
        for s, (name, a) in enumerate(zip(names, (0.8, 0.86), strict=True))
    ]
    hard, soft = collected(tmp_path, *records)
    a, b = (r.accuracy.unpack() for r in records)  # type: ignore[union-attr]
    table = [[np.sum(a & b), np.sum(a & ~b)], [np.sum(~a & b), np.sum(~a & ~b)]]
    assert paired_p_value(hard, soft) == pytest.approx(mcnemar(table, exact=True).pvalue)


def test_no_paired_test_on_different_data(tmp_path: Path) -> None:
    one, two = sample.record("digits/resnet8/hard/T4/s0"), sample.record("digits/resnet8/soft/T4/s0")
    data = two.provenance.dataset.model_copy(update={"sha256": "0" * 64})  # type: ignore[union-attr]
    hard, soft = collected(tmp_path, one, sample.with_provenance(two, dataset=data))
    assert paired_p_value(hard, soft) is None


def test_the_sample_is_strict_json(tmp_path: Path) -> None:
    run = sample.run_of(sample.nine(), tmp_path / "run.json")
    json.loads(run.path.read_text(), parse_constant=lambda c: pytest.fail(c))
    assert all(math.isfinite(r) for c in run.cells.values() for r in c.rounds)


def test_a_model_of_energy_says_what_it_leaves_out_and_one_that_failed_says_why() -> None:
    fine = EnergyModel(name="fine", version="2", source="a paper", joules=3e-6, layers={}, notes=["not covered: x"])
    table = energy_table([fine], {"broken": "it gave nan J"})
    assert [datum.value for datum in table.rows[0].data] == ["fine", 3e-6, "2", "a paper; not covered: x"]
    assert [datum.value for datum in table.rows[1].data] == ["broken", None, "", "it gave nan J"]
    assert table.reasons == ["it gave nan J"]
