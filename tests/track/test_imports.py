"""The import rule: tracking answers quickly, so it imports nothing heavy and nothing of ours outside itself."""

import pkgutil
import subprocess
import sys

import pytest

import bench.track

MODULES = sorted(module.name for module in pkgutil.iter_modules(bench.track.__path__, "bench.track."))
# compare and history answer on every command; what is heavy there is imported where it is used.
QUICK = ("bench.track.compare", "bench.track.history", "bench.track.render")


def imported_by(*modules: str) -> set[str]:
    code = f"import sys; import {', '.join(modules)}; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_package_imports_neither_torch_nor_anything_of_ours_outside_itself():
    assert "bench.track.compare" in MODULES
    names = imported_by(*MODULES)
    roots = {name.partition(".")[0] for name in names}
    assert roots & {"torch", "models", "reports", "torchvision"} == set()
    ours = {name for name in names if name.startswith("bench.") and not name.startswith("bench.track")}
    assert ours == {"bench.metrics"}


@pytest.mark.parametrize("heavy", ["numpy", "scipy", "statsmodels", "pandas", "rich", "pynvml", "pyarrow"])
def test_what_answers_quickly_imports_nothing_heavy(heavy, quick_imports):
    assert heavy not in quick_imports


@pytest.fixture(scope="module")
def quick_imports() -> set[str]:
    names = imported_by(*QUICK)
    assert set(QUICK) <= names
    return names
