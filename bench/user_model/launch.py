"""Starts the measuring process. Imports no torch unless the inputs need it."""

from __future__ import annotations

import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from inflor_bench.errors import SuiteInputError
from inflor_bench.process import how_it_ended, python
from inflor_bench.user_model.request import Answer, Request

if TYPE_CHECKING:
    from inflor_bench.user_model.inputs import Inputs


def measure_model(request: Request, inputs: Inputs, seconds: float | None = None) -> Answer:
    """Measure a model in a process of its own, where the user's directory comes first on the path.

    Raises:
        SuiteInputError: the process ended without an answer, killed by the model's own code or from outside, or it took
            longer than so many seconds.
    """
    from safetensors.torch import save_file

    with tempfile.TemporaryDirectory(prefix="inflor-bench-") as name:
        directory = Path(name)
        asked, answered = directory / "request.json", directory / "answer.json"
        save_file(inputs.tensors, directory / "inputs.safetensors")
        request = request.model_copy(update={"inputs": str(directory / "inputs.safetensors")})
        asked.write_text(request.model_dump_json(), "utf-8")
        try:
            done = subprocess.run(
                python("-m", "inflor_bench.user_model", str(asked), str(answered)), check=False, timeout=seconds
            )
        except subprocess.TimeoutExpired:
            raise SuiteInputError(
                f"{request.target}: it took longer than --timeout {seconds:g} (s) and was stopped: give it more time."
            ) from None
        if answered.exists():
            return Answer.model_validate_json(answered.read_bytes())
    if done.returncode in (130, -signal.SIGINT):
        raise KeyboardInterrupt
    how = how_it_ended(done.returncode)
    raise SuiteInputError(f"The process that measured {request.target} ended {how} before it had written a result.")
