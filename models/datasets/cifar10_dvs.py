"""CIFAR10-DVS, 10,000 recordings by a 128x128 sensor (Li et al., Frontiers in Neuroscience 2017), as frames of 48x48.

Two formats are read:

- `<class>/*.aedat4`, the recordings as tonic unpacks them, where tonic is installed. The data set has no split of its
  own: the last tenth of each class, in the order of the files' names, is the test split here.
- `train/<index>.pt` and `test/<index>.pt`, the frames that the code of the paper reads: each a pair of frames
  [10, 2, H, W] and a label, loaded without running any pickle. T divides their number of steps.

Frames count events by polarity in windows of equal time; a smaller frame takes the nearest pixels, as released.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from inflor_bench.errors import ModelInputError
from inflor_bench.models.datasets.dataset import Dataset, DatasetUnavailableError, Split, make_events
from inflor_bench.models.datasets.events import to_frames

NAME = "cifar10-dvs"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIZE = 48
SENSOR = 128
AEDAT4 = b"#!AER-DAT4.0\r\n"
TEST_SHARE = 10  # one recording in so many
REMEDY = (
    "name the folder that holds the folders of tonic's recordings (airplane, ...) or of the released frames (train, "
    "test) with --data-root (or INFLOR_BENCH_DATA)."
)


def load(root: Path | None, download: bool, timesteps: int) -> Dataset:
    """Load from `root`; `download` is left to tonic. Frames are [N, T, 2, 48, 48].

    Raises:
        DatasetUnavailableError: the files are nowhere, or recordings are there and tonic is not installed.
        ModelInputError: a file is missing or damaged, or T does not fit the released frames.
    """
    for directory in [root, root / NAME, root / "CIFAR10DVS"] if root else []:
        if (directory / "train").is_dir() or (directory / "test").is_dir():
            train, test = (_released_frames(directory / split, timesteps) for split in ("train", "test"))
            return make_events(NAME, CLASSES, train, test)
        if any((directory / name).is_dir() for name in CLASSES):
            train, test = _recordings(directory, timesteps)
            return make_events(NAME, CLASSES, train, test)
    where = f"is not under {root}" if root else "is in no folder that was named"
    raise DatasetUnavailableError(f"CIFAR10-DVS {where}: {REMEDY}")


def _released_frames(directory: Path, timesteps: int) -> Split:
    paths = list(directory.glob("*.pt"))
    if not paths:
        raise ModelInputError(f"{directory} holds no <index>.pt: {REMEDY}")
    frames, labels, steps = [], [], 0
    for index in range(len(paths)):
        path = directory / f"{index}.pt"
        values, label = _read_pair(path)
        steps = steps or len(values)
        if len(values) != steps:
            raise ModelInputError(f"{path} has {len(values)} steps, those before it {steps}: copy it anew.")
        small = to_frames(resize(values)[None], timesteps, NAME)[0]
        frames.append(small)
        labels.append(label)
    return Split(_as_counts(torch.stack(frames)), torch.tensor(labels))


def _read_pair(path: Path) -> tuple[Tensor, int]:
    try:
        pair = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ModelInputError(
            f"{path} is missing: the files are numbered from 0 without a gap: copy it anew."
        ) from None
    except Exception:  # damaged or hostile bytes lead to errors of any kind
        raise ModelInputError(f"{path} is damaged, or holds more than tensors: copy it anew.") from None
    if isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], Tensor):
        frames, label = pair[0], torch.as_tensor(pair[1])
        if frames.ndim == 4 and frames.shape[1] == 2 and label.numel() == 1 and 0 <= int(label) < len(CLASSES):
            return frames.float(), int(label)
    raise ModelInputError(
        f"{path} does not hold frames [T, 2, H, W] and a label from 0 to {len(CLASSES) - 1}: copy it anew."
    )


def _recordings(directory: Path, timesteps: int) -> tuple[Split, Split]:
    try:
        from tonic.io import read_aedat4
        from tonic.transforms import ToFrame
    except ImportError:
        raise DatasetUnavailableError(
            f"{directory} holds recordings that tonic reads, which is not installed: install inflor-bench[events]."
        ) from None
    to_frame = ToFrame(sensor_size=(SENSOR, SENSOR, 2), n_time_bins=timesteps)
    frames: tuple[list[Tensor], list[Tensor]] = ([], [])
    labels: tuple[list[int], list[int]] = ([], [])
    for label, name in enumerate(CLASSES):
        paths = sorted((directory / name).glob("*.aedat4"))
        held_out = len(paths) // TEST_SHARE
        if not held_out:
            raise ModelInputError(
                f"{directory / name} holds {len(paths)} recordings, fewer than {TEST_SHARE}: unpack {name}.zip anew."
            )
        for number, path in enumerate(paths):
            try:
                check_sizes(path.read_bytes())
                events = read_aedat4(str(path))
                # The decoder's names for the fields are not those that tonic's transforms know.
                events.dtype.names = ("t", "x", "y", "p")
                counts = torch.from_numpy(to_frame(events).astype(np.float32))
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as error:  # the decoder's errors are of many kinds; a panic of it is no Exception
                raise ModelInputError(f"{path} is damaged ({error}): unpack {name}.zip anew.") from None
            in_test = number >= len(paths) - held_out
            frames[in_test].append(_as_counts(resize(counts)))
            labels[in_test].append(label)
    train, test = (Split(torch.stack(kept), torch.tensor(of)) for kept, of in zip(frames, labels, strict=True))
    return train, test


def check_sizes(content: bytes) -> None:
    """Check that no part of an AEDAT 4 file is said to be larger than the file.

    The decoder believes what is said and allocates as much, up to 4 GiB, and ends the process where that fails.

    Raises:
        ValueError: a part is.
    """
    (size,) = struct.unpack_from("<I", content, len(AEDAT4))
    place = len(AEDAT4) + 4 + size
    header = content[len(AEDAT4) + 4 : place]
    (root,) = struct.unpack_from("<I", header)
    vtable = root - struct.unpack_from("<i", header, root)[0]
    (fields,) = struct.unpack_from("<H", header, vtable)
    (field,) = struct.unpack_from("<H", header, vtable + 6) if fields > 6 else (0,)
    (table,) = struct.unpack_from("<q", header, root + field) if field else (-1,)  # of all packets; behind the last
    end = table if 0 < table <= len(content) else len(content)
    while place + 8 <= end:
        place += 8 + struct.unpack_from("<I", content, place + 4)[0]
    if place > len(content):
        raise ValueError("a part is larger than the file")


def resize(frames: Tensor) -> Tensor:
    """Frames [T, 2, 48, 48] of the nearest pixels of frames [T, 2, H, W], as torchvision's and PIL's resizing take."""
    return interpolate(frames, size=(SIZE, SIZE), mode="nearest-exact")


def _as_counts(frames: Tensor) -> Tensor:
    """The same values as uint8 where they are counts below 256, else as they are."""
    counts = frames.to(torch.uint8)
    return counts if torch.equal(counts.float(), frames) else frames
