"""The command `inflor-bench measure`. Heavy imports stand inside, so that every command starts at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inflor_bench.cli import options


def measure(
    target: Annotated[str, typer.Argument(help="file.py:factory or package.module:factory of a torch.nn.Module.")],
    dataset: Annotated[str | None, typer.Option(help="Inputs: the test split of a data set of ours.")] = None,
    inputs: Annotated[
        Path | None, typer.Option(help="Inputs: a .npz or .safetensors file with inputs [N, ...] and maybe labels [N].")
    ] = None,
    shape: Annotated[str | None, typer.Option(help="Inputs: random, of this shape, such as 1x28x28.")] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="Take so many samples (of random ones 32).")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Samples in a batch.")] = 32,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of random inputs, and of the factory.")] = 0,
    time_axis: Annotated[str | None, typer.Option(help="Where time is: inside, leading, flattened or calls.")] = None,
    timesteps: Annotated[int | None, typer.Option(min=1, help="Number of time steps.")] = None,
    reset: Annotated[str | None, typer.Option(help="Method of the model that brings it to rest, or none.")] = None,
    output: Annotated[
        str | None,
        typer.Option(help="Key, index or attribute of what is scored, of a model that gives several things."),
    ] = None,
    neurons: Annotated[
        list[str] | None, typer.Option(help="A spiking neuron that is not recognised: a module's name, or its class.")
    ] = None,
    not_neurons: Annotated[
        list[str] | None,
        typer.Option(help="What only looks like a spiking neuron: a module's name, or its class."),
    ] = None,
    membrane: Annotated[
        str | None, typer.Option(help="Attribute in which such neurons hold their membrane before the reset.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the record; runs are compared by it.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Timed rounds.")] = 100,
    quick: options.Quick = False,
    require_power: options.RequirePower = False,
    watch: options.Watch = False,
    tdp: options.Tdp = None,
    bits: options.Bits = None,
    variant: Annotated[
        list[str] | None, typer.Option(help="Also time it under this condition: cold-cache or cuda-graph.")
    ] = None,
    sweep_batch: Annotated[list[int] | None, typer.Option(help="Also time a batch of so many samples.")] = None,
    sweep_timesteps: Annotated[list[int] | None, typer.Option(help="Also time so many time steps.")] = None,
    timeout: Annotated[
        float | None, typer.Option(help="Stop a measurement that takes longer than so many seconds.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where run files (in runs/) go.")] = Path(".bench"),
    data_root: options.DataRoot = None,
    download: options.Download = False,
) -> None:
    """Measure your own model, in a process of its own, into a run file.

    Needed of a model with time: --timesteps where it makes one step a call or takes [T, N, ...]. SpikingJelly, snnTorch
    and Norse are recognised; of other models with time or state say --time-axis and --reset.
    """
    from inflor_bench.errors import SuiteInputError

    if [dataset, inputs, shape].count(None) != 2:
        raise SuiteInputError("Say what the model is run on: give one of --dataset, --inputs and --shape.")

    from inflor_bench.measure.running.declared import Said
    from inflor_bench.record.run_file import read_run
    from inflor_bench.terminal import say, standard_output
    from inflor_bench.user_model.inputs import from_dataset, from_file, from_shape
    from inflor_bench.user_model.launch import measure_model
    from inflor_bench.user_model.request import Request
    from inflor_bench.user_model.show import show

    if dataset is not None:
        given = from_dataset(dataset, data_root, download, samples, timesteps)
    else:
        given = from_file(inputs, samples) if inputs is not None else from_shape(str(shape), samples, seed)
    request = Request(
        target=target,
        name=name or f"{target} on {given.data.name}",
        inputs="",
        timed=given.timed,
        dataset=given.data,
        said=Said(
            axis=time_axis,
            timesteps=timesteps,
            reset=reset,
            output=output,
            neurons=neurons or [],
            not_neurons=not_neurons or [],
            membrane=membrane,
        ),
        measure=options.checked_settings(
            batch_size=batch,
            rounds=rounds,
            profile="quick" if quick else "full",
            variants=variant or [],
            sweep_batch_sizes=sweep_batch or [],
            sweep_timesteps=sweep_timesteps or [],
            tdp_watts=tdp,
            **options.bits_of(bits),
        ),
        seed=seed,
        watch=watch,
        out=str(out / "runs"),
        command=options.command_line(),
    )
    answer = measure_model(request, given, options.checked_timeout(timeout))
    for finished in answer.recovered:
        say(f"An earlier run was stopped; what it had measured is in {finished}")
    if answer.run is not None:
        for cell in read_run(Path(answer.run)).cells.values():
            show(cell.record, standard_output())
        typer.echo(f"run     {answer.run}")
    if answer.bad_input:
        raise SuiteInputError("\n".join(answer.bad_input))
    missing = options.without_power(Path(answer.run)) if require_power and answer.run is not None else []
    for sentence in missing:
        say(sentence)
    raise typer.Exit(1 if missing else 0)
