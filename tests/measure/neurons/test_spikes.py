from dataclasses import asdict

import pytest
import torch
from torch import nn

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.neurons.protocol import PIECE_ELEMENTS, spiking_neurons
from inflor_bench.measure.neurons.spikes import SpikeRecorder, is_binary
from inflor_bench.measure.unavailable import Unavailable
from inflor_bench.record import counted
from tests.measure.lif import Network, PlainLIF, images, network


def record(module, batches):
    with SpikeRecorder(module) as recorder, torch.no_grad():
        for batch in batches:
            module(batch)
    return recorder.result()


def counts_by_hand(module, batch):
    """Spikes of every neuron and step from the network's own equations, element by element."""
    found = {}
    for name, neuron in (("neuron1", module.neuron1), ("neuron2", module.neuron2)):
        outputs = []
        handle = neuron.register_forward_hook(lambda m, i, o, outputs=outputs: outputs.append(o))
        with torch.no_grad():
            module(batch)
        handle.remove()
        rows = outputs[0].tolist()
        samples = len(rows) // module.timesteps

        def flat(value):
            return sum(map(flat, value)) if isinstance(value, list) else int(value)

        found[name] = tuple(flat(rows[t * samples : (t + 1) * samples]) for t in range(module.timesteps))
    return found


@pytest.mark.parametrize("reset", ["hard", "soft"])
def test_counts_per_layer_and_step_match_a_plain_sum(reset):
    module = network(timesteps=3, reset=reset)
    result = record(module, [images(6)])
    assert result.samples == 6
    assert {layer.name: layer.spikes_per_step for layer in result.layers} == counts_by_hand(module, images(6))
    assert [layer.shape for layer in result.layers] == [(4, 7, 7), (3, 3, 3)]
    assert [layer.neurons for layer in result.layers] == [196, 27]
    assert all(len(set(layer.spikes_per_step)) > 1 for layer in result.layers)


def test_counts_do_not_depend_on_the_batches():
    module, batch = network(), images(10)
    assert record(module, [batch]) == record(module, batch.split(3)) == record(module, batch.split(1))


def test_the_result_becomes_the_record_section():
    section = counted.Spikes(**asdict(record(network(), [images(4)])))
    assert 0 < section.mean_firing_rate < 1


def test_large_and_channels_last_outputs_are_counted_exactly():
    neuron = PlainLIF(2)
    current = torch.randn(2 * 5, 6, 40, 40)
    assert current.numel() > 2 * PIECE_ELEMENTS
    expected = [int(step.sum(dtype=torch.float64)) for step in neuron(current).unflatten(0, (2, 5))]
    for layout in (torch.contiguous_format, torch.channels_last):
        layer = record(neuron, [current.contiguous(memory_format=layout)]).layers[0]
        assert (layer.name, list(layer.spikes_per_step)) == ("PlainLIF", expected)


def test_more_than_2_to_the_24_spikes_lose_none():
    class Everything(PlainLIF):
        def forward(self, current):
            return torch.ones_like(current)

    result = record(Everything(1), [torch.zeros(1, (1 << 24) + 3)])
    assert result.layers[0].spikes_per_step == ((1 << 24) + 3,)


def test_a_shared_neuron_has_one_name_and_one_layer_for_each_call():
    neuron = PlainLIF(3)
    shared, separate = network(neuron=PlainLIF), network(neuron=PlainLIF)
    shared.neuron1 = shared.neuron2 = neuron
    assert list(spiking_neurons(shared)) == ["neuron1"]
    batches = images(6).split(4)
    layers = record(shared, batches).layers
    assert [layer.name for layer in layers] == ["neuron1", "neuron1#2"]
    assert [layer.spikes_per_step for layer in layers] == [
        layer.spikes_per_step for layer in record(separate, batches).layers
    ]


def test_a_neuron_is_known_by_what_it_offers_and_is_not_looked_into():
    class Adapter(nn.Module):
        timesteps, decay, threshold, reset, mpr = 3, 0.5, 0.5, "soft", False

        def __init__(self):
            super().__init__()
            self.inner = PlainLIF(3)

        def membrane(self, current):
            return self.inner.membrane(current)

        def forward(self, current):
            return self.inner(current)

    module = Network(Adapter(), PlainLIF(3), 3)
    assert list(spiking_neurons(module)) == ["neuron1", "neuron2"]
    assert [layer.name for layer in record(module, [images(2)]).layers] == ["neuron1", "neuron2"]
    assert record(nn.ReLU(), [images(2)]) == Unavailable("no_spiking_neurons: the network has no spiking neuron.")


@pytest.mark.parametrize("value", [0.5, -1.0, 2.0, float("nan"), float("inf"), -float("inf"), 1e-30])
def test_an_output_that_is_no_spike_is_an_error_that_spares_the_forward_pass(value):
    class Graded(PlainLIF):
        def forward(self, current):
            spikes = super().forward(current)
            spikes[-1, -1, -1, -1] = value
            return spikes

    module = network(neuron=PlainLIF)
    module.neuron2 = Graded(3)
    with SpikeRecorder(module) as recorder:
        assert module(images(2)).shape == (2, 5)
    with pytest.raises(MeasureInputError, match=r"neuron2.*other than 0 and 1"):
        recorder.result()
    assert not is_binary(torch.tensor([1.0, value]))


def test_boolean_and_integer_spikes_count():
    class Typed(PlainLIF):
        dtype = torch.bool

        def forward(self, current):
            return super().forward(current).to(self.dtype)

    for dtype in (torch.bool, torch.int8, torch.bfloat16):
        neuron = Typed(1)
        neuron.dtype = dtype
        assert record(neuron, [torch.tensor([[1.0, 0.0], [1.0, 1.0]])]).layers[0].spikes_per_step == (3,)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda m: None, "No spiking neuron was called"),
        (lambda m: m(torch.randn(5, 4)), "5 rows are not a multiple of its 2 time steps"),
        (lambda m: (m(torch.randn(4, 4)), m(torch.randn(4, 6))), "measure inputs of one size"),
    ],
)
def test_a_call_that_cannot_be_counted_is_named(call, says):
    class Loose(PlainLIF):
        def forward(self, current):
            return (current > 0).float()

    neuron = Loose(2)
    with SpikeRecorder(neuron) as recorder:
        call(neuron)
    with pytest.raises(MeasureInputError, match=says):
        recorder.result()


def test_layers_that_saw_different_samples_are_not_put_side_by_side():
    module = network()
    with SpikeRecorder(module) as recorder:
        module(images(2))
        module.neuron2(torch.randn(3, 3, 3, 3))
    with pytest.raises(MeasureInputError, match="neuron2#2"):
        recorder.result()


def test_nothing_is_recorded_outside():
    module = network()
    with SpikeRecorder(module) as recorder:
        module(images(2))
    before = recorder.result()
    module(images(2))
    assert recorder.result() == before
    assert not module.neuron1._forward_hooks
    assert not module._forward_pre_hooks
