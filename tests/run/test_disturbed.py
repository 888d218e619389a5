"""A cell that other processes disturbed is timed once more at the end, and what was quiet stays."""

import pytest
from rich.console import Console

from inflor_bench.record.open_run import open_run
from inflor_bench.record.run_file import read_run
from inflor_bench.run.progress import Progress
from inflor_bench.run.run import Landing
from tests.record.builders import make_latency, make_provenance, make_record, make_run_document

FIRST, SECOND = "digits/resnet8/soft/T4/s0", "digits/resnet8/relu/T1/s0"


def document(name, median, *, disturbed):
    return make_run_document([make_record(name, latency=make_latency(median, disturbed=disturbed))])


@pytest.mark.parametrize(("again", "kept"), [((0.002, False), 0.002), ((0.003, True), 0.009)])
def test_the_quiet_time_takes_the_place_of_the_disturbed_one(tmp_path, again, kept):
    with open_run(tmp_path, make_provenance()) as run:
        landing = Landing(run, Progress([FIRST, SECOND], Console(quiet=True)))
        landing.receive(("cell", document(FIRST, 0.009, disturbed=True)))
        landing.receive(("cell", document(SECOND, 0.001, disturbed=False)))
        assert landing.disturbed == {FIRST}
        second = Landing(run, Progress([FIRST], Console(quiet=True)), anew=True)
        second.receive(("cell", document(FIRST, again[0], disturbed=again[1])))
        cells = read_run(run.finish()).cells
    assert cells[FIRST].record.latency.median == kept
    assert cells[FIRST].record.latency.disturbed == (kept == 0.009)
    assert cells[SECOND].record.latency.median == 0.001
