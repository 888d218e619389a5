import json
import os
import signal
import subprocess
import time

import pytest

from inflor_bench import files
from inflor_bench.errors import TrackInputError
from inflor_bench.files import read_json, write_json
from tests.command import start_python


def test_a_document_comes_back(tmp_path):
    document = {"ä": [1, 2.5, None, True, "\ud800 lone"], "n": 2**63 - 1}
    write_json(tmp_path / "deep" / "a.json", document)
    assert read_json(tmp_path / "deep" / "a.json", "x") == document
    assert os.listdir(tmp_path / "deep") == ["a.json"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": {1, 2}}, b"bytes"])
def test_what_is_not_strict_json_is_refused_and_leaves_nothing(tmp_path, value):
    (tmp_path / "a.json").write_text("old")
    with pytest.raises(TrackInputError, match=r"a\.json: cannot be written as strict JSON"):
        write_json(tmp_path / "a.json", {"value": value})
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.json", "old")]


def damage(path, content: bytes):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b'{"a": 1', "damaged or truncated JSON"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": -Infinity}', "-Infinity is not a JSON number"),
        (b'{"a": ' + b"1" * 5000 + b"}", "not strict JSON"),
        (b'{"a": "\xff"}', r"not UTF-8 text \(byte 7\)"),
        (b"[" * 200_000 + b"]" * 200_000, "nested too deeply"),
        (b"\x89PNG\r\n\x1a\n", "not UTF-8"),
    ],
)
def test_a_damaged_file_is_one_sentence_with_file_and_remedy(tmp_path, content, words):
    path = damage(tmp_path / "a.json", content)
    with pytest.raises(TrackInputError, match=words) as caught:
        read_json(path, "measure again")
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.endswith("; measure again.")
    assert "\n" not in message


def test_places_that_are_no_files(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path, words in [
        (tmp_path / "missing", "does not exist"),
        (tmp_path, "not a regular file"),
        (tmp_path / "fifo", "not a regular file"),
        (tmp_path / "a\0b", "cannot be read"),
        (tmp_path / ("x" * 300), "cannot be read"),
    ]:
        with pytest.raises(TrackInputError, match=words):
            read_json(path, "measure again")


def test_a_huge_file_is_refused_before_it_is_read(tmp_path):
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(files.MAX_BYTES + 1)  # sparse
    with pytest.raises(TrackInputError, match="larger than"):
        read_json(tmp_path / "huge.json", "measure again")


def test_an_unwritable_directory_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TrackInputError, match=r"cannot be written .*give a writable output directory"):
        write_json(tmp_path / "file" / "a.json", {})
    with pytest.raises(TrackInputError, match="cannot be written"):
        write_json(tmp_path / ("x" * 300) / "a.json", {})


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    write_json(tmp_path / "a.json", {"old": 1})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TrackInputError, match="No space left"):
        write_json(tmp_path / "a.json", {"new": 1})
    assert os.listdir(tmp_path) == ["a.json"]
    assert json.loads((tmp_path / "a.json").read_text()) == {"old": 1}


def test_a_reader_never_sees_half_a_file_of_a_writer_that_is_killed(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"size": 0, "data": []})
    code = (
        "import sys; from pathlib import Path; from inflor_bench.files import write_json\n"
        "n = 0\n"
        "while True:\n"
        "    n += 1; write_json(Path(sys.argv[1]), {'size': n, 'data': [0.5] * n * 1000})\n"
    )
    for _ in range(3):
        writer = start_python("-c", code, path)
        try:
            deadline = time.monotonic() + 30
            while read_json(path, "x")["size"] < 20 and time.monotonic() < deadline:
                pass
        finally:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
        document = read_json(path, "x")
        assert len(document["data"]) == 1000 * document["size"] > 0
        path.unlink()
        write_json(path, {"size": 0, "data": []})


def test_a_named_pipe_is_written_into_and_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE, text=True)
    write_json(pipe, {"n": 1})
    output, _ = reader.communicate()
    assert json.loads(output) == {"n": 1}
    assert pipe.is_fifo()
    assert os.listdir(tmp_path) == ["pipe"]
