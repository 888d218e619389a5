"""Suites and cells: what they mean, and one sentence for each mistake."""

import pytest

from inflor_bench.cell.name import Cell
from inflor_bench.errors import SuiteInputError
from inflor_bench.models.recipe import find_recipe
from inflor_bench.models.zoo import ROOT
from inflor_bench.run.suite import check_names, load_suite, plan, timed_by_ab
from tests.refusal import one_sentence

NEURONS = ["relu", "hard", "soft", "hard-mpr", "soft-mpr"]
CELLS = """
name = "mine"
[[cells]]
dataset = "digits"
network = "resnet8"
neurons = ["relu", "soft"]
timesteps = [2, 4]
seeds = [0, 1]
weights = "train"
"""


def write(tmp_path, text):
    path = tmp_path / "suite.toml"
    path.write_text(text)
    return str(path)


def names(planned):
    return [entry.cell.name for entry in planned]


def test_a_table_is_every_neuron_at_every_step_and_seed_and_the_twin_has_one_step(tmp_path):
    planned = plan(load_suite(write(tmp_path, CELLS)))
    assert sorted(names(planned)) == sorted(
        f"digits/resnet8/{neuron}/s{seed}" for neuron in ("relu/T1", "soft/T2", "soft/T4") for seed in (0, 1)
    )


def test_energy_models_are_found_from_the_suites_own_folder(tmp_path):
    line = 'energy_models = ["chip.toml", "/opt/chip.toml"]'
    suite = load_suite(write(tmp_path, CELLS.replace("[[cells]]", f"{line}\n[[cells]]", 1)))
    assert suite.energy_models == [str(tmp_path / "chip.toml"), "/opt/chip.toml"]


def test_what_is_said_of_a_network_is_not_said_of_the_others_of_its_data_set(tmp_path):
    text = '\n[training.digits]\nepochs = 3\nbatch_size = 16\n[training."digits/resnet20"]\nepochs = 5\n'
    suite = load_suite(write(tmp_path, CELLS + text))

    def recipe(name):
        cell = Cell.parse(name)
        return suite.training_of(cell).recipe_for(cell.dataset)

    recipes = [recipe(f"digits/{name}/soft/T2/s0") for name in ("resnet8", "resnet20")]
    sizes = [(recipe.epochs, recipe.batch_size) for recipe in recipes]
    assert sizes == [(3, 16), (5, find_recipe("digits").batch_size)]
    assert recipe("digits-dvs/resnet20/soft/T2/s0") == find_recipe("digits-dvs")


def test_what_ab_times_is_what_the_suite_marks_else_the_last_spiking_cell_of_each_data_set(tmp_path):
    more = (
        CELLS.partition("[[cells]]")[2].replace('"digits"', '"digits-dvs"').replace('"relu", "soft"', '"hard", "soft"')
    )
    twin = CELLS.partition("[[cells]]")[2].replace('"digits"', '"fashion-mnist"').replace('"relu", "soft"', '"relu"')
    text = f"{CELLS}[[cells]]{more}[[cells]]{twin}"
    suite = load_suite(write(tmp_path, text))
    lasts = ["digits/resnet8/soft/T4/s1", "digits-dvs/resnet8/soft/T4/s1", "fashion-mnist/resnet8/relu/T1/s1"]
    assert sorted(timed_by_ab(suite, plan(suite))) == sorted(lasts)
    marks = ["digits-dvs/resnet8/hard/T2/s0", "digits/resnet8/relu/T1/s1"]
    suite = load_suite(write(tmp_path, f"{text}[ab]\ntimed = {marks}\n"))
    assert timed_by_ab(suite, plan(suite)) == marks[::-1]
    assert timed_by_ab(suite, plan(suite, "digits/*")) == marks[1:]
    assert timed_by_ab(suite, plan(suite, "digits/*/soft/T2/*")) == ["digits/resnet8/soft/T2/s1"]
    suite = load_suite(write(tmp_path, f"{text}[ab]\ntimed = []\n"))
    assert timed_by_ab(suite, plan(suite)) == []


def test_a_mark_for_ab_on_a_cell_that_is_not_there_is_named(tmp_path):
    there, missing = "digits/resnet8/soft/T4/s0", "digits/resnet8/soft/T8/s0"
    with pytest.raises(SuiteInputError, match=rf"suite\.toml: key 'ab\.timed': '{missing}' is no cell of the suite"):
        load_suite(write(tmp_path, f"{CELLS}[ab]\ntimed = {[there, missing]}\n"))


def test_of_the_default_suite_ab_times_one_cell_of_each_data_set():
    suite = load_suite("default")
    timed = [Cell.parse(cell).dataset for cell in timed_by_ab(suite, plan(suite))]
    assert sorted(timed) == sorted({entry.cell.dataset for entry in plan(suite)})


def test_only_keeps_what_matches(tmp_path):
    suite = load_suite(write(tmp_path, CELLS))
    assert names(plan(suite, "*/soft/T4/*")) == ["digits/resnet8/soft/T4/s0", "digits/resnet8/soft/T4/s1"]
    with pytest.raises(SuiteInputError, match="no cell that matches 'x'"):
        plan(suite, "x")


def test_the_default_suite_is_the_neurons_on_each_data_set_as_they_ship_and_one_that_is_trained():
    planned = plan(load_suite("default"))
    check_names(planned)
    all_of_them, on_events = [*NEURONS, "quant"], ["hard", "soft", "soft-mpr", "quant"]
    neurons = {("digits", 4): all_of_them, ("digits-dvs", 4): on_events, ("fashion-mnist", 2): all_of_them}
    shipped = [
        f"{data}/resnet8/{neuron}/T{1 if neuron == 'relu' else steps}/s0"
        for (data, steps), several in neurons.items()
        for neuron in several
    ]
    assert names(entry for entry in planned if entry.weights == "zoo") == shipped
    assert names(entry for entry in planned if entry.weights == "train") == ["digits/resnet8/soft-mpr/T2/s0"]


def test_all_that_ships_is_measured_by_the_default_suite_or_the_full_one():
    planned = [entry for name in ("default", "full") for entry in plan(load_suite(name))]
    check_names(planned)
    measured = {entry.cell.name for entry in planned if entry.weights == "zoo"}
    assert measured == {str(path.relative_to(ROOT).with_suffix("")) for path in ROOT.rglob("*.safetensors")}


def test_the_full_suite_trains_what_the_default_one_takes_from_the_zoo():
    trained = {entry.cell for entry in plan(load_suite("full")) if entry.weights == "train"}
    default = {entry.cell for entry in plan(load_suite("default")) if entry.weights == "zoo"}
    assert {cell for cell in trained if not cell.seed} == {c for c in default if c.dataset in ("digits", "digits-dvs")}
    assert {cell.neuron for cell in trained if cell.seed} == {"hard", "soft", "soft-mpr", "quant"}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("name", "nmae"), "'name'"),
        (('["relu", "soft"]', '"relu"'), r"'cells\.0\.neurons'.*list"),
        (("[2, 4]", '["2"]'), r"'cells\.0\.timesteps\.0'.*integer"),
        (("[2, 4]", "[0]"), r"'cells\.0\.timesteps\.0'.*greater than or equal to 1"),
        (('"train"', '"steal"'), r"'cells\.0\.weights'"),
        (("seeds", "seedz"), "seed"),
        (("[0, 1]", "[0, 9223372036854775808]"), r"'cells\.0\.seeds\.1'.*less than or equal to 9223372036854775807"),
        (('"mine"', '"mine"\nenergy_models = "chip.toml"'), "'energy_models'.*list"),
        (('"mine"', '"mine"\nenergy_models = [3]'), r"'energy_models\.0'.*string"),
        (("[[cells]]", "[[cells"), "is not TOML"),
    ],
)
def test_a_mistake_names_the_file_and_the_key(tmp_path, change, sentence):
    path = write(tmp_path, CELLS.replace(*change))
    with one_sentence(SuiteInputError, sentence, path):
        load_suite(path)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (('"digits"', '"mnist"'), "Unknown data set 'mnist': choose one of digits, fashion-mnist"),
        (('"resnet8"', '"resnet9"'), "Unknown network 'resnet9'"),
        (('"soft"', '"lif"'), "Unknown neuron 'lif'"),
    ],
)
def test_names_that_do_not_exist_are_told_before_anything_runs(tmp_path, change, sentence):
    with pytest.raises(SuiteInputError, match=sentence):
        check_names(plan(load_suite(write(tmp_path, CELLS.replace(*change)))))


def test_a_cell_that_is_there_twice_is_refused(tmp_path):
    table = CELLS.split("\n", 2)[2]
    with pytest.raises(SuiteInputError, match="is there twice"):
        plan(load_suite(write(tmp_path, CELLS + table)))


def test_a_suite_that_is_not_there(tmp_path):
    with pytest.raises(SuiteInputError, match=r"name a TOML file or one of default"):
        load_suite(str(tmp_path / "none.toml"))


@pytest.mark.parametrize("name", ["digits/resnet8/soft/T2/s0", "fashion-mnist/resnet20/soft-mpr/T4/s12"])
def test_a_cell_is_its_name(name):
    assert Cell.parse(name).name == name


@pytest.mark.parametrize("value", ["seeds", "timesteps"])
def test_whatever_a_suite_accepts_can_be_named(tmp_path, value):
    """A run is repeated by the names of its cells."""
    old = {"seeds": "seeds = [0, 1]", "timesteps": "timesteps = [2, 4]"}[value]
    assert old in CELLS
    accepted = 0
    for number in (1, 10**3, 10**3 + 1, 10**9 - 1, 10**9, 10**10, 2**63 - 1, 2**63, 10**19):
        suite = write(tmp_path, CELLS.replace(old, f"{value} = [{number}]"))
        try:
            planned = plan(load_suite(suite))
        except SuiteInputError:
            continue
        accepted += 1
        assert all(Cell.parse(entry.cell.name) == entry.cell for entry in planned)
    assert accepted == {"seeds": 7, "timesteps": 2}[value]


@pytest.mark.parametrize(
    "name",
    [
        *("", "digits", "digits/resnet8/soft/T0/s0", "digits/resnet8/soft/2/s0", "a/b/c/T1/s01", "../x/y/T1/s0"),
        *("a/b/c/T1001/s0", f"a/b/c/T1/s{2**63}"),
    ],
)
def test_what_is_no_cell_is_refused(name):
    with pytest.raises(SuiteInputError, match="is no cell"):
        Cell.parse(name)
