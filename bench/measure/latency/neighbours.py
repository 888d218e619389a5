"""Whether other processes took the processors from what was timed.

The kernel keeps how long a thread was ready to run and waited for a processor. Alone on its processors that is about
1 % of the time; beside one other process on two processors it is more than half of it, and every round takes twice as
long, or waits for the scheduler's next slice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# What threads may have waited for processors, relative to the wall time, before that is called disturbed.
MOST_WAITED = 0.1
_THREADS = Path("/proc/self/task")


@dataclass(frozen=True)
class Neighbours:
    """What the kernel kept of this process, all of its threads, while something was timed.

    `processors` is CPU time over wall time. `waited` is the time that its threads were ready and had no processor, over
    wall time. None is what the system does not tell.
    """

    involuntary_switches: int | None
    processors: float
    waited: float | None

    @property
    def disturbed(self) -> bool:
        """Whether other processes took the processors; False also where the system does not tell."""
        return self.waited is not None and self.waited > MOST_WAITED


@contextmanager
def neighbours() -> Iterator[Callable[[], Neighbours]]:
    """Watch this process from here to the end of the block; gives what is called afterwards."""
    start, busy, switches, waited = time.perf_counter(), time.process_time(), _switches(), _waited()
    found: list[Neighbours] = []
    yield lambda: found[0]
    switches_after, waited_after = _switches(), _waited()
    seconds = time.perf_counter() - start
    found.append(
        Neighbours(
            None if switches is None or switches_after is None else switches_after - switches,
            (time.process_time() - busy) / seconds,
            None if waited is None or waited_after is None else max(0.0, waited_after - waited) / seconds,
        )
    )


def _switches() -> int | None:
    """The involuntary context switches of this process so far; None on Windows."""
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def _waited() -> float | None:
    """How long the threads of this process have waited for a processor so far, s; None where that is not told."""
    try:
        kept = [(thread / "schedstat").read_text("ascii").split() for thread in _THREADS.iterdir()]
    except OSError:  # not Linux, or a thread that has just ended
        return None
    return sum(int(words[1]) for words in kept) / 1e9
