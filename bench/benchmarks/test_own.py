"""The benchmark of a user's own model: one test, one record. It imports no models of ours.

`inflor-bench measure` runs this file by pytest (`user_model.process`).
"""

from __future__ import annotations

from inflor_bench.user_model.process import ModelRun


def test_own(cell: str, model: ModelRun) -> None:
    model.store({**model.count(), **model.time()})
