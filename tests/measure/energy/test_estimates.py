from dataclasses import asdict, dataclass, replace

import pytest

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.energy import ENERGY_MODELS, EnergyModel, estimate, per_operation
from inflor_bench.measure.neurons.operations import NeuronUpdates
from inflor_bench.measure.synops.result import SynOpSite
from inflor_bench.record import costs


def layer(name, ac, mac, dense, kind="conv2d"):
    return SynOpSite(name=name, kind=kind, ac=ac, mac=mac, dense=dense)


def neuron(name, updates):
    return NeuronUpdates(name, "soft", False, 10, updates, updates, updates, updates, 7)


# Two layers over 10 samples: the stem sees an image, the next one spikes.
LAYERS = [layer("stem", 0, 3000, 5000), layer("conv", 2000, 0, 8000)]
NEURONS = [neuron("neuron1", 400), neuron("conv", 100)]

# J of one inference, calculated by hand from the published constants: 300 MAC, 200 AC, 1300 dense, 50 updates.
BY_HAND = {
    "horowitz45-fp32": (300 * 4.6 + 200 * 0.9) * 1e-12,
    "horowitz45-fp16": (300 * 1.5 + 200 * 0.4) * 1e-12,
    "horowitz45-int8": (300 * 0.23 + 200 * 0.03) * 1e-12,
    "horowitz45-int32": (300 * 3.2 + 200 * 0.1) * 1e-12,
    "flop-sop": 300 * 12.5e-12 + 200 * 77e-15,
    "cpu-i7-4960x": 1300 * 8.6e-9 + 50 * 8.6e-9,
    "gpu-titan-black": 1300 * 0.3e-9 + 50 * 0.3e-9,
    "arm-cortex-a": 1300 * 0.9e-9 + 50 * 0.9e-9,
    "loihi": 500 * 27.1e-12 + 50 * 81e-12,
    "spinnaker": 500 * 13.3e-9 + 50 * 26e-9,
    "spinnaker2": 500 * 450e-12 + 50 * 2.19e-9,
    "iso-arithmetic": (300 * (0.2 + 0.1) + 200 * 0.1) * 1e-12,
}
ELSEWHERE = {"lemaire2022", "iso-event", "iso-dense"}  # test_energy_lemaire.py, test_energy_iso.py


def test_every_model_matches_its_formula_and_none_is_left_out():
    estimates = {e.name: e for e in estimate(LAYERS, NEURONS, samples=10)}
    assert list(estimates) == [model.name for model in ENERGY_MODELS]
    joules = {name: e.joules for name, e in estimates.items() if name not in ELSEWHERE}
    assert joules == pytest.approx(BY_HAND, rel=1e-12)
    for e in estimates.values():
        assert sum(e.layers.values()) == pytest.approx(e.joules, rel=1e-12)
        assert e.version
        assert e.source


def test_shares_go_to_the_layers_that_cause_them():
    estimates = {e.name: e.layers for e in estimate(LAYERS, NEURONS, samples=10)}
    assert estimates["horowitz45-fp32"] == pytest.approx({"stem": 300 * 4.6e-12, "conv": 200 * 0.9e-12, "neuron1": 0})
    assert estimates["loihi"] == pytest.approx(
        {"stem": 300 * 27.1e-12, "conv": 200 * 27.1e-12 + 10 * 81e-12, "neuron1": 40 * 81e-12}
    )
    assert estimates["cpu-i7-4960x"]["stem"] == pytest.approx(500 * 8.6e-9)


def test_zeros_cost_a_dense_device_and_no_spiking_one():
    estimates = {e.name: e.joules for e in estimate([layer("conv", 0, 0, 8000)], [], samples=10)}
    assert {name for name, joules in estimates.items() if joules} == {"cpu-i7-4960x", "gpu-titan-black", "arm-cortex-a"}


def test_estimates_become_the_record_section_and_are_called_estimates():
    section = costs.Energy(models=[asdict(e) for e in estimate(LAYERS, [], samples=10)])
    assert section.status == "estimated"


def test_iterators_serve_every_model():
    assert estimate(iter(LAYERS), iter(NEURONS), samples=10) == estimate(LAYERS, NEURONS, samples=10)


def test_no_sample_is_an_error():
    with pytest.raises(MeasureInputError, match="at least 1"):
        estimate(LAYERS, NEURONS, samples=0)


# "Estimating model energy", in the documentation of KerasSpiking: a convolution of 7x7 to two channels of 22x22, and
# linear layers 968 -> 128 -> 10, with the connections, the neurons and the J per inference that it prints.
EXAMPLE = [layer("conv2d", 0, 0, 47_432), layer("dense", 0, 0, 123_904), layer("dense_1", 0, 0, 1_280)]
EXAMPLE_NEURONS = [neuron("re_lu", 968), neuron("re_lu_1", 128)]
PRINTED = {
    "cpu-i7-4960x": ([0.00041, 0.0011, 1.1e-05, 8.3e-06, 1.1e-06], 1.49e-03),
    "gpu-titan-black": ([1.4e-05, 3.7e-05, 3.8e-07, 2.9e-07, 3.8e-08], 5.21e-05),
    # A rate of 1 Hz for 1 ms: a thousandth of the connections of the first layer carries a spike.
    "loihi": ([1.3e-09, 0, 0, 7.8e-08, 1e-08], None),
}


@pytest.mark.parametrize("name", PRINTED)
def test_a_model_gives_the_example_that_its_source_prints(name):
    spiking = [replace(one, ac=round(one.dense / 1000) if one.name == "conv2d" else 0) for one in EXAMPLE]
    models = [model for model in ENERGY_MODELS if model.name == name]
    (found,) = estimate(spiking, EXAMPLE_NEURONS, samples=1, models=models)
    each, total = PRINTED[name]
    assert [float(f"{joules:.2g}") for joules in found.layers.values()] == each
    assert total is None or float(f"{found.joules:.3g}") == total


def test_what_was_not_held_to_an_example_of_its_source_says_so():
    ours = {model.name for model in ENERGY_MODELS if model.at is not None}
    unchecked = {model.name for model in ENERGY_MODELS if "ot checked" in model.source}
    assert unchecked == {model.name for model in ENERGY_MODELS} - ours - PRINTED.keys()


MINE = per_operation("mine", "3", "data sheet", ac=1e-12)


@dataclass
class Price:
    joules: object

    def __call__(self, *_):
        return self.joules


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (replace(MINE, synapses=lambda layer, spiking: 1 / 0), "'mine' failed on layer 'stem' .*ZeroDivisionError"),
        (replace(MINE, neurons=lambda layer: layer.spikes), "'mine' failed on layer 'neuron1' .*spikes"),
        (replace(MINE, synapses=Price(float("nan"))), "'mine' gave nan J for layer 'stem'"),
        (replace(MINE, synapses=Price(-1.0)), "'mine' gave -1.0 J"),
        (replace(MINE, synapses=Price(None)), "'mine' failed on layer 'stem' .*TypeError"),
    ],
)
def test_a_model_that_gives_no_energy_is_named_with_the_layer(model, sentence):
    with pytest.raises(MeasureInputError, match=sentence) as caught:
        estimate(LAYERS, NEURONS, samples=10, models=[model])
    assert "\n" not in str(caught.value)


def test_what_a_model_does_not_cover_is_in_its_notes():
    model = EnergyModel("convs", "1", "s", MINE.synapses, covers=lambda layer: layer.kind != "matmul")
    (mine,) = estimate([*LAYERS, layer("attention", 5, 0, 9, "matmul")], [], samples=1, models=[model])
    assert mine.notes == ["not covered, priced by arithmetic alone: attention (matmul)"]
    assert estimate(LAYERS, [], samples=1, models=[model])[0].notes == []


def test_neuron_updates_that_are_not_known_are_never_priced_as_none():
    arithmetic, event = (next(m for m in ENERGY_MODELS if m.name == name) for name in ("horowitz45-fp32", "loihi"))
    (found,) = estimate(LAYERS, None, samples=10, models=[arithmetic])
    assert found.joules == pytest.approx(BY_HAND["horowitz45-fp32"], rel=1e-12)
    with pytest.raises(MeasureInputError, match="'loihi' prices neuron updates, and those of this network are not"):
        estimate(LAYERS, None, samples=10, models=[event])
    told = []
    asking = EnergyModel("asking", "1", "a test", lambda layer, spiking: told.append(spiking) or 0.0)
    estimate(LAYERS, None, samples=10, models=[asking])
    assert set(told) == {True}, "the network has spiking neurons, whatever they cost"
