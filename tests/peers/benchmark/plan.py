"""What is compared, at which sizes. A table is one job with its contestants; the first one is what ratios refer to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

COUNTERS = ("ours", "torch", "fvcore", "spikingjelly-synops", "spikingjelly", "neurobench", "syops", "sinabs")
RECORDERS = (
    "ours, spikes",
    "ours, counts",
    "ours, information loss",
    "ours, whole record",
    "ours, whole record, information loss of all",
    "neurobench",
)
PEERS = ("ours", "spikingjelly", "snntorch", "norse")


@dataclass(frozen=True)
class Size:
    """A network and what goes through it: T time steps, a batch of images [C, H, W]."""

    network: str
    timesteps: int
    batch: int
    image: tuple[int, int, int]

    def describe(self) -> str:
        """In one line."""
        return f"{self.network}, T={self.timesteps}, batch {self.batch} of {'x'.join(map(str, self.image))}"


@dataclass(frozen=True)
class Plan:
    """One comparison: sizes at which counting, neurons alone ([C, H, W]) and networks are timed, and who takes part.

    `energy` is the network that all models of energy price.
    """

    counting: tuple[Size, ...] = (
        Size("resnet20", 4, 32, (3, 32, 32)),
        Size("resnet8", 4, 32, (1, 8, 8)),
        Size("resnet8", 2, 500, (1, 28, 28)),
    )
    recording: Size = Size("resnet8", 2, 500, (1, 28, 28))
    energy: Size = Size("resnet8", 4, 1, (1, 28, 28))
    kernel: Size = Size("neurons", 4, 32, (16, 32, 32))
    # VGG-16 has eight times as many operations: a smaller batch keeps its rounds as short.
    networks: tuple[Size, ...] = (Size("resnet20", 4, 32, (3, 32, 32)), Size("vgg16", 4, 8, (3, 32, 32)))
    counters: tuple[str, ...] = COUNTERS
    recorders: tuple[str, ...] = RECORDERS
    peers: tuple[str, ...] = PEERS


@dataclass(frozen=True)
class Table:
    """One table of timings. `peak` says that memory is measured too.

    `beside` is what each round also times, and ratios are to; where it is empty they are to the first contestant.
    """

    title: str
    job: str
    contestants: Mapping[str, Mapping[str, Any]]
    peak: bool = False
    beside: str = ""
    notes: tuple[str, ...] = field(default=())


def counting_tables(plan: Plan) -> list[Table]:
    """What counting costs."""
    return [
        Table(
            f"Counting: {size.describe()}",
            "counting",
            {name: _network(size) for name in (*plan.counters, "ours, inference mode")},
            beside="a plain forward pass",
            notes=(
                "times a plain forward pass of the same process, in eval mode under no_grad where nothing else is said",
                "a counter that can be entered once for many passes is",
            ),
        )
        for size in plan.counting
    ]


def recording_table(plan: Plan) -> Table:
    """What all that one pass over a test set gives costs, beside evaluating it."""
    return Table(
        f"A record: {plan.recording.describe()}, two batches",
        "recording",
        {name: _network(plan.recording) for name in plan.recorders},
        beside="a plain evaluation",
        notes=(
            "a plain evaluation gives one boolean a sample; both go through the same batches under inference mode",
            "whole record: accuracy, anytime accuracy, spikes, counts, neuron updates, energies and the check by "
            "fvcore, with information loss of every fifth sample, as the default suite takes it of Fashion-MNIST",
            "neurobench: classification accuracy and synaptic operations",
        ),
    )


def speed_tables(plan: Plan) -> list[Table]:
    """How fast neurons and networks run, with what nothing can be faster than."""
    kernel = {"timesteps": plan.kernel.timesteps, "batch": plan.kernel.batch, "shape": list(plan.kernel.image)}
    tables = [
        Table(
            f"{title}: {plan.kernel.describe()}",
            "kernel",
            {name: {**kernel, "backward": backward} for name in (*plan.peers, "copy")},
            notes=(bound,),
        )
        for title, backward, bound in (
            ("Neuron, forward", False, "copy: the current is copied once"),
            ("Neuron, forward and backward", True, "copy: the current and the gradient are copied once each"),
        )
    ]
    for size in plan.networks:
        training_step = (*plan.peers, "no neurons", "convolutions")
        inference = ("ours, deployed", *training_step, "convolutions, channels last")
        for title, training, contestants in (("Training step", True, training_step), ("Inference", False, inference)):
            tables.append(
                Table(
                    f"{title}: {size.describe()}",
                    "network",
                    {name: {**_network(size), "training": training} for name in contestants},
                    peak=training,
                    notes=(
                        "one network definition over each package's neuron, hard reset; the first convolution of a "
                        "still image runs once for all",
                        "no neurons: the same network with identities; convolutions: its convolutions and linear "
                        "layers alone, on standing inputs",
                    ),
                )
            )
    return tables


def _network(size: Size) -> dict[str, Any]:
    return {"network": size.network, "timesteps": size.timesteps, "batch": size.batch, "image": list(size.image)}
