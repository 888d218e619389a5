"""Every kind of case against the brute-force truth: AC, MAC, dense and padded, in every grad mode."""

import pytest
import torch

from inflor_bench.measure.synops.counter import SynOpCounter
from tests.measure.synops import cases_of_state, cases_of_sums  # noqa: F401  (they add to the cases)
from tests.measure.synops.cases import CASES
from tests.measure.synops.oracle import Counted

MODES = {"grad": torch.enable_grad, "no_grad": torch.no_grad, "inference": torch.inference_mode}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", CASES)
def test_counts_equal_brute_force(name, mode):
    torch.manual_seed(0)
    case = CASES[name]()
    with MODES[mode](), SynOpCounter(case.module) as counter:
        case.run(case.module)
    result = counter.result()
    ac, mac = sum(case.ac, Counted()), sum(case.mac, Counted())
    assert (result.total.ac, result.total.mac) == (ac.effective, mac.effective)
    assert result.total.dense == ac.dense + mac.dense
    assert result.total.dense_padded == ac.padded + mac.padded
    assert result.uncounted == []
    assert all(type(count) is int for count in vars(result.total).values())


def test_there_are_at_least_sixty_kinds_of_case():
    assert len(CASES) >= 60
