"""Nothing is ever 0 because it was not seen: every way that a count can be missed is counted, listed or refused."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import library as torch_operators
from torch import nn

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.synops.counter import SynOpCounter
from inflor_bench.measure.synops.formulas import (
    Count,
    Linear,
    Projection,
    declare_not_synaptic,
    register_formula,
    registry,
)
from inflor_bench.measure.synops.formulas.registry import FormulaError
from tests.measure.synops import oracle
from tests.measure.synops.cases import Function, spikes


def count(module, *inputs):
    with torch.no_grad(), SynOpCounter(module) as counter:
        module(*inputs)
    return counter.result()


def operators(result):
    return [(entry.name, entry.operator, entry.calls) for entry in result.uncounted]


@pytest.fixture
def library():
    """A library with operators of its own."""
    with torch_operators._scoped_library("inflor_test", "DEF") as lib:
        lib.define("hidden_linear(Tensor x, Tensor weight) -> Tensor")
        lib.impl("hidden_linear", lambda x, weight: x @ weight.t(), "CompositeExplicitAutograd")
        yield torch.ops.inflor_test


@pytest.fixture
def formulas(monkeypatch):
    monkeypatch.setattr(registry, "_formulas", dict(registry._formulas))


def test_an_operator_that_nobody_knows_is_listed(library):
    module = nn.Sequential(Function(library.hidden_linear, torch.randn(3, 4)), nn.Linear(3, 2))
    result = count(module, spikes(2, 4))
    assert operators(result) == [("0", "inflor_test.hidden_linear.default", 1)]
    assert not result.complete
    assert set(result.layers) == {"1"}
    assert "inflor_test.hidden_linear.default" in str(result.table().caption)


def test_a_formula_of_a_users_own_counts_it(library, formulas):
    @register_formula(library.hidden_linear)
    def hidden(output, x, weight):
        return [Projection("linear", x, weight, Linear())]

    x = spikes(2, 4)
    module = Function(library.hidden_linear, torch.randn(3, 4))
    result = count(module, x)
    assert result.total.ac == oracle.linear(x, module.weights[0]).effective
    assert result.complete


def test_numbers_of_a_users_own(library, formulas):
    @register_formula(library.hidden_linear.default)
    def hidden(output, x, weight):
        return [Count("sparse", 7, 8, 9, (x,), weight)]

    module = Function(library.hidden_linear, torch.randn(3, 4))
    assert vars(count(module, spikes(2, 4)).total) == {"ac": 7, "mac": 0, "dense": 8, "dense_padded": 9}
    assert vars(count(module, spikes(2, 4) + 0.5).total) == {"ac": 0, "mac": 7, "dense": 8, "dense_padded": 9}


def test_an_operator_declared_not_synaptic_is_not_listed(library):
    declare_not_synaptic(library.hidden_linear)
    module = nn.Sequential(Function(library.hidden_linear, torch.randn(3, 4)))
    assert count(module, spikes(2, 4)).complete


def test_an_exception_in_a_formula_stops_and_names_the_operator(library, formulas):
    @register_formula(library.hidden_linear)
    def hidden(output, x, weight):
        raise ZeroDivisionError("oops")

    module = nn.Sequential(Function(library.hidden_linear, torch.randn(3, 4)))
    counter = SynOpCounter(module)
    with torch.no_grad(), counter:
        with pytest.raises(FormulaError, match=r"inflor_test\.hidden_linear\.default.*'0'.*oops"):
            module(spikes(2, 4))
        nn.Linear(4, 2)(spikes(2, 4))
    with pytest.raises(FormulaError, match="hidden_linear"):
        counter.result()


@pytest.mark.parametrize(
    "function",
    [
        lambda x: torch.cdist(x, x),
        lambda x: torch.zeros(3, 4).index_add(0, torch.tensor([0, 1]), x),
        lambda x: torch.fft.fft(x),
        lambda x: torch.linalg.inv(x @ x.t() + torch.eye(2)),
        lambda x: torch.sparse.mm(x.to_sparse(), torch.randn(4, 2)),
        lambda x: F.embedding_bag(torch.tensor([[0, 1]]), x, mode="sum", per_sample_weights=torch.rand(1, 2)),
    ],
    ids=["cdist", "index_add", "fft", "inverse", "sparse", "weighted bag"],
)
def test_weighted_sums_without_a_formula_are_listed(function):
    assert not count(Function(function), spikes(2, 4)).complete


@pytest.mark.parametrize(
    "function",
    [
        lambda x, w: (x[:, None] * w).cumsum(-1)[..., -1],
        lambda x, w: torch.cat(((x[:, None] * w), x[:, None].repeat(1, 3, 1)), -1).sum(-1),
        lambda x, w: torch.zeros(2, 3).index_put_((torch.tensor([0, 1]),), x[:, :3] - w[0, 0], accumulate=True),
        lambda x, w: torch.zeros(2, 4).scatter_(1, torch.zeros(2, 4, dtype=torch.int64), x - w[0], reduce="add"),
        lambda x, w: torch.bincount(torch.tensor([0, 1, 1, 0]), weights=x[0] * w[0]),
        lambda x, w: torch.zeros(8).put_(torch.tensor([0, 0, 1, 1]), x[0] - w[0], accumulate=True),
    ],
    ids=["running sum", "joined with others", "index_put", "scatter", "bincount", "put"],
)
def test_sums_of_products_that_are_not_followed_are_listed(function):
    assert not count(Function(function, torch.randn(3, 4)), spikes(2, 4)).complete


@pytest.mark.parametrize(
    "function",
    [
        lambda x, w: torch.zeros(2, 3).index_put_((torch.tensor([0, 1]),), x[:, :3] - w[0, 0]),
        lambda x, w: x + torch.zeros(4).index_add(0, torch.arange(2), w[0, :2]),
        lambda x, w: x * torch.linalg.inv(w[:, :3] @ w[:, :3].t() + torch.eye(3)).sum(),
    ],
    ids=["put", "weights added up", "weights solved"],
)
def test_what_sums_no_input_is_not_listed(function):
    result = count(Function(function, torch.randn(3, 4)), spikes(2, 4))
    assert result.complete
    assert result.total.dense == 0


def test_a_buffer_that_becomes_state_after_a_whole_pass_is_listed():
    """Its first product was taken for one of weights; which it was not, as it turns out."""

    class Late(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 3)
            self.register_buffer("kept", torch.ones(2, 4))

        def forward(self, x, write=False):
            y = self.layer(self.kept)
            if write:
                self.kept.copy_(x)
            return y

    model, x = Late(), spikes(2, 4)
    with torch.no_grad(), SynOpCounter(model) as counter:
        model(x)
        assert counter.result().complete
        model(x, write=True)
        model(x)
    result = counter.result()
    assert ["'kept'" in entry.operator for entry in result.uncounted] == [True]
    assert result.total.ac == oracle.linear(x, model.layer.weight).effective


def test_quantised_layers_are_listed():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(4, 3)), {nn.Linear})
    assert operators(count(model, spikes(2, 4))) == [("0", "quantized.linear_dynamic.default", 1)]


def test_a_kernel_outside_the_dispatcher_is_noticed_by_its_weight():
    class Foreign(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(3, 4))

        def forward(self, x):
            return torch.from_numpy(x.numpy() @ self.weight.numpy().T)

    model = nn.Sequential(Foreign(), nn.Linear(3, 2))
    assert [(entry.name, entry.calls) for entry in count(model, spikes(2, 4)).uncounted] == [("0", 1)]


def test_a_weight_changed_outside_torch_while_counting_is_refused():
    layer = nn.Linear(4, 3)
    with torch.no_grad():
        counter = SynOpCounter(layer)
        with pytest.raises(MeasureInputError, match="changed while counting"), counter:  # noqa: PT012
            layer(spikes(2, 4))
            layer.weight.numpy()[0, 0] = 0
            layer(spikes(2, 4))
        with pytest.raises(FormulaError):
            counter.result()


def test_nothing_ran():
    with SynOpCounter(nn.Linear(2, 2)) as counter:
        pass
    with pytest.raises(MeasureInputError, match="never called"):
        counter.result()


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
@pytest.mark.parametrize("warm", [False, True])
def test_compiled_modules_are_counted(mode, warm):
    torch.compiler.reset()
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    x = spikes(2, 4)
    with mode():
        if warm:
            compiled(x)
        with SynOpCounter(compiled) as counter:
            compiled(x)
    assert counter.result().total.ac == oracle.linear(x, model[0].weight).effective


def test_module_compile_is_counted():
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    model.compile(backend="aot_eager")
    x = spikes(2, 4)
    assert count(model, x).total.ac == oracle.linear(x, model[0].weight).effective


def test_scripted_and_traced_modules_are_counted():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3))
        x = spikes(2, 1, 4, 4)
        truth = vars(count(model, x).total)
        for converted in (torch.jit.script(model), torch.jit.trace(model, x)):
            for _ in range(3):
                assert vars(count(converted, x).total) == truth


def test_a_function_called_beside_the_module_is_counted():
    x, weight = spikes(2, 4), torch.randn(3, 4)
    with torch.no_grad(), SynOpCounter(nn.Identity()) as counter:
        F.linear(x, weight)
    assert counter.result().total.ac == oracle.linear(x, weight).effective


def test_vmap_is_counted():
    x, weight = spikes(5, 2, 4), torch.randn(4, 3)
    module = Function(lambda x: torch.func.vmap(lambda row: row @ weight)(x))
    assert count(module, x).total.ac == oracle.linear(x, weight.t()).effective


def test_not_a_module():
    with pytest.raises(MeasureInputError, match="function is not"):
        SynOpCounter(lambda x: x)


def test_a_counter_from_inference_mode_refuses_to_count_outside_of_it():
    """There F.linear could no longer be told from a product of two activations."""
    model = nn.Linear(3, 2)
    refused = pytest.raises(MeasureInputError, match="enter the counter outside of inference mode")
    with torch.inference_mode(), SynOpCounter(model) as counter, refused, torch.inference_mode(False):
        model(torch.ones(1, 3))
    with pytest.raises(FormulaError, match="Inference mode was left"):
        counter.result()


def test_a_counter_from_outside_counts_under_inference_mode():
    model = nn.Linear(3, 2)
    with SynOpCounter(model) as counter, torch.inference_mode():
        model(torch.ones(1, 3))
    assert counter.result().total.ac == 6


def test_the_rows_of_a_product_without_a_weight_are_not_told_and_never_0():
    (layer,) = count(Function(torch.matmul), torch.randn(2, 3), torch.randn(3, 4)).layers.values()
    assert layer.mac
    assert (layer.input_rows, layer.output_elements, layer.output_channels) == (None, None, None)


@pytest.mark.parametrize(
    ("pool", "operator"),
    [
        (lambda x: F.avg_pool2d(x, 2), "aten.avg_pool2d.default"),
        (lambda x: F.adaptive_avg_pool2d(x, 3), "aten._adaptive_avg_pool2d.default"),
        (lambda x: F.avg_pool1d(x.flatten(2), 3), "aten.avg_pool"),
        (lambda x: F.avg_pool3d(x[:, None], 2), "aten.avg_pool3d.default"),
    ],
)
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_products_with_a_weight_that_are_pooled_are_listed(pool, operator, mode):
    weight = torch.nn.Parameter(torch.randn(2, 6, 6))
    module = Function(lambda x, w: pool(x * w), weight)
    with mode(), SynOpCounter(module) as counter:
        module(spikes(3, 2, 6, 6))
    (entry,) = counter.result().uncounted
    assert entry.operator.startswith(operator)
    assert "it sums products in a way that is not followed" in entry.operator


def test_scales_and_gates_that_are_pooled_are_no_operations():
    gain = torch.nn.Parameter(torch.randn(2, 1, 1))
    result = count(Function(lambda x, g: F.avg_pool2d(x * g, 2), gain), spikes(3, 2, 6, 6))
    assert (result.layers, result.uncounted) == ({}, [])
