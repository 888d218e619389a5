"""Neurons, counts and training on a GPU against the same on the CPU."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from inflor_bench.measure.synops.counter import SynOpCounter
from inflor_bench.models import compilation
from inflor_bench.models.checkpoints import load_model, read_tensors
from inflor_bench.models.create import ModelConfig, create_model
from inflor_bench.models.datasets import load_dataset
from inflor_bench.models.deploy import deploy
from inflor_bench.models.functional import lif
from inflor_bench.models.fused import lif_backward, lif_forward
from inflor_bench.models.recipe import find_recipe
from inflor_bench.models.training.evaluation import evaluate
from inflor_bench.models.training.loop import train
from inflor_bench.models.training.processes import Processes
from inflor_bench.models.zoo import shipped_checkpoint
from tests.command import python


@pytest.mark.parametrize("mpr", [False, True])
@pytest.mark.parametrize("reset", ["hard", "soft"])
@pytest.mark.parametrize(("timesteps", "shape"), [(2, (3, 5)), (4, (32, 16, 9, 7)), (500, (3, 7))])
def test_fused_neurons_spike_as_the_formula_on_the_cpu(device, timesteps, shape, reset, mpr):
    generator = torch.Generator().manual_seed(timesteps)
    current = torch.randn(timesteps, *shape, generator=generator)
    constants = {"decay": 0.25, "reset": reset, "threshold": 0.5, "reset_by": 1.0}
    upstream = torch.randn(current.shape, generator=generator)
    there = current.to(device).requires_grad_()
    spikes = lif(there, mpr=mpr, **constants)
    (gradient,) = torch.autograd.grad(spikes, there, upstream.to(device))
    flat = current.flatten(1)
    assert torch.equal(spikes.cpu().flatten(1), lif_forward(flat, **constants))
    formula = lif_backward(flat.double(), upstream.flatten(1).double(), mpr=mpr, **constants)
    torch.testing.assert_close(gradient.cpu().flatten(1).double(), formula, rtol=1e-4, atol=1e-5)
    assert not compilation._broken


def test_bfloat16_neurons_spike_as_the_formula_on_the_cpu(device):
    current = torch.randn(4, 8, 33, generator=torch.Generator().manual_seed(0)).bfloat16()
    constants = {"decay": 0.9, "reset": "soft", "threshold": 0.5, "reset_by": 1.0}
    spikes = lif(current.to(device), mpr=True, **constants)
    assert spikes.dtype == torch.bfloat16
    assert torch.equal(spikes.cpu(), lif_forward(current, **constants))


@pytest.mark.parametrize("neuron", ["relu", "hard", "soft-mpr"])
def test_counts_are_those_of_the_cpu(device, neuron):
    """In float64, where convolutions of two devices differ by too little to move a spike."""
    torch.manual_seed(0)
    timesteps = 1 if neuron == "relu" else 2
    model = create_model("resnet8", neuron=neuron, timesteps=timesteps, num_classes=10, in_channels=1).double().eval()
    images = torch.rand(8, 1, 28, 28, dtype=torch.float64)
    counts = []
    for place in (torch.device("cpu"), device):
        with torch.no_grad(), SynOpCounter(model.to(place)) as counter:
            model(images.to(place))
        counts.append(counter.result())
    here, there = counts
    assert here.total == there.total
    assert {name: (layer.ac, layer.mac, layer.input_nonzero) for name, layer in here.layers.items()} == {
        name: (layer.ac, layer.mac, layer.input_nonzero) for name, layer in there.layers.items()
    }


@pytest.mark.parametrize("name", ["relu/T1", "hard/T2", "soft-mpr/T2"])
def test_shipped_networks_predict_as_on_the_cpu(device, name):
    """Of 2,000 images a handful may differ: a membrane at the firing level falls to either side."""
    model = load_model(shipped_checkpoint(f"fashion-mnist/resnet8/{name}/s0")).eval()
    dataset = load_dataset("fashion-mnist")
    images = dataset.normalise(dataset.test.images[:2000])
    with torch.no_grad():
        here = model(images).argmax(-1)
        there = model.to(device)(images.to(device)).argmax(-1).cpu()
        deployed = deploy(model)(images.to(device)).argmax(-1).cpu()
    assert int((here != there).sum()) <= 4
    assert int((here != deployed).sum()) <= 4
    assert len(there.unique()) == 10


def test_training_on_a_gpu_learns_and_goes_on_where_it_was_stopped(device, tmp_path):
    dataset = load_dataset("digits")
    config = ModelConfig("resnet8", "soft-mpr", 2, 10, 1, {})
    recipe = replace(find_recipe("digits"), epochs=3)
    processes = Processes(device=device)
    whole = []
    path = train(
        config,
        recipe,
        dataset,
        0,
        tmp_path / "whole",
        on_progress=lambda progress: whole.append(progress.step),
        processes=processes,
    )
    _, metadata = read_tensors(path)
    assert metadata["device"] == "cuda"
    assert metadata["correct"] > 0.5 * metadata["samples"]
    correct = evaluate(load_model(path).eval(), dataset, dataset.test)
    assert abs(int(correct.sum()) - metadata["correct"]) <= 4

    class StoppedError(Exception):
        pass

    def stop(progress):
        if progress.epoch == 1:
            raise StoppedError

    with pytest.raises(StoppedError):
        train(config, recipe, dataset, 0, tmp_path / "stopped", on_progress=stop, processes=processes)
    steps = []
    again = train(
        config,
        recipe,
        dataset,
        0,
        tmp_path / "stopped",
        on_progress=lambda progress: steps.append(progress.step),
        processes=processes,
    )
    assert steps == whole[len(whole) // 3 :]  # the first of three epochs was kept
    _, resumed = read_tensors(again)
    assert abs(resumed["correct"] - metadata["correct"]) < 0.05 * metadata["samples"]


def test_torchrun_trains_with_nccl(device, tmp_path):
    started = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=1"]
    cell = ["digits/resnet8/hard/T2/s0", "--epochs", "1", "--device", "cuda"]
    done = python(*started, "-m", "inflor_bench", "train", *cell, INFLOR_BENCH_CACHE=str(tmp_path))
    _, metadata = read_tensors(Path(done.stdout.strip().splitlines()[-1]))
    assert metadata["device"] == "cuda"
