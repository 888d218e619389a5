"""Calls of one model in one counter give what a fresh counter for each of them gives, whatever changes in between."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import prune
from torch.utils._python_dispatch import TorchDispatchMode

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.synops.counter import SynOpCounter


class Small(nn.Module):
    """A layer of each sort; `border` pads its input explicitly."""

    def __init__(self, border: int = 0) -> None:
        super().__init__()
        self.border = border
        self.convolution = nn.Conv2d(2, 4, 3, padding=1)
        self.normalisation = nn.BatchNorm2d(4)
        self.pool = nn.AvgPool2d(2)
        self.activation = nn.ReLU()
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        if self.border:
            x = functional.pad(x, [self.border] * 4)
        x = self.pool(self.activation(self.normalisation(self.convolution(x))))
        return self.head(x.mean((2, 3)))


def _inputs(count: int = 3, *shape: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(3)
    shape = shape or (5, 2, 6, 6)
    return [(torch.rand(shape, generator=generator) < 0.1 * (index + 2)).float() for index in range(count)]


def _numbers(counters: list[SynOpCounter]) -> tuple[dict, dict, dict]:
    """Sums over counters: of sites, whatever weight they had, of the rest of the ledger, and of what is uncounted."""
    sites: dict[str, list[int]] = {}
    others: dict[tuple[str, str], list[int]] = {}
    uncounted: dict[tuple[str, str], int] = {}

    def add(rows: dict, key: object, values: list[int]) -> None:
        rows[key] = [a + b for a, b in zip(rows.get(key, [0] * len(values)), values, strict=True)]

    for counter in counters:
        result = counter.result()
        for name, site in result.layers.items():
            effective = site.ac + site.mac
            counts = [effective, site.dense, site.dense_padded, site.calls, site.input_elements, site.input_nonzero]
            add(sites, name.partition("#")[0], [*counts, site.input_rows or 0, site.output_elements or 0])
        for row in counter.other_ops():
            add(others, (row.name, row.kind), [row.calls, row.adds, row.multiplies, row.compares])
        for operator in result.uncounted:
            key = (operator.name, operator.operator)
            uncounted[key] = uncounted.get(key, 0) + operator.calls
    return sites, others, uncounted


def _same_as_apart(
    make: Callable[[], nn.Module], inputs: list[Tensor], between: Callable[[nn.Module], None] = lambda model: None
) -> SynOpCounter:
    """Count all inputs in one counter, and each in a counter of its own; `between` runs after the first input."""
    counters: list[SynOpCounter] = []
    torch.manual_seed(0)
    model = make()
    for index, x in enumerate(inputs):
        with SynOpCounter(model) as counter:
            model(x)
        counters.append(counter)
        if index == 0:
            between(model)
    torch.manual_seed(0)
    model = make()
    with SynOpCounter(model) as together:
        for index, x in enumerate(inputs):
            model(x)
            if index == 0:
                between(model)
    sites, others, _ = _numbers([together])
    expected_sites, expected_others, _ = _numbers(counters)
    assert sites == expected_sites
    # What `between` computes itself stands at no module.
    assert {key: row for key, row in others.items() if key[0]} == {
        key: row for key, row in expected_others.items() if key[0]
    }
    return together


def _small(border: int = 0) -> Callable[[], nn.Module]:
    return lambda: Small(border).eval()


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_any_sequence_of_shapes_and_layouts(data):
    shapes = data.draw(st.lists(st.sampled_from([(1, 2, 6, 6), (5, 2, 6, 6), (5, 2, 4, 8)]), min_size=2, max_size=6))
    density = data.draw(st.floats(0, 1))
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 99)))
    inputs = []
    for shape in shapes:
        x = torch.rand(shape, generator=generator)
        x = (x < density).float() * data.draw(st.sampled_from([1.0, 0.5, -1.0]))
        if data.draw(st.booleans()):
            x = x.contiguous(memory_format=torch.channels_last)
        inputs.append(x)
    with torch.no_grad():
        _same_as_apart(_small(data.draw(st.sampled_from([0, 1]))), inputs)


def _fewer_weights(model: nn.Module) -> None:
    with torch.no_grad():
        model.convolution.weight[0] = 0


def _other_weight(model: nn.Module) -> None:
    weight = model.convolution.weight.detach().clone()
    weight[:, 0] = 0
    model.convolution.weight = nn.Parameter(weight)


def _no_bias(model: nn.Module) -> None:
    model.convolution.bias = None


def _dilation(model: nn.Module) -> None:
    model.convolution.dilation, model.convolution.padding = (2, 2), (2, 2)


def _padding_mode(model: nn.Module) -> None:
    layer = model.convolution
    layer.padding_mode, layer._reversed_padding_repeated_twice = "circular", [1, 1, 1, 1]


def _training(model: nn.Module) -> None:
    model.train()


def _forward(model: nn.Module) -> None:
    layer = model.convolution
    weight = torch.ones(4, 2, 1, 1)
    layer.forward = lambda x: functional.conv2d(x, weight)


def _hook(model: nn.Module) -> None:
    weight = torch.ones(4, 4, 1, 1)
    model.normalisation.register_forward_hook(lambda _, __, output: functional.conv2d(output, weight))


def _dropped_channel(model: nn.Module) -> None:
    prune.l1_unstructured(model.convolution, "weight", amount=0.5)


@pytest.mark.parametrize(
    "change",
    [
        *(_fewer_weights, _other_weight, _no_bias, _dilation, _padding_mode),
        *(_training, _forward, _hook, _dropped_channel),
    ],
)
def test_what_changes_a_call_is_seen(change):
    with torch.no_grad():
        _same_as_apart(_small(), _inputs(4), change)


def test_other_data_under_a_weight_are_refused():
    """torch records no such change."""
    model, inputs = Small().eval(), _inputs()

    def run() -> None:
        with torch.no_grad(), SynOpCounter(model):
            model(inputs[0])
            model(inputs[1])
            model.convolution.weight.data = torch.zeros(4, 2, 3, 3)
            model(inputs[2])

    with pytest.raises(MeasureInputError, match="'convolution' changed while counting"):
        run()


def test_a_hook_on_all_modules_is_seen():
    weight = torch.ones(4, 4, 1, 1)

    def run(module: nn.Module, _: object, output: Tensor) -> Tensor | None:
        return functional.conv2d(output, weight) if isinstance(module, nn.BatchNorm2d) else None

    model, x = Small().eval(), _inputs(1)[0]
    with torch.no_grad(), SynOpCounter(model) as counter:
        model(x)
        handle = nn.modules.module.register_module_forward_hook(run)
        try:
            model(x)
        finally:
            handle.remove()
    assert {name: layer.calls for name, layer in counter.result().layers.items()} == {
        "convolution": 2,
        "normalisation": 1,
        "head": 2,
    }


@pytest.mark.parametrize("padded", [(False, True, False), (True, False, True)])
def test_a_border_is_no_input(padded):
    """The same layer, with input that was padded before and with input that was not, in either order."""
    model, (x,) = Small().eval(), _inputs(1, 5, 2, 8, 8)
    inner = x[:, :, 1:-1, 1:-1].contiguous()

    def run(border: bool) -> None:
        model(functional.pad(inner, [1] * 4) if border else x)

    with torch.no_grad():
        with SynOpCounter(model) as counter:
            for border in padded:
                run(border)
        parts = []
        for border in padded:
            with SynOpCounter(model) as part:
                run(border)
            parts.append(part)
    assert _numbers([counter]) == _numbers(parts)
    assert len({part.result().layers["convolution"].dense for part in parts}) == 2


class Names(TorchDispatchMode):
    """Lists the operators that come by."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(str(func))
        return func(*args, **(kwargs or {}))

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []


def test_another_mode_sees_every_call():
    model, inputs = Small().eval(), _inputs()
    with torch.no_grad(), SynOpCounter(model) as counter:
        model(inputs[0])
        with Names() as beside:
            model(inputs[1])
        model(inputs[2])
    with torch.no_grad(), Names() as alone:
        model(inputs[1])
    assert beside.names == alone.names
    assert {layer.calls for layer in counter.result().layers.values()} == {3}


class Rectified(nn.Module):
    """One input before and after it was rectified in place, to two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.after = nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = x.clone()
        return self.before(x) + self.after(self.activation(x))


def test_what_writes_in_place_is_seen():
    with torch.no_grad():
        counter = _same_as_apart(Rectified, [x - torch.flip(x, [0]) for x in _inputs()])
    layers = counter.result().layers
    assert layers["before"].ac > layers["after"].ac > 0


def test_autocast_counts_what_the_layer_gets():
    """What is too small for 16 bits never reaches the convolution."""
    model, x = Small().eval(), _inputs(1)[0]
    with torch.no_grad():
        with SynOpCounter(model) as counter:
            model(x)
            with torch.autocast("cpu", torch.float16):
                model(x * 1e-9)
        with SynOpCounter(model) as once:
            model(x)
    sites, _, _ = _numbers([counter])
    expected, _, _ = _numbers([once])
    assert sites["convolution"][0] == expected["convolution"][0] > 0
    assert sites["convolution"][3] == 2


def test_autocast_and_vmap_are_counted_as_they_run():
    model, inputs = Small().eval(), _inputs()
    with torch.no_grad():
        with SynOpCounter(model) as counter:
            model(inputs[0])
            with torch.autocast("cpu", torch.bfloat16):
                model(inputs[1])
            torch.func.vmap(model)(torch.stack(inputs))
        parts = []
        for x in (inputs[0], inputs[1], *inputs):
            with SynOpCounter(model) as part:
                model(x)
            parts.append(part)
    sites, _, uncounted = _numbers([counter])
    whole, _, _ = _numbers(parts)
    # Calls and rows are those of torch's own batching, operations and elements are not touched by it.
    assert sites["convolution"][:3] == whole["convolution"][:3]
    assert not uncounted


def test_gradients_flow_through_what_is_counted():
    model, inputs = Small().eval(), [x.requires_grad_() for x in _inputs()]
    with SynOpCounter(model):
        for x in inputs:
            model(x).sum().backward()
    counted = [x.grad.clone() for x in inputs]
    for x, gradient in zip(inputs, counted, strict=True):
        x.grad = None
        model(x).sum().backward()
        assert torch.equal(x.grad, gradient)
