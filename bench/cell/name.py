"""A cell: one network with one neuron on one data set, `dataset/network/neuron/T<timesteps>/s<seed>`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from inflor_bench.errors import SuiteInputError
from inflor_bench.record.origin import WITHOUT_TIME

# What a suite may say, a name may: torch takes seeds of 64 bits, and tables hold whole numbers below 2^63.
MOST_TIMESTEPS, MOST_SEED = 1000, 2**63 - 1

_NAME = re.compile(r"([a-z0-9-]+)/([a-z0-9-]+)/([a-z-]+)/T([1-9][0-9]{0,3})/s(0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, order=True)
class Cell:
    """The five values that name a cell."""

    dataset: str
    network: str
    neuron: str
    timesteps: int
    seed: int

    @property
    def name(self) -> str:
        """E.g. `fashion-mnist/resnet20/soft-mpr/T4/s0`."""
        return f"{self.dataset}/{self.network}/{self.neuron}/T{self.timesteps}/s{self.seed}"

    @property
    def steps(self) -> int:
        """The time steps that its network makes, and so the frames that its events become."""
        return 1 if self.neuron in WITHOUT_TIME else self.timesteps

    @classmethod
    def parse(cls, name: str) -> Cell:
        """Read a cell's name.

        Raises:
            SuiteInputError: it is none.
        """
        match = _NAME.fullmatch(name)
        if match is not None:
            dataset, network, neuron, timesteps, seed = match.groups()
            if int(timesteps) <= MOST_TIMESTEPS and int(seed) <= MOST_SEED:
                return cls(dataset, network, neuron, int(timesteps), int(seed))
        raise SuiteInputError(
            f"{name!r} is no cell: write dataset/network/neuron/T<timesteps>/s<seed>, "
            "such as fashion-mnist/resnet8/soft-mpr/T2/s0."
        )
