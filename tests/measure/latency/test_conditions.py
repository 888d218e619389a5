"""Rounds in turn, throughput, cold caches, CUDA events and graphs. Without a GPU torch's CUDA calls go into a diary."""

import contextlib
from types import SimpleNamespace

import pytest
import torch

from inflor_bench.measure.latency import (
    Turn,
    cpu_seconds_per_inference,
    cuda_graph,
    event_rounds,
    evict_caches,
    inferences_per_second,
    rounds_in_turn,
)
from inflor_bench.measure.unavailable import Unavailable

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 1)


class Clock:
    def __init__(self):
        self.now = 0

    def __call__(self):
        return self.now

    def spend(self, seconds):
        self.now += round(seconds * 1e9)


def test_turns_are_interleaved_and_what_comes_before_is_not_timed():
    clock, order = Clock(), []

    def turn(name, seconds):
        return Turn(lambda: (order.append(name), clock.spend(seconds)), lambda: clock.spend(7.0))

    seconds = rounds_in_turn({"a": turn("a", 1.0), "b": turn("b", 2.0)}, 3, clock)
    assert order == ["a", "b"] * 3
    assert seconds == {"a": [1.0] * 3, "b": [2.0] * 3}
    assert rounds_in_turn({}, 3, clock) == {}


def test_throughput_is_samples_over_the_time_until_the_device_has_done_all():
    clock, waiting = Clock(), []

    def call():
        waiting.append(0.25)
        clock.spend(0.01)

    def finish():
        clock.spend(sum(waiting))
        waiting.clear()

    # 100 launches of 0.01 s fill a second; the device then needs 25 s more.
    assert inferences_per_second(call, batch_size=4, seconds=1.0, finish=finish, clock=clock) == pytest.approx(400 / 26)
    slow = inferences_per_second(lambda: clock.spend(3.0), batch_size=1, seconds=1.0, clock=clock)
    assert slow == pytest.approx(1 / 3)


def test_cpu_seconds_leave_out_what_brings_the_model_to_rest():
    clock = Clock()
    spent = cpu_seconds_per_inference(
        lambda: clock.spend(3.0), batch_size=6, iterations=5, before=lambda: clock.spend(11.0), clock=clock
    )
    assert spent == pytest.approx(0.5)


def test_twice_the_largest_cache_is_written(tmp_path):
    for index, size in enumerate(["48K", "2M", "8192K", "odd"]):
        (tmp_path / f"index{index}").mkdir()
        (tmp_path / f"index{index}" / "size").write_text(size + "\n")
    evict, written = evict_caches(CPU, tmp_path)
    assert written == 2 * 8192 * 1024
    evict()
    assert evict_caches(CPU, tmp_path / "none").reason.startswith("cache_size_unknown: ")
    assert evict_caches(torch.device("meta"), tmp_path).reason.startswith("unknown_device: ")


@pytest.fixture
def cuda(monkeypatch):
    """torch's CUDA as a diary."""
    diary = []

    @contextlib.contextmanager
    def within(name, *_):
        diary.append(f"{name} begins")
        yield
        diary.append(f"{name} ends")

    class Event:
        def __init__(self, enable_timing):
            assert enable_timing

        def record(self):
            diary.append("event")

        def synchronize(self):
            diary.append("wait for event")

        def elapsed_time(self, end):
            return 2.5

    class Graph:
        def replay(self):
            diary.append("replay")

    def stream():
        return SimpleNamespace(wait_stream=lambda other: diary.append("streams in order"))

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "Stream", stream)
    monkeypatch.setattr(torch.cuda, "current_stream", stream)
    monkeypatch.setattr(torch.cuda, "device", lambda device: within(str(device)))
    monkeypatch.setattr(torch.cuda, "stream", lambda _: within("aside"))
    monkeypatch.setattr(torch.cuda, "graph", lambda _: within("capture"))
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: diary.append(f"wait for {device}"))
    return diary


def test_events_stand_right_around_the_call_and_milliseconds_become_seconds(cuda):
    seconds = event_rounds(lambda: cuda.append("call"), CUDA, 2, lambda: cuda.append("rest"))
    assert seconds == [0.0025, 0.0025]
    one = ["rest", "wait for cuda:1", "event", "call", "event", "wait for event"]
    assert cuda == ["cuda:1 begins", *one, *one, "cuda:1 ends"]


def test_a_graph_is_captured_after_a_warm_up_aside_and_replayed(cuda):
    replay = cuda_graph(lambda: cuda.append("call"), CUDA)
    assert [entry for entry in cuda if entry in ("call", "capture begins", "capture ends", "aside ends")] == [
        *["call"] * 3,
        "aside ends",
        "capture begins",
        "call",
        "capture ends",
    ]
    cuda.clear()
    replay()
    assert cuda == ["cuda:1 begins", "replay", "cuda:1 ends"]


def test_what_cannot_be_captured_says_why(cuda):
    def call():
        if "capture begins" in cuda:
            raise RuntimeError("operation not permitted when stream is capturing\nat a long place")

    found = cuda_graph(call, CUDA)
    assert isinstance(found, Unavailable)
    assert found.reason.startswith("capture_failed: ")
    assert found.reason.endswith("operation not permitted when stream is capturing")
    assert cuda_graph(lambda: None, CPU).reason.startswith("no_cuda: ")
