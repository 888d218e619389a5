"""Classes, time, samples, names, and the forms of the result."""

import json

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.synops.counter import SynOpCounter
from tests.measure.synops import oracle
from tests.measure.synops.cases import Function, Looped, real, spikes


def run(module, *inputs, **options):
    with torch.no_grad(), SynOpCounter(module, **options) as counter:
        for x in inputs:
            module(x)
    return counter.result()


def test_mixed_sites_and_shares():
    layer = nn.Linear(4, 3)
    result = run(layer, torch.tensor([[1.0, 0.0, -1.0, 1.0]]), torch.tensor([[2.0, 0.0, 0.0, 0.0]]))
    (site,) = result.layers.values()
    assert (site.ac, site.mac, site.mixed, site.unit_share) == (0, 12, True, 3 / 4)
    assert (site.input_elements, site.input_nonzero, site.sparsity) == (8, 4, 0.5)
    assert site.calls == 2


@pytest.mark.parametrize(
    ("values", "unit_share", "mixed"),
    [([1.0, -1.0, 0.0], 1.0, False), ([2.0, 3.0, 0.0], 0.0, False), ([0.0], None, False)],
)
def test_sites_that_are_not_mixed(values, unit_share, mixed):
    (site,) = run(nn.Linear(len(values), 2), torch.tensor([values])).layers.values()
    assert (site.unit_share, site.mixed) == (unit_share, mixed)


def test_scaled_spikes_by_policy():
    layer = nn.Linear(4, 3)
    x = torch.tensor([[0.25, 0.0, -0.25, 0.25]])
    assert run(layer, x).total.mac == 9
    folded = run(layer, x, torch.zeros(1, 4), scaled_spikes="ac").total
    assert (folded.ac, folded.mac) == (9, 0)
    # Two scales cannot be folded into one weight; nor can any other value.
    assert run(layer, x, x * 2, scaled_spikes="ac").total.mac == 18
    assert run(layer, x, x * 4, scaled_spikes="ac").total.mac == 18
    assert run(layer, x + torch.tensor([0.0, 0.1, 0.0, 0.0]), scaled_spikes="ac").total.mac == 12


def test_integer_spikes_by_policy():
    layer = nn.Conv2d(1, 2, 3, padding=1)
    x = torch.randint(-3, 4, (2, 1, 4, 4)).float()
    x[0, 0, 0, 0] = 3
    truth = oracle.convolution(x, layer.weight, padding=1).effective
    assert run(layer, x).total.mac == truth
    repeated = sum(
        oracle.convolution((x.abs() >= level).float(), layer.weight, padding=1).effective for level in (1, 2, 3)
    )
    total = run(layer, x, x.sign(), integer_spikes="ac").total
    assert (total.ac, total.mac) == (repeated + truth, 0)
    assert run(layer, x, x * 0.3, integer_spikes="ac").total.ac == 0
    assert run(layer, x, x * 0.3, integer_spikes="ac").total.mac == 2 * truth


def test_policies_for_products_of_activations():
    left, right = spikes(2, 3, 4) * 0.5, real(2, 4, 2)
    module = Function(lambda left: torch.bmm(left, right))
    truth = oracle.product(left, right).effective
    assert run(module, left).total.mac == truth
    assert run(module, left, scaled_spikes="ac").total.ac == truth
    assert run(module, left * 4, integer_spikes="ac").total.ac == 2 * truth


def test_the_default_counts_no_policy():
    with pytest.raises(MeasureInputError, match="scaled_spikes"):
        SynOpCounter(nn.Linear(1, 1), scaled_spikes="yes")


# Time and samples


@pytest.fixture
def timed():
    """Spikes [T=3, N=2, 1, 4, 4] and the operations of each step and sample of both layers, by brute force."""
    torch.manual_seed(5)
    x = spikes(3, 2, 1, 4, 4)
    model = Looped(False, True)
    with torch.no_grad():
        hidden = model.neuron(model.first(x.flatten(0, 1)).unflatten(0, (3, 2))).flatten(2)

    def counted(t, n):
        first = oracle.convolution(x[t, n][None], model.first.weight, padding=1).effective
        return first, oracle.linear(hidden[t, n], model.second.weight).effective

    return x, model, [[counted(t, n) for n in range(2)] for t in range(3)]


@pytest.mark.parametrize("looped", [False, True])
def test_steps_and_samples(timed, looped):
    x, model, truth = timed
    model.looped = looped
    result = run(model, x, timesteps=3, time_axis="leading", per_sample=True)
    for index, name in enumerate(("first", "second")):
        layer = result.layers[name]
        assert layer.per_step == [sum(truth[t][n][index] for n in range(2)) for t in range(3)]
        assert layer.per_sample == [sum(truth[t][n][index] for t in range(3)) for n in range(2)]
        assert sum(layer.per_step) == sum(layer.per_sample) == layer.ac
    assert [step.ac for step in result.by_step()] == [sum(map(sum, truth[t])) for t in range(3)]
    assert [sample.ac for sample in result.by_sample()] == [sum(sum(truth[t][n]) for t in range(3)) for n in range(2)]


def test_samples_of_several_batches_keep_their_order(timed):
    x, model, _ = timed
    whole = run(model, x, timesteps=3, time_axis="leading", per_sample=True)
    parts = run(model, *x.split(1, 1), timesteps=3, time_axis="leading", per_sample=True)
    assert whole.by_sample() == parts.by_sample()
    assert whole.by_step() == parts.by_step()


def test_a_call_of_the_model_for_each_step():
    torch.manual_seed(2)
    layer, x = nn.Linear(5, 3), spikes(4, 2, 5)
    result = run(layer, *x, timesteps=2, time_axis="calls", per_sample=True)
    each = [[oracle.linear(row, layer.weight).effective for row in step] for step in x]
    (site,) = result.layers.values()
    assert site.per_step == [sum(each[0]) + sum(each[2]), sum(each[1]) + sum(each[3])]
    assert site.per_sample == [
        each[0][0] + each[1][0],
        each[0][1] + each[1][1],
        each[2][0] + each[3][0],
        each[2][1] + each[3][1],
    ]


def test_flattened_input_and_tokens():
    torch.manual_seed(2)
    model = nn.Sequential(nn.Linear(5, 3, bias=False))
    x = spikes(6, 7, 5)
    (site,) = run(model, x, timesteps=3, time_axis="flattened", per_sample=True).layers.values()
    each = [oracle.linear(row, model[0].weight).effective for row in x]
    assert site.per_step == [each[0] + each[1], each[2] + each[3], each[4] + each[5]]
    assert site.per_sample == [each[0] + each[2] + each[4], each[1] + each[3] + each[5]]


def test_an_image_that_is_seen_once_has_no_time():
    class Static(nn.Module):
        def __init__(self):
            super().__init__()
            self.image, self.later = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x):
            current = self.image(x)
            return self.later(torch.cat([current > 0, current > 0.3]).float())

    model, x = Static(), spikes(3, 4)
    result = run(model, x, timesteps=2, per_sample=True)
    assert result.layers["image"].per_step is None
    assert result.layers["image"].per_sample == [oracle.linear(row, model.image.weight).effective for row in x]
    assert len(result.layers["later"].per_step) == 2
    assert len(result.by_sample()) == 3


def test_rows_that_are_no_samples_are_not_guessed():
    model = Function(lambda x, w: F.linear(x[:3], w), torch.randn(2, 4))
    (site,) = run(model, spikes(4, 4), timesteps=1, per_sample=True).layers.values()
    assert site.per_sample is None
    assert site.per_step is None


def test_nothing_of_time_unless_asked():
    (site,) = run(nn.Linear(4, 2), spikes(3, 4)).layers.values()
    assert site.per_step is None
    assert site.per_sample is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timesteps": 0}, "at least 1"),
        ({"time_axis": "leading"}, "give timesteps"),
        ({"timesteps": 2, "time_axis": "last"}, "time_axis"),
        ({"integer_spikes": "ac", "per_sample": True}, "totals only"),
    ],
)
def test_arguments_that_do_not_fit(options, message):
    with pytest.raises(MeasureInputError, match=message):
        SynOpCounter(nn.Linear(1, 1), **options)


# Names and forms


def test_names_say_where_the_weight_is():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv1d(2, 2, 1)
            self.scale = nn.Parameter(torch.randn(2, 2))
            self.rnn = nn.GRU(2, 2)

        def forward(self, x):
            y = self.conv(x).transpose(1, 2) @ self.scale
            return torch.bmm(self.rnn(y)[0], x)

    result = run(Named(), spikes(3, 2, 4))
    assert list(result.layers) == ["conv", "scale", "rnn.weight_ih_l0", "rnn.weight_hh_l0", "matmul"]
    assert [layer.name for layer in result.layers.values()] == list(result.layers)
    assert result.layers["conv"].weight_shape == [2, 2, 1]
    assert result.layers["conv"].output_shape == [2, 4]
    assert result.layers["matmul"].weight_shape == []


def test_two_weights_without_a_name_in_one_module():
    module = Function(lambda x, w: F.linear(F.linear(x, w * 2), w * 3), torch.randn(4, 4))
    model = nn.Sequential(module)
    assert list(run(model, spikes(2, 4)).layers) == ["0", "0#2"]


def test_forms():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3))
    with torch.no_grad(), SynOpCounter(model) as counter:
        model(spikes(2, 1, 4, 4))
    result = counter.result(samples=2)
    data = json.loads(json.dumps(result.as_dict(), allow_nan=False))
    assert data["total"]["ac"] == result.total.ac == result.layers["0"].ac
    assert [layer["name"] for layer in data["layers"]] == ["0", "2"]
    frame = result.frame()
    assert frame[["ac", "mac", "dense", "dense_padded"]].sum().to_dict() == vars(result.total)
    assert list(frame.index) == ["0", "2"]
    assert result.table().row_count == 3
    assert result.mean()["mac"] == result.total.mac / 2
    assert counter.result().mean() is None
    assert result.total.effective == result.total.ac + result.total.mac


def test_a_record_takes_the_fields_by_name():
    from inflor_bench.record.counted import SynopLayer, Synops

    model = nn.Sequential(nn.Linear(4, 3))
    with torch.no_grad(), SynOpCounter(model) as counter:
        model(spikes(2, 4))
    result = counter.result(samples=2)
    layers = [
        SynopLayer(**{name: getattr(layer, name) for name in SynopLayer.model_fields})
        for layer in result.layers.values()
    ]
    record = Synops(samples=2, total=vars(result.total), layers=layers)
    assert record.total.ac == result.total.ac


def test_the_total_of_a_module_is_that_of_all_inside_it():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.stage, self.stage1 = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)), nn.Linear(2, 5)

        def forward(self, x):
            return self.stage1(self.stage[2](self.stage(x) @ torch.ones(2, 3)))

    x = torch.rand(2, 4, generator=torch.Generator().manual_seed(0)) + 0.5
    with torch.no_grad(), SynOpCounter(model := Twice().eval()) as counter:
        model(x)
    result = counter.result()
    for module, dense in (("stage", 2 * (12 + 6 + 6)), ("stage.2", 2 * 12), ("stage1", 2 * 10), ("stage.0", 2 * 12)):
        assert result.total_of(module).dense == dense
    assert result.total_of("") == result.total
    with pytest.raises(MeasureInputError, match=r"counted in 'stage\.1'"):
        result.total_of("stage.1")
