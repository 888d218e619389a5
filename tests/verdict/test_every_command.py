"""A real run, changed in one respect, judged by every command: the same verdicts and exit codes, as docs/gate.md says.

The run was measured by `inflor-bench run` and reduced to five cells, their first rounds and one model of energy. What
is replaced here is what measures (`run`, `ab`) and what draws: which findings a page would show is what is compared.
"""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.main import get_command

from inflor_bench.ab.revisions import Revision
from inflor_bench.cli.app import app
from inflor_bench.metrics import METRICS
from inflor_bench.record.counted import Accuracy
from inflor_bench.run.run import Outcome
from inflor_bench.verdict.compare import Comparison, judge_in
from tests.place import cells, suite
from tests.record.builders import sha
from tests.repository import Repository

REAL = json.loads((Path(__file__).parent / "real_run.json").read_text("utf-8"))
CANARY, TWIN = "digits/resnet8/soft-mpr/T4/s0", "digits/resnet8/relu/T1/s0"
FASHION = [f"fashion-mnist/resnet8/soft-mpr/T2/s{seed}" for seed in range(3)]
SEEDS = "fashion-mnist/resnet8/soft-mpr/T2/s*"
COMMAND_LINE = get_command(app)
COMMANDS = ("compare", "report", "ab", "run", "publish")
FLOOR = METRICS["spikes"].by_chance
SUITE = suite(cells("digits", "hard", timesteps=1, seeds=[9]))


class Document:
    """A run document, and ways to change it."""

    def __init__(self, run_id: str, created: str, commit: str) -> None:
        self.document = copy.deepcopy(REAL)
        self.each("run_id", run_id)
        self.each("created", created)
        self.each("suite", "default")
        self.each("suite_cells", "5 cells")
        self.each("counted_on", "cpu")
        self.git = {**self.records[0]["provenance"]["git"], "parents": [sha("none", 40)], "base_sha": None}
        self.each("git", {**self.git, "sha": commit, "tree": sha(commit, 40)})

    @property
    def records(self) -> list[dict[str, Any]]:
        return [entry["extra_info"]["inflor_bench"] for entry in self.document["benchmarks"]]

    def record(self, cell: str) -> dict[str, Any]:
        return next(record for record in self.records if record["name"] == cell)

    def each(self, key: str, value: Any, cells: str = "") -> None:
        """Set a key of every record's provenance, where its name begins so."""
        for record in self.records:
            if record["name"].startswith(cells):
                record["provenance"][key] = copy.deepcopy(value)

    def drop(self, cell: str) -> None:
        self.document["benchmarks"] = [
            entry for entry in self.document["benchmarks"] if entry["extra_info"]["inflor_bench"]["name"] != cell
        ]

    def absent(self, cell: str, status: str, *sections: str) -> None:
        for section in sections:
            self.record(cell)[section] = {"status": status, "reason": "no reason at all"}

    def more_spikes(self, cell: str, share: float = 0.0, least: int = 1) -> None:
        """Add a share to the spikes of the first layer, and as large a one to the accumulates of the one that reads."""
        record = self.record(cell)
        steps = record["spikes"]["layers"][0]["spikes_per_step"]
        total = sum(sum(layer["spikes_per_step"]) for layer in record["spikes"]["layers"])
        steps[0] += max(least, round(share * total))
        reader = next(layer for layer in record["synops"]["layers"] if layer["ac"])
        more = max(least, round(share * record["synops"]["total"]["ac"]))
        reader["ac"] += more
        record["synops"]["total"]["ac"] += more

    def retrain(self, cells: str = "") -> None:
        for record in self.records:
            if record["name"].startswith(cells):
                # Their card, which says what they are like now, is left out.
                record["provenance"]["weights"] |= {"sha256": sha(record["name"]), "card_accuracy": None}

    def move_accuracy(self, cell: str, lost: int, gained: int) -> None:
        record = self.record(cell)
        bits = Accuracy.model_validate(record["accuracy"]).unpack()
        right, wrong = np.flatnonzero(bits), np.flatnonzero(~bits)
        bits[right[:lost]], bits[wrong[:gained]] = False, True
        record["accuracy"] |= Accuracy.from_bits(bits).model_dump(include={"correct", "bits"})

    def write(self, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.document), encoding="utf-8")
        return path


class Case:
    """Base and head, the same but for what a kind changes; the commits of the repository; accepted regressions.

    Every method changes one respect, of the head where nothing else is said, and returns the case.
    """

    def __init__(self, commits: dict[str, str]) -> None:
        self.commits = commits
        self.base = Document("base", "2026-11-28T10:00:00+00:00", commits["second"])
        self.head = Document("head", "2026-11-28T11:00:00+00:00", commits["third"])
        self.accepted: list[dict[str, str]] = []

    def of(self, sides: str) -> list[Document]:
        return [getattr(self, side) for side in sides.split()]

    def set(self, key: str, value: Any, sides: str = "head", cells: str = "") -> Case:
        for document in self.of(sides):
            document.each(key, value, cells)
        return self

    def at(self, commit: str | None, side: str = "base", **changes: Any) -> Case:
        """Put a run to another commit: of the repository by its name, to any other by its sha, None for no git."""
        (document,) = self.of(side)
        sha_ = self.commits.get(commit or "", commit)
        absent = {"status": "unavailable", "reason": "no git state: not a git repository"}
        known = {**document.git, "sha": sha_, "tree": sha(str(sha_), 40), **changes}
        return self.set("git", absent if commit is None else known, side)

    def rebased(self) -> Case:
        """The base is of a commit that nobody knows, with the tree of one that is there."""
        return self.at(STRANGER, tree=self.commits["second tree"])

    def more(self, share: float = 0.0, *cells: str, side: str = "head") -> Case:
        """More spikes and accumulates."""
        for document in self.of(side):
            for cell in cells or (CANARY,):
                document.more_spikes(cell, share)
        return self

    def retrain(self, *cells: str) -> Case:
        for cell in cells or (CANARY,):
            self.head.retrain(cell)
        return self

    def samples(self, lost: int, gained: int = 0, cell: str = FASHION[0]) -> Case:
        """Samples whose prediction is wrong now, and right."""
        self.head.move_accuracy(cell, lost, gained)
        return self

    def drop(self, *cells: str, side: str = "head") -> Case:
        for document in self.of(side):
            for cell in cells or (TWIN,):
                document.drop(cell)
        return self

    def absent(self, status: str, *sections: str, cell: str = CANARY, sides: str = "head") -> Case:
        for document in self.of(sides):
            document.absent(cell, status, *sections)
        return self

    def energy(self, **changes: Any) -> Case:
        self.head.record(CANARY)["energy"]["models"][0] |= changes
        return self

    def accept(self, commit: str, cell: str = "*", metric: str = "*") -> Case:
        commit = self.commits[commit]
        self.accepted.append({"cell": cell, "metric": metric, "commit": commit, "reason": "It learns more."})
        return self

    def budget(self, metric: str, relation: str, limit: float) -> Case:
        return self.set("budgets", [{"cell": "digits/*", "metric": metric, "relation": relation, "limit": limit}])


@dataclass(frozen=True)
class Kind:
    """What is changed in one respect, and what every command says of it; see `kind`."""

    change: Callable[[Case], object]
    code: int
    verdicts: dict[str, str]
    cell: str
    words: str
    chosen: bool
    commands: tuple[str, ...]


KINDS: dict[str, Kind] = {}


def kind(
    name: str,
    code: int,
    verdicts: dict[str, str],
    change: Callable[[Case], object],
    *,
    of: str = CANARY,
    words: str = "",
    chosen: bool = True,
    commands: tuple[str, ...] = COMMANDS,
) -> None:
    """Keep a kind: the change, the exit code, verdicts by metric of a cell, words in one of the reasons.

    `chosen` is False where `run` and `publish` choose no such base, and so judge nothing by it.
    """
    assert name not in KINDS
    KINDS[name] = Kind(change, code, verdicts, of, words, chosen, commands)


def moved_between_layers(case: Case) -> None:
    first, second = case.head.record(CANARY)["spikes"]["layers"][:2]
    first["spikes_per_step"][0] += 5
    second["spikes_per_step"][0] -= 5


def twice_the_latency(case: Case) -> None:
    for entry in case.head.document["benchmarks"]:
        entry["stats"]["data"] = [2 * seconds for seconds in entry["stats"]["data"]]
    for record in [*case.base.records, *case.head.records]:
        record["latency"]["steady"] = True


def other_data(case: Case) -> None:
    for record in case.head.records:
        record["provenance"]["dataset"]["sha256"] = sha("other")
        record["provenance"]["weights"]["card_accuracy"] = None  # which is of the data of before
    case.samples(250)


def better_card(case: Case) -> None:
    for side in (case.base, case.head):
        side.record(FASHION[0])["provenance"]["weights"]["card_accuracy"] += 0.02


def uncounted(case: Case) -> None:
    case.head.record(CANARY)["synops"]["uncounted"] = [{"name": "head", "operator": "aten::einsum", "calls": 4}]


WORSE = {"spikes": "regressed", "ac": "regressed"}
BETTER = {"spikes": "improved", "ac": "improved"}
MOVED = {"spikes": "changed", "ac": "changed"}
NOISY = {"spikes": "too_noisy", "ac": "too_noisy"}
APART = {"spikes": "not_comparable", "ac": "not_comparable"}
SAME = {"spikes": "same", "ac": "same", "mac": "same", "accuracy": "same"}
UNTIMED = {"latency": "not_comparable"}
RETRAINED = {"weights": "changed"}
LOST = {"cell": "regressed"}
SHOWN = "shown, not judged"
OTHER = {"fingerprint": "0123456789ab", "preimage": {"cpu": "another"}}
STRANGER = sha("stranger", 40)
SECTIONS = ("accuracy", "spikes", "synops", "neuron_ops", "information", "energy", "latency", "power", "memory")
DIRTY = {"dirty": True, "diff_sha256": "0" * 64}
BOTH = "base head"
NOT_AB = ("compare", "report", "run", "publish")
BY_CHANCE = METRICS["accuracy"].by_chance

# Devices and machines
kind("the same twice", 0, SAME, lambda c: None)
kind("one more spike", 1, WORSE, lambda c: c.more())
kind("fewer spikes", 0, BETTER, lambda c: c.more(0.02, side="base"))
kind("the same total in other layers", 0, {"spikes": "changed"}, moved_between_layers, words="the total is the same")
kind(
    "timed on a gpu and 40 percent more spikes", 1, UNTIMED | WORSE, lambda c: c.set("device", "cuda:0", BOTH).more(0.4)
)
kind("timed on a gpu and one more spike", 1, WORSE, lambda c: c.set("device", "cuda:0", BOTH).more())
kind("a head without the gpu of the base", 0, UNTIMED | SAME, lambda c: c.set("device", "cuda:0", "base"))
kind(
    "a head without the gpu of the base and one more spike",
    1,
    UNTIMED | WORSE,
    lambda c: c.set("device", "cuda:0", "base").more(),
)
kind(
    "files of before the counting device was kept",
    1,
    WORSE,
    lambda c: c.set("device", "cuda:0", BOTH).set("counted_on", None, BOTH).more(),
)
kind("counted on a gpu and a few more spikes", 0, NOISY, lambda c: c.set("counted_on", "cuda:0", BOTH).more(1e-4))
kind("counted on a gpu and 2 percent more spikes", 1, WORSE, lambda c: c.set("counted_on", "cuda:0", BOTH).more(0.02))
kind("counted on a cpu and on a gpu", 0, APART, lambda c: c.set("counted_on", "cuda:0").more(0.02))
kind("another machine and a few more spikes", 0, UNTIMED | NOISY, lambda c: c.set("machine", OTHER).more(1e-4))
kind("another machine and 2 percent more spikes", 1, WORSE, lambda c: c.set("machine", OTHER).more(0.02))
kind("twice the latency of separate jobs", 0, UNTIMED, twice_the_latency, words="separate jobs")

# Weights
kind("retrained and 5 in 100000 more spikes", 0, RETRAINED | MOVED, lambda c: c.retrain().more(5e-5))
kind(
    "retrained and fewer spikes within what chance does",
    0,
    RETRAINED | MOVED,
    lambda c: c.retrain().more(0.5 * FLOOR, side="base"),
)
kind(
    "retrained and more spikes than chance makes",
    1,
    RETRAINED | WORSE,
    lambda c: c.retrain().more(1.2 * max(FLOOR, METRICS["ac"].by_chance)),
)
kind(
    "retrained and fewer spikes than chance makes", 0, RETRAINED | BETTER, lambda c: c.retrain().more(3.0, side="base")
)
kind("retrained on another machine", 0, MOVED, lambda c: c.set("machine", OTHER).retrain().more(0.01))
kind("weights that are not known and one more spike", 1, WORSE, lambda c: c.set("weights", None).more())
kind(
    "three seeds retrained and all with 5 percent more spikes",
    1,
    WORSE,
    lambda c: c.retrain(*FASHION).more(0.05, FASHION[0]).more(0.0501, FASHION[1]).more(0.0502, FASHION[2]),
    of=SEEDS,
    words="over 3 retrained seeds",
)
kind(
    "three seeds retrained that do not agree",
    0,
    NOISY,
    lambda c: c.retrain(*FASHION).more(0.05, FASHION[0]).more(0.01, FASHION[1]).more(0.002, FASHION[2]),
    of=SEEDS,
    words="over 3 retrained seeds",
)
kind("two seeds retrained", 0, MOVED, lambda c: c.retrain(*FASHION[:2]).more(0.05, *FASHION[:2]), of=FASHION[0])

# Accuracy
kind(
    "lost 28 and gained 9 of 10000",
    1,
    {"accuracy": "regressed"},
    lambda c: c.samples(28, 9),
    of=FASHION[0],
    words="9 gained, 28 lost",
)
kind("one point of accuracy lost", 1, {"accuracy": "regressed"}, lambda c: c.samples(250, 150), of=FASHION[0])
kind("as many lost as gained", 0, {"accuracy": "same"}, lambda c: c.samples(30, 25), of=FASHION[0])
kind("one point of accuracy gained", 0, {"accuracy": "improved"}, lambda c: c.samples(150, 250), of=FASHION[0])
kind("few samples and three lost", 0, {"accuracy": "too_noisy"}, lambda c: c.samples(4, cell=CANARY))
kind(
    "retrained and less accurate than before within what chance does",
    0,
    RETRAINED | {"accuracy": "changed"},
    lambda c: c.retrain(FASHION[0]).samples(250, 250 - round(8000 * BY_CHANCE)),
    of=FASHION[0],
)
kind(
    "retrained and training is broken",
    1,
    RETRAINED | {"accuracy": "regressed"},
    lambda c: c.retrain().samples(60, cell=CANARY),
)
kind("other data", 0, {"accuracy": "not_comparable", "dataset": "changed"}, other_data, of=FASHION[0])
kind(
    "data that are not known",
    1,
    {"accuracy": "regressed"},
    lambda c: c.set("dataset", None).samples(400),
    of=FASHION[0],
    words="unpaired, Fisher",
)
kind(
    "a card that says more than is measured",
    1,
    {"card": "regressed"},
    better_card,
    of=FASHION[0],
    words="the card of the weights",
)

# What is missing
kind("a cell is missing", 1, LOST, lambda c: c.drop(), of=TWIN)
kind(
    "a cell is missing and its suite is not known",
    1,
    LOST,
    lambda c: c.set("suite", None, BOTH).set("suite_cells", None, BOTH).drop(),
    of=TWIN,
)
kind(
    "a cell is missing in another suite",
    0,
    {"cell": "changed"},
    lambda c: c.set("suite", "small").drop(),
    of=TWIN,
    words="the head is of another suite",
)
kind(
    "the suite dropped a cell",
    0,
    {"cell": "changed"},
    lambda c: c.set("suite_cells", "4 cells").drop(),
    of=TWIN,
    words="the suite has other cells now",
)
kind("a cell that was not asked for", 0, {}, lambda c: c.set("only", "*/soft-mpr/*").drop(), of=TWIN)
kind("a cell that was asked for", 1, LOST, lambda c: c.set("only", "digits/*").drop(TWIN, *FASHION), of=TWIN)
kind("a shard lacks what belongs to another", 0, {}, lambda c: c.set("shard", "2/2").drop(), of=TWIN)
kind("the same shard lacks a cell", 1, LOST, lambda c: c.set("shard", "1/2", BOTH).drop(), of=TWIN)
kind(
    "merged shards lack a cell",
    1,
    LOST,
    lambda c: c.set("shard", "1/2").set("shard", "2/2", cells="fashion-mnist/").drop(),
    of=TWIN,
)
kind("a new cell", 0, {"cell": "changed"}, lambda c: c.drop(side="base"), of=TWIN, words="a new cell")
kind(
    "a cell that is skipped now",
    1,
    LOST,
    lambda c: c.absent("skipped", *SECTIONS, cell=TWIN),
    of=TWIN,
    words="not measured any more",
)
kind(
    "a cell that is measured now",
    0,
    {"cell": "changed"},
    lambda c: c.absent("skipped", *SECTIONS, cell=TWIN, sides="base"),
    of=TWIN,
)
kind(
    "a cell that neither measured",
    0,
    {"cell": "not_comparable"},
    lambda c: c.absent("skipped", *SECTIONS, cell=TWIN, sides=BOTH),
    of=TWIN,
)
kind("accuracy is not measured any more", 1, {"accuracy": "regressed"}, lambda c: c.absent("unavailable", "accuracy"))
kind(
    "operations are not counted any more", 1, {"synops": "regressed"}, lambda c: c.absent("failed", "synops", "energy")
)
kind("latency is not measured any more", 0, UNTIMED, lambda c: c.absent("unavailable", "latency"))
kind("timing fails now", 1, {"latency": "regressed"}, lambda c: c.absent("failed", "latency"))
kind("an operator is not counted any more", 1, {"uncounted": "regressed"}, uncounted)
kind(
    "another network under the same name",
    0,
    {"parameters": "changed", "model": "changed"},
    lambda c: c.head.record(CANARY)["model"].update(parameters=80_000, decay=0.5),
)
kind(
    "new constants of energy",
    0,
    {"energy/horowitz45-fp32": "not_comparable"},
    lambda c: c.energy(version="next", joules=1.0),
)
kind(
    "a formula of energy that changed",
    0,
    {"energy/horowitz45-fp32": "changed"},
    lambda c: c.energy(joules=1.0),
    words="its version did not",
)

# Ancestry
kind("a base of two commits before", 1, WORSE, lambda c: c.at("first").more())
kind("a base of the same commit", 1, WORSE, lambda c: c.at("third").more())
kind("a base of an unrelated branch", 0, MOVED, lambda c: c.at("other").more(0.4), words=SHOWN)
kind("a base that stands on the head", 0, MOVED, lambda c: c.at("third").at("second", "head").more(), words=SHOWN)
kind("a base of a commit that nobody knows", 0, MOVED, lambda c: c.at(STRANGER).more(), words=SHOWN)
kind(
    "a base that the head itself names as its parent",
    1,
    WORSE,
    lambda c: c.at(STRANGER).at(sha("head", 40), "head", parents=[STRANGER]).more(),
)
kind("a base that was rebased", 1, WORSE, lambda c: c.rebased().more())
kind("no git at all", 1, WORSE, lambda c: c.at(None).at(None, "head").more(), commands=NOT_AB)
kind("a head without git", 1, WORSE, lambda c: c.at(None, "head").more(), commands=NOT_AB)
kind("a base without git", 0, MOVED, lambda c: c.at(None).more(), words=SHOWN, commands=NOT_AB)
kind("a dirty base", 0, MOVED, lambda c: c.at("second", **DIRTY).more(), words=SHOWN, chosen=False)
kind("a dirty head", 1, WORSE, lambda c: c.at("third", "head", **DIRTY).more())
kind("another suite", 0, MOVED, lambda c: c.set("suite", "small").more(0.4), words=SHOWN)
kind("a base of before the suite was kept", 1, WORSE, lambda c: c.set("suite", None, "base").more())

# Acceptance
kind(
    "accepted by the commit that did it",
    0,
    {"spikes": "accepted", "ac": "accepted"},
    lambda c: c.accept("third").more(),
)
kind("accepted before the base", 1, WORSE, lambda c: c.accept("second").more())
kind("accepted in a commit that the head lacks", 1, WORSE, lambda c: c.accept("other").more())
kind(
    "accepted where nobody knows what the base has",
    1,
    WORSE,
    lambda c: c.rebased().accept("second").more(),
    words="whether",
)
kind(
    "accepted for another metric",
    1,
    {"spikes": "accepted", "ac": "regressed"},
    lambda c: c.accept("third", metric="spikes").more(),
)
kind("accepted for another cell", 1, WORSE, lambda c: c.accept("third", cell="fashion-mnist/*").more())

# Budgets
kind("a budget that is broken", 1, {"budget/accuracy": "regressed"}, lambda c: c.budget("accuracy", ">=", 0.999))
kind("a budget that is kept", 0, {"budget/accuracy": "same"}, lambda c: c.budget("accuracy", ">=", 0.9))
kind(
    "a ratio that is broken",
    1,
    {"budget/ac_ratio": "regressed", "ac": "improved"},
    lambda c: c.budget("ac_ratio", "<=", 0.9).more(0.02, side="base"),
)
kind(
    "a ratio to a base that is only shown",
    0,
    {"budget/ac_ratio": "not_comparable", "ac": "changed"},
    lambda c: c.budget("ac_ratio", "<=", 0.9).at("other").more(),
)
kind(
    "a broken budget beside a base that is only shown",
    1,
    {"budget/ac": "regressed"},
    lambda c: c.budget("ac", "<=", 1.0).at("other"),
)
kind(
    "a ratio of latencies of separate jobs",
    0,
    {"budget/latency_ratio": "not_comparable"},
    lambda c: c.budget("latency_ratio", "<=", 1.1),
    words="inflor-bench ab",
)
kind(
    "a budget on what was not measured", 0, {"budget/joules": "not_comparable"}, lambda c: c.budget("joules", "<=", 1.0)
)
kind(
    "a budget on what failed",
    1,
    UNTIMED | {"budget/latency": "regressed"},
    lambda c: c.budget("latency", "<=", 1.0).absent("failed", "latency", sides=BOTH),
)
kind(
    "a broken budget that was accepted",
    0,
    {"budget/accuracy": "accepted"},
    lambda c: c.budget("accuracy", ">=", 0.999).accept("third", metric="budget/accuracy"),
)
kind(
    "a budget on a metric of another version",
    1,
    {"budget/sparkle": "regressed"},
    lambda c: c.budget("sparkle", "<=", 1.0),
)

# Schema
kind(
    "a base of another schema",
    2,
    {},
    lambda c: c.base.records[0].update(schema_version=999),
    chosen=False,
    words="schema_version is 999",
)
kind(
    "a base with a key that nobody knows",
    2,
    {},
    lambda c: c.base.records[0].update(sparkle=1),
    chosen=False,
    words="Extra inputs",
)


# The commands


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Three commits, and one beside them."""
    place = tmp_path_factory.mktemp("place")
    (place / "home").mkdir()
    return Repository(place / "repository", place / "home")


@pytest.fixture(scope="module")
def commits(repository: Repository) -> dict[str, str]:
    found = {name: repository.commit(name, a=name) for name in ("first", "second", "third")}
    found["second tree"] = repository.git("rev-parse", "HEAD^^{tree}")
    repository.git("checkout", "-q", "-b", "other", found["first"])
    found["other"] = repository.commit("other", a="other")
    repository.git("checkout", "-q", "main")
    return found


@dataclass
class Heard:
    """What a command said: its exit code, what it printed, and the comparison that its report was built from."""

    code: int
    printed: str
    comparison: Comparison | None

    @property
    def verdicts(self) -> dict[tuple[str, str], tuple[str, str]]:
        found = self.comparison.findings if self.comparison else ()
        return {(finding.cell, finding.metric): (finding.verdict, finding.reason) for finding in found}


class Commands:
    """The five command lines over two files, in this process."""

    def __init__(self, out: Path, base: Path, head: Path, accepted: Path, patch: pytest.MonkeyPatch) -> None:
        self.out, self.base, self.head, self.accepted = out, base, head, accepted
        self.comparison: Comparison | None = None
        self.patch = patch
        for place in ("inflor_bench.reports.pages.report.build", "inflor_bench.reports.pages.site.build"):
            patch.setattr(place, self._build)
        patch.setattr("inflor_bench.reports.pages.site_index.files", lambda *_: {})

    def _build(self, run: Any, out: Path, *, comparison: Comparison | None = None, **_: Any) -> Path:
        """Keep what a report of the head is built from instead of drawing it."""
        out.mkdir(parents=True, exist_ok=True)
        for name in ("index.html", "comment.md", "badge.json", "badge.svg"):
            (out / name).write_text("")
        if run.run_id == "head":
            self.comparison = comparison
        return out / "index.html"

    def call(self, command: str) -> Heard:
        self.comparison = None
        accepted = ["--accepted", str(self.accepted)]
        arguments = getattr(self, f"_{command}")()
        said = io.StringIO()
        with redirect_stdout(said), redirect_stderr(said):
            try:
                code = COMMAND_LINE([command, *arguments, *accepted], standalone_mode=False) or 0
            except ValueError as error:  # bad input, as `main` takes it
                return Heard(2, str(error), None)
        return Heard(code, said.getvalue(), self.comparison)

    def _compare(self) -> list[str]:
        def keep(*arguments: Any) -> Comparison:
            self.comparison = judge_in(*arguments)
            return self.comparison

        self.patch.setattr("inflor_bench.run.judge.judge_in", keep)
        return [str(self.base), str(self.head)]

    def _report(self) -> list[str]:
        return [str(self.base), str(self.head), "--out", str(self.out / "report")]

    def _publish(self) -> list[str]:
        return [str(self.head.parents[1]), "--site", str(self.out / "site")]

    def _run(self) -> list[str]:
        self.patch.setattr("inflor_bench.run.run.run_suite", lambda *_, **__: Outcome(self.head, 0, (), ()))
        return ["--out", str(self.out), "--history", str(self.head.parents[1])]

    def _ab(self) -> list[str]:
        files = iter((self.head, self.base))
        suite = self.out.parent / "suite.toml"  # of a cell that the runs lack, so that no latency is said to be timed
        suite.write_text(SUITE)

        @contextmanager
        def checked_out(*_: Any) -> Iterator[Revision]:
            yield Revision(Path(), None, "python")

        self.patch.setattr("inflor_bench.ab.revisions.checked_out", checked_out)
        self.patch.setattr("inflor_bench.ab.processes.count", lambda *_: next(files))
        self.patch.setattr("inflor_bench.ab.from_history.measured_before", lambda *_: None)
        self.patch.setattr("inflor_bench.cell.device_lock.PLACE", self.out.parent)
        self.patch.setattr("inflor_bench.ab.interleave.interleave", lambda *_: {})
        return ["HEAD^", "HEAD", "--suite", str(suite), "--out", str(self.out)]


@pytest.mark.parametrize("name", KINDS)
def test_all_commands_say_the_same(
    name: str, repository: Repository, commits: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, case = KINDS[name], Case(commits)
    wanted.change(case)
    machine = tmp_path / "runs" / "machine"
    base, head = case.base.write(machine / "base.json"), case.head.write(machine / "head.json")
    accepted = tmp_path / "accepted.toml"
    lines = ["[[accepted]]", *(f"{key} = {json.dumps(text)}" for entry in case.accepted for key, text in entry.items())]
    accepted.write_text("\n".join(lines) if case.accepted else "")
    monkeypatch.chdir(repository.path)
    monkeypatch.setenv("INFLOR_BENCH_CACHE", str(tmp_path / "cache"))
    commands = Commands(tmp_path / "out", base, head, accepted, monkeypatch)
    heard = {command: commands.call(command) for command in wanted.commands}
    choosing = {command: heard.pop(command) for command in ("run", "publish") if command in heard and not wanted.chosen}
    for command, said in choosing.items():
        assert said.code == 0, (command, said.printed)
        assert said.verdicts == {}, command
    for command, said in heard.items():
        assert said.code == wanted.code, (command, said.printed)
        found = {metric: said.verdicts[wanted.cell, metric][0] for metric in wanted.verdicts}
        assert found == wanted.verdicts, (command, said.verdicts)
        if not wanted.verdicts:
            assert not any(cell == wanted.cell and metric == "cell" for cell, metric in said.verdicts), command
        reasons = [said.printed, *(reason for _, reason in said.verdicts.values())]
        assert any(wanted.words in reason for reason in reasons), (command, reasons)
    first = heard.pop("compare")
    for command, said in heard.items():
        assert said.verdicts == first.verdicts, command


def test_there_are_kinds_enough() -> None:
    assert len(KINDS) >= 60
