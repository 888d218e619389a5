"""What compiling the neurons costs: the default suite's networks, on a fresh cache and again in the next process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

SUITE = "default"
_BATCH = 8
_SECONDS = 3600.0


def compiling(threads: int, on_progress: Callable[[str], None]) -> dict[str, Any]:
    """Seconds that first passes take beyond second ones, summed over the suite: `fresh_seconds`, `next_seconds`.

    Without a compiler, a `reason` in their place.
    """
    with tempfile.TemporaryDirectory() as cache:
        outcome: dict[str, Any] = {"suite": SUITE}
        for name in ("fresh_seconds", "next_seconds"):
            on_progress(f"compiling: {name.removesuffix('_seconds')}")
            try:
                done = subprocess.run(
                    [sys.executable, "-m", "tests.peers.benchmark.compiling", str(threads)],
                    env={**os.environ, "TORCHINDUCTOR_CACHE_DIR": cache},
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=_SECONDS,
                )
            except subprocess.TimeoutExpired:
                return {"suite": SUITE, "reason": f"it was not done within {_SECONDS:g} s"}
            if done.returncode:
                return {"suite": SUITE, "reason": (done.stderr.strip().splitlines() or ["no message"])[-1]}
            found = json.loads(done.stdout)
            outcome |= {name: found["seconds"], "networks": found["networks"]}
        return outcome


def main(threads: int) -> None:
    """Pass each of the suite's networks twice, and print how much longer the first passes took."""
    import torch

    from inflor_bench.models.compilation import compiler_available
    from inflor_bench.models.create import create_model
    from inflor_bench.run.suite import load_suite, plan

    if not compiler_available():
        raise SystemExit("no C++ compiler was found, or INFLOR_BENCH_EAGER is set")
    torch.set_num_threads(threads)
    beyond, networks = 0.0, 0
    for planned in plan(load_suite(SUITE), "*"):
        cell = planned.cell
        model = create_model(cell.network, neuron=cell.neuron, timesteps=cell.timesteps, num_classes=10, in_channels=1)
        passes = []
        for _ in range(2):
            x = torch.rand(_BATCH, 1, 28, 28)
            start = time.perf_counter()
            model.train()(x).sum().backward()
            with torch.inference_mode():
                model.eval()(x)
            passes.append(time.perf_counter() - start)
        beyond += passes[0] - passes[1]
        networks += 1
    print(json.dumps({"seconds": beyond, "networks": networks}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
