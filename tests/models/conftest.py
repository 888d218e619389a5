"""Tests of the models run eagerly: the results are the same as compiled, and compiling would take minutes."""

import pytest

from models import compilation


@pytest.fixture(autouse=True)
def eager(monkeypatch):
    monkeypatch.setattr(compilation, "compiler_available", lambda: False)
