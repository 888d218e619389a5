"""One process of a pair: times the cells of a suite with the packages of one commit, and writes what it saw as JSON.

It is started by path (`python -P worker.py REQUEST ANSWER`) with that commit's directory first, so that the same timing
runs over both commits: of the commit it uses `bench.suites` to bring a cell's network into memory, and nothing else.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

WARM_UP_CALLS, WARM_UP_SECONDS = 10, 0.5
# A round of many short passes is their mean: a millisecond alone says more of the neighbours than of the code.
ROUND_SECONDS = 0.05


def main(request_file: str, answer_file: str) -> None:
    """Time every cell of the request; a cell that fails is answered by the reason."""
    request = json.loads(Path(request_file).read_text("utf-8"))
    check_origin(Path(request["root"]))

    from bench.suites.prepare import Sources, prepare
    from bench.suites.suite import load_suite, plan

    suite = load_suite(request["suite"])
    planned = {entry.cell.name: entry for entry in plan(suite)}
    data_root = request["data_root"]
    sources = Sources(Path(request["cache"]), Path(data_root) if data_root else None)
    cells: dict[str, Any] = {}
    for name in request["cells"]:
        try:
            prepared = prepare(planned[name], suite, sources, ["inflor-bench", "ab"])
            batch = prepared.dataset.normalise(prepared.dataset.test.head(suite.measure.batch_size))
            device = timing_device(getattr(suite.measure, "device", "cpu"))
            cells[name] = time_cell(prepared.model.to(device), batch.to(device), request["rounds"])
        except Exception as error:  # of whatever the other commit is made: the other cells shall not suffer
            cells[name] = {"failed": f"{type(error).__name__}: {error}"}
    Path(answer_file).write_text(json.dumps(cells), "utf-8")


def check_origin(root: Path) -> None:
    """Hold the packages to being those of the commit; else two times the same installed ones would be compared."""
    import models

    if not Path(models.__file__ or "").resolve().is_relative_to(root.resolve()):
        raise SystemExit(f"its package `models` is not that of the commit but {models.__file__}")


def timing_device(wanted: str) -> str:
    """Return where the suite has latency measured: on a GPU where there is one, unless it says "cpu"."""
    import torch

    return "cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu"


def time_cell(model: Any, batch: Any, rounds: int) -> dict[str, Any]:
    """Return the seconds of each round: of the whole forward pass, and then, by hooks, of every layer.

    A GPU works behind the back of hooks, so there only the whole pass is timed.
    """
    import torch

    def forward() -> None:
        model(batch)
        if batch.is_cuda:
            torch.cuda.synchronize()

    with torch.inference_mode():
        calls = max(1, round(ROUND_SECONDS / warm_up(forward)))
        latency = [seconds(forward, calls) for _ in range(rounds)]
        parts: dict[str, dict[str, list[float]]] = {}
        for part, layers in ({} if batch.is_cuda else parts_of(model)).items():
            with timed_layers(layers) as spent:
                model(batch)
                parts[part] = {name: [] for name in layers}
                for _ in range(rounds):
                    spent.clear()
                    seconds(forward, calls)
                    for name, by_round in parts[part].items():
                        by_round.append(spent.get(name, 0.0) / calls)
    return {"latency": latency, "parts": parts}


def parts_of(model: Any) -> dict[str, dict[str, Any]]:
    """Return the layers by name of each part that a model has: spiking neurons, by what they offer; and synapses."""
    neurons, synapses = {}, {}
    for name, module in model.named_modules():
        if all(hasattr(module, offer) for offer in ("timesteps", "decay", "threshold", "reset")):
            neurons[name] = module
        elif getattr(getattr(module, "weight", None), "ndim", 0) >= 2 and not list(module.children()):
            synapses[name] = module
    return {part: layers for part, layers in (("neurons", neurons), ("synapses", synapses)) if layers}


@contextmanager
def timed_layers(layers: dict[str, Any]) -> Iterator[dict[str, float]]:
    """Add up, by layer, the seconds between entering and leaving it."""
    spent: dict[str, float] = defaultdict(float)
    entered: dict[str, float] = {}
    handles = []
    for name, module in layers.items():

        def enter(*_: object, name: str = name) -> None:
            entered[name] = time.perf_counter()

        def leave(*_: object, name: str = name) -> None:
            spent[name] += time.perf_counter() - entered[name]

        handles += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
    try:
        yield spent
    finally:
        for handle in handles:
            handle.remove()


def warm_up(call: Callable[[], object]) -> float:
    """Call until caches are warm and kernels compiled; return the seconds of the last call."""
    start = time.perf_counter()
    calls = 0
    while calls < WARM_UP_CALLS or time.perf_counter() - start < WARM_UP_SECONDS:
        last = seconds(call, 1)
        calls += 1
    return last


def seconds(call: Callable[[], object], calls: int) -> float:
    """Return how long one of several calls takes on average."""
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - start) / calls


if __name__ == "__main__":
    main(*sys.argv[1:])
