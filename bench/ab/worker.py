"""One process of a pair: times the cells of a suite with the packages of one commit, a round whenever it is asked.

It is started by path (`python -P worker.py PACKAGES MODULE`) with that commit's packages first, so that the same timing
runs over both commits: of the commit it uses what brings a cell's network into memory, and nothing else. MODULE is its
command line, by which its layout is known. One JSON request a line in, one JSON answer a line out:

    {"do": "open", "suite": ..., "cache": ..., "data_root": ...}  ->  {"value": null}
    {"do": "prepare", "cell": ...}                                ->  {"value": the names of its parts}
    {"do": "warm_up"}                                             ->  {"value": seconds of a pass}
    {"do": "round", "calls": ...}                                 ->  {"value": seconds of a pass}
    {"do": "watch_layers", "parts": [...]}                        ->  {"value": null}
    {"do": "layers_round", "calls": ...}                          ->  {"value": seconds of a pass by part and layer}

What goes wrong is answered as {"error": reason}; the process goes on.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

# Where `prepare` and `load_suite` stand, by the module of the command line.
LAYOUTS = {
    "inflor_bench": ("inflor_bench.cell.prepare", "inflor_bench.run.suite"),
    "bench.cli": ("bench.suites.prepare", "bench.suites.suite"),
}
WARM_UP_CALLS, WARM_UP_SECONDS = 10, 0.5


class Server:
    """Holds the suite that was opened and the cell that was prepared."""

    def __init__(self, module: str) -> None:
        self._modules = LAYOUTS[module]
        self._suite: Any = None
        self._sources: Any = None
        self._forward: Callable[[], None] = lambda: None
        self._parts: dict[str, dict[str, Any]] = {}
        self._spent: dict[str, dict[str, float]] = {}

    def answer(self, do: str, **arguments: Any) -> Any:
        """Do what one request says."""
        if do == "open":
            return self._open(**arguments)
        if do == "prepare":
            return self._prepare(**arguments)
        import torch

        with torch.inference_mode():
            if do == "warm_up":
                return warm_up(self._forward)
            if do == "round":
                return seconds(self._forward, **arguments)
            return self._watch_layers(**arguments) if do == "watch_layers" else self._layers_round(**arguments)

    def _open(self, suite: str, cache: str, data_root: str | None) -> None:
        prepare, suites = map(import_module, self._modules)
        self._suite = suites.load_suite(suite)
        self._sources = prepare.Sources(Path(cache), Path(data_root) if data_root else None)

    def _prepare(self, cell: str) -> list[str]:
        import torch

        prepare, suites = map(import_module, self._modules)
        planned = {entry.cell.name: entry for entry in suites.plan(self._suite)}
        prepared = prepare.prepare(planned[cell], self._suite, self._sources, ["inflor-bench", "ab"])
        device = timing_device(getattr(self._suite.measure, "device", "cpu"))
        model = prepared.model.to(device)
        batch = prepared.dataset.normalise(prepared.dataset.test.head(self._suite.measure.batch_size)).to(device)

        def forward() -> None:
            model(batch)
            if batch.is_cuda:
                torch.cuda.synchronize()

        with torch.inference_mode():
            forward()  # compiles what is compiled: here, where the other process does so at the same time
        self._forward = forward
        # A GPU works behind the back of hooks, so there only the whole pass is timed.
        self._parts = {} if batch.is_cuda else parts_of(model)
        return list(self._parts)

    def _watch_layers(self, parts: list[str]) -> None:
        """Time the layers of these parts in every pass from now on."""
        self._spent = {part: watch(self._parts[part]) for part in parts}
        self._forward()  # the first pass with hooks takes another way than those before it

    def _layers_round(self, calls: int) -> dict[str, dict[str, float]]:
        for spent in self._spent.values():
            spent.update(dict.fromkeys(spent, 0.0))
        seconds(self._forward, calls)
        return {part: {name: total / calls for name, total in spent.items()} for part, spent in self._spent.items()}


def serve(requests: TextIO, answers: TextIO, module: str) -> None:
    """Answer requests until there are no more."""
    server = Server(module)
    for line in requests:
        try:
            answer = {"value": server.answer(**json.loads(line))}
        except Exception as error:  # of whatever the other commit is made: the other cells shall not suffer
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def check_origin(packages: Path, module: str) -> None:
    """Hold the packages to being those of the commit; else two times the same installed ones would be compared."""
    found = import_module(module.partition(".")[0]).__file__ or ""
    if not Path(found).resolve().is_relative_to(packages.resolve()):
        raise SystemExit(f"its packages are not those of the commit but {found}")


def timing_device(wanted: str) -> str:
    """Return where the suite has latency measured: on a GPU where there is one, unless it says "cpu"."""
    import torch

    return "cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu"


def parts_of(model: Any) -> dict[str, dict[str, Any]]:
    """Return the layers by name of each part that a model has: spiking neurons, by what they offer; and synapses."""
    neurons, synapses = {}, {}
    for name, module in model.named_modules():
        if all(hasattr(module, offer) for offer in ("timesteps", "decay", "threshold", "reset")):
            neurons[name] = module
        elif getattr(getattr(module, "weight", None), "ndim", 0) >= 2 and not list(module.children()):
            synapses[name] = module
    return {part: layers for part, layers in (("neurons", neurons), ("synapses", synapses)) if layers}


def watch(layers: dict[str, Any]) -> dict[str, float]:
    """Add up from now on, by layer, the seconds between entering and leaving it."""
    spent = dict.fromkeys(layers, 0.0)
    entered: dict[str, float] = {}
    for name, module in layers.items():

        def enter(*_: object, name: str = name) -> None:
            entered[name] = time.perf_counter()

        def leave(*_: object, name: str = name) -> None:
            spent[name] += time.perf_counter() - entered[name]

        module.register_forward_pre_hook(enter)
        module.register_forward_hook(leave)
    return spent


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
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a package prints must not be taken for an answer
    check_origin(Path(sys.argv[1]), sys.argv[2])
    serve(sys.stdin, channel, sys.argv[2])
