"""Layers grouped by the modules that hold them, in the terminal and on a model's page."""

import io

import pytest
from rich.console import Console

from inflor_bench.record.section import Absent
from inflor_bench.record.tree import tree
from inflor_bench.reports.data.cells import collect
from inflor_bench.reports.pages.model import modules_table
from inflor_bench.user_model.show import show
from tests.reports.sample import record as measured
from tests.reports.sample import run_of

NESTED = ["conv", "stages.0.0.conv1", "stages.0.0.conv2", "stages.0.1.conv1", "stages.1.0.attn.matmul", "fc"]
CELL = "digits/resnet8/soft/T2/s0"


def shown(names):
    return [(branch.depth, branch.label, branch.layers if branch.is_module else None) for branch in tree(names)]


def test_a_module_stands_before_what_it_holds():
    assert shown(NESTED) == [
        (0, "conv", None),
        (0, "stages", (1, 2, 3, 4)),
        (1, ".0", (1, 2, 3)),
        (2, ".0", (1, 2)),
        (3, ".conv1", None),
        (3, ".conv2", None),
        (2, ".1.conv1", None),
        (1, ".1.0.attn.matmul", None),
        (0, "fc", None),
    ]


@pytest.mark.parametrize(
    "names",
    [
        ["0", "4", "2"],
        ["conv"],
        [],
        ["net.0", "net.2", "net.4"],
        ["lif", "lif#2", "fc"],
        ["a.conv", "b.conv", "c.0.conv"],
    ],
)
def test_where_modules_hold_all_or_one_layer_the_table_stays_flat(names):
    assert [branch.name for branch in tree(names)] == names
    assert not any(branch.is_module or branch.depth for branch in tree(names))


def test_layers_that_come_later_stand_by_their_module():
    names = ["a.conv", "b.conv", "a.lif", "a.lif#2"]
    assert shown(names) == [
        (0, "a", (0, 2, 3)),
        (1, ".conv", None),
        (1, ".lif", None),
        (1, ".lif#2", None),
        (0, "b.conv", None),
    ]


def test_a_layer_that_bears_the_name_of_its_module_is_inside_it():
    assert shown(["attn", "attn.out", "fc"]) == [
        (0, "attn", (0, 1)),
        (1, " itself", None),
        (1, ".out", None),
        (0, "fc", None),
    ]


def inside(record, module):
    return [layer for layer in record.synops.layers if layer.name.startswith(f"{module}.")]


def rows_of(record):
    console = Console(file=io.StringIO(), width=200)
    show(record, console)
    cells = [line.split("│")[1:-1] for line in console.file.getvalue().splitlines() if line.startswith("│")]
    return {name.rstrip(): [value.strip() for value in values] for name, *values in cells}


def test_the_terminal_adds_up_what_is_in_a_module():
    record = measured(CELL)
    rows = rows_of(record)
    held = inside(record, "stages")
    ac, dense = sum(layer.ac for layer in held), sum(layer.dense for layer in held)
    spikes = [layer for layer in record.spikes.layers if layer.name.startswith("stages.")]
    count = sum(sum(layer.spikes_per_step) for layer in spikes)
    rate = count / sum(layer.neurons * len(layer.spikes_per_step) for layer in spikes) / record.spikes.samples
    kind, shown_ac, _, shown_dense, zeros, shown_spikes, shown_rate = rows[" stages"]
    assert (kind, zeros) == ("", "")
    assert float(shown_ac.replace(",", "")) == pytest.approx(ac / record.synops.samples, abs=0.051)
    assert float(shown_dense.replace(",", "")) == pytest.approx(dense / record.synops.samples, abs=0.051)
    assert float(shown_spikes.replace(",", "")) == pytest.approx(count / record.spikes.samples, abs=0.051)
    assert float(shown_rate) == pytest.approx(rate, abs=5.1e-5)


def test_the_terminal_of_a_network_that_was_not_counted_has_no_numbers():
    gone = Absent(status="failed", reason="nothing ran")
    rows = rows_of(measured(CELL).model_copy(update={"synops": gone, "spikes": gone}))
    assert rows[" total"] == [""] * 7


def page_of(record, path, energy=None):
    (cell,) = collect(run_of([record], path / "run.json"))
    return modules_table(cell, energy)


def test_a_page_adds_up_what_is_in_a_module(tmp_path):
    record = measured(CELL)
    energy = record.energy.models[0]
    table = page_of(record, tmp_path, energy)
    rows = {row.data[0].value: [datum.value for datum in row.data[1:]] for row in table.rows}
    assert "stages" in rows
    for module, (layers, ac, mac, dense, padded, active, share) in rows.items():
        held = inside(record, module)
        assert layers == len(held)
        sums = [sum(getattr(x, name) for x in held) / record.synops.samples for name in ("ac", "mac", "dense")]
        assert [ac, mac, dense] == pytest.approx(sums)
        assert padded == pytest.approx(sum(layer.dense_padded for layer in held) / record.synops.samples)
        assert active == pytest.approx((sums[0] + sums[1]) / sums[2])
        whole = sum(energy.layers.values())
        assert share == pytest.approx(sum(energy.layers[layer.name] for layer in held) / whole)


def test_a_page_of_a_flat_network_has_no_table_of_modules(tmp_path):
    record = measured(CELL)
    layers = [layer.model_copy(update={"name": str(place)}) for place, layer in enumerate(record.synops.layers)]
    flat = record.model_copy(update={"synops": record.synops.model_copy(update={"layers": layers})})
    assert page_of(flat, tmp_path) is None
