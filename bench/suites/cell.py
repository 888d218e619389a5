"""A cell: one network with one neuron on one data set, `dataset/network/neuron/T<timesteps>/s<seed>`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bench.suites.errors import SuiteInputError

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

    @classmethod
    def parse(cls, name: str) -> Cell:
        """Read a cell's name.

        Raises:
            SuiteInputError: it is none.
        """
        match = _NAME.fullmatch(name)
        if match is None or int(match[5]) >= 2**63:
            raise SuiteInputError(
                f"{name!r} is no cell: write dataset/network/neuron/T<timesteps>/s<seed>, "
                "such as fashion-mnist/resnet8/soft-mpr/T2/s0."
            )
        dataset, network, neuron, timesteps, seed = match.groups()
        return cls(dataset, network, neuron, int(timesteps), int(seed))
