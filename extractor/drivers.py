"""Drivers: read a source, push it through decompression, parser, policy and writer, and report.

`Extraction` is all of that without the reading; `extract`, `extract_async` and `members` differ only in who reads.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import AsyncIterable, Callable, Iterable, Iterator
from types import TracebackType
from typing import IO, TypeAlias

from .compression import LONGEST_MAGIC, Compressed, Plain, opened
from .errors import FormatError, RefusedError, TarError
from .events import ArchiveEnd, Data, Kind, Member, Need
from .limits import Limits
from .parser import Parser
from .policy import POLICIES, Decision, Policy
from .report import Report, Row
from .writer import Writer

Source: TypeAlias = str | os.PathLike[str] | IO[bytes] | Iterable[bytes]
"""A path, a binary file or pipe (it needs `read`, nothing else), or the archive's bytes in pieces of any size."""

CHUNK = 1 << 18
"""Bytes that are read at a time."""

Progress: TypeAlias = Callable[[Row], object]


class Extraction:
    """One archive on its way to one destination. Feed it, finish it, or abort it."""

    def __init__(
        self,
        dest: int,
        *,
        policy: str = "compat",
        limits: Limits | None = None,
        existing: str = "replace",
        permissions: bool = True,
        mtime: bool = True,
        keep_partial: bool | None = None,
        progress: Progress | None = None,
    ) -> None:
        limits = limits or Limits()
        self._limits = limits
        self._policy = _policy(policy, limits)
        self._keep_partial = self._policy.name != "strict" if keep_partial is None else keep_partial
        self._parser = Parser(limits)
        self._writer = Writer(dest, existing=existing, times=mtime, modes=permissions)
        self._progress = progress
        self._input: Plain | Compressed | None = None
        self._start = b""
        self._member: Member | None = None
        self._writing = False
        self._ended: ArchiveEnd | None = None
        self._rest_is_zero = True
        self.report = Report(policy=self._policy.name)

    # -- input -----------------------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """The next bytes as they arrived, compressed or not. Raises TarError, OSError."""
        if self._input is None:
            self._start += data
            if len(self._start) < LONGEST_MAGIC:
                return
            self._open()
            return
        for piece in self._input.feed(data):
            self._plain(piece)

    def _open(self) -> None:
        self._input = opened(self._start, self._limits)
        self.report.compression = self._input.name
        data, self._start = self._start, b""
        for piece in self._input.feed(data):
            self._plain(piece)

    def _plain(self, piece: bytes) -> None:
        self.report.archive_bytes += len(piece)
        if self._ended is not None:
            self._rest_is_zero = self._rest_is_zero and not piece.strip(b"\0")
            return
        self._parser.feed(piece)
        self._events()

    def finish(self) -> Report:
        """The input has ended: the verdict on the whole, and the directories' modes and times."""
        if self._input is None:
            self._open()
        assert self._input is not None
        self._input.finish()
        if not self.report.archive_bytes:
            raise FormatError("archive.empty", 0, "there is not a single byte of archive")
        if self._ended is None:
            self._parser.feed(b"")
            self._events()
        assert self._ended is not None
        self._policy.finish(self._ended, self._rest_is_zero)
        if self._policy.name == "strict" and self._input.members > 1:
            raise RefusedError("strict.end", 0, f"{self._input.members} {self._input.name} streams in one file")
        self._writer.finish()
        self.report.notes += self._writer.notes
        return self.report

    # -- events ----------------------------------------------------------------------------------------------------

    def _events(self) -> None:
        next_event = self._parser.next_event
        while True:
            event = next_event()
            if event is Need.DATA:
                return
            if isinstance(event, Data):
                if self._writing:
                    self._writer.data(event.data)
                    self.report.body_bytes += len(event.data)
                    if event.last:
                        self._writer.finish_file()
                        self._writing = False
            elif isinstance(event, Member):
                self._begin(event)
            else:
                assert isinstance(event, ArchiveEnd)
                self._ended = event
                self._rest_is_zero = not self._parser.rest().strip(b"\0")
                return

    def _begin(self, member: Member) -> None:
        self._member = member
        decision = self._policy.decide(member)
        outcome = "skipped"
        code, detail = decision.code, decision.detail
        if decision.action == "write":
            if self._writer.write(decision, member):
                outcome = "changed" if code else "written"
                self._writing = decision.kind is Kind.FILE and member.size > 0
            else:
                code, detail = "path.kept", "something was in its place, and is kept"
        self._row(member, decision, outcome, code, detail)

    def _row(self, member: Member, decision: Decision, outcome: str, code: str, detail: str) -> None:
        path = decision.path if outcome in ("written", "changed") else member.path
        row = Row(path, decision.kind.value, member.size, member.offset, outcome, code, detail)
        self.report.members.append(row)
        if self._progress is not None:
            self._progress(row)

    # -- the other ends --------------------------------------------------------------------------------------------

    def failed(self, error: BaseException) -> None:
        """Something went wrong: close what is open, take back what was made unless it is to be kept."""
        if isinstance(error, TarError):
            member = self._member
            if isinstance(error, RefusedError) and member is not None and error.member is not None:
                row = Row(
                    member.path, member.kind.value, member.size, member.offset, "refused", error.code, error.detail
                )
                self.report.members.append(row)
            error.report = self.report
        self.report.notes += self._writer.notes
        if self._keep_partial:
            if self._writer.made:
                self.report.notes.append(f"{len(self._writer.made)} paths were made before the error and are kept")
        else:
            self._writer.close()
            left = self._writer.abort()
            self.report.notes += [f"{ascii(path)[1:]} could not be taken back" for path in left]

    def close(self) -> None:
        """Give every descriptor back."""
        self._writer.close()

    def __enter__(self) -> Extraction:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.failed(error)
        self.close()


def _policy(name: str, limits: Limits) -> Policy:
    if name not in POLICIES:
        raise ValueError(f"policy is one of {', '.join(sorted(POLICIES))}, not {name!r}")
    return POLICIES[name](limits)


@contextlib.contextmanager
def _destination(dest: str | os.PathLike[str] | int) -> Iterator[int]:
    """A descriptor of the destination, which is made when it is missing. A descriptor given stays the caller's."""
    if isinstance(dest, int):
        yield dest
        return
    with contextlib.suppress(FileExistsError):
        os.mkdir(dest)
    fd = os.open(dest, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def _chunks(source: Source) -> Iterator[Iterator[bytes]]:
    """The bytes of a source, piece by piece, none of them empty."""
    if isinstance(source, str | os.PathLike):
        with open(source, "rb", buffering=0) as file:
            yield _read(file)
    elif isinstance(source, bytes | bytearray | memoryview):
        yield iter((bytes(source),))
    elif hasattr(source, "read"):
        yield _read(source)  # type: ignore[arg-type]  # it has read(): a file
    else:
        yield (piece for piece in source if piece)


def _read(file: IO[bytes] | io.RawIOBase) -> Iterator[bytes]:
    while piece := file.read(CHUNK):
        yield piece


def extract(
    source: Source,
    dest: str | os.PathLike[str] | int,
    *,
    policy: str = "compat",
    limits: Limits | None = None,
    existing: str = "replace",
    permissions: bool = True,
    mtime: bool = True,
    keep_partial: bool | None = None,
    progress: Progress | None = None,
) -> Report:
    """Extract an archive below `dest` (a path, made when missing, or a directory descriptor).

    `policy` is `strict` (one meaning only) or `compat`. `existing` is `replace`, `keep` or `refuse`: what happens
    to files and links in a member's place. `permissions` and `mtime`: whether the archive's are set; the umask is
    honoured. `keep_partial`: whether what was made stays when the archive is refused; the default is no for
    strict, yes for compat. `progress` is called with each Row.

    Raises TarError for a bad archive (its `report` says what had been done), OSError for the destination,
    ValueError for an argument. Never writes outside `dest`, and never follows a link there.
    """
    with (
        _chunks(source) as chunks,
        _destination(dest) as fd,
        Extraction(
            fd,
            policy=policy,
            limits=limits,
            existing=existing,
            permissions=permissions,
            mtime=mtime,
            keep_partial=keep_partial,
            progress=progress,
        ) as extraction,
    ):
        for chunk in chunks:
            extraction.feed(chunk)
        return extraction.finish()


async def extract_async(
    source: AsyncIterable[bytes],
    dest: str | os.PathLike[str] | int,
    *,
    policy: str = "compat",
    limits: Limits | None = None,
    existing: str = "replace",
    permissions: bool = True,
    mtime: bool = True,
    keep_partial: bool | None = None,
    progress: Progress | None = None,
) -> Report:
    """The same as `extract` for an asynchronous source, under any event loop. Writing blocks, as files do."""
    with (
        _destination(dest) as fd,
        Extraction(
            fd,
            policy=policy,
            limits=limits,
            existing=existing,
            permissions=permissions,
            mtime=mtime,
            keep_partial=keep_partial,
            progress=progress,
        ) as extraction,
    ):
        async for chunk in source:
            if chunk:
                extraction.feed(chunk)
        return extraction.finish()


def members(source: Source, *, limits: Limits | None = None) -> Iterator[Member]:
    """The members of an archive, in order, without writing anything. Raises TarError.

    Bodies are read over. Paths are as stored; no policy is asked.
    """
    limits = limits or Limits()
    parser = Parser(limits)
    with _chunks(source) as chunks:
        start, unpacker = b"", None
        for chunk in chunks:
            start += chunk
            if unpacker is None:
                if len(start) < LONGEST_MAGIC:
                    continue
                unpacker = opened(start, limits)
            fed, start = start, b""
            for piece in unpacker.feed(fed):
                parser.feed(piece)
                yield from _listed(parser)
                if isinstance(parser.next_event(), ArchiveEnd):
                    return
        if unpacker is None:
            unpacker = opened(start, limits)
            for piece in unpacker.feed(start):
                parser.feed(piece)
                yield from _listed(parser)
        unpacker.finish()
    parser.feed(b"")
    yield from _listed(parser)


def _listed(parser: Parser) -> Iterator[Member]:
    while True:
        event = parser.next_event()
        if isinstance(event, Member):
            yield event
        elif not isinstance(event, Data):
            return
