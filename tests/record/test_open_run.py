"""Runs in progress, with real processes that are really killed."""

import json
import os
import signal
import warnings
from pathlib import Path

import pytest

from inflor_bench.errors import TrackInputError
from inflor_bench.record.open_run import DamagedFileWarning, finish_run, open_run, recover_unfinished, write_cell
from inflor_bench.record.run_file import cell_slug, merge_documents, read_run, run_path
from tests.command import start_python
from tests.record.builders import make_provenance, make_record, make_run_document, make_suite

# Opens a run, writes the cells of argv[2:], says so, and waits to be killed.
WRITER = """
import json, sys
from pathlib import Path
from inflor_bench.record.open_run import open_run
from inflor_bench.record.origin import Provenance
out, provenance, *documents = sys.argv[1:]
run = open_run(Path(out), Provenance.model_validate_json(provenance))
for document in documents:
    run.write_cell(json.loads(Path(document).read_text()))
print(run.cells, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def documents():
    return [make_run_document([record]) for record in make_suite()]


@pytest.fixture
def live(tmp_path, documents):
    """A process with a run in progress that has written three cells."""
    files = []
    for index, document in enumerate(documents[:3]):
        files.append(tmp_path / f"document{index}")
        files[-1].write_text(json.dumps(document))
    arguments = [tmp_path / "out", make_provenance().model_dump_json(), *files]
    process = start_python("-c", WRITER, *arguments)
    process.cells = Path(process.stdout.readline().strip())
    yield process
    process.kill()
    process.communicate()


def kill(process) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_run_is_the_merge_of_its_cells(tmp_path, documents):
    with open_run(tmp_path, make_provenance()) as run:
        for document in documents:
            path = run.write_cell(document)
            assert read_run(path).cells.keys() == read_run_of(document)
        assert run.finish() == run.path == run_path(tmp_path, make_provenance())
    assert json.loads(run.path.read_text()) == merge_documents(documents)
    assert os.listdir(run.path.parent) == [run.path.name]
    assert recover_unfinished(tmp_path) == []


def read_run_of(document) -> set[str]:
    return {entry["extra_info"]["inflor_bench"]["name"] for entry in document["benchmarks"]}


def test_a_killed_run_keeps_what_was_finished(tmp_path, documents, live):
    kill(live)
    [path] = recover_unfinished(tmp_path / "out")
    assert json.loads(path.read_text()) == merge_documents(documents[:3])
    assert path == run_path(tmp_path / "out", make_provenance())
    assert os.listdir(path.parent) == [path.name]
    assert recover_unfinished(tmp_path / "out") == []


def test_a_live_run_is_not_touched(tmp_path, live):
    before = sorted(path.name for path in live.cells.iterdir())
    assert recover_unfinished(tmp_path / "out") == []
    assert sorted(path.name for path in live.cells.iterdir()) == before
    with pytest.raises(TrackInputError, match="in progress in another process"):
        open_run(tmp_path / "out", make_provenance())
    kill(live)
    assert len(recover_unfinished(tmp_path / "out")) == 1


def test_a_run_in_this_process_is_alive_too(tmp_path, documents):
    with open_run(tmp_path, make_provenance()) as run:
        run.write_cell(documents[0])
        assert recover_unfinished(tmp_path) == []
    [path] = recover_unfinished(tmp_path)  # closed without being finished
    assert path == run.path


def test_a_damaged_cell_is_set_aside_and_the_rest_is_kept(tmp_path, documents, live):
    kill(live)
    name = next(iter(read_run_of(documents[1])))
    victim = live.cells / f"{cell_slug(name)}.json"
    victim.write_bytes(victim.read_bytes()[:1000])
    (live.cells / ".left.json.0123.tmp").write_text("half a cell of a killed writer")
    with pytest.warns(DamagedFileWarning, match=r"truncated JSON.*set aside as .*\.damaged"):
        [path] = recover_unfinished(tmp_path / "out")
    assert read_run(path).cells.keys() == read_run_of(documents[0]) | read_run_of(documents[2])
    [aside] = path.parent.glob("*.damaged")
    assert aside.stat().st_size == 1000
    assert cell_slug(name) in aside.name
    assert not live.cells.exists()


def test_only_damaged_cells_make_no_run_and_are_not_lost(tmp_path):
    with open_run(tmp_path, make_provenance()) as run:
        (run.cells / "a.json").write_text("{")
        (run.cells / "b.json").write_text("")
        with pytest.warns(DamagedFileWarning), pytest.raises(TrackInputError, match="no readable cell"):
            run.finish()
    assert sorted(path.suffix for path in run.path.parent.iterdir()) == [".damaged", ".damaged"]


def test_an_empty_run_leaves_nothing(tmp_path):
    with open_run(tmp_path, make_provenance()) as run:
        pass
    assert recover_unfinished(tmp_path) == []
    assert not run.cells.exists()
    assert not run.path.exists()


def test_finishing_again_after_a_kill_in_between_gives_the_same(tmp_path, documents):
    with open_run(tmp_path, make_provenance()) as run:
        for document in documents[:2]:
            run.write_cell(document)
        finished = json.dumps(merge_documents(documents[:2]))
        run.path.write_text(finished)  # killed after the run file was written, before the cells were removed
        run.write_cell(documents[2])  # and a worker that outlived it wrote one more
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert recover_unfinished(tmp_path) == [run.path]
    assert json.loads(run.path.read_text()) == merge_documents(documents[:3])


def test_a_conflict_is_reported_and_loses_nothing(tmp_path, documents):
    with open_run(tmp_path, make_provenance()) as run:
        run.write_cell(documents[0])
        other = make_run_document([make_suite(accuracy=0.5)[0]])
        run.path.write_text(json.dumps(other))
    with pytest.warns(DamagedFileWarning, match="was not finished: .*measured twice"):
        assert recover_unfinished(tmp_path) == []
    assert json.loads(run.path.read_text()) == other
    assert len(list(run.cells.glob("*.json"))) == 1


def test_a_cell_is_written_once_and_holds_one_record(tmp_path, documents):
    with open_run(tmp_path, make_provenance()) as run:
        path = write_cell(run.cells, documents[0])
        with pytest.raises(TrackInputError, match="measured before in this run"):
            write_cell(run.cells, documents[0])
        assert json.loads(path.read_text()) == documents[0]
        with pytest.raises(TrackInputError, match="holds one record, and this one 5"):
            write_cell(run.cells, make_run_document(make_suite()))
        wrong = make_run_document([make_record(neuron="soft")])
        wrong["benchmarks"][0]["extra_info"]["inflor_bench"]["schema_version"] = 9
        with pytest.raises(TrackInputError, match="schema_version"):
            write_cell(run.cells, wrong)
        assert [item.name for item in run.cells.glob("*.json")] == [path.name]


def test_a_finished_run_is_not_opened_again(tmp_path, documents):
    with open_run(tmp_path, make_provenance()) as run:
        run.write_cell(documents[0])
        run.finish()
    with pytest.raises(TrackInputError, match="finished run already"):
        open_run(tmp_path, make_provenance())


def test_an_unwritable_output_directory(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TrackInputError, match="cannot be written"):
        open_run(tmp_path / "file", make_provenance())


def test_processes_write_cells_of_one_run_at_once(tmp_path, documents):
    code = (
        "import json, sys; from pathlib import Path; from inflor_bench.record.open_run import write_cell\n"
        "write_cell(Path(sys.argv[1]), json.loads(sys.stdin.read()))"
    )
    with open_run(tmp_path, make_provenance()) as run:
        workers = []
        for document in documents[:3]:
            worker = start_python("-c", code, run.cells)
            worker.stdin.write(json.dumps(document))
            worker.stdin.close()
            workers.append(worker)
        assert [worker.wait() for worker in workers] == [0] * 3
        run.finish()
    assert json.loads(run.path.read_text()) == merge_documents(documents[:3])


def test_finish_run_of_a_directory_that_is_not_there(tmp_path):
    with pytest.raises(TrackInputError):
        finish_run(tmp_path / "x.cells")
