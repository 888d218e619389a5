"""Inputs that are graded: whole numbers, or one scale times whole numbers.

Multi-bit spikes and quantised activations are: a chip may hold them in few bits. Told apart is an input by what it held
over the whole run, element by element: its distinct magnitudes, compared as they are. That they are multiples of one
scale is proven of them in fractions: there is a scale of which each magnitude is the multiple, as near as its number
format comes to it (1/3, 2/3 and 1 are thirds in every format).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import Tensor

# Levels that an input has at most, and how often the greatest may hold the scale: what 8 bits say.
MOST = 255
# So many elements are looked at before all are.
FEW = 4096


class Magnitudes:
    """The distinct magnitudes besides 0 of an input over the run, as long as it may yet be graded."""

    def __init__(self) -> None:
        self._known: list[float] = []
        # Spacing of the numbers from 1 on, of the coarsest format that was seen; 0 of whole numbers alone.
        self._spacing = 0.0
        self._graded = True

    def see(self, x: Tensor) -> None:
        """Add an input. Nothing is done any more where an earlier one, or the first elements of this, settled it."""
        if not self._graded or not x.numel():
            return
        values = x.detach().reshape(-1)
        self._look(values[:FEW])
        if self._graded and len(values) > FEW:
            self._look(values[FEW:])

    def levels(self, *, unit: bool) -> int | None:
        """How many there are, with 1 where one was seen (`unit`); None where the input is not graded, or binary."""
        found = sorted({*self._known, *([1.0] if unit else [])})
        graded = self._graded and found not in ([], [1.0]) and is_graded(found, self._spacing)
        return len(found) if graded else None

    def _look(self, values: Tensor) -> None:
        if values.is_floating_point():
            self._spacing = max(self._spacing, torch.finfo(values.dtype).eps)
            values = values.abs() if values.dtype in (torch.float32, torch.float64) else values.float().abs()
        elif values.is_complex():
            self._graded = False
            return
        else:
            values = values.to(torch.float64).abs()
        table = torch.tensor([0.0, *self._known], dtype=torch.float64)
        table = table[table.to(values.dtype).to(torch.float64) == table].to(values)
        unknown = _not_in(table, values)
        for part in (unknown[:FEW], unknown[FEW:]):
            if len(part):
                found = {*self._known, *torch.unique(part).tolist()}
                self._known = sorted(found)
                self._graded = is_graded(self._known, self._spacing)
            if not self._graded:
                return


def _not_in(table: Tensor, values: Tensor) -> Tensor:
    """The values that are not in a table in order. Few are compared one by one, which is faster than a search."""
    if len(table) <= 16:
        known = values == table[0]
        for value in table[1:]:
            known |= values == value
    else:
        known = table[torch.bucketize(values, table).clamp_(max=len(table) - 1)] == values
    return values[:0] if bool(known.all()) else values[~known]


def is_graded(magnitudes: Sequence[float], spacing: float) -> bool:
    """Whether magnitudes, in order, are whole numbers, or whole multiples of one scale, up to `MOST` of them.

    `spacing` is that of their format from 1 on: a multiple is held by the nearest number of that format.
    """
    if len(magnitudes) > MOST or not all(map(math.isfinite, magnitudes)):
        return False
    # Beyond 2**53 not every whole number is one of the format's, and every number is a whole one.
    if magnitudes[-1] < 2**53 and all(value.is_integer() for value in magnitudes):
        return True
    ranges = [_held(value, spacing) for value in magnitudes]
    smallest = Fraction(magnitudes[0])
    for first in range(1, MOST + 1):  # how often the smallest magnitude holds the scale
        low, high = (bound / first for bound in ranges[0])
        for value, (least, most) in zip(magnitudes, ranges, strict=True):
            times = round(Fraction(value) * first / smallest)
            if times > MOST:
                return False
            low, high = max(low, least / times), min(high, most / times)
            if low > high:  # half-way between two numbers of the format, both are as near
                break
        else:
            return True
    return False


def _held(value: float, spacing: float) -> tuple[Fraction, Fraction]:
    """Between which numbers lies all that is rounded to this one."""
    fraction, exponent = math.frexp(value)
    half = Fraction(spacing) * Fraction(2) ** (exponent - 1) / 2
    below = half / 2 if fraction == 0.5 else half  # below a power of two numbers are twice as dense
    return Fraction(value) - below, Fraction(value) + half
