"""Trains both networks on the digits, and writes their weights beside this file: `python train.py`."""

import torch
from quantised import WEIGHTS as QUANTISED
from quantised import Quantised
from safetensors.torch import save_file
from spiking import WEIGHTS as SPIKING
from spiking import Spiking
from torch import nn

from inflor_bench.models.datasets import load_dataset

EPOCHS = 40


def train(model: nn.Module) -> None:
    """Train by Adam with a cosine schedule."""
    data = load_dataset("digits")
    images, labels = data.normalise(data.train.images), data.train.labels
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    steps = EPOCHS * -(-len(labels) // 64)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(labels)).split(64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(images[batch]), labels[batch]).backward()
            optimiser.step()
            schedule.step()


for network, weights in ((Spiking, SPIKING), (Quantised, QUANTISED)):
    torch.manual_seed(0)
    made = network()
    train(made)
    save_file(made.state_dict(), weights)
