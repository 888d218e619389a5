"""The native passes against torch's own operators, at every type and at values that differ from 1 and 0 by one bit."""

import functools
import logging
import math
from unittest.mock import patch

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inflor_bench.cache import cache_directory
from inflor_bench.measure import native
from inflor_bench.measure.information import bin_counts, levels_off
from inflor_bench.measure.neurons.protocol import map_pieces
from inflor_bench.measure.synops.formulas.inputs import PositionSums, eager_occupancy, occupancy
from inflor_bench.models.neurons import LIF
from tests.command import program, python

TYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
INTEGERS = {torch.float32: torch.int32, torch.float64: torch.int64}


pytestmark = [pytest.mark.needs("c compiler"), pytest.mark.long]


def by_brute_force(x):
    listed = x.tolist()
    counts = [sum(row[column] != 0 for row in listed) for column in range(x.shape[1])]
    return counts, sum(counts), sum(abs(value) == 1 for row in listed for value in row)


@settings(max_examples=200, deadline=None)
@given(
    dtype=st.sampled_from(TYPES),
    rows=st.integers(0, 20),
    columns=st.integers(1, 40),
    values=st.lists(
        st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 3e38, 1e-7, 6e-8, float("inf"), -float("inf"), float("nan")]),
        min_size=1,
    ),
    seed=st.integers(0, 10**6),
)
def test_it_equals_plain_python_in_every_type(dtype, rows, columns, values, seed):
    chosen = torch.randint(len(values), (rows, columns), generator=torch.Generator().manual_seed(seed))
    x = torch.tensor(values).to(dtype)[chosen]
    counts, nonzero, unit = native.occupancy(x)
    assert (counts.tolist(), nonzero, unit) == by_brute_force(x)


@pytest.mark.parametrize("dtype", list(INTEGERS))
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_single_bit_makes_the_difference(dtype, value):
    bits = torch.tensor([[value]], dtype=dtype).view(INTEGERS[dtype])
    size = bits.element_size() * 8
    for position in range(size - 1):
        x = (bits ^ (1 << position)).view(dtype)
        expected = (1, 1 if x.item() == 1 else 0) if x.item() != 0 else (0, 0)
        assert native.occupancy(x)[1:] == expected


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("shape", [(1, 300_000), (70_000, 3), (1030, 4099), (8, 4096), (7, 4097), (0, 5)])
def test_sizes_that_threads_and_blocks_divide_unevenly(dtype, shape):
    x = (torch.rand(shape, generator=torch.Generator().manual_seed(1)) < 0.3).to(dtype)
    if shape[0] > 3:
        x[3, 1] = -1
        x[2, 2] = 0.5
    found, expected = occupancy(x), eager_occupancy(x)
    assert torch.equal(found.counts.long(), expected.counts.long())
    assert (found.nonzero, found.unit) == (expected.nonzero, expected.unit)


def test_the_same_on_one_thread_and_on_two():
    occupied = (
        "import sys, torch; torch.set_num_threads(int(sys.argv[1]));"
        "from inflor_bench.measure import native;"
        "x = torch.rand(3001, 997, generator=torch.Generator().manual_seed(0)).round();"
        "counts, nonzero, unit = native.occupancy(x); print(counts.tolist(), nonzero, unit)"
    )
    assert program(occupied, 1) == program(occupied, 2)


VALUES = [0.0, -0.0, 1.0, 0.5, -1e-9, -2.0, -2.0000001, 2.9999998, 3.0, 0.0625, 0.062499996, -7.5, 3e38, -3e38, 1e-45]


@settings(max_examples=200, deadline=None)
@given(
    dtype=st.sampled_from([torch.float32, torch.float64]),
    values=st.lists(st.sampled_from(VALUES) | st.floats(-4, 5, width=32), min_size=1, max_size=60),
    size=st.sampled_from([1, 3, 15, 16, 17, 1023, 1024, 1025, 5000]),
    seed=st.integers(0, 10**6),
)
def test_losses_equal_torch_in_bins_and_the_exact_sum(dtype, values, size, seed):
    generator = torch.Generator().manual_seed(seed)
    u, v = (torch.tensor(values, dtype=dtype)[torch.randint(len(values), (2, size), generator=generator)]).unbind()
    spikes = torch.rand(size, generator=generator).round().to(dtype)
    squares, counts = native.distance(u, spikes)
    assert torch.equal(counts, bin_counts(u))
    assert squares == pytest.approx(math.fsum(x * x for x in (spikes - u).tolist()), rel=1e-13)
    v = v.clamp(-100, 100)  # u - v is finite: no reset carries on 3e38 in the place of -3e38
    lost = math.fsum(abs(x) for x, spike in zip((u - v - spikes).tolist(), spikes.tolist(), strict=True) if spike)
    assert native.thrown_away(u, v, spikes) == pytest.approx(lost, rel=1e-13)


@settings(max_examples=200, deadline=None)
@given(
    dtype=st.sampled_from([torch.float32, torch.float64]),
    timesteps=st.integers(1, 17),
    size=st.sampled_from([1, 3, 15, 16, 17, 1023, 1024, 1025, 2000]),
    ties=st.booleans(),
    seed=st.integers(0, 10**6),
)
def test_levels_off_equal_plain_python_and_torch(dtype, timesteps, size, ties, seed):
    generator = torch.Generator().manual_seed(seed)
    current = (torch.randn(timesteps, size, generator=generator) * 2).to(dtype)
    if ties:
        current = (current * 2).round() / 2
    spikes = torch.rand(timesteps, size, generator=generator).round().to(dtype)
    found = native.levels_off(current, spikes, timesteps)
    total = sum(current)  # in the type and the order of the pass
    levels = [min(max(math.ceil(x - 0.5), 0), timesteps) for x in total.tolist()]
    assert found == sum(abs(k - fired) for k, fired in zip(levels, spikes.sum(0).tolist(), strict=True))
    with patch.object(native, "levels_off", lambda *_: None):
        assert levels_off(current, spikes, timesteps) == found


@pytest.mark.parametrize("position", [0, 15, 1023, 1024, 4098])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 2.0, -1.0, 1e-40, 0.99999994])
def test_losses_see_every_position(position, value):
    x = torch.ones(4099)
    assert native.binary(x)
    x[position] = value
    assert not native.binary(x)
    squares, counts = native.distance(x, torch.zeros(4099))
    assert math.isfinite(squares) == math.isfinite(value)
    assert counts.sum() == 4099
    x[position] = -0.0
    assert native.binary(x)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("timesteps", [1, 2, 4])
def test_losses_take_pieces_of_a_batch_in_either_layout(layout, timesteps):
    neuron = LIF(timesteps, reset="hard")
    current = torch.randn(timesteps * 8, 16, 28, 28).contiguous(memory_format=layout)
    with torch.no_grad():
        spikes = neuron(current)

    def looked_at(current, spikes):
        u = neuron.membrane(current)
        assert native.binary(spikes)
        assert native.thrown_away(u, neuron.after_reset(u, spikes), spikes) is not None
        return native.distance(u, spikes)[1]

    pieces = map_pieces(looked_at, timesteps, current, spikes)
    assert len(pieces) > 1
    assert torch.equal(sum(pieces), bin_counts(neuron.membrane(current)))


def test_other_types_are_left_to_torch():
    strided = torch.zeros(4, 4).t()
    assert native.distance(strided, torch.zeros(4, 4)) is None
    assert native.thrown_away(torch.zeros(4), torch.zeros(4), torch.zeros(4).double()) is None
    assert native.thrown_away(torch.zeros(4), torch.zeros(4), torch.zeros(2, 2)) is None
    assert native.binary(torch.zeros(4, dtype=torch.float16)) is None
    assert native.levels_off(strided, torch.zeros(4, 4), 2) is None
    assert native.occupancy(torch.ones(2, 2, dtype=torch.int64)) is None
    assert occupancy(torch.ones(2, 2, dtype=torch.int64)).nonzero == 4


COUNTS = """
import torch
from torch import nn
from inflor_bench.measure import SynOpCounter
from inflor_bench.measure.information import InformationRecorder
from inflor_bench.models.neurons import LIF
torch.manual_seed(0)
model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 5))
counter = SynOpCounter(model)
with counter, torch.no_grad():
    model(torch.rand(7, 3, 8, 8).round())
print(counter.result().total)
neuron = LIF(3, reset="soft")
with InformationRecorder(neuron) as recorder, torch.no_grad():
    neuron(torch.randn(3 * 50, 16, 8, 8))
layer = recorder.result().layers[0]
print(layer.fired, layer.membrane, layer.rectified)
print([f"{loss:.12e}" for loss in (layer.quantisation_error, layer.quantisation_error_rectified, layer.reset_loss)])
"""


def test_without_a_compiler_the_counts_are_the_same(tmp_path):
    empty = tmp_path / "no compilers"
    empty.mkdir()
    count = functools.partial(program, COUNTS)
    built, _ = count(INFLOR_BENCH_CACHE=str(tmp_path))
    assert list(tmp_path.glob("native/*.so"))
    eager, _ = count(INFLOR_BENCH_CACHE=str(tmp_path), INFLOR_BENCH_EAGER="1")
    hidden, said = count(INFLOR_BENCH_CACHE=str(tmp_path / "other"), PATH=str(empty))
    assert built == eager == hidden
    assert "no C compiler was found" in said
    assert not list((tmp_path / "other").glob("native/*.so"))


def test_a_compiler_that_fails_is_named(tmp_path, monkeypatch):
    compiler = tmp_path / "gcc"
    compiler.write_text("#!/bin/sh\necho 'occupancy.c:1: error: out of luck' >&2\nexit 1\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CC", str(compiler))
    with pytest.raises(native.BuildError, match="out of luck"):
        native.built(tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*"))


def test_a_compiler_that_hangs_is_ended_and_named(tmp_path, monkeypatch):
    compiler = tmp_path / "gcc"
    compiler.write_text("#!/bin/sh\nexec sleep 600\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("CC", str(compiler))
    monkeypatch.setattr(native, "COMPILER_SECONDS", 0.5)
    with pytest.raises(native.BuildError, match=r"gcc was not done within 0.5 s"):
        native.built(tmp_path / "cache")


def test_a_library_that_cannot_be_loaded_leaves_it_to_torch(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("INFLOR_BENCH_CACHE", str(tmp_path))
    path = native.built(cache_directory() / "native")
    path.write_bytes(b"not a library")
    with caplog.at_level(logging.WARNING):
        assert native._passes.__wrapped__() is None
    assert "without its native passes" in caplog.text


def test_sums_go_on_in_64_bits_where_32_do_not_hold_them():
    sums = PositionSums()
    counts = torch.tensor([2**30, 1, 0], dtype=torch.int32)
    for _ in range(5):
        sums.add(counts, 2**30)
    assert sums.total().tolist() == [5 * 2**30, 5, 0]
    sums.add(torch.tensor([2**33, 0, 1]), 2**33)
    assert sums.total().tolist() == [5 * 2**30 + 2**33, 5, 1]


def test_the_bins_of_the_passes_are_those_of_the_package(tmp_path):
    code = """
import torch
from inflor_bench.measure import bins
bins.LOW, bins.HIGH, bins.BINS_PER_UNIT, bins.BINS = -1, 2, 8, 24
from inflor_bench.measure import native
from inflor_bench.measure.information import bin_counts, levels_off
x = torch.randn(5000) * 2
_, counts = native.distance(x, torch.zeros_like(x))
assert len(counts) == 26 and torch.equal(counts, bin_counts(x)), counts
"""
    python("-c", code, INFLOR_BENCH_CACHE=str(tmp_path))
