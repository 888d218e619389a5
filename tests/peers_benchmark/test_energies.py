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


def test_theirs_of_the_same_paper_differs_by_borders_and_by_the_size_of_memories():
    """Ours leaves out taps outside the borders; theirs takes memories that hold the whole batch with all its steps."""
    names = ("ours, lemaire2022", "SpikingJelly, Lemaire")
    one, four = (
        [row["joules"] for name in names for row in energies("resnet8", 1, batch, (1, 8, 8)) if row["model"] == name]
        for batch in (1, 4)
    )
    assert 0.3 * one[1] < one[0] < one[1]
    assert four[0] == pytest.approx(one[0], rel=0.2)
    assert four[1] > 1.3 * one[1]


def test_crossbars_that_wait_for_spikes_take_less(rows):
    waiting, dense = (rows[f"SpikingJelly, SpikeSim, {kind}"]["joules"] for kind in ("rows with a spike", "every row"))
    assert waiting < dense
