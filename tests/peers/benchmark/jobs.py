"""What a worker is asked to do. A job is prepared once, then gives one round at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from inflor_bench.measure.memory import peak_memory
from inflor_bench.measure.unavailable import Unavailable
from tests.peers.benchmark.counters import COUNTERS
from tests.peers.benchmark.neurons import NEURONS, restart
from tests.peers.benchmark.recorders import RECORDERS, plain, random_test_set
from tests.peers.benchmark.timing import WARM_UP_CALLS, seconds_per_call
from tests.peers.benchmark.truth import cases

CLASSES = 10
CONVOLUTIONS = ("convolutions", "convolutions, channels last")


class Job(Protocol):
    """A prepared job."""

    def round(self) -> list[float]:
        """Seconds per call of what is timed, in one round."""

    def memory(self) -> int:
        """Peak memory of one call above what stood before, bytes.

        Raises:
            RuntimeError: it cannot be read here, and why.
        """


INFERENCE = ", inference mode"


class Counting:
    """A plain forward pass and a counted one, back to back. The counter is on a copy, for some leave hooks behind.

    Both run under no_grad, or under inference mode where the contestant's name says so.
    """

    def __init__(self, contestant: str, network: str, timesteps: int, batch: int, image: Sequence[int]) -> None:
        self._x = make_images(batch, image)
        self._plain = make_network("ours", network, timesteps, image).eval()
        counted = make_network("ours", network, timesteps, image).eval()
        self._attached = COUNTERS[contestant.removesuffix(INFERENCE)](counted)
        self._mode = torch.inference_mode if contestant.endswith(INFERENCE) else torch.no_grad
        for _ in range(WARM_UP_CALLS):
            self.round()

    def round(self) -> list[float]:
        """Seconds of a plain and of a counted forward pass; the counter has seen one pass since it was entered."""
        with self._mode():
            plain = seconds_per_call(lambda: self._plain(self._x))
            with self._attached.watching():
                self._attached.run(self._x)
                return [plain, seconds_per_call(lambda: self._attached.run(self._x))]

    def memory(self) -> int:
        """Not asked for."""
        raise RuntimeError("memory is measured of training alone")


class Recording:
    """A plain evaluation of a test set, and one that gives part of a record or all of it, back to back."""

    def __init__(self, contestant: str, network: str, timesteps: int, batch: int, image: Sequence[int]) -> None:
        self._dataset = random_test_set(make_images(2 * batch, image), CLASSES)
        self._model = make_network("ours", network, timesteps, image).eval()
        self._record = RECORDERS[contestant]
        for _ in range(WARM_UP_CALLS):
            self.round()

    def round(self) -> list[float]:
        """Seconds of a plain evaluation, and of one that is recorded."""
        return [
            seconds_per_call(lambda: plain(self._model, self._dataset)),
            seconds_per_call(lambda: self._record(self._model, self._dataset)),
        ]

    def memory(self) -> int:
        """Not asked for."""
        raise RuntimeError("memory is measured of training alone")


class Kernel:
    """Neurons alone, on a current [T, N, *shape]: forward, or forward and backward."""

    def __init__(self, contestant: str, timesteps: int, batch: int, shape: Sequence[int], backward: bool) -> None:
        generator = torch.Generator().manual_seed(0)
        self._current = torch.randn(timesteps * batch, *shape, generator=generator)
        self._grad = torch.randn(self._current.shape, generator=generator)
        self._neuron = nn.Identity() if contestant == "copy" else NEURONS[contestant](timesteps)()
        self._call = self._copies if contestant == "copy" else self._forward
        if backward:
            self._call = self._two_copies if contestant == "copy" else self._forward_backward
        for _ in range(WARM_UP_CALLS):
            self.round()

    def _copies(self) -> None:
        self._current.clone()

    def _two_copies(self) -> None:
        """One pass over what goes in, one over what comes back."""
        self._current.clone()
        self._grad.clone()

    @torch.no_grad()
    def _forward(self) -> None:
        self._neuron(self._current)

    def _forward_backward(self) -> None:
        current = self._current.detach().requires_grad_()
        self._neuron(current).backward(self._grad)

    def round(self) -> list[float]:
        """Seconds of one call."""
        return [seconds_per_call(self._call, lambda: restart(self._neuron))]

    def memory(self) -> int:
        """Peak memory of one call."""
        restart(self._neuron)
        return _peak(self._call, self._neuron, len(self._current))


class Network:
    """A whole network: inference, or one training step (forward, backward, SGD).

    Besides the packages there are "ours, deployed", with normalisation folded and channels last, and the bounds: "no
    neurons" and the convolutions alone, in both layouts.
    """

    def __init__(
        self, contestant: str, network: str, timesteps: int, batch: int, image: Sequence[int], training: bool
    ) -> None:
        self._batch, self._x = batch, make_images(batch, image)
        self._labels = torch.arange(batch) % CLASSES
        neurons = "no neurons" if contestant in CONVOLUTIONS else contestant.removesuffix(", deployed")
        self._module = make_network(neurons, network, timesteps, image)
        last = contestant.endswith(("deployed", "channels last"))
        if last:
            self._x = self._x.contiguous(memory_format=torch.channels_last)
        if contestant.endswith("deployed"):
            from inflor_bench.models.deploy import deploy

            self._module = deploy(self._module)
        if contestant in CONVOLUTIONS:
            self._module = ConvolutionsAlone(self._module, self._x, channels_last=last)
        self._module.train(training)
        self._call = self._inference
        if training:
            self._optimizer = torch.optim.SGD(self._module.parameters(), lr=1e-3, momentum=0.9)
            self._call = self._step
        for _ in range(WARM_UP_CALLS):
            self.round()

    @torch.inference_mode()
    def _inference(self) -> None:
        self._module(self._x)

    def _step(self) -> None:
        self._optimizer.zero_grad()
        output = self._module(self._x)
        if isinstance(output, list):
            torch.autograd.backward(output, [torch.ones_like(tensor) for tensor in output])
        else:
            nn.functional.cross_entropy(output, self._labels).backward()
        self._optimizer.step()

    def round(self) -> list[float]:
        """Seconds of one inference or training step of the batch."""
        return [seconds_per_call(self._call, lambda: restart(self._module))]

    def memory(self) -> int:
        """Peak memory of one call."""
        restart(self._module)
        return _peak(self._call, self._module, self._batch)


class ConvolutionsAlone(nn.Module):
    """The convolutions and linear layers of a network, each on a standing input of the shape that it gets there.

    All but the first need the gradient of their input, as in the network.
    """

    def __init__(self, network: nn.Module, x: Tensor, *, channels_last: bool = False) -> None:
        super().__init__()
        shapes: list[torch.Size] = []
        layers = [module for module in network.modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
        handles = [
            layer.register_forward_pre_hook(lambda _, inputs: shapes.append(inputs[0].shape)) for layer in layers
        ]
        ran: list[nn.Module] = []
        handles += [layer.register_forward_pre_hook(lambda module, _: ran.append(module)) for layer in layers]
        with torch.no_grad():
            network(x)
        for handle in handles:
            handle.remove()
        self.layers = nn.ModuleList(ran)
        inputs = [torch.randn(shape) for shape in shapes]
        if channels_last:
            self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            inputs = [i.contiguous(memory_format=torch.channels_last) if i.ndim == 4 else i for i in inputs]
        self.inputs = [standing.requires_grad_(index > 0) for index, standing in enumerate(inputs)]

    def forward(self, x: Tensor) -> list[Tensor]:
        """The outputs of all layers; x is not looked at."""
        return [layer(standing) for layer, standing in zip(self.layers, self.inputs, strict=True)]


def counted_cases(contestant: str) -> dict[str, dict[str, Any]]:
    """What a counter finds in the small cases; where it fails, why."""
    found: dict[str, dict[str, Any]] = {}
    for name, case in cases().items():
        try:
            attached = COUNTERS[contestant](case.module)
            with torch.no_grad(), attached.watching():
                attached.run(case.x)
            found[name] = dict(attached.counts())
        except ImportError:
            raise
        except Exception as error:
            found[name] = {"reason": f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"}
    return found


def make_images(batch: int, image: Sequence[int]) -> Tensor:
    """Random images [N, C, H, W], the same every time."""
    return torch.randn(batch, *image, generator=torch.Generator().manual_seed(0))


def make_network(neurons: str, network: str, timesteps: int, image: Sequence[int]) -> nn.Module:
    """Make a network of ours over one package's neurons; the same weights whoever's the neurons are.

    Two passes in training mode settle its normalisation, so that neurons fire as in use.
    """
    from inflor_bench.models.networks import NETWORKS

    activation: Callable[[], nn.Module] = nn.Identity if neurons == "no neurons" else NEURONS[neurons](timesteps)
    torch.manual_seed(0)
    made = NETWORKS[network](activation=activation, timesteps=timesteps, num_classes=CLASSES, in_channels=image[0])
    with torch.no_grad():
        for _ in range(2):
            made.train()(torch.randn(8, *image))
            restart(made)
    return made


def _peak(call: Callable[[], object], module: nn.Module, batch: int) -> int:
    measured = peak_memory(call, module, batch_size=batch, device=torch.device("cpu"))
    if isinstance(measured, Unavailable):
        raise RuntimeError(measured.reason)
    return measured.above_baseline_bytes


JOBS: dict[str, Callable[..., Job]] = {
    "counting": Counting,
    "recording": Recording,
    "kernel": Kernel,
    "network": Network,
}
