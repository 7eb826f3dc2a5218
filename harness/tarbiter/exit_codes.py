"""How the program ends when it cannot go on: never with an exit code that says something of what was compared.

What CI and a cron job see: exit code 2 and one line that says what is missing and what to do. A traceback, and the
request to report it, is for bugs alone. Standard streams that are closed, full or read by nobody, and a machine
that has no memory, no processes or no descriptors left, are none.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, NoReturn

from .errors import UserError

COULD_NOT_RUN, INTERRUPTED = 2, 130

EXHAUSTED = {
    errno.EAGAIN: "no process can be started: raise the limit on processes (ulimit -u, or the pids limit of the "
    "container), or take a smaller --jobs",
    errno.ENOMEM: "no memory is left: raise the limit (ulimit -v, or the memory of the container), or take a "
    "smaller --jobs or a smaller input",
    errno.EMFILE: "no more files can be opened: raise the limit (ulimit -n), or take a smaller --jobs",
    errno.ENFILE: "the system can open no more files: end other programs, or raise fs.file-max",
    errno.ENOSPC: "the disk is full: free some space, or name another place (TMPDIR, -o, --store)",
    errno.EDQUOT: "the disk quota is used up: free some space, or name another place (TMPDIR, -o, --store)",
}
"""Errors of the system that say nothing of what was asked for: what is missing, and what to do."""

_TEXTS = {os.strerror(number): number for number in EXHAUSTED} | {
    "can't start new thread": errno.EAGAIN,
    "failed to map segment": errno.ENOMEM,
    "error return without exception set": errno.ENOMEM,  # a SystemError: what CPython's import makes of no memory
}
"""The same, where all that is left of an error is its text: of threads, of libraries that are loaded, of a cell."""


class StreamError(UserError):
    """A standard stream that cannot be read or written: `where`, what is wrong, what to do.

    No OSError: click ends with 1 for a broken pipe.
    """

    def __init__(self, stream: str, detail: str) -> None:
        super().__init__(stream, detail)
        self.told = False

    def __str__(self) -> str:
        return f"{self.where} {self.detail}"


@contextmanager
def verdicts_kept(*expected: type[Exception]) -> Iterator[None]:
    """Within, an error ends the program with 2 and words, and Ctrl-C with 130.

    A UserError is one line; anything else is a bug, and keeps its traceback.

    By itself Python ends with 1 for the one, and click for both, and 1 is how we say "something differs":
    `make fuzz` would take a campaign that broke down for one with findings. What was printed must have arrived when
    the block ends, or the code is 2. SystemExit passes otherwise, and so does what is `expected`.
    """
    try:
        try:
            yield
        except SystemExit:
            _arrived()
            raise
        _arrived()
    except expected:
        raise
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        sys.exit(INTERRUPTED)
    except Exception as error:  # noqa: BLE001  # the program's end: nothing is swallowed, all of it is told
        _end(error)


def exhausted(error: BaseException) -> str:
    """What the machine has no more of, and what to do, if that is what an exception says; else nothing."""
    if isinstance(error, MemoryError):
        return EXHAUSTED[errno.ENOMEM]
    if not isinstance(error, OSError) or error.errno is None:
        return lacking(str(error)) if isinstance(error, RuntimeError | ImportError | OSError | SystemError) else ""
    words = EXHAUSTED.get(error.errno, "")
    where = error.filename if words and isinstance(error.filename, str | bytes) else ""
    return f"{os.fsdecode(where)}: {words}" if where else words


def lacking(text: str) -> str:
    """What the machine has no more of, and what to do, if that is what the text of an error says; else nothing."""
    return next((EXHAUSTED[number] for words, number in _TEXTS.items() if words.lower() in text.lower()), "")


def _end(error: Exception) -> NoReturn:
    words = str(error) if isinstance(error, UserError) else exhausted(error)
    if isinstance(error, BrokenPipeError):
        # Where standard output is not ours (`Output`): Python would complain once more when it flushes at its end.
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        words = str(_unwritten(error))
    if words:
        if isinstance(error, StreamError):
            error.told = True
        error.__traceback__ = None  # its frames hold what took the memory
        sys.stderr.write(f"tarbiter: {words}\n")
        sys.exit(COULD_NOT_RUN)
    try:
        import traceback  # noqa: PLC0415  # not before it is needed: this module is there before anything can fail

        traceback.print_exception(error)
    except MemoryError:
        sys.stderr.write(f"tarbiter: {EXHAUSTED[errno.ENOMEM]}\n")
        sys.exit(COULD_NOT_RUN)
    sys.stderr.write("this is a bug in tarbiter: please report it, with the lines above\n")
    sys.exit(COULD_NOT_RUN)


# Standard streams -----------------------------------------------------------------------------------------------


class _Stdout(io.FileIO):
    """Standard output: waits for a reader that is slow, and says once and for all what fails."""

    error: StreamError | None = None

    def write(self, data: object, /) -> int:
        """Bytes written. Raises StreamError once; what comes after it goes nowhere."""
        view = memoryview(data)  # type: ignore[arg-type]  # whatever has a buffer
        if self.error is not None:
            return view.nbytes
        try:
            while (written := super().write(view)) is None:
                select.select([], [self], [])  # somebody made the pipe non-blocking
        except OSError as error:
            self.error = _unwritten(error)
            raise self.error from error
        return int(written)


class _Stderr(io.FileIO):
    """Standard error: nobody can be told that it cannot be written."""

    def write(self, data: object, /) -> int:
        """Bytes taken, whatever became of them."""
        with suppress(OSError):
            written = super().write(data)  # type: ignore[arg-type]
            if written is not None:
                return int(written)
        return memoryview(data).nbytes  # type: ignore[arg-type]


class _ClosedStdin(io.RawIOBase):
    """Standard input that was closed when the program began."""

    def readable(self) -> bool:
        return True

    def readinto(self, _buffer: object, /) -> int:
        raise StreamError("standard input", "is closed: name a file, or pipe something into it")


def _unwritten(error: OSError) -> StreamError:
    if isinstance(error, BrokenPipeError):
        detail = "has no reader any more: not everything was printed, and this exit code says nothing of it"
    elif error.errno == errno.EBADF:
        detail = "is closed: send it to a file or to /dev/null, or name a file with -o where there is one"
    else:
        detail = f"cannot be written: {error.strerror}; not everything was printed"
    return StreamError("standard output", detail)


def own_streams() -> None:
    """Give this process standard streams that are open, and that tell what goes wrong with them.

    A file that is opened while 0, 1 or 2 is free gets that number, and what is printed goes into it. So they are
    taken before anything else happens. What a stream's encoding does not have is printed as `\\xNN`.
    """
    closed = set()
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            closed.add(descriptor)
            # Standard output so that writing to it fails: a command that prints nothing has no need of it.
            os.open(os.devnull, os.O_RDONLY if descriptor == 1 else os.O_RDWR)
    if 0 in closed:
        sys.stdin = io.TextIOWrapper(io.BufferedReader(_ClosedStdin()), "utf-8")
    sys.stdout = _text(_Stdout(1, "wb", closefd=False), sys.stdout)
    sys.stderr = _text(_Stderr(2, "wb", closefd=False), sys.stderr)


def _text(raw: io.FileIO, before: IO[str] | None) -> io.TextIOWrapper:
    encoding = getattr(before, "encoding", None) or "utf-8"
    lines = getattr(before, "line_buffering", False) or raw.fileno() == 2
    through = getattr(before, "write_through", False)  # PYTHONUNBUFFERED
    buffered = io.BufferedWriter(raw)
    return io.TextIOWrapper(
        buffered, encoding, errors="backslashreplace", line_buffering=lines, write_through=through
    )


def _arrived() -> None:
    """Flush standard output. Raises StreamError, OSError when not all of it could be written, now or before."""
    if sys.stdout is None or sys.stdout.closed:
        return
    sys.stdout.flush()
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if isinstance(raw, _Stdout) and raw.error is not None and not raw.error.told:
        raise raw.error
