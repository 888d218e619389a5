"""What polling a meter costs the load that runs meanwhile, in interleaved pairs on this CPU.

    python -m tests.measure.polling_overhead [--pairs 100] [--interval 0.02] [--threads 1]

Both meters of a fake GPU are read through pynvml, in the thread that reads them in a measurement; the fake's functions
are Python, which takes longer than a driver's. The load runs in one thread, as the host's part of a load on a GPU does;
with as many threads as cores every reading takes a core from one of them, and all the others wait for it. A pair is the
same forward pass for the same time with polling and without, in random order. Shown are the ratios of its median time
and of the CPU time that the process spends per call, as the median over all pairs with a 95 % order-statistic interval.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time

import pynvml
import torch

from bench.measure.latency import median_interval
from bench.measure.power.nvml_energy import NvmlEnergyMeter
from bench.measure.power.nvml_power import NvmlPowerMeter
from bench.measure.power.timeline import RealTime
from bench.measure.power.window import Watch
from models import create_model
from tests.measure.fake_nvml import Gpu, Library

UUID = "GPU-0f1e2d3c-0000-1111-2222-333344445555"


class RealWorld:
    """The fake library's world, in real time: what its functions take is what they take."""

    @property
    def time(self):
        return time.perf_counter()

    @time.setter
    def time(self, value):
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--interval", type=float, default=0.02, help="seconds between two readings")
    parser.add_argument("--seconds", type=float, default=0.5, help="length of either half of a pair")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    world, gpu = RealWorld(), Gpu(UUID)
    gpu.switch(world.time, gpu.idle)
    library = Library(world, [gpu], call_seconds=0.0)
    pynvml.CDLL = lambda name: library
    timeline = RealTime()
    watch = Watch(NvmlEnergyMeter(UUID).open(timeline.now), NvmlPowerMeter(UUID).open(timeline.now), timeline.now)
    model = create_model("resnet8", neuron="soft-mpr", timesteps=2, num_classes=10, in_channels=1).eval()
    images = torch.rand(options.batch, 1, 28, 28)
    times: list[float] = []

    @torch.inference_mode()
    def call():
        start = time.perf_counter()
        model(images)
        times.append(time.perf_counter() - start)

    def watcher(polls):
        def look(progress):
            end = timeline.now() + options.seconds
            while timeline.now() < end:
                progress.wait(options.interval if polls else options.seconds)
                if polls:
                    watch.sample()

        return look

    def half(polls):
        times.clear()
        spent = time.process_time()
        timeline.run(call, watcher(polls))
        return statistics.median(times), (time.process_time() - spent) / len(times)

    half(True)
    ratios: tuple[list[float], list[float]] = ([], [])
    for _ in range(options.pairs):
        order = [True, False]
        random.shuffle(order)
        found = {polls: half(polls) for polls in order}
        for kept, polled, plain in zip(ratios, found[True], found[False], strict=True):
            kept.append(polled / plain)
    for name, kept in zip(("median time of a call", "CPU time per call"), ratios, strict=True):
        low, high = median_interval(kept, 0.95) or (min(kept), max(kept))
        print(
            f"{name}: polled / not polled = {statistics.median(kept):.4f} ({low:.4f} to {high:.4f}), {len(kept)} pairs"
        )


if __name__ == "__main__":
    main()
