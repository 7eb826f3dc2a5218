"""Stillness: whether processes of the cell have stopped doing anything, and for how long.

Nothing comes into a cell from outside: no network, no other user, no slow disk. A contestant whose threads all
sleep waits for something that cannot come (mostly the other end of a FIFO), and need not be given all of its time.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable

from . import processes

_BUSY = frozenset((b"R", b"D"))
"""Running or about to, and waiting for a page of a program: proc_pid_stat(5)."""


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
