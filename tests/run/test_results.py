"""The tables at the end of a run: their figures against the record's own numbers, and why figures are missing."""

import io
import re

import pytest
from rich.console import Console
from statsmodels.stats.proportion import proportion_confint

from inflor_bench.record.run_file import read_run
from inflor_bench.record.schema import SECTIONS
from inflor_bench.record.section import Absent
from inflor_bench.run.results import print_results, results
from inflor_bench.verdict.compare import judge
from tests.record.builders import make_latency, make_record, make_suite, write_run

REASON = "the data are not here"
ABSENT = dict.fromkeys(SECTIONS, Absent(status="skipped", reason=f"no_data: {REASON}"))
SKIPPED = [make_record(f"fashion-mnist/resnet8/{neuron}/T2/s0", **ABSENT) for neuron in ("hard", "soft", "soft-mpr")]


def run_of(path, records):
    return read_run(write_run(path, records))


def printed(found, width):
    output = io.StringIO()
    print_results(found, Console(file=output, width=width))
    return output.getvalue()


def test_a_row_has_the_figures_of_its_record(tmp_path):
    record = make_record(timesteps=4, latency=make_latency(0.0123, batch_size=32, steady=False))
    (table,) = results(run_of(tmp_path / "run.json", [record]))
    figures = dict(zip(table.heads, table.rows[0], strict=True))
    low, high = proportion_confint(record.accuracy.correct, record.accuracy.n, method="wilson")
    assert figures.pop("model") == "resnet8/soft-mpr/T4/s0"
    assert figures.pop("accuracy (95 % interval)") == f"95.00 % ({100 * low:.2f} to {100 * high:.2f})"
    assert float(figures.pop("firing rate")) == pytest.approx(record.spikes.mean_firing_rate, rel=5e-3)
    for kind in ("AC", "MAC"):
        number, prefix = figures.pop(kind).split(" ")
        per_inference = getattr(record.synops.total, kind.lower()) / record.synops.samples
        assert float(number) * {"k": 1e3, "M": 1e6}[prefix] == pytest.approx(per_inference, rel=5e-3)
    number, unit = figures.pop("estimated energy (horowitz45-fp32)").split(" ")
    assert unit == "µJ"
    assert float(number) * 1e-6 == pytest.approx(record.energy.models[0].joules, rel=5e-3)
    assert figures == {"latency (batch 32)": "12.3 ms (not steady)"}
    assert "360 samples" in table.title
    assert table.notes == ()


def test_each_data_set_has_a_table_and_a_reason_that_cells_share_is_said_once(tmp_path):
    head = run_of(tmp_path / "run.json", [*make_suite(), *SKIPPED])
    digits, fashion = results(head)
    assert len(digits.rows) == 5
    assert [row[1:] for row in fashion.rows] == [("skipped", "–", "–", "–", "–", "–")] * 3
    assert fashion.notes == (f"skipped: resnet8/hard/T2/s0 and 2 more: {REASON}",)
    assert printed([digits, fashion], 1000).count(REASON) == 1
    (twin,) = [note for note in digits.notes if note.startswith("firing rate not measured: resnet8/relu/T1/s0: ")]
    assert twin.endswith("the ReLU twin has no spiking neurons")


def test_what_changed_against_the_base_is_the_worst_with_its_number(tmp_path):
    base = run_of(tmp_path / "base.json", [*make_suite(), *SKIPPED])
    records = make_suite()
    records[1] = make_record(neuron="hard", timesteps=4, firing_rate=[0.2, 0.25, 0.2, 0.2])
    records[2] = make_record(neuron="soft", timesteps=4, **ABSENT)
    head = run_of(tmp_path / "head.json", [*records, make_record("digits/resnet20/soft/T4/s0"), *SKIPPED])
    digits, fashion = results(head, judge(base, head))
    said = {row[0]: row[-1] for row in digits.rows}
    growth = records[1].synops.total.ac / make_suite()[1].synops.total.ac - 1
    assert re.match(r"regressed: AC \+([\d.]+) %, spikes", said["resnet8/hard/T4/s0"])
    assert float(re.search(r"\+([\d.]+) %", said["resnet8/hard/T4/s0"])[1]) == pytest.approx(100 * growth, rel=5e-3)
    assert said["resnet8/soft/T4/s0"] == "regressed"
    assert said["resnet8/soft-mpr/T4/s0"] == "same"
    assert said["resnet20/soft/T4/s0"] == "changed"
    assert {row[-1] for row in fashion.rows} == {"not comparable"}
    assert printed([fashion], 1000).count(REASON) == 1


def test_a_terminal_of_any_width_gets_all_that_a_log_gets(tmp_path):
    found = results(run_of(tmp_path / "run.json", [*make_suite(), *SKIPPED]))
    log = printed(found, 100_000)
    assert len(log.splitlines()) == sum(3 + len(table.rows) + len(table.notes) for table in found)
    narrow = printed(found, 90)
    assert {word for word in log.split() if len(word) <= 8} <= set(narrow.split())  # longer ones may be folded
    assert all("resnet8/soft-mpr/T4/s0" in text for text in (log, narrow))


def test_hostile_names_are_no_markup_and_no_control_characters(tmp_path):
    name = "x\x1b[31m[red]a[/red]\u202e\nz"
    text = printed(results(run_of(tmp_path / "run.json", [make_record(name)])), 1000)
    assert "[red]a[/red]" in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
