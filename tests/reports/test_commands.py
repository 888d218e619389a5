"""The commands around the report, as processes."""

from __future__ import annotations

import os
import signal
import urllib.request
from pathlib import Path

import pytest

from inflor_bench.record.run_file import Run
from tests.command import call, start_python


@pytest.fixture
def browser_on_path(tmp_path: Path) -> dict[str, str]:
    """Variables by which opening an address writes it down."""
    opener = tmp_path / "bin" / "xdg-open"
    opener.parent.mkdir()
    opener.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n')
    opener.chmod(0o755)
    return {"PATH": f"{opener.parent}:{os.environ['PATH']}"}


def test_report_compares_any_two_runs_follows_the_history_and_opens(
    base: Run, run: Run, history: Path, tmp_path: Path, browser_on_path: dict[str, str]
) -> None:
    out = tmp_path / "report"
    variables = {**browser_on_path, "INFLOR_BENCH_CACHE": str(tmp_path / "cache")}
    arguments = ("report", base.path, run.path, "--out", out, "--history", history, "--open")
    done = call(tmp_path, *arguments, check=1, **variables)  # it spikes more than the base
    assert done.stdout.splitlines()[-1] == str(out / "index.html")
    assert (out / "compare.html").exists()
    trends = (out / "data/trends.csv").read_text()
    assert trends.count("fashion-mnist/resnet8/soft/T2/s0,accuracy") == 4 + 1, "the history and the run itself"
    assert (tmp_path / "opened").read_text().strip().removeprefix("file://") == str(out / "index.html")


def test_publish_and_serve(history: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    done = call(tmp_path, "publish", history, "--site", site, check=1)  # the newest run lacks a cell of its base
    assert done.stdout == f"{site}/index.html: 4 reports built, 0 were there\n"
    serving = start_python("-u", "-m", "inflor_bench", "serve", site, "--port", 0)
    try:
        assert serving.stdout is not None
        address = serving.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        assert urllib.request.urlopen(address, timeout=10).read() == (site / "index.html").read_bytes()
        serving.send_signal(signal.SIGINT)
        assert serving.wait(30) == 0
    finally:
        serving.kill()


def test_figure_takes_the_newest_run_where_none_is_given(history: Path, tmp_path: Path) -> None:
    (tmp_path / ".bench").mkdir()
    (tmp_path / ".bench/runs").symlink_to(history)
    done = call(tmp_path, "figure", "pareto", check=0)
    (path,) = (tmp_path / line for line in done.stdout.splitlines())
    assert path.read_bytes().startswith(b"%PDF-")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["publish", "{tmp}/none"], "there is no run to publish"),
        (["serve", "{tmp}/none"], "is no directory"),
        (["figure", "pareto", "{tmp}/none.json"], "none.json"),
        (["figure", "paretto", "{run}"], "choose one of pareto"),
        (["picture", "{tmp}/none.json", "{tmp}/out.png"], "none.json"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(arguments: list[str], said: str, run: Run, tmp_path: Path) -> None:
    done = call(tmp_path, *(a.format(tmp=tmp_path, run=run.path) for a in arguments), check=2)
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
