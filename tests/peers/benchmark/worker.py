"""The process of one contestant: one JSON request a line in, one JSON answer a line out.

    {"do": "prepare", "job": ..., "threads": ..., "arguments": {...}}  ->  {"value": null}
    {"do": "round"}, {"do": "memory"}, {"do": "cases", "counter": ..., "threads": ...},
    {"do": "energies", "threads": ..., "arguments": {...}}  ->  {"value": ...}

What goes wrong is answered as {"error": reason}; the process goes on.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, TextIO

from tests.peers.benchmark.failure import reason_of


class Server:
    """Holds the job that was prepared."""

    def __init__(self) -> None:
        self._job: Any = None

    def answer(self, request: dict[str, Any]) -> Any:
        """Do what one request says."""
        if "threads" in request:
            import torch

            torch.set_num_threads(request["threads"])
        if request["do"] == "cases":
            from tests.peers.benchmark.jobs import counted_cases

            return counted_cases(request["counter"])
        if request["do"] == "energies":
            from tests.peers.benchmark.energies import energies

            return energies(**request["arguments"])
        if request["do"] == "prepare":
            from tests.peers.benchmark.jobs import JOBS

            self._job = JOBS[request["job"]](**request["arguments"])
            return None
        return self._job.round() if request["do"] == "round" else self._job.memory()


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answer requests until there are no more."""
    server = Server()
    for line in requests:
        try:
            answer = {"value": server.answer(json.loads(line))}
        except Exception as error:
            answer = {"error": reason_of(error)}
        answers.write(json.dumps(answer, allow_nan=False) + "\n")
        answers.flush()


if __name__ == "__main__":
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a package prints must not be taken for an answer
    serve(sys.stdin, channel)
