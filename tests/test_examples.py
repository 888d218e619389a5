"""The examples with nothing but this package: what their commands print, and their notebooks, executed."""

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import ROOT
from tests.examples import EXAMPLES, PAGE, same_figures, shown_and_seen
from tests.peers.test_examples import NEEDS, PAIRS

pytestmark = pytest.mark.slow

NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


@pytest.mark.parametrize(("commands", "shown"), [pair for pair in PAIRS if not any(word in pair[0] for word in NEEDS)])
def test_the_commands_print_what_the_page_shows(tmp_path, commands, shown):
    place = shutil.copytree(EXAMPLES, tmp_path / "examples")
    shown_and_seen(place, commands, shown, check=1 if "budgets" in commands else 0)


def execute(notebook: Path) -> list[str]:
    """Run the code of a notebook in the folder that it lies in; what each cell printed."""
    names: dict[str, object] = {}
    printed = []
    for cell in json.loads(notebook.read_text("utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec("".join(cell["source"]), names)
            printed.append(out.getvalue())
    return printed


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_prints_what_it_shows(tmp_path, notebook):
    place = shutil.copytree(EXAMPLES, tmp_path / "examples")
    program = (
        "import json; from pathlib import Path; from tests.test_examples import execute; "
        f"print(json.dumps(execute(Path({notebook.name!r}))))"
    )
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": path, "INFLOR_BENCH_CACHE": str(tmp_path / "cache")}
    done = subprocess.run([sys.executable, "-c", program], cwd=place, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    shown = [
        "".join(text for output in cell["outputs"] for text in output["text"])
        for cell in json.loads(notebook.read_text("utf-8"))["cells"]
        if cell["cell_type"] == "code"
    ]
    for printed, expected in zip(json.loads(done.stdout.splitlines()[-1]), shown, strict=True):
        same_figures(printed, expected)


def test_every_example_is_on_the_page():
    text = PAGE.read_text("utf-8")
    files = [path.relative_to(EXAMPLES) for path in EXAMPLES.rglob("*") if path.suffix in (".py", ".toml", ".ipynb")]
    assert len(files) > 8
    assert all(path.as_posix() in text for path in files if path.parts[0] != "worth")
