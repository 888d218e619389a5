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
from inflor_bench.record.schema import Accuracy
from inflor_bench.run.run import Outcome
from inflor_bench.verdict.compare import Comparison, judge
from tests.record.builders import sha
from tests.repository import Repository

REAL = json.loads((Path(__file__).parent / "real_run.json").read_text("utf-8"))
CANARY, TWIN = "digits/resnet8/soft-mpr/T4/s0", "digits/resnet8/relu/T1/s0"
FASHION = [f"fashion-mnist/resnet8/soft-mpr/T2/s{seed}" for seed in range(3)]
SEEDS = "fashion-mnist/resnet8/soft-mpr/T2/s*"
COMMAND_LINE = get_command(app)
COMMANDS = ("compare", "report", "ab", "run", "publish")
FLOOR = METRICS["spikes"].by_chance
SUITE = """
name = "small"
[[cells]]
dataset = "digits"
network = "resnet8"
neurons = ["hard"]
timesteps = [1]
seeds = [9]
weights = "train"
"""


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
    """Base and head, the same but for what a kind changes; the commits of the repository; accepted regressions."""

    def __init__(self, commits: dict[str, str]) -> None:
        self.commits = commits
        self.base = Document("base", "2026-11-28T10:00:00+00:00", commits["second"])
        self.head = Document("head", "2026-11-28T11:00:00+00:00", commits["third"])
        self.accepted: list[dict[str, str]] = []

    def both(self, key: str, value: Any) -> None:
        self.base.each(key, value)
        self.head.each(key, value)

    def at(self, document: Document, commit: str | None, **changes: Any) -> None:
        """Put a run to another commit, None for no git."""
        absent = {"status": "unavailable", "reason": "no git state: not a git repository"}
        known = {**document.git, "sha": commit, "tree": sha(str(commit), 40), **changes}
        document.each("git", absent if commit is None else known)

    def accept(self, commit: str, cell: str = "*", metric: str = "*") -> None:
        self.accepted.append({"cell": cell, "metric": metric, "commit": commit, "reason": "It learns more."})


@dataclass(frozen=True)
class Kind:
    """What is changed in one respect, and what every command says of it; see `kind`."""

    change: Callable[[Case], None]
    code: int
    verdicts: dict[str, str]
    cell: str
    words: str
    chosen: bool
    commands: tuple[str, ...]


KINDS: dict[str, Kind] = {}


def kind(
    code: int,
    verdicts: dict[str, str],
    *,
    of: str = CANARY,
    words: str = "",
    chosen: bool = True,
    commands: tuple[str, ...] = COMMANDS,
) -> Callable[[Callable[[Case], None]], None]:
    """Keep a kind under its function's name: the exit code, verdicts by metric of a cell, words in one of the reasons.

    `chosen` is False where `run` and `publish` choose no such base, and so judge nothing by it.
    """

    def keep(change: Callable[[Case], None]) -> None:
        name = change.__name__.replace("_", " ")
        assert name not in KINDS
        KINDS[name] = Kind(change, code, verdicts, of, words, chosen, commands)

    return keep


WORSE = {"spikes": "regressed", "ac": "regressed"}
BETTER = {"spikes": "improved", "ac": "improved"}
MOVED = {"spikes": "changed", "ac": "changed"}
NOISY = {"spikes": "too_noisy", "ac": "too_noisy"}
APART = {"spikes": "not_comparable", "ac": "not_comparable"}
SAME = {"spikes": "same", "ac": "same", "mac": "same", "accuracy": "same"}

# Devices and machines


@kind(0, SAME)
def the_same_twice(case: Case) -> None:
    pass


@kind(1, WORSE)
def one_more_spike(case: Case) -> None:
    case.head.more_spikes(CANARY)


@kind(0, BETTER)
def fewer_spikes(case: Case) -> None:
    case.base.more_spikes(CANARY, 0.02)


@kind(0, {"spikes": "changed"}, words="the total is the same")
def the_same_total_in_other_layers(case: Case) -> None:
    first, second = case.head.record(CANARY)["spikes"]["layers"][:2]
    first["spikes_per_step"][0] += 5
    second["spikes_per_step"][0] -= 5


@kind(1, {"latency": "not_comparable", **WORSE})
def timed_on_a_gpu_and_40_percent_more_spikes(case: Case) -> None:
    case.both("device", "cuda:0")
    case.head.more_spikes(CANARY, 0.4)


@kind(1, WORSE)
def timed_on_a_gpu_and_one_more_spike(case: Case) -> None:
    case.both("device", "cuda:0")
    case.head.more_spikes(CANARY)


@kind(0, {"latency": "not_comparable", **SAME})
def a_head_without_the_gpu_of_the_base(case: Case) -> None:
    case.base.each("device", "cuda:0")


@kind(1, {"latency": "not_comparable", **WORSE})
def a_head_without_the_gpu_of_the_base_and_one_more_spike(case: Case) -> None:
    case.base.each("device", "cuda:0")
    case.head.more_spikes(CANARY)


@kind(1, WORSE)
def files_of_before_the_counting_device_was_kept(case: Case) -> None:
    case.both("device", "cuda:0")
    case.both("counted_on", None)
    case.head.more_spikes(CANARY)


@kind(0, NOISY)
def counted_on_a_gpu_and_a_few_more_spikes(case: Case) -> None:
    case.both("counted_on", "cuda:0")
    case.head.more_spikes(CANARY, 1e-4)


@kind(1, WORSE)
def counted_on_a_gpu_and_2_percent_more_spikes(case: Case) -> None:
    case.both("counted_on", "cuda:0")
    case.head.more_spikes(CANARY, 0.02)


@kind(0, APART)
def counted_on_a_cpu_and_on_a_gpu(case: Case) -> None:
    case.head.each("counted_on", "cuda:0")
    case.head.more_spikes(CANARY, 0.02)


OTHER = {"fingerprint": "0123456789ab", "preimage": {"cpu": "another"}}


@kind(0, {"latency": "not_comparable", **NOISY})
def another_machine_and_a_few_more_spikes(case: Case) -> None:
    case.head.each("machine", OTHER)
    case.head.more_spikes(CANARY, 1e-4)


@kind(1, WORSE)
def another_machine_and_2_percent_more_spikes(case: Case) -> None:
    case.head.each("machine", OTHER)
    case.head.more_spikes(CANARY, 0.02)


@kind(0, {"latency": "not_comparable"}, words="separate jobs")
def twice_the_latency_of_separate_jobs(case: Case) -> None:
    for entry in case.head.document["benchmarks"]:
        entry["stats"]["data"] = [2 * seconds for seconds in entry["stats"]["data"]]
    for record in [*case.base.records, *case.head.records]:
        record["latency"]["steady"] = True


# Weights


@kind(0, {"weights": "changed", **MOVED})
def retrained_and_5_in_100000_more_spikes(case: Case) -> None:
    case.head.retrain(CANARY)
    case.head.more_spikes(CANARY, 5e-5)


@kind(0, {"weights": "changed", **MOVED})
def retrained_and_fewer_spikes_within_what_chance_does(case: Case) -> None:
    case.head.retrain(CANARY)
    case.base.more_spikes(CANARY, 0.5 * FLOOR)


@kind(1, {"weights": "changed", **WORSE})
def retrained_and_more_spikes_than_chance_makes(case: Case) -> None:
    case.head.retrain(CANARY)
    case.head.more_spikes(CANARY, 1.2 * max(FLOOR, METRICS["ac"].by_chance))


@kind(0, {"weights": "changed", **BETTER})
def retrained_and_fewer_spikes_than_chance_makes(case: Case) -> None:
    case.head.retrain(CANARY)
    case.base.more_spikes(CANARY, 3.0)


@kind(0, MOVED)
def retrained_on_another_machine(case: Case) -> None:
    case.head.each("machine", OTHER)
    case.head.retrain(CANARY)
    case.head.more_spikes(CANARY, 0.01)


@kind(1, WORSE)
def weights_that_are_not_known_and_one_more_spike(case: Case) -> None:
    case.head.each("weights", None)
    case.head.more_spikes(CANARY)


@kind(1, WORSE, of=SEEDS, words="over 3 retrained seeds")
def three_seeds_retrained_and_all_with_5_percent_more_spikes(case: Case) -> None:
    case.head.retrain("fashion-mnist/")
    for cell, rise in zip(FASHION, (0.0500, 0.0501, 0.0502), strict=True):
        case.head.more_spikes(cell, rise)


@kind(0, NOISY, of=SEEDS, words="over 3 retrained seeds")
def three_seeds_retrained_that_do_not_agree(case: Case) -> None:
    case.head.retrain("fashion-mnist/")
    for cell, rise in zip(FASHION, (0.05, 0.01, 0.002), strict=True):
        case.head.more_spikes(cell, rise)


@kind(0, MOVED, of=FASHION[0])
def two_seeds_retrained(case: Case) -> None:
    case.head.retrain(FASHION[0])
    case.head.retrain(FASHION[1])
    for cell in FASHION[:2]:
        case.head.more_spikes(cell, 0.05)


# Accuracy


@kind(1, {"accuracy": "regressed"}, of=FASHION[0], words="9 gained, 28 lost")
def lost_28_and_gained_9_of_10000(case: Case) -> None:
    case.head.move_accuracy(FASHION[0], 28, 9)


@kind(1, {"accuracy": "regressed"}, of=FASHION[0])
def one_point_of_accuracy_lost(case: Case) -> None:
    case.head.move_accuracy(FASHION[0], 250, 150)


@kind(0, {"accuracy": "same"}, of=FASHION[0])
def as_many_lost_as_gained(case: Case) -> None:
    case.head.move_accuracy(FASHION[0], 30, 25)


@kind(0, {"accuracy": "improved"}, of=FASHION[0])
def one_point_of_accuracy_gained(case: Case) -> None:
    case.head.move_accuracy(FASHION[0], 150, 250)


@kind(0, {"accuracy": "too_noisy"})
def few_samples_and_three_lost(case: Case) -> None:
    case.head.move_accuracy(CANARY, 4, 0)


@kind(0, {"accuracy": "changed", "weights": "changed"}, of=FASHION[0])
def retrained_and_less_accurate_than_before_within_what_chance_does(case: Case) -> None:
    case.head.retrain(FASHION[0])
    case.head.move_accuracy(FASHION[0], 250, 250 - round(8000 * METRICS["accuracy"].by_chance))


@kind(1, {"accuracy": "regressed", "weights": "changed"})
def retrained_and_training_is_broken(case: Case) -> None:
    case.head.retrain(CANARY)
    case.head.move_accuracy(CANARY, 60, 0)


@kind(0, {"accuracy": "not_comparable", "dataset": "changed"}, of=FASHION[0])
def other_data(case: Case) -> None:
    for record in case.head.records:
        record["provenance"]["dataset"]["sha256"] = sha("other")
        record["provenance"]["weights"]["card_accuracy"] = None  # which is of the data of before
    case.head.move_accuracy(FASHION[0], 250, 0)


@kind(1, {"accuracy": "regressed"}, of=FASHION[0], words="unpaired, Fisher")
def data_that_are_not_known(case: Case) -> None:
    case.head.each("dataset", None)
    case.head.move_accuracy(FASHION[0], 400, 0)


@kind(1, {"card": "regressed"}, of=FASHION[0], words="the card of the weights")
def a_card_that_says_more_than_is_measured(case: Case) -> None:
    for side in (case.base, case.head):
        side.record(FASHION[0])["provenance"]["weights"]["card_accuracy"] += 0.02


# What is missing


@kind(1, {"cell": "regressed"}, of=TWIN)
def a_cell_is_missing(case: Case) -> None:
    case.head.drop(TWIN)


@kind(1, {"cell": "regressed"}, of=TWIN)
def a_cell_is_missing_and_its_suite_is_not_known(case: Case) -> None:
    case.both("suite", None)
    case.both("suite_cells", None)
    case.head.drop(TWIN)


@kind(0, {"cell": "changed"}, of=TWIN, words="the head is of another suite")
def a_cell_is_missing_in_another_suite(case: Case) -> None:
    case.head.each("suite", "small")
    case.head.drop(TWIN)


@kind(0, {"cell": "changed"}, of=TWIN, words="the suite has other cells now")
def the_suite_dropped_a_cell(case: Case) -> None:
    case.head.each("suite_cells", "4 cells")
    case.head.drop(TWIN)


@kind(0, {}, of=TWIN)
def a_cell_that_was_not_asked_for(case: Case) -> None:
    case.head.each("only", "*/soft-mpr/*")
    case.head.drop(TWIN)


@kind(1, {"cell": "regressed"}, of=TWIN)
def a_cell_that_was_asked_for(case: Case) -> None:
    case.head.each("only", "digits/*")
    for cell in (TWIN, *FASHION):
        case.head.drop(cell)


@kind(0, {}, of=TWIN)
def a_shard_lacks_what_belongs_to_another(case: Case) -> None:
    case.head.each("shard", "2/2")
    case.head.drop(TWIN)


@kind(1, {"cell": "regressed"}, of=TWIN)
def the_same_shard_lacks_a_cell(case: Case) -> None:
    case.both("shard", "1/2")
    case.head.drop(TWIN)


@kind(1, {"cell": "regressed"}, of=TWIN)
def merged_shards_lack_a_cell(case: Case) -> None:
    case.head.each("shard", "1/2")
    case.head.each("shard", "2/2", "fashion-mnist/")
    case.head.drop(TWIN)


@kind(0, {"cell": "changed"}, of=TWIN, words="a new cell")
def a_new_cell(case: Case) -> None:
    case.base.drop(TWIN)


SECTIONS = ("accuracy", "spikes", "synops", "neuron_ops", "information", "energy", "latency", "power", "memory")


@kind(1, {"cell": "regressed"}, of=TWIN, words="not measured any more")
def a_cell_that_is_skipped_now(case: Case) -> None:
    case.head.absent(TWIN, "skipped", *SECTIONS)


@kind(0, {"cell": "changed"}, of=TWIN)
def a_cell_that_is_measured_now(case: Case) -> None:
    case.base.absent(TWIN, "skipped", *SECTIONS)


@kind(0, {"cell": "not_comparable"}, of=TWIN)
def a_cell_that_neither_measured(case: Case) -> None:
    for document in (case.base, case.head):
        document.absent(TWIN, "skipped", *SECTIONS)


@kind(1, {"accuracy": "regressed"})
def accuracy_is_not_measured_any_more(case: Case) -> None:
    case.head.absent(CANARY, "unavailable", "accuracy")


@kind(1, {"synops": "regressed"})
def operations_are_not_counted_any_more(case: Case) -> None:
    case.head.absent(CANARY, "failed", "synops", "energy")


@kind(0, {"latency": "not_comparable"})
def latency_is_not_measured_any_more(case: Case) -> None:
    case.head.absent(CANARY, "unavailable", "latency")


@kind(1, {"latency": "regressed"})
def timing_fails_now(case: Case) -> None:
    case.head.absent(CANARY, "failed", "latency")


@kind(1, {"uncounted": "regressed"})
def an_operator_is_not_counted_any_more(case: Case) -> None:
    case.head.record(CANARY)["synops"]["uncounted"] = [{"name": "head", "operator": "aten::einsum", "calls": 4}]


@kind(0, {"parameters": "changed", "model": "changed"})
def another_network_under_the_same_name(case: Case) -> None:
    case.head.record(CANARY)["model"] |= {"parameters": 80_000, "decay": 0.5}


@kind(0, {"energy/horowitz45-fp32": "not_comparable"})
def new_constants_of_energy(case: Case) -> None:
    case.head.record(CANARY)["energy"]["models"][0] |= {"version": "next", "joules": 1.0}


@kind(0, {"energy/horowitz45-fp32": "changed"}, words="its version did not")
def a_formula_of_energy_that_changed(case: Case) -> None:
    case.head.record(CANARY)["energy"]["models"][0] |= {"joules": 1.0}


# Ancestry


@kind(1, WORSE)
def a_base_of_two_commits_before(case: Case) -> None:
    case.at(case.base, case.commits["first"])
    case.head.more_spikes(CANARY)


@kind(1, WORSE, words="")
def a_base_of_the_same_commit(case: Case) -> None:
    case.at(case.base, case.commits["third"])
    case.head.more_spikes(CANARY)


@kind(0, MOVED, words="shown, not judged")
def a_base_of_an_unrelated_branch(case: Case) -> None:
    case.at(case.base, case.commits["other"])
    case.head.more_spikes(CANARY, 0.4)


@kind(0, MOVED, words="shown, not judged")
def a_base_that_stands_on_the_head(case: Case) -> None:
    case.at(case.base, case.commits["third"])
    case.at(case.head, case.commits["second"])
    case.head.more_spikes(CANARY)


@kind(0, MOVED, words="shown, not judged")
def a_base_of_a_commit_that_nobody_knows(case: Case) -> None:
    case.at(case.base, sha("stranger", 40))
    case.head.more_spikes(CANARY)


@kind(1, WORSE)
def a_base_that_the_head_itself_names_as_its_parent(case: Case) -> None:
    case.at(case.base, sha("stranger", 40))
    case.at(case.head, sha("head", 40), parents=[sha("stranger", 40)])
    case.head.more_spikes(CANARY)


@kind(1, WORSE)
def a_base_that_was_rebased(case: Case) -> None:
    case.at(case.base, sha("stranger", 40), tree=case.commits["second tree"])
    case.head.more_spikes(CANARY)


@kind(1, WORSE, commands=("compare", "report", "run", "publish"))
def no_git_at_all(case: Case) -> None:
    case.at(case.base, None)
    case.at(case.head, None)
    case.head.more_spikes(CANARY)


@kind(1, WORSE, commands=("compare", "report", "run", "publish"))
def a_head_without_git(case: Case) -> None:
    case.at(case.head, None)
    case.head.more_spikes(CANARY)


@kind(0, MOVED, words="shown, not judged", commands=("compare", "report", "run", "publish"))
def a_base_without_git(case: Case) -> None:
    case.at(case.base, None)
    case.head.more_spikes(CANARY)


@kind(0, MOVED, words="shown, not judged", chosen=False)
def a_dirty_base(case: Case) -> None:
    case.at(case.base, case.commits["second"], dirty=True, diff_sha256="0" * 64)
    case.head.more_spikes(CANARY)


@kind(1, WORSE)
def a_dirty_head(case: Case) -> None:
    case.at(case.head, case.commits["third"], dirty=True, diff_sha256="0" * 64)
    case.head.more_spikes(CANARY)


@kind(0, MOVED, words="shown, not judged")
def another_suite(case: Case) -> None:
    case.head.each("suite", "small")
    case.head.more_spikes(CANARY, 0.4)


@kind(1, WORSE)
def a_base_of_before_the_suite_was_kept(case: Case) -> None:
    case.base.each("suite", None)
    case.head.more_spikes(CANARY)


# Acceptance


@kind(0, {"spikes": "accepted", "ac": "accepted"})
def accepted_by_the_commit_that_did_it(case: Case) -> None:
    case.accept(case.commits["third"])
    case.head.more_spikes(CANARY)


@kind(1, WORSE)
def accepted_before_the_base(case: Case) -> None:
    case.accept(case.commits["second"])
    case.head.more_spikes(CANARY)


@kind(1, WORSE)
def accepted_in_a_commit_that_the_head_lacks(case: Case) -> None:
    case.accept(case.commits["other"])
    case.head.more_spikes(CANARY)


@kind(1, WORSE, words="whether")
def accepted_where_nobody_knows_what_the_base_has(case: Case) -> None:
    case.at(case.base, sha("stranger", 40), tree=case.commits["second tree"])
    case.accept(case.commits["second"])
    case.head.more_spikes(CANARY)


@kind(1, {"spikes": "accepted", "ac": "regressed"})
def accepted_for_another_metric(case: Case) -> None:
    case.accept(case.commits["third"], metric="spikes")
    case.head.more_spikes(CANARY)


@kind(1, WORSE)
def accepted_for_another_cell(case: Case) -> None:
    case.accept(case.commits["third"], cell="fashion-mnist/*")
    case.head.more_spikes(CANARY)


# Budgets


def budget(case: Case, metric: str, relation: str, limit: float) -> None:
    case.head.each("budgets", [{"cell": "digits/*", "metric": metric, "relation": relation, "limit": limit}])


@kind(1, {"budget/accuracy": "regressed"})
def a_budget_that_is_broken(case: Case) -> None:
    budget(case, "accuracy", ">=", 0.999)


@kind(0, {"budget/accuracy": "same"})
def a_budget_that_is_kept(case: Case) -> None:
    budget(case, "accuracy", ">=", 0.9)


@kind(1, {"budget/ac_ratio": "regressed", "ac": "improved"})
def a_ratio_that_is_broken(case: Case) -> None:
    budget(case, "ac_ratio", "<=", 0.9)
    case.base.more_spikes(CANARY, 0.02)


@kind(0, {"budget/ac_ratio": "not_comparable", "ac": "changed"})
def a_ratio_to_a_base_that_is_only_shown(case: Case) -> None:
    budget(case, "ac_ratio", "<=", 0.9)
    case.at(case.base, case.commits["other"])
    case.head.more_spikes(CANARY)


@kind(1, {"budget/ac": "regressed"})
def a_broken_budget_beside_a_base_that_is_only_shown(case: Case) -> None:
    budget(case, "ac", "<=", 1.0)
    case.at(case.base, case.commits["other"])


@kind(0, {"budget/latency_ratio": "not_comparable"}, words="inflor-bench ab")
def a_ratio_of_latencies_of_separate_jobs(case: Case) -> None:
    budget(case, "latency_ratio", "<=", 1.1)


@kind(0, {"budget/joules": "not_comparable"})
def a_budget_on_what_was_not_measured(case: Case) -> None:
    budget(case, "joules", "<=", 1.0)


@kind(1, {"budget/latency": "regressed", "latency": "not_comparable"})
def a_budget_on_what_failed(case: Case) -> None:
    budget(case, "latency", "<=", 1.0)
    for document in (case.base, case.head):
        document.absent(CANARY, "failed", "latency")


@kind(0, {"budget/accuracy": "accepted"})
def a_broken_budget_that_was_accepted(case: Case) -> None:
    budget(case, "accuracy", ">=", 0.999)
    case.accept(case.commits["third"], metric="budget/accuracy")


@kind(1, {"budget/sparkle": "regressed"})
def a_budget_on_a_metric_of_another_version(case: Case) -> None:
    budget(case, "sparkle", "<=", 1.0)


# Schema


@kind(2, {}, chosen=False, words="schema_version is 999")
def a_base_of_another_schema(case: Case) -> None:
    case.base.records[0]["schema_version"] = 999


@kind(2, {}, chosen=False, words="Extra inputs")
def a_base_with_a_key_that_nobody_knows(case: Case) -> None:
    case.base.records[0]["sparkle"] = 1


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

    def _build(self, runs: Any, out: Path, *, comparison: Comparison | None = None, **_: Any) -> Path:
        """Keep what a report of the head is built from instead of drawing it."""
        out.mkdir(parents=True, exist_ok=True)
        for name in ("index.html", "comment.md", "badge.json", "badge.svg"):
            (out / name).write_text("")
        if runs[0].run_id == "head":
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
            self.comparison = judge(*arguments)
            return self.comparison

        self.patch.setattr("inflor_bench.run.judge.judge", keep)
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
    name: str,
    repository: Repository,
    commits: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
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
