import io
import json
import re
from html.parser import HTMLParser

import pytest
from rich.console import Console

from inflor_bench.record.run_file import read_run
from inflor_bench.text import plain
from inflor_bench.verdict.compare import Finding, judge
from inflor_bench.verdict.render import (
    MARKER,
    escape,
    print_findings,
    render_markdown,
    render_terminal,
    summary,
    to_json,
)
from tests.record.builders import make_git, make_record, make_suite, write_run

BASE = {"run_id": "base", "git": make_git("base", parent="older")}
HEAD = {"run_id": "head", "git": make_git("head")}
HOSTILE = (
    "x\x1b[31m<script>alert(1)</script> [red]a[/red] | `b` @everyone #1 **c** http://evil.example ![d](e)\u202e\nz"
)


def comparison_of(tmp_path, base, head):
    return judge(read_run(write_run(tmp_path / "base.json", base)), read_run(write_run(tmp_path / "head.json", head)))


@pytest.fixture
def regressed(tmp_path):
    head = make_suite(provenance=HEAD)
    head[1] = make_record(neuron="hard", firing_rate=[0.2, 0.25, 0.2, 0.2], provenance=HEAD)
    return comparison_of(tmp_path, make_suite(provenance=BASE), head)


@pytest.fixture
def hostile(tmp_path):
    def records(provenance, rate):
        git = provenance["git"].model_copy(update={"message": HOSTILE, "branch": HOSTILE})
        return [make_record(HOSTILE, firing_rate=rate, provenance={**provenance, "git": git})]

    return comparison_of(tmp_path, records(BASE, 0.2), records(HEAD, 0.3))


def terminal(comparison):
    output = io.StringIO()
    render_terminal(comparison, Console(file=output, width=40, force_terminal=False))
    return output.getvalue()


def test_the_terminal_shows_the_worst_first_and_counts_the_rest(regressed):
    text = terminal(regressed)
    lines = [line for line in text.splitlines() if line.startswith(("regressed", "changed", "improved"))]
    assert [line.split()[0] for line in lines] == ["regressed", "regressed", "changed"]
    assert "digits/resnet8/hard/T4/s0" in lines[0]
    assert "layer2.0.conv1" in text
    assert text.rstrip().endswith(summary(regressed.findings))
    assert "2 regressed, 1 changed" in summary(regressed.findings)


def test_findings_that_are_alike_are_one_line_that_tells_how_many_cells(tmp_path):
    """The layer that moved is part of a reason, by how much is not; a line holds the largest change."""
    rates = {"hard": [0.2, 0.24, 0.2, 0.2], "soft": [0.2, 0.26, 0.2, 0.2], "soft-mpr": [0.2, 0.2, 0.25, 0.2]}
    head = [make_record(neuron=neuron, firing_rate=rate, provenance=HEAD) for neuron, rate in rates.items()]
    base = [make_record(neuron=neuron, provenance=BASE) for neuron in rates]
    comparison = comparison_of(tmp_path, base, head)
    lines = [line for line in terminal(comparison).splitlines() if line.startswith("regressed") and "  ac  " in line]
    assert ["(and 1 other cell likewise)" in line for line in lines] == [True, False]
    assert "/soft/" in lines[0]
    assert "/soft-mpr/" in lines[1]
    assert str(len(comparison.regressions)) + " regressed" in summary(comparison.findings)


def test_at_most_20_lines_are_shown_and_the_rest_is_counted():
    names = [f"digits/resnet8/soft/T4/s{seed}" for seed in range(25)]
    findings = [Finding(name, "spikes", None, "regressed", f"reason {chr(97 + n)}") for n, name in enumerate(names)]
    output = io.StringIO()
    print_findings(findings, Console(file=output, width=40))
    *lines, more, counts = output.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == names[:20]
    assert more == "and 5 more; the report has them all"
    assert counts == "25 regressed"


def test_no_control_character_reaches_the_terminal(hostile):
    text = terminal(hostile)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
    assert "[red]a[/red]" in text  # and nothing is taken for markup


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


def test_nothing_of_a_run_is_markup_in_the_comment(hostile):
    text = render_markdown(hostile)
    assert text.startswith(MARKER + "\n")
    body = text.removeprefix(MARKER)
    parser = Tags()
    parser.feed(body)
    assert parser.tags == []
    assert HOSTILE.partition("\x1b")[0] + "\ufffd[31m<script>alert(1)</script>" in parser.text
    for markup in ("`", "@", "http:", "<", "[", "!", "evil.example"):
        assert markup not in body
    for line in body.splitlines():  # a row has the columns that its header has
        if line.startswith("|"):
            assert line.count("|") == 8


def test_the_comment_says_what_regressed_and_where(regressed):
    text = render_markdown(regressed)
    assert "### InfLoR-Bench: regressed" in text
    assert "| **regressed** | digits/resnet8/hard/T4/s0 | spikes | layer1&#46;0&#46;conv1&#46;lif |" in text
    quiet = render_markdown(judge(regressed.base, regressed.base))
    assert "no regression" in quiet
    assert "| **" not in quiet


def test_a_comment_fits_github(tmp_path):
    base = [make_record(f"cell {index} {HOSTILE * 5}", provenance=BASE) for index in range(90)]
    head = [make_record(record.name, firing_rate=0.3, provenance=HEAD) for record in base]
    text = render_markdown(comparison_of(tmp_path, base, head))
    assert len(text) <= 65_536
    assert text.startswith(MARKER)


def test_json_is_strict_and_complete(regressed):
    document = json.loads(json.dumps(to_json(regressed), allow_nan=False))
    assert document["exit_code"] == 1
    assert len(document["findings"]) == len(regressed.findings)
    first = document["findings"][0]
    assert (first["verdict"], first["layer"]) == ("regressed", regressed.findings[0].layer)
    assert document["counts"] == regressed.counts
    assert document["base"]["git"]["sha"] == regressed.base.git.sha


def test_plain_and_escape():
    assert plain("a\n b\t\x00c\ud800") == "a b \ufffdc\ufffd"
    assert len(plain("x" * 1000)) == 300
    assert escape("digits/resnet8/soft-mpr/T4/s0") == "digits/resnet8/soft-mpr/T4/s0"
    parser = Tags()
    parser.feed(escape("a_b*c<d>|é"))
    assert parser.text == "a_b*c<d>|é"
