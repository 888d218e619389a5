"""Round trips: any record survives a run file, whatever its names and numbers are."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from inflor_bench.record.costs import Latency
from inflor_bench.record.counted import Accuracy
from inflor_bench.record.run_file import parse_run
from inflor_bench.record.schema import Record
from inflor_bench.record.section import Absent
from tests.record.builders import make_record, make_run_document

text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
positive = st.floats(0, 1e6, allow_nan=False)


@st.composite
def records(draw) -> Record:
    latency = draw(st.none() | st.floats(1e-7, 1e3))
    bits = draw(st.lists(st.booleans(), min_size=1, max_size=70))
    absent = st.builds(Absent, status=st.sampled_from(["unavailable", "skipped", "failed"]), reason=text)
    sections = draw(
        st.fixed_dictionaries({}, optional=dict.fromkeys(("spikes", "synops", "energy", "memory", "power"), absent))
    )
    return make_record(
        draw(text),
        bits=bits,
        samples=len(bits),
        firing_rate=draw(st.floats(0, 1)),
        parameters=draw(st.integers(0, 2**62)),
        latency=latency,
        provenance={"command": draw(st.lists(text, max_size=3)), "versions": draw(st.dictionaries(text, text))},
        **sections,
    )


@given(records())
def test_a_record_survives_a_run_file(record):
    document = json.loads(json.dumps(make_run_document([record]), allow_nan=False))
    run = parse_run("a.json", document)
    assert run.cells[record.name].record == record
    assert bool(run.cells[record.name].rounds) == isinstance(record.latency, Latency)


@given(st.lists(st.booleans(), min_size=1, max_size=3000))
def test_bits_come_back_one_by_one(bits):
    accuracy = Accuracy.from_bits(np.array(bits))
    assert accuracy.unpack().tolist() == bits
    assert (accuracy.n, accuracy.correct) == (len(bits), sum(bits))


def test_ten_thousand_bits_are_small():
    bits = np.random.default_rng(0).random(10_000) < 0.92
    assert len(Accuracy.from_bits(bits).bits) < 1800


@pytest.mark.parametrize(
    "change", [{"n": 9}, {"n": 100_000}, {"correct": 3}, {"bits": "no base64!"}, {"bits": "AAAA"}, {"bits": ""}]
)
def test_bits_that_disagree_are_refused(change):
    good = Accuracy.from_bits(np.array([True] * 4 + [False] * 4)).model_dump()
    Accuracy(**good)
    with pytest.raises(ValidationError):
        Accuracy(**{**good, **change})
