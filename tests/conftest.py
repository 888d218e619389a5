"""Tests marked `needs("chromium", ...)` run where that is there."""

import os

import pytest

from tests.needs import need


def pytest_configure() -> None:
    """A process that a test starts is no worker of this session: where pytest runs in it, it may time what it runs."""
    for name in [name for name in os.environ if name.startswith("PYTEST_XDIST_")]:
        del os.environ[name]


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        need(*mark.args)
