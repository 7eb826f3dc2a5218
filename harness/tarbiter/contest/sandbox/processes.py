"""Which processes are the cell's: all that can be seen in a pid namespace, otherwise those below its supervisor."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import time
from collections.abc import Collection

ROUNDS = 50
"""Looks at what still lives before the processes to spare are given up with the rest."""

ROUND_S = 0.001
"""Seconds between two of them."""

_first = 0
"""The supervisor's pid where the cell shares its pids with the host; 0: it has pids of its own."""


def share(supervisor: int) -> None:
    """Say, once and in the supervisor itself, that this cell has no pid namespace."""
    global _first  # noqa: PLW0603  # a fact about this process and all its forks
    _first = supervisor


def shared() -> bool:
    """Whether this cell shares its pids, and all else that namespaces divide, with the host."""
    return bool(_first)


def first() -> int:
    """The supervisor."""
    return _first or 1


def pids() -> list[int]:
    """All processes of the cell, zombies included."""
    if not _first:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    return below(_first)


def below(pid: int) -> list[int]:
    """A process and all that it started, and that those started; orphans are their subreaper's."""
    found = [pid]
    for one in found:
        try:
            for thread in os.listdir(f"/proc/{one}/task"):
                with open(f"/proc/{one}/task/{thread}/children", "rb", buffering=0) as file:
                    found += map(int, file.readall().split())
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
    return found


def threads(of: Collection[int]) -> int:
    """How many threads these processes have."""
    count = 0
    for pid in of:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            count += len(os.listdir(f"/proc/{pid}/task"))
    return count


def nameless(device: int) -> dict[int, int]:
    """Files of a file system that processes of the cell have open and that have no name: inode to bytes on disk."""
    found = {}
    for pid in pids():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            for fd in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(FileNotFoundError):
                    status = os.stat(f"/proc/{pid}/fd/{fd}")
                    if status.st_dev == device and status.st_nlink == 0:
                        found[status.st_ino] = status.st_blocks * 512
    return found


def state(pid: int) -> bytes:
    """The letter of proc_pid_stat(5): R, S, D, Z, ... Raises FileNotFoundError or ProcessLookupError."""
    with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
        # The name in parentheses may hold anything; the state comes behind the last one.
        return file.read().rpartition(b")")[2].split()[0]


def _lives(pid: int) -> bool:
    try:
        return state(pid) != b"Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _kill(pid: int, by: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, by)


def collect() -> int:
    """Wait for the children that have ended. Returns how many there were."""
    count = 0
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            count += 1
    return count


def end_others(spare: Collection[int] = ()) -> int:
    """Kill every process of the cell but its first, this one and those to `spare`. Returns how many there were.

    As a child subreaper this process inherits what a command left behind, so all of them can be waited for.
    """
    try:
        pid, _ = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return 0
    count = 1 if pid else 0
    kept = {first(), os.getpid(), *spare}
    if _first:
        return count + _end(first(), kept)
    if spare:
        for _ in range(ROUNDS):
            alive = [pid for pid in pids() if pid not in kept and _lives(pid)]
            for pid in alive:
                _kill(pid, signal.SIGKILL)
            count += collect()
            if not alive:
                return count
            time.sleep(ROUND_S)
    # At once, so that nothing can multiply faster than it is found.
    try:
        os.kill(-1, signal.SIGKILL)
    except OSError as error:
        if error.errno != errno.ESRCH:
            raise
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return count
        count += 1


def end_below() -> None:
    """Kill all that this process started, and that those started, and wait for them. It must be a subreaper."""
    _end(os.getpid(), {os.getpid()})


def _end(top: int, kept: Collection[int]) -> int:
    """Kill what is below `top` without a namespace's help: stop all of them first, so that none can multiply."""
    count = 0
    while True:
        stopped: set[int] = set()
        while fresh := [pid for pid in below(top) if pid not in kept and pid not in stopped and _lives(pid)]:
            for pid in fresh:
                _kill(pid, signal.SIGSTOP)
            stopped |= set(fresh)
        for pid in stopped:
            _kill(pid, signal.SIGKILL)
        count += collect()
        if not stopped:
            return count
        time.sleep(ROUND_S)
