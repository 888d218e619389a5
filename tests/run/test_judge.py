"""From run files to exit code, lines and annotations; and the budgets of a suite file by the command line."""

import pytest

from inflor_bench.record.origin import Budget
from inflor_bench.record.run_file import read_run
from inflor_bench.run.judge import judge_here
from inflor_bench.run.suite import load_suite
from tests.command import call
from tests.place import cells, suite
from tests.record.builders import make_record, write_run

CELL = "digits/resnet8/soft-mpr/T4/s0"
SUITE = suite(cells("digits", "soft-mpr", timesteps=4)) + "[[budgets]]\n"


def read(path, **changes):
    return read_run(write_run(path, [make_record(CELL, **changes)]))


@pytest.fixture(autouse=True)
def no_job(monkeypatch):
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)


def test_the_budgets_of_a_suite_file_are_its_limits(tmp_path):
    (tmp_path / "suite.toml").write_text(SUITE + 'cell = "digits/*"\naccuracy = ">= 0.9"\nac_ratio = "<= 1.05"\n')
    assert load_suite(str(tmp_path / "suite.toml")).limits == (
        Budget(cell="digits/*", metric="accuracy", relation=">=", limit=0.9),
        Budget(cell="digits/*", metric="ac_ratio", relation="<=", limit=1.05),
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('acuracy = ">= 0.9"', "budgets[0].acuracy is unknown; use one of accuracy"),
        ('accuracy = "> 0.9"', 'budgets[0].accuracy is no limit; write "<= number"'),
        ("accuracy = 0.9", "budgets"),
    ],
)
def test_a_wrong_budget_ends_the_command_with_2_and_one_sentence(tmp_path, line, words):
    (tmp_path / "suite.toml").write_text(SUITE + line + "\n")
    done = call(tmp_path, "run", "--suite", "suite.toml", check=2)
    assert words in done.stderr
    assert "suite.toml" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / ".bench").exists()


@pytest.mark.parametrize(("limit", "code"), [(0.9, 0), (0.99, 1)])
def test_a_run_without_base_is_judged_by_its_budgets(tmp_path, capsys, limit, code):
    budgets = [Budget(cell="*", metric="accuracy", relation=">=", limit=limit)]
    head = read(tmp_path / "head.json", accuracy=0.95, provenance={"budgets": budgets})
    assert judge_here(None, head).exit_code == code
    out = " ".join(capsys.readouterr().out.split())
    assert ("is broken: 0.95" in out) is bool(code)


def test_a_regression_is_annotated_in_a_job_of_github_alone(tmp_path, capsys, monkeypatch):
    base, head = read(tmp_path / "base.json"), read(tmp_path / "head.json", firing_rate=[0.2, 0.3, 0.2, 0.2])
    suite = tmp_path / "suite.toml"
    suite.touch()
    assert judge_here(base, head, suite=str(suite)).exit_code == 1
    assert "::error" not in capsys.readouterr().out
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    judge_here(base, head, suite=str(suite))
    assert f"::error file={suite}," in capsys.readouterr().out
    judge_here(base, head, suite="default")
    assert "::error title=" in capsys.readouterr().out


def test_the_same_run_twice_is_no_regression(tmp_path):
    assert judge_here(read(tmp_path / "a.json"), read(tmp_path / "b.json")).exit_code == 0
