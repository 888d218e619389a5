"""Train one network on one or many processes: `torchrun --nproc-per-node=4 -m inflor_bench.models.training ...`.

The batch of the recipe is divided among the processes, so the result is the same for any number of them, but for
rounding. The checkpoint goes where `inflor-bench run` finds it.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from inflor_bench.cache import cache_directory
from inflor_bench.errors import ModelInputError
from inflor_bench.models.create import config_for
from inflor_bench.models.datasets import DATASETS, load_dataset
from inflor_bench.models.networks import NETWORKS
from inflor_bench.models.neurons import NEURONS
from inflor_bench.models.recipe import RECIPES, find_recipe
from inflor_bench.models.training.logs import Log, csv_log, tensorboard_log
from inflor_bench.models.training.loop import Progress, train
from inflor_bench.models.training.processes import started_processes


def main() -> int:
    """Train, print the checkpoint's path, and return the exit code: 0 fine, 2 bad input, 130 stopped."""
    arguments = _arguments()
    try:
        with started_processes(arguments.device) as processes:
            dataset = load_dataset(arguments.dataset, arguments.data_root, timesteps=arguments.timesteps)
            given = {
                name: value
                for name in ("epochs", "batch_size", "learning_rate", "bfloat16", "steps_at_once")
                if (value := getattr(arguments, name)) is not None
            }
            recipe = replace(find_recipe(arguments.dataset, arguments.recipe), **given)
            config = config_for(
                arguments.network, arguments.neuron, arguments.timesteps, len(dataset.classes), dataset.shape[0]
            )
            logs: list[Log] = []
            if processes.writes:
                logs += [csv_log(arguments.csv)] if arguments.csv else []
                logs += [tensorboard_log(arguments.tensorboard)] if arguments.tensorboard else []
            path = train(
                config,
                recipe,
                dataset,
                arguments.seed,
                arguments.directory,
                command=["python", "-m", "inflor_bench.models.training", *sys.argv[1:]],
                on_progress=_epoch_lines(recipe.epochs) if processes.writes else lambda progress: None,
                logs=logs,
                processes=processes,
            )
            if processes.writes:
                print(path, flush=True)
    except ModelInputError as error:
        if os.environ.get("RANK", "0") == "0":
            print(error, file=sys.stderr, flush=True)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m inflor_bench.models.training", description=__doc__)
    parser.add_argument("--dataset", required=True, choices=DATASETS)
    parser.add_argument("--network", required=True, choices=NETWORKS)
    parser.add_argument("--neuron", required=True, choices=NEURONS)
    parser.add_argument("--timesteps", required=True, type=int, help="T; 1 for relu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--recipe", choices=RECIPES, help="the data set's own where this is not given")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--batch-size", type=int, help="of all processes together")
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--bfloat16", action="store_true", default=None, help="compute in bfloat16 where it is safe")
    parser.add_argument("--steps-at-once", type=int, help="of events, to bound memory; 0 for all")
    parser.add_argument("--device", choices=("cpu", "cuda"), help="cuda where there is one")
    parser.add_argument("--directory", type=Path, default=cache_directory() / "trained", help="of the checkpoints")
    parser.add_argument("--data-root", type=Path, help="folder that holds the data sets (or INFLOR_BENCH_DATA)")
    parser.add_argument("--csv", type=Path, help="file for the curve, a line an epoch")
    parser.add_argument("--tensorboard", type=Path, help="directory for TensorBoard's event files")
    return parser.parse_args()


def _epoch_lines(epochs: int) -> Callable[[Progress], None]:
    """What prints a line after each epoch, with the time left at this process's pace."""
    begun: list[tuple[float, int]] = []

    def show(progress: Progress) -> None:
        if not begun:
            begun.append((time.monotonic(), progress.step))
        start, first = begun[0]
        if progress.step * epochs % progress.steps == 0:
            left = (time.monotonic() - start) / max(1, progress.step - first) * (progress.steps - progress.step)
            print(
                f"epoch {progress.epoch + 1} of {epochs}, loss {progress.loss:.3f}, "
                f"accuracy {progress.accuracy:.1%}, {left / 60:.1f} min left",
                file=sys.stderr,
                flush=True,
            )

    return show


if __name__ == "__main__":
    sys.exit(main())
