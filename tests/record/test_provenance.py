import hashlib
import json
import platform
from importlib import metadata

import pynvml
import pytest

from inflor_bench.record import provenance
from inflor_bench.record.provenance import machine, versions


def test_the_fingerprint_is_the_hash_of_its_preimage():
    found = machine(2)
    assert list(found.preimage) == ["cpu", "cpu_flags", "cores", "gpu", "os", "torch", "python", "threads"]
    expected = hashlib.sha256(json.dumps(found.preimage, sort_keys=True).encode()).hexdigest()[:12]
    assert found.fingerprint == expected
    assert machine(2) == found
    assert all(found.preimage.values())


def test_everything_in_the_preimage_changes_the_fingerprint(monkeypatch):
    here = machine(2)
    prints = {here.fingerprint, machine(1).fingerprint}
    for function, value in [
        ("_cpu_brand", "Another CPU"),
        ("_cpu_flags", "0123"),
        ("_gpu", "Another GPU; driver 1"),
        ("_os_image", "Another OS"),
    ]:
        with monkeypatch.context() as patch:
            patch.setattr(provenance, function, lambda value=value: value)
            prints.add(machine(2).fingerprint)
    with monkeypatch.context() as patch:
        patch.setattr(provenance, "_version", lambda _: "0.0")
        prints.add(machine(2).fingerprint)
    assert len(prints) == 7


def test_the_gpu_is_named_with_its_driver(monkeypatch):
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlShutdown", lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: 2)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", lambda index: index)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetName", lambda index: f"Card {index}")
    monkeypatch.setattr(pynvml, "nvmlSystemGetDriverVersion", lambda: "550.54")
    assert machine(2).preimage["gpu"] == "Card 0, Card 1; driver 550.54"


@pytest.mark.parametrize("code", [pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, pynvml.NVML_ERROR_DRIVER_NOT_LOADED])
def test_no_driver_is_no_gpu(monkeypatch, code):
    def refuse():
        raise pynvml.NVMLError(code)

    monkeypatch.setattr(pynvml, "nvmlInit", refuse)
    assert machine(2).preimage["gpu"] == "none"


@pytest.mark.parametrize("older", [{"nvmlDeviceGetName": lambda index: b"Card"}, {"nvmlInit": None}])
def test_an_older_pynvml_leaves_the_gpu_unknown(monkeypatch, older):
    known = {"nvmlDeviceGetCount": lambda: 1, "nvmlDeviceGetHandleByIndex": lambda index: index}
    for name, function in {"nvmlInit": lambda: None, "nvmlShutdown": lambda: None, **known, **older}.items():
        monkeypatch.setattr(pynvml, name, function)
    assert machine(2).preimage["gpu"] == "unknown"


def test_versions_are_those_installed():
    found = versions()
    assert found["python"] == platform.python_version()
    assert found["numpy"] == metadata.version("numpy")
    assert found["pytest-benchmark"] == metadata.version("pytest-benchmark")


def test_no_torch_is_none(monkeypatch):
    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert machine(2).preimage["torch"] == "none"
    assert versions() == {"python": platform.python_version()}
