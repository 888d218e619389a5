"""One pass over an operator's input: how often each position is non-zero, and how many elements have magnitude 1.

Everything is exact. On a CPU the pass is native where a compiler is found (`measure.native`); the rest of this
page is the way of torch's own operators, with the same results. Masks are bytes, summed over at most 255 rows in bytes
and from there in int64. Whether an element is 1 or -1 is proven element by element, never inferred from a rounded sum:

- Where all values lie in [-1, 1], truncation to int8 leaves 1 and -1 and makes every fraction 0.
- Elsewhere x * x - 1 is evaluated. Rounded to nearest it is 0 only where |x| is 1: the neighbours of 1 differ from it
  by one unit in the last place, their squares by about two.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from inflor_bench.measure import native

_BYTE = 255


def sum_rows(mask: Tensor) -> Tensor:
    """Sum a mask of zeros and ones (bool, uint8 or int8) [R, M] over its rows: [M], uint8 or int64."""
    rows, columns = mask.shape
    if rows <= _BYTE:
        return _sum_bytes(mask)
    ones = mask.view(torch.uint8)
    groups = rows // _BYTE
    total = _sum_bytes(ones[: groups * _BYTE].view(_BYTE, groups, columns)).sum(0, dtype=torch.int64)
    if rows > groups * _BYTE:
        total += _sum_bytes(ones[groups * _BYTE :])
    return total


def _sum_bytes(ones: Tensor) -> Tensor:
    """Sum at most 255 rows of zeros and ones, bytes [R, ..., M], to uint8 [..., M].

    No byte overflows, so four columns at a time are added as one 32-bit word: a third of the time of a sum of bytes.
    """
    if ones.shape[-1] % 4 or ones.storage_offset() % 4:
        return ones.view(torch.uint8).sum(0, dtype=torch.uint8)
    return ones.view(torch.int32).sum(0, dtype=torch.int32).view(torch.uint8)


def _same_bytes(a: Tensor, b: Tensor) -> bool:
    """Compare two new tensors of bytes, eight at a time where that is possible: bytes alone take five times as long."""
    word = torch.int64 if a.numel() % 8 == 0 else torch.uint8
    return torch.equal(a.view(-1).view(word), b.view(-1).view(word))


@dataclass(frozen=True)
class Occupancy:
    """What one pass over an input [R, M] found.

    `counts` is [M]: rows in which a position is non-zero. `nonzero` is their sum and `unit` the number of elements that
    are 1 or -1: 0-d tensors where the input lives on an accelerator, so that nothing waits. `unit` is None where all
    non-zero elements are known to be.
    """

    counts: Tensor
    nonzero: int | Tensor
    unit: int | Tensor | None


def occupancy(x: Tensor) -> Occupancy:
    """Count the non-zero and the unit-valued elements of x [R, M], contiguous, of any real or bool dtype."""
    found = native.occupancy(x)
    if found is None:
        return eager_occupancy(x)
    counts, nonzero, unit = found
    return Occupancy(counts, nonzero, None if unit == nonzero else unit)


def eager_occupancy(x: Tensor) -> Occupancy:
    """As `occupancy`, by torch's operators alone."""
    mask = x if x.dtype is torch.bool else x.bool()
    counts = sum_rows(mask)
    total = counts.sum(dtype=torch.int64)
    if x.device.type != "cpu":
        return Occupancy(counts, total, None if x.dtype is torch.bool else (x.abs() == 1).sum())
    return Occupancy(counts, int(total), _unit_elements(x, mask, counts))


def _unit_elements(x: Tensor, mask: Tensor, counts: Tensor) -> int | None:
    if x.dtype is torch.bool or x.numel() == 0:
        return None
    if x.is_complex() or x.dtype is torch.int64:
        return int((x.abs() == 1).sum())
    low, high = torch.aminmax(x)
    if low.item() >= -1 and high.item() <= 1:
        truncated = x.to(torch.int8)
        if _same_bytes(truncated, mask):
            return None
        unit = sum_rows(truncated.bitwise_and_(1))
        return None if torch.equal(unit, counts) else int(unit.sum())
    if x.is_floating_point():
        other = torch.addcmul(torch.tensor(-1, dtype=x.dtype), x, x).bool()
        return x.numel() - int(sum_rows(other).sum())
    return int((x.abs() == 1).sum())


class PositionSums:
    """Sums of counts [M] over many calls.

    They are kept in 32 bits as long as they fit, which is much faster than adding to 64 bits; so is adding at the end.
    """

    def __init__(self) -> None:
        self._sum: Tensor | None = None
        self._rows = 0
        self._earlier: Tensor | None = None

    def add(self, counts: Tensor, rows: int) -> None:
        """Add the counts of a call of that many rows."""
        if self._rows + rows >= 1 << 31:
            self._earlier, self._sum, self._rows = self.total(), None, 0
        self._rows += rows
        if self._sum is None:
            self._sum = counts.to(torch.int32 if rows < 1 << 31 else torch.int64, copy=True)
        else:
            self._sum += counts

    def total(self) -> Tensor:
        """The sums so far, int64 [M]. There was at least one call."""
        recent = [tensor.to(torch.int64) for tensor in (self._sum, self._earlier) if tensor is not None]
        return recent[0] if len(recent) == 1 else recent[0] + recent[1]


def flatten_rows(x: Tensor, leading: int) -> tuple[Tensor, tuple[int, ...] | None]:
    """View x as [R, M]: the first `leading` axes are rows. Positions stay in memory order: channels-last is free.

    Returns the matrix and the order of the position axes in it, None where that is the logical order.
    """
    if x.is_contiguous():
        return x.reshape(x.shape[:leading].numel(), x.shape[leading:].numel()), None
    positions = range(leading, x.ndim)
    order = tuple(sorted(positions, key=lambda axis: (-x.stride()[axis], axis)))
    ordered = x.permute(*range(leading), *order).contiguous()
    matrix = ordered.reshape(x.shape[:leading].numel(), x.shape[leading:].numel())
    return matrix, None if order == tuple(positions) else tuple(axis - leading for axis in order)


def scale_of(x: Tensor) -> float | None:
    """Return s where every element of x is 0, s or -s, else None; 0.0 where all are 0."""
    magnitude = x.abs()
    largest = float(magnitude.max()) if x.numel() else 0.0
    return largest if bool(((magnitude == 0) | (magnitude == largest)).all()) else None


def integer_rows(x: Tensor) -> Tensor | None:
    """Sum |x| over the rows of x [R, M], float64 [M], where every element is a whole number, else None."""
    magnitude = x.abs().to(torch.float64)
    if not bool((torch.isfinite(magnitude) & (magnitude == magnitude.round())).all()):
        return None
    return magnitude.sum(0)


def per_row(x: Tensor, fan_out: Tensor) -> Tensor:
    """Effective operations of every row of x [R, M] with the fan-out [M]: int64 [R], in pieces of bounded memory."""
    rows = max(1, (1 << 23) // max(1, x.shape[1]))
    pieces = [torch.mv(piece.bool().to(torch.float64), fan_out) for piece in x.split(rows)]
    return torch.cat(pieces).to(torch.int64) if pieces else torch.zeros(0, dtype=torch.int64)
