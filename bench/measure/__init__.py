"""Measuring: what a model knows and what it costs. Takes any torch.nn.Module. Torch is loaded with what needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inflor_bench.measure.synops.counter import SynOpCounter

__all__ = ["SynOpCounter"]


def __getattr__(name: str) -> object:
    if name in __all__:
        from inflor_bench.measure.synops import counter

        return getattr(counter, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
