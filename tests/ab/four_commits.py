"""Four commits on a clone of this repository, each judged as a pull request would be, several times over.

    python -m tests.ab.four_commits OUT [--repetitions 5]

One commit raises the firing rate of one layer, one slows the neuron by 10 %, one costs about 1 point of accuracy, and
one changes nothing. Each is compared with the commit before it by `inflor-bench run` (counts and accuracy, of a shipped
network on the whole of Fashion-MNIST) and, where time is the question, by `inflor-bench ab` (a small network on
digits). Shown is what regressed, where. What OUT already has is not measured again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
COUNTED, TIMED = "fashion-mnist/resnet8/soft/T2/s0", "digits/resnet8/soft/T4/s0"

_LOADED = "    return model.eval().to(memory_format=torch.channels_last)\n"
_FORWARD = "            return functional.lif(over_time, mpr=self.mpr, **self._constants()).flatten(0, 1)\n"
# By commit: the file, what stands there, and what comes in its place.
COMMITS = {
    "one layer fires more": (
        "models/checkpoints.py",
        _LOADED,
        '    dict(model.named_modules())["stages.1.0.activation1"].threshold = 0.45\n' + _LOADED,
    ),
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
    "a point less accurate": (
        "models/checkpoints.py",
        _LOADED,
        "    with torch.no_grad():\n        model.linear.bias[6] -= 1.2\n" + _LOADED,
    ),
    "nothing": ("README.md", "\n", "\n\n"),
}
# How each is judged: by which commands.
JUDGED = {
    "one layer fires more": ("run",),
    "the neuron takes 10 % more": ("ab",),
    "a point less accurate": ("run",),
    "nothing": ("run", "ab"),
}


def main() -> None:
    """Judge every commit as often as asked, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    out = options.out.resolve()
    clone = out / "clone"
    if not clone.exists():
        _clone(clone)
    rows = []
    console = Console(stderr=True)
    for repetition in range(1, options.repetitions + 1):
        for commit, commands in JUDGED.items():
            for command in commands:
                place = out / f"{repetition}-{command}-{commit.replace(' ', '-').replace('%', 'percent')}"
                kept = place / "verdict.json"
                if not kept.exists():
                    with console.status(f"repetition {repetition}: {commit}, by {command}"):
                        verdict = judge(clone, commit, command, place)
                    kept.write_text(json.dumps(verdict), "utf-8")
                rows.append((commit, command, repetition, json.loads(kept.read_text("utf-8"))))
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
        author = ["-c", "user.name=four commits", "-c", "user.email=four@commits.invalid"]
        _git(clone, *author, "commit", "--quiet", "-am", commit)


def _branch(commit: str) -> str:
    return commit.replace(" ", "-").replace("%", "percent")


def _git(clone: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(clone), *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def judge(clone: Path, commit: str, command: str, place: Path) -> dict[str, Any]:
    """Return the exit code and what was found other than the same, worst first."""
    place.mkdir(parents=True, exist_ok=True)
    if command == "ab":
        _git(clone, "checkout", "--quiet", "base")
        code = _inflor_bench(clone, "ab", "base", _branch(commit), "--only", TIMED, "--out", str(place))
        comparison = place / "ab" / "comparison.json"
    else:
        for revision in ("base", _branch(commit)):
            _git(clone, "checkout", "--quiet", revision)
            code = _inflor_bench(clone, "run", "--only", COUNTED, "--quick", "--out", str(place))
        runs = sorted(place.glob("runs/*/*.json"), key=lambda path: path.stat().st_mtime)
        comparison = place / "comparison.json"
        _inflor_bench(clone, "compare", str(runs[0]), str(runs[-1]), "--json", str(comparison))
    findings = json.loads(comparison.read_text("utf-8"))["findings"]
    told = [finding for finding in findings if finding["verdict"] not in ("same", "not_comparable")]
    return {"exit": code, "findings": told}


def _inflor_bench(clone: Path, *arguments: str) -> int:
    done = subprocess.run(
        [sys.executable, "-m", "bench.cli", *arguments], cwd=clone, capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 1):
        raise SystemExit(f"inflor-bench {' '.join(arguments)} ended with {done.returncode}: {done.stderr[-2000:]}")
    return done.returncode


def _show(rows: list[tuple[str, str, int, dict[str, Any]]]) -> None:
    table = Table(title="What a commit does, and what was found")
    for column in ("commit", "command", "repetition", "exit", "regressed", "where", "improved", "too noisy"):
        table.add_column(column)
    for commit, command, repetition, verdict in rows:
        by_verdict: dict[str, list[dict[str, Any]]] = {}
        for finding in verdict["findings"]:
            by_verdict.setdefault(finding["verdict"], []).append(finding)
        regressed = by_verdict.get("regressed", [])
        metrics = ", ".join(dict.fromkeys(finding["metric"] for finding in regressed))
        layers = ", ".join(dict.fromkeys(finding["layer"] for finding in regressed if finding.get("layer")))
        noisy, improved = (str(len(by_verdict.get(name, []))) for name in ("too_noisy", "improved"))
        table.add_row(commit, command, str(repetition), str(verdict["exit"]), metrics, layers, improved, noisy)
    Console(width=200).print(table)


if __name__ == "__main__":
    main()
