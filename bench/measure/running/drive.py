"""Drives a model through time: what one forward pass of all steps is, whatever the model's own conventions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.neurons.adapters import Adapted, first_tensor
from inflor_bench.measure.running.foreign import foreign_code
from inflor_bench.measure.synops.time_and_samples import TimeAxis

REMEDY = "give inputs that the model takes, with --dataset, --inputs or --shape, and --time-axis if it has time"


@dataclass(frozen=True)
class Plan:
    """How a model is run.

    Attributes:
        axis: where time is, as `SynOpCounter` says it; None for a model without time.
        timesteps: T; None where there is no time or where it is the model's own affair.
        reset: brings the model to rest; called before every forward pass.
        carries_state: a step is called with the state that the step before returned second.
        timed_input: the inputs are [T, N, ...], a step's own each; else [N, ...], the same at every step.
        output: key, index or attribute of what is scored among what the model gives; None where it gives that alone.
        samples_axis: where the samples are in what is scored, 0 or 1, as a trial has shown; None where it has not.
        neurons: the spiking neurons that nobody registered, by the name of their module.
        left_out: names of modules that are no neurons, whatever they offer.
    """

    axis: TimeAxis | None
    timesteps: int | None
    reset: Callable[[], None]
    carries_state: bool = False
    timed_input: bool = False
    output: str | None = None
    samples_axis: int | None = None
    neurons: Mapping[str, Adapted] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()


class Drive:
    """One model with its plan. `drive(x)` resets and runs all steps of a batch [N, ...] (or [T, N, ...])."""

    def __init__(self, model: nn.Module, plan: Plan) -> None:
        self.model, self.plan = model, plan

    def __call__(self, x: Tensor) -> Any:
        """Reset the model and run it; gives what the model gave, in a list of steps where it is called step by step."""
        self.plan.reset()
        return self.run(self.arrange(x.clone()))  # a model may write into what it is given

    def samples(self, x: Tensor) -> int:
        """N of a batch."""
        return x.shape[1] if self.plan.timed_input else x.shape[0]

    def arrange(self, x: Tensor) -> list[Tensor]:
        """The arguments of the model's calls: one, or one a step."""
        axis, steps = self.plan.axis, self.plan.timesteps
        if axis == "calls":
            return list(x) if self.plan.timed_input else [x.clone() for _ in range(steps or 1)]
        if axis in ("leading", "flattened"):
            sequence = x if self.plan.timed_input else x.expand(steps or 1, *x.shape)
            return [sequence.contiguous() if axis == "leading" else sequence.flatten(0, 1)]
        return [x]

    def run(self, arguments: list[Tensor]) -> Any:
        """Run all steps from the state that the model is in. What it does to the shape of its input is undone.

        Raises:
            MeasureInputError: the model raised something.
        """
        with foreign_code(f"The forward pass on {list(arguments[0].shape)}", REMEDY):
            if self.plan.axis != "calls":
                return self.model(arguments[0].detach())
            outputs: list[Any] = []
            for x in (argument.detach() for argument in arguments):
                if self.plan.carries_state and outputs:
                    outputs.append(self.model(x, outputs[-1][1]))
                else:
                    outputs.append(self.model(x))
            return outputs

    def logits(self, output: Any, samples: int) -> Tensor | None:
        """[N, classes]: what the model gave, on average over the steps; None where it is not certain to be that.

        Raises:
            MeasureInputError: `plan.output` names nothing that the model gives.
        """
        if self.plan.axis == "calls":
            return _over_steps([self.scored(step) for step in output], samples)
        scored = self.scored(output)
        if isinstance(scored, list):
            return _over_steps(scored, samples) if len(scored) == self.plan.timesteps else None
        if not isinstance(scored, Tensor) or not scored.is_floating_point():
            return None
        steps = self.plan.timesteps or 1
        if scored.ndim == 3:
            return self._over_axis(scored, steps, samples)
        if scored.ndim == 2 and self.plan.axis == "flattened" and len(scored) == samples * steps:
            return scored.unflatten(0, (-1, samples)).mean(0)
        return scored if scored.ndim == 2 and len(scored) == samples else None

    def _over_axis(self, scored: Tensor, steps: int, samples: int) -> Tensor | None:
        """The mean over the steps of [T, N, classes] or [N, T, classes], where it is certain which of them it is."""
        first, second = scored.shape[:2] == (steps, samples), scored.shape[:2] == (samples, steps)
        if self.plan.samples_axis is not None:
            first, second = first and self.plan.samples_axis == 1, second and self.plan.samples_axis == 0
        elif self.plan.axis == "leading":
            second = False
        return None if first == second else scored.mean(0) if first else scored.mean(1)

    def scored(self, output: Any) -> Any:
        """The part of an output that is scored: by its key or index, else the first tensor of a tuple."""
        if self.plan.output is None:
            return first_tensor(output) if isinstance(output, tuple) else output
        try:
            if isinstance(output, (list, tuple)):
                return output[int(self.plan.output)]
            return output[self.plan.output] if isinstance(output, dict) else getattr(output, self.plan.output)
        except (LookupError, ValueError, AttributeError):
            given = (
                f"one of {', '.join(map(repr, output))}" if isinstance(output, dict) else "an index of what it gives"
            )
            raise MeasureInputError(
                f"--output is {self.plan.output!r}, which is nothing in the {type(output).__name__} that the model "
                f"gives: name {given}."
            ) from None


def _over_steps(steps: list[Any], samples: int) -> Tensor | None:
    """The mean of [N, classes] of each step; None where they are not all that."""
    found = [step for step in steps if isinstance(step, Tensor) and step.ndim == 2 and len(step) == samples]
    alike = len(found) == len(steps) and len({step.shape for step in found}) == 1
    return torch.stack(found).mean(0) if alike else None
