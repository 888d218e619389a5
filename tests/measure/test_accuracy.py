import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.accuracy import AccuracyMeter
from inflor_bench.predictions import predictions
from inflor_bench.record import counted


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.lists(st.integers(-2, 2), min_size=4, max_size=4), min_size=1, max_size=30),
    st.integers(1, 7),
    st.data(),
)
def test_bits_match_a_plain_loop_with_ties_whatever_the_batches(rows, batch, data):
    labels = data.draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)))
    expected = [row.index(max(row)) == label for row, label in zip(rows, labels, strict=True)]
    meter = AccuracyMeter()
    for start in range(0, len(rows), batch):
        logits = torch.tensor(rows[start : start + batch], dtype=torch.float32)
        meter.update(logits, torch.tensor(labels[start : start + batch]))
    result = meter.result()
    assert result.bits.tolist() == expected
    assert (result.n, result.correct) == (len(rows), sum(expected))


def test_the_result_becomes_the_record_section():
    meter = AccuracyMeter()
    meter.update(torch.eye(3), torch.tensor([0, 2, 2]))
    section = counted.Accuracy.from_bits(meter.result().bits)
    assert (section.n, section.correct) == (3, 2)
    np.testing.assert_array_equal(section.unpack(), [True, False, True])


def test_infinite_logits_are_compared_and_the_lowest_class_wins_a_tie():
    logits = torch.tensor([[0.0, float("inf"), float("inf")], [-float("inf")] * 3, [1.0, 1.0, 2.0]])
    assert predictions(logits).tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    ("logits", "labels", "says"),
    [
        (torch.zeros(3), torch.zeros(3, dtype=torch.int64), "shape [3]"),
        (torch.zeros(3, 2, dtype=torch.int64), torch.zeros(3, dtype=torch.int64), "torch.int64"),
        (torch.zeros(3, 0), torch.zeros(3, dtype=torch.int64), "shape [3, 0]"),
        (torch.zeros(3, 2), torch.zeros(2, dtype=torch.int64), "integers of shape [3]"),
        (torch.zeros(3, 2), torch.zeros(3), "torch.float32"),
        (torch.zeros(3, 2), torch.tensor([0, 2, 1]), "classes 0 to 1"),
        (torch.zeros(3, 2), torch.tensor([0, -1, 1]), "from -1 to 1"),
        (torch.tensor([[0.0, 1.0], [float("nan"), 1.0]]), torch.tensor([0, 1]), "1 of 2 samples, first for sample 5"),
    ],
)
def test_bad_input_is_refused_in_one_sentence_and_the_rest_is_kept(logits, labels, says):
    meter = AccuracyMeter()
    meter.update(torch.zeros(4, 2), torch.tensor([0, 0, 1, 1]))
    with pytest.raises(MeasureInputError) as caught:
        meter.update(logits, labels)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert meter.result().bits.tolist() == [True, True, False, False]


def test_no_sample_is_an_error_and_no_zero():
    meter = AccuracyMeter()
    meter.update(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64))
    with pytest.raises(MeasureInputError, match="at least one batch"):
        meter.result()
