"""Simulated events from the real images of `digits`: what a change-detecting sensor would see of three saccades.

Each image moves along a triangle, as N-MNIST's did before a real sensor (Orchard et al., Frontiers in Neuroscience
2015), in 24 short steps. A pixel keeps a reference of its log intensity; at each step it gives one event for every
`THRESHOLD` by which the log intensity has left the reference, ON (channel 0) where it rose and OFF (channel 1) where it
fell, and moves the reference by as much. No sensor recorded these data: they are marked `simulated`.

All is computed with integers, so that every machine gets the same events.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from inflor_bench.models.datasets import digits
from inflor_bench.models.datasets.dataset import Dataset, Split, check_content, make_events
from inflor_bench.models.datasets.events import to_frames

SHA256 = "451505c50cb93b85e6279a25ccb4696e307e4aa40632b035393ae373008615b3"
STEPS = 24  # eight to a saccade
MARGIN = 2  # pixels that the image travels
PER_PIXEL = 8  # the image moves in eighths of a pixel
SACCADES = ((1, 2), (1, -2), (-2, 0))  # movement (right, down) of one step, in eighths of a pixel
LOG_SCALE = 1024
THRESHOLD = 0.3


def load(root: Path | None, download: bool, timesteps: int) -> Dataset:
    """Simulate from what scikit-learn ships; `root` and `download` are not needed.

    Frames are [N, T, 2, 10, 10]; T divides 24.

    Raises:
        ModelInputError: T does not.
    """
    source = digits.load(root, download)
    splits = [Split(saccade_events(split.head(len(split))), split.labels) for split in (source.train, source.test)]
    check_content("data set 'digits-dvs'", SHA256, *splits)
    train, test = (Split(to_frames(split.images, timesteps, "digits-dvs"), split.labels) for split in splits)
    return make_events("digits-dvs", source.classes, train, test, simulated=True)


def saccade_events(images: Tensor, noise: float = 0.0, seed: int = 0) -> Tensor:
    """Counts of events [N, 24, 2, H + 2, W + 2], uint8, of grey images [N, 1, H, W], uint8.

    `noise` is the chance of an event that no movement caused, for each pixel, polarity and step, drawn from `seed`.
    """
    samples, _, height, width = images.shape
    # The logarithm of 1 + intensity at every level that interpolation between whole grey levels can give.
    levels = np.arange(256 * PER_PIXEL**2) / PER_PIXEL**2
    log_of = torch.from_numpy(np.rint(LOG_SCALE * np.log1p(levels)).astype(np.int32))
    threshold = round(LOG_SCALE * THRESHOLD)
    # One pixel of background around the sensor, for the interpolation at its edge.
    canvas = torch.zeros(samples, height + MARGIN + 1, width + MARGIN + 1, dtype=torch.int64)
    canvas[:, 1 : height + 1, 1 : width + 1] = images[:, 0]
    right = down = 0
    reference = log_of[_moved(canvas, right, down)]
    steps = []
    for step_right, step_down in SACCADES:
        for _ in range(STEPS // len(SACCADES)):
            right, down = right + step_right, down + step_down
            change = log_of[_moved(canvas, right, down)] - reference
            events = change.abs() // threshold
            reference += change.sign() * events * threshold
            steps.append(torch.stack([events * (change > 0), events * (change < 0)], 1).to(torch.uint8))
    counts = torch.stack(steps, 1)
    if noise:
        drawn = torch.rand(counts.shape, generator=torch.Generator().manual_seed(seed))
        counts += (drawn < noise).to(torch.uint8)
    return counts


def _moved(canvas: Tensor, right: int, down: int) -> Tensor:
    """The sensor's view, in 64ths of a grey level, of an image moved by eighths of a pixel, interpolated bilinearly."""
    for axis, distance in ((1, down), (2, right)):
        whole, part = divmod(distance, PER_PIXEL)
        moved = canvas.roll(whole, axis)
        canvas = (PER_PIXEL - part) * moved + part * moved.roll(1, axis)
    return canvas[:, 1:, 1:]
