"""The source that determines trained weights, by what a training really runs, and by code that changes or moves."""

import ast
import shutil
import sys
from pathlib import Path

import pytest

import inflor_bench.models
from inflor_bench.errors import ModelInputError
from inflor_bench.models.create import ModelConfig
from inflor_bench.models.datasets import STILL
from inflor_bench.models.recipe import Recipe
from inflor_bench.models.sources import _BORDERS, reached, sources_sha256
from inflor_bench.models.training import train

PACKAGE = Path(inflor_bench.models.__file__).parent

# Of a resnet8 on digits: a definition of every module that its weights come from.
DETERMINING = [
    ("functional", "surrogate"),
    ("fused", "lif_backward"),
    ("compilation", "run_fused"),
    ("neurons", "LIF"),
    ("pieces", "logits_in_pieces"),
    ("positions", "position_seed"),
    ("create", "create_model"),
    ("recipe", "Recipe"),
    ("networks.resnet", "BasicBlock"),
    ("networks.time", "over_time"),
    ("datasets.dataset", "Dataset"),
    ("datasets.dataset", "make_dataset"),
    ("datasets.digits", "load"),
    ("training.loop", "_step"),
    ("training.augmentation", "draw"),
    ("training.autoaugment", "apply"),
    ("training.processes", "Processes"),
    ("training.state", "start"),
    ("training.synchronised", "synchronise"),
]
OTHERS = [
    ("cards", "model_card"),
    ("checkpoints", "save_tensors"),
    ("deploy", "deploy"),
    ("released", "convert"),
    ("recipe", "find_recipe"),
    ("networks.vgg", "VGG"),
    ("networks.released_resnet", "ReleasedResNet"),
    ("datasets", "load_dataset"),
    ("datasets.digits_dvs", "load"),
    ("datasets.fashion_mnist", "load"),
    ("training.evaluation", "count_correct"),
    ("training.interruption", "Interruption"),
    ("training.logs", "csv_log"),
]


@pytest.fixture
def copied(tmp_path):
    """A copy of the package's source, which a test may change."""
    shutil.copytree(PACKAGE, tmp_path / "models", ignore=shutil.ignore_patterns("zoo", "__pycache__"))
    return tmp_path / "models"


def file_of(root, module):
    path = root / f"{module.replace('.', '/')}.py"
    return path if path.exists() else path.with_suffix("") / "__init__.py"


def edit(path, old, new):
    text = path.read_text("utf-8")
    assert old in text, f"{path.name} no longer has {old!r}"
    path.write_text(text.replace(old, new), "utf-8")


def key(root=PACKAGE, network="resnet8", dataset="digits"):
    return sources_sha256(network, dataset, root)


def change(root, module, name):
    """One more statement at the end of a definition."""
    path = file_of(root, module)
    tree = ast.parse(path.read_text("utf-8"))
    (definition,) = [node for node in tree.body if getattr(node, "name", None) == name]
    definition.body += ast.parse("changed = 1").body
    path.write_text(ast.unparse(tree), "utf-8")


@pytest.mark.parametrize(("module", "name"), DETERMINING)
def test_a_change_of_what_determines_the_weights_is_seen(copied, module, name):
    change(copied, module, name)
    assert key(copied) != key()


@pytest.mark.parametrize(("module", "name"), OTHERS)
def test_a_change_of_anything_else_is_not(copied, module, name):
    change(copied, module, name)
    assert key(copied) == key()


def test_the_cells_own_entry_of_a_table_counts_and_no_other(copied):
    edit(file_of(copied, "networks"), "(CifarResNet, 3, 1)", "(CifarResNet, 5, 1)")
    assert key(copied) == key()
    assert key(copied, "resnet20") != key(PACKAGE, "resnet20")


def test_what_serves_a_later_neuron_alone_is_in_its_own_keys_and_in_no_other(copied):
    edit(file_of(copied, "create"), '    if neuron == "quant":', '    if neuron == "quant":\n        name += ""')
    edit(file_of(copied, "neurons"), ', "quant")', ")")
    for module, name in (("neurons", "Quantiser"), ("functional", "quantise")):
        change(copied, module, name)
    assert key(copied) == key()
    for neuron in ("relu", "soft-mpr"):
        assert sources_sha256("resnet8", "digits", neuron=neuron) == key()
    own = sources_sha256("resnet8", "digits", neuron="quant")
    assert own != key()
    assert own != sources_sha256("resnet8", "digits", copied, "quant")
    assert ("neurons", "Quantiser") in reached("resnet8", "digits", neuron="quant")


def test_a_width_that_only_the_table_of_networks_says_is_seen(copied):
    edit(file_of(copied, "networks"), "(CifarResNet, 1, 1)", "(CifarResNet, 1, 2)")
    assert key(copied) != key()


def test_a_statement_that_names_nothing_is_seen_where_it_stands(copied):
    path = file_of(copied, "functional")
    path.write_text(f"{path.read_text('utf-8')}\ntorch.set_flush_denormal(True)\n", "utf-8")
    assert key(copied) != key()


def test_networks_and_data_sets_have_keys_of_their_own():
    keys = {key(network=network, dataset=data) for network in ("resnet8", "vgg16") for data in ("digits", "digits-dvs")}
    assert len(keys) == 4


def test_comments_format_docstrings_annotations_and_words_of_errors_say_nothing(copied):
    for path in copied.rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) and ast.get_docstring(node):
                node.body[0].value.value = "Other words."
            if isinstance(node, ast.FunctionDef) and isinstance(node.returns, ast.Name) and node.returns.id == "Tensor":
                node.returns = ast.Name("object")
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                node.exc.args = [ast.Constant("other words")]
        path.write_text(f"# A comment.\n{ast.unparse(ast.fix_missing_locations(tree))}\n", "utf-8")
    assert key(copied) == key()


def test_code_that_only_moves_keeps_its_key(copied, tmp_path):
    (copied / "functional.py").rename(copied / "networks" / "equations.py")
    for path in copied.rglob("*.py"):
        text = path.read_text("utf-8").replace(
            "from inflor_bench.models.functional import", "from inflor_bench.models.networks.equations import"
        )
        text = text.replace(
            "from inflor_bench.models import functional",
            "from inflor_bench.models.networks import equations as functional",
        )
        path.write_text(text, "utf-8")
    positions = (copied / "positions.py").read_text("utf-8")
    (copied / "positions.py").unlink()
    (copied / "draws.py").write_text(positions, "utf-8")
    for path in copied.rglob("*.py"):
        path.write_text(
            path.read_text("utf-8").replace("inflor_bench.models.positions", "inflor_bench.models.draws"), "utf-8"
        )
    shutil.copytree(copied, tmp_path / "changed")
    change(tmp_path / "changed", "networks.equations", "surrogate")
    assert key(copied) == key()
    assert key(tmp_path / "changed") != key()


def test_whatever_a_training_runs_is_followed(tmp_path):
    """What the interpreter enters is an account of its own of what the weights come from."""
    ran = set()

    def enter(frame, event, argument):
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(PACKAGE) and not frame.f_code.co_name.startswith("<"):
            module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
            ran.add((module, frame.f_code.co_qualname.partition(".")[0]))

    recipe = Recipe(
        epochs=1, batch_size=1024, horizontal_flip=True, crop_padding=1, auto_augment=True, cutout=2, roll=1
    )
    config = ModelConfig("resnet8", "soft-mpr", 2, 10, 1, {"decay": 0.25})
    train(config, recipe, STILL["digits"](None, False), 0, tmp_path / "first")  # torch imports much of itself only now
    sys.setprofile(enter)
    try:
        train(config, recipe, STILL["digits"](None, False), 0, tmp_path)
    finally:
        sys.setprofile(None)
    ran = {(module, name) for module, name in ran if module not in _BORDERS}
    assert ("training.autoaugment", "apply") in ran
    assert len(ran) > 30
    assert ran <= reached("resnet8", "digits").keys()


def test_a_package_without_its_source_is_refused_with_a_sentence(tmp_path):
    with pytest.raises(ModelInputError, match="has no source"):
        key(tmp_path)
