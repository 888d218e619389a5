"""Models that users bring: by a TOML file, and by an installed package with a real entry point."""

import pytest

from inflor_bench.errors import MeasureInputError
from inflor_bench.measure.energy import ENERGY_MODELS, EnergyModel, energy_models, estimate
from inflor_bench.measure.neurons.operations import NeuronUpdates
from inflor_bench.measure.synops.result import SynOpSite

FILE = """
[[models]]
name = "my-chip"
version = "7"
source = "data sheet, 22 nm, 8-bit integer"
mac = 3e-12
ac = 1e-12
dense = 0.5e-12
neuron_update = 2

[[models]]
name = "other"
version = "1"
source = "measured on the bench"
ac = 5e-12
"""
MODULE = """
from inflor_bench.measure.energy import EnergyModel, per_operation
one = per_operation("packaged", "2", "a paper", mac=1e-9)
several = [one, EnergyModel("by-code", "1", "a thesis", lambda layer, spiking: 1e-3 if spiking else 2e-3)]
wrong = {"packaged": 1e-9}
"""


def write(directory, text=FILE, name="energy.toml"):
    path = directory / name
    path.write_text(text)
    return path


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put a distribution with one entry point on the path."""

    def put(value, module=MODULE):
        (tmp_path / "chip_models.py").write_text(module)
        info = tmp_path / "chip_models-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: chip-models\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[inflor_bench.energy_models]\nchip = {value}\n")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(__import__("sys").modules, "chip_models", raising=False)

    return put


def mine(models):
    return models[len(ENERGY_MODELS) :]


def test_a_file_gives_models_that_price_by_its_constants(tmp_path):
    models = energy_models([write(tmp_path)])
    assert models[: len(ENERGY_MODELS)] == ENERGY_MODELS
    layers = [SynOpSite(name="a", ac=10, mac=0, dense=40), SynOpSite(name="b", ac=0, mac=6, dense=20)]
    neurons = [NeuronUpdates("n", "hard", False, 1, 8, 8, 8, 8, 3)]
    chip, other = estimate(layers, neurons, samples=2, models=mine(models))
    assert chip.joules == pytest.approx((6 * 3e-12 + 10 * 1e-12 + 60 * 0.5e-12 + 8 * 2) / 2, rel=1e-12)
    assert other.joules == pytest.approx(10 * 5e-12 / 2, rel=1e-12)
    assert (chip.name, chip.version, chip.source) == ("my-chip", "7", "data sheet, 22 nm, 8-bit integer")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("version", "vresion"), r"'models\.0\.version'"),
        (("mac = 3e-12", "mca = 3e-12"), r"'models\.0\.mca'"),
        (("mac = 3e-12", 'mac = "3e-12"'), r"'models\.0\.mac'.*number"),
        (("mac = 3e-12", "mac = true"), r"'models\.0\.mac'.*number"),
        (("mac = 3e-12", "mac = -3e-12"), r"'models\.0\.mac'.*greater than or equal to 0"),
        (("mac = 3e-12", "mac = inf"), r"'models\.0\.mac'.*finite"),
        (('name = "other"', 'name = ""'), r"'models\.1\.name'"),
        (("ac = 5e-12", ""), "'other' prices nothing"),
        (('name = "other"', 'name = "my-chip"'), "'my-chip' is already in .*rename"),
        (('name = "other"', 'name = "loihi"'), "'loihi' is already in the package"),
        (("[[models]]", "[[models"), "is not TOML"),
        ((FILE, "models = []"), "'models'"),
        ((FILE, ""), "'models'"),
    ],
)
def test_a_mistake_in_a_file_names_the_file_and_the_key(tmp_path, change, sentence):
    assert change[0] in FILE
    path = write(tmp_path, FILE.replace(*change))
    with pytest.raises(MeasureInputError, match=sentence) as caught:
        energy_models([path])
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(MeasureInputError, match=r"none\.toml.*cannot be read \(No such file"):
        energy_models([tmp_path / "none.toml"])
    (tmp_path / "latin.toml").write_bytes(b'name = "\xff"')
    with pytest.raises(MeasureInputError, match=r"latin\.toml.*not UTF-8"):
        energy_models([tmp_path / "latin.toml"])


def test_the_same_file_twice_is_refused(tmp_path):
    path = write(tmp_path)
    with pytest.raises(MeasureInputError, match="already in"):
        energy_models([path, path])


@pytest.mark.parametrize(("value", "names"), [("one", ["packaged"]), ("several", ["packaged", "by-code"])])
def test_an_installed_package_adds_its_models(install, value, names):
    install(f"chip_models:{value}")
    found = mine(energy_models())
    assert [model.name for model in found] == names
    assert all(isinstance(model, EnergyModel) for model in found)
    layers = [SynOpSite(name="a", ac=0, mac=4, dense=4)]
    assert estimate(layers, [], samples=1, models=found)[0].joules == pytest.approx(4e-9)


@pytest.mark.parametrize(
    ("value", "module", "sentence"),
    [
        ("chip_models:wrong", MODULE, "is dict: offer an EnergyModel"),
        ("chip_models:none", MODULE, "cannot be loaded .*AttributeError"),
        ("chip_models:one", "import no_such_package", "cannot be loaded .*no_such_package"),
        ("chip_models:one", MODULE.replace("packaged", "loihi"), "'loihi' is already in the package"),
    ],
)
def test_a_package_that_offers_no_model_is_named(install, value, module, sentence):
    install(value, module)
    with pytest.raises(MeasureInputError, match=sentence) as caught:
        energy_models()
    assert "chip" in str(caught.value)
    assert "\n" not in str(caught.value)
