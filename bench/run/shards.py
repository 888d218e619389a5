"""A suite split by hand: `--shard 2/8` is the second of eight parts. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from inflor_bench.errors import SuiteInputError

T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """Part `index` (from 1) of `count`. Its text is how it is written, "2/8"."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read "2/8".

        Raises:
            SuiteInputError: it is no shard.
        """
        match = re.fullmatch(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,5})", text)
        if match is None or int(match[1]) > int(match[2]):
            raise SuiteInputError(f"--shard {text!r} is no part of a suite: write such as 2/8, from 1/8 to 8/8.")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def of(self, entries: Sequence[T]) -> list[T]:
        """This part: every `count`-th entry, so that neighbours, which cost about the same, go to different parts."""
        return list(entries[self.index - 1 :: self.count])
