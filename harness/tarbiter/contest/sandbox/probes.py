"""Attempts to break out, run inside a cell by `tarbiter doctor` and the tests. Each says whether the cell held.

They touch nothing outside but what they must not be able to touch; network attempts go to loopback only.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import mmap
import os
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

Result: TypeAlias = tuple[bool, str]

_CLONE_NEWUSER = 0x10000000
_PTRACE_SEIZE = 0x4206
_IPC_CREAT = 0o1000


def _errno(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, str(error))


def write_outside(*paths: str) -> Result:
    """Create a file in each of these directories of the host, and in others that exist everywhere."""
    done, refused = [], []
    for directory in (*paths, "/", "/usr", "/usr/bin", "/etc", "/dev", "/proc/sys/kernel", "/root", "/home"):
        try:
            fd = os.open(os.path.join(directory, "tarbiter-was-here"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            refused.append(_errno(error))
        else:
            os.close(fd)
            done.append(directory)
    return (
        not done,
        f"written to {', '.join(done)}" if done else f"{len(refused)} refused ({', '.join(sorted(set(refused)))})",
    )


def read_secrets(shown: str, *paths: str) -> Result:
    """Read what only the host has: password hashes, home directories, the directory it was started in.

    `shown`: what the cell shows on purpose, separated by newlines. A directory that only leads there (and holds
    nothing else) gives nothing away.
    """
    visible = shown.split("\n")
    found = []
    for path in ("/etc/shadow", "/etc/passwd", "/etc/hostname", "/home", "/root", *paths):
        for one in _files(path, visible):
            found.append(one)
            break
    return not found, f"read {', '.join(found)}" if found else "nothing of the host can be read"


def _files(path: str, visible: list[str]) -> Iterator[str]:
    """Files at and below `path` that can be opened, leaving out what is shown on purpose."""
    if any(path == one or path.startswith(one + "/") for one in visible):
        return
    try:
        with open(path, "rb"):
            yield path
    except IsADirectoryError:
        for name in sorted(os.listdir(path)):
            yield from _files(os.path.join(path, name), visible)
    except OSError:
        return


def read_only() -> Result:
    """Look for a mount that can be written or that honours set-uid programs, arena and devices apart.

    What a plain user started belongs to that user, so permissions alone would not protect the checkout.
    """
    found = []
    with open("/proc/self/mountinfo", encoding="ascii", errors="backslashreplace") as file:
        rows = [line.split() for line in file]
    for row in rows:
        where, options = row[4], row[5].split(",")
        if where.startswith("/dev/"):
            continue
        wanted = {"nosuid", "nodev", "noexec"} if where == "/arena" else {"nosuid", "ro"}
        if not wanted <= set(options):
            found.append(f"{where} ({row[5]})")
    return not found, f"{len(rows)} mounts" if not found else f"lacking ro, nosuid or noexec: {', '.join(found)}"


def see_environment(name: str) -> Result:
    """Look for a variable of the host's environment in every process there is to see."""
    for pid in os.listdir("/proc"):
        if pid.isdigit():
            try:
                with open(f"/proc/{pid}/environ", "rb") as file:
                    if name.encode() in file.read():
                        return False, f"{name} is in the environment of process {pid}"
            except OSError:
                continue
    return True, "no process shows it"


def _reach(family: int, kind: int, address: Any, words: str) -> Result:
    """Connect to a socket of the host, and send it something."""
    try:
        with socket.socket(family, kind) as sock:
            sock.settimeout(2)
            sock.connect(address)
            sock.send(b"tarbiter was here")
    except OSError as error:
        return True, f"{words}: {_errno(error)}"
    return False, f"{words}: reached"


def reach_tcp(port: str) -> Result:
    """Connect to a listener on the host's loopback."""
    return _reach(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", int(port)), "127.0.0.1")


def reach_udp(port: str) -> Result:
    """Send a datagram to the host's loopback."""
    return _reach(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", int(port)), "127.0.0.1")


def reach_abstract(name: str) -> Result:
    """Connect to an abstract unix socket of the host."""
    return _reach(socket.AF_UNIX, socket.SOCK_STREAM, "\0" + name, "abstract socket")


def reach_named(path: str) -> Result:
    """Connect to a unix socket of the host that has a name, as those of a container engine or an agent have."""
    return _reach(socket.AF_UNIX, socket.SOCK_STREAM, path, "socket with a name")


def trace_host(pid: str) -> Result:
    """Trace a process of the host, and read its memory."""
    number = int(pid)
    if number in (1, os.getpid(), os.getppid()):
        return True, f"pid {number} is a process of the cell"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(_PTRACE_SEIZE, number, None, None) == 0:
        return False, f"pid {number} is traced"
    code = ctypes.get_errno()
    try:
        os.close(os.open(f"/proc/{number}/mem", os.O_RDONLY))
    except OSError as error:
        return True, f"{errno.errorcode.get(code, code)}, memory {_errno(error)}"
    return False, "its memory can be opened"


def leave_memory(key: str) -> Result:
    """Make shared memory that outlives the cell. The host sees whether it is there."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.shmget(int(key), 4096, _IPC_CREAT | 0o600) < 0:
        return True, errno.errorcode.get(ctypes.get_errno(), "refused")
    return True, "made, in the cell's own namespace"


def change_metadata(path: str) -> Result:
    """Change mode and time of a file of the host by its name."""
    changes: dict[str, Callable[[], None]] = {
        "mode": lambda: os.chmod(path, 0o640),
        "times": lambda: os.utime(path, (1, 1)),
        "attributes": lambda: os.setxattr(path, "user.tarbiter", b"1"),
    }
    done = []
    for words, change in changes.items():
        with contextlib.suppress(OSError):
            change()
            done.append(words)
    return not done, f"changed: {', '.join(done)}" if done else "refused"


def see_processes(pid: str) -> Result:
    """Read what a process of the host was called with."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            own = int(pid) in (os.getpid(), os.getppid())
            return own or b"input()" not in file.read(), "its command line can be read"
    except OSError as error:
        return True, _errno(error)


def see_names(path: str) -> Result:
    """Ask for size and times of a file of the host."""
    try:
        size = os.stat(path).st_size
    except OSError as error:
        return True, _errno(error)
    return False, f"{path} is there and has {size} bytes"


def write_visible(shown: str) -> Result:
    """Create, remove and overwrite in what is shown on purpose."""
    done, tried = [], 0
    for path in shown.split("\n"):
        if path.startswith("/dev/"):
            continue
        tried += 1
        folder = os.path.isdir(path)
        target = os.path.join(path, "tarbiter-was-here") if folder else path
        with contextlib.suppress(OSError):
            os.close(os.open(target, os.O_WRONLY | (os.O_CREAT | os.O_EXCL if folder else 0), 0o600))
            done.append(target)
    return not done, f"opened {', '.join(done)}" if done else f"{tried} refused"


def run_from_arena(arena: str) -> Result:
    """Execute a program that was written into the arena."""
    path = f"{arena}/in/program"
    with open(path, "wb") as file:
        file.write(b"#!/bin/sh\n")
    os.chmod(path, 0o755)  # noqa: S103  # to be executed
    try:
        _, status = os.waitpid(os.posix_spawn(path, [path], {}), 0)
    except OSError as error:
        return True, _errno(error)
    finally:
        os.unlink(path)
    return False, f"it ran, and ended with {status}"


def signal_host(pid: str) -> Result:
    """Kill a process of the host by its pid there. Whoever owns that process sees whether it lives on."""
    number = int(pid)
    if number in (1, os.getpid(), os.getppid()):
        return True, f"pid {number} is a process of the cell"
    try:
        os.kill(number, signal.SIGKILL)
    except OSError as error:
        return True, _errno(error)
    return False, f"pid {number} could be signalled"


def become_root() -> Result:
    """Enter a new user namespace, which would give back every capability inside it."""
    libc = ctypes.CDLL(None, use_errno=True)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if libc.unshare(_CLONE_NEWUSER) == 0 else 1)
    _, status = os.waitpid(pid, 0)
    held = os.waitstatus_to_exitcode(status) == 1
    return held, "refused" if held else "a new user namespace could be made"


def remount() -> Result:
    """Make /usr writable again, and mount something new."""
    libc = ctypes.CDLL(None, use_errno=True)
    again = libc.mount(b"none", b"/usr", b"", ctypes.c_ulong(32 | 4096), b"")
    fresh = libc.mount(b"tmpfs", b"/arena", b"tmpfs", ctypes.c_ulong(0), b"")
    held = again < 0 and fresh < 0
    return held, "refused" if held else "mounted"


def core_pattern() -> Result:
    """Open the kernel's core_pattern for writing: a program named there runs as root on the host."""
    try:
        os.close(os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY))
    except OSError as error:
        return True, _errno(error)
    return False, "can be opened for writing"


def write_settings() -> Result:
    """Open every setting of the kernel for writing: root of a namespace owns some of them."""
    found, tried = [], 0
    for folder, _, names in os.walk("/proc/sys"):
        for name in names:
            tried += 1
            with contextlib.suppress(OSError):
                os.close(os.open(os.path.join(folder, name), os.O_WRONLY))
                found.append(os.path.join(folder, name))
    return not found, f"{tried} refused" if not found else f"opened {', '.join(found)}"


def make_device(arena: str) -> Result:
    """Make the device that is the memory of the machine."""
    path = f"{arena}/in/memory"
    try:
        os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 1))
    except OSError as error:
        return True, _errno(error)
    os.unlink(path)
    return False, "it was made"


def eat_memory(limit: str) -> Result:
    """Use twice the memory that one process may have."""
    pid = os.fork()
    if pid == 0:
        try:
            block = mmap.mmap(-1, 2 * int(limit))
            for page in range(0, len(block), 4096):
                block[page] = 1
        except (MemoryError, OSError):
            os._exit(7)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    held = code in (7, -signal.SIGKILL, -signal.SIGSEGV)
    return held, f"stopped ({'refused' if code == 7 else f'signal {-code}'})" if held else "it could"


def who_am_i(allowed: str = "0", bounding: str = "0") -> Result:
    """Uid, capabilities and no_new_privs as the kernel states them. The masks are of those that it may have.

    Who has no right to make the bounding set smaller leaves it as it is: with no_new_privs nothing is gained by it.
    """
    with open("/proc/self/status", encoding="ascii") as file:
        rows = [line.partition(":") for line in file]
    status = {name: value.strip() for name, _, value in rows}
    capabilities = [int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")]
    more = int(status["CapBnd"], 16) & ~int(bounding) or any(mask & ~int(allowed) for mask in capabilities)
    outside = [_outside("uid", os.getuid()), _outside("gid", os.getgid())]
    held = not more and status["NoNewPrivs"] == "1" and 0 not in outside
    who = f"uid {os.getuid()} ({outside[0]} outside)"
    return held, f"{who}, capabilities {max(capabilities):x}, NoNewPrivs {status['NoNewPrivs']}"


def _outside(kind: str, inside: int) -> int:
    """What one's own uid or gid is outside. 0: root's, or root inside of a namespace that knows others as well."""
    with open(f"/proc/self/{kind}_map", encoding="ascii") as file:
        rows = [tuple(map(int, line.split())) for line in file]
    alone = [count for _, _, count in rows] == [1]
    (found,) = [outside + inside - start for start, outside, count in rows if start <= inside < start + count]
    return found if inside or alone else 0


def kill_everything() -> Result:
    """Kill the cell's first process."""
    try:
        os.kill(os.getppid(), signal.SIGKILL)
    except OSError as error:
        return True, _errno(error)
    # Where it is the first of a pid namespace the kernel lets no signal from inside through. Whether it lives on is
    # seen by what comes next.
    return True, "the signal was sent, and did not arrive"


PROBES: dict[str, Callable[..., Result]] = {
    probe.__name__: probe
    for probe in (
        write_outside,
        read_secrets,
        read_only,
        see_environment,
        reach_tcp,
        reach_udp,
        reach_abstract,
        reach_named,
        trace_host,
        leave_memory,
        change_metadata,
        see_processes,
        see_names,
        write_visible,
        run_from_arena,
        signal_host,
        become_root,
        remount,
        core_pattern,
        write_settings,
        make_device,
        eat_memory,
        who_am_i,
        kill_everything,
    )
}
