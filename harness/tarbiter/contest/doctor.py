"""The self-test: set up a real cell of each kind, try to break out of it in every way we know, say what held."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shlex
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from ..archive.case import World
from .cell_handle import Cell
from .installed.registry import Contestant, available
from .observation import Job
from .pool import Limits, Pool
from .protocol import ClosedError
from .sandbox import landlock
from .sandbox.backends import AUTO, asked
from .sandbox.namespaces import CAP_DAC_OVERRIDE, LANDLOCK, NAMESPACES, SandboxError

_ROOT = Path(__file__).resolve().parents[2]

WITNESS = "tarfile-fully-trusted"
"""A contestant that every Python has."""

MARK = "TARBITER_DOCTOR_MARK"
WAIT_S = 10.0
"""Seconds that processes have to disappear after their cell was killed."""

LAST_BREATH_S = 0.2
"""Seconds a killed process has to be gone."""


class Check(msgspec.Struct, frozen=True):
    """One attempt in one kind of cell: did the cell hold, and what was seen.

    `known`: this kind of cell is known not to hold against it here, and says so wherever it is used.
    """

    cell: str
    name: str
    held: bool
    detail: str
    known: bool = False


LIMITS = Limits(disk=64 << 20, together=96 << 20)
"""Those of the cells that are tried: filling what campaigns allow would prove no more, and take longer."""

_FILL = """
import sys
for number in range(1000):
    with open(f"{sys.argv[2]}/{number}", "wb") as file:
        file.write(bytes(1 << 24))
"""
_FORK = """
import os, signal
for _ in range(1000):
    if os.fork() == 0:
        signal.pause()
"""


_HOARD = """
import os, signal
for _ in range(8):
    if os.fork() == 0:
        kept = bytearray(b"x") * (1 << 25)
        os.write(os.memfd_create("kept"), kept)
        signal.pause()
os.wait()
"""


def checks(kind: str = "") -> tuple[Check, ...]:
    """Run all attempts in a cell of this kind; without one, or with `auto`, in every kind that can be had here.

    A kind that cannot is a check of its own. Raises SandboxError when none can.
    """
    kind = kind or asked()
    kinds = (NAMESPACES, LANDLOCK) if kind == AUTO else (kind,)
    done: list[Check] = []
    refused: list[SandboxError] = []
    os.environ[MARK] = "visible"
    try:
        for one in kinds:
            try:
                done += _checks(one)
            except SandboxError as error:
                if not error.refused:
                    raise
                refused.append(error)
                detail = f"{error.step}: {error.detail}"
                done.append(Check(one, "set up", held=False, detail=detail, known=True))
    finally:
        del os.environ[MARK]
    if len(refused) == len(kinds):
        whole = "; ".join(f"{one.step}: {one.detail}" for one in refused[1:])
        raise SandboxError(refused[0].step, refused[0].detail + (f"; and {whole}" if whole else ""), refused=True)
    return tuple(done)


def _commands() -> tuple[Contestant, ...]:
    return tuple(
        Contestant.from_command(f"{shlex.join([sys.executable, '-I', '-c', code])} {{archive}} {{dest}}", name=name)
        for name, code in (("fill the disk", _FILL), ("fork bomb", _FORK), ("hoard memory together", _HOARD))
    )


class _Patient:
    """A cell that is tried: one of this kind, and with `root` the one for cases as root."""

    def __init__(self, pool: Pool, *, root: bool) -> None:
        self.pool, self.root = pool, root
        self.name = f"{pool.backend}, root" if root else pool.backend

    @property
    def cell(self) -> Cell:
        """The cell as it is now."""
        return self.pool.rooted() if self.root else self.pool.first

    def capabilities(self) -> tuple[str, str]:
        """Masks of the capabilities that a contestant may have, and of those in its bounding set."""
        if self.pool.backend == NAMESPACES:
            kept = str(1 << CAP_DAC_OVERRIDE) if self.root else "0"
            return kept, kept
        mask = landlock.kept_capabilities(self.pool.plan)
        return str(mask), str(mask if os.geteuid() == 0 else (1 << 64) - 1)

    def probe(self, name: str, arguments: tuple[str, ...], *, known: bool = False) -> Check:
        """One attempt to break out."""
        words = name.replace("_", " ")
        cell = self.cell
        try:
            held = cell.probe(name, *arguments)
        except (ClosedError, TimeoutError):
            self.pool.replace(cell)
            return Check(self.name, words, held=False, detail="the cell did not survive it")
        return Check(self.name, words, held.held, held.detail, known=known and not held.held)

    def kept_memory(self) -> Check:
        """Shared memory that the cell is told to leave behind."""
        key = 0x7A000000 | os.getpid()
        check = self.probe("leave_memory", (str(key),))
        libc = ctypes.CDLL(None, use_errno=True)
        found = libc.shmget(key, 0, 0)
        if found < 0:
            return check
        libc.shmctl(found, 0, None)  # IPC_RMID
        return Check(check.cell, check.name, held=False, detail="the host has it now")

    def victim(self, *, known: bool) -> Iterator[Check]:
        """A process outside that the cell is told to look at, to trace and to kill."""
        victim = subprocess.Popen(
            [sys.executable, "-c", "print(flush=True); input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert victim.stdout is not None
        try:
            victim.stdout.readline()
            yield self.probe("see_processes", (str(victim.pid),), known=known)
            yield self.probe("trace_host", (str(victim.pid),))
            check = self.probe("signal_host", (str(victim.pid),))
            if _gone(victim.pid, LAST_BREATH_S):
                check = Check(
                    check.cell, check.name, held=False, detail=f"a process of the host died; {check.detail}"
                )
            yield check
        finally:
            victim.kill()
            victim.communicate()

    def job(self) -> Iterator[Check]:
        """An ordinary job, and those that want more than there is."""
        names = tuple(self.pool.contestants)
        world = World(uid="root" if self.root else "user")
        seen, *overrun = self.pool.run(Job(archive=bytes(1024), contestants=names, world=world))
        yield Check(self.name, "still works", seen.status == "extracted", f"an empty archive: {seen.status}")
        for one in overrun:
            said = one.error.strip().splitlines()[-1:] or [one.error_class]
            yield Check(self.name, one.contestant, one.status == "over-limit", f"{one.status}: {said[0]}")


def _checks(kind: str) -> Iterator[Check]:
    contestants = (*available((WITNESS,)), *_commands())
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as outside, Pool(contestants, limits=LIMITS, kind=kind) as pool:
        secret = os.path.join(outside, "secret")
        with open(secret, "wb") as file:
            file.write(b"of the host")
        os.chmod(outside, 0o755)  # what keeps a cell away from it must be the cell  # noqa: S103
        yield from _tried(_Patient(pool, root=False), outside, secret, began)
        if kind == NAMESPACES:
            yield from _tried(_Patient(pool, root=True), outside, secret, time.perf_counter())
    yield _survivors(kind)


def _tried(one: _Patient, outside: str, secret: str, began: float) -> Iterator[Check]:
    pool, ready = one.pool, one.cell.ready
    total = (time.perf_counter() - began) * 1000
    detail = f"uid {ready.uid}, {ready.milliseconds:.1f} ms ({total:.0f} ms with Python), arena on {ready.arena}"
    yield Check(one.name, "set up", held=True, detail=detail)
    shown = "\n".join((*pool.visible, ready.path, "/proc"))
    home, here = os.path.expanduser("~"), os.getcwd()
    own, weak = os.geteuid() != 0, pool.backend == LANDLOCK
    # What Landlock is known to lack; docs/cell.md and `landlock.lacks` say the same.
    lacks = {"see_processes", "see_names", *(["change_metadata"] if own else [])} if weak else set()
    with _listeners(outside) as (port, udp, name, path):
        for check, arguments in (
            ("who_am_i", one.capabilities()),
            ("write_outside", (outside, here, home)),
            ("write_visible", ("\n".join(pool.visible),)),
            ("read_secrets", (shown, secret, home, here)),
            *(() if weak else (("read_only", ()),)),
            ("run_from_arena", (ready.path,)),
            ("see_environment", (MARK,)),
            ("see_names", (secret,)),
            ("change_metadata", (secret,)),
            ("reach_tcp", (port,)),
            ("reach_udp", (udp,)),
            ("reach_abstract", (name,)),
            ("reach_named", (path,)),
            ("become_root", ()),
            ("remount", ()),
            ("core_pattern", ()),
            ("write_settings", ()),
            ("make_device", (ready.path,)),
            ("eat_memory", (str(pool.limits.memory),)),
        ):
            yield one.probe(check, arguments, known=check in lacks)
    yield one.kept_memory()
    yield from one.victim(known="see_processes" in lacks)
    yield one.probe("kill_everything", ())
    yield from one.job()


class _listeners:  # noqa: N801  # used as a function
    """Sockets of every kind, on loopback and in a directory, for a cell to fail to reach."""

    def __init__(self, folder: str) -> None:
        self.path = os.path.join(folder, "socket")

    def __enter__(self) -> tuple[str, str, str, str]:
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        name = f"tarbiter-doctor-{os.getpid()}"
        self.unix.bind("\0" + name)
        self.unix.listen(1)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.named = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.named.bind(self.path)
        os.chmod(self.path, 0o777)  # noqa: S103  # what keeps a cell away from it must be the cell
        self.named.listen(1)
        return str(self.tcp.getsockname()[1]), str(self.udp.getsockname()[1]), name, self.path

    def __exit__(self, *_: object) -> None:
        for one in (self.tcp, self.unix, self.udp, self.named):
            one.close()
        os.unlink(self.path)


_LONELY = """
import sys
from tarbiter.contest.pool import Pool
from tarbiter.contest.installed.registry import available
with Pool(available(("tarfile-fully-trusted",)), kind=sys.argv[1]) as pool:
    pool.first.probe("become_root")
    print(pool.first.process.pid, pool.first.ready.path, flush=True)
    sys.stdin.read()
"""


def _survivors(kind: str) -> Check:
    """Kill a process that has a cell with -9, and wait for everything of the cell to be gone, its arena too."""
    child = subprocess.Popen(  # noqa: S603  # this very Python
        [sys.executable, "-c", _LONELY, kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT
    )
    assert child.stdout is not None
    pid, _, arena = child.stdout.readline().strip().partition(" ")
    cell = descendants(int(pid)) if pid else []
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
    detail = f"all {len(cell)} processes of the cell went with their parent"
    if left:
        detail = f"still there: {left}"
    elif os.path.lexists(arena):
        left, detail = [0], f"still there: {arena}"
    return Check(kind, "no survivors", not left, detail)


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
