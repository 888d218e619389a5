"""Model cards: what a checkpoint is and how it came to be, written from its own metadata."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from inflor_bench.errors import ModelInputError


def model_card(title: str, metadata: Mapping[str, Any]) -> str:
    """Markdown card of a trained checkpoint's metadata.

    Raises:
        ModelInputError: the metadata lack something or hold something else than training wrote.
    """
    try:
        return _card(title, metadata)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
        raise ModelInputError(f"{title}: what the checkpoint says of its training is damaged: train it anew.") from None


def _card(title: str, metadata: Mapping[str, Any]) -> str:
    config, recipe, data = metadata["config"], metadata["recipe"], metadata["dataset"]
    correct, samples = metadata["correct"], metadata["samples"]
    steps = f"{config['timesteps']} time step(s)"
    kind = "the ANN twin (ReLU)" if config["neuron"] == "relu" else f"spiking neurons `{config['neuron']}`"
    if config["neuron"] == "quant":
        kind, steps = "the fair twin's activations (`quant`)", f"{config['timesteps']} level(s) above 0"
    hyperparameters = ", ".join(f"{key} {value}" for key, value in sorted(config["hyperparameters"].items()))
    lines = [
        f"# {title}",
        "",
        f"`{config['network']}` with {kind}, {steps}, {config['num_classes']} classes, "
        f"{config['in_channels']} input channel(s){'; ' + hyperparameters if hyperparameters else ''}.",
        "",
        f"**Test accuracy {100 * correct / samples:.2f} %** ({correct} of {samples}), after the last epoch; "
        "no epoch was chosen by its test accuracy.",
        "",
        "| what determined it | value |",
        "|---|---|",
        f"| command | `{shlex.join(metadata['command'])}` |",
        f"| data | {data['name']}, content sha256 `{data['sha256']}`{' (simulated)' if data['simulated'] else ''} |",
        f"| seed | {metadata['seed']} |",
        *(f"| {key.replace('_', ' ')} | {value} |" for key, value in recipe.items()),
        f"| torch, threads | {metadata['torch']}, {metadata['threads']} |",
        *(f"| {key} | {metadata[key]} |" for key in ("device", "processes") if key in metadata),
        f"| training key | `{metadata['training_key']}` |",
        f"| weights sha256 | `{metadata['weights_sha256']}` |",
        "",
        "| epoch | training loss | training accuracy | test accuracy |",
        "|---:|---:|---:|---:|",
        *(
            f"| {point['epoch']} | {point['loss']:.4f} | {100 * point['train_accuracy']:.2f} % "
            f"| {100 * point['test_accuracy']:.2f} % |"
            for point in metadata["curve"]
        ),
        "",
        "The training accuracy is that of the running epoch, under augmentation and while the weights change.",
        "",
        *_anytime(metadata.get("anytime", ()), samples),
    ]
    return "\n".join(lines)


def _anytime(correct: Sequence[int], samples: int) -> list[str]:
    """The accuracy after each number of time steps, where there is more than one."""
    if len(correct) < 2:
        return []
    return [
        "| time steps | test accuracy |",
        "|---:|---:|",
        *(f"| {steps} | {100 * number / samples:.2f} % |" for steps, number in enumerate(correct, 1)),
        "",
        "From one pass: after t steps, the class of the highest mean logit over the first t.",
        "",
    ]
