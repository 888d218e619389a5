"""A directory of pages on this machine's own address, and on no other."""

from __future__ import annotations

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from inflor_bench.errors import ReportInputError

ADDRESS = "127.0.0.1"
_NAMES = (ADDRESS, "localhost")


class _Handler(SimpleHTTPRequestHandler):
    """Only reads; answers only who asks this machine by its own name, so that no site can lend its name to it."""

    def send_head(self):  # type: ignore[no-untyped-def]
        if self.headers.get("Host", "").rpartition(":")[0] not in _NAMES:
            self.send_error(403, "Only for this machine")
            return None
        return super().send_head()

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing: the terminal belongs to the address."""


def server(directory: Path, port: int) -> ThreadingHTTPServer:
    """A server of the directory on the loopback address; port 0 takes a free one.

    Raises:
        ReportInputError: There is no such directory, or the port is taken.
    """
    if not directory.is_dir():
        raise ReportInputError(f"{directory}: is no directory; give one that `report` or `publish` wrote.")
    try:
        return ThreadingHTTPServer((ADDRESS, port), partial(_Handler, directory=str(directory)))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ReportInputError(f"Port {port} cannot be served ({reason}); give another by --port.") from None
