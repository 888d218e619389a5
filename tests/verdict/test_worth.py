"""Whether spiking pays: really measured networks, and break-even found by search instead of the closed form."""

from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

from inflor_bench.cli.app import app
from inflor_bench.errors import InputError, TrackInputError
from inflor_bench.measure.energy import ENERGY_MODELS, Bits, at_bits, estimate, joules_of, per_operation
from inflor_bench.models.neurons import Quantiser
from inflor_bench.record.section import Absent
from inflor_bench.verdict.worth import twins, worth
from tests.verdict.measured_twins import SAMPLES, STEPS, network, pair, record_of, run_document

MODELS = [model.name for model in ENERGY_MODELS]


@pytest.fixture(scope="module", name="pair")
def pair_fixture():
    return pair()


def by_model(found):
    return {one.model: one for one in found.priced}


def test_both_are_priced_as_their_records_say_by_every_model_that_has_a_price_for_both(pair):
    found = worth(*pair)
    assert list(by_model(found)) == MODELS
    assert not found.left_out
    for name, one in by_model(found).items():
        told = [next(m.joules for m in record.energy.models if m.name == name) for record in pair]
        assert (one.whole.spiking, one.whole.twin) == pytest.approx(tuple(told), rel=1e-9)
        assert one.whole.ratio == pytest.approx(told[0] / told[1], rel=1e-9)
        assert one.whole.pays == (told[0] < told[1])


def priced_again(record, model, scale):
    """The energy of a network whose every spike comes so many times."""
    layers = [
        layer
        if layer.mac
        else layer.model_copy(update={"ac": layer.ac * scale, "input_nonzero": layer.input_nonzero * scale})
        for layer in record.synops.layers
    ]
    neurons = [
        layer.model_copy(update={"reset_operations": layer.reset_operations * scale})
        for layer in record.neuron_ops.layers
    ]
    (found,) = estimate(layers, neurons, samples=SAMPLES, models=[model])
    return found.joules


def searched(record, model, target):
    """The scale at which the energy is the target's, by halving; None where there is none below a thousand times."""
    low, high = 0.0, 1000.0
    if not priced_again(record, model, low) < target < priced_again(record, model, high):
        return None
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if priced_again(record, model, middle) < target else (low, middle)
    return low


@pytest.mark.parametrize("name", MODELS)
def test_break_even_is_where_a_network_of_so_many_spikes_takes_what_its_twin_takes(pair, name):
    one = by_model(worth(*pair))[name]
    (model,) = (m for m in at_bits(ENERGY_MODELS, Bits(activation=3)) if m.name == name)
    scale = searched(pair[0], model, one.whole.twin)
    if scale is None:
        assert one.whole.break_even is None
        assert one.whole.never == (priced_again(pair[0], model, 0) >= one.whole.twin)
    else:
        assert one.whole.break_even == pytest.approx(scale * pair[0].spikes.mean_firing_rate, rel=1e-9)
        assert (one.whole.break_even > pair[0].spikes.mean_firing_rate) == one.whole.pays


def test_it_finds_break_evens_of_both_kinds_and_none(pair):
    parts = [one.whole for one in worth(*pair).priced]
    assert any(part.break_even is not None and part.pays for part in parts)
    assert any(part.never or part.break_even is None for part in parts)


def test_layers_and_neuron_updates_are_the_whole(pair):
    for one in worth(*pair).priced:
        (model,) = (m for m in at_bits(ENERGY_MODELS, Bits(activation=3)) if m.name == one.model)
        updates = sum(joules_of(model.neurons(layer)) for layer in pair[0].neuron_ops.layers) / SAMPLES
        assert sum(part.spiking for part in one.layers) + updates == pytest.approx(one.whole.spiking, rel=1e-9)
        assert sum(part.twin for part in one.layers) == pytest.approx(one.whole.twin, rel=1e-9)
        assert [part.name for part in one.layers] == [layer.name for layer in pair[0].synops.layers]


def test_a_layer_breaks_even_at_the_share_of_spikes_at_which_its_operations_cost_the_same(pair):
    layer, twin = pair[0].synops.layers[1], pair[1].synops.layers[1]
    part = by_model(worth(*pair))["iso-arithmetic"].layers[1]
    assert layer.ac > 0 < twin.mac
    # AC * 0.1 pJ = MAC * (0.075 + 0.1) pJ, and AC are the spikes times what each reaches.
    reach = layer.ac / layer.input_nonzero
    spikes = twin.mac * 0.175 / 0.1 / reach
    assert part.break_even == pytest.approx(spikes / layer.input_elements, rel=1e-9)
    assert part.rate == layer.input_nonzero / layer.input_elements
    assert by_model(worth(*pair))["iso-arithmetic"].layers[0].pays_below == "takes values"


def test_spikes_per_synapse_are_accumulates_over_the_synapses_of_one_step(pair):
    spiking = [layer for layer in pair[0].synops.layers if layer.ac]
    # 25 places with 3x3 taps inside the borders: (5 + 4 + 4)^2 pairs a channel pair; 200 inputs of 10 outputs.
    synapses = 6 * 8 * 13**2 + 200 * 10
    assert len(spiking) == 2
    expected = sum(layer.ac for layer in spiking) / SAMPLES / synapses
    assert worth(*pair).spikes_per_synapse == pytest.approx(expected, rel=1e-12)


def test_accuracy_is_paired_on_the_same_samples_and_not_on_others(pair):
    found = worth(*pair).accuracy
    # 1 gained, 2 lost: exact two-sided, of 3 coins at least 2 on the rarer side or fewer: 1.
    assert (found.value, found.p_value, found.change is not None) == (pytest.approx(-1 / 6), 1.0, True)
    assert found.interval[0] < found.value < found.interval[1]
    other = _with_data(pair[1], sha256="b")
    assert worth(pair[0], other).accuracy.change is None
    assert "other samples, Fisher" in worth(pair[0], other).sentence
    # The same events in other frames are the same samples; frames of which that is not known are not.
    events = [_with_data(record, sha256=frames, events_sha256="e") for record, frames in zip(pair, "ab", strict=True)]
    assert worth(*events).accuracy == found
    assert worth(events[0], _with_data(events[1], events_sha256="f")).accuracy.change is None


def _with_data(record, **values):
    data = record.provenance.dataset.model_copy(update=values)
    return record.model_copy(update={"provenance": record.provenance.model_copy(update={"dataset": data})})


def test_the_sentence_says_which_models_pay_at_what_rate_and_how_accurate_it_is(pair):
    said = worth(*pair).sentence
    assert said.startswith("d/n/soft/T4/s0 against d/n/quant/T4/s0: fires ")
    for name in ("iso-arithmetic", "iso-event", "iso-dense"):
        one = by_model(worth(*pair))[name].whole
        assert f"{'; pays' if one.pays else 'does not pay'} by {name} ({one.ratio:.3g} times the energy" in said
    assert "17 points less accurate (McNemar p = 1; " in said
    assert "horowitz" not in said


def test_a_model_without_a_price_for_both_is_left_out(pair):
    spikes_alone = per_operation("spikes-alone", "1", "s", ac=1e-12)
    broken = replace(spikes_alone, name="broken", synapses=lambda layer, spiking: 1 / 0)
    found = worth(*pair, models=[spikes_alone, broken])
    assert found.priced == ()
    assert found.left_out["spikes-alone"] == "does not price both networks"
    assert "ZeroDivisionError" in found.left_out["broken"]
    assert "is not at hand" in found.left_out["loihi"]
    assert "no price of both" in found.sentence


def test_a_model_that_is_not_linear_in_the_spikes_has_no_break_even(pair):
    square = replace(
        per_operation("square", "1", "s", mac=1e-9), synapses=lambda layer, _: 1e-12 * (layer.ac + layer.mac) ** 2
    )
    (one,) = worth(*pair, models=[square]).priced
    assert (one.whole.without_spikes, one.whole.break_even, one.whole.pays_below) == (None, None, "not known")


def test_bits_change_what_both_cost(pair):
    eight = by_model(worth(*pair, bits=Bits(8, 32), activation_bits=8))["iso-arithmetic"].whole
    three = by_model(worth(*pair))["iso-arithmetic"].whole
    assert eight.twin == pytest.approx(three.twin / 0.175 * 0.3, rel=1e-9)
    assert eight.ratio < three.ratio


def test_a_twin_whose_levels_are_not_known_is_priced_at_8_bits_and_the_version_says_so(pair):
    unknown = pair[1].model_copy(update={"model": pair[1].model.model_copy(update={"timesteps": None})})
    mine = by_model(worth(pair[0], unknown.model_copy(update={"energy": Absent(status="skipped", reason="x")})))
    assert mine["iso-arithmetic"].version == "1-w8-m32-b3, twin 1-w8-m32-b8"
    assert mine["iso-arithmetic"].whole.twin == pytest.approx(
        by_model(worth(*pair))["iso-arithmetic"].whole.twin / 0.175 * 0.3, rel=1e-9
    )


def test_older_records_are_priced_by_what_they_hold(pair):
    lost = {"input_rows": None, "output_elements": None, "output_channels": None}
    old = [
        record.model_copy(
            update={
                "synops": record.synops.model_copy(
                    update={"layers": [layer.model_copy(update=lost) for layer in record.synops.layers]}
                )
            }
        )
        for record in pair
    ]
    found = worth(*old)
    assert set(MODELS) - set(by_model(found)) == {"lemaire2022", "iso-event", "iso-dense"} == set(found.left_out)
    assert "measure again" in found.left_out["iso-event"]


def test_the_bound_is_the_twin_whose_every_value_is_not_zero(pair):
    # Currents far above every level: all activations are 1, no zero can be skipped.
    dense = network(lambda: Quantiser(STEPS))
    with torch.no_grad():
        dense[0].bias.fill_(100)
        dense[2].bias.fill_(1000)
    full = record_of(dense, torch.full((SAMPLES, 2, 5, 5), 0.5), "full", "quant", STEPS, [1] * 6)
    ones = [
        layer.model_copy(update={"mac": layer.mac + layer.ac, "ac": 0}) for layer in full.synops.layers
    ]  # but 1 is as good as a spike, and the bound is of values
    full = full.model_copy(
        update={
            "synops": full.synops.model_copy(update={"layers": ones}),
            "energy": Absent(status="unavailable", reason="of ones"),
        }
    )
    bound, twin = worth(pair[0]), worth(pair[0], full)
    assert [one.model for one in bound.priced] == ["iso-arithmetic", "iso-event", "iso-dense"]
    for one in bound.priced:
        assert one.whole.twin == pytest.approx(by_model(twin)[one.model].whole.twin, rel=1e-12)
        assert one.whole.ratio < by_model(worth(*pair))[one.model].whole.ratio or one.model == "iso-dense"
    assert "against a bound, the dense quantised twin of the same layers" in bound.sentence
    assert "at least" in bound.sentence
    assert "accurate" not in bound.sentence


def test_a_network_without_neurons_or_counts_is_refused(pair):
    with pytest.raises(TrackInputError, match="name a spiking network"):
        worth(pair[1], pair[0])
    lost = pair[0].model_copy(update={"synops": Absent(status="failed", reason="no memory.")})
    with pytest.raises(TrackInputError, match=r"not counted \(no memory"):
        worth(lost, pair[1])


def test_twins_are_found_by_data_network_t_and_seed(pair):
    spiking, quantised = pair
    other = spiking.model_copy(update={"name": "x", "model": spiking.model.model_copy(update={"timesteps": 2})})
    assert twins([spiking, other, quantised]) == [(spiking, quantised)]


def test_the_command_tells_it_of_cells_of_one_file_and_of_two(pair, tmp_path):
    def file(name, *records):
        (tmp_path / name).write_text(run_document(*records))
        return str(tmp_path / name)

    def told(*arguments, code=0):
        answer = CliRunner().invoke(app, ["worth", *arguments], env={"COLUMNS": "200"})
        assert answer.exit_code == code, answer.output
        return answer.output

    both, one, other = file("both.json", *pair), file("one.json", pair[0]), file("other.json", pair[1])
    said = worth(*pair).sentence
    for arguments in (
        (f"{both}:d/n/soft/T4/s0",),
        (f"{both}:d/n/soft/T4/s0", "--twin", "d/n/quant/T4/s0"),
        (one, "--twin", other),
        (one, "--twin", f"{both}:d/n/quant/T4/s0", "--layers"),
    ):
        assert said in told(*arguments)
    assert worth(pair[0]).sentence in told(one)
    assert "1-w4-m16-b2" in told(one, "--twin", other, "--bits", "4,16,2")
    for arguments, refused in ((("worth", both), "name one cell"), (("worth", one, "--bits", "0,32"), "weight_bits")):
        answer = CliRunner().invoke(app, arguments)
        assert isinstance(answer.exception, InputError)
        assert refused in str(answer.exception)
