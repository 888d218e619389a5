"""One network priced by every model of energy, ours and SpikingJelly's."""

import pytest

from inflor_bench.measure.energy import ENERGY_MODELS

pytest.importorskip("spikingjelly.activation_based.op_counter")

from tests.peers.benchmark.energies import energies


@pytest.fixture(scope="module")
def rows():
    return {row["model"]: row for row in energies("resnet8", 4, 4, (1, 8, 8))}


def test_every_model_prices_the_network_or_says_why_not(rows):
    assert {f"ours, {model.name}" for model in ENERGY_MODELS} < rows.keys()
    assert len(rows) == len(ENERGY_MODELS) + 4
    assert all(row["prices"] and (row.get("joules", 0) > 0) != bool(row.get("reason")) for row in rows.values())
    assert all("joules" in rows[f"ours, {model.name}"] for model in ENERGY_MODELS)


def test_theirs_of_the_same_paper_differs_by_the_borders_that_ours_leaves_out(rows):
    ours, theirs = (rows[name]["joules"] for name in ("ours, lemaire2022", "SpikingJelly, Lemaire"))
    assert 0.5 * theirs < ours < theirs


def test_crossbars_that_wait_for_spikes_take_less(rows):
    waiting, dense = (rows[f"SpikingJelly, SpikeSim, {kind}"]["joules"] for kind in ("rows with a spike", "every row"))
    assert waiting < dense
