"""What only a real GPU can show. Where there is none, each of these says so and is skipped."""

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def device():
    if not torch.cuda.is_available():
        pytest.skip("torch finds no NVIDIA GPU here")
    return torch.device("cuda", 0)


@pytest.fixture(autouse=True)
def whole_float32(device, monkeypatch):
    """Convolutions in float32, not in TF32: what is compared with the CPU is our code, not the hardware's rounding."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
