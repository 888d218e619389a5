"""The whole comparison by its command, small: real processes, packages that are missing, strict JSON, tables."""

import io
import json
import statistics

import pytest
import torch
import typer
from rich.console import Console

from tests.peers.benchmark import __main__ as command
from tests.peers.benchmark import comparison
from tests.peers.benchmark.jobs import ConvolutionsAlone, Kernel, Network
from tests.peers.benchmark.plan import Plan, Size
from tests.peers.benchmark.show import compiling_line, show

NETWORK = Size("resnet8", 2, 2, (1, 8, 8))
PLAN = Plan(
    counting=(NETWORK,),
    recording=NETWORK,
    energy=NETWORK,
    kernel=Size("neurons", 2, 2, (3, 4, 4)),
    networks=(NETWORK,),
    counters=("ours", "torch", "syops"),
    recorders=("ours, spikes", "ours, whole record"),
    peers=("ours", "norse"),
)
MISSING = {"syops": "not installed (No module named 'syops')", "norse": "cannot be imported (broken)"}


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    """syops is not installed there, and norse cannot be imported."""
    directory = tmp_path_factory.mktemp("peers")
    (directory / "syops.py").write_text("raise ModuleNotFoundError(\"No module named 'syops'\")")
    (directory / "norse.py").write_text("raise ImportError('broken')")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(directory))
        patch.setenv("INFLOR_BENCH_EAGER", "1")
        patch.setattr(command, "Plan", lambda: PLAN)
        command.main(out=directory / "out", rounds=2, threads=1)

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    return json.loads((directory / "out/peers.json").read_text(), parse_constant=refuse)


def rows(document):
    return [(table, row) for table in document["tables"] for row in table["contestants"]]


def test_ours_and_torch_count_every_small_case_as_the_loops_do(document):
    counts = document["counts"]
    assert counts["counters"]["ours"]["exact"] == counts["counters"]["torch"]["exact"] == len(counts["truth"]) > 10


def test_a_missing_peer_is_a_row_with_its_reason_and_without_a_number(document):
    assert document["counts"]["counters"]["syops"] == {"reason": MISSING["syops"]}
    missing = [row for _, row in rows(document) if row["name"] in MISSING]
    assert len(missing) == 5
    assert all(row == {"name": row["name"], "reason": MISSING[row["name"]]} for row in missing)


def test_every_other_contestant_has_all_rounds_and_the_ratio_of_their_pairs(document):
    for table, row in rows(document):
        if row["name"] in MISSING:
            continue
        assert len(row["seconds"]) == 2
        assert min(row["seconds"]) > 0
        base = row["plain_seconds"] if table["beside"] else table["contestants"][0]["seconds"]
        ratio = statistics.median(a / b for a, b in zip(row["seconds"], base, strict=True))
        assert row["ratio"]["median"] == pytest.approx(ratio, rel=1e-12)
        assert ("peak_bytes" in row or "peak_reason" in row) == table["title"].startswith("Training")


def test_the_tables_are_those_of_the_plan_with_the_bounds(document):
    names = [[row["name"] for row in table["contestants"]] for table in document["tables"]]
    kernel, training = ["ours", "norse", "copy"], ["ours", "norse", "no neurons", "convolutions"]
    inference = ["ours, deployed", *training, "convolutions, channels last"]
    counting, recording = ["ours", "torch", "syops", "ours, inference mode"], ["ours, spikes", "ours, whole record"]
    assert names == [counting, recording, kernel, kernel, training, inference]
    assert (document["threads"], document["rounds"]) == (1, 2)
    assert torch.__version__.startswith(document["packages"]["torch"].partition("+")[0])


def test_what_is_shown_says_everything(document):
    out = io.StringIO()
    show(document, Console(file=out, width=250))
    text = out.getvalue()
    for table in document["tables"]:
        assert table["title"] in text
    assert all(reason in text for reason in MISSING.values())
    assert "Estimated energy of one inference: resnet8, T=2" in text
    assert "1 threads, 2 interleaved rounds" in text
    assert "not measured: no C++ compiler was found, or INFLOR_BENCH_EAGER is set" in text
    measured = {"suite": "default", "networks": 12, "fresh_seconds": 20.04, "next_seconds": 3.0}
    assert "its 12 networks take 20.0 s beyond" in compiling_line(measured)


def test_where_ours_is_missing_there_is_no_ratio_to_it(document):
    table = {**document["tables"][2], "contestants": [{"name": "ours", "reason": "gone"}]}
    copy = {key: value for key, value in document["tables"][2]["contestants"][2].items() if key != "ratio"}
    out = io.StringIO()
    show(
        {**document, "tables": [{**table, "contestants": [*table["contestants"], copy]}]}, Console(file=out, width=200)
    )
    assert "ours was not measured" in out.getvalue()


def test_a_folder_that_cannot_be_written_is_told_before_anything_runs(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(typer.Exit) as ended:
        command.main(out=tmp_path / "file" / "below", rounds=2, threads=1)
    assert ended.value.exit_code == 2
    assert str(tmp_path / "file") in capsys.readouterr().err


def test_what_is_measured_is_on_disk_when_the_next_table_starts(monkeypatch):
    saved = []
    monkeypatch.setattr(comparison, "counted", lambda *_: {"truth": {}, "counters": {}})
    monkeypatch.setattr(comparison, "priced", lambda *_: {"reason": "nothing is asked"})

    def timed(workers, table, **_):
        if table.job == "kernel":
            raise KeyboardInterrupt
        return {"title": table.title}

    monkeypatch.setattr(comparison, "timed", timed)
    with pytest.raises(KeyboardInterrupt):
        comparison.compare(
            PLAN, lambda d: saved.append(json.dumps(d)), rounds=1, threads=1, on_progress=lambda message: None
        )
    assert [len(json.loads(document)["tables"]) for document in saved] == [0, 0, 0, 1, 2]


@pytest.fixture
def arguments():
    return {"network": "resnet8", "timesteps": 2, "batch": 4, "image": (1, 8, 8)}


def test_the_convolutions_alone_do_the_work_of_the_network_and_no_more(arguments):
    job = Network("convolutions", training=True, **arguments)
    assert isinstance(job._module, ConvolutionsAlone)
    layers = [m for m in Network("ours", training=False, **arguments)._module.modules() if hasattr(m, "weight")]
    layers = [m for m in layers if m.weight.ndim > 1]
    assert sum(p.numel() for p in job._module.parameters()) == sum(p.numel() for m in layers for p in m.parameters())
    job._step()
    gradients = [standing.grad is not None for standing in job._module.inputs]
    assert gradients == [False] + [True] * (len(layers) - 1)
    # The stem sees the images once, everything else T times as many.
    assert [len(standing) for standing in job._module.inputs] == [4] + [8] * (len(layers) - 1)


def test_the_layout_of_the_convolutions_is_the_one_asked_for(arguments):
    for contestant, last in (("convolutions", False), ("convolutions, channels last", True)):
        module = Network(contestant, training=False, **arguments)._module
        tensors = [standing for standing in module.inputs[1:] if standing.ndim == 4 and standing.shape[2] > 1]
        tensors += [layer.weight for layer in module.layers if layer.weight.shape[2:] == (3, 3)][1:]
        assert len(tensors) > 8
        assert all(t.is_contiguous(memory_format=torch.channels_last) is last for t in tensors)


def test_the_deployed_network_predicts_as_the_trained_one_does(arguments):
    plain, deployed = (Network(name, training=False, **arguments) for name in ("ours", "ours, deployed"))
    assert not [module for module in deployed._module.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    with torch.no_grad():
        assert torch.allclose(plain._module(plain._x), deployed._module(deployed._x), atol=1e-3)


def test_a_training_step_moves_the_weights_and_an_inference_none(arguments):
    for training in (True, False):
        job = Network("ours", training=training, **arguments)
        before = [parameter.clone() for parameter in job._module.parameters()]
        job._call()
        assert any(not torch.equal(a, b) for a, b in zip(before, job._module.parameters(), strict=True)) is training


@pytest.mark.parametrize("contestant", ["ours", "copy"])
@pytest.mark.parametrize("backward", [True, False])
def test_a_kernel_runs_on_the_current_of_its_size(contestant, backward):
    job = Kernel(contestant, timesteps=2, batch=3, shape=(2, 4), backward=backward)
    assert job._current.shape == (6, 2, 4)
    (seconds,) = job.round()
    assert seconds > 0
