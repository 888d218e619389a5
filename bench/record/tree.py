"""Layers by the modules that hold them: what a table shows with subtotals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Steps = tuple[str, ...]


@dataclass(frozen=True)
class Branch:
    """A module and all layers inside it, or one layer, `name` in full and `label` as it goes on from the module above.

    `layers` are places in the list of layers; a layer has its own alone. `depth` is the number of modules above.
    """

    name: str
    label: str
    depth: int
    layers: tuple[int, ...]
    is_module: bool


def tree(names: Sequence[str]) -> list[Branch]:
    """Layers by name, "stages.0.conv" or "stages.0.conv#2", each after the modules that hold it, in order.

    A module stands here where it holds several layers, but not all, and of modules that hold the same the innermost.
    """
    paths = [tuple(name.partition("#")[0].split(".")) for name in names]
    modules = {path[:depth] for path in paths for depth in range(1, len(path))}
    inside: dict[Steps, list[int]] = {}
    for place, path in enumerate(paths):
        for depth in range(1, len(path) + 1):
            if path[:depth] in modules:
                inside.setdefault(path[:depth], []).append(place)
    innermost = {tuple(held): module for module, held in inside.items() if 1 < len(held) < len(names)}
    above: list[list[tuple[Steps, tuple[int, ...]]]] = [[] for _ in names]
    for held, module in sorted(innermost.items(), key=lambda item: len(item[1])):
        for place in held:
            above[place].append((module, held))

    def branches(places: Sequence[int], depth: int, parent: Steps) -> Iterator[Branch]:
        shown = set()
        prefix = ".".join(parent)
        for place in places:
            if len(above[place]) == depth:
                label = names[place].removeprefix(prefix)
                if not label.partition("#")[0]:
                    label = f" itself{label}"
                yield Branch(names[place], label, depth, (place,), is_module=False)
                continue
            module, held = above[place][depth]
            if module not in shown:
                shown.add(module)
                name = ".".join(module)
                yield Branch(name, name.removeprefix(prefix), depth, held, is_module=True)
                yield from branches(held, depth + 1, module)

    return list(branches(range(len(names)), 0, ()))
