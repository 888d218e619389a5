"""The search in real repositories, with values that are made up: where the change is, skips, and nothing touched."""

import pytest

from inflor_bench.bisect.search import first_bad, steps_at_most
from inflor_bench.errors import SuiteInputError


@pytest.fixture
def line(repository):
    """Seventeen commits in a row: a good one and sixteen after it."""
    return [repository.commit(f"Commit {number}", a=str(number)) for number in range(17)]


def state(repository):
    """All that a search could disturb."""
    files = {
        path: path.read_bytes() for path in repository.path.rglob("*") if path.is_file() and ".git" not in path.parts
    }
    watched = (".git/HEAD", ".git/index", ".git/logs/HEAD")
    return (
        files,
        [(repository.path / name).read_bytes() for name in watched],
        repository.git("for-each-ref"),
        repository.git("worktree", "list"),
        sorted(path.name for path in (repository.path / ".git").glob("BISECT*")),
    )


@pytest.mark.parametrize("place", [1, 2, 8, 9, 16])
def test_the_commit_is_found_wherever_it_is_in_as_few_steps_as_can_be(repository, line, place):
    (repository.path / "a.txt").write_text("changed and not committed")
    before = state(repository)
    asked = []

    def ask(commit):
        asked.append(commit)
        return "bad" if line.index(commit) >= place else "good"

    assert first_bad(repository.path, line[0], line[-1], ask) == [line[place]]
    assert len(asked) <= steps_at_most(repository.path, line[0], line[-1]) == 4
    assert len(set(asked) & {line[0], line[-1]}) == 0
    assert state(repository) == before


def test_a_search_of_the_users_own_goes_on_as_if_nothing_was(repository, line):
    repository.git("bisect", "start", line[9], line[1])
    before = state(repository)
    assert first_bad(repository.path, line[0], line[-1], lambda commit: "bad") == [line[1]]
    assert state(repository) == before
    assert "BISECT_LOG" in before[-1]


def test_what_cannot_be_measured_is_passed_over(repository, line):
    def ask(commit):
        number = line.index(commit)
        return "skip" if number in (4, 8, 12) else "bad" if number >= 6 else "good"

    assert first_bad(repository.path, line[0], line[-1], ask) == [line[6]]


def test_where_it_lies_among_those_that_cannot_be_measured_all_are_named(repository, line):
    def ask(commit):
        number = line.index(commit)
        return "skip" if 5 <= number < 9 else "bad" if number >= 9 else "good"

    assert set(first_bad(repository.path, line[0], line[-1], ask)) == set(line[5:10])


def test_a_commit_of_a_branch_that_was_merged_is_found(repository, line):
    repository.git("checkout", "-q", "-b", "side", line[5])
    (repository.path / "b.txt").write_text("side")
    side = [repository.commit(f"Side {number}", b=str(number)) for number in range(3)]
    repository.git("checkout", "-q", "main")
    repository.git("merge", "-q", "-m", "Merge", "side")
    merge = repository.git("rev-parse", "HEAD")

    def ask(commit):
        contains = side[1] in repository.git("rev-list", commit).split()

        return "bad" if contains else "good"

    assert first_bad(repository.path, line[0], merge, ask) == [side[1]]


def test_two_neighbours_need_no_step(repository, line):
    assert first_bad(repository.path, line[3], line[4], lambda commit: 1 / 0) == [line[4]]
    assert steps_at_most(repository.path, line[3], line[4]) == 0


def test_a_search_that_is_stopped_leaves_nothing(repository, line):
    before = state(repository)

    def ask(commit):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        first_bad(repository.path, line[0], line[-1], ask)
    assert state(repository) == before


@pytest.mark.parametrize(("good", "bad"), [(8, 3), (4, 4)])
def test_a_good_commit_that_is_no_earlier_one_is_refused(repository, line, good, bad):
    with pytest.raises(SuiteInputError, match=f"{line[bad][:12]} does not stand on {line[good][:12]}"):
        first_bad(repository.path, line[good], line[bad], lambda commit: 1 / 0)
