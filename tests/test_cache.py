"""Where things are kept, also for a user whom passwd does not know."""

from pathlib import Path

from inflor_bench.cache import cache_directory
from tests.command import python

# A job that runs under a number of its own, as in a container.
HOMELESS = """
import os, subprocess, sys
os.getuid = lambda: 54321
from inflor_bench.cache import cache_directory
import torch
from inflor_bench.measure import SynOpCounter
layer, x = torch.nn.Linear(6, 4, bias=False), (torch.arange(30).reshape(5, 6) % 3 == 0).float()
with torch.no_grad(), SynOpCounter(layer) as counter:
    layer(x)
child = "from inflor_bench.cache import cache_directory; print(cache_directory())"
told = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=True).stdout.strip()
print(counter.result().total.ac, cache_directory(), told)
"""


def test_the_users_own_choice_comes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("INFLOR_BENCH_CACHE", str(tmp_path / "mine"))
    assert cache_directory() == tmp_path / "mine"
    monkeypatch.delenv("INFLOR_BENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_directory() == tmp_path / "inflor-bench"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_directory() == tmp_path / "home/.cache/inflor-bench"


def test_without_a_home_a_process_and_its_children_share_a_place_that_goes_with_it(monkeypatch):
    for name in ("HOME", "XDG_CACHE_HOME", "INFLOR_BENCH_CACHE"):
        monkeypatch.delenv(name, raising=False)
    count, place, of_child = python("-c", HOMELESS).stdout.split()
    assert int(count) == 10 * 4
    assert place == of_child
    assert not Path(place).exists()
