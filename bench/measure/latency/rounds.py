"""Rounds by the host's clock, in turn where they are compared, and by the GPU's own events."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

Action = Callable[[], object]


@dataclass(frozen=True)
class Turn:
    """What is timed in turn with others: `call` must be synchronised; `before` runs ahead of it and is not timed."""

    call: Action
    before: Action = lambda: None


def synchronise(device: torch.device) -> None:
    """Wait until the device has done all it was given; nothing to wait for on a CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def rounds_in_turn(
    turns: Mapping[str, Turn], rounds: int, clock: Callable[[], int] = time.perf_counter_ns
) -> dict[str, list[float]]:
    """Time every turn once a round, A B A B, so that what drifts meets all of them alike.

    Returns:
        The seconds of each round, by name. `clock` gives nanoseconds.
    """
    seconds: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(rounds):
        for name, turn in turns.items():
            turn.before()
            start = clock()
            turn.call()
            seconds[name].append((clock() - start) / 1e9)
    return seconds


def event_rounds(call: Action, device: torch.device, rounds: int, before: Action = lambda: None) -> list[float]:
    """Time between two CUDA events around each of `rounds` calls, s: what the GPU saw, gaps between launches included.

    `call` need not be synchronised. `before` runs, and is waited for, ahead of each.
    """
    seconds = []
    with torch.cuda.device(device):
        for _ in range(rounds):
            before()
            torch.cuda.synchronize(device)
            start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            start.record()
            call()
            end.record()
            end.synchronize()
            seconds.append(float(start.elapsed_time(end)) / 1e3)
    return seconds
