"""A trial: a few samples through a model, together and alone, to see what its modules take and give.

It shows what nobody said: where the samples are in a tensor (the axis that grows with them), how many steps a neuron
makes, which modules are spiking neurons by what they give, and whether samples keep apart.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.neurons.adapters import first_tensor
from inflor_bench.measure.running.drive import Drive
from inflor_bench.measure.running.foreign import foreign_code

# A sample is taken to do the same alone and in a batch where its outputs differ by less than this, relatively.
ALIKE = 1e-3


@dataclass
class Seen:
    """What one module took and gave in one pass, call by call. `level` is that of its spikes, where it gave such.

    Attributes:
        shapes: of what it gave.
        spikes: what it gave, as booleans, where that held 0 and at most one level, of either sign.
        took_spikes: whether what it took held no more than that either.
    """

    shapes: list[tuple[int, ...]] = field(default_factory=list)
    spikes: list[Tensor] | None = field(default_factory=list)
    level: float | None = None
    took_spikes: bool = True

    @property
    def fires(self) -> bool:
        """Whether it gave 0 and one level, both, of what held more."""
        if not self.spikes or self.level is None or self.took_spikes:
            return False
        return not all(bool(call.all()) for call in self.spikes)

    def add(self, took: Tensor | None, gave: Tensor | None) -> None:
        """Take note of one call."""
        if gave is None or not gave.is_floating_point():
            self.spikes = None
            return
        self.shapes.append(tuple(gave.shape))
        level = _level(gave)
        if self.spikes is None or level is None or (self.level is not None and level not in (0, self.level)):
            self.spikes = None
            return
        self.level = level or self.level
        self.spikes.append(gave != 0)
        self.took_spikes &= took is not None and _level(took) is not None


def _level(values: Tensor) -> float | None:
    """The one level besides 0 that a tensor holds, of either sign; 0 for none; None where there are more."""
    if values.is_complex() or not values.numel():
        return None
    size = values.detach().float().abs()
    level = float(size.max())
    alike = torch.count_nonzero((size == 0) | (size == level)) == size.numel()
    return level if bool(alike) and level < float("inf") else None


@dataclass(frozen=True)
class Layout:
    """Where the samples are in a tensor: their axis, and how many rows each has there."""

    axis: int
    rows: int


def layout_of(together: tuple[int, ...], alone: tuple[int, ...], samples: int) -> Layout | None:
    """The layout of a tensor from its shapes with so many samples and with one; None where it is not certain."""
    if len(together) != len(alone):
        return None
    grown = [axis for axis, (many, one) in enumerate(zip(together, alone, strict=True)) if many != one]
    if len(grown) != 1 or together[grown[0]] != samples * alone[grown[0]]:
        return None
    return Layout(grown[0], alone[grown[0]])


def sample_of(together: Tensor, layout: Layout, samples: int, index: int) -> Iterator[Tensor]:
    """What may be a sample's part of a batch's tensor: its rows with time outermost, and with the sample outermost."""
    yield together.unflatten(layout.axis, (layout.rows, samples)).select(layout.axis + 1, index)
    if layout.rows > 1:
        yield together.unflatten(layout.axis, (samples, layout.rows)).select(layout.axis, index)


def alike(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors are the same but for rounding."""
    if one.shape != other.shape:
        return False
    one, other = one.double(), other.double()
    size = max(float(one.abs().max()), float(other.abs().max())) if one.numel() else 0.0
    return bool((one - other).abs().le(ALIKE * size).all())


@torch.no_grad()
def watched(drive: Drive, x: Tensor) -> tuple[Any, dict[str, Seen]]:
    """Run a model once, always with the same random numbers; gives its output, and what was seen of modules by name."""
    torch.manual_seed(0)
    seen: dict[str, Seen] = {}
    handles = []

    def watch(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            seen.setdefault(name, Seen()).add(first_tensor((*args, *kwargs.values())), first_tensor(output))

        return hook

    for name, module in drive.model.named_modules():
        if not isinstance(module, torch.jit.ScriptModule):
            handles.append(module.register_forward_hook(watch(name), with_kwargs=True))
    try:
        return drive(x), seen
    finally:
        for handle in handles:
            handle.remove()


class Trial:
    """The passes of a few samples together and of the first one alone. Without the latter `alone` is empty.

    Where the model is measured in the state that it is in (`as_it_is`), every pass is one of a copy.

    Raises:
        MeasureInputError: the model raised something.
    """

    def __init__(self, drive: Drive, x: Tensor, *, as_it_is: bool = False) -> None:
        self._drive, self._x, self._as_it_is = drive, x, as_it_is
        self._axis = int(drive.plan.timed_input)
        self._paths = {path for path, _ in drive.model.named_modules()}
        self.samples = drive.samples(x)
        self.output, self.together = watched(self._fresh(), x)
        self.alone: dict[str, Seen] = {}
        self._output_alone = None
        # What takes no sample alone is measured all the same: its batches may have to be of one size.
        with suppress(MeasureInputError):
            self._output_alone, self.alone = self._of(0)

    def _fresh(self) -> Drive:
        if not self._as_it_is:
            return self._drive
        with foreign_code("Copying the model", "name the method that brings it to rest, with --reset METHOD"):
            return Drive(copy.deepcopy(self._drive.model), self._drive.plan)

    def _of(self, index: int) -> tuple[Any, dict[str, Seen]]:
        return watched(self._fresh(), self._x.narrow(self._axis, index, 1))

    def of(self, name: str) -> tuple[Seen, Seen]:
        """What was seen of a module, together and alone; a model that is itself a neuron is named after its class."""
        path = name if name in self._paths else ""
        return self.together.get(path, Seen()), self.alone.get(path, Seen())

    def layout(self, name: str) -> Layout | None:
        """Where the samples are in what a module gave at its first call; None where it is not certain."""
        many, one = self.of(name)
        return layout_of(many.shapes[0], one.shapes[0], self.samples) if many.shapes and one.shapes else None

    def samples_axis(self) -> int | None:
        """Where the samples are in what is scored; None where it is no tensor, or where that is not certain."""
        if self._drive.plan.axis == "calls" or not self.alone:
            return None
        many, one = (self._drive.scored(output) for output in (self.output, self._output_alone))
        if not isinstance(many, Tensor) or not isinstance(one, Tensor):
            return None
        layout = layout_of(tuple(many.shape), tuple(one.shape), self.samples)
        return layout.axis if layout is not None and layout.rows == 1 else None

    def rows(self) -> set[int]:
        """The numbers of rows that a sample has in what modules gave, beside one."""
        layouts = [self.layout(name) for name in self.together]
        return {layout.rows for layout in layouts if layout is not None and layout.axis == 0} - {1}

    def mixed(self) -> str | None:
        """The first module that gives something else for a sample alone than among others, for every sample; else None.

        What rounding or a random number makes of one sample is no mixing; where the numbers drawn change what the model
        gives, nobody can tell.
        """
        if self.samples < 2 or not self.alone or self._keeps_apart(0, self._output_alone):
            return None
        if any(self._keeps_apart(index, self._of(index)[0]) for index in range(1, self.samples)) or self._random():
            return None
        return next((name for name in self.together if name and not self._same_spikes(name)), "its output")

    def _keeps_apart(self, index: int, output: Any) -> bool:
        """Whether what a sample gave alone is its part of what the batch gave, in all tensors that have parts."""
        pairs = zip(tensors(self.output), tensors(output), strict=False)
        return all(
            any(alike(part, one) for part in sample_of(many, layout, self.samples, index))
            for many, one in pairs
            if (layout := layout_of(tuple(many.shape), tuple(one.shape), self.samples)) is not None
        )

    @torch.no_grad()
    def _random(self) -> bool:
        torch.manual_seed(1)
        again = tensors(self._fresh()(self._x))
        return not all(map(alike, tensors(self.output), again))

    def _same_spikes(self, name: str) -> bool:
        """Whether the first sample made a module fire alone as among the others; true of what does not fire."""
        many, one = self.of(name)
        if len(many.shapes) != len(one.shapes) or not many.spikes or not one.spikes:
            return True
        layout = self.layout(name)
        return layout is not None and any(
            torch.equal(part, one.spikes[0]) for part in sample_of(many.spikes[0], layout, self.samples, 0)
        )


def tensors(value: Any) -> Iterator[Tensor]:
    """The tensors in lists, tuples and dictionaries, copied, in their order."""
    if isinstance(value, Tensor):
        yield value.detach().clone()
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors(item)
    elif isinstance(value, dict):
        yield from tensors(list(value.values()))


def few_of(drive: Drive, x: Tensor) -> Tensor:
    """The first two samples of a batch."""
    return x.narrow(int(drive.plan.timed_input), 0, min(2, drive.samples(x)))


@torch.no_grad()
def matters(drive: Drive, x: Tensor, name: str) -> bool:
    """Whether the weights of a module, its own and not those of modules inside it, change anything that comes out."""
    weights = [weight for weight in drive.model.get_submodule(name).parameters(recurse=False) if weight.ndim >= 2]
    before = _outputs(drive, x)
    kept = [weight.clone() for weight in weights]
    try:
        for weight in weights:
            weight.add_(1)
        after = _outputs(drive, x)
    finally:
        for weight, old in zip(weights, kept, strict=True):
            weight.copy_(old)
    return len(before) != len(after) or not all(map(torch.equal, before, after))


def _outputs(drive: Drive, x: Tensor) -> list[Tensor]:
    torch.manual_seed(0)
    return list(tensors(drive(x)))
