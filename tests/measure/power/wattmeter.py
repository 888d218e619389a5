"""Meters without an instrument, light enough for the process that reads meters."""

import math
import sys
from pathlib import Path

from inflor_bench.measure.power.protocol import Conditions, MeterError


class Wattmeter:
    """Reads a constant power of real time, in ticks. What it does is written to `log`, a line each."""

    name, relative_uncertainty, flags = "wattmeter", None, ()
    watts, tick = 10.0, 0.005

    def __init__(self, log, device="cpu", fails_once=None):
        self.log, self.device, self.fails_once = Path(log), device, fails_once
        self.arguments = (str(log), device) if fails_once is None else (str(log), device, str(fails_once))
        self.ticks = True

    def probe(self):
        return None

    def write(self, line):
        with self.log.open("a") as file:
            file.write(f"{line}\n")

    def open(self, clock):
        self.write("open")
        self.clock = clock
        return self

    def read(self):
        if self.fails_once and Path(self.fails_once).exists():
            raise MeterError("broken: it broke.")
        return self.watts * math.floor(self.clock() / self.tick) * self.tick

    def conditions(self):
        return Conditions(temperature=41.0)

    def close(self):
        self.write("close")


class Crashing(Wattmeter):
    """Takes its process with it at its first reading."""

    def read(self):
        sys.exit("the driver crashed")


class FallenOff(Wattmeter):
    """A meter of a GPU that is lost after a while."""

    def open(self, clock):
        self.start = clock()
        return super().open(clock)

    def read(self):
        if self.clock() - self.start > 0.05:
            raise MeterError("gpu_is_lost: the GPU fell off the bus; reboot.", device_lost=True)
        return super().read()
