"""With the packages that are installed here: their neurons do what ours do, and their counters count."""

import pytest
import torch

from tests.peers.benchmark.comparison import is_exact
from tests.peers.benchmark.counters import COUNTERS
from tests.peers.benchmark.neurons import NEURONS, restart
from tests.peers.benchmark.truth import cases


def run(name, current):
    neuron = NEURONS[name](4)()
    with torch.no_grad():
        first = neuron(current)
        restart(neuron)
        again = neuron(current)
    assert torch.equal(first, again), "state is carried from call to call"
    return first


@pytest.mark.parametrize("name", ["spikingjelly", "norse", "snntorch"])
def test_a_peers_neuron_fires_as_ours_does(name):
    pytest.importorskip(name)
    current = torch.randn(4 * 5, 3, 4, generator=torch.Generator().manual_seed(1))
    theirs, ours = run(name, current), run("ours", current)
    assert theirs.shape == ours.shape
    if name == "snntorch":  # its reset takes effect one step later
        assert set(theirs.unique().tolist()) == {0.0, 1.0}
        assert torch.equal(theirs[:5], ours[:5])
    else:
        assert torch.equal(theirs, ours)
        assert 0 < ours.mean() < 1


@pytest.mark.parametrize("name", COUNTERS)
def test_a_counter_counts_a_linear_layer_of_spikes(name):
    case = cases()["linear, spikes"]
    try:
        attached = COUNTERS[name](case.module)
        with torch.no_grad(), attached.watching():
            attached.run(case.x)
    except ImportError as error:
        pytest.skip(str(error))
    assert is_exact(attached.counts(), vars(case.truth()))
