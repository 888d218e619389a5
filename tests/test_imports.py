"""The import rules of the design, read from the source: data flows from measuring to records, verdicts and reports."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Folder or file -> what of ours it may import. What stands here no more (cli, run, train, ab, ...) sees everything.
RULES = {
    "bench/errors.py": (),
    "bench/text.py": (),
    "bench/files.py": ("errors",),
    "bench/lock.py": ("errors",),
    "bench/cache.py": (),
    "models": ("models", "cache", "errors", "files", "predictions"),
    "bench/process.py": (),
    "bench/toml.py": ("errors",),
    "bench/measure": ("measure", "cache", "errors", "files", "predictions", "process", "toml"),
    "bench/git": ("git", "errors", "record"),
    "bench/record": ("record", "errors", "files", "git", "lock"),
    "bench/metrics.py": ("record",),
    # Prices are arithmetic on records: models of energy import no torch.
    "bench/verdict": ("verdict", "errors", "files", "git", "measure.energy", "metrics", "record", "text", "toml"),
    "bench/history": (
        "history",
        "errors",
        "files",
        "git",
        "lock",
        "record",
        "text",
        "verdict.base",
        "verdict.statistics",
    ),
    "reports": ("reports", "errors", "files", "git", "history", "metrics", "record", "text", "verdict"),
}
WITHOUT_TORCH = ("bench/git", "bench/record", "bench/metrics.py", "bench/verdict", "bench/history", "reports")


def imported(path: Path) -> set[str]:
    """Every module that a file imports, at any depth of its code, absolute."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the rule"
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def files(package: str) -> list[Path]:
    found = [ROOT / package] if package.endswith(".py") else sorted((ROOT / package).rglob("*.py"))
    assert found, f"{package} has no source"
    return found


def breaches(path: Path, allowed: tuple[str, ...]) -> list[str]:
    """What of ours a file imports, and may not."""
    targets = [f"inflor_bench.{target}" for target in allowed]
    return [
        name
        for name in sorted(imported(path))
        if within(name, "inflor_bench") and not any(within(name, target) or within(target, name) for target in targets)
    ]


@pytest.mark.parametrize("package", RULES)
def test_a_package_imports_only_what_it_may(package):
    for path in files(package):
        assert breaches(path, RULES[package]) == [], path.relative_to(ROOT)


@pytest.mark.parametrize("package", WITHOUT_TORCH)
def test_tracking_and_reports_never_import_torch(package):
    for path in files(package):
        assert not any(within(name, "torch") or within(name, "torchvision") for name in imported(path)), path


def test_nothing_of_ours_is_imported_by_the_names_of_its_folders():
    for path in (path for folder in ("bench", "models", "reports", "tests") for path in files(folder)):
        assert not {name.partition(".")[0] for name in imported(path)} & {"bench", "models", "reports"}, path


def test_the_rule_sees_a_breach(tmp_path):
    breach = tmp_path / "breach.py"
    breach.write_text(
        "def f():\n    from inflor_bench.models.neurons import LIF\n    import torch.nn\n    return LIF, torch\n"
    )
    assert {"inflor_bench.models.neurons", "inflor_bench.models.neurons.LIF", "torch.nn"} <= imported(breach)
    assert breaches(breach, ("models.functional", "errors")) == [
        "inflor_bench.models.neurons",
        "inflor_bench.models.neurons.LIF",
    ]
