"""Commits with a known effect, on a clone of this repository, each judged as a pull request would be, several times.

    python -m tests.ab.known_commits OUT [--repetitions 5] [--by run ab pairs]

One commit raises the firing rate of one layer, one costs about 1 point of accuracy, one breaks the surrogate gradient,
one slows the neuron by 10 %, and one changes nothing. Each is compared with the commit before it by `inflor-bench run`
and by `inflor-bench ab`: counts and accuracy of a shipped network on the whole of Fashion-MNIST and of one that is
trained on the spot, and, where time is the question, a small network on digits in pairs. Shown is what regressed,
where. What OUT already has is not measured again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.checkout import inflor_bench
from tests.command import ROOT
from tests.place import cells, suite, table

TIMED = "digits/resnet8/soft/T4/s0"
COUNTED = suite(
    cells("fashion-mnist", "soft", weights="zoo"),
    cells("digits", "soft"),
    training={"epochs": 4},
    measure={"rounds": 5},
    name="counted",
) + table("ab", timed=[])

_LOADED = "    return model.eval().to(memory_format=torch.channels_last)\n"
_FORWARD = "            return functional.lif(over_time, mpr=self.mpr, **self._constants()).flatten(0, 1)\n"
# By commit: the file, what stands there, and what comes in its place.
COMMITS = {
    "one layer fires more": (
        "models/checkpoints.py",
        _LOADED,
        '    dict(model.named_modules())["stages.1.0.activation1"].threshold = 0.45\n' + _LOADED,
    ),
    "a point less accurate": (
        "models/checkpoints.py",
        _LOADED,
        "    with torch.no_grad():\n        model.linear.bias[6] -= 1.2\n" + _LOADED,
    ),
    "no gradient passes": ("models/functional.py", "(u >= 0) & (u <= 1)", "(u >= 5) & (u <= 6)"),
    "nothing": ("README.md", "\n", "\n\n"),
    "the neuron takes 10 % more": (
        "models/neurons.py",
        _FORWARD,
        """            from time import perf_counter

            start = perf_counter()
            spikes = functional.lif(over_time, mpr=self.mpr, **self._constants()).flatten(0, 1)
            end = perf_counter() + 0.1 * (perf_counter() - start)
            while perf_counter() < end:
                pass
            return spikes
""",
    ),
}
# The ways in which each is judged: counts by `run` and by `ab`, or the time of pairs.
WAYS = ("run", "ab", "pairs")
JUDGED = dict.fromkeys(COMMITS, ("run", "ab")) | {"nothing": WAYS, "the neuron takes 10 % more": ("pairs",)}


def main() -> None:
    """Judge every commit as often as asked, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--by", nargs="+", choices=WAYS, default=WAYS, help="pairs want a quiet machine, counts none")
    options = parser.parse_args()
    out = options.out.resolve()
    clone = out / "clone"
    if not clone.exists():
        _clone(clone)
        (out / "counted.toml").write_text(COUNTED, "utf-8")
    rows = []
    console = Console(stderr=True)
    for repetition in range(1, options.repetitions + 1):
        for commit, ways in JUDGED.items():
            for way in (way for way in ways if way in options.by):
                kept = out / str(repetition) / f"{_branch(commit)}-{way}.json"
                if not kept.exists():
                    console.print(f"repetition {repetition}: {commit}, by {way}")
                    began = time.monotonic()
                    verdict = judge(clone, commit, way, out / str(repetition))
                    kept.write_text(json.dumps({"seconds": time.monotonic() - began, **verdict}), "utf-8")
                rows.append((commit, way, repetition, json.loads(kept.read_text("utf-8"))))
    _show(rows)


def _clone(clone: Path) -> None:
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    base = _git(clone, "rev-parse", "HEAD")
    _git(clone, "branch", "base", base)
    for commit, (name, old, new) in COMMITS.items():
        _git(clone, "checkout", "--quiet", "-B", _branch(commit), base)
        path = clone / name
        text = path.read_text("utf-8")
        if old not in text:
            raise SystemExit(f"{path}: does not hold {old!r} any more; change COMMITS in {__file__}.")
        path.write_text(text.replace(old, new, 1), "utf-8")
        author = ["-c", "user.name=known commits", "-c", "user.email=known@commits.invalid"]
        _git(clone, *author, "commit", "--quiet", "-am", commit)


def _branch(commit: str) -> str:
    return commit.replace(" ", "-").replace("%", "percent")


def _git(clone: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(clone), *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def judge(clone: Path, commit: str, way: str, place: Path) -> dict[str, Any]:
    """Return the exit code, and what was found other than the same, worst first."""
    cache = place / "cache"
    counted = ("--suite", str(place.parent / "counted.toml"))
    if way == "run":
        runs = place / "runs"
        base = min(runs.glob("*/*.json"), default=None)
        if base is None:  # one a repetition, for all commits
            _git(clone, "checkout", "--quiet", "base")
            _inflor_bench(clone, cache, "run", *counted, "--out", str(place))
            (base,) = runs.glob("*/*.json")
        _git(clone, "checkout", "--quiet", _branch(commit))
        before = {*runs.glob("*/*.json")}
        code = _inflor_bench(clone, cache, "run", *counted, "--out", str(place))
        (head,) = {*runs.glob("*/*.json")} - before
        comparison = place / f"{_branch(commit)}-comparison.json"
        if _inflor_bench(clone, cache, "compare", str(base), str(head), "--json", str(comparison)) != code:
            raise SystemExit(f"`run` and `compare` do not agree about {head}.")
        head.unlink()  # the next commit is another branch, which stands on the base as well
    else:
        _git(clone, "checkout", "--quiet", "base")
        which = ("--only", TIMED) if way == "pairs" else counted
        target = place / f"{_branch(commit)}-{way}"
        code = _inflor_bench(clone, cache, "ab", "base", _branch(commit), *which, "--out", str(target))
        comparison = target / "ab" / "comparison.json"
    findings = json.loads(comparison.read_text("utf-8"))["findings"]
    told = [finding for finding in findings if finding["verdict"] not in ("same", "not_comparable")]
    return {"exit": code, "findings": told}


def _inflor_bench(clone: Path, cache: Path, *arguments: str) -> int:
    done = inflor_bench(clone, *arguments, INFLOR_BENCH_CACHE=str(cache))
    if done.returncode not in (0, 1):
        raise SystemExit(f"inflor-bench {' '.join(arguments)} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.returncode


def _show(rows: list[tuple[str, str, int, dict[str, Any]]]) -> None:
    table = Table(title="What a commit does, and what was found")
    for column in (
        "commit",
        "judged by",
        "repetition",
        "exit",
        "regressed",
        "where",
        "improved",
        "too noisy",
        "seconds",
    ):
        table.add_column(column)
    for commit, way, repetition, verdict in rows:
        by_verdict: dict[str, list[dict[str, Any]]] = {}
        for finding in verdict["findings"]:
            by_verdict.setdefault(finding["verdict"], []).append(finding)
        regressed = by_verdict.get("regressed", [])
        metrics = ", ".join(dict.fromkeys(finding["metric"] for finding in regressed))
        layers = ", ".join(dict.fromkeys(finding["layer"] for finding in regressed if finding.get("layer")))
        noisy, improved = (str(len(by_verdict.get(name, []))) for name in ("too_noisy", "improved"))
        seconds = f"{verdict['seconds']:.0f}"
        table.add_row(commit, way, str(repetition), str(verdict["exit"]), metrics, layers, improved, noisy, seconds)
    Console(width=200).print(table)


if __name__ == "__main__":
    main()
