"""A cell of the fair twin: what its T means wherever a cell's T is read, and the bits that it is priced at."""

import pytest

from inflor_bench.cell.name import Cell
from inflor_bench.cell.prepare import Sources, prepare
from inflor_bench.cell.scaling import time_cell
from inflor_bench.cli.options import bits_of, overridden
from inflor_bench.errors import SuiteInputError
from inflor_bench.measure.energy import Bits
from inflor_bench.models.neurons import Quantiser
from inflor_bench.record.origin import ModelDescription
from inflor_bench.run.settings import MeasureSettings
from inflor_bench.run.suite import PlannedCell, Suite, timed_by_ab

DIGITS, EVENTS = (Cell.parse(f"{data}/resnet8/quant/T4/s0") for data in ("digits", "digits-dvs"))
SUITE = Suite.model_validate(
    {
        "name": "mine",
        "cells": [
            {
                "dataset": "digits",
                "network": "resnet8",
                "neurons": ["soft", "quant"],
                "timesteps": [4],
                "seeds": [0],
                "weights": "zoo",
            }
        ],
    }
)


@pytest.fixture(scope="module", params=[DIGITS, EVENTS], ids=lambda cell: cell.dataset)
def prepared(request, tmp_path_factory):
    return prepare(PlannedCell(request.param, "zoo"), SUITE, Sources(tmp_path_factory.mktemp("cache")), ["here"])


def test_the_record_says_levels_and_bits_and_no_constants_of_a_neuron(prepared):
    description = prepared.description
    assert (description.neuron, description.timesteps) == ("quant", 4)
    assert (description.levels, description.activation_bits) == (4, 3)
    assert (description.decay, description.threshold, description.reset, description.mpr) == (None,) * 4
    assert [module.levels for module in prepared.model.modules() if isinstance(module, Quantiser)] == [4] * 7


def test_it_makes_one_step_and_sees_one_frame_of_events(prepared):
    assert prepared.model.timesteps == 1
    frames = prepared.dataset.test.head(2)
    assert frames.ndim == 4 or frames.shape[1] == 1
    assert Cell.parse("digits/resnet8/soft/T4/s0").steps == 4


def test_it_is_timed_as_it_is_and_not_with_other_steps(prepared, monkeypatch):
    asked = {}

    def stand_in(benchmark, model, device, settings, usual, vary):
        asked.update(usual=usual, more=vary(None, 2), other=vary(3, None))

    monkeypatch.setattr("inflor_bench.cell.scaling.time_pass", stand_in)
    time_cell(None, prepared, "cpu", MeasureSettings(batch_size=2))
    assert (asked["usual"].timesteps, asked["other"].batch_size) == (1, 3)
    assert "one time step" in asked["more"].reason
    asked["usual"].forward()


def test_the_spiking_cell_is_the_one_that_ab_times():
    from inflor_bench.run.suite import plan

    planned = plan(SUITE)
    assert [entry.cell.name for entry in planned][1] == DIGITS.name
    assert timed_by_ab(SUITE, planned[::-1]) == ["digits/resnet8/soft/T4/s0"]


@pytest.mark.parametrize(
    ("neuron", "steps", "bits"),
    [("soft", 1, 1), ("soft", 2, 2), ("quant", 3, 2), ("quant", 4, 3), ("soft-mpr", 7, 3), ("quant", 8, 4)],
)
def test_values_take_as_many_bits_as_t_steps_can_say(neuron, steps, bits):
    assert ModelDescription(neuron=neuron, timesteps=steps).bits_of_values == bits


def test_networks_without_levels_are_priced_at_8_bits_and_what_is_said_comes_first():
    assert ModelDescription(neuron="relu", timesteps=1).bits_of_values is None
    assert ModelDescription().bits_of_values is None
    assert MeasureSettings().bits(None) == Bits(8, 32, 8)
    assert MeasureSettings().bits(3) == Bits(8, 32, 3)
    assert MeasureSettings(weight_bits=4, sum_bits=16, activation_bits=6).bits(3) == Bits(4, 16, 6)


def test_the_command_line_gives_bits():
    assert overridden(MeasureSettings(), False, None, bits="4,16").bits(3) == Bits(4, 16, 3)
    assert overridden(MeasureSettings(), False, None, bits="4,16,2").bits(3) == Bits(4, 16, 2)
    assert bits_of(None) == {}


@pytest.mark.parametrize("said", ["8", "8,32,4,1", "8,x", "8,-3", "0,32", "8,99"])
def test_what_are_no_bits_is_refused(said):
    with pytest.raises(SuiteInputError, match="bits"):
        overridden(MeasureSettings(), False, None, bits=said)
