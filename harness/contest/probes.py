"""Attempts to break out, run inside a cell by `tarbiter doctor` and the tests. Each says whether the cell held.

They touch nothing outside but what they must not be able to touch; network attempts go to loopback only.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import signal
import socket
from collections.abc import Callable, Iterator
from typing import TypeAlias

Result: TypeAlias = tuple[bool, str]

_CLONE_NEWUSER = 0x10000000


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


def reach_tcp(port: str) -> Result:
    """Connect to a listener on the host's loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.settimeout(2)
        try:
            sock.connect(("127.0.0.1", int(port)))
        except OSError as error:
            return True, f"127.0.0.1: {_errno(error)}"
    return False, "connected to the host's loopback"


def reach_abstract(name: str) -> Result:
    """Connect to an abstract unix socket of the host."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        try:
            sock.connect("\0" + name)
        except OSError as error:
            return True, _errno(error)
    return False, "connected to a socket of the host"


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


def fork_bomb(limit: str) -> Result:
    """Start more processes than the cell may have."""
    children = []
    stopped = ""
    for _ in range(int(limit) + 50):
        try:
            pid = os.fork()
        except OSError as error:
            stopped = _errno(error)
            break
        if pid == 0:
            signal.pause()
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return bool(stopped), f"{len(children)} processes, then {stopped or 'no end'}"


def fill_disk(limit: str) -> Result:
    """Write more than the arena holds."""
    path = "/arena/in/filler"
    written, stopped, number = 0, "", 0
    chunk = bytes(1 << 20)
    try:
        while written < 2 * int(limit) and not stopped:
            with open(f"{path}-{number}", "wb", buffering=0) as file:
                number += 1
                try:
                    for _ in range(200):
                        file.write(chunk)
                        written += len(chunk)
                except OSError as error:
                    stopped = _errno(error)
    finally:
        for one in range(number):
            os.unlink(f"{path}-{one}")
    return bool(stopped), f"{written >> 20} MiB, then {stopped or 'no end'}"


def who_am_i() -> Result:
    """Uid, capabilities and no_new_privs as the kernel states them."""
    with open("/proc/self/status", encoding="ascii") as file:
        rows = [line.partition(":") for line in file]
    status = {name: value.strip() for name, _, value in rows}
    capabilities = [int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")]
    held = not any(capabilities) and status["NoNewPrivs"] == "1" and os.getuid() != 0
    return held, f"uid {os.getuid()}, capabilities {max(capabilities):x}, NoNewPrivs {status['NoNewPrivs']}"


def kill_everything() -> Result:
    """Kill the cell's first process."""
    try:
        os.kill(1, signal.SIGKILL)
    except OSError as error:
        return True, _errno(error)
    return True, "the kernel protects a namespace's first process from signals inside"


PROBES: dict[str, Callable[..., Result]] = {
    probe.__name__: probe
    for probe in (
        write_outside,
        read_secrets,
        read_only,
        see_environment,
        reach_tcp,
        reach_abstract,
        signal_host,
        become_root,
        remount,
        core_pattern,
        eat_memory,
        fork_bomb,
        fill_disk,
        who_am_i,
        kill_everything,
    )
}
