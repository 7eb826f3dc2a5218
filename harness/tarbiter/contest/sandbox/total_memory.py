"""Memory of all processes of a contestant together: the limits of a process do not add up, and some count nowhere.

Counted is what the contestant alone has: private pages, what of them was swapped, and shared memory, mapped or only
held by a descriptor. Not counted are pages of files, which the kernel can drop, and the arena, which has a size of
its own. Resident memory counts a page in every process that was forked after it was touched, and a contestant in a
worker begins as a fork with every driver loaded: so it is only the bound, quick to read, beyond which every page is
counted once, in the shares of those that have it (`Pss` of proc_pid_smaps(5)).
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
from collections.abc import Collection

from . import processes
from .namespaces import libc

_OWN = (b"RssAnon:", b"RssShmem:", b"VmSwap:", b"VmPTE:")
"""What a process takes, in proc_pid_status(5). Tables of pages are among it: some mappings are nothing else."""

_GONE = (FileNotFoundError, ProcessLookupError)
"""A process may end between being listed and being read."""

_IPC_RMID, _SHM_INFO = 0, 14


class _Info(ctypes.Structure):
    """`struct shm_info` of shmctl(2)."""

    _fields_ = (("used_ids", ctypes.c_int), ("counts", ctypes.c_ulong * 5))


def segments() -> int:
    """How many System V segments the cell has: they outlive who made them.

    A cell without namespaces can make none. Those that there are belong to the host.
    """
    if processes.shared():
        return 0
    info = _Info()
    return int(info.used_ids) if libc.shmctl(0, _SHM_INFO, ctypes.byref(info)) >= 0 else 0


def remove_segments() -> None:
    """Remove them. Those that somebody has attached go with him."""
    for number in _segments():
        libc.shmctl(number, _IPC_RMID, None)


def bound(pids: Collection[int]) -> int:
    """Bytes that these processes have together at most. Quick."""
    return sum(held(pids).values()) + sum(map(_bound, pids))


def counted(pids: Collection[int]) -> int:
    """Bytes that these processes have together, every page once; of what is shared with others, their share."""
    there = held(pids)
    return sum(there.values()) + sum(_counted(pid, there) for pid in pids)


def held(pids: Collection[int]) -> dict[int, int]:
    """Shared memory that a descriptor, or the cell itself, keeps even if nobody maps it: inode to bytes.

    A process that lets nobody look at its descriptors shows none.
    """
    found = _segments()
    device = _device()
    for pid in pids:
        with contextlib.suppress(*_GONE, PermissionError):
            for fd in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(FileNotFoundError):
                    status = os.stat(f"/proc/{pid}/fd/{fd}")
                    if status.st_dev == device:
                        found[status.st_ino] = status.st_blocks * 512
    return found


@functools.cache
def _device() -> int:
    """What shared memory without a name is on: memfds, System V segments, what forks map together."""
    fd = os.memfd_create("tarbiter")
    try:
        return os.fstat(fd).st_dev
    finally:
        os.close(fd)


def _segments() -> dict[int, int]:
    """System V segments, attached or not, and their bytes. Their ids are their inodes."""
    if not segments():
        return {}
    with open("/proc/sysvipc/shm", "rb") as file:
        names, *rows = (line.split() for line in file)
    at, resident, swapped = (names.index(name) for name in (b"shmid", b"rss", b"swap"))
    return {int(row[at]): int(row[resident]) + int(row[swapped]) for row in rows}


def _bytes(rows: bytes, names: tuple[bytes, ...]) -> int:
    """The sum of some rows of a table that the kernel writes: `name: number kB`."""
    return sum(int(row.split()[1]) << 10 for row in rows.splitlines() if row.startswith(names))


def _bound(pid: int) -> int:
    with contextlib.suppress(*_GONE), open(f"/proc/{pid}/status", "rb", buffering=0) as file:
        return _bytes(file.readall(), _OWN)
    return 0


def _counted(pid: int, elsewhere: Collection[int]) -> int:
    """The bytes of one process, without what is `elsewhere`. One that cannot be looked at has all of its bound."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb", buffering=0) as file:
            rows = file.readall()
        shared = _shared(pid, elsewhere) if _bytes(rows, (b"Pss_Shmem:",)) else 0
        with open(f"/proc/{pid}/status", "rb", buffering=0) as file:
            return _bytes(rows, (b"Pss_Anon:", b"SwapPss:")) + shared + _bytes(file.readall(), (b"VmPTE:",))
    except (*_GONE, PermissionError):
        return _bound(pid)


def _shared(pid: int, elsewhere: Collection[int]) -> int:
    """A process's share of the shared memory that it maps, without those inodes, and without files of the arena."""
    number = _device()
    device = b"%02x:%02x" % (os.major(number), os.minor(number))
    total, counts = 0, False
    with open(f"/proc/{pid}/smaps", "rb") as file:
        for row in file:
            if row[:1] in b"0123456789abcdef":  # a mapping; what is said of it begins with a capital
                _, _, _, where, inode, *_ = row.split()
                counts = where == device and int(inode) not in elsewhere
            elif counts and row.startswith(b"Pss:"):
                total += int(row.split()[1]) << 10
    return total
