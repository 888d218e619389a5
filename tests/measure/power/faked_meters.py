"""The meters of a GPU that is not there, in real time: pynvml loads the fake library wherever one of them is made."""

import time

import pynvml

from inflor_bench.measure.power.nvml_energy import NvmlEnergyMeter
from inflor_bench.measure.power.nvml_power import NvmlPowerMeter
from tests.measure.power.fake_nvml import Gpu, Library

UUID = "GPU-0f1e2d3c-0000-1111-2222-333344445555"


class RealWorld:
    """The fake library's world, in real time: what its functions take is what they take."""

    @property
    def time(self):
        return time.perf_counter()

    @time.setter
    def time(self, value):
        pass


def _install():
    world, gpu = RealWorld(), Gpu(UUID)
    gpu.switch(world.time, gpu.load)
    library = Library(world, [gpu], call_seconds=0.0)
    pynvml.CDLL = lambda name: library


class FakedEnergyMeter(NvmlEnergyMeter):
    def __init__(self, uuid=UUID):
        _install()
        super().__init__(uuid)


class FakedPowerMeter(NvmlPowerMeter):
    def __init__(self, uuid=UUID):
        _install()
        super().__init__(uuid)
