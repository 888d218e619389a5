"""The benchmark of a user's own model: one test, one record. It imports no models of ours.

`inflor-bench measure` runs this file by pytest (`user_model.process`).
"""

from __future__ import annotations

from inflor_bench.user_model.process import OwnRun


def test_own(cell: str, own: OwnRun) -> None:
    own.store({**own.count(), **own.time()})
