"""Tests of the models run eagerly: the results are the same as compiled, and compiling would take minutes."""

import pickle

import pytest

from inflor_bench.models import compilation
from inflor_bench.models.datasets import fashion_mnist
from tests.needs import need


@pytest.fixture(autouse=True)
def eager(monkeypatch):
    monkeypatch.setattr(compilation, "compiler_available", lambda: False)


class Bomb:
    def __reduce__(self):
        return (pytest.fail, ("a pickle was run",))


@pytest.fixture
def bomb():
    """A pickle that fails the test which loads it."""
    return pickle.dumps(Bomb(), protocol=2)


@pytest.fixture
def debian():
    """The folder of the Debian package of Fashion-MNIST, which holds its training split."""
    need("training split of fashion-mnist")
    return fashion_mnist.DEBIAN


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A machine without that package."""
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "none")
