"""README and docs: short, no link to nowhere, and no command, option, suite, module or environment that is gone."""

import ast
import configparser
import re
import shlex
import tomllib
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

from inflor_bench.cli.app import app
from inflor_bench.measure.energy import iso, joules_of, lemaire
from inflor_bench.measure.energy.constants import ENERGY_MODELS
from inflor_bench.measure.energy.user import GROUP, read_models
from inflor_bench.record.run_file import UNTIMED
from inflor_bench.run.suite import Suite
from inflor_bench.verdict.budgets import parse_budgets
from tests.command import ROOT, call

pytestmark = pytest.mark.long

README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [README, *DOCS, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", ROOT / "CHANGELOG.md"]
COMMANDS = typer.main.get_command(app).commands
# Options of other programs than ours that a page may name without the program.
OF_OTHERS = {"--benchmark-only", "--dependency", "--signal", "--group-by", "--efficiency-out", "--efficiency-base"}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)

pages = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)


def text(page):
    return page.read_text("utf-8")


def blocks(page, language):
    return [body for kind, body in FENCE.findall(text(page)) if kind == language]


def prose(page):
    return FENCE.sub("", text(page))


def spans(page):
    """What stands in code of one line: inline, and the lines of shell blocks, those that go on joined."""
    yield from re.findall(r"`([^`]+)`", prose(page))
    for block in (*blocks(page, "sh"), *blocks(page, "yaml"), *blocks(page, "toml")):
        for line in block.replace("\\\n", " ").splitlines():
            yield line.partition("# ")[0] if not line.startswith("#") else ""


def anchors(page):
    """The names that GitHub gives to headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def options(command):
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}


def stale(span):
    """What of a line of code names a command or an option of ours that there is not."""
    found = []
    # What is quoted is a value: a pattern, or words for another command.
    span = re.sub(r"'[^']*'", "VALUE", span.replace("-m inflor_bench ", "inflor-bench "))
    calls = [match.start() for match in re.finditer(r"\binflor-bench (?=[a-z])", span)]
    for start, end in pairwise([*calls, len(span)]):
        words = re.findall(r"[^\s\[\]|]+", re.split(r"[;&\"]", span[start:end])[0])[1:]
        command, name = COMMANDS.get(words[0]), words[0]
        if command is not None and getattr(command, "commands", None) and len(words) > 1:
            command, name = command.commands.get(words[1]), f"{name} {words[1]}"
        if command is None:
            found.append(f"inflor-bench {name}")
            continue
        named = {word.partition("=")[0] for word in words if word.startswith("--") and len(word) > 2}
        found += [f"inflor-bench {name} {option}" for option in sorted(named - options(command))]
    if re.match(r"--[a-z]", span):
        every = [*COMMANDS.values(), *COMMANDS["history"].commands.values()]
        known = OF_OTHERS.union(*map(options, every))
        found += [word for word in re.findall(r"--[a-z][a-z0-9-]*", span) if word not in known]
    return found


def test_readme_is_short():
    assert len(text(README).splitlines()) < 120


def test_readme_leads_to_every_page():
    linked = set(re.findall(r"\]\(docs/([\w-]+\.md)", text(README)))
    assert linked == {page.name for page in DOCS}


@pages
def test_every_relative_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = page.parent / path if path else page
        assert there.exists(), f"{page.name}: {target}"
        assert there.resolve().is_relative_to(ROOT), f"{page.name}: {target} is not ours"
        assert not anchor or anchor in anchors(there), f"{page.name}: {target}"


@pages
def test_every_page_and_folder_that_is_named_is_there(page):
    for span in re.findall(r"`((?:docs|bench|models|reports|tests|requirements|\.github|\.ci)/[\w./-]*)`", prose(page)):
        assert (ROOT / span).exists(), f"{page.name}: {span}"


@pages
def test_every_command_and_option_that_is_named_exists(page):
    assert [name for span in spans(page) for name in stale(span)] == []


@pytest.mark.parametrize(
    ("span", "names"),
    [
        ("inflor-bench run --suite full --only 'x/*'", []),
        ("inflor-bench history add RUN --branch b --push origin", []),
        ("inflor-bench init-ci --target 'net.py:build --shape 1x4x4'", []),
        ("inflor-bench walk", ["inflor-bench walk"]),
        ("torchrun --nproc-per-node=4 -m inflor_bench train --epoch 3", ["inflor-bench train --epoch"]),
        ("inflor-bench history forget RUN", ["inflor-bench history forget"]),
        ("inflor-bench run [--suit NAME|FILE]", ["inflor-bench run --suit"]),
        ("inflor-bench run; inflor-bench compare BASE HEAD --on=ray", ["inflor-bench compare --on"]),
        ("--quick", []),
        ("--quickly", ["--quickly"]),
    ],
)
def test_the_check_sees_what_is_stale(span, names):
    assert stale(span) == names


@pages
def test_every_suite_module_and_environment_that_is_named_is_there(page):
    environments = configparser.ConfigParser(interpolation=None)
    environments.read(ROOT / "tox.ini")
    for span in spans(page):
        for suite in re.findall(r"--suite ([a-z]+)(?![\w./|])", span):
            assert (ROOT / "bench" / "suites" / f"{suite}.toml").is_file(), f"{page.name}: {span}"
        for name in re.findall(r"\btox run -e ([a-z]+)", span):
            assert f"testenv:{name}" in environments, f"{page.name}: {span}"
        for module in re.findall(r"(?:\b(?=inflor_bench\.)|-m )((?:inflor_bench|tests)(?:\.\w+)*)", span):
            assert module in (GROUP, f"inflor_bench.{UNTIMED}") or is_there(module), f"{page.name}: {span}"


def is_there(name):
    """Whether a dotted name is a module, or something in one."""
    parent, _, attribute = name.rpartition(".")
    with suppress(ModuleNotFoundError):
        if find_spec(name) is not None:
            return True
    return bool(parent) and is_there(parent) and hasattr(import_module(parent), attribute)


@pytest.mark.parametrize("name", ["inflor_bench.measure.nothing", "inflor_bench.nothing", "tests.nothing"])
def test_a_module_that_is_gone_is_seen(name):
    assert not is_there(name)


@pages
def test_every_table_of_a_suite_or_of_energy_models_is_one_that_we_read(page, tmp_path):
    for block in blocks(page, "toml"):
        document = tomllib.loads(block)
        if "models" in document:
            (tmp_path / "models.toml").write_text(block, "utf-8")
            assert read_models(tmp_path / "models.toml")
            continue
        group = {"dataset": "digits", "network": "resnet8", "neurons": ["soft"], "timesteps": [4], "seeds": [0]}
        suite = Suite.model_validate({"name": "", "cells": [{**group, "weights": "zoo"}], **document})
        parse_budgets(page, suite.budgets)


@pages
def test_every_import_of_ours_in_an_example_can_be_made(page):
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "inflor_bench":
                module = import_module(node.module)
                assert all(hasattr(module, alias.name) for alias in node.names), ast.unparse(node)


def test_the_two_commands_of_readme_are_those_of_the_quick_start_and_of_ci():
    (commands,) = [block for block in blocks(README, "sh") if "tox" in block]
    assert commands == "python -m pip install tox && tox run -e bench\ntox run -e tests\n"
    assert commands in blocks(ROOT / "docs" / "quick-start.md", "sh")
    assert commands in text(ROOT / ".ci" / "run")


def test_the_example_of_readme_prints_what_readme_shows(tmp_path):
    (module,) = blocks(README, "python")
    (command,) = [block for block in blocks(README, "sh") if "measure" in block]
    (shown,) = blocks(README, "")
    (tmp_path / "net.py").write_text(module, "utf-8")
    words = (*shlex.split(command)[1:], "--quick", "--rounds", 1)
    printed = call(tmp_path, *words, check=0, fresh=True, INFLOR_BENCH_EAGER="1")
    for exact in (("layer", "kind"), ("MAC", "dense")):
        assert columns(shown, *exact) == columns(printed.stdout, *exact) != []
    # A current beside the firing level may be rounded to the other side of it on another machine.
    for near in ("AC", "spikes"):
        numbers = [
            [float(row[0].replace(",", "")) for row in columns(output, near) if row[0]]
            for output in (shown, printed.stdout)
        ]
        assert numbers[0] == pytest.approx(numbers[1], rel=0.01)
    assert figures(shown) == figures(printed.stdout) != {}


def columns(output, *names):
    """Columns of the table of layers, by the last line of their heads."""
    rows = [
        [cell.strip() for cell in line[1:-1].split(line[0])]
        for line in output.splitlines()
        if line.startswith(("┃", "│"))
    ]
    heads, *body = [row for row in rows if "layer" in row or row[0] not in ("", "layer")]
    return [tuple(row[heads.index(name)] for name in names) for row in body]


def figures(output):
    """The lines below it by name; of those that no machine changes also what they say."""
    lines = re.findall(r"^ ([a-z ]+?)  +(\S.*?) *$", output, re.M)
    return {name: said if name in ("inputs", "time", "neuron updates") else "" for name, said in lines}


TERM = re.compile(r"([\d.]+) ([npf])J \* (?:\(([\w +]+)\)|(AC|MAC|neuron updates)\b)")
JOULES = {"n": 1e-9, "p": 1e-12, "f": 1e-15}


@pytest.mark.parametrize("model", ENERGY_MODELS, ids=lambda model: model.name)
def test_the_glossary_has_the_formula_of_every_model_of_energy(model):
    rows = dict(re.findall(r"^\| `([\w-]+)` \| (.+) \|$", text(ROOT / "docs" / "glossary.md"), re.M))
    formula = rows[model.name]
    # Of some the terms stand where they are implemented, and tests/measure holds them to what they come from.
    elsewhere = {"lemaire2022": lemaire, "iso-event": iso, "iso-dense": iso}
    if model.name in elsewhere:
        assert f"`{Path(elsewhere[model.name].__file__).relative_to(ROOT)}`" in formula
        return
    counts = {"AC": 3, "MAC": 5, "dense": 7, "neuron updates": 11}
    said = sum(
        float(price) * JOULES[unit] * sum(counts[name] for name in (summed or one).split(" + "))
        for price, unit, summed, one in TERM.findall(formula)
    )
    layer = SimpleNamespace(ac=counts["AC"], mac=counts["MAC"], dense=counts["dense"])
    neuron = SimpleNamespace(updates=counts["neuron updates"])
    priced = joules_of(model.synapses(layer, True)) + joules_of(model.neurons(neuron))
    assert said == pytest.approx(priced, rel=1e-9)
