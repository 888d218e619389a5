"""What holds no values, or none that are known, is listed; counters put back what they change, whatever happens."""

import itertools
import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch._dynamo import eval_frame
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode_stack

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.synops.counter import SynOpCounter
from inflor_bench.measure.synops.formulas.registry import FormulaError
from tests.command import python
from tests.measure.lif import PlainLIF
from tests.measure.synops import oracle
from tests.measure.synops.cases import Function, spikes

MODES = {"grad": torch.enable_grad, "no_grad": torch.no_grad, "inference": torch.inference_mode}


class Tagged(torch.Tensor):
    """A subclass that adds nothing."""


class Wrapped(torch.Tensor):
    """A tensor around another one, without content of its own."""

    @staticmethod
    def __new__(cls, inner):
        return torch.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=inner.dtype)

    def __init__(self, inner):
        self.inner = inner

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return func(*(arg.inner if isinstance(arg, cls) else arg for arg in args), **(kwargs or {}))


def _meta():
    with torch.device("meta"):
        return nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(27, 4)), torch.zeros(2, 2, 5, 5)


def _meta_sum():
    with torch.device("meta"):
        return Function(lambda x, w: (x[:, None] * w).sum(-1), torch.randn(3, 4)), torch.zeros(2, 4)


def _meta_attention():
    x = torch.zeros(2, 3, 4, device="meta")
    return Function(lambda x: F.scaled_dot_product_attention(x, x, x)), x


def _fake():
    with FakeTensorMode():
        return nn.Linear(4, 3), torch.zeros(2, 4)


def _nested():
    x = torch.nested.nested_tensor([torch.ones(2, 4), torch.ones(3, 4)])
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), Function(lambda x: x + x)), x


UNCOUNTABLE = {
    "meta": _meta,
    "a sum on meta": _meta_sum,
    "attention on meta": _meta_attention,
    "fake": _fake,
    "complex": lambda: (nn.Linear(4, 3, dtype=torch.complex64), torch.ones(2, 4, dtype=torch.complex64)),
    "complex convolution": lambda: (nn.Conv1d(1, 2, 2, dtype=torch.complex64), torch.ones(1, 1, 4) + 1j),
    "a subclass": lambda: (nn.Linear(4, 3), spikes(2, 4).as_subclass(Tagged)),
    "a wrapper": lambda: (nn.Linear(4, 3), Wrapped(spikes(2, 4))),
    "sparse input": lambda: (nn.Linear(4, 3, bias=False), torch.eye(4).to_sparse()),
    "sparse weight": lambda: (Function(lambda x, w: w @ x, torch.eye(4).to_sparse_csr()), torch.ones(4, 2)),
    "nested": _nested,
    "jagged": lambda: (
        nn.Linear(4, 3),
        torch.nested.nested_tensor([torch.ones(2, 4), torch.ones(3, 4)], layout=torch.jagged),
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mode", ["no_grad", "inference"])
@pytest.mark.parametrize("name", UNCOUNTABLE)
def test_what_has_no_known_values_is_listed_and_never_a_number(name, mode):
    model, x = UNCOUNTABLE[name]()
    with MODES[mode](), SynOpCounter(model) as counter:
        model(x)
    result = counter.result()
    assert (result.total.ac, result.total.mac, result.total.dense) == (0, 0, 0)
    assert not result.complete
    assert all(re.search(r"\(.+\)$|sparse", one.operator) for one in result.uncounted)


def test_a_spiking_neuron_without_values_is_listed():
    with torch.no_grad(), SynOpCounter(model := nn.Sequential(PlainLIF(2))) as counter:
        model(torch.zeros(4, 3, device="meta"))
    assert [one.name for one in counter.result().uncounted] == ["0"]


def test_a_weight_whose_memory_was_given_back_is_refused_in_words():
    layer = nn.Linear(4, 3)
    with torch.no_grad():
        counter = SynOpCounter(layer)
        with pytest.raises(MeasureInputError, match="'weight' changed while counting"), counter:  # noqa: PT012
            layer(spikes(2, 4))
            layer.weight.untyped_storage().resize_(0)


def test_a_model_that_was_moved_away_while_counting_keeps_its_counts():
    layer, x = nn.Linear(4, 3), spikes(2, 4)
    truth = oracle.linear(x, layer.weight).effective
    with torch.no_grad(), SynOpCounter(layer) as counter:
        layer(x)
        layer.to("meta")
    assert counter.result().total.ac == truth


# What is put back


def _state():
    """All of torch that counting touches."""
    return (
        nn.Module.__call__,
        torch.backends.mha.get_fastpath_enabled(),
        _get_current_dispatch_mode_stack(),
        torch._C._len_torch_function_stack(),
        eval_frame._stance.stance,
    )


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("mode", MODES)
def test_counters_may_be_left_in_any_order(order, mode):
    models, before = [nn.Linear(4, 3) for _ in range(3)], _state()
    counters, x = [SynOpCounter(model) for model in models], spikes(2, 4)
    truth = [oracle.linear(x, model.weight).effective for model in models]
    with MODES[mode]():
        for counter in counters:
            counter.__enter__()
        for index in order:
            for model in models:
                model(x)
            counters[index].__exit__(None, None, None)
    assert _state() == before
    for passes, index in enumerate(order, 1):
        result = counters[index].result()
        assert result.layers["weight"].ac == passes * truth[index]
        assert result.total.ac == passes * sum(truth)


def test_two_counters_of_one_model_agree():
    model, x = nn.Sequential(nn.Linear(4, 4), PlainLIF(1), nn.Linear(4, 3)), torch.randn(2, 4)
    with torch.no_grad(), SynOpCounter(model) as outer:
        with SynOpCounter(model) as inner:
            model(x)
        model(x)
    once, twice = inner.result(), outer.result()
    assert {name: layer.calls for name, layer in once.layers.items()} == {"0": 1, "2": 1}
    assert {name: 2 * layer.effective for name, layer in once.layers.items()} == {
        name: layer.effective for name, layer in twice.layers.items()
    }


class Beside(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return func(*args, **(kwargs or {}))


def test_a_mode_that_was_entered_later_stays_where_it_is():
    layer, x, beside = nn.Linear(4, 3), spikes(2, 4), Beside()
    before = _state()
    with torch.no_grad():
        counter = SynOpCounter(layer)
        counter.__enter__()
        with beside:
            layer(x)
            counter.__exit__(None, None, None)
            assert _get_current_dispatch_mode_stack() == [beside]
    assert _state() == before
    assert counter.result().total.ac == oracle.linear(x, layer.weight).effective


class Refusing(nn.Linear):
    """A module that lets a counter come as far as one of its methods."""

    def __init__(self, method):
        super().__init__(4, 3)
        self.method = method

    def __getattribute__(self, name):
        if name != "__dict__" and name == super().__getattribute__("__dict__").get("method"):
            raise RuntimeError("no")
        return super().__getattribute__(name)


@pytest.mark.parametrize("method", ["named_buffers", "register_forward_pre_hook", "register_forward_hook"])
def test_entering_that_fails_half_way_is_undone(method):
    module, before = Refusing(method), _state()
    counter = SynOpCounter(module)
    with pytest.raises(RuntimeError, match="no"), counter:
        pass
    assert _state() == before
    assert not module._forward_hooks
    assert not module._forward_pre_hooks
    module.method, x = None, spikes(2, 4)
    with torch.no_grad(), counter:
        module(x)
    assert counter.result().total.ac == oracle.linear(x, module.weight).effective


def test_a_counter_at_work_is_not_entered_again():
    layer, before = nn.Linear(4, 3), _state()
    with SynOpCounter(layer) as counter, pytest.raises(MeasureInputError, match="at work already"):
        counter.__enter__()
    assert _state() == before


def test_leaving_twice_does_nothing_the_second_time():
    layer, before = nn.Linear(4, 3), _state()
    with torch.no_grad(), SynOpCounter(layer) as counter:
        layer(spikes(2, 4))
    counter.__exit__(None, None, None)
    assert _state() == before


def test_an_error_inside_a_formula_leaves_torch_as_it_was(monkeypatch):
    from inflor_bench.measure.synops.formulas import registry

    layer, before = nn.Linear(4, 3), _state()
    failing = dict.fromkeys(registry._formulas, lambda *_, **__: 1 / 0)
    monkeypatch.setattr(registry, "_formulas", failing)
    with pytest.raises(FormulaError, match="ZeroDivisionError"), torch.no_grad(), SynOpCounter(layer):
        layer(spikes(2, 4))
    assert _state() == before


LATE = """
import sys
import torch
from torch import nn
from inflor_bench.measure.synops.counter import SynOpCounter
from tests.measure.lif import PlainLIF

compiled = []

def backend(graph, example_inputs):
    compiled.append([node.name for node in graph.graph.nodes if node.op == "call_function"])
    return graph.forward

class CompilesInItsFirstPass(nn.Linear):
    def forward(self, x):
        return torch.compile(super().forward, backend=backend)(x)

class CompilesInItsSecondPass(PlainLIF):
    passes = 0
    def forward(self, x):
        self.passes += 1
        return super().forward(x) if self.passes < 2 else torch.compile(super().forward, backend=backend)(x)

passes, model = int(sys.argv[2]), nn.Sequential(globals()[sys.argv[1]](*map(int, sys.argv[3:])), nn.Linear(4, 3))
with torch.no_grad():
    model[-1].weight.copy_(torch.eye(3, 4))
    if isinstance(model[0], nn.Linear):
        model[0].weight.fill_(1)
        model[0].bias.zero_()
    assert "torch._dynamo" not in sys.modules
    before = list(sys.meta_path)
    with SynOpCounter(model) as counter:
        for _ in range(passes):
            model(torch.ones(2, 4))
    assert sys.meta_path == before
    assert "torch._dynamo" in sys.modules
    print(len(compiled), counter.result().total.effective)
    model(torch.ones(2, 4))
    print(len(compiled))
"""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        # Two rows of four ones: 4 outputs of each in the first layer, and one weight that is not 0 for three of them.
        (["CompilesInItsFirstPass", "1", "4", "4"], ["0", str(2 * 4 * 4 + 2 * 3), "1"]),
        # Its neuron is left alone in the second pass, so that what it compiles runs compiled there.
        (["CompilesInItsSecondPass", "2", "1"], ["1", str(2 * 2 * 3), "1"]),
    ],
)
def test_a_compiler_that_comes_while_counting_waits_as_one_that_was_there(arguments, said):
    assert python("-c", LATE, *arguments).stdout.split() == said


def test_counting_asks_for_no_compiler_that_the_model_does_not_ask_for():
    code = (
        "import sys, torch; from inflor_bench.measure import SynOpCounter; layer = torch.nn.Linear(4, 3)\n"
        "with SynOpCounter(layer): layer(torch.ones(2, 4))\n"
        "print('torch._dynamo' in sys.modules)"
    )
    assert python("-c", code).stdout == "False\n"
