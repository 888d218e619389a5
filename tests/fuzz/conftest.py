"""Shows the counts of the slow tests in the end."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = [line for report in terminalreporter.getreports("passed") for line in report.capstdout.splitlines()]
    counts = [line for line in lines if " inputs, " in line]
    if counts:
        terminalreporter.section("damaged files")
        for line in counts:
            terminalreporter.write_line(line)
        total = sum(int(line.split(": ")[1].split()[0]) for line in counts)
        terminalreporter.write_line(f"in all: {total} inputs")
