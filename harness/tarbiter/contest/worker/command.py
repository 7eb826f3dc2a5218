"""Running a command contestant in the cell: spawn, feed, collect, wait, and leave no process behind."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import select
import signal
import termios
import time
from collections.abc import Collection, Iterator

import msgspec

from ..installed.table import Contestant
from ..sandbox import processes
from .idle import Still, cpu_ns, out_of_time

SAID = 64 << 10
"""Bytes of output that are kept; the rest is read and thrown away."""

LOOK_S = 0.05
"""Seconds between two looks at whether a command sleeps."""

STEPS = 50
"""Steps of feeding between two looks at what else goes on."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


NEVER = {
    errno.ENOEXEC: "the system cannot execute such a file; a script begins with #! and its interpreter",
    errno.ENOENT: "it, or the interpreter that its first line names, is not there or not visible in the cell",
    errno.EACCES: "it, or the interpreter that its first line names, has no execute bit",
    errno.ENOTDIR: "a part of its path, or of its interpreter's, is no directory",
    errno.EPERM: "the cell does not let it be executed",
}
"""What keeps a program from being executed whatever the archive is, and what that mostly means."""


class StartError(Exception):
    """A program that cannot be executed here: which, and why."""

    def __init__(self, program: str, number: int) -> None:
        super().__init__(program, number)
        self.program, self.number = program, number

    def __str__(self) -> str:
        return f"{self.program} cannot be started: {os.strerror(self.number)} ({NEVER[self.number]})"


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a command ended. `code` is the exit code, `signal` the signal that ended it; times are nanoseconds."""

    code: int
    signal: int
    killed: str
    """Why we ended it: `time`, `asleep`, or empty."""
    said: bytes
    wall_ns: int
    cpu_ns: int
    peak_kib: int
    stragglers: int
    """Processes that it left behind and that were killed."""


IDLE = 1000
"""Looks at a pipe that nobody empties before the processor is left to others for a millisecond."""


class _Feed:
    """The writing end of a pipe to standard input: one piece at a time, the next one when the last was taken.

    With `pause`, only when the reader sleeps as well: it waits for more, and would not find it.
    """

    def __init__(self, fd: int, pieces: Iterator[bytes], *, pause: bool) -> None:
        self.fd, self.pieces, self.pause, self.rest = fd, pieces, pause, b""
        self.idle = self.taken = 0
        os.set_blocking(fd, False)

    def step(self, pid: int) -> bool:
        """Write what can be written now. False: everything has been written, or nobody reads any more."""
        if fcntl.ioctl(self.fd, termios.FIONREAD, b"\0\0\0\0") != b"\0\0\0\0":
            self.idle += 1
            return True
        if not self.rest:
            if self.pause and not _sleeps(pid):
                self.idle += 1
                return True
            self.rest = next(self.pieces, b"")
            if not self.rest:
                return False
        self.idle = 0
        self.taken += 1
        try:
            self.rest = self.rest[os.write(self.fd, self.rest) :]
        except BlockingIOError:
            return True
        except BrokenPipeError:
            return False
        return True


def _sleeps(pid: int) -> bool:
    return processes.state(pid) in (b"S", b"Z")


def environment(contestant: Contestant, locale: str, tmp: str) -> dict[str, str]:
    """The whole environment of a contestant's process; `tmp` is a directory that it may fill."""
    path = f"{os.path.dirname(contestant.program)}:{PATH}"
    usual = {"PATH": path, "LC_ALL": locale, "HOME": tmp, "TMPDIR": tmp, "TZ": "UTC"}
    # OpenSSL, and node with it, ends when its configuration is there and cannot be read, as by Landlock.
    usual["OPENSSL_CONF"] = os.devnull
    return usual | contestant.table.env


def run(
    contestant: Contestant,
    argv: tuple[str, ...],
    *,
    locale: str,
    tmp: str,
    limit_s: float,
    idle_s: float,
    pieces: Iterator[bytes] | None = None,
    pause: bool = False,
    spare: Collection[int] = (),
    keep: int = SAID,
    errors: bool = True,
) -> Ended:
    """Run `argv` (already filled in) with `pieces` on its standard input, for `limit_s` seconds at most.

    The program is `argv[0]` where that is an absolute path, otherwise the contestant's. Of its output `keep` bytes
    are kept, standard error only with `errors`.

    Less when it and all that it started sleep for `idle_s`.

    `pause`: each piece is held back until the command sleeps, waiting for it. Processes to `spare` live on.

    Raises StartError when the program cannot be executed here, OSError when it is not started for another reason.
    """
    program = argv[0] if argv[0].startswith("/") else contestant.program
    out_read, out_write = os.pipe2(os.O_CLOEXEC)
    in_read, in_write = os.pipe2(os.O_CLOEXEC) if pieces is not None else (-1, -1)
    actions: list[tuple[int, int, int] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_DUP2, in_read, 0)
        if pieces is not None
        else (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, out_write, 1),
        (os.POSIX_SPAWN_DUP2, out_write, 2) if errors else (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
    ]
    ours = resource.getrlimit(resource.RLIMIT_AS)
    if contestant.table.address_space:
        # Before it starts: a runtime reserves what it wants at once, and gives up where it cannot.
        resource.setrlimit(resource.RLIMIT_AS, (contestant.table.address_space, ours[1]))
    began = time.perf_counter_ns()
    try:
        pid = os.posix_spawn(
            program,
            list(argv),
            environment(contestant, locale, tmp),
            file_actions=actions,
            setpgroup=0,
            setsigmask=[],
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ, signal.SIGALRM, signal.SIGCHLD],
        )
    except OSError as error:
        for fd in (out_read, in_write):
            if fd >= 0:
                os.close(fd)
        if error.errno in NEVER:
            raise StartError(program, error.errno) from error
        raise
    finally:
        if contestant.table.address_space:
            resource.setrlimit(resource.RLIMIT_AS, ours)
        for fd in (out_write, in_read):
            if fd >= 0:
                os.close(fd)
    feed = _Feed(in_write, pieces, pause=pause) if pieces is not None else None
    said, killed = _watch(pid, out_read, feed, began, limit_s, idle_s, spare, keep)
    _, status, usage = os.wait4(pid, 0)
    wall = time.perf_counter_ns() - began
    return Ended(
        code=os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1,
        signal=os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
        killed=killed,
        said=said,
        wall_ns=wall,
        cpu_ns=int((usage.ru_utime + usage.ru_stime) * 1e9),
        peak_kib=usage.ru_maxrss,
        stragglers=processes.end_others(spare),
    )


def _watch(
    pid: int,
    out: int,
    feed: _Feed | None,
    began_ns: int,
    limit_s: float,
    idle_s: float,
    spare: Collection[int],
    keep: int,
) -> tuple[bytes, str]:
    """Collect output and feed input until the process ends or its time does; then it is killed.

    Returns what it said, and why it was killed if it was.
    """
    said = bytearray()
    still, looked = Still((processes.first(), os.getpid(), *spare)), time.monotonic()
    ended = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(ended, select.POLLIN)
    poll.register(out, select.POLLIN)
    killed = ""
    try:
        while True:
            wall_s = (time.perf_counter_ns() - began_ns) / 1e9
            if wall_s > limit_s and out_of_time(wall_s, cpu_ns(pid) / 1e9, limit_s):
                killed = "time"
                break
            if time.monotonic() - looked > LOOK_S:
                looked = time.monotonic()
                if still.seconds((len(said), feed.taken if feed is not None else -1)) > idle_s:
                    killed = "asleep"
                    break
            busy = feed is not None and feed.idle < IDLE
            ready = {fd for fd, _ in poll.poll(0 if busy else LOOK_S * 1000 if feed is None else 1)}
            if out in ready:
                piece = os.read(out, 1 << 16)
                if not piece:
                    # Its end is closed, but it is still ending: asking again would take the processor from it.
                    poll.unregister(out)
                said += piece[: keep - len(said)]
            if ended in ready:
                break
            for _ in range(STEPS if feed is not None else 0):
                assert feed is not None
                if not feed.step(pid):
                    os.close(feed.fd)
                    feed = None
                    break
                os.sched_yield()
    finally:
        os.close(ended)
        if feed is not None:
            os.close(feed.fd)
        if killed:
            os.killpg(pid, signal.SIGKILL)
        os.set_blocking(out, False)
        while True:  # what was still in the pipe; a straggler may hold its other end open
            try:
                piece = os.read(out, 1 << 16)
            except BlockingIOError:
                break
            if not piece:
                break
            said += piece[: keep - len(said)]
        os.close(out)
    return bytes(said), killed
