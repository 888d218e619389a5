"""Events: the simulated saccades against a plain loop, frames in their order, and CIFAR10-DVS in both formats."""

import math
import sys

import numpy as np
import pytest
import torch

from inflor_bench.errors import ModelInputError
from inflor_bench.models.datasets import DatasetUnavailableError, cifar10_dvs, digits_dvs, load_dataset
from inflor_bench.models.datasets.events import to_frames
from tests.models import aedat4
from tests.refusal import one_sentence


def events_by_hand(image, steps=24, threshold=307 / 1024):
    """Pixel by pixel, in floating point: where the image is, its log intensity there, and what the sensor says."""
    height, width = image.shape

    def intensity(row, column):
        total = 0.0
        for r in range(height):
            for c in range(width):
                total += image[r, c] * max(0, 1 - abs(row - r)) * max(0, 1 - abs(column - c))
        return total

    found = np.zeros((steps, 2, height + 2, width + 2), int)
    for row in range(height + 2):
        for column in range(width + 2):
            reference = math.log(1 + intensity(row, column))
            right = down = 0.0
            for step in range(steps):
                move = ((1, 2), (1, -2), (-2, 0))[step // 8]
                right, down = right + move[0] / 8, down + move[1] / 8
                level = math.log(1 + intensity(row - down, column - right))
                while abs(level - reference) >= threshold:
                    found[step, int(level < reference), row, column] += 1
                    reference += math.copysign(threshold, level - reference)
    return found


def test_saccades_give_the_events_of_a_plain_loop():
    image = torch.tensor([[0, 3, 16], [7, 0, 1], [0, 12, 5]], dtype=torch.uint8)
    found = digits_dvs.saccade_events(image[None, None])[0].numpy()
    expected = events_by_hand(image.double().numpy())
    # Logarithms are rounded to 1/1024 in the one, so an event may come a step earlier or later; nearly none does.
    assert found.sum() > 200
    assert (found != expected).sum() <= 4
    assert abs(found.sum(0) - expected.sum(0)).max() <= 1


def test_what_leaves_comes_back():
    """The triangle closes: each pixel ends within one threshold of where it began, ON and OFF events balance."""
    digits = load_dataset("digits").test.images[:50]
    events = digits_dvs.saccade_events(digits).long().sum(1)
    assert (events[:, 0] - events[:, 1]).abs().max() <= 1
    assert not digits_dvs.saccade_events(torch.zeros(1, 1, 8, 8, dtype=torch.uint8)).any()


def test_noise_adds_events_at_its_rate_and_is_the_same_for_the_same_seed():
    digits = load_dataset("digits").test.images[:50]
    clean = digits_dvs.saccade_events(digits)
    noisy = digits_dvs.saccade_events(digits, noise=0.05, seed=3)
    added = (noisy - clean).float()
    assert set(added.unique().tolist()) == {0.0, 1.0}
    assert added.mean().item() == pytest.approx(0.05, abs=5 * math.sqrt(0.05 * 0.95 / added.numel()))
    assert torch.equal(noisy, digits_dvs.saccade_events(digits, noise=0.05, seed=3))
    assert not torch.equal(noisy, digits_dvs.saccade_events(digits, noise=0.05, seed=4))


def test_simulated_digits_are_marked_and_their_frames_lead_with_time():
    data, still = load_dataset("digits-dvs", timesteps=4), load_dataset("digits")
    assert data.simulated
    assert (data.shape, data.train.timed, data.classes) == ((2, 10, 10), True, still.classes)
    assert torch.equal(data.test.labels, still.test.labels)
    frames = data.test.head(3)
    inputs = data.normalise(frames)
    assert inputs.shape == (4, 3, 2, 10, 10)
    assert torch.equal(inputs, frames.transpose(0, 1).float())
    assert inputs.flatten(0, 1).is_contiguous(memory_format=torch.channels_last)
    once = load_dataset("digits-dvs", timesteps=1)
    assert torch.equal(once.test.images[:, 0].long(), data.test.images.long().sum(1))
    assert once.sha256 != data.sha256


def test_frames_add_up_their_own_steps():
    counts = torch.arange(6, dtype=torch.uint8).reshape(1, 6, 1, 1, 1).expand(2, 6, 2, 3, 3)
    assert to_frames(counts, 3, "x")[0, :, 0, 0, 0].tolist() == [0 + 1, 2 + 3, 4 + 5]
    with pytest.raises(ModelInputError, match="cannot be divided into T4: choose one of T1, T2, T3, T6"):
        to_frames(counts, 4, "x")


def test_the_same_events_are_known_in_whatever_frames(released):
    one, four = (load_dataset("digits-dvs", timesteps=steps) for steps in (1, 4))
    assert one.sha256 != four.sha256
    assert one.events_sha256 == four.events_sha256 is not None
    assert load_dataset("digits").events_sha256 is None
    two, ten = (cifar10_dvs.load(released[0], False, steps) for steps in (2, 10))
    assert two.sha256 != ten.sha256
    assert two.events_sha256 == ten.events_sha256 not in (None, one.events_sha256)


def test_events_need_a_number_of_steps():
    with pytest.raises(ModelInputError, match="--timesteps"):
        load_dataset("digits-dvs")


def nearest(frames, size=48):
    """By index: the pixel whose centre is nearest to the centre of the new one."""
    index = [int((i + 0.5) * frames.shape[-1] / size) for i in range(size)]
    return frames[..., index, :][..., index]


@pytest.fixture
def recordings(tmp_path):
    """Ten recordings of each class in tonic's folders, of 40 random events each, and the events."""
    generator = np.random.default_rng(0)
    events = {}
    for name in cifar10_dvs.CLASSES:
        (tmp_path / name).mkdir()
        for number in range(10):
            times = np.sort(generator.integers(0, 1000, 40))
            times[0], times[-1] = 0, 1000
            values = [(int(t), *map(int, generator.integers(0, 128, 2)), int(generator.integers(2))) for t in times]
            path = tmp_path / name / f"cifar10_{name}_{number}.aedat4"
            aedat4.write(path, values)
            events[path] = values
    return tmp_path, events


@pytest.mark.slow
@pytest.mark.needs("tonic", "aedat")
def test_recordings_become_frames_of_equal_time(recordings):
    root, events = recordings
    data = cifar10_dvs.load(root, False, 2)
    assert (len(data.train), len(data.test), data.shape, data.simulated) == (90, 10, (2, 48, 48), False)
    assert data.test.labels.tolist() == list(range(10))
    for label, name in enumerate(cifar10_dvs.CLASSES):
        counts = torch.zeros(2, 2, 128, 128)
        for t, x, y, on in events[root / name / f"cifar10_{name}_9.aedat4"]:
            if t < 1000:
                counts[int(t >= 500), on, y, x] += 1
        got = data.test.images[label].float()
        # Whether the very last event still belongs to the last window is tonic's choice.
        assert (got - nearest(counts)).abs().sum() <= 1
    (root / "cat/cifar10_cat_3.aedat4").write_bytes((root / "cat/cifar10_cat_3.aedat4").read_bytes()[:-100])
    with pytest.raises(ModelInputError, match=r"cifar10_cat_3\.aedat4 is damaged.*unpack cat\.zip anew"):
        cifar10_dvs.load(root, False, 2)


def test_recordings_without_tonic_say_what_to_install(recordings, monkeypatch):
    monkeypatch.setitem(sys.modules, "tonic.io", None)
    with pytest.raises(DatasetUnavailableError, match=r"install inflor-bench\[events\]"):
        cifar10_dvs.load(recordings[0], False, 2)


@pytest.mark.slow
@pytest.mark.needs("tonic")
def test_a_class_of_too_few_recordings_is_named(recordings):
    for path in (recordings[0] / "airplane").iterdir():
        path.unlink()
    with pytest.raises(ModelInputError, match="airplane holds 0 recordings"):
        cifar10_dvs.load(recordings[0], False, 2)


@pytest.fixture
def released(tmp_path):
    """Frames as the code of the paper reads them: `<index>.pt`, each (frames [10, 2, 128, 128], label [1])."""
    generator = torch.Generator().manual_seed(0)
    kept = {}
    for split, count in (("train", 4), ("test", 2)):
        (tmp_path / split).mkdir()
        for index in range(count):
            frames = torch.poisson(torch.full((10, 2, 128, 128), 0.2), generator=generator)
            torch.save((frames, torch.tensor([index])), tmp_path / split / f"{index}.pt")
            kept[split, index] = frames
    return tmp_path, kept


def test_released_frames_are_read_and_added_up(released):
    root, kept = released
    data = cifar10_dvs.load(root, False, 5)
    assert (data.train.images.dtype, data.train.images.shape) == (torch.uint8, (4, 5, 2, 48, 48))
    assert data.train.labels.tolist() == [0, 1, 2, 3]
    expected = nearest(kept["test", 1]).reshape(5, 2, 2, 48, 48).sum(1)
    assert torch.equal(data.test.images[1].float(), expected)
    with pytest.raises(ModelInputError, match="10 steps of 'cifar10-dvs' cannot be divided into T4"):
        cifar10_dvs.load(root, False, 4)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ("truncated", "is damaged"),
        ("pickle", "is damaged, or holds more than tensors"),
        ("missing", "0.pt is missing"),
        ("label", "does not hold frames"),
        ("shape", "does not hold frames"),
        ("steps", "has 9 steps"),
    ],
)
def test_a_damaged_frame_file_is_named(released, bomb, damage, sentence):
    root, kept = released
    path = root / "train" / ("0.pt" if damage == "missing" else "2.pt")
    frames = kept["train", 2]
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:5000])
    elif damage == "pickle":
        path.write_bytes(bomb)
    elif damage == "missing":
        path.unlink()
    elif damage == "label":
        torch.save((frames, torch.tensor([10])), path)
    elif damage == "shape":
        torch.save((frames[0], torch.tensor([1])), path)
    else:
        torch.save((frames[:9], torch.tensor([1])), path)
    with one_sentence(ModelInputError, sentence, path):
        cifar10_dvs.load(root, False, 1)


def test_absence_names_both_formats(tmp_path):
    with pytest.raises(DatasetUnavailableError, match=r"tonic's recordings.*released frames.*--data-root"):
        cifar10_dvs.load(tmp_path, False, 2)
