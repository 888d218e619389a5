"""docs/reproduce-paper.md names a command for each cell of the suite `paper`, and the zoo is what it should be."""

import re
from itertools import product
from pathlib import Path

from inflor_bench.models.recipe import find_recipe
from inflor_bench.models.zoo import ROOT
from inflor_bench.run.suite import check_names, load_suite, plan

TEXT = (Path(__file__).parents[2] / "docs/reproduce-paper.md").read_text("utf-8")


def expanded(word):
    """The words that a shell makes of braces."""
    parts = [part.split(",") for part in re.split(r"[{}]", word)]
    return {"".join(choice) for choice in product(*parts)}


def test_the_page_has_one_command_for_each_cell_of_the_suite():
    planned = plan(load_suite("paper"))
    check_names(planned)
    named = [cell for word in re.findall(r"^inflor-bench train .* (\S+/s0)$", TEXT, re.M) for cell in expanded(word)]
    assert sorted(named) == sorted(entry.cell.name for entry in planned)


def test_the_paper_is_trained_by_its_own_recipe():
    for entry in plan(load_suite("paper")):
        recipe = find_recipe(entry.cell.dataset)
        if entry.cell.dataset != "imagenet":
            assert (recipe.epochs, recipe.batch_size, recipe.learning_rate) == (400, 128, 0.01)


def test_the_zoo_is_trained_with_three_seeds_where_neurons_are_compared():
    planned = plan(load_suite("zoo"))
    check_names(planned)
    compared = {
        entry.cell.name.removeprefix("fashion-mnist/") for entry in planned if entry.cell.dataset == "fashion-mnist"
    }
    three = {f"resnet8/{it}/s{seed}" for it in ("relu/T1", "hard/T2", "soft/T2", "soft-mpr/T2") for seed in (0, 1, 2)}
    one = {f"resnet8/{it}/s0" for it in ("hard-mpr/T2", "quant/T2", "hard/T4", "soft/T4", "soft-mpr/T4")}
    assert compared == three | one | {"resnet8x4/soft-mpr/T2/s0"}


def test_the_zoo_holds_what_ships():
    cells = {entry.cell.name for entry in plan(load_suite("zoo"))}
    assert cells == {str(path.relative_to(ROOT).with_suffix("")) for path in ROOT.rglob("*.safetensors")}
