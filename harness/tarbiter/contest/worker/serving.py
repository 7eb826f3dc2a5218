"""Persistent drivers: processes that stay alive in the cell and extract one archive for each line they read.

The protocol, version 1, is JSON Lines over standard input and output; docs/contestants.md has it in full. A driver
says `{"tarbiter":1}` once it is ready. Then it gets requests, one at a time, and answers each with its `id`.

The cell's supervisor starts drivers and collects those that ended; its workers, one after another, talk to them.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import resource
import select
import signal
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Literal, TypeAlias

import msgspec

from ..contestants import Outcome
from ..installed.table import Contestant
from ..observation import Status
from ..sandbox import processes
from . import listing
from .idle import Still, cpu_ns, out_of_time

VERSION = 1
"""Of the protocol. A driver that says another one is not used."""

START_S = 10.0
"""Seconds a driver may take from its start until it is ready; more on a machine that is busy (`still.BUSY`). A JVM
needs a quarter of one where nothing else runs."""

START_IDLE_S = 2.0
"""Seconds that a driver which is not ready may sleep, all of its threads: it waits for what does not come."""

LINE = 16 << 20
"""Bytes of the longest answer."""

SAID = 64 << 10
"""Bytes of its standard error that are kept."""

LOOK_S = 0.05
"""Seconds between two looks at whether a driver sleeps."""

_PIECE = 1 << 16
_PIPE = 1 << 18

ENDING_S = 1.0
"""Seconds that a driver has to end by itself once it talks no more."""

DEATH_S = 5.0
"""Seconds that a killed driver has to be gone."""


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """A driver's answer. `cls` is its error's class (`class` in JSON); `names` are hexadecimal.

    `details`, if there are any, belong to the names in their order.
    """

    id: int
    status: Literal["ok", "refused", "crashed", "limit"]
    cls: str = msgspec.field(default="", name="class")
    error: str = ""
    warnings: tuple[str, ...] = ()
    names: tuple[str, ...] | None = None
    details: tuple[str, ...] = ()


class Gone(msgspec.Struct, frozen=True, kw_only=True):
    """No answer. `why` is `ended` (by itself), `time`, `asleep`, or `protocol` (it said something else)."""

    why: Literal["ended", "time", "asleep", "protocol"]
    code: int = 0
    signal: int = 0
    said: str = ""
    """The end of its standard error, or what it said instead of an answer."""


Reply: TypeAlias = Answered | Gone

_answer = msgspec.json.Decoder(Answered)


OVER = (
    "no space left on device",
    "file too large",
    "cannot allocate memory",
    "memory exhausted",
    "too many open files",
    "resource temporarily unavailable",
)
"""What the system says when a limit of the cell is reached, in lower case, as programs print it."""

_MEMORY = ("out of memory", "memory allocation of")
"""How runtimes end that get no more memory: V8, Go and Rust."""


def over(said: str) -> bool:
    """Whether a message tells of a limit that was reached."""
    return any(words in said.lower() for words in OVER)


def status(reply: Reply) -> Status | None:
    """The status of what was asked. None: extracted, refused or partial, as the tree will tell."""
    if isinstance(reply, Answered):
        if reply.status == "limit" or (reply.status == "refused" and over(reply.error)):
            return "over-limit"
        return "crashed" if reply.status == "crashed" else None
    if reply.why in ("time", "asleep"):
        return "hung"
    if reply.signal == signal.SIGXFSZ or any(words in reply.said.lower() for words in _MEMORY) or over(reply.said):
        return "over-limit"
    return "crashed"


def tell(reply: Reply, outcome: Outcome) -> None:
    """Put what a driver said, or how it ended, into an outcome."""
    if isinstance(reply, Answered):
        outcome.error, outcome.error_class, outcome.warnings = reply.error, reply.cls, reply.warnings
        if reply.status != "ok" and not outcome.error_class:
            outcome.error_class = reply.status
        if reply.names is not None:
            # As many details as names, or none: what a driver says too much belongs to nobody.
            rows = zip(reply.names, itertools.chain(reply.details, itertools.repeat("")), strict=False)
            outcome.listing = tuple(listing.of_words(bytes.fromhex(name), detail) for name, detail in rows)
        return
    outcome.error = reply.said
    outcome.error_class = reply.why
    if reply.why == "ended":
        outcome.error_class = f"signal {reply.signal}" if reply.signal else f"exit {reply.code}"
    elif reply.why == "asleep":
        outcome.error = "it sleeps, and nothing can wake it: killed"
    elif reply.why == "time":
        outcome.error = "no answer in its time: killed"


def request(
    number: int, archive: str, dest: str, *, umask: int, chunks: tuple[int, ...], pause: bool, listing: bool
) -> bytes:
    """A request as it goes over the pipe: keys in this order, no blanks, so that it can be cut without JSON."""
    document = {
        "id": number,
        "archive": archive,
        "dest": dest,
        "umask": umask,
        "chunks": chunks,
        "pause": pause,
        "list": listing,
    }
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def _hexadecimal(names: Sequence[str]) -> None:
    """Raises ValueError for a name that is not hexadecimal."""
    for place, name in enumerate(names):
        try:
            bytes.fromhex(name)
        except ValueError:
            raise ValueError(f"`$.names[{place}]` is not hexadecimal: {name[:40]!r}") from None


class Driver:
    """One persistent driver, as the process that started it, and every fork of that, sees it."""

    def __init__(self, contestant: Contestant, environment: Mapping[str, str]) -> None:
        """Start it; `failed` says why that was not possible."""
        self.contestant = contestant
        self.failed = ""
        """Why it cannot be used; empty: it can."""
        self.hopeless = False
        """It was started and did not get ready in its time: it would not the next time, and take as long."""
        self.pid = 0
        """0: it was never there."""
        self._rest = bytearray()
        self._said = bytearray()
        self._began = time.monotonic()
        self._high = 0
        try:
            self._start(environment)
        except OSError as error:
            self.failed = f"its driver cannot be started: {error.strerror or error}"

    def _start(self, environment: Mapping[str, str]) -> None:
        contestant = self.contestant
        pipes = [os.pipe2(os.O_CLOEXEC) for _ in range(3)]
        (theirs_in, self._in), (self._out, theirs_out), (self._err, theirs_err) = pipes
        ours = resource.getrlimit(resource.RLIMIT_AS)
        if contestant.table.address_space:
            resource.setrlimit(resource.RLIMIT_AS, (contestant.table.address_space, ours[1]))
        try:
            self.pid = os.posix_spawn(
                contestant.program,
                list(contestant.serve),
                environment,
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, theirs_in, 0),
                    (os.POSIX_SPAWN_DUP2, theirs_out, 1),
                    (os.POSIX_SPAWN_DUP2, theirs_err, 2),
                ],
                setpgroup=0,
                setsigmask=[],
                setsigdef=[signal.SIGPIPE, signal.SIGXFSZ, signal.SIGALRM, signal.SIGCHLD, signal.SIGTERM],
            )
        except OSError:
            for fd in (self._in, self._out, self._err):
                os.close(fd)
            raise
        finally:
            resource.setrlimit(resource.RLIMIT_AS, ours)
            for fd in (theirs_in, theirs_out, theirs_err):
                os.close(fd)
        self._handle = os.pidfd_open(self.pid)
        for fd in (self._in, self._out, self._err):
            os.set_blocking(fd, False)
        with contextlib.suppress(OSError):  # a plain user's share of pipe memory may be used up
            fcntl.fcntl(self._in, fcntl.F_SETPIPE_SZ, _PIPE)

    # -- for who started it ----------------------------------------------------------------------------------------

    def wait_ready(self, besides: Collection[int] = ()) -> None:
        """Wait until it is ready; afterwards `failed` says what went wrong.

        `besides` are the processes of the cell that are not its own: while those of its own sleep, it does nothing.
        """
        if self.failed:
            return
        still = Still((processes.first(), os.getpid(), *besides))
        line = self._line(self._began, START_S, still, START_IDLE_S)
        if isinstance(line, Gone):
            self.hopeless = line.why != "ended"
            self.failed = f"its driver did not start: {self._never_ready(line)}"
            self.kill()
        elif line.strip() != b'{"tarbiter":%d}' % VERSION:
            self.hopeless = True
            self.failed = f"its driver does not speak version {VERSION} of the protocol, but: {line[:200]!r}"
            self.kill()

    @property
    def age_s(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self._began

    @staticmethod
    def _never_ready(gone: Gone) -> str:
        """How it did not get ready, and what it printed, which says more."""
        how = {
            "time": f"it was not ready in {START_S:g} s",
            "asleep": f"it did not say that it is ready, and does nothing for {START_IDLE_S:g} s",
            "ended": f"it ended (signal {gone.signal})" if gone.signal else f"it ended (exit {gone.code})",
        }.get(gone.why, gone.why)
        return f"{how}, and printed:\n{gone.said}" if gone.said else f"{how}, and printed nothing"

    def ended(self) -> bool:
        """Whether it has ended. Its status has then still to be waited for."""
        return not self.pid or bool(select.select([self._handle], [], [], 0)[0])

    def kill(self) -> None:
        """Kill it, and wait until it writes nothing any more. Who started it has still to collect it."""
        if not self.pid:
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)
        select.select([self._handle], [], [], DEATH_S)

    def close(self) -> None:
        """Give its descriptors back: standard input ends, and with it a driver that still lives."""
        if not self.pid:
            return
        for fd in (self._in, self._out, self._err, self._handle):
            os.close(fd)

    # -- for who uses it -------------------------------------------------------------------------------------------

    def ask(self, line: bytes, number: int, *, limit_s: float, idle_s: float, still: Still) -> Reply:
        """Send a request and wait for the answer with its number. A driver that gives none has been killed."""
        self._hear()
        self._said.clear()
        began = time.monotonic()
        try:
            os.write(self._in, line)
        except (BrokenPipeError, BlockingIOError):
            return self._gone("ended")
        while True:
            got = self._line(began, limit_s, still, idle_s)
            if isinstance(got, Gone):
                return got
            try:
                answer = _answer.decode(got)
                _hexadecimal(answer.names or ())
            except (msgspec.DecodeError, ValueError) as error:
                self.kill()
                shown = got[:200].decode("utf-8", "backslashreplace")
                return Gone(
                    why="protocol", said=f"its answer is not one of the protocol: {error}; it said: {shown}"
                )
            if answer.id == number:
                return answer
            # A late second answer to something that was asked before.

    def cpu_ns(self) -> int:
        """Processor time that all its threads have used so far; 0 when it is gone."""
        return cpu_ns(self.pid)

    def peak_kib(self) -> int:
        """The most memory (resident) it has had since this was asked last, KiB; 0: no more than it had before."""
        try:
            with open(f"/proc/{self.pid}/status", "rb", buffering=0) as file:
                text = file.read()
        except OSError:
            return 0
        start = text.find(b"VmHWM:") + len(b"VmHWM:")
        high = int(text[start : text.index(b"kB", start)]) if start >= len(b"VmHWM:") else 0
        before, self._high = self._high, max(high, self._high)
        return high if high > before else 0

    def _line(self, began: float, limit_s: float, still: Still | None, idle_s: float) -> bytes | Gone:
        used = self.cpu_ns()
        poll = select.poll()
        poll.register(self._out, select.POLLIN)
        poll.register(self._err, select.POLLIN)
        looked = time.monotonic()
        while True:
            end = self._rest.find(b"\n")
            if end >= 0:
                line = bytes(self._rest[:end])
                del self._rest[: end + 1]
                return line
            if len(self._rest) > LINE:
                self.kill()
                return Gone(why="protocol", said=f"a line of more than {LINE} bytes")
            ready = dict(poll.poll(LOOK_S * 1000))
            if self._err in ready and not self._hear():
                poll.unregister(self._err)
            if self._out in ready:
                piece = os.read(self._out, _PIECE)
                if not piece:
                    return self._gone("ended")
                self._rest += piece
                continue
            now = time.monotonic()
            if now - began > limit_s and out_of_time(now - began, (self.cpu_ns() - used) / 1e9, limit_s):
                return self._gone("time")
            if still is not None and now - looked > LOOK_S:
                looked = now
                if still.seconds(len(self._said)) > idle_s:
                    return self._gone("asleep")

    def _hear(self) -> bool:
        """Read what it said on standard error. False: that has been closed."""
        try:
            piece = os.read(self._err, _PIECE)
        except BlockingIOError:
            return True
        self._said += piece
        del self._said[:-SAID]
        return bool(piece)

    def _gone(self, why: Literal["ended", "time", "asleep"]) -> Gone:
        if why == "ended":
            # It has closed its standard output, or nobody reads its input: mostly it is about to end.
            select.select([self._handle], [], [], ENDING_S)
        self.kill()
        self._hear()
        status = self._status() if why == "ended" else 0
        return Gone(
            why=why,
            code=os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1,
            signal=os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
            said=bytes(self._said[-4096:]).decode("utf-8", "backslashreplace").strip(),
        )

    def _status(self) -> int:
        """How it ended, without waiting for it, which only who started it can."""
        try:
            with open(f"/proc/{self.pid}/stat", "rb", buffering=0) as file:
                # The last field, proc_pid_stat(5): the status as waitpid gives it.
                return int(file.read().rpartition(b")")[2].split()[-1])
        except OSError:
            return 0
