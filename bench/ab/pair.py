"""Two processes that time the same cells in turn, round by round.

What a shared machine does to one of them for longer than a round, it does to both, so it leaves their ratio alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from inflor_bench.ab.processes import CellError, Settings, TimingProcess, timing_process
from inflor_bench.ab.revisions import Revision
from inflor_bench.verdict.timed_pairs import ROUNDS

# By cell: {"latency": seconds of every round, "parts": {part: {layer: seconds of every round}}}, or {"failed": reason};
# what stands beside an answer that failed says nothing.
Answer = dict[str, dict[str, Any]]
# A round of many short passes is their mean: a millisecond alone says more of the neighbours than of the code.
ROUND_SECONDS = 0.05


def time_pair(sides: tuple[Revision, Revision], settings: Settings, cells: Sequence[str]) -> tuple[Answer, Answer]:
    """Time cells by two new processes in turn; give the answers in the order of the sides.

    Raises:
        TimingError: One of the processes ended without an answer.
    """
    with timing_process(sides[0], settings) as first, timing_process(sides[1], settings) as second:
        pair = first, second
        opened = _received(pair)
        answers: tuple[Answer, Answer] = ({}, {})
        for cell in cells:
            timed = opened if any("failed" in answer for answer in opened) else time_cell(pair, cell)
            for answer, of in zip(answers, timed, strict=True):
                answer[cell] = of
        return answers


def time_cell(pair: tuple[TimingProcess, TimingProcess], cell: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the rounds of the whole pass; and then, of other passes, those of every layer of the parts that both have.

    The parts share their passes: their layers are timed one by one. The whole is timed before any layer is watched.
    """
    for process in pair:
        process.send("prepare", cell=cell)
    prepared = _received(pair)
    if any("failed" in answer for answer in prepared):
        return prepared
    try:
        calls = max(1, round(ROUND_SECONDS / min(process.ask("warm_up") for process in pair)))
        whole = _rounds(pair, "round", calls)
        parts = [part for part in prepared[0]["value"] if part in prepared[1]["value"]]
        layers = _layers(pair, parts, calls) if parts else ([], [])
    except CellError as error:
        failed: dict[str, Any] = {"failed": str(error)}
        return (failed, {}) if error.process is pair[0] else ({}, failed)
    first, second = (
        {
            "latency": whole[index],
            "parts": {part: _by_layer([of[part] for of in layers[index]]) for part in parts},
        }
        for index in range(2)
    )
    return first, second


def _received(pair: tuple[TimingProcess, TimingProcess]) -> tuple[dict[str, Any], dict[str, Any]]:
    first, second = (_answer(process) for process in pair)
    return first, second


def _answer(process: TimingProcess) -> dict[str, Any]:
    try:
        return {"value": process.receive()}
    except CellError as error:
        return {"failed": str(error)}


def _rounds(pair: tuple[TimingProcess, TimingProcess], do: str, calls: int) -> tuple[list[Any], list[Any]]:
    """What each process says of every round; who goes first alternates."""
    rounds: tuple[list[Any], list[Any]] = ([], [])
    for number in range(ROUNDS):
        for index in (0, 1) if number % 2 == 0 else (1, 0):
            rounds[index].append(pair[index].ask(do, calls=calls))
    return rounds


def _layers(pair: tuple[TimingProcess, TimingProcess], parts: Sequence[str], calls: int) -> tuple[list[Any], list[Any]]:
    for process in pair:
        process.ask("watch_layers", parts=parts)
    return _rounds(pair, "layers_round", calls)


def _by_layer(rounds: Sequence[dict[str, float]]) -> dict[str, list[float]]:
    return {layer: [seconds[layer] for seconds in rounds] for layer in rounds[0]}
