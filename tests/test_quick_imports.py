"""The import rule: records, verdicts and histories answer quickly, so they import nothing heavy."""

import pkgutil

import pytest

import inflor_bench
from tests.command import python

PACKAGES = ("git", "history", "record", "verdict")
MODULES = sorted(
    module.name
    for package in PACKAGES
    for module in pkgutil.iter_modules([f"{inflor_bench.__path__[0]}/{package}"], f"inflor_bench.{package}.")
)
# compare and history answer on every command; what is heavy there is imported where it is used.
QUICK = ("inflor_bench.verdict.compare", "inflor_bench.history.history", "inflor_bench.verdict.render")


def imported_by(*modules: str) -> set[str]:
    code = f"import sys; import {', '.join(modules)}; print('\\n'.join(sys.modules))"
    return set(python("-c", code).stdout.split())


def test_they_import_neither_torch_nor_what_measures_or_reports():
    assert "inflor_bench.verdict.compare" in MODULES
    names = imported_by(*MODULES)
    assert {name.partition(".")[0] for name in names} & {"torch", "torchvision"} == set()
    ours = {name.split(".")[1] for name in names if name.startswith("inflor_bench.")}
    assert ours == {*PACKAGES, "errors", "files", "lock", "measure", "metrics", "text", "toml"}


@pytest.mark.parametrize("heavy", ["numpy", "scipy", "statsmodels", "pandas", "rich", "pynvml", "pyarrow"])
def test_what_answers_quickly_imports_nothing_heavy(heavy, quick_imports):
    assert heavy not in quick_imports


@pytest.fixture(scope="module")
def quick_imports() -> set[str]:
    names = imported_by(*QUICK)
    assert set(QUICK) <= names
    return names
