"""The process that asks torch and the data sets: it prints a JSON object a line."""

from __future__ import annotations

import json
from typing import Any


def main() -> None:
    """Print what is found, each the moment it is known."""
    import torch

    _say(
        torch={
            "version": torch.__version__,
            "cuda": torch.version.cuda,
            "gpus": _gpus(torch),
            "threads": torch.get_num_threads(),
        }
    )
    from inflor_bench.errors import ModelInputError
    from inflor_bench.models.datasets import DATASETS, DatasetUnavailableError, load_dataset

    _say(datasets=list(DATASETS))
    for name in DATASETS:
        try:
            # Simulating the events of digits takes longer than asking may.
            dataset = load_dataset("digits" if name == "digits-dvs" else name, timesteps=1)
            _say(found=name)
            len(dataset.train)  # read, to see whether it is here
        except DatasetUnavailableError:
            _say(missing=name)
        except ModelInputError as error:
            _say(damaged=name, reason=str(error))


def _gpus(torch: Any) -> list[dict[str, str]]:
    if not torch.cuda.is_available():
        return []
    properties = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    return [{"name": found.name, "uuid": str(found.uuid)} for found in properties]


def _say(**values: Any) -> None:
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main()
