"""The jobs that a repository copies: `github.yml`, `github-action.yml` and `gitlab.yml` beside this file."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from inflor_bench.errors import TrackInputError
from inflor_bench.files import write_text

PLACES = {"github": Path(".github/workflows/bench.yml"), "gitlab": Path(".gitlab-ci.yml")}
# What the jobs call, as a repository has it that installs InfLoR-Bench beside its own package.
ENVIRONMENTS = {
    "bench": """deps = inflor-bench
pass_env = GITHUB_ACTIONS, GITHUB_STEP_SUMMARY, INFLOR_BENCH_*
commands = inflor-bench run --out {toxinidir}/.bench {posargs}
""",
    "ab": """deps = inflor-bench
pass_env = GITHUB_ACTIONS, GITHUB_STEP_SUMMARY, INFLOR_BENCH_*
commands = inflor-bench ab --out {toxinidir}/.bench {posargs}
""",
    "history": """skip_install = true
deps = inflor-bench
pass_env = GIT_*, INFLOR_BENCH_*
commands = inflor-bench history {posargs}
""",
}
_REMEDIES = {
    "github": "In Settings, Pages, let GitHub Actions be the source; or remove the job `pages`.",
    "gitlab": "In Settings, CI/CD, Variables, put a project access token (Developer, write_repository) into "
    "INFLOR_BENCH_TOKEN, masked and protected; without it there is no history.",
}


def template(provider: str) -> str:
    """Return the file of a provider, "github" or "gitlab"."""
    return files("inflor_bench.ci").joinpath(f"{provider}.yml").read_text("utf-8")


def action_workflow(action: str, suite: str | None, targets: Sequence[str]) -> str:
    """Return GitHub's jobs as they use our action, `OWNER/REPOSITORY@COMMIT`, on a suite or on targets of `measure`.

    Raises:
        TrackInputError: The action is not pinned to a commit, or it is not said, or twice, what is measured.
    """
    match = re.fullmatch(r"([\w.-]+/[\w.-]+)@([0-9a-f]{40})", action)
    if match is None:
        raise TrackInputError(
            f"{action!r} is no action: write OWNER/REPOSITORY@COMMIT, with all 40 digits of the commit."
        )
    if (suite is None) == (not targets):
        raise TrackInputError("Say what the action measures: either --suite, or --target for each model.")
    if any("\n" in line or "${{" in line for line in (suite or "", *targets)):
        raise TrackInputError("A suite or target of the action is one line without ${{.")
    indented = ["          targets: |", *(f"            {line}" for line in targets)]
    what = f"          suite: {json.dumps(suite)}" if suite is not None else "\n".join(indented)
    text = files("inflor_bench.ci").joinpath("github-action.yml").read_text("utf-8")
    return text.replace("ADDRESS", match[1]).replace("COMMIT", match[2]).replace("WHAT", what)


def write_template(directory: Path, provider: str, *, force: bool = False, text: str | None = None) -> str:
    """Write the file of a provider into the repository that a directory is in, and say what it takes besides.

    `text` is GitHub's jobs that use our action, which need no tox.ini.

    Raises:
        TrackInputError: It is in no repository, there is such a file already, or it cannot be written.
    """
    top = next((place for place in (directory, *directory.parents) if (place / ".git").exists()), None)
    if top is None:
        raise TrackInputError(f"{directory}: is in no repository, which jobs belong to; run it in a clone.")
    target = top / PLACES[provider]
    if target.exists() and not force:
        raise TrackInputError(f"{target}: is there already; overwrite it by --force, or add the jobs to it by hand.")
    write_text(target, text or template(provider))
    steps = ["Commit it. Its first run on the default branch begins the history, on the branch bench-data."]
    steps += [_REMEDIES[provider]]
    missing = [] if text else _missing(top / "tox.ini")
    if missing:
        steps += ["Give tox.ini the environments that the jobs call, with the version that you use:"]
    said = "\n".join([f"wrote   {target}", *(f"next    {step}" for step in steps)])
    return "\n".join([said, *missing]).rstrip()


def _missing(tox: Path) -> list[str]:
    """Return the environments that tox.ini lacks, as it would have them."""
    there = tox.read_text("utf-8", errors="replace") if tox.is_file() else ""
    return [f"\n[testenv:{name}]\n{lines}" for name, lines in ENVIRONMENTS.items() if f"[testenv:{name}]" not in there]
