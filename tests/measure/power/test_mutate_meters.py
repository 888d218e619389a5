"""The faults of `mutate_meters` still have a place in the meters. Whether tests notice them is its own command."""

import pytest

from tests.measure.power.mutate_meters import FAULTS, copy_project, mutate


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    root = tmp_path_factory.mktemp("copy")
    copy_project(root)
    return root


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_has_one_place_and_leaves_python(copy, fault):
    path = copy / "inflor_bench" / "measure" / "power" / fault.file
    before = path.read_text()
    mutate(fault, copy)
    compile(path.read_text(), str(path), "exec")
    assert path.read_text() != before
    path.write_text(before)
