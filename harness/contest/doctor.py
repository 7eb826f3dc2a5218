"""The self-test: set up a real cell, try to break out of it in every way we know, say what held."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from .observation import Job
from .pool import Pool
from .protocol import ClosedError
from .registry import available
from .sandbox import ARENA, SandboxError

_ROOT = Path(__file__).resolve().parents[2]

WITNESS = "tarfile-fully-trusted"
"""A contestant that every Python has."""

MARK = "TARBITER_DOCTOR_MARK"
WAIT_S = 10.0
"""Seconds that processes have to disappear after their cell was killed."""

LAST_BREATH_S = 0.2
"""Seconds a killed process has to be gone."""


class Check(msgspec.Struct, frozen=True):
    """One attempt: did the cell hold, and what was seen."""

    name: str
    held: bool
    detail: str


def checks() -> tuple[Check, ...]:
    """Run all attempts. Raises SandboxError when no cell can be set up here."""
    os.environ[MARK] = "visible"
    try:
        return tuple(_checks())
    finally:
        del os.environ[MARK]


def _checks() -> Iterator[Check]:
    began = time.perf_counter()
    contestants = available((WITNESS,))
    with tempfile.TemporaryDirectory() as outside, Pool(contestants) as pool:
        ready = pool.first.ready
        total = (time.perf_counter() - began) * 1000
        yield Check(
            "set up",
            True,
            f"{pool.backend}, uid {ready.uid}, {ready.milliseconds:.1f} ms ({total:.0f} ms with Python)",
        )  # one line of a table
        shown = "\n".join((*pool.visible, ARENA, "/proc"))
        secret = os.path.join(outside, "secret")
        with open(secret, "wb") as file:
            file.write(b"of the host")
        with _listeners() as (port, name):
            for check, arguments in (
                ("who_am_i", ()),
                ("write_outside", (outside, os.getcwd(), os.path.expanduser("~"))),
                ("read_secrets", (shown, secret, os.path.expanduser("~"), os.getcwd())),
                ("read_only", ()),
                ("see_environment", (MARK,)),
                ("reach_tcp", (port,)),
                ("reach_abstract", (name,)),
                ("become_root", ()),
                ("remount", ()),
                ("core_pattern", ()),
                ("eat_memory", (str(pool.limits.memory),)),
                ("fork_bomb", (str(pool.limits.processes),)),
                ("fill_disk", (str(pool.limits.disk),)),
                ("kill_everything", ()),
            ):
                yield _probe(pool, check, arguments)
        yield _victim(pool)
        job = Job(archive=bytes(1024), contestants=(WITNESS,))
        (seen,) = pool.run(job)
        yield Check("still works", seen.status == "extracted", f"an empty archive: {seen.status}")
    yield _survivors()


def _probe(pool: Pool, name: str, arguments: tuple[str, ...]) -> Check:
    words = name.replace("_", " ")
    try:
        held = pool.first.probe(name, *arguments)
    except (ClosedError, TimeoutError):
        pool.replace(pool.first)
        return Check(words, held=False, detail="the cell did not survive it")
    return Check(words, held.held, held.detail)


def _victim(pool: Pool) -> Check:
    """A process outside that the cell is told to kill."""
    victim = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        check = _probe(pool, "signal_host", (str(victim.pid),))
        if _gone(victim.pid, LAST_BREATH_S):
            return Check(check.name, held=False, detail=f"a process of the host was killed; {check.detail}")
        return check
    finally:
        victim.kill()
        victim.communicate()


class _listeners:  # noqa: N801  # used as a function
    """A TCP listener on loopback and an abstract socket, for a cell to fail to reach."""

    def __enter__(self) -> tuple[str, str]:
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        name = f"tarbiter-doctor-{os.getpid()}"
        self.unix.bind("\0" + name)
        self.unix.listen(1)
        return str(self.tcp.getsockname()[1]), name

    def __exit__(self, *_: object) -> None:
        self.tcp.close()
        self.unix.close()


_LONELY = """
import sys
from harness.contest.pool import Pool
from harness.contest.registry import available
with Pool(available(("tarfile-fully-trusted",))) as pool:
    pool.first.probe("who_am_i")
    print(pool.first.process.pid, flush=True)
    sys.stdin.read()
"""


def _survivors() -> Check:
    """Kill a process that has a cell with -9, and wait for everything in the cell to be gone."""
    child = subprocess.Popen(  # noqa: S603  # this very Python
        [sys.executable, "-c", _LONELY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT
    )
    assert child.stdout is not None
    line = child.stdout.readline()
    cell = descendants(int(line)) if line.strip() else []
    handles = [(pid, os.pidfd_open(pid)) for pid in cell]
    try:
        child.kill()
        child.communicate()
        if len(cell) < 3:
            raise SandboxError("a second cell", f"has {len(cell)} processes instead of three")
        left = [pid for pid, handle in handles if not select.select([handle], [], [], WAIT_S)[0]]
    finally:
        for _, handle in handles:
            os.close(handle)
    detail = f"still there: {left}" if left else f"all {len(cell)} processes of the cell went with their parent"
    return Check("no survivors", not left, detail)


def descendants(pid: int) -> list[int]:
    """A process and everything that it started, and that started."""
    parents: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                # The name in parentheses may hold anything; state and parent come behind the last one.
                parents[int(name)] = int(file.read().rpartition(b")")[2].split()[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def _gone(pid: int, wait_s: float) -> bool:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], wait_s)[0])
    finally:
        os.close(handle)
