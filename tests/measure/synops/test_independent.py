"""Dense operations by fvcore beside ours: equal, or with what explains the difference; and nothing is left behind."""

import logging

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from inflor_bench.cell.sections import section
from inflor_bench.measure.synops.independent import DenseDifference, check_dense
from inflor_bench.measure.unavailable import Unavailable
from inflor_bench.models import create_model
from inflor_bench.record.counted import DenseCheck
from tests.measure.synops.cases import Function


def check(module, *shape):
    return check_dense(module.eval(), module, torch.randn(*shape))


def test_a_convolution_and_a_linear_layer_are_counted_alike_with_their_padding():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, stride=2), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(64, 5))
    found = check(net, 1, 3, 8, 8)
    dense = 4 * 4 * 4 * 3 * 3 * 3 + 64 * 5  # outputs times taps, whatever of them is padding
    assert (found.ours, found.theirs, found.differences) == (dense, dense, [])


@pytest.mark.parametrize("neuron", ["relu", "soft-mpr"])
def test_networks_of_ours_are_counted_alike(neuron):
    net = create_model("resnet8", neuron=neuron, timesteps=1 if neuron == "relu" else 4, num_classes=10, in_channels=1)
    found = check(net, 1, 1, 8, 8)
    assert found.ours == found.theirs > 0


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.query = nn.Linear(8, 8)

    def forward(self, x):
        q = self.query(x)
        return {"out": [F.scaled_dot_product_attention(q, x, x)], "name": "attention"}


class Layers(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention, self.head = Attention(), nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.attention(x)["out"][0])


def test_what_the_other_does_not_count_is_named_by_module_and_operator():
    found = check(Layers(), 1, 5, 8)
    scores = 5 * 5 * 8
    assert found.ours - found.theirs == 2 * scores
    assert found.theirs == 5 * 8 * 8 + 5 * 8 * 3
    (where,) = found.differences
    assert (where.name, where.ours, where.theirs) == ("attention", 5 * 8 * 8 + 2 * scores, 5 * 8 * 8)
    assert {"attention_scores", "attention_values", "aten::scaled_dot_product_attention"} <= set(where.operators)
    assert found.unsupported["aten::scaled_dot_product_attention"] == 1


def test_encoder_layers_are_seen_in_their_parts():
    found = check(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 1, 5, 8)
    assert [one.name for one in found.differences] == ["self_attn"]
    assert "aten::_native_multi_head_attention" not in found.unsupported


def test_products_outside_of_layers_are_counted_alike():
    weight = nn.Parameter(torch.randn(2, 3))
    found = check(Function(lambda x, w: torch.einsum("nk,mk->nm", x, w) + x @ w.t(), weight), 1, 3)
    assert found.ours == found.theirs == 12


def test_a_layer_that_is_called_where_it_does_not_live_is_no_difference():
    class Elsewhere(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = nn.Sequential(nn.Linear(4, 2))

        def forward(self, x):
            return F.linear(x, self.block[0].weight)

    found = check(Elsewhere(), 1, 4)
    assert (found.ours, found.theirs, found.differences) == (8, 8, [])


def test_a_plan_of_several_calls_is_one_sample():
    layer = nn.Linear(4, 2)
    found = check_dense(layer, lambda x: [layer(x) for _ in range(3)], torch.randn(1, 4))
    assert (found.ours, found.theirs) == (24, 24)


class Untraceable(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x):
        if torch.jit.is_tracing():
            raise ValueError("no tracing here\nnor there")
        return self.layer(x)


def left_behind(module):
    held = ("_forward_hooks", "_forward_pre_hooks", "_forward_hooks_always_called")
    return [[len(getattr(part, name)) for name in held] for part in module.modules()]


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (Untraceable, "fvcore_failed: ValueError: no tracing here"),
        (lambda: torch.compile(nn.Linear(3, 2), backend="eager"), "fvcore_failed: RuntimeError: "),
        (lambda: nn.Linear(4, 2), "fvcore_failed: RuntimeError: "),
    ],
)
def test_what_fails_is_a_reason_in_one_line_and_leaves_nothing_behind(make, named):
    module = make()
    before = left_behind(module)
    found = check(module, 1, 3)
    assert isinstance(found, Unavailable)
    assert found.reason.startswith(named)
    assert "\n" not in found.reason
    assert left_behind(module) == before
    assert torch._C._get_tracing_state() is None
    assert section(DenseCheck, found).status == "unavailable"


def test_fvcore_that_is_not_there_is_a_reason(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "fvcore.nn", None)
    found = check(nn.Linear(3, 2), 1, 3)
    assert found.reason.startswith("fvcore_failed: ModuleNotFoundError: ")


def test_kernels_random_numbers_modes_and_hooks_stay_as_they_were(caplog):
    net = create_model("resnet8", neuron="soft", timesteps=2, num_classes=10, in_channels=1).eval()
    x = torch.rand(2, 1, 8, 8)
    with torch.inference_mode():
        net(x)
    hooks, modes, seed = left_behind(net), [part.training for part in net.modules()], torch.get_rng_state()
    with caplog.at_level(logging.WARNING):
        check_dense(net, net, x[:1])
    said = [record.message for record in caplog.records if record.name.startswith("inflor_bench")]
    assert said == [], "no kernel was given up because it was traced"
    assert (left_behind(net), [part.training for part in net.modules()]) == (hooks, modes)
    assert torch.equal(torch.get_rng_state(), seed)


def test_a_record_holds_it_by_the_same_names():
    found = section(DenseCheck, check(Layers(), 1, 5, 8))
    assert found.differences[0].ours == 5 * 8 * 8 + 2 * 5 * 5 * 8
    assert {*DenseDifference.__dataclass_fields__} == {*type(found.differences[0]).model_fields}
