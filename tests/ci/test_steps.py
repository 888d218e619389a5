"""The steps of the jobs, run for real: git against a bare remote, the comment against a server on this machine."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from ruamel.yaml import YAML

from inflor_bench.ci.templates import template
from inflor_bench.record.origin import Git
from inflor_bench.record.run_file import read_run, run_path
from inflor_bench.reports.pages.comment import MARKER
from tests.command import ROOT
from tests.needs import need
from tests.record.builders import make_git, make_provenance, make_record, write_run

GITHUB, GITLAB = (YAML(typ="safe", pure=True).load(template(name)) for name in ("github", "gitlab"))
# `tox run -e history -- ARGUMENTS`, without an environment of its own, which would take a network.
TOX = f"""#!/bin/bash
test "$*" = "run -e history --notest" && exit
test "$1 $2 $3 $4" = "run -e history --" || exit 64
git config --get-urlmatch http.extraheader https://github.example/a/b >> "$LOG"
exec {sys.executable} -m inflor_bench history "${{@:5}}"
"""


def step(job, name):
    """The script of a step of GitHub's jobs."""
    (script,) = [step["run"] for step in GITHUB["jobs"][job]["steps"] if step["name"].startswith(name)]
    return script


def lines(job, words, key="script"):
    """The script of GitLab's jobs that holds some words."""
    (script,) = [line for line in GITLAB[job][key] if words in line]
    return script


BRING = {"github": step("bench", "Bring"), "gitlab": lines("bench", "git archive")}
COLLECT = {"github": step("bench", "Collect"), "gitlab": lines("bench", "find .", "after_script")}
ADD = {"github": step("history", "Add it"), "gitlab": lines("history", "tox run -e history -- add")}
COMMENT = step("comment", "Write")


def bash(script, directory, **environment):
    """A script as GitHub's `shell: bash` runs it."""
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


class Job:
    """A job of a provider: a clone of the remote, with the variables that the provider sets."""

    def __init__(self, provider, remote, repository, place):
        self.provider, self.clone, self.temporary = provider, place / "clone", place / "temporary"
        self.temporary.mkdir(parents=True)
        repository.git("clone", "-q", str(remote), str(self.clone))
        programs = place / "bin"
        programs.mkdir()
        (programs / "tox").write_text(TOX)
        (programs / "tox").chmod(0o755)
        self.environment = {
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "LOG": str(place / "log"),
            "RUNNER_TEMP": str(self.temporary),
            "GITHUB_OUTPUT": str(place / "outputs"),
            "GITHUB_SERVER_URL": "https://github.example",
            "TOKEN": "secret",
            "INFLOR_BENCH_TOKEN": "secret",
            "CI_SERVER_HOST": "gitlab.example",
            "CI_PROJECT_PATH": "group/project",
        }
        self.outputs = place / "outputs"
        self.log = place / "log"

    def run(self, script):
        return bash(script, self.clone, **self.environment)

    def collected(self):
        place = self.temporary / "run" if self.provider == "github" else self.clone / ".bench/new"
        return sorted(path.relative_to(place).as_posix() for path in place.rglob("*.json"))

    def measure(self, name, git: Git):
        """What `tox run -e bench` leaves: a run file and a report."""
        provenance = make_provenance(run_id=name, git=git)
        path = run_path(self.clone / ".bench/runs", provenance)
        write_run(path, [make_record(provenance={"run_id": name, "git": git})])
        write_run(path.with_suffix(".cells") / "cell.json", [make_record()])  # of a run that was killed
        report = self.clone / ".bench/report"
        report.mkdir()
        (report / "index.html").write_text(name)
        return path.relative_to(self.clone / ".bench/runs").as_posix()


@pytest.fixture
def remote(repository, tmp_path):
    """A bare repository with one commit on main. By GitLab's address of it, with the token, it is reached, too."""
    repository.commit("one", a="1")
    path = tmp_path / "remote.git"
    repository.git("clone", "-q", "--bare", str(repository.path), str(path))
    address = "https://oauth2:secret@gitlab.example/group/project.git"
    repository.git("config", "--global", f"url.{path}.insteadOf", address)
    return path


@pytest.mark.parametrize("provider", ["github", "gitlab"])
def test_a_run_is_collected_added_to_the_history_and_brought_to_the_next_job(provider, remote, repository, tmp_path):
    jobs = [Job(provider, remote, repository, tmp_path / f"job{index}") for index in range(3)]
    main = repository.git("rev-parse", "main", cwd=remote)
    names = []
    for index, job in enumerate(jobs[:2]):
        job.run(BRING[provider])  # the second job began before the first had added its run
        names.append(job.measure(f"run{index}", make_git(f"commit{index}")))
        assert repository.git("status", "--porcelain", cwd=job.clone) == ""
        job.run(COLLECT[provider])
        assert job.collected() == [names[index]]
    for job in jobs[:2]:
        job.run(ADD[provider])
    assert repository.git("ls-tree", "-r", "--name-only", "bench-data", cwd=remote).splitlines() == sorted(names)
    assert repository.git("rev-parse", "main", cwd=remote) == main
    assert main not in repository.git("rev-list", "bench-data", cwd=remote)

    later = jobs[2]
    repository.git("fetch", "-q", cwd=later.clone)
    later.run(BRING[provider])
    brought = sorted((later.clone / ".bench/runs").glob("*/*.json"))
    assert [path.relative_to(later.clone / ".bench/runs").as_posix() for path in brought] == sorted(names)
    assert {read_run(path).run_id for path in brought} == {"run0", "run1"}
    later.run(COLLECT[provider])
    assert later.collected() == []


def test_github_is_told_what_there_is(remote, repository, tmp_path):
    job = Job("github", remote, repository, tmp_path / "job")
    job.run(BRING["github"])
    job.run(COLLECT["github"])
    assert not job.outputs.exists()
    job.measure("run", make_git())
    job.run(COLLECT["github"])
    assert job.outputs.read_text().split() == ["run=true", "report=true"]
    assert (job.temporary / "report/index.html").read_text() == "run"


def test_the_token_reaches_git_for_its_server_alone_and_is_written_nowhere(remote, repository, tmp_path):
    job = Job("github", remote, repository, tmp_path / "job")
    job.run(BRING["github"])
    job.measure("run", make_git())
    job.run(COLLECT["github"])
    done = job.run(ADD["github"])
    assert job.log.read_text() == "AUTHORIZATION: basic eC1hY2Nlc3MtdG9rZW46c2VjcmV0\n"  # x-access-token:secret
    written = [path for path in job.clone.rglob("*") if path.is_file() and b"eC1hY2Nlc3" in path.read_bytes()]
    assert written == []
    assert "secret" not in done.stdout + done.stderr


class Issues(ThreadingHTTPServer):
    """The part of GitHub's server that keeps comments."""

    def __init__(self, comments):
        super().__init__(("127.0.0.1", 0), _Comments)
        self.comments = comments
        self.seen = []


class _Comments(BaseHTTPRequestHandler):
    server: Issues

    def do_GET(self):
        asked = parse_qs(urlsplit(self.path).query)
        size, page = int(asked["per_page"][0]), int(asked["page"][0])
        self.answer(self.server.comments[size * (page - 1) : size * page])

    def do_POST(self):
        assert self.path == "/repos/mine/net/issues/7/comments"
        comment = {"id": 1000 + len(self.server.comments), "user": {"login": "github-actions[bot]"}, **self.body()}
        self.server.comments.append(comment)
        self.answer(comment)

    def do_PATCH(self):
        (comment,) = [c for c in self.server.comments if self.path == f"/repos/mine/net/issues/comments/{c['id']}"]
        comment.update(self.body())
        self.answer(comment)

    def body(self):
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, document):
        self.server.seen.append((self.command, self.headers["Authorization"]))
        text = json.dumps(document).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


@pytest.fixture
def comment(tmp_path):
    """Run the step with a comment.md; gives the server with its comments."""
    need("curl", "jq")
    (tmp_path / "report").mkdir()
    started = []

    def write(text, server):
        (tmp_path / "report/comment.md").write_text(text, "utf-8")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        started.append((server, thread))
        bash(
            COMMENT,
            tmp_path,
            TOKEN="secret",
            PULL_REQUEST="7",
            GITHUB_REPOSITORY="mine/net",
            GITHUB_API_URL=f"http://127.0.0.1:{server.server_port}",
        )
        server.shutdown()
        return server

    yield write
    for server, thread in started:
        server.shutdown()
        server.server_close()
        thread.join()


def said(login, body, number):
    return {"id": number, "user": {"login": login}, "body": body}


def test_one_comment_is_written_and_then_written_anew(comment):
    people = [said("a-person", f"{MARKER}\nquoted", 1), said("github-actions[bot]", f"of another job\n{MARKER}", 2)]
    server = comment(f"{MARKER}\n\nfirst: ä", Issues(list(people)))
    assert server.comments[:2] == people
    (ours,) = server.comments[2:]
    assert ours["body"] == f"{MARKER}\n\nfirst: ä"
    again = comment(f"{MARKER}\n\nsecond", Issues(server.comments))
    assert [c["body"] for c in again.comments[2:]] == [f"{MARKER}\n\nsecond"]
    assert {token for _, token in server.seen + again.seen} == {"Bearer secret"}


@pytest.mark.parametrize("before", [99, 100, 250])
def test_the_comment_is_found_among_many(comment, before):
    many = [said("a-person", "talk", index) for index in range(before)]
    ours = said("github-actions[bot]", f"{MARKER}\nold", before)
    server = comment(f"{MARKER}\nnew", Issues([*many, ours]))
    assert len(server.comments) == before + 1
    assert server.comments[-1]["body"] == f"{MARKER}\nnew"


def test_a_file_that_says_something_else_is_marked_and_cut_all_the_same(comment):
    server = comment('$(touch hacked) "quoted"\n' + "x" * 100_000, Issues([]))
    (ours,) = server.comments
    assert ours["body"].startswith(f'{MARKER}\n$(touch hacked) "quoted"\nxxx')
    assert len(ours["body"]) == 65_000
