"""Cells that are lost, with the reason; the others go on."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager


class CellLostError(Exception):
    """A cell whose process took too long, or ended; the message says why."""


# As torch's allocators of the CPU and of a GPU, and oneDNN, say it.
_NO_MEMORY = ("can't allocate memory", "out of memory", "could not create a primitive")


@contextmanager
def enough_memory() -> Iterator[None]:
    """Turn memory that cannot be had, of this machine or of a GPU, into a cell that is lost; the others go on.

    Raises:
        CellLostError: the memory did not suffice.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        said = str(error)
        if isinstance(error, MemoryError) or any(words in said for words in _NO_MEMORY):
            traceback.clear_frames(error.__traceback__)  # they hold the tensors that filled it
            raise CellLostError("the memory did not suffice: take a smaller batch size, or a larger machine") from None
        raise
