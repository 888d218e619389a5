"""A site of many runs as files, the server for it, and what happens when it grows."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from inflor_bench.errors import ReportInputError
from inflor_bench.record.run_file import read_run
from inflor_bench.reports.pages import report
from inflor_bench.reports.pages.serve import server
from inflor_bench.reports.pages.site import publish
from inflor_bench.verdict.compare import judge
from tests.reports import sample
from tests.reports.test_page import files

pytestmark = pytest.mark.long

FIRST, SECOND, THIRD, FOURTH = (f"2026020{i + 1}T100000Z_{str(i) * 12}_h000000{i}" for i in range(4))


def test_every_run_has_its_address_and_its_base(site: Path, history: Path) -> None:
    listed = json.loads((site / "data/runs.json").read_text())
    assert [r["address"] for r in listed] == [f"runs/{n}/index.html" for n in (FOURTH, THIRD, SECOND, FIRST)]
    assert all((site / r["address"]).exists() for r in listed)
    assert listed[-1]["counts"] is None
    expected = judge(read_run(history / f"{SECOND}.json"), read_run(history / f"{THIRD}.json")).counts
    assert listed[1]["counts"] == expected
    assert expected["improved"] > 0, "the third run does fewer operations"
    assert pyarrow.parquet.read_table(site / "data/runs.parquet").num_rows == 4


def test_addresses_of_commits_lead_to_their_newest_run(site: Path, visit: Any) -> None:
    for address, wanted in ((f"commits/{'2' * 40}", THIRD), ("latest", FOURTH)):
        page = visit(site / address / "index.html").page
        page.wait_for_url(f"**/runs/{wanted}/index.html")


def test_publishing_again_builds_nothing_and_changes_nothing(site: Path, history: Path, tmp_path: Path) -> None:
    shutil.copytree(site, tmp_path / "site")
    again = publish(history, tmp_path / "site")
    assert (again.built, again.kept) == (0, 4)
    assert files(tmp_path / "site") == files(site)


def test_a_site_that_grew_is_the_one_that_was_built_at_once(site: Path, history: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    built = []
    for name in (FIRST, THIRD, SECOND, FOURTH):  # the second comes late, as from another branch
        shutil.copy(history / f"{name}.json", runs)
        built.append(publish(runs, tmp_path / "site").built)
    assert built == [1, 1, 2, 1], "the third run's base is the second, as soon as that is there"
    assert files(tmp_path / "site") == files(site)


def test_a_stopped_or_damaged_site_is_made_whole(site: Path, history: Path, tmp_path: Path) -> None:
    shutil.copytree(site, tmp_path / "site")
    (tmp_path / "site/runs" / SECOND / "summary.json").unlink()  # it is written last
    (tmp_path / "site/runs" / THIRD / "summary.json").write_text("{")
    assert publish(history, tmp_path / "site").built == 2
    assert files(tmp_path / "site") == files(site)


def test_a_report_that_is_built_anew_is_there_all_the_time(
    site: Path, history: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(site, tmp_path / "site")
    place = tmp_path / "site/runs" / THIRD
    (place / "summary.json").write_text("{")
    (place / "left.html").write_text("of an older version")
    before = files(place)
    seen = []

    def build(*arguments: Any, **options: Any) -> Path:
        seen.append(files(place) == before)
        if len(seen) == 1:
            raise KeyboardInterrupt
        return report.build(*arguments, **options)

    monkeypatch.setattr("inflor_bench.reports.pages.site.build", build)
    with pytest.raises(KeyboardInterrupt):
        publish(history, tmp_path / "site")
    assert files(place) == before, "what could not be replaced stays as it is"
    assert publish(history, tmp_path / "site").built == 1
    assert seen == [True, True]
    assert files(tmp_path / "site") == files(site), "nothing is left of the old one, nor beside it"


def test_a_report_that_was_being_built_when_its_process_was_killed_leaves_nothing(
    site: Path, history: Path, tmp_path: Path
) -> None:
    shutil.copytree(site, tmp_path / "site")
    killed = subprocess.Popen([sys.executable, "-c", ""])
    killed.wait()
    place = tmp_path / "site/runs" / THIRD
    place.rename(place.with_name(f".{THIRD}.{socket.gethostname()}.{killed.pid}.old.tmp"))
    half = place.with_name(f".{THIRD}.{socket.gethostname()}.{killed.pid}.new.tmp")
    half.mkdir()
    (half / "index.html").write_text("half")
    assert publish(history, tmp_path / "site").built == 1
    assert files(tmp_path / "site") == files(site)


def test_damaged_runs_are_named_and_none_at_all_is_an_error(history: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    with pytest.raises(ReportInputError, match="no run to publish"):
        publish(runs, tmp_path / "site")
    (runs / "broken.json").write_text("[]")
    shutil.copy(history / f"{FIRST}.json", runs)
    done = publish(runs, tmp_path / "site")
    assert done.built == 1
    assert len(done.damaged) == 1
    assert "broken.json" in (tmp_path / "site/index.html").read_text()
    assert "There is one run so far" in (tmp_path / "site/index.html").read_text()
    assert "There is one run so far" in (tmp_path / "site/trends.html").read_text()


def test_the_name_of_a_run_file_is_untrusted(tmp_path: Path, visit: Any) -> None:
    runs = tmp_path / "runs"
    runs.mkdir()
    evil = "<img src=x onerror=alert(1)> \u202e..&'"
    record = sample.record(run_id=evil, sha=evil, created=evil)
    git = record.provenance.git.model_copy(update={"message": evil, "branch": evil})  # type: ignore[union-attr]
    record = sample.with_provenance(record, git=git)
    sample.run_of([record], runs / f"{evil}.json".replace("/", ""))
    sample.run_of([record], runs / "other.json")
    site = publish(runs, tmp_path / "site").index.parent
    outside = [p for p in tmp_path.rglob("*") if p.is_file() and site not in p.parents and runs not in p.parents]
    assert outside == []
    assert not (site / "commits").exists()
    for name in ("index.html", "trends.html"):
        seen = visit(site / name, width=360)
        assert seen.complaints == []
        assert seen.page.locator("img").count() == 0
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert "<img src=x" in visit(site / "index.html").page.inner_text("#runs")


@pytest.fixture
def served(site: Path) -> Any:
    serving = server(site, 0)
    thread = threading.Thread(target=serving.serve_forever)
    thread.start()
    yield serving.server_address
    serving.shutdown()
    thread.join()
    serving.server_close()


def ask(address: tuple[str, int], path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(*address)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_the_server_shows_the_site_to_this_machine_only(served: tuple[str, int], site: Path) -> None:
    assert served[0] == "127.0.0.1"
    assert ask(served, "/trends.html") == (200, (site / "trends.html").read_bytes())
    assert ask(served, "/", Host=f"localhost:{served[1]}")[0] == 200
    assert ask(served, "/", Host="evil.example:80")[0] == 403
    assert ask(served, "/", Host="evil.example")[0] == 403
    assert ask(served, "/", method="POST")[0] == 501
    for path in ("/../../../etc/passwd", "/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd"):
        assert ask(served, path)[0] == 404


def test_what_cannot_be_served_is_said(served: tuple[str, int], site: Path, tmp_path: Path) -> None:
    with pytest.raises(ReportInputError, match="is no directory"):
        server(tmp_path / "none", 0)
    with pytest.raises(ReportInputError, match="give another by --port"):
        server(site, served[1])
