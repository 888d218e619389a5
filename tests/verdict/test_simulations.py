"""The gate and the change points on simulated jobs: how often they cry wolf, and how often they find what is there."""

import pytest

from inflor_bench.verdict.timed_pairs import LOOKS
from tests.verdict import simulated_suites as suites
from tests.verdict.simulated_jobs import SUITE_TESTS, Noise, alarms, changes_found, first_alarms


@pytest.mark.slow
def test_of_a_thousand_comparisons_where_nothing_changed_at_most_five_are_alarms():
    assert alarms(1000, 1.0, seed=1)[0] <= 5


@pytest.mark.slow
def test_neighbours_that_slow_both_of_a_pair_neither_alarm_nor_hide_a_slowdown():
    noisy = Noise(process=0.03, pair=0.12)
    assert alarms(1000, 1.0, seed=5, noise=noisy)[0] <= 5
    assert alarms(300, 1.1, seed=6, noise=noisy)[0] >= 270


@pytest.mark.slow
def test_nine_of_ten_slowdowns_of_5_percent_are_found():
    assert alarms(300, 1.05, seed=2)[0] >= 270


@pytest.mark.slow
def test_10_percent_are_found_among_the_tests_of_the_default_suite():
    assert alarms(300, 1.1, seed=12, noise=Noise(process=0.03), tests=SUITE_TESTS)[0] >= 285


@pytest.mark.slow
def test_where_noise_hides_10_percent_it_ends_at_the_first_look_and_still_finds_half_the_speed():
    loud = Noise(process=0.15)
    quiet, pairs = alarms(1000, 1.0, seed=14, noise=loud)
    assert quiet <= 5
    assert pairs == min(LOOKS)
    assert alarms(300, 2.0, seed=16, noise=loud)[0] >= 285


@pytest.mark.slow
def test_change_points_alarm_in_at_most_5_percent_of_quiet_histories_looked_at_after_every_run():
    assert len(first_alarms(200, 100, seed=3)) <= 10


@pytest.mark.slow
def test_a_change_of_10_percent_is_shown_where_it_is_once_20_runs_have_seen_it():
    assert changes_found(200, 1.1, 20, seed=4) >= 180


@pytest.mark.slow
def test_whole_jobs_of_the_default_suite_do_not_cry_wolf():
    """If 0.5 % did, more than two of 200 jobs would in one of twelve such tests."""
    assert sum(comparison.exit_code for comparison in suites.jobs(200, 7, suites.QUIET)) <= 2


@pytest.mark.slow
@pytest.mark.parametrize("case", suites.CASES, ids=lambda case: case[0])
def test_whole_jobs_of_the_default_suite_find_what_is_there(case):
    _, changes, ratio, metric = case
    assert suites.found_in(suites.jobs(60, 8, suites.QUIET, changes, ratio), metric) >= 57
