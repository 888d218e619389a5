"""Real git repositories for tests."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_IDENTITY = {
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.org",
    "GIT_CONFIG_NOSYSTEM": "1",
}


class Repository:
    """A repository in a directory; its git reads the home given, so that no configuration of the user matters."""

    def __init__(self, path: Path, home: Path) -> None:
        self.path = path
        self.environment = {**os.environ, **_IDENTITY, "HOME": str(home), "XDG_CONFIG_HOME": str(home)}
        path.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str, cwd: Path | None = None, given: str | None = None, ok: bool = True) -> str:
        """What git prints; `ok` is False where it may fail."""
        done = subprocess.run(
            ["git", *arguments],
            cwd=cwd or self.path,
            env=self.environment,
            capture_output=True,
            text=True,
            check=ok,
            input=given,
        )
        return done.stdout.strip()

    def commit(self, message: str, **files: str) -> str:
        """Commit files by name (`a` is a.txt) and return the sha."""
        for name, content in files.items():
            (self.path / f"{name}.txt").write_text(content)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")
