"""Breaks the meters on purpose, one fault at a time, and shows which tests notice.

    python -m tests.measure.power.mutate_meters

Each fault is put into a copy of the project; the checkout is not touched. Exit code 1 where a fault goes unnoticed.
`--only WORD` takes the faults whose name holds the word; `--list` names them.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from inflor_bench.layout import lay_out
from tests.command import ROOT

TESTS = ("tests/measure/power/test_measurement.py", "tests/measure/power/test_nvml.py")
SHOWN = 6


@dataclass(frozen=True)
class Fault:
    name: str
    file: str
    right: str
    wrong: str


FAULTS = (
    Fault(
        "no tick alignment: a window opens and closes at any reading",
        "window.py",
        "        if not self.reader.ticks:\n            return last\n        begin",
        "        return last\n        begin",
    ),
    Fault(
        "the window closes off the tick",
        "window.py",
        "        end = self.edge(progress)\n        return Window",
        "        end = self.sample()\n        return Window",
    ),
    Fault(
        "forward hold: a sample holds for the time after it",
        "nvml_power.py",
        "        watts = self._milliwatts() / 1e3\n        now = self._clock()\n"
        "        self._joules += watts * (now - self._time)\n",
        "        watts = self._milliwatts() / 1e3\n        now = self._clock()\n"
        "        self._joules += getattr(self, '_held', watts) * (now - self._time)\n        self._held = watts\n",
    ),
    Fault(
        "index instead of UUID",
        "nvml.py",
        "            handle = nvml.nvmlDeviceGetHandleByUUID(self.uuid)\n",
        "            nvml.nvmlDeviceGetHandleByUUID(self.uuid)\n"
        "            handle = nvml.nvmlDeviceGetHandleByIndex(0)\n",
    ),
    Fault(
        "net only: what is above idle is called the total",
        "result.py",
        "    per_inference = joules / sum(inferences)\n",
        "    joules = joules - idle_watts * seconds\n    per_inference = joules / sum(inferences)\n",
    ),
    Fault(
        "gross only: the total is called what is above idle",
        "result.py",
        "(joules - idle_watts * seconds) / sum(inferences)",
        "joules / sum(inferences)",
    ),
    Fault(
        "the module's power instead of the GPU's",
        "nvml.py",
        "self.nvml.NVML_POWER_SCOPE_GPU if scope is None",
        "self.nvml.NVML_POWER_SCOPE_MODULE if scope is None",
    ),
    Fault(
        "no time for a one-second average to settle",
        "observation.py",
        "        watch.let_pass(progress, profile.lead_seconds)\n"
        "        watch.measure_tick(progress)\n        watch.conditions",
        "        watch.measure_tick(progress)\n        watch.conditions",
    ),
    Fault(
        "windows follow each other without a random delay",
        "observation.py",
        "            watch.let_pass(progress, random.uniform(0, profile.delay_seconds))\n",
        "",
    ),
    Fault(
        "the iteration that runs at the start counts as one of the 32",
        "window.py",
        " + iterations + (iterations > 0)",
        " + iterations",
    ),
    Fault("a window does not wait for its iterations", "window.py", " or progress.completed() < completed:", ":"),
    Fault(
        "whole iterations only",
        "measurement.py",
        "[iterations_at(window.end.time) - iterations_at(window.start.time) for window in found.windows]",
        "[int(iterations_at(window.end.time) - iterations_at(window.start.time)) for window in found.windows]",
    ),
    Fault(
        "an inference is a batch",
        "result.py",
        "[count * batch_size for count in iterations]",
        "[count for count in iterations]",
    ),
    Fault(
        "an edge is believed in whatever gap it fell",
        "window.py",
        "while best_gap > EDGE_GAP_SECONDS and",
        "while best is None and",
    ),
    Fault(
        "a counter that fell is believed",
        "nvml_energy.py",
        "        if millijoules < self._last:\n",
        "        if False:\n",
    ),
    Fault(
        "a counter that stands still is believed",
        "window.py",
        "        if best is None:\n            raise MeterError(",
        "        if best is None:\n            return last\n            raise MeterError(",
    ),
    Fault(
        "only the last reason for the clocks is kept",
        "result.py",
        "        mask |= reasons\n",
        "        mask = reasons\n",
    ),
    Fault("what the idle GPU said is said of the load", "observation.py", "        watch.conditions.clear()\n", ""),
    Fault(
        "a check that differs is not flagged", "result.py", "CROSS_CHECK_TOLERANCE = 0.2", "CROSS_CHECK_TOLERANCE = 2.0"
    ),
    Fault("a slice of a GPU is measured", "nvml.py", "mode[0] == nvml.NVML_DEVICE_MIG_ENABLE", "False"),
    Fault(
        "a refused permission is passed over",
        "nvml_power.py",
        'if not error.reason.startswith("not_supported") or',
        "if",
    ),
    Fault(
        "a lost GPU throws the windows away",
        "observation.py",
        "        if not error.device_lost or not trials.windows:\n",
        "        if True:\n",
    ),
    Fault("a reading of 0 W is believed", "nvml_power.py", "if function() > 0:", "if function() >= 0:"),
    Fault("a device that draws nothing at rest is believed", "result.py", "    if idle.joules <= 0:", "    if False:"),
    Fault("the driver is left open", "nvml.py", "        self._or_none(self.nvml.nvmlShutdown)\n", "        pass\n"),
    Fault("a RAPL counter that wraps runs backwards", "rapl.py", "step += zone.range_uj", "step += 0"),
    Fault(
        "RAPL: parts of a package are counted again",
        "rapl.py",
        'if not (name.startswith("package") or name == "dram"):',
        'if name == "psys":',
    ),
    Fault("RAPL: the platform is added to its packages", "rapl.py", 'name == "dram"):', 'name in ("dram", "psys")):'),
)


def mutate(fault: Fault, root: Path) -> None:
    """Put a fault into the copy of the project at `root`."""
    path = root / "inflor_bench" / "measure" / "power" / fault.file
    text = path.read_text("utf-8")
    assert text.count(fault.right) == 1, f"{fault.name}: {fault.file} holds its place {text.count(fault.right)} times"
    path.write_text(text.replace(fault.right, fault.wrong), "utf-8")


def copy_project(root: Path) -> None:
    """Copy what the tests of the meters need."""
    lay_out(ROOT, root)
    shutil.copytree(ROOT / "tests", root / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", root)


def noticed(root: Path) -> list[str]:
    """Run the tests in the copy, and return the names of those that fail."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rfE", "--tb=no", *TESTS],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    failed = re.findall(r"^(?:FAILED|ERROR) \S*?::(\w+)", done.stdout, re.MULTILINE)
    if done.returncode not in (0, 1) and not failed:
        raise SystemExit(f"pytest did not run:\n{done.stdout}{done.stderr}")
    return list(dict.fromkeys(failed))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="take the faults whose name holds this")
    parser.add_argument("--list", action="store_true", help="name the faults")
    options = parser.parse_args()
    chosen = [fault for fault in FAULTS if options.only in fault.name]
    if options.list:
        print("\n".join(fault.name for fault in chosen))
        return 0
    missed = 0
    for fault in (None, *chosen):
        with tempfile.TemporaryDirectory(prefix="meters-") as directory:
            root = Path(directory)
            copy_project(root)
            if fault is not None:
                mutate(fault, root)
            failed = noticed(root)
        if fault is None:
            if failed:
                raise SystemExit(f"the tests fail without any fault: {', '.join(failed)}")
            continue
        missed += not failed
        names = ", ".join(failed[:SHOWN]) + (f" and {len(failed) - SHOWN} more" if len(failed) > SHOWN else "")
        print(f"{'noticed' if failed else 'MISSED '}  {fault.name}\n         {names}", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} faults noticed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
