"""The jobs that a repository copies: `github.yml` and `gitlab.yml` beside this file."""

from __future__ import annotations

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


def write_template(directory: Path, provider: str, *, force: bool = False) -> str:
    """Write the file of a provider into the repository that a directory is in, and say what it takes besides.

    Raises:
        TrackInputError: It is in no repository, there is such a file already, or it cannot be written.
    """
    top = next((place for place in (directory, *directory.parents) if (place / ".git").exists()), None)
    if top is None:
        raise TrackInputError(f"{directory}: is in no repository, which jobs belong to; run it in a clone.")
    target = top / PLACES[provider]
    if target.exists() and not force:
        raise TrackInputError(f"{target}: is there already; overwrite it by --force, or add the jobs to it by hand.")
    write_text(target, template(provider))
    steps = ["Commit it. Its first run on the default branch begins the history, on the branch bench-data."]
    steps += [_REMEDIES[provider]]
    missing = _missing(top / "tox.ini")
    if missing:
        steps += ["Give tox.ini the environments that the jobs call, with the version that you use:"]
    said = "\n".join([f"wrote   {target}", *(f"next    {step}" for step in steps)])
    return "\n".join([said, *missing]).rstrip()


def _missing(tox: Path) -> list[str]:
    """Return the environments that tox.ini lacks, as it would have them."""
    there = tox.read_text("utf-8", errors="replace") if tox.is_file() else ""
    return [f"\n[testenv:{name}]\n{lines}" for name, lines in ENVIRONMENTS.items() if f"[testenv:{name}]" not in there]
