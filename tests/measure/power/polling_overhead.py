"""What reading the power meters costs the load that runs meanwhile, in interleaved pairs on this CPU.

    python -m tests.measure.power.polling_overhead [--pairs 100] [--threads 1]

Both meters of a fake GPU are read through pynvml, as in a measurement; the fake's functions are Python, which takes
longer than a driver's. They are read every 10 ms, and every 1 ms at the edges of a window. The load runs in one thread,
as the host's part of a load on a GPU does. A pair is the same forward pass for about the same time, with the meters
read and without, in random order. Shown are the ratios of its median time and of the CPU time that this process spends
per call, as the median over all pairs with a 95 % order-statistic interval, and how often the meters were read.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time

import torch

from inflor_bench.measure.latency import median_interval
from inflor_bench.measure.power import PowerMeasurement, Profile, measure_power
from inflor_bench.models import create_model
from tests.measure.power.faked_meters import FakedEnergyMeter, FakedPowerMeter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=1.0, help="length of the window, and of the other half")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    meters = [FakedEnergyMeter(), FakedPowerMeter()]
    profile = Profile("overhead", 1, options.seconds, 1, idle_seconds=0.02, lead_seconds=0.02, delay_seconds=0.0)
    model = create_model("resnet8", neuron="soft-mpr", timesteps=2, num_classes=10, in_channels=1).eval()
    images = torch.rand(options.batch, 1, 28, 28)
    times: list[float] = []
    spent: list[float] = []
    polls: list[float] = []

    @torch.inference_mode()
    def call():
        before, start = time.process_time(), time.perf_counter()
        model(images)
        times.append(time.perf_counter() - start)
        spent.append(time.process_time() - before)

    def watched():
        result = measure_power(call, meters, batch_size=options.batch, profile=profile)
        assert isinstance(result, PowerMeasurement), result
        polls.append(result.poll_seconds)

    def alone():
        end = time.perf_counter() + options.seconds
        while time.perf_counter() < end:
            call()

    def half(run):
        times.clear()
        spent.clear()
        run()
        return statistics.median(times), sum(spent) / len(spent)

    half(watched)
    ratios: tuple[list[float], list[float]] = ([], [])
    for _ in range(options.pairs):
        order = [watched, alone]
        random.shuffle(order)
        found = {run: half(run) for run in order}
        for kept, polled, plain in zip(ratios, found[watched], found[alone], strict=True):
            kept.append(polled / plain)
    for name, kept in zip(("median time of a call", "CPU time per call"), ratios, strict=True):
        low, high = median_interval(kept, 0.95) or (min(kept), max(kept))
        print(f"{name}: watched / alone = {statistics.median(kept):.4f} ({low:.4f} to {high:.4f}), {len(kept)} pairs")
    print(f"the meters were read every {1e3 * statistics.fmean(polls):.1f} ms in the windows")


if __name__ == "__main__":
    main()
