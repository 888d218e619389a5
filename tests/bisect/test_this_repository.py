"""Sixteen commits on a copy of this repository, one of which makes a layer fire more."""

import time

import pytest

from tests.checkout import copy, inflor_bench
from tests.place import cells, suite

CELL = "digits/resnet8/soft/T4/s0"
SUITE = suite(cells("digits", "soft", timesteps=4, weights="zoo"), measure={"rounds": 5})
LOADED = "    return model.eval().to(memory_format=torch.channels_last)\n"
LOUDER = '    dict(model.named_modules())["stages.1.0.activation1"].threshold = 0.45\n'


@pytest.mark.slow
def test_the_commit_and_the_layer_are_found_in_the_time_of_six_cells(repository, tmp_path):
    copy(repository.path)
    (repository.path / "suite.toml").write_text(SUITE)
    commits = [repository.commit("The start")]
    for number in range(1, 17):
        path = repository.path / ("models/checkpoints.py" if number == 11 else "models/neurons.py")
        text = path.read_text("utf-8")
        if number == 11:
            assert LOADED in text
            path.write_text(text.replace(LOADED, LOUDER + LOADED, 1), "utf-8")
        else:
            path.write_text(f"{text}\n# Remark {number}.\n", "utf-8")
        commits.append(repository.commit(f"Commit {number}"))

    def call(*arguments):
        started = time.monotonic()
        cache = str(tmp_path / "cache")
        done = inflor_bench(repository.path, *arguments, "--suite", "suite.toml", INFLOR_BENCH_CACHE=cache)
        assert done.returncode == 0, done.stderr
        return done, time.monotonic() - started

    done, seconds = call("bisect", commits[0], "HEAD", "--metric", "ac", "--cell", CELL)
    print(done.stderr, done.stdout, f"{seconds:.0f} s")
    lines = done.stdout.splitlines()
    assert lines[0] == f"first bad  {commits[11]}"
    assert lines[-1] == "file       models/checkpoints.py"
    (spikes,) = [line for line in lines if line.startswith("layers     spikes")]
    assert "the first that moved is stages.1.0.activation1" in spikes
    measured = [line for line in done.stderr.splitlines() if line.split()[0] in ("BAD", "GOOD", "bad", "good")]
    assert len(measured) == 6
    assert repository.git("worktree", "list").count("\n") == 0
