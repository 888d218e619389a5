"""Tests marked `needs("chromium", ...)` run where that is there; each worker of xdist has processors of its own."""

import os

import pytest
from hypothesis import settings

from tests.needs import need
from tests.repository import Repository

# Imports of scipy and a busy machine are no failures: nothing here asserts on seconds.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_configure() -> None:
    """Give a worker, and all that it starts, its share of the processors, by which torch chooses its threads.

    Threads of two workers on one processor wait for each other at every operator. A worker more than there are
    processors shares one: much of what is tested waits. A process that a test starts is no
    worker itself: where pytest runs in it, it may time what it runs.
    """
    variables = {name: os.environ.pop(name) for name in sorted(os.environ) if name.startswith("PYTEST_XDIST_")}
    if "PYTEST_XDIST_WORKER" in variables:
        worker = int(variables["PYTEST_XDIST_WORKER"].removeprefix("gw"))
        processors = sorted(os.sched_getaffinity(0))
        share = processors[worker % len(processors) :: int(variables["PYTEST_XDIST_WORKER_COUNT"])]
        os.sched_setaffinity(0, share)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        need(*mark.args)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """An empty git repository; git asks for no configuration of the user's."""
    home = tmp_path / "home"
    home.mkdir()
    for variable in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(variable, str(home))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return Repository(tmp_path / "repository", home)
