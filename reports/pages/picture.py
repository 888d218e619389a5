"""A picture of a report's first screen, for a README: `inflor-bench picture RUN OUT.png`.

It takes a Chromium on the PATH, which is asked for nothing but a screenshot of the page from the disk.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from inflor_bench.errors import ReportInputError
from inflor_bench.record.run_file import Run
from inflor_bench.reports.pages.report import build

SECONDS = 120.0
_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")


def picture(run: Run, out: Path, *, width: int = 1280, height: int = 1990) -> Path:
    """Write the top of the run's report as a PNG of `width` by `height` pixels.

    Raises:
        ReportInputError: There is no Chromium, it failed, or `out` cannot be written.
    """
    chromium = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if chromium is None:
        raise ReportInputError(f"{out}: a picture takes a Chromium on the PATH; install one, or skip the picture.")
    with tempfile.TemporaryDirectory() as folder:
        page = build(run, Path(folder) / "report")
        shot = Path(folder) / "shot.png"
        command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command += [f"--user-data-dir={folder}/profile", f"--window-size={width},{height}"]
        command += [f"--screenshot={shot}", page.as_uri()]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise ReportInputError(f"{out}: {chromium} made no picture within {SECONDS:g} s; try again.") from None
        if not shot.exists():
            reason = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
            raise ReportInputError(f"{out}: {chromium} made no picture ({reason[0]}); try another Chromium.")
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(shot, out)
        except OSError as error:
            raise ReportInputError(f"{out}: cannot be written ({error.strerror}); give another place.") from None
    return out
