"""Stillness: whether processes of the cell have stopped doing anything, and for how long.

Nothing comes into a cell from outside: no network, no other user, no slow disk. A contestant whose threads all
sleep waits for something that cannot come (mostly the other end of a FIFO), and need not be given all of its time.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable

from ..sandbox import processes

_BUSY = frozenset((b"R", b"D"))
"""Running or about to, and waiting for a page of a program: proc_pid_stat(5)."""


BUSY = 5
"""A contestant that hardly ran, because others did, has so many times its time."""


def out_of_time(wall_s: float, cpu_s: float, limit_s: float) -> bool:
    """Whether a contestant has had its time.

    What sleeps is seen by `Still`, so one that did not run either was kept from running: on a loaded machine its
    time is what it could use, `BUSY` times the limit at most.
    """
    return wall_s > limit_s and (4 * cpu_s > 3 * limit_s or wall_s > BUSY * limit_s)


def cpu_ns(pid: int) -> int:
    """Processor time that all threads of a process have used so far; 0 when it is gone."""
    try:
        # The kernel's number for another process's clock, as clock_getcpuclockid(3) makes it.
        return time.clock_gettime_ns((~pid << 3) | 2)
    except OSError:
        return 0


class Still:
    """Looks at every thread of the cell but those of the processes `besides`."""

    def __init__(self, besides: Iterable[int]) -> None:
        self._besides = frozenset(besides)
        self._seen: object = None
        self._since = time.monotonic()

    def seconds(self, doing: object) -> float:
        """How long nothing has run, no processor time was used and `doing` has been the same."""
        busy, ticks = self._look()
        now = time.monotonic()
        if busy or (doing, ticks) != self._seen:
            self._seen, self._since = (doing, ticks), now
        return now - self._since

    def _look(self) -> tuple[bool, int]:
        ticks = 0
        for pid in processes.pids():
            if pid in self._besides:
                continue
            # A process may end between being listed and being read.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                for thread in os.listdir(f"/proc/{pid}/task"):
                    with open(f"/proc/{pid}/task/{thread}/stat", "rb", buffering=0) as file:
                        # Behind the name, which may hold anything: state, and later user and system time.
                        fields = file.read().rpartition(b")")[2].split()
                    if fields[0] in _BUSY:
                        return True, ticks
                    ticks += int(fields[11]) + int(fields[12])
        return False, ticks
