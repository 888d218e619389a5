"""How an estimate was computed: what is told adds up to it, by the reader's own arithmetic."""

import math
import re
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from inflor_bench.cli.app import app
from inflor_bench.errors import InputError, TrackInputError
from inflor_bench.measure.energy import ENERGY_MODELS, EnergyModel
from inflor_bench.record.run_file import read_run
from inflor_bench.record.section import Absent
from inflor_bench.reports.pages.explanation import as_markdown
from inflor_bench.reports.pages.report import build
from inflor_bench.verdict.explanation import explain
from tests.verdict.measured_twins import SAMPLES, pair, run_document

ABSENT = Absent(status="failed", reason="defect")
MODELS = [model.name for model in ENERGY_MODELS]


@pytest.fixture(scope="module", name="pair")
def pair_fixture():
    return pair()


@pytest.fixture(scope="module")
def file(pair, tmp_path_factory):
    path = tmp_path_factory.mktemp("explanation") / "run.json"
    path.write_text(run_document(*pair))
    return path


def said(*words):
    result = CliRunner().invoke(app, ["explain", *map(str, words)], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def estimate_of(record, name):
    return next(model for model in record.energy.models if model.name == name)


def figure(text):
    return float(text.replace(",", ""))


@pytest.mark.parametrize("which", [0, 1], ids=["spiking", "twin"])
@pytest.mark.parametrize("name", MODELS)
def test_what_is_printed_multiplies_and_adds_up_to_the_estimate_layer_by_layer(pair, name, which):
    record = pair[which]
    lines = as_markdown(explain(record, name)).splitlines()
    rows = [[part.strip() for part in line[1:-1].split("|")] for line in lines if line.startswith("| ")][1:]
    *terms, total = rows
    layers = {}
    for layer, _, count, _, each, joules in terms:
        assert figure(count) * figure(each) == pytest.approx(figure(joules), rel=1e-4)
        layers[layer] = layers.get(layer, 0) + figure(joules) * 1e-12
    given = estimate_of(record, name)
    assert layers == pytest.approx({layer: value for layer, value in given.layers.items() if value}, rel=1e-4)
    assert figure(total[-1]) * 1e-12 == pytest.approx(given.joules, rel=1e-5)
    summands = {(operation, price) for _, operation, _, price, _, _ in terms}
    (formula,) = [line for line in lines if line.startswith("E = ")]
    for operation, price in summands:
        assert re.search(rf"{re.escape(operation)} × \\?\(?{re.escape(price)}", formula)
    assert given.source[:20].replace("'", "") in lines[-1].replace("'", "")


def test_terms_of_a_convolution_by_hand(pair):
    record = pair[0]
    # 8 x 6 x 3 x 3 weights of 8 bits; sums of 8 x 5 x 5 outputs of 32 bits; inputs are 6 x 5 x 5 spikes of 1 bit.
    layer = record.synops.layers[1]
    found = {term.operation: term for name, term in explain(record, "iso-event").terms if name == layer.name}
    byte = 2.5e-12 / 8192  # of a memory below 8 KiB, for each byte of its size
    expected = {
        "accumulates": (layer.ac, 0.1e-12),
        "bytes of weights read": (layer.ac, 432 * byte),
        "bytes of sums read and written": (8 * layer.ac, 800 * byte),
        "bytes of inputs written and read": (2 * layer.input_nonzero / 8, 150 / 8 * byte),
    }
    assert found.keys() == expected.keys()
    for operation, (count, each) in expected.items():
        assert found[operation].count == pytest.approx(count / SAMPLES, rel=1e-12)
        assert found[operation].joules_each == pytest.approx(each, rel=1e-12)


def test_bits_are_those_of_the_estimate(pair):
    told = pair[0].model_copy(
        update={"energy": pair[0].energy.model_copy(update={"models": [_at(pair[0], "iso-arithmetic", "w4-m16-b4")]})}
    )
    (price,) = {
        term.joules_each for _, term in explain(told, "iso-arithmetic").terms if term.operation == "accumulates"
    }
    assert price == pytest.approx((0.03 + 8 * 0.07 / 24) * 1e-12, rel=1e-12)


def _at(record, name, bits):
    """The estimate as a run with other bits has it: the sum anew, with the prices of the module's own text."""
    add, multiply = (0.03 + 8 * 0.07 / 24) * 1e-12, 0.2e-12 * 4 * 4 / 64
    layers = {layer.name: (layer.ac * add + layer.mac * (multiply + add)) / SAMPLES for layer in record.synops.layers}
    given = estimate_of(record, name)
    return given.model_copy(update={"version": f"1-{bits}", "layers": layers, "joules": math.fsum(layers.values())})


def test_a_model_of_ones_own_is_explained_by_its_file(pair, file, tmp_path):
    mine = tmp_path / "mine.toml"
    mine.write_text('[[models]]\nname = "mine"\nversion = "2"\nsource = "data & sheet"\nac = 3e-12\n')
    counted = pair[0].synops
    joules = 3e-12 * counted.total.ac / SAMPLES
    estimate = estimate_of(pair[0], "loihi").model_copy(
        update={"name": "mine", "version": "2", "source": "data & sheet", "joules": joules}
    )
    energy = pair[0].energy.model_copy(update={"models": [estimate]})
    run = tmp_path / "run.json"
    run.write_text(run_document(pair[0].model_copy(update={"energy": energy})))
    text = said(run, "--energy", "mine", "--energy-models", mine)
    assert "E = sum over layers of accumulates × ac" in text
    assert "ac = 3 pJ" in text
    assert "data & sheet" in text
    latex = said(run, "--energy", "mine", "--energy-models", mine, "--format", "latex")
    assert r"data \& sheet" in latex
    assert latex.count(r"\begin{") == latex.count(r"\end{") == 3
    assert latex.count("{") == latex.count("}")
    with pytest.raises(InputError, match="'mine' is not at hand: give the TOML file"):
        said(run, "--energy", "mine")


def test_of_a_model_that_gives_joules_alone_those_are_told(pair):
    whole = EnergyModel("whole", "1", "s", lambda layer, spiking: 1e-9 * layer.ac)
    estimate = estimate_of(pair[0], "loihi").model_copy(
        update={"name": "whole", "version": "1", "joules": 1e-9 * pair[0].synops.total.ac / SAMPLES}
    )
    energy = pair[0].energy.model_copy(update={"models": [estimate]})
    found = explain(pair[0].model_copy(update={"energy": energy}), "whole", [whole])
    assert found.formula == (("operations of the layer", "by the code of the model"),)
    assert found.joules == pytest.approx(estimate.joules, rel=1e-12)


@pytest.mark.parametrize(
    ("change", "name", "sentence"),
    [
        ({}, "other", "has no estimate by 'other': name one of horowitz45-fp32"),
        ({"energy": Absent(status="skipped", reason="not asked for")}, "loihi", "no energy was estimated"),
        ({"synops": ABSENT}, "loihi", "has no synaptic operations"),
    ],
)
def test_what_cannot_be_told_is_a_sentence(pair, change, name, sentence):
    with pytest.raises(TrackInputError, match=sentence):
        explain(pair[0].model_copy(update=change), name)


def test_a_model_that_fails_on_a_record_is_a_sentence(pair):
    broken = [replace(model, synapses=lambda layer, spiking: 1 / 0) for model in ENERGY_MODELS]
    with pytest.raises(TrackInputError, match=r"loihi gives no energy .*ZeroDivisionError.*: measure again"):
        explain(pair[0], "loihi", broken)


def test_an_estimate_of_another_version_or_of_another_sum_is_not_explained(pair):
    newer = [replace(model, version="9") for model in ENERGY_MODELS]
    with pytest.raises(TrackInputError, match="by loihi is of version 1, and 9 is at hand"):
        explain(pair[0], "loihi", newer)
    dearer = [replace(model, neurons=lambda layer: 1.0) for model in ENERGY_MODELS]
    with pytest.raises(TrackInputError, match=r"the file says .* J by loihi 1, and its terms add up to"):
        explain(pair[0], "loihi", dearer)


def test_of_a_file_the_cell_is_named(pair, file):
    with pytest.raises(InputError, match=r"name one cell.*holds d/n/quant/T4/s0, d/n/soft/T4/s0"):
        said(file)
    assert said(file, pair[1].name, "--format", "markdown") == as_markdown(explain(pair[1], "horowitz45-fp32"))


def test_a_model_s_page_tells_it_for_the_model_that_tables_lead_with(pair, file, tmp_path):
    twin = pair[1].model_copy(update={"synops": ABSENT})
    file = tmp_path / "run.json"
    file.write_text(run_document(pair[0], twin))
    index = build(read_run(file), tmp_path / "report")
    told, cannot = (
        (index.parent / "models" / f"d-n-{neuron}-t4-s0.html").read_text("utf-8") for neuron in ("soft", "quant")
    )
    sum_of = as_markdown(explain(pair[0], "horowitz45-fp32")).split("|")[-2].strip()
    fold = told.split("How was the estimate computed?")[1].split("</details>")[0]
    assert "E = sum over layers of multiply-accumulates × mac" in fold
    assert f">{sum_of}<" in fold
    assert "How it was computed cannot be told. d/n/quant/T4/s0: has no synaptic operations" in cannot
