"""What of our own source determines the weights of a cell, as a hash.

From what trains, makes the network and loads the data, every definition is followed that its code names, in whichever
file it stands. Of a definition counts what it does: no file's name, comment, format, docstring, type or import,
and no words of an error. So code may move and be tidied up, and what was trained by it before is still its own.
"""

from __future__ import annotations

import ast
import copy
import functools
import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from inflor_bench.errors import ModelInputError

_PACKAGE = __name__.rpartition(".")[0]
_ROOT = Path(__file__).parent

# Following ends here: whatever these modules do, the weights that come out are the same.
_BORDERS = ("checkpoints", "errors", "sources", "training.evaluation", "training.interruption", "training.logs")

# Neurons that came after networks of the others had been trained. What is there for them alone, the branches
# `if neuron == "..."` and their names in tables, determines no other network's weights.
_LATER_NEURONS = ("quant", "soft-if", "soft-if-mpr")

_SAYS_NOTHING = ("annotation", "returns", "ctx", "type_comment", "kind", "type_params")

Reference = tuple[str, str]  # a module, by its name within the package, and a name in it


@dataclass
class _Module:
    """The top level of a module: what it defines and imports of ours, by name, and its statements that name nothing."""

    definitions: dict[str, ast.AST] = field(default_factory=dict)
    imported: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    nameless: list[ast.AST] = field(default_factory=list)


@functools.cache
def sources_sha256(network: str, dataset: str, root: Path = _ROOT, neuron: str = "") -> str:
    """Hash of all source that determines the weights of a network trained on a data set.

    `neuron` matters for those that have code of their own. `root` is the directory of the package whose source is read.

    Raises:
        ModelInputError: the source is not there to be read.
    """
    told = sorted(_told(node) for node in reached(network, dataset, root, neuron).values())
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def reached(network: str, dataset: str, root: Path = _ROOT, neuron: str = "") -> dict[Reference, ast.AST]:
    """The definitions that training a network on a data set goes through, by where they stand."""
    modules = _modules(root)
    without = _Without({name for name in _LATER_NEURONS if name != neuron})
    # Of a table that a cell's words are looked up in, only their own entry counts.
    entries = {
        ("networks", "NETWORKS"): network,
        ("datasets", "STILL"): dataset,
        ("datasets", "EVENTS"): dataset,
    }
    todo: list[Reference] = [("training.loop", "train"), *entries]
    found: dict[Reference, ast.AST] = {}
    while todo:
        reference = _defined(modules, *todo.pop())
        if reference is None or reference in found:
            continue
        module, name = reference
        definition = modules[module].definitions[name]
        node = _entry(definition, entries[reference]) if reference in entries else definition
        if node is None:
            continue
        node = without.visit(copy.deepcopy(node))
        found[reference] = node
        for number, other in enumerate(modules[module].nameless):
            found.setdefault((module, f"statement {number}"), other)
            todo += _named(modules[module], module, other)
        todo += _named(modules[module], module, node)
    return found


class _Without(ast.NodeTransformer):
    """Takes out what is there for some neurons alone."""

    def __init__(self, neurons: Collection[str]) -> None:
        self._neurons = neurons

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        match node.test:
            case ast.Compare(ast.Name("neuron") | ast.Attribute(attr="neuron"), [ast.Eq()], [ast.Constant(name)]) if (
                name in self._neurons
            ):
                return [self.visit(other) for other in node.orelse]
        return self.generic_visit(node)

    def visit_Tuple(self, node: ast.Tuple) -> ast.AST:
        node.elts = [e for e in node.elts if not (isinstance(e, ast.Constant) and e.value in self._neurons)]
        return self.generic_visit(node)


def _defined(modules: Mapping[str, _Module], module: str, name: str) -> Reference | None:
    """Where a name that a module uses is defined; None where that is not in our package, or behind a border."""
    while module in modules and module not in _BORDERS:
        if name in modules[module].definitions:
            return module, name
        module, original = modules[module].imported.get(name, ("", None))
        if original is None:
            return None
        name = original
    return None


def _named(of: _Module, module: str, node: ast.AST) -> Iterator[Reference]:
    """The names that code uses, and those that it takes from a module: `lif`, and `functional.lif`."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield module, part.id
        elif isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
            target, name = of.imported.get(part.value.id, ("", ""))
            if name is None:
                yield target, part.attr


def _entry(table: ast.AST, key: str) -> ast.AST | None:
    """The value of a key in a table that is written out as a dictionary; None where it has no such key."""
    value = getattr(table, "value", None)
    assert isinstance(value, ast.Dict), "a table that cells are looked up in is written out"
    for name, node in zip(value.keys, value.values, strict=True):
        if isinstance(name, ast.Constant) and name.value == key:
            return node
    return None


@functools.cache
def _modules(root: Path) -> dict[str, _Module]:
    """Every module of the package, read at once: what is edited later is not what runs."""
    try:
        texts = {path.relative_to(root): path.read_text("utf-8") for path in root.rglob("*.py")}
    except (OSError, UnicodeDecodeError) as error:
        raise ModelInputError(f"{root}: the source cannot be read ({error}): install the package anew.") from None
    names = {".".join(path.with_suffix("").parts).removesuffix("__init__").rstrip("."): path for path in texts}
    if "training.loop" not in names:
        raise ModelInputError(f"{root}: has no source, which trained weights are known by: install the package anew.")
    return {name: _module(ast.parse(texts[path]), names.keys()) for name, path in names.items()}


def _module(tree: ast.Module, names: Iterable[str]) -> _Module:
    module = _Module()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and f"{node.module}.".startswith(f"{_PACKAGE}."):
            source = str(node.module)[len(_PACKAGE) + 1 :]
            for alias in node.names:
                whole = f"{source}.{alias.name}".lstrip(".")
                is_module = whole in names
                module.imported[alias.asname or alias.name] = (whole, None) if is_module else (source, alias.name)
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            module.definitions[statement.name] = statement
        elif isinstance(statement, ast.Assign | ast.AnnAssign) and (bound := _bound(statement)):
            module.definitions |= dict.fromkeys(bound, statement)
        elif not _is_silent(statement):
            module.nameless.append(statement)
    return module


def _bound(statement: ast.Assign | ast.AnnAssign) -> list[str]:
    """The names that an assignment gives a value."""
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return [part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)]


def _is_silent(node: object) -> bool:
    """Whether a statement only brings names in, or is a docstring."""
    text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return text or isinstance(node, ast.Import | ast.ImportFrom)


def _told(node: object) -> str:
    """Code as text, without what changes nothing of what it does; the same by every version of Python."""
    if isinstance(node, list):
        return f"[{','.join(_told(item) for item in node if not _is_silent(item))}]"
    if isinstance(node, ast.Raise):
        return "Raise"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [
        f"{name}={_told(value)}"
        for name, value in ast.iter_fields(node)
        if name not in _SAYS_NOTHING and value is not None and value != []
    ]
    return f"{type(node).__name__}({','.join(fields)})"
