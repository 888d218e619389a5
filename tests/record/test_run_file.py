import json

import pytest
from pytest_benchmark.storage.file import FileStorage

from inflor_bench.errors import TrackInputError
from inflor_bench.files import write_json
from inflor_bench.record.run_file import EXTRA_KEY, cell_slug, merge_documents, read_run, run_path
from inflor_bench.record.schema import SECTIONS
from inflor_bench.record.section import Absent
from inflor_bench.verdict.export import bencher_metric_format, github_action_benchmark
from tests.command import python
from tests.record.builders import (
    make_benchmark,
    make_git,
    make_provenance,
    make_record,
    make_rounds,
    make_run_document,
    make_suite,
    write_run,
)

FOREIGN = {
    "group": None,
    "name": "test_theirs",
    "fullname": "theirs.py::test_theirs",
    "params": None,
    "param": None,
    "extra_info": {"note": 1},
    "options": {},
    "stats": make_benchmark(make_record())["stats"],
}


def test_a_run_gives_records_and_raw_rounds(tmp_path):
    records = make_suite()
    records[1] = make_record(neuron="hard", latency=None)
    rounds = make_rounds(0.002, seed=3)
    run = read_run(write_run(tmp_path / "run.json", records, rounds={records[0].name: rounds}))
    assert list(run.cells) == sorted(record.name for record in records)
    assert [cell.record for cell in run.cells.values()] == sorted(records, key=lambda record: record.name)
    assert run.cells[records[0].name].rounds == tuple(rounds)
    assert run.cells[records[1].name].rounds == ()
    assert (run.run_id, run.path) == ("run0", tmp_path / "run.json")
    assert run.git == make_git()


def test_a_file_of_before_is_read_and_its_stand_in_for_a_time_is_dropped(tmp_path):
    """Files used to hold, for a cell without a time, how long it took to write the reason down."""
    records = [make_record(), make_record(neuron="hard", latency=None)]
    document = make_run_document(records)
    del document[EXTRA_KEY]
    stand_in = make_benchmark(records[1], [29e-6, 30e-6])
    document["benchmarks"].append(stand_in)
    (tmp_path / "run.json").write_text(json.dumps(document))
    run = read_run(tmp_path / "run.json")
    assert {name: cell.record for name, cell in run.cells.items()} == {record.name: record for record in records}
    assert run.cells[records[1].name].rounds == ()
    merged = merge_documents([document])
    assert [entry["params"]["cell"] for entry in merged["benchmarks"]] == [records[0].name]
    assert merged[EXTRA_KEY]["untimed"] == [records[1].model_dump(mode="json")]


def test_foreign_benchmarks_are_ignored(tmp_path):
    document = make_run_document([make_record()])
    document["benchmarks"] = [FOREIGN, *document["benchmarks"], {**FOREIGN, "extra_info": None}]
    (tmp_path / "run.json").write_text(json.dumps(document))
    assert list(read_run(tmp_path / "run.json").cells) == [make_record().name]


def mutated(change) -> dict:
    document = make_run_document(make_suite()[:2])
    change(document)
    return document


def raw(document: dict, index: int = 0) -> dict:
    return document["benchmarks"][index]["extra_info"][EXTRA_KEY]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.pop("benchmarks"), "key `benchmarks` holds no list"),
        (lambda d: d.update(benchmarks={}), "key `benchmarks` holds no list"),
        (lambda d: d["benchmarks"].append(5), r"key `benchmarks\[2\]` holds no benchmark"),
        (lambda d: d.update(benchmarks=[FOREIGN, 3, None]), r"key `benchmarks\[1\]` holds no benchmark"),
        (lambda d: d.update(benchmarks=[FOREIGN]), "no record of ours"),
        (lambda d: d.update(benchmarks=[]), "no record of ours"),
        (lambda d: raw(d).update(schema_version=2), r"benchmarks\[0\].*schema_version is 2.*update inflor-bench"),
        (lambda d: raw(d).update(schema_version=0), r"schema_version is 0.*measure that commit again"),
        (lambda d: raw(d).update(surprise=1), r"inflor_bench\.surprise: Extra inputs"),
        (lambda d: raw(d).pop("synops"), r"inflor_bench\.synops: Field required"),
        (lambda d: raw(d)["accuracy"].update(correct=1), "accuracy.correct disagrees"),
        (lambda d: raw(d)["accuracy"].update(n="360"), r"accuracy\.measured\.n: .*integer"),
        (lambda d: raw(d)["synops"]["total"].update(ac=-1), r"synops.*\.ac: .*greater than or equal to 0"),
        (lambda d: raw(d, 1).update(name=raw(d)["name"]), r"benchmarks\[1\].*is there twice"),
        (lambda d: raw(d)["provenance"].update(run_id="other"), r"run_id` differs.*other, run0"),
        (lambda d: d["benchmarks"][0]["extra_info"].update({EXTRA_KEY: [1]}), "valid dictionary"),
        (lambda d: d["benchmarks"][0]["stats"].update(data=[0.1, "x"]), r"benchmarks\[0\]\.stats\.data"),
        (lambda d: d["benchmarks"][0]["stats"].update(data=[-1.0]), r"stats\.data"),
        (lambda d: d["benchmarks"][0]["stats"].update(data=[True]), r"stats\.data"),
        (
            lambda d: d["benchmarks"][0]["stats"].update(data=[0.5, 10**400]),
            r"\(benchmarks\[0\]\.stats\.data\[1\]: 10{19}\.\.\. is an integer of more than 64 bits, with its sign\)",
        ),
        (
            lambda d: raw(d)["memory"].update({"two\nlines": -(2**64)}),
            r"\(benchmarks\[0\]\.extra_info\.inflor_bench\.memory\.two\\nlines: -1844674407370955161\.\.\. is",
        ),
        (lambda d: d["benchmarks"][0].pop("stats"), r"stats\.data"),
        (lambda d: d.update({EXTRA_KEY: {"untimed": 3}}), "key `inflor_bench.untimed` holds no list"),
        (lambda d: d.update({EXTRA_KEY: [1]}), "key `inflor_bench.untimed` holds no list"),
        (lambda d: d[EXTRA_KEY]["untimed"].append(7), r"inflor_bench\.untimed\[0\]: .*valid dictionary"),
        (lambda d: d[EXTRA_KEY]["untimed"].append(raw(d)), r"inflor_bench\.untimed\[0\]\.name: .* is there twice"),
        (
            lambda d: d[EXTRA_KEY]["untimed"].append(raw(d) | {"name": "other"}),
            r"inflor_bench\.untimed\[0\]\.latency is measured, but its rounds are not there",
        ),
    ],
)
def test_a_wrong_file_is_one_sentence_with_file_key_and_remedy(tmp_path, change, words):
    path = tmp_path / "run.json"
    path.write_text(json.dumps(mutated(change)))
    with pytest.raises(TrackInputError, match=words) as caught:
        read_run(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.count(";") >= 1
    assert "\n" not in message


def test_an_integer_that_its_key_hides_is_refused_too(tmp_path):
    (tmp_path / "run.json").write_text('{"benchmarks": 36893488147419103232, "benchmarks": []}')
    with pytest.raises(TrackInputError, match=r"a key that is there twice: 3689.* is an integer of more than 64 bits"):
        read_run(tmp_path / "run.json")


@pytest.mark.parametrize("top", ["[]", "3", '"text"', "null", "{}"])
def test_foreign_json_is_refused(tmp_path, top):
    (tmp_path / "run.json").write_text(top)
    with pytest.raises(TrackInputError, match="it is no run file"):
        read_run(tmp_path / "run.json")


def test_a_number_beyond_a_double_is_refused(tmp_path):
    path = write_run(tmp_path / "run.json", [make_record(latency=0.25)])
    path.write_text(path.read_text().replace('"median": 0.25, "median_low"', '"median": 1e999, "median_low"'))
    with pytest.raises(TrackInputError, match=r"latency\.measured\.median: .*finite"):
        read_run(path)


def test_every_truncation_is_refused(tmp_path):
    path = write_run(tmp_path / "run.json", [make_record()])
    whole = path.read_bytes()
    for length in [*range(0, len(whole) - 1, 501), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(TrackInputError):
            read_run(path)


def test_a_deeply_nested_recipe_is_refused(tmp_path):
    deep = "[" * 5000 + "]" * 5000
    path = write_run(tmp_path / "run.json", [make_record()])
    assert '"recipe": {}' in path.read_text()
    path.write_text(path.read_text().replace('"recipe": {}', f'"recipe": {{"a": {deep}}}'))
    with pytest.raises(TrackInputError):
        read_run(path)


def test_pytest_benchmark_itself_compares_our_file(tmp_path):
    """Cells that were skipped, that failed, and that were counted but not timed are not there for it to compare."""
    untimed = [make_record(network="vgg16", neuron=neuron, latency=None) for neuron in ("hard", "soft")]
    untimed += [absent("skipped", "no data"), absent("failed", "no memory")]
    document = make_run_document([*make_suite(), *untimed], rounds={make_suite()[0].name: [0.0015] * 9 + [0.0016]})
    write_json(tmp_path / "run.json", merge_documents([document]))
    shown = ("--csv", "out.csv", "--group-by", "param:cell", "--columns", "min,median,rounds")
    done = python("-m", "pytest_benchmark", "compare", tmp_path / "run.json", *shown, cwd=tmp_path)
    for record in make_suite():
        assert record.name in done.stdout
    rows = (tmp_path / "out.csv").read_text().splitlines()
    assert len(rows) == 6
    assert not any(record.name in done.stdout for record in untimed)
    assert any("digits/resnet8/relu/T1/s0" in row and ",0.0015," in row for row in rows)
    assert "WARNING" not in done.stdout + done.stderr


def absent(status, reason):
    record = make_record(network=f"{status}-network")
    return record.model_copy(update=dict.fromkeys(SECTIONS, Absent(status=status, reason=reason)))


def test_pytest_benchmarks_storage_finds_only_what_was_timed(tmp_path):
    untimed = [make_record(neuron="hard", latency=None), absent("skipped", "no data"), absent("failed", "no memory")]
    write_json(tmp_path / "0001_run.json", merge_documents([make_run_document([make_record(), *untimed])]))
    storage = FileStorage(str(tmp_path), logger=None)
    ((_, stored),) = storage.load()
    assert [entry["params"]["cell"] for entry in stored["benchmarks"]] == [make_record().name]
    run = read_run(tmp_path / "0001_run.json")
    assert run.cells.keys() == {record.name for record in [make_record(), *untimed]}
    measures = bencher_metric_format(run)
    assert "latency" in measures[make_record().name]
    assert not any("latency" in measures.get(record.name, {}) for record in untimed)
    assert "accuracy" in measures[untimed[0].name]
    series = [entry["name"] for entry in github_action_benchmark(run, smaller_is_better=True)]
    assert [name for name in series if name.endswith(": latency")] == [f"{make_record().name}: latency"]


def test_merging_is_independent_of_order_and_complete():
    records = make_suite()
    cells = [make_run_document([record]) for record in records]
    for index, document in enumerate(cells):
        document["datetime"] = f"2026-11-24T12:3{5 - index}:00+00:00"
        document["machine_info"] = {"node": f"worker{index}"}
    cells[2]["benchmarks"].append(FOREIGN)
    merged = merge_documents(cells)
    for order in (cells[::-1], cells[2:] + cells[:2]):
        assert merge_documents(order) == merged
    names = [entry["extra_info"].get(EXTRA_KEY, {}).get("name") for entry in merged["benchmarks"]]
    assert names == [*sorted(record.name for record in records), None]
    assert merged["datetime"] == "2026-11-24T12:31:00+00:00"
    assert merged["machine_info"] == {"node": "worker3"}  # that of hard-mpr, which comes first
    assert sum(len(document["benchmarks"]) for document in cells) == len(merged["benchmarks"])
    assert merge_documents([merged]) == merged


def test_merging_refuses_twins_strangers_and_nothing():
    one = make_run_document([make_record()])
    with pytest.raises(TrackInputError, match="measured twice"):
        merge_documents([one, one])
    other = make_run_document([make_record(neuron="hard", provenance={"run_id": "run1"})])
    with pytest.raises(TrackInputError, match="Different runs"):
        merge_documents([one, other])
    with pytest.raises(TrackInputError, match="no cell to merge"):
        merge_documents([])


def test_the_place_of_a_run(tmp_path):
    provenance = make_provenance(created="2026-11-24T13:30:05+02:00", run_id="abc123")
    path = run_path(tmp_path, provenance)
    machine, sha = provenance.machine.fingerprint, provenance.git.sha[:12]
    assert path == tmp_path / machine / f"20261124T113005Z_{sha}_abc123.json"
    without = make_provenance(git=Absent(status="unavailable", reason="no git"))
    assert "_nogit_run0.json" in run_path(tmp_path, without).name


@pytest.mark.parametrize(
    "change",
    [
        {"run_id": "../../etc/passwd"},
        {"run_id": ""},
        {"run_id": "a" * 65},
        {"git": make_git(sha="/root/../x")},
        {"machine": make_provenance().machine.model_copy(update={"fingerprint": ".."})},
        {"created": "yesterday"},
    ],
)
def test_a_hostile_record_names_no_file_elsewhere(tmp_path, change):
    with pytest.raises(TrackInputError, match=r"provenance\.\w+"):
        run_path(tmp_path, make_provenance(**change))


def test_slugs_are_file_names_and_different():
    names = ["a/b", "a_b", "a b", "A/b", "../..", "ä" * 300, "", "x" * 300, "\ud800", "digits/resnet8/soft/T4/s0"]
    slugs = [cell_slug(name) for name in names]
    assert len({slug.lower() for slug in slugs}) == len(names)
    assert all(len(slug) < 100 and "/" not in slug and not slug.startswith(".") for slug in slugs)
    assert cell_slug(names[-1]).startswith("digits_resnet8_soft_T4_s0-")
