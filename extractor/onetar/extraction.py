"""An extraction: one archive pushed through decompression, parser, policy and writer, and what became of it.

It reads nothing itself. `drivers` feeds it, from a file, an iterable or an asynchronous stream.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from types import TracebackType
from typing import TypedDict

from .compression import START, Compressed, Plain, opened, resembles
from .errors import ArgumentError, FormatError, RefusedError, TarError
from .events import ArchiveEnd, Data, Kind, Member, Need
from .fast_path import Express
from .layout import BLOCK
from .limits import Limits
from .parser import Parser
from .policy import POLICIES, Decision, Policy
from .report import INCOMPLETE, Note, Progress, Report
from .selection import Selection
from .store.rows import CHUNK, Row
from .writer import Writer


class Options(TypedDict, total=False):
    """What every way of extracting takes, as keyword arguments. `Extraction` says what each means."""

    policy: str
    limits: Limits | None
    only: Iterable[bytes | str] | None
    strip_components: int
    existing: str
    permissions: bool
    mtime: bool
    owner: bool
    xattrs: str
    keep_partial: bool | None
    progress: Progress | None
    report: Report | None


class Extraction:
    """One archive on its way to one destination. Feed it, finish it, and use it as a context manager.

    `dest`           descriptor of a directory, the caller's; None: nothing is written, and the report says what
                     would be.
    `policy`         `strict` (one meaning only) or `compat`.
    `limits`         what the archive may use.
    `only`           names; members that are none of them and lie below none are skipped.
    `strip_components`  leading components taken off names and hard link targets before they are judged.
    `existing`       `replace`, `keep` or `refuse`: what happens to a file or link in a member's place.
    `permissions`    whether modes are the archive's (never more than 0755) or 0666 and 0777; less the umask.
    `mtime`          whether times are the archive's.
    `owner`          whether owners are, by number. What the system does not allow is a `changed` row.
    `xattrs`         `user` (the attributes of the user namespace), `all`, or `none`.
    `keep_partial`   whether what was made stays when the archive is bad; None: no for strict, yes for compat.
    `progress`       called with each row when its member is complete.
    `report`         a Report to fill. Whatever ends the extraction, it says what had been done.

    Raises ArgumentError for an argument.
    """

    def __init__(
        self,
        dest: int | None,
        *,
        policy: str = "compat",
        limits: Limits | None = None,
        only: Iterable[bytes | str] | None = None,
        strip_components: int = 0,
        existing: str = "replace",
        permissions: bool = True,
        mtime: bool = True,
        owner: bool = False,
        xattrs: str = "user",
        keep_partial: bool | None = None,
        progress: Progress | None = None,
        report: Report | None = None,
    ) -> None:
        limits = limits or Limits()
        if policy not in POLICIES:
            raise ArgumentError(f"policy is one of {', '.join(sorted(POLICIES))}, not {policy!r}")
        self._limits = limits
        self._policy: Policy = POLICIES[policy](limits, Selection(only, strip_components))
        self._keep_partial = self._policy.name != "strict" if keep_partial is None else keep_partial
        self._parser = Parser(limits)
        self._dry = dest is None
        self._writer = Writer(
            -1 if dest is None else dest,
            self._policy.names,
            existing=existing,
            times=mtime,
            modes=permissions,
            owner=owner,
            xattrs=xattrs,
        )
        self._progress = progress
        self._input: Plain | Compressed | None = None
        self._start = b""
        self._resembled = ""
        self._member: Member | None = None
        self._row: Row | None = None
        """The row of a member whose body is not complete yet."""
        self._writing = False
        self._ended: ArchiveEnd | None = None
        self._rest_is_zero = True
        self.report = Report() if report is None else report
        self._first = len(self.report.members)
        self.report.policy = self._policy.name
        self._express: Express | None = None
        if not (owner or self._policy.selection.active) and Express.able(limits):
            writer = None if self._dry else self._writer
            self._express = Express(self._policy, writer, self.report, progress)

    # -- input -----------------------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """The next bytes as they arrived, compressed or not; none: nothing has. Raises TarError, OSError."""
        if self._input is None:
            self._start += data
            if len(self._start) < START:
                return
            self._open()
            return
        for piece in self._input.feed(data):
            self._plain(piece)

    def _open(self) -> None:
        self._input = opened(self._start, self._limits)
        self.report.compression = self._input.name
        self._resembled = resembles(self._start)
        self._policy.stream(self._input.name, self._resembled, self._input.oddity)
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
        for piece in self._input.finish():
            self._plain(piece)
        if not self.report.archive_bytes:
            raise FormatError("archive.empty", 0, "there is not a single byte of archive")
        if self._ended is None:
            self._parser.feed(b"")
            self._events()
        assert self._ended is not None
        rows = self.report.members
        if rows:
            rows[-1].stop = min(rows[-1].stop, self.report.archive_bytes)  # the last padding may be missing
        stop = rows[-1].stop if rows else 0
        odd = self._policy.finish(self._ended, self._rest_is_zero, stop)
        self._policy.stream(self._input.name, self._resembled, self._input.oddity)
        self.report.notes += [Note(*one) for one in odd]
        if not self._dry:
            self._writer.finish()
            self.report.notes += self._writer.notes
        self.report.end = stop
        return self.report

    # -- events ----------------------------------------------------------------------------------------------------

    def _events(self) -> None:
        parser, express = self._parser, self._express
        next_event = parser.next_event
        while True:
            while express is not None and (place := parser.between()) is not None:
                buffer, at, base, most = place
                at, members = express.run(buffer, at, base, most)
                parser.passed(at, members)
                if members < CHUNK:
                    break
            event = next_event()
            if event is Need.DATA:
                return
            if isinstance(event, Data):
                self._data(event)
            elif isinstance(event, Member):
                self._begin(event)
            else:
                assert isinstance(event, ArchiveEnd)
                self._ended = event
                self._rest_is_zero = not self._parser.rest().strip(b"\0")
                return

    def _data(self, event: Data) -> None:
        if self._writing:
            self._writer.data(event.data)
            self.report.body_bytes += len(event.data)
            if event.last:
                self._writer.finish_file()
                self._writing = False
        if event.last:
            assert self._row is not None
            stop = event.offset + len(event.data)
            self._row.stop = stop + -stop % BLOCK
            self._complete()

    def _begin(self, member: Member) -> None:
        self._member = member
        decision = self._policy.decide(member)
        code, detail = decision.code, decision.detail
        outcome = "skipped"
        if decision.action == "write":
            if self._dry:
                outcome = "listed"
            elif self._writer.write(decision, member):
                code, detail = self._changed(code, detail)
                outcome = "changed" if code else "written"
                self._writing = decision.kind is Kind.FILE and member.size > 0
            else:
                code, detail = "path.kept", "something was in its place, and is kept"
        self._add(member, decision, outcome, code, detail)

    def _changed(self, code: str, detail: str) -> tuple[str, str]:
        """What the policy and then the writer changed: the first code, and every detail."""
        changes, self._writer.changes = self._writer.changes, []
        for other, words in changes:
            detail = f"{detail}; {other}: {words}" if code else words
            code = code or other
        return code, detail

    def _add(self, member: Member, decision: Decision, outcome: str, code: str, detail: str) -> None:
        path = decision.path if outcome in ("written", "changed") else member.path
        self._row = Row(path, decision.kind.value, member.length, member.offset, outcome, code, detail)
        self._row.stop = self._parser.offset
        self.report.members.append(self._row)
        if not member.size:
            self._complete()

    def _complete(self) -> None:
        row, self._row = self._row, None
        if self._progress is not None and row is not None:
            self._progress(row)

    # -- the other ends --------------------------------------------------------------------------------------------

    def failed(self, error: BaseException) -> None:
        """Something went wrong: close what is open, take back what was made unless it is to be kept.

        Rows of what was taken back become `undone`, that of a body which did not come to its end `partial`.
        """
        report, writer = self.report, self._writer
        if self._row is not None and self._row.outcome in ("written", "changed", "listed"):
            self._row.outcome = "partial"
            self._row.code, self._row.detail = INCOMPLETE
        if isinstance(error, TarError):
            member = self._member
            if isinstance(error, RefusedError) and member is not None and error.member is not None:
                row = Row(
                    member.path,
                    member.kind.value,
                    member.length,
                    member.offset,
                    "refused",
                    error.code,
                    error.detail,
                )
                row.stop = member.header_offset + BLOCK
                report.members.append(row)
            error.report = report
        writer.close()
        report.notes += writer.notes
        report.notes += [
            Note("path.replaced", f"{ascii(path)[1:]} held something before, which is gone")
            for path in writer.replaced
        ]
        if self._keep_partial:
            if writer.made:
                words = f"{writer.made} paths were made before the error and are kept"
                report.notes.append(Note("partial.kept", words))
            return
        made = ("written", "changed", "partial")
        files = (
            row.path
            for row in islice(report.members, self._first, None)
            if row.outcome in made and row.kind != "dir"
        )
        left = frozenset(writer.abort(files))
        report.notes += [
            Note("partial.left", f"{ascii(path)[1:]} could not be taken back") for path in sorted(left)
        ]

        def undo(row: Row) -> None:
            if row.outcome in made and row.path not in left:
                row.outcome = "undone"

        report.members.change(undo)

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
