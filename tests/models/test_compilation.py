"""Compiled and eager kernels give the same spikes, and gradients to rounding; a missing compiler is said once."""

import pytest
import torch
from safetensors.torch import load_file

from tests.command import python

PROGRAM = """
import hashlib, logging, sys, torch
logging.basicConfig(format="%(levelname)s %(name)s %(message)s")
from safetensors.torch import save_file
from inflor_bench.models import compilation, functional
digest, gradients = hashlib.sha256(), {}
neurons = {"some": [("hard", False), ("soft", True)], "all": [(r, m) for r in ("hard", "soft") for m in (False, True)]}
for layer in range(12):
    for reset, mpr in neurons[sys.argv[2]]:
        current = torch.randn(3, 4, 5 + layer, generator=torch.Generator().manual_seed(layer)).requires_grad_()
        spikes = functional.lif(current, decay=0.25, reset=reset, mpr=mpr)
        (grad,) = torch.autograd.grad((spikes * current.detach().cos()).sum(), current)
        digest.update(spikes.detach().numpy().tobytes())
        gradients[f"{layer} {reset} {mpr}"] = grad
for reset in {"some": ["hard"], "all": ["hard", "soft"]}[sys.argv[2]]:
    current = torch.randn(3, 4, 9, generator=torch.Generator().manual_seed(1)).bfloat16().requires_grad_()
    spikes = functional.lif(current, decay=0.9, reset=reset, mpr=True)
    (grad,) = torch.autograd.grad((spikes * current.detach().cos()).sum(), current)
    digest.update(spikes.detach().float().numpy().tobytes())
    gradients[f"bfloat16 {reset}"] = grad
before = torch._dynamo.utils.counters["stats"].get("unique_graphs", 0)
for layer in range(3):
    current = torch.randn(500, 3, 5 + layer, generator=torch.Generator().manual_seed(layer)).requires_grad_()
    spikes = functional.lif(current, decay=0.5, reset="soft", mpr=True)
    (grad,) = torch.autograd.grad((spikes * current.detach().cos()).sum(), current)
    digest.update(spikes.detach().numpy().tobytes())
    gradients[f"{layer} long"] = grad
# One kernel forward, two backward: the piece that begins where the storage does has one of its own.
assert torch._dynamo.utils.counters["stats"].get("unique_graphs", 0) - before <= 3
save_file(gradients, sys.argv[1])
print(digest.hexdigest())
print("compiled", bool(torch._dynamo.utils.counters["stats"].get("unique_graphs")), "broken", len(compilation._broken))
"""


def run(gradients, which, **environment):
    done = python("-c", PROGRAM, gradients, which, **environment)
    return done.stdout.split("\n"), done.stderr


@pytest.mark.needs("c++ compiler")
@pytest.mark.parametrize("which", ["some", pytest.param("all", marks=pytest.mark.slow)])
def test_compiled_and_eager_results_are_equal_whatever_the_shapes(tmp_path, which):
    """Of all neurons; `some` meet every branch once, since each takes a kernel of its own to compile."""
    (compiled, state, _), errors = run(tmp_path / "compiled", which)
    assert state == "compiled True broken 0", errors
    (hidden, state, _), errors = run(tmp_path / "eager", which, PATH=str(tmp_path), CXX="")
    assert state == "compiled False broken 0"
    assert errors.count("No C++ compiler was found") == 1
    assert hidden == compiled
    gradients = [load_file(tmp_path / name) for name in ("compiled", "eager")]
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        # Rounded once to 8 bits, a difference in the last bit of float32 may become one in the last of bfloat16.
        tolerance = 2**-7 if gradient.dtype is torch.bfloat16 else 1e-6
        torch.testing.assert_close(gradient, gradients[1][name], rtol=tolerance, atol=1e-6, msg=name)
