import pytest

from inflor_bench.errors import TrackInputError
from inflor_bench.git.repository import Ancestry, ancestry, git_state, stored_ancestry
from inflor_bench.record.run_file import read_run
from inflor_bench.verdict.accepted import Accepted, read_accepted
from inflor_bench.verdict.compare import judge
from tests.record.builders import make_git, make_record, sha, write_run

CELL = "digits/resnet8/soft-mpr/T4/s0"


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_read(tmp_path):
    path = write(
        tmp_path / "accepted.toml",
        '[[accepted]]\ncell = "digits/*"\nmetric = "ac"\ncommit = "3f2a9c1"\nreason = "Twice the channels."\n',
    )
    entry = Accepted(cell="digits/*", metric="ac", commit="3f2a9c1", reason="Twice the channels.")
    assert read_accepted(path) == (entry,)
    assert read_accepted(write(tmp_path / "empty.toml", "# nothing\n")) == ()


GOOD = 'cell = "*"\nmetric = "ac"\ncommit = "3f2a9c1"\nreason = "x"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[accepted]\n", "is not TOML"),
        ("[[acepted]]\n" + GOOD, "key 'acepted': extra inputs"),
        ("[[accepted]]\n" + GOOD + 'resaon = "y"\n', r"key 'accepted\.0\.resaon': extra inputs"),
        ("[[accepted]]\n" + GOOD.replace('reason = "x"\n', ""), r"key 'accepted\.0\.reason': field required"),
        ("[[accepted]]\n" + GOOD.replace('"x"', '""'), r"key 'accepted\.0\.reason': .*at least 1"),
        ("[[accepted]]\n" + GOOD.replace('"3f2a9c1"', '"main"'), r"key 'accepted\.0\.commit': .*pattern"),
        ("[[accepted]]\n" + GOOD.replace('"3f2a9c1"', "1234567"), r"key 'accepted\.0\.commit': .*string"),
        ("accepted = 3\n", "key 'accepted': .*list"),
        ("a = " + "[" * 5000 + "]" * 5000, "is not TOML"),
    ],
)
def test_a_wrong_file_is_one_sentence(tmp_path, text, words):
    path = write(tmp_path / "accepted.toml", text)
    with pytest.raises(TrackInputError, match=words) as caught:
        read_accepted(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).endswith(": correct it.")


def test_a_missing_file_is_an_error_too(tmp_path):
    with pytest.raises(TrackInputError, match="does not exist"):
        read_accepted(tmp_path / "accepted.toml")


@pytest.fixture
def measure(tmp_path):
    """A function that measures (in pretence) a commit with a firing rate, and gives the run."""

    def measure(git, rate):
        record = make_record(CELL, firing_rate=rate, provenance={"git": git, "run_id": git.sha[:8]})
        return read_run(write_run(tmp_path / f"{git.sha[:8]}.json", [record]))

    return measure


def entry(commit, **changes):
    return Accepted(**{"cell": "digits/*", "metric": "*", "commit": commit, "reason": "It learns more.", **changes})


def test_an_entry_covers_its_commit_and_is_spent_once_the_baseline_has_it(repository, measure):
    states = []
    for name in "abcd":
        repository.commit(name, a=name)
        states.append(git_state(repository.path))
    runs = [measure(state, rate) for state, rate in zip(states, (0.2, 0.25, 0.25, 0.3), strict=True)]
    known = [ancestry(repository.path, state.sha) for state in states]
    accepted = [entry(states[1].sha[:7])]

    def code(base, head):
        return judge(runs[base], runs[head], accepted, ancestries=(known[base], known[head])).exit_code

    assert judge(runs[0], runs[1]).exit_code == 1
    assert code(0, 1) == 0  # the commit itself
    assert code(0, 2) == 0  # and what stands on it
    assert code(1, 3) == 1  # a later regression is another one
    assert code(2, 3) == 1


def test_an_entry_covers_its_cells_and_metrics_only(measure):
    base, head = measure(make_git("base", parent=None), 0.2), measure(make_git("head", parent="base"), 0.25)
    commit = head.git.sha

    def accepted(*entries):
        comparison = judge(base, head, entries)
        return {finding.metric for finding in comparison.findings if finding.verdict == "accepted"}

    assert accepted(entry(commit)) == {"spikes", "ac"}
    assert accepted(entry(commit, metric="ac")) == {"ac"}
    assert accepted(entry(commit, cell="fashion-mnist/*")) == set()
    assert accepted(entry("0" * 40)) == set()
    comparison = judge(base, head, [entry(commit[:7])])
    assert comparison.exit_code == 0
    assert comparison.findings[0].reason.endswith(f"accepted in {commit[:7]}: It learns more.")


def test_improvements_are_not_accepted_but_improved(measure):
    base, head = measure(make_git("base", parent=None), 0.2), measure(make_git("head", parent="base"), 0.1)
    comparison = judge(base, head, [entry(head.git.sha)])
    assert comparison.counts["accepted"] == 0
    assert comparison.counts["improved"] == 2


def test_an_entry_hides_nothing_where_it_is_not_known_whether_the_base_had_its_commit(measure):
    """The head says of itself that it stands on the accepted commit; of the base nothing but its parent is known."""
    base = measure(make_git("base", parent="older"), 0.2)
    head = measure(make_git("head", parent="base", base_sha=sha("spent", 40)), 0.25)
    spent = entry(sha("spent", 40))
    comparison = judge(base, head, [spent])
    assert comparison.exit_code == 1
    assert "whether" in comparison.findings[0].reason
    assert "fetch the history of both" in comparison.findings[0].reason
    known = Ancestry((base.git.sha, sha("spent", 40)), (), complete=False)
    assert judge(base, head, [spent], ancestries=(known, stored_ancestry(head.git))).exit_code == 1
    without = Ancestry((base.git.sha,), (), complete=True)
    assert judge(base, head, [spent], ancestries=(without, stored_ancestry(head.git))).exit_code == 0
