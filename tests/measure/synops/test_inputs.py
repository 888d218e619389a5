"""One pass over an input against plain Python, at values that a shortcut would get wrong."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inflor_bench.measure.synops.formulas.inputs import occupancy, sum_rows

# Whole numbers that a byte takes for 1, -1 or 0, neighbours of 1, and what is no number.
TRICKY = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, 255.0, 256.0, 257.0, -255.0, -256.0, -257.0, 4294967297.0]
TRICKY += [1 + 2**-23, 1 - 2**-24, -1 - 2**-23, 1e-45, float("inf"), float("-inf"), float("nan")]


@settings(max_examples=300, deadline=None)
@given(
    rows=st.integers(1, 5),
    columns=st.integers(1, 9),
    values=st.one_of(st.just([0.0, 1.0]), st.just([0.0, 1.0, -1.0]), st.lists(st.sampled_from(TRICKY), min_size=1)),
    seed=st.integers(0, 10**6),
)
def test_non_zero_and_unit_elements_are_counted_one_by_one(rows, columns, values, seed):
    chosen = torch.randint(len(values), (rows, columns), generator=torch.Generator().manual_seed(seed))
    x = torch.tensor(values)[chosen]
    found = occupancy(x)
    listed = x.tolist()
    assert found.counts.tolist() == [sum(row[column] != 0 for row in listed) for column in range(columns)]
    unit = sum(abs(value) == 1 for row in listed for value in row)
    if found.unit is None:
        assert unit == sum(found.counts.tolist())
    else:
        assert found.unit == unit


@pytest.mark.parametrize("rows", [1, 254, 255, 256, 509, 511, 1021])
@pytest.mark.parametrize("columns", [1, 3, 4, 8, 13])
def test_bytes_that_are_summed_as_words_do_not_overflow(rows, columns):
    mask = torch.ones(rows, columns, dtype=torch.bool)
    mask[:, columns // 2] = False
    expected = [rows] * columns
    expected[columns // 2] = 0
    assert sum_rows(mask).tolist() == expected
