"""A cell without namespaces: Landlock for files, seccomp for the rest, a uid of its own where root starts it.

For containers and kernels that refuse namespaces. It is weaker, and says in what (`lacks`): Landlock decides about
opening, making and removing files, not about their modes, times and owners; there is no pid namespace and no file
system of its own. What it lacks is made up for where that can be done: the launcher adopts and kills what a worker
leaves behind, disk and processes are counted by the supervisor, and the arena is a private directory that the
launcher removes, or the next one when the launcher was killed.

Sources: landlock(7), the kernel's Documentation/userspace-api/landlock.rst, seccomp(2), prctl(2).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import signal
import struct
import tempfile
from collections.abc import Iterator

from . import processes, seccomp
from .namespaces import (
    DEVICES,
    Plan,
    SandboxError,
    adopt_orphans,
    check,
    die_with_parent,
    drop_bounding,
    keep_capabilities,
    libc,
    limit,
    prctl,
    shown,
)
from .snapshot import snapshot

PREFIX = "tarbiter-cell-"
"""What the private directories are called."""

OWN_UIDS = 0x70000000
"""With a pid added: the uid of a cell that root starts. Nobody's on any machine, and another one for each cell."""

SPARE_UIDS, SPARE = 61184, 4336
"""The same where a container maps no such uids: those that systemd gives to services for as long as they run."""

OLDEST = 2
"""The oldest ABI that is of use: before it, no file can be linked or renamed into another directory."""

_CREATE, _ADD, _RESTRICT = 444, 445, 446
"""System calls, the same on every architecture."""
_PATH_BENEATH, _VERSION_FLAG = 1, 1

_EXECUTE, _WRITE, _READ, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REFER, _TRUNCATE, _IOCTL = 1 << 13, 1 << 14, 1 << 15
_FILES = _EXECUTE | _WRITE | _READ | _TRUNCATE | _IOCTL
"""What can be granted on something that is no directory."""
_NETWORK = 0b11
_SCOPES = 0b11
"""Abstract sockets, signals."""

_PR_SET_KEEPCAPS, _PR_SET_DUMPABLE = 8, 4
_CAP_DAC_READ_SEARCH = 2

_DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

_HEADROOM = 256
"""Threads that a plain user may start elsewhere while a cell lives: the kernel counts them all together."""


def abi() -> int:
    """The version of Landlock that this kernel speaks. Raises SandboxError where there is none."""
    version = libc.syscall(ctypes.c_long(_CREATE), None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG))
    if version < 0:
        code = ctypes.get_errno()
        why = {
            errno.ENOSYS: "this kernel has no Landlock (Linux 5.13), or a container's seccomp profile hides it",
            errno.EOPNOTSUPP: "it is turned off: lsm= on the kernel's command line does not name it",
        }
        raise SandboxError("Landlock", why.get(code, os.strerror(code)))
    if version < OLDEST:
        raise SandboxError("Landlock", f"version {version} of it forbids all links; Linux 5.19 has {OLDEST}")
    return int(version)


def lacks(plan: Plan) -> tuple[str, ...]:
    """What a cell of this plan does not keep a contestant from, on this machine, as this user."""
    found = ["the names of all processes, and names, sizes and times of the host's files, can be seen"]
    found += ["a name below /arena leads nowhere: absolute names that aim at the canaries are not seen as escapes"]
    if os.geteuid():
        found += ["modes, times, groups and attributes of files that belong to this user can be changed"]
        if abi() < 3:
            found += ["files of this user can be cut short"]
        if abi() < 6:
            found += ["processes of this user can be signalled"]
    elif kept_capabilities(plan):
        found += [
            "files and directories that have no read permission can be read: the interpreter is in such a one"
        ]
    return tuple(found)


def kept_capabilities(plan: Plan) -> int:
    """The capabilities of a cell of this plan, as a mask: root's, to read what only root may pass to, or none."""
    return 1 << _CAP_DAC_READ_SEARCH if os.geteuid() == 0 and _out_of_reach(plan) else 0


def closed() -> bool:
    """Whether nothing of the host can be changed from inside; a plain user's files have modes and times."""
    return os.geteuid() == 0


def _out_of_reach(plan: Plan) -> list[str]:
    """What is to be visible and lies below a directory that only its owner may pass."""
    found = []
    for path in shown(plan):
        parts = os.path.realpath(path).split("/")
        above = ["/".join(parts[:count]) or "/" for count in range(1, len(parts))]
        if not all(os.stat(one).st_mode & 0o001 for one in above):
            found.append(path)
    return found


# -- the arena -----------------------------------------------------------------------------------------------------


def place(size: int) -> str:
    """A directory for an arena of `size` bytes: TMPDIR if that is set, or memory, or /tmp. Raises SandboxError."""
    asked = os.environ.get("TMPDIR")
    candidates = [asked] if asked else ["/dev/shm", tempfile.gettempdir()]  # noqa: S108  # made private below it
    found = ""
    for path in candidates:
        try:
            status = os.statvfs(path)
        except OSError as error:
            found += f"{path}: {error.strerror}; "
            continue
        free = status.f_bavail * status.f_frsize
        if not os.access(path, os.W_OK | os.X_OK):
            found += f"{path} cannot be written; "
        elif free < size:
            found += f"{path} has {free >> 20} MiB free, and a cell takes {size >> 20}; "
        else:
            return os.path.realpath(path)
    raise SandboxError("make an arena", f"{found}TMPDIR names another place")


class _Arena:
    """The private directory of one cell, locked as long as its launcher lives; unlocked, it was left behind."""

    def __init__(self, scratch: str, uid: int, gid: int) -> None:
        for path in _left_behind(scratch):
            _remove(path)
        while True:
            self.holder = tempfile.mkdtemp(prefix=f"{PREFIX}{uid}-", dir=scratch)
            self._lock = os.open(self.holder, _DIR)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:  # taken for one that was left behind, between two calls
                os.close(self._lock)
        self.path = os.path.join(self.holder, "arena")
        os.mkdir(self.path, 0o755)
        if os.geteuid() == 0:
            os.chown(self.path, uid, gid)
            os.chown(self.holder, 0, gid)
            os.chmod(self.holder, 0o710)  # noqa: S103  # the group is this cell's alone

    def forget(self) -> None:
        """In the child: the lock is the launcher's alone."""
        os.close(self._lock)

    def remove(self) -> None:
        """Take it away with all that is in it. Nobody must be at work in it any more."""
        _remove(self.holder)


def _left_behind(scratch: str) -> Iterator[str]:
    """Arenas of this user whose launchers are gone; what was still running in them has been killed."""
    for name in os.listdir(scratch):
        if not name.startswith(PREFIX):
            continue
        path = os.path.join(scratch, name)
        try:
            fd = os.open(path, _DIR)
        except OSError:
            continue
        try:
            if os.fstat(fd).st_uid != os.geteuid():
                continue
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            uid = name.removeprefix(PREFIX).partition("-")[0]
            if os.geteuid() == 0 and uid.isdigit() and int(uid) >= SPARE_UIDS:
                end_user(int(uid))
            yield path
        except BlockingIOError:
            continue
        finally:
            os.close(fd)


def _remove(holder: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        fd = os.open(holder, _DIR)
        try:
            snapshot(fd, remove=True)
        finally:
            os.close(fd)
        os.rmdir(holder)


def end_user(uid: int) -> None:
    """Kill all processes of a uid, at once. As root."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setresuid(uid, uid, uid)
            os.kill(-1, signal.SIGKILL)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


# -- entering ------------------------------------------------------------------------------------------------------


class Entered:
    """A cell that has been entered: which side this process is on, and what it needs to know there."""

    def __init__(self, inside: int, arena: _Arena, uid: int) -> None:
        self.inside = inside
        """0 in the process that lives in the cell, its pid in the launcher."""
        self.arena = arena.path
        self._arena, self._uid = arena, uid

    def end(self) -> None:
        """In the launcher: kill all that is left and take the arena away."""
        if os.geteuid() == 0:
            end_user(self._uid)
        processes.end_below()
        self._arena.remove()


def enter(plan: Plan, parent: int) -> Entered:
    """Enter the sandbox: two processes come out of it. `parent` is the pool's process, which nobody may signal.

    Raises SandboxError; the process must then end.
    """
    try:
        return _enter(plan, parent)
    except OSError as error:
        raise SandboxError(f"make the arena ({error.filename or 'system call'})", str(error)) from error


def _own_uid(pid: int) -> int:
    with open("/proc/self/uid_map", encoding="ascii") as file:
        ranges = [tuple(map(int, line.split())) for line in file]
    wanted = OWN_UIDS + pid
    if any(start <= wanted < start + count for start, _, count in ranges):
        return wanted
    return SPARE_UIDS + pid % SPARE


def _enter(plan: Plan, parent: int) -> Entered:
    version = abi()
    root = os.geteuid() == 0
    uid = _own_uid(os.getpid()) if root else os.geteuid()
    gid = uid if root else os.getegid()
    kept = (_CAP_DAC_READ_SEARCH,) if kept_capabilities(plan) else ()
    launcher = os.getpid()
    processes_elsewhere = 0 if root else _threads_of(uid)
    arena = _Arena(plan.scratch, uid, gid)
    adopt_orphans()
    os.umask(0o022)
    pid = os.fork()
    if pid:
        return Entered(pid, arena, uid)
    arena.forget()
    die_with_parent(launcher)
    adopt_orphans()
    processes.share(os.getpid())
    if root:
        drop_bounding(*kept)
        prctl("PR_SET_KEEPCAPS", _PR_SET_KEEPCAPS, 1)
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
        prctl("PR_SET_DUMPABLE", _PR_SET_DUMPABLE, 1)
    keep_capabilities(*kept)
    die_with_parent(launcher)  # once more: another uid takes the signal away
    _limit(plan, processes_elsewhere)
    _restrict(plan, arena.path, version)
    seccomp.install(seccomp.program((-1, os.getpid(), launcher, -launcher, parent)))
    return Entered(0, arena, uid)


def _limit(plan: Plan, elsewhere: int) -> None:
    if elsewhere:
        # The kernel counts by user; the supervisor counts the cell's own.
        limit(_with_processes(plan, elsewhere + plan.processes + _HEADROOM))
    else:
        limit(plan)


def _with_processes(plan: Plan, count: int) -> Plan:
    values = {field: getattr(plan, field) for field in plan.__struct_fields__}
    return Plan(**values | {"processes": count})


def _threads_of(uid: int) -> int:
    """Threads that a user runs on this machine."""
    count = 0
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
                if os.stat(f"/proc/{name}").st_uid == uid:
                    count += len(os.listdir(f"/proc/{name}/task"))
    return count


def _restrict(plan: Plan, arena: str, version: int) -> None:
    """Landlock: read and execute what is shown, do everything but execute in the arena, and nothing else."""
    handled = (1 << 13) - 1 | _REFER
    handled |= (_TRUNCATE if version >= 3 else 0) | (_IOCTL if version >= 5 else 0)
    attributes = struct.pack("=QQQ", handled, _NETWORK if version >= 4 else 0, _SCOPES if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = libc.syscall(ctypes.c_long(_CREATE), attributes[:size], ctypes.c_size_t(size), ctypes.c_uint32(0))
    check("Landlock: make rules", ruleset)
    for path in shown(plan):
        device = path in DEVICES
        _allow(
            ruleset,
            path,
            (_READ | _WRITE | _TRUNCATE | _IOCTL if device else _READ | _READ_DIR | _EXECUTE) & handled,
        )
    _allow(ruleset, "/proc", _READ | _READ_DIR)
    _allow(ruleset, arena, handled & ~_EXECUTE)
    prctl("PR_SET_NO_NEW_PRIVS", 38, 1)
    check("Landlock", libc.syscall(ctypes.c_long(_RESTRICT), ctypes.c_int(ruleset), ctypes.c_uint32(0)))
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not os.path.isdir(f"/proc/self/fd/{fd}"):
            rights &= _FILES
        rule = struct.pack("=Qi", rights, fd)
        done = libc.syscall(
            ctypes.c_long(_ADD), ctypes.c_int(ruleset), ctypes.c_int(_PATH_BENEATH), rule, ctypes.c_uint32(0)
        )
        check(f"Landlock: show {path}", done)
    finally:
        os.close(fd)
