"""SIGKILL at random moments, the short way; `python -m tests.faults.kill --moments 50` is the long one."""

import pytest

from tests.faults.kill import kill_often


@pytest.mark.slow
def test_what_was_finished_outlives_a_kill(tmp_path):
    tally = kill_often(3, 1, tmp_path)
    assert sum(tally.killed.values()) == 3
    assert tally.wrong == []
