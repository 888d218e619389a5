"""The processes that train one network together: started by torchrun, or this one alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, distributed, nn

from inflor_bench.errors import ModelInputError
from inflor_bench.models.training.synchronised import synchronise


@dataclass(frozen=True)
class Processes:
    """This process among `world` others. Process 0 is the one that writes."""

    rank: int = 0
    world: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def writes(self) -> bool:
        """Whether this is the one process that writes files."""
        return self.rank == 0

    def share(self, batch: Tensor) -> Tensor:
        """This process's part of a batch, along its first axis."""
        return batch.chunk(self.world)[self.rank] if self.world > 1 else batch

    def sum(self, values: list[float]) -> list[float]:
        """Each value added up over the processes."""
        if self.world == 1:
            return values
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        distributed.all_reduce(tensor)
        return tensor.tolist()

    def agree(self, value: int, what: str) -> None:
        """Check that all processes hold the same value.

        Raises:
            ModelInputError: they do not, because they read different files.
        """
        total, squares = self.sum([float(value), float(value * value)])
        if total * total != squares * self.world:
            raise ModelInputError(f"The processes read different {what}: give them one directory that all can see.")

    def parallel(self, model: nn.Module) -> nn.Module:
        """The network whose gradients, and statistics of normalisation, are those of the whole batch."""
        if self.world == 1:
            return model
        synchronise(model)
        devices = [self.device] if self.device.type == "cuda" else None
        # The running statistics are already the same everywhere.
        return nn.parallel.DistributedDataParallel(model, device_ids=devices, forward_sync_buffers=False)


def find_device(name: str) -> torch.device:
    """The named device, cpu or cuda.

    Raises:
        ModelInputError: it does not exist here.
    """
    if name not in ("cpu", "cuda"):
        raise ModelInputError(f"Unknown device {name!r}: choose cpu or cuda.")
    if name == "cuda" and not torch.cuda.is_available():
        raise ModelInputError("torch sees no CUDA device here: choose the device cpu.")
    return torch.device(name)


@contextmanager
def torchrun_processes(device: str) -> Iterator[Processes | None]:
    """The processes of this torchrun, connected by nccl on GPUs and gloo on CPUs; None without torchrun.

    Raises:
        ModelInputError: the device does not exist here, or there are more processes than GPUs on this machine.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        yield None
        return
    found = find_device(device)
    if found.type == "cuda":
        gpus, wanted = torch.cuda.device_count(), int(os.environ["LOCAL_WORLD_SIZE"])
        if wanted > gpus:  # which every process finds, also the one that says so
            raise ModelInputError(f"There are {gpus} GPUs for {wanted} processes: lower --nproc-per-node.")
        found = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(found)
    distributed.init_process_group("nccl" if found.type == "cuda" else "gloo")
    try:
        yield Processes(distributed.get_rank(), distributed.get_world_size(), found)
    finally:
        distributed.destroy_process_group()
