"""The command `python -m onetar`: extract, list or check one archive, and say exactly what became of it."""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import IO

from .drivers import CHUNK, check, extract, members
from .errors import ArgumentError, CompressionError, FormatError, TarError
from .report import ASKED, Report
from .store.rows import Row
from .writer import EXISTING, XATTRS

ALL, SOME, NOT_RUN = 0, 1, 2
"""Exit codes: everything was extracted; something was refused, skipped or cut short; it could not run at all."""

_NO_ARCHIVE = frozenset(("archive.empty", "archive.truncated", "header.checksum"))
_UNREAD = "compression.unavailable"
"""The code of an archive in a compression that is not read here: nothing is wrong with it."""

_EPILOG = """\
examples:
  python -m onetar x sdist.tar.gz build          extract below build/ (made when it is missing)
  python -m onetar x --strict --atomic a.tar.xz tree
                                                    only an archive with one meaning, all of it or nothing
  curl -L "$URL" | python -m onetar x - build    from a pipe
  python -m onetar t a.tar                       list the names
  python -m onetar t --strict --json a.tar       would strict accept it? the whole report, nothing written

exit codes: 0 everything was extracted (or would be); 1 something was refused, skipped or cut short, the report says
what; 2 it could not run: bad usage, no such file, unusable destination, no tar archive; or what it prints could not
be written. 128 + n: ended by signal n.
"""


class _SignalError(BaseException):
    """SIGINT or SIGTERM. Like KeyboardInterrupt no Exception, so that nothing mistakes it for a fault."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class _Signals:
    """SIGINT and SIGTERM end the run between two pieces of input, not between making a file and remembering it.

    A second one ends it at once.
    """

    def __init__(self) -> None:
        self._waiting = False
        self._came = 0

    def __enter__(self) -> _Signals:
        self._before = [(number, signal.signal(number, self._handle)) for number in (signal.SIGINT, signal.SIGTERM)]
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before:
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if self._waiting or self._came:
            raise _SignalError(number)
        self._came = number

    def pieces(self, file: IO[bytes]) -> Iterator[bytes]:
        """The bytes of a file as they come."""
        while True:
            self._waiting = True
            if self._came:
                raise _SignalError(self._came)
            piece = file.read(CHUNK)
            self._waiting = False
            if not piece:
                return
            yield piece


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m onetar",
        description="Extract a tar archive safely: never outside the destination, never through a link.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="x|t")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("archive", metavar="ARCHIVE", help="tar archive, compressed or not; - is standard input")
    policies = common.add_mutually_exclusive_group()
    policies.add_argument(
        "--strict", dest="policy", action="store_const", const="strict", help="only an archive with one meaning"
    )
    policies.add_argument(
        "--compat",
        dest="policy",
        action="store_const",
        const="compat",
        help="what the usual extractors agree on (the default of x)",
    )
    common.add_argument(
        "--json", action="store_true", help="one JSON document on standard output: the whole report"
    )
    common.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="this member and what is below it, as named in the archive; may be repeated",
    )
    common.add_argument(
        "--strip-components", type=int, default=0, metavar="N", help="take N leading components off every name"
    )
    _add_x(commands.add_parser("x", parents=[common], help="extract", epilog=_EPILOG, formatter_class=_Raw))
    commands.add_parser(
        "t",
        parents=[common],
        help="list; with --strict or --compat check what x would do",
        epilog=_EPILOG,
        formatter_class=_Raw,
    )
    return parser


_Raw = argparse.RawDescriptionHelpFormatter


def _add_x(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "dest", metavar="DEST", nargs="?", default=".", help="directory; made when missing (default: here)"
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="also print what became of every member")
    parser.add_argument(
        "--existing",
        choices=EXISTING,
        default="refuse",
        help="what happens to a file or link in a member's place (default: %(default)s)",
    )
    parser.add_argument("--atomic", action="store_true", help="into a new directory beside DEST, then rename it")
    partial = parser.add_mutually_exclusive_group()
    partial.add_argument(
        "--keep-partial",
        action="store_true",
        default=None,
        help="keep what was made before an error (compat does)",
    )
    partial.add_argument(
        "--no-keep-partial", dest="keep_partial", action="store_false", help="take it back (strict does)"
    )
    parser.add_argument(
        "--no-permissions", dest="permissions", action="store_false", help="modes as the umask makes them"
    )
    parser.add_argument("--no-mtime", dest="mtime", action="store_false", help="times of now")
    parser.add_argument("--owner", action="store_true", help="set owners, by number (as root)")
    parser.add_argument(
        "--xattrs", choices=XATTRS, default="user", help="extended attributes to set (default: %(default)s)"
    )


def printable(path: bytes) -> str:
    """A path as one line that no terminal obeys: what is no printable text becomes escapes."""
    text = path.decode("utf-8", "backslashreplace") if b"\\" not in path else ascii(path)[2:-1]
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


class _UsageError(Exception):
    """It could not run. The text says why and what to do."""


@contextlib.contextmanager
def _archive(name: str) -> Iterator[IO[bytes]]:
    """The archive, opened. Raises _UsageError."""
    if name == "-":
        if sys.stdin is None or sys.stdin.isatty():
            raise _UsageError("standard input is no archive; redirect one into it, or name a file")
        with open(0, "rb", buffering=0, closefd=False) as file:
            yield file
        return
    try:
        file = open(name, "rb", buffering=0)  # noqa: SIM115  closed below; only opening it may fail like this
    except IsADirectoryError:
        raise _UsageError(f"{name}: is a directory; name an archive in it") from None
    except OSError as error:
        raise _UsageError(f"{name}: {error.strerror}") from None
    with file:
        yield file


def _is_no_archive(error: TarError, report: Report) -> bool:
    """Whether not even a first header was found. Then nothing can be said about members."""
    if isinstance(error, CompressionError):
        return not report.archive_bytes and error.code != _UNREAD
    return isinstance(error, FormatError) and error.code in _NO_ARCHIVE and error.offset < 512


class _Command:
    """One run of the command."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.report = Report()
        self.error: dict[str, object] | None = None

    def say(self, text: str) -> None:
        """A line on standard error."""
        sys.stderr.write(f"onetar: {text}\n")

    def tell(self, text: str) -> None:
        """A line on standard output."""
        sys.stdout.write(f"{text}\n")

    def run(self) -> int:
        """Do it. Returns the exit code."""
        try:
            code = self._work()
        except _UsageError as error:
            self._fail("not-run", str(error))
            code = NOT_RUN
        except TarError as error:
            no_archive = _is_no_archive(error, self.report)
            hint = "; this is no tar archive" if no_archive else ""
            self.say(f"{self.arguments.archive}: {error}{hint}")
            self.error = {
                "code": error.code,
                "offset": error.offset,
                "field": error.field,
                "member": None if error.member is None else error.member.decode("utf-8", "surrogateescape"),
                "detail": error.detail,
            }
            code = NOT_RUN if no_archive or error.code == _UNREAD else SOME
        except ArgumentError as error:
            self._fail("not-run", str(error))
            code = NOT_RUN
        except BrokenPipeError:
            raise
        except OSError as error:
            where = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
            self._fail(errno.errorcode.get(error.errno or 0, "EIO"), f"{where}{error.strerror or error}")
            code = NOT_RUN
        except _SignalError as error:
            name = signal.Signals(error.number).name
            self._fail(name, f"ended by {name}")
            code = 128 + error.number
        self._conclude(code)
        return code

    def _fail(self, code: str, detail: str) -> None:
        self.say(detail)
        self.error = {"code": code, "offset": None, "field": "", "member": None, "detail": detail}

    def _work(self) -> int:
        options = self.arguments
        with _archive(options.archive) as file, _Signals() as signals:
            source = signals.pieces(file)
            if options.command == "t" and options.policy is None and not options.json:
                if options.only or options.strip_components:
                    raise _UsageError("--only and --strip-components need a policy: add --strict or --compat to t")
                for member in members(source):
                    self.tell(printable(member.path))
                return ALL
            if options.command == "t":
                report = check(
                    source,
                    policy=options.policy or "compat",
                    only=[os.fsencode(name) for name in options.only],
                    strip_components=options.strip_components,
                    report=self.report,
                )
            else:
                report = extract(
                    source,
                    options.dest,
                    atomic=options.atomic,
                    policy=options.policy or "compat",
                    only=[os.fsencode(name) for name in options.only],
                    strip_components=options.strip_components,
                    existing=options.existing,
                    permissions=options.permissions,
                    mtime=options.mtime,
                    owner=options.owner,
                    xattrs=options.xattrs,
                    keep_partial=options.keep_partial,
                    report=self.report,
                )
        return ALL if report.complete else SOME

    def _conclude(self, code: int) -> None:
        """The report: as JSON, or in words, what was not simply written on standard error."""
        options = self.arguments
        if options.json:
            head: dict[str, object] = {"archive": options.archive, "exit": code, "error": self.error}
            for piece in self.report.json_pieces(**head):
                sys.stdout.write(piece)
            sys.stdout.write("\n")
            return
        for row in self.report.members:
            if row.outcome == "listed":
                self.tell(printable(row.path))
            elif options.command == "x" and options.verbose:
                self.tell(_in_words(row))
            elif row.outcome not in ("written", "undone", "refused") and row.code not in ASKED:
                self.say(_in_words(row))
        for note in self.report.notes:
            self.say(str(note))
        if undone := self.report.count("undone"):
            self.say(f"{undone} members had been made and were taken back")


def _in_words(row: Row) -> str:
    why = f" ({row.code}: {row.detail})" if row.code else ""
    return f"{row.outcome} {printable(row.path)} at byte {row.offset:#x}{why}"


def _open_streams() -> None:
    """Open the standard streams that are closed: no file that is extracted may get the number of one of them."""
    for name in ("stdin", "stdout", "stderr"):  # in this order, so that each gets its own number
        if getattr(sys, name) is None:
            # Of standard output so that printing fails: who reads the exit code must know that the names are lost.
            file = os.open(os.devnull, os.O_WRONLY if name == "stderr" else os.O_RDONLY)
            setattr(sys, name, os.fdopen(file, "r" if name == "stdin" else "w", closefd=False))


def main(arguments: list[str] | None = None) -> int:
    """Run the command with these arguments (None: those of the process). Returns the exit code."""
    _open_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    parsed = _parser().parse_args(arguments)
    try:
        code = _Command(parsed).run()
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read us has seen enough. Python would complain once more when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT  # before the archive was opened, or while the report was printed
    except MemoryError:
        sys.stderr.write("onetar: no memory is left; raise the limit (ulimit -v, or that of the container)\n")
        return NOT_RUN
    except OSError as error:  # all others are caught where they arise
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.stderr.write(f"onetar: standard output: {error.strerror or error}; not everything was printed\n")
        return NOT_RUN
    return code


if __name__ == "__main__":
    sys.exit(main())
