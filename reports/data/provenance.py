"""Where a figure came from, as label and value."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from inflor_bench.record.run_file import Run
from inflor_bench.record.schema import Record
from inflor_bench.record.section import Absent
from inflor_bench.reports.data.cells import ReportCell
from inflor_bench.reports.data.text import clean

LONG = 2000


@dataclass(frozen=True)
class Facts:
    """A titled list of labels and values."""

    title: str
    items: Sequence[tuple[str, str]]


def of_run(run: Run) -> list[Facts]:
    """What all cells of a run share."""
    provenance = next(iter(run.cells.values())).record.provenance
    return [
        Facts(
            "Run",
            [
                ("run", clean(run.run_id, LONG)),
                ("created", clean(run.created, LONG)),
                ("command", clean(shlex.join(provenance.command), LONG)),
                ("file", clean(run.path.name, LONG)),
            ],
        ),
        Facts("Code", _code(run)),
        Facts(
            "Machine",
            [
                ("fingerprint", clean(run.machine.fingerprint, LONG)),
                *((clean(k, 60), clean(v, LONG)) for k, v in sorted(run.machine.preimage.items())),
                ("device", clean(provenance.device, LONG)),
                ("threads", str(provenance.threads)),
            ],
        ),
        Facts("Versions", [(clean(k, 60), clean(v, LONG)) for k, v in sorted(provenance.versions.items())]),
    ]


def of_cell(cell: ReportCell) -> list[Facts]:
    """What a cell is: its model, its data and its weights."""
    return [Facts("Model", _model(cell.record)), *_data(cell.record)]


def commit(run: Run) -> str:
    """The run's commit for a line of text: twelve digits, and whether the tree was dirty."""
    if isinstance(run.git, Absent):
        return "no commit known"
    return clean(run.git.sha[:12]) + (" (dirty)" if run.git.dirty else "")


def _code(run: Run) -> list[tuple[str, str]]:
    git = run.git
    if isinstance(git, Absent):
        return [("commit", f"not known: {clean(git.reason, LONG)}")]
    items = [
        ("commit", git.sha),
        ("message", git.message.strip().partition("\n")[0]),
        ("committed", git.committed),
        ("branch", git.branch or "none"),
        ("base", git.base_sha or "none"),
        ("tree", git.tree),
        ("dirty", f"yes, diff {git.diff_sha256 or 'not hashed'}" if git.dirty else "no"),
    ]
    if git.shallow:
        items.append(("history", "shallow clone"))
    return [(label, clean(value, LONG)) for label, value in items if value]


def _model(record: Record) -> list[tuple[str, str]]:
    items = [(label, value) for label, value in record.model.model_dump().items() if value is not None]
    return [("name", clean(record.name, LONG))] + [
        (
            label.replace("_", " "),
            clean(_said(value), LONG),
        )
        for label, value in items
    ]


def _said(value: object) -> object:
    return ("yes" if value else "no") if isinstance(value, bool) else value


def _data(record: Record) -> list[Facts]:
    facts = []
    data, weights = record.provenance.dataset, record.provenance.weights
    if data is not None:
        items = [
            ("name", data.name),
            ("split", data.split),
            ("samples", data.samples),
            ("sha256", data.sha256),
            ("simulated", "yes" if data.simulated else "no"),
        ]
        facts.append(Facts("Data", [(label, clean(value, LONG)) for label, value in items]))
    if weights is not None:
        items = [
            ("source", weights.source),
            ("sha256", weights.sha256),
            ("training key", weights.training_key or "none"),
        ]
        if weights.card_accuracy is not None:
            items.append(("accuracy on the model card", f"{100 * weights.card_accuracy:.2f} %"))
        items += [(str(k).replace("_", " "), _said(v)) for k, v in sorted(weights.recipe.items())]
        facts.append(Facts("Weights", [(clean(label, 60), clean(value, LONG)) for label, value in items]))
    return facts
