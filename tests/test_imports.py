"""The import rules of the design, read from the source: data flows models -> measuring -> records -> reports."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OURS = ("bench", "models", "reports")

# Package -> what of ours it may import. cli.py, the suite runner and bench/test_*.py see everything.
RULES = {
    "models": ("models", "bench.cache", "bench.predictions"),
    "bench/measure": ("bench.measure", "bench.cache", "bench.predictions"),
    "bench/track": ("bench.track", "bench.metrics"),
    "bench/metrics.py": ("bench.track.records",),
    "reports": ("reports", "bench.track", "bench.metrics"),
}
WITHOUT_TORCH = ("bench/track", "bench/metrics.py", "reports")


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


@pytest.mark.parametrize("package", RULES)
def test_a_package_imports_only_what_it_may(package):
    for path in files(package):
        for name in imported(path):
            if any(within(name, ours) for ours in OURS):
                allowed = any(within(name, target) or target.startswith(name + ".") for target in RULES[package])
                assert allowed, f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("package", WITHOUT_TORCH)
def test_tracking_and_reports_never_import_torch(package):
    for path in files(package):
        assert not any(within(name, "torch") or within(name, "torchvision") for name in imported(path)), path


def test_the_rule_sees_a_breach(tmp_path):
    breach = tmp_path / "breach.py"
    breach.write_text("def f():\n    from models.neurons import LIF\n    import torch.nn\n    return LIF, torch\n")
    assert {"models.neurons", "models.neurons.LIF", "torch.nn"} <= imported(breach)
