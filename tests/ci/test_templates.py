"""The jobs for GitHub and GitLab: what checkers say of them, and that nothing may write where others' code runs."""

import configparser
import copy
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from inflor_bench.ci.templates import PLACES, template
from inflor_bench.reports.pages.comment import MARKER
from inflor_bench.run.suite import load_suite, plan
from tests.command import ROOT

BIN = Path(sys.executable).parent
CHECKOUT = "actions/checkout"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
# The workflows of this repository alone that may read it and no more, each with what starts it; and those that publish.
RELEASE = ROOT / ".github/workflows/release.yml"
OWN = {
    "nightly.yml": {"schedule", "workflow_dispatch"},
    "tests.yml": {"push", "pull_request"},
    "versions.yml": {"push", "pull_request", "schedule", "workflow_dispatch"},
}


def parsed(provider):
    return YAML(typ="safe", pure=True).load(template(provider))


def check(*command):
    return subprocess.run([BIN / command[0], *command[1:]], capture_output=True, text=True)


def complaints(workflow, started_by=frozenset({"push", "pull_request"})):
    """What of a workflow of GitHub could let a pull request write, or an action change under us."""
    found = []
    if workflow["permissions"] != {}:
        found.append("there are permissions for all jobs")
    if set(workflow["on"]) != started_by:
        found.append(f"it is started otherwise than by {', '.join(sorted(started_by))}")
    for name, job in workflow["jobs"].items():
        if not 0 < job.get("timeout-minutes", 0) <= 180:
            found.append(f"{name}: may run for hours")
        steps = job["steps"]
        uses = [step["uses"] for step in steps if "uses" in step]
        found += [f"{name}: {use} is not pinned" for use in uses if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", use)]
        if any(
            use.startswith(CHECKOUT) and step["with"].get("persist-credentials") is not False
            for step, use in ((step, step["uses"]) for step in steps if "uses" in step)
        ):
            found.append(f"{name}: leaves its token in the checkout")
        scripts = [step["run"] for step in steps if "run" in step]
        found += [f"{name}: a script holds an expression" for script in scripts if "${{" in script]
        runs_code = any(use.startswith(CHECKOUT) for use in uses) or any(
            re.search(r"\b(python|tox|pip)\b", script) for script in scripts
        )
        writes = [scope for scope, right in job["permissions"].items() if right != "read"]
        on_push_alone = "github.event_name == 'push'" in job.get("if", "")
        if runs_code and writes and not on_push_alone:
            found.append(f"{name}: runs code of a pull request and may write {writes}")
        if writes and "github." not in job.get("if", ""):
            found.append(f"{name}: may write, whatever started it")
    return found


def test_the_workflow_of_this_repository_is_the_template():
    assert (ROOT / PLACES["github"]).read_text("utf-8") == template("github")


@pytest.mark.parametrize(("provider", "schema"), [("github", "github-workflows"), ("gitlab", "gitlab-ci")])
def test_it_is_valid_by_the_schema_of_its_provider(tmp_path, provider, schema):
    def verdict(name, text):
        (tmp_path / name).write_text(text)
        more = ["--data-transform", "gitlab-ci"] if provider == "gitlab" else []
        return check("check-jsonschema", "--builtin-schema", f"vendor.{schema}", *more, tmp_path / name)

    done = verdict("right.yml", template(provider))
    assert done.returncode == 0, done.stdout + done.stderr
    assert verdict("wrong.yml", template(provider).replace("needs:", "neds:")).returncode == 1


def test_every_workflow_is_the_template_or_held_to_the_same_rules():
    assert {path.name for path in WORKFLOWS} == {PLACES["github"].name, RELEASE.name, *OWN}


@pytest.mark.parametrize("name", OWN)
def test_a_workflow_of_our_own_is_valid_and_lets_nobody_write(name):
    path = ROOT / ".github" / "workflows" / name
    done = check("check-jsonschema", "--builtin-schema", "vendor.github-workflows", path)
    assert done.returncode == 0, done.stdout + done.stderr
    workflow = YAML(typ="safe", pure=True).load(path.read_text("utf-8"))
    assert complaints(workflow, OWN[name]) == []
    assert all(job["permissions"] == {"contents": "read"} for job in workflow["jobs"].values())


def test_the_job_that_publishes_a_release_runs_no_code_and_has_no_right_but_to_say_who_it_is():
    done = check("check-jsonschema", "--builtin-schema", "vendor.github-workflows", RELEASE)
    assert done.returncode == 0, done.stdout + done.stderr
    workflow = YAML(typ="safe", pure=True).load(RELEASE.read_text("utf-8"))
    assert complaints(workflow, {"push"}) == []
    assert workflow["on"] == {"push": {"tags": ["v*"]}}
    build, publish = workflow["jobs"].values()
    assert build["permissions"] == {"contents": "read"}
    assert (publish["permissions"], publish["environment"]) == ({"id-token": "write"}, "release")
    assert publish["needs"] == "build"
    assert not any("run" in step for step in publish["steps"])
    assert publish["steps"][-1]["uses"].startswith("pypa/gh-action-pypi-publish@")


def test_the_nightly_workflow_measures_the_full_suite():
    workflow = YAML(typ="safe", pure=True).load((ROOT / ".github/workflows/nightly.yml").read_text("utf-8"))
    scripts = [step.get("run") for step in workflow["jobs"]["full"]["steps"]]
    assert "tox run -e bench -- --suite full" in scripts
    assert len(plan(load_suite("full"))) == 36


def test_the_tests_the_linters_and_the_documentation_run_on_every_push_and_pull_request_and_write_nothing():
    workflow = YAML(typ="safe", pure=True).load((ROOT / ".github/workflows/tests.yml").read_text("utf-8"))
    assert workflow["on"] == {"push": None, "pull_request": None}, "no branch and no path is left out"
    (job,) = workflow["jobs"].values()
    assert job["strategy"] == {"fail-fast": False, "matrix": {"environment": ["tests", "lint", "docs"]}}
    assert job["steps"][-1]["run"] == 'tox run -e "$ENVIRONMENT"'
    assert "if" not in job
    assert not any("if" in step or "continue-on-error" in step for step in job["steps"])
    environments = configparser.ConfigParser(interpolation=None)
    environments.read(ROOT / "tox.ini")
    assert all(f"testenv:{name}" in environments for name in job["strategy"]["matrix"]["environment"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_zizmor_finds_nothing_even_where_it_is_pedantic(path):
    done = check("zizmor", "--offline", "--pedantic", path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_zizmor_would_find_a_job_that_strangers_start(tmp_path):
    broken = tmp_path / "broken.yml"
    broken.write_text(template("github").replace("  pull_request:\n", "  pull_request_target:\n"))
    assert check("zizmor", "--offline", broken).returncode != 0


def test_no_job_that_runs_code_of_a_pull_request_may_write():
    assert complaints(parsed("github")) == []
    assert set(parsed("github")["jobs"]) == {"bench", "history", "pages", "comment"}


def jobs(workflow):
    return workflow["jobs"]


def first_checkout(workflow, job):
    return next(step for step in jobs(workflow)[job]["steps"] if step.get("uses", "").startswith(CHECKOUT))


BREAKAGES = {
    "for all jobs": lambda w: w["permissions"].update(contents="read"),
    "started otherwise": lambda w: w["on"].update(pull_request_target=w["on"].pop("pull_request")),
    "bench: runs code": lambda w: jobs(w)["bench"]["permissions"].update({"pull-requests": "write"}),
    "comment: runs code": lambda w: jobs(w)["comment"]["steps"].append({"run": "tox run -e bench"}),
    "history: runs code": lambda w: jobs(w)["history"].update({"if": "${{ github.ref_name == 'main' }}"}),
    "pages: may write": lambda w: jobs(w)["pages"].pop("if"),
    "not pinned": lambda w: first_checkout(w, "bench").update(uses="actions/checkout@v5"),
    "history: may run for hours": lambda w: jobs(w)["history"].pop("timeout-minutes"),
    "bench: leaves its token": lambda w: first_checkout(w, "bench")["with"].pop("persist-credentials"),
    "comment: a script": lambda w: jobs(w)["comment"]["steps"][1].update(run="echo ${{ github.event.title }}"),
}


@pytest.mark.parametrize("words", BREAKAGES)
def test_each_way_to_break_that_is_seen(words):
    workflow = copy.deepcopy(parsed("github"))
    BREAKAGES[words](workflow)
    assert any(words in complaint for complaint in complaints(workflow))


def test_a_regression_is_kept_published_and_commented_on_all_the_same():
    bench, *others = jobs(parsed("github")).values()
    assert all(job["needs"] == "bench" and "!cancelled()" in job["if"] for job in others)
    after = [step["name"].split()[0] for step in bench["steps"] if "!cancelled()" in str(step.get("if"))]
    assert after == ["Collect", "Keep", "Keep"]


def test_only_a_pull_request_of_the_repository_itself_is_commented_on():
    condition = jobs(parsed("github"))["comment"]["if"]
    assert "github.event.pull_request.head.repo.full_name == github.repository" in condition
    assert "||" not in condition


def scripts():
    for name, job in parsed("github")["jobs"].items():
        for step in job["steps"]:
            if "run" in step:
                yield f"github/{name}: {step['name']}", step["run"]
    for name, job in parsed("gitlab").items():
        if isinstance(job, dict):
            lines = job.get("script", []) + job.get("after_script", [])
            yield from ((f"gitlab/{name}: {index}", line) for index, line in enumerate(lines))


@pytest.mark.parametrize("script", [pytest.param(text, id=name) for name, text in scripts()])
def test_every_script_is_bash(script):
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_comment_is_found_by_the_marker_that_it_has():
    (script,) = [step["run"] for step in parsed("github")["jobs"]["comment"]["steps"] if "run" in step]
    assert f"marker='{MARKER}'" in script


def test_in_gitlab_the_token_that_writes_is_asked_for_on_the_default_branch_alone():
    jobs = parsed("gitlab")
    (rule,) = jobs["history"]["rules"]
    assert rule["if"] == "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH && $INFLOR_BENCH_TOKEN"
    assert "INFLOR_BENCH_TOKEN" not in str(jobs["bench"]) + str(jobs["pages"])
    assert [jobs[name]["rules"][0].get("when") for name in ("history", "pages")] == ["always", "always"]
