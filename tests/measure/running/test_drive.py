"""What of a model's output is scored: [N, classes], found where it is certain, named where it is not."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.running.drive import Drive, Plan

N, C = 5, 3
SCORES = torch.rand(N, C, generator=torch.Generator().manual_seed(0))
HIDDEN = torch.rand(N, 8)


def logits(output, axis=None, timesteps=None, samples=N, name=None):
    return Drive(nn.Identity(), Plan(axis, timesteps, lambda: None, output=name)).logits(output, samples)


@pytest.mark.parametrize(
    "output",
    [
        [HIDDEN, SCORES],
        [SCORES, SCORES],
        {"scores": SCORES},
        SimpleNamespace(scores=SCORES),
        "text",
        None,
        [],
        torch.rand(N, 4, C),
        torch.rand(4, N, C),
        torch.rand(N, N, C),
        torch.ones(N, C, dtype=torch.int64),
    ],
    ids=lambda output: f"{type(output).__name__}{list(output.shape) if isinstance(output, torch.Tensor) else ''}",
)
def test_what_is_not_certain_to_be_scores_is_none(output):
    assert logits(output) is None


@pytest.mark.parametrize(
    ("output", "name"),
    [
        ([HIDDEN, SCORES], "1"),
        ([HIDDEN, SCORES], "-1"),
        ((SCORES, HIDDEN), "0"),
        ({"hidden": HIDDEN, "scores": SCORES}, "scores"),
        (SimpleNamespace(scores=SCORES), "scores"),
    ],
)
def test_what_was_named_is_scored(output, name):
    assert torch.equal(logits(output, name=name), SCORES)
    step = logits([output, output], axis="calls", timesteps=2, name=name)
    assert torch.allclose(step, SCORES)


@pytest.mark.parametrize(
    ("output", "name", "says"),
    [
        ([HIDDEN, SCORES], "2", "an index"),
        ([HIDDEN, SCORES], "scores", "an index"),
        ({"scores": SCORES}, "hidden", "'scores'"),
        (SCORES, "hidden", "Tensor"),
    ],
)
def test_a_name_of_nothing_is_refused_with_what_there_is(output, name, says):
    with pytest.raises(MeasureInputError, match=f"--output is '{name}'") as refused:
        logits(output, name=name)
    assert says in str(refused.value)


def test_steps_are_those_of_the_plan():
    steps = torch.stack([SCORES, 2 * SCORES, 6 * SCORES])
    for output in (steps, list(steps)):
        assert torch.allclose(logits(output, "inside", 3), 3 * SCORES)
    assert logits(steps, "inside", 4) is None
    assert logits(list(steps), "inside", 2) is None
    assert torch.allclose(logits(list(steps), "calls", 3), 3 * SCORES)
    assert logits([HIDDEN, SCORES, SCORES], "calls", 3) is None


def test_an_axis_as_long_as_the_batch_is_no_time():
    """[N, L, C] with L = N: what came first is not known but of a model that was given time first."""
    output = torch.rand(3, 3, C)
    assert logits(output, samples=3) is None
    assert logits(output, "inside", 3, samples=3) is None
    assert torch.equal(logits(output, "leading", 3, samples=3), output.mean(0))


class Writing(nn.Module):
    """Adds an axis to its input, and writes over it."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, x):
        self.seen.append(x.clone())
        x.unsqueeze_(1)
        return x.mul_(0).flatten(1)


@pytest.mark.parametrize(("axis", "calls"), [(None, 1), ("calls", 2)])
def test_a_model_that_writes_into_its_input_finds_it_unchanged(axis, calls):
    model, x = Writing(), torch.rand(N, C)
    drive = Drive(model, Plan(axis, 2 if axis else None, lambda: None))
    before = x.clone()
    for _ in range(2):
        drive(x)
    assert torch.equal(x, before)
    assert len(model.seen) == 2 * calls
    assert all(torch.equal(seen, before) for seen in model.seen)


def test_the_same_arguments_run_again_keep_their_shape():
    model = Writing()
    drive = Drive(model, Plan(None, None, lambda: None))
    arguments = drive.arrange(torch.rand(N, C))
    for _ in range(3):
        drive.run(arguments)
    assert {seen.shape for seen in model.seen} == {(N, C)}
