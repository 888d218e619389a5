"""What SECURITY.md promises of our source: nothing that runs what it reads."""

import ast

import pytest

from tests.command import ROOT

SOURCES = [path for package in ("bench", "models", "reports") for path in sorted((ROOT / package).rglob("*.py"))]

MODULES = ("pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml", "telnetlib")
CALLS = (
    *("eval", "exec", "compile", "__import__", "input", "breakpoint"),
    *("os.system", "os.popen", "os.startfile", "subprocess.getoutput", "subprocess.getstatusoutput"),
    *("pandas.read_pickle", "pd.read_pickle", "joblib.load", "yaml.load", "tempfile.mktemp", "tarfile.open"),
)


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def breaches(source: str) -> list[str]:
    """What a source does that may run what it reads, each with its line."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found += [f"{node.lineno}: imports {name}" for name in names if name.split(".")[0] in MODULES]
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        said = {word.arg: word.value for word in node.keywords}
        if name in CALLS or name.startswith(("os.exec", "os.spawn")):
            found.append(f"{node.lineno}: calls {name}")
        if "shell" in said:
            found.append(f"{node.lineno}: says shell=")
        if name.startswith("subprocess.") and node.args and isinstance(node.args[0], ast.Constant | ast.JoinedStr):
            found.append(f"{node.lineno}: runs one string")
        if name == "torch.load" and not is_constant(said.get("weights_only"), True):
            found.append(f"{node.lineno}: torch.load without weights_only=True")
        if name in ("np.load", "numpy.load") and not is_constant(said.get("allow_pickle"), False):
            found.append(f"{node.lineno}: np.load without allow_pickle=False")
    return found


def is_constant(node: ast.expr | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def test_nothing_runs_what_it_reads():
    assert len(SOURCES) > 100
    found = [f"{path.relative_to(ROOT)}:{line}" for path in SOURCES for line in breaches(path.read_text("utf-8"))]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "eval('1')",
        "import os\nos.system('true')",
        "subprocess.run(['ls'], shell=True)",
        "subprocess.run(f'ls {x}')",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=x)",
        "np.load(path)",
        "yaml.load(text)",
    ],
)
def test_the_rule_sees_a_breach(source):
    assert len(breaches(source)) == 1


def test_what_is_allowed_is_no_breach():
    assert breaches("torch.load(p, weights_only=True)\nsubprocess.run(['ls'])\nmodel.eval()\nre.compile('x')") == []
