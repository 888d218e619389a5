"""A plugin of pytest: models are measured inside of tests. Loading it imports pytest and nothing else.

    @pytest.mark.efficiency(ac="<= 3.2e6", accuracy=">= 0.9")
    def test_it_stays_small(efficiency):
        record = efficiency(build(), images, labels, timesteps=4)
        assert record.spikes.mean_firing_rate < 0.2

`--efficiency-out DIR` writes all that a session measured into one run file in DIR/runs. `--efficiency-base RUN|BRANCH`
judges it in the end, by a run file or by the newest comparable run of a history; a regression fails the session.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from inflor_bench.user_model.in_test import Efficiency, Session

_SESSION: pytest.StashKey[Session] = pytest.StashKey()
_JUDGED: pytest.StashKey[list[str]] = pytest.StashKey()
_WORKER = "inflor_bench"  # the key by which a worker of xdist is told where to write to


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add our options."""
    group = parser.getgroup("efficiency", "efficiency of models (inflor-bench)")
    group.addoption("--efficiency-out", type=Path, metavar="DIR", help="write what tests measure into a run file here")
    group.addoption(
        "--efficiency-base",
        metavar="RUN|BRANCH",
        help="judge it by this run file, or by this history",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Open the run that tests write into, where one was asked for."""
    config.addinivalue_line(
        "markers", "efficiency(**limits): budgets of what the fixture `efficiency` measures, such as ac='<= 3.2e6'"
    )
    out, base = config.getoption("--efficiency-out"), config.getoption("--efficiency-base")
    if out is None:
        if base is not None:
            raise pytest.UsageError("--efficiency-base judges a run, and none is written: give --efficiency-out, too.")
        return
    from inflor_bench.errors import InputError
    from inflor_bench.user_model.in_test import Session

    told = getattr(config, "workerinput", {}).get(_WORKER)
    try:
        config.stash[_SESSION] = Session.of_worker(told) if told else Session.opened(out / "runs", base)
    except InputError as error:
        raise pytest.UsageError(str(error)) from None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of xdist where the run is."""
    if session := node.config.stash.get(_SESSION, None):
        node.workerinput[_WORKER] = session.told


@pytest.fixture
def efficiency(request: pytest.FixtureRequest) -> Efficiency:
    """What measures a model: `record = efficiency(model, inputs, labels)`; see `user_model.in_test.Efficiency`.

    It is timed where the test also asks for the fixture `benchmark` of pytest-benchmark.
    """
    from inflor_bench.user_model.in_test import Efficiency

    return Efficiency(request, request.config.stash.get(_SESSION, None))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the run file, and judge it."""
    run = session.config.stash.get(_SESSION, None)
    if run is None or hasattr(session.config, "workerinput"):
        return
    session.config.stash[_JUDGED], regressed = run.finish()
    if regressed and exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say where the run file is, and what was found."""
    if lines := config.stash.get(_JUDGED, []):
        terminalreporter.section("efficiency")
        for line in lines:
            terminalreporter.write_line(line)
