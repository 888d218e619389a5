"""Spiking neurons that nobody registered, told by what they give, or named by the user.

Most research code writes its own neuron. A module is one by what it does: over a trial it gives 0 and one level (-1 and
1 besides 0 are one), and what it takes holds more. So masks, dropout, pooling of spikes and comparisons are none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import nn

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.neurons.adapters import Adapted, Dynamics, adapt, adapted_neurons, library_of
from inflor_bench.measure.neurons.adapters import Layout as NeuronLayout
from inflor_bench.measure.running.drive import Plan
from inflor_bench.measure.running.trial import Layout, Seen, Trial, sample_of

Neurons = dict[str, tuple[nn.Module, Adapted]]

BY_OUTPUT = "by its outputs, 0 and one level"
BY_NAME = "named by --neurons"


def named(model: nn.Module, names: Iterable[str], option: str) -> set[str]:
    """The modules that have one of these names, or are of a class of that name.

    Raises:
        MeasureInputError: there is none.
    """
    found: set[str] = set()
    for name in names:
        matching = {path for path, module in model.named_modules() if name in (path, type(module).__name__)}
        if not matching:
            raise MeasureInputError(f"{option} {name}: the model has no module of that name, nor of such a class.")
        found |= matching
    return found


def registered(model: nn.Module, left_out: set[str]) -> Neurons:
    """The neurons of a model that a library or the module itself makes known."""
    return {name: found for name, found in adapted_neurons(model).items() if name not in left_out}


def firing(model: nn.Module, seen: Mapping[str, Seen], left_out: set[str]) -> list[str]:
    """The names of the modules that fire, by a trial; of those inside each other the innermost.

    A neuron whose surrogate gradient is a module of its own, the only one that it calls, is named instead of that.
    """
    whole = [""] if any(True for _ in model.children()) else []  # what a network gives is its answer
    other = {name for name, module in model.named_modules() if library_of(module) is not None and adapt(module) is None}
    out = {*whole, *left_out, *other}  # a library says itself what of it is a neuron: encoders are none
    fire = [name for name, module in seen.items() if module.fires and name not in out]
    innermost = [name for name in fire if not any(_inside(other, name) for other in fire)]
    found = []
    for name in innermost:
        parent = name.rpartition(".")[0]
        while parent in fire and _only_calls(model.get_submodule(parent), parent, name, seen):
            name, parent = parent, parent.rpartition(".")[0]
        found.append(name)
    return found


def _inside(name: str, other: str) -> bool:
    return name != other and (not other or name.startswith(f"{other}."))


def _only_calls(module: nn.Module, parent: str, child: str, seen: Mapping[str, Seen]) -> bool:
    called = [name for name, _ in module.named_children() if (f"{parent}.{name}" if parent else name) in seen]
    spikes = [sum(int(call.sum()) for call in seen[name].spikes or ()) for name in (parent, child)]
    return len(called) == 1 and spikes[0] == spikes[1] and not isinstance(module, nn.Sequential)


def steps_of(trial: Trial, names: Iterable[str]) -> set[int]:
    """What the calls of these modules show of T: calls in a pass, rows of a sample, or an axis before the samples."""
    found = set()
    for name in names:
        shapes, where = trial.together[name].shapes, trial.layout(name)
        if len(shapes) > 1:
            found.add(len(shapes))
        elif where == Layout(1, 1):
            found.add(shapes[0][0])
        elif where is not None and where.axis == 0:
            found.add(where.rows)
    return found


def adapted(name: str, trial: Trial, timesteps: int | None, recognised: str, membrane: str | None) -> Adapted:
    """What measuring needs to know of a neuron that nobody registered: where its time is; its equation is not known.

    Raises:
        MeasureInputError: it cannot be told where its samples and steps are.
    """
    layout, steps = _neuron_layout(name, trial, timesteps)
    return Adapted(
        layout,
        reset=None,
        leaks=None,
        adds=None,
        threshold=None,
        decay=None,
        dynamics=None if membrane is None else Dynamics(lambda u: u),
        unknown=f"its equation is not known here (a neuron {recognised}): name its membrane by --membrane ATTRIBUTE",
        timesteps=steps,
        recognised=recognised,
        level=trial.together[name].level or 1.0,
        membrane=membrane,
    )


def neurons_of(model: nn.Module, plan: Plan) -> Neurons:
    """The spiking neurons of a model by name, in the order of definition: those that are registered and those found."""
    known = registered(model, set(plan.left_out))
    found = {name: (model.get_submodule(name), adapted) for name, adapted in plan.neurons.items()}
    order = {name: index for index, (name, _) in enumerate(model.named_modules())}
    return dict(sorted((known | found).items(), key=lambda item: order.get(item[0], 0)))


def _neuron_layout(name: str, trial: Trial, timesteps: int | None) -> tuple[NeuronLayout, int | None]:
    shapes = trial.together[name].shapes
    where = trial.layout(name) if trial.alone else Layout(0, 1)
    if where is None or where.axis > 1 or (where.axis == 1 and where.rows > 1):
        raise MeasureInputError(
            f"{name} gives {list(shapes[0])} for {trial.samples} samples, and where those are in it cannot be told: "
            f"leave it out with --not-neurons {name}."
        )
    if where.axis == 1:
        return "sequence", shapes[0][0]
    if len(shapes) > 1:
        return "step", None
    if where.rows > 1:
        return ("sample_rows" if _minor(name, trial, where) else "rows"), where.rows
    if timesteps is not None and timesteps > 1 and len(shapes[0]) > 2 and shapes[0][1] == timesteps:
        return "samples", timesteps
    return "rows", 1


def _minor(name: str, trial: Trial, where: Layout) -> bool:
    """Whether the rows of the first sample stand side by side."""
    many, one = trial.of(name)
    if not many.spikes or not one.spikes:
        return False
    outermost, side_by_side = sample_of(many.spikes[0], where, trial.samples, 0)
    return int((side_by_side != one.spikes[0]).sum()) < int((outermost != one.spikes[0]).sum())
