"""The parser: bytes in, events out, no input or output of its own.

`feed` takes whatever has arrived, `next_event` gives what can be known by now. The result never depends on where
the input was cut: a header or an extension is looked at only when all of it is there, and what is there of a body
is handed on at once. Nothing is buffered but the rest of a block, and one extension at a time (`Limits.extension`).

What it reads: v7, ustar, pax (x, g, Solaris X), GNU L and K, base-256, star, sparse files. What members mean
together is not its business; what one may do is the policy's.
"""

from __future__ import annotations

from .errors import FormatError, LimitError
from .events import ArchiveEnd, Data, Event, Extension, Kind, Member, Need
from .layout import (
    BLOCK,
    OFFSETS,
    USTAR,
    ZERO,
    Header,
    NumberError,
    checksum,
    dialect,
    number,
    signed_checksum,
    text,
    unpack,
)
from .limits import Limits
from .pax import integer, records, timestamp_ns
from .sparse import KEYS, MapReader

_KINDS = {
    b"0": Kind.FILE,
    b"\0": Kind.FILE,
    b"7": Kind.FILE,
    b"1": Kind.HARDLINK,
    b"2": Kind.SYMLINK,
    b"3": Kind.CHAR,
    b"4": Kind.BLOCK,
    b"5": Kind.DIR,
    b"6": Kind.FIFO,
    b"S": Kind.SPARSE,
    b"V": Kind.OTHER,
    b"M": Kind.OTHER,
    b"N": Kind.OTHER,
    b"D": Kind.OTHER,
}

_EXTENSIONS = frozenset((b"x", b"g", b"X", b"L", b"K"))

_NO_MATTER = frozenset((b"comment",))
"""Keys of global headers that mean nothing to any member."""

_LATEST = (1 << 40) * 10**9
"""Nanoseconds: beyond 36,812 AD no two file systems agree on what a time becomes."""


class Parser:
    """A tar archive, block by block.

    >>> parser = Parser()
    >>> parser.feed(archive)
    >>> parser.feed(b"")                    # the input has ended
    >>> while not isinstance(event := parser.next_event(), ArchiveEnd): ...

    Raises FormatError and LimitError from `next_event`; after one of them it must not be used any more.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._buffer = b""
        self._waiting: list[bytes] = []  # what has come of an extension that is not whole yet
        self._waiting_bytes = 0
        self._wanted = 0  # bytes from the current place without which nothing can be told
        self._at = 0  # in the buffer
        self._base = 0  # archive offset of the buffer's first byte
        self._closed = False
        self._body = 0  # bytes of the current body that are still to come
        self._padding = 0  # bytes behind it, up to the next block
        self._globals: dict[bytes, bytes] = {}
        self._global_extensions: tuple[Extension, ...] = ()
        self._pending: list[Extension] = []
        self._first = -1  # offset of the first pending extension
        self._members = 0
        self._held: Member | None = None  # a sparse file whose map is not complete
        self._map: MapReader | None = None
        self._pending_bytes = 0
        self._global_bytes = 0
        self._end: ArchiveEnd | None = None

    @property
    def offset(self) -> int:
        """Bytes of the archive that events have accounted for."""
        return self._base + self._at

    def feed(self, data: bytes) -> None:
        """More of the archive; empty: there is no more. Feed only after `next_event` gave `Need.DATA`, or first."""
        if data:
            there = len(self._buffer) - self._at + self._waiting_bytes + len(data)
            if there < self._wanted or self._waiting:
                # Joined once, when all of it is there: a long name may come byte by byte.
                self._waiting.append(data)
                self._waiting_bytes += len(data)
                if there < self._wanted:
                    return
                data = b"".join(self._waiting)
        else:
            self._closed = True
            data = b"".join(self._waiting)
        self._waiting, self._waiting_bytes, self._wanted = [], 0, 0
        if data:
            rest = self._buffer[self._at :]
            self._base += self._at
            self._buffer = rest + data if rest else data
            self._at = 0

    def next_event(self) -> Event:
        """The next member, piece of a body or end; `Need.DATA` when that cannot be told yet."""
        if self._end is not None:
            return self._end
        if self._wanted:
            return Need.DATA
        while True:
            if self._body:
                return self._piece()
            if self._padding:
                available = min(self._padding, len(self._buffer) - self._at)
                self._at += available
                self._padding -= available
                if self._padding:
                    if not self._closed:
                        return Need.DATA
                    self._padding = 0  # the last padding may be missing: every extractor reads such an archive
            event = self._block() if self._held is None else self._map_block(self._held)
            if event is not None:
                return event

    def _piece(self) -> Event:
        available = min(self._body, len(self._buffer) - self._at)
        if not available:
            if self._closed:
                raise FormatError(
                    "archive.truncated", self.offset, f"the archive ends {self._body} bytes before a body does"
                )
            return Need.DATA
        start = self._at
        self._at += available
        self._body -= available
        data = memoryview(self._buffer)[start : start + available]
        return Data(data, self._base + start, not self._body)

    def _block(self) -> Event | None:
        """Look at the block at the current place; None when it was an extension and there may be more to say."""
        buffer, at = self._buffer, self._at
        if len(buffer) - at < BLOCK:
            return self._short()
        if buffer.startswith(ZERO, at):
            return self._zeros()
        header = unpack(buffer, at)
        self._check_sum(header)
        if header.typeflag in _EXTENSIONS:
            return self._extension(header)
        self._at = at + BLOCK
        return self._member(header, self._base + at)

    def _short(self) -> Event:
        """Less than a block is left."""
        if not self._closed:
            return Need.DATA
        left = len(self._buffer) - self._at
        if left:
            raise FormatError("archive.truncated", self.offset, f"the archive ends with {left} bytes of a block")
        return self._finish(0)

    def _zeros(self) -> Event:
        """A zero block. Two of them end the archive, one does where nothing follows."""
        if len(self._buffer) - self._at < 2 * BLOCK and not self._closed:
            return Need.DATA
        blocks = 2 if self._buffer.startswith(ZERO, self._at + BLOCK) else 1
        rest = len(self._buffer) - self._at - BLOCK
        if blocks == 1 and rest:
            raise FormatError("archive.lone-zero-block", self.offset, "one zero block, and something behind it")
        return self._finish(blocks)

    def _finish(self, blocks: int) -> Event:
        self._end = ArchiveEnd(self.offset, blocks, tuple(self._pending), self._global_extensions)
        self._at += blocks * BLOCK
        return self._end

    def between(self) -> tuple[bytes, int, int, int] | None:
        """The buffer, where in it a member begins that nothing seen before bears upon, and the buffer's offset.

        And how many members there may still be. None: a body, an extension or a global header is in force, or the
        archive has ended.
        """
        if (
            self._body
            or self._first >= 0
            or self._held is not None
            or self._wanted
            or self._waiting
            or self._end is not None
            or self._padding > len(self._buffer) - self._at
            or not self._globals.keys() <= _NO_MATTER
        ):
            return None
        self._at += self._padding
        self._padding = 0
        return self._buffer, self._at, self._base, self._limits.members - self._members

    def passed(self, at: int, members: int) -> None:
        """Whoever asked `between` has read so many members by itself, up to `at` in the buffer."""
        self._at = at
        self._members += members

    def rest(self) -> bytes:
        """What has been fed and lies behind the end. Only after ArchiveEnd."""
        return self._buffer[self._at :]

    def _check_sum(self, header: Header) -> None:
        if not header.chksum.strip(b" \0"):
            raise FormatError("header.checksum", self.offset + 148, "the field is blank", "chksum")
        try:
            stated = number(header.chksum)
        except NumberError as error:
            raise FormatError("header.checksum", self.offset + 148, str(error), "chksum") from None
        total = checksum(self._buffer, self._at)
        if stated != total and stated != signed_checksum(self._buffer, self._at):
            detail = f"the header says {stated:#o}, its bytes add up to {total:#o}"
            raise FormatError("header.checksum", self.offset + 148, detail, "chksum")

    def _number(self, field: bytes, name: str, offset: int) -> int:
        try:
            return number(field)
        except NumberError as error:
            raise FormatError("header.number", offset + OFFSETS[name], str(error), name) from None

    def _size(self, header: Header, offset: int) -> int:
        size = self._number(header.size, "size", offset)
        if size < 0:
            raise FormatError("header.size", offset + OFFSETS["size"], f"a size of {size} bytes", "size")
        return size

    # -- extensions ------------------------------------------------------------------------------------------------

    def _extension(self, header: Header) -> Event | None:
        offset = self.offset
        size = self._size(header, offset)
        together = size + (self._global_bytes if header.typeflag == b"g" else self._pending_bytes)
        most = self._limits.globals if header.typeflag == b"g" else self._limits.extension
        if together > most:
            detail = f"extensions of {together} bytes, and {most} are allowed"
            raise LimitError("limit.extension", offset + OFFSETS["size"], detail, "size")
        whole = BLOCK + size + -size % BLOCK
        there = len(self._buffer) - self._at
        if there < whole:
            if not self._closed:
                self._wanted = whole
                return Need.DATA
            if there < BLOCK + size:
                raise FormatError(
                    "archive.truncated", self._base + len(self._buffer), "the archive ends in an extension"
                )
            whole = there
        start = self._at + BLOCK
        body = bytes(self._buffer[start : start + size])
        self._at += whole
        extension = Extension(header.typeflag, header, body, offset, dialect(header))
        if header.typeflag == b"g":
            for key, value in records(body, offset + BLOCK):
                if value:
                    self._globals[key] = value
                else:
                    self._globals.pop(key, None)
            self._global_extensions += (extension,)
            self._global_bytes = together
            if len(self._global_extensions) > 64:
                raise LimitError("limit.globals", offset, "more than 64 global extended headers")
        else:
            if len(self._pending) >= 16:
                raise LimitError("limit.extensions", offset, "more than 16 extensions before one member")
            self._pending.append(extension)
            self._pending_bytes = together
        if self._first < 0:
            self._first = offset
        return None

    # -- members ---------------------------------------------------------------------------------------------------

    def _member(self, header: Header, offset: int) -> Member | None:
        self._members += 1
        if self._members > self._limits.members:
            raise LimitError("limit.members", offset, f"more than {self._limits.members} members")
        layout = dialect(header)
        path = text(header.name)
        if layout == USTAR and header.prefix[0]:
            path = text(header.prefix) + b"/" + path
        size = self._size(header, offset)
        member = Member(
            path,
            _KINDS.get(header.typeflag, Kind.FILE),
            size,
            text(header.linkname),
            self._number(header.mode, "mode", offset) & 0o7777,
            self._number(header.mtime, "mtime", offset) * 10**9,
            offset if self._first < 0 else self._first,
            offset,
            header,
            layout,
        )
        member.number = self._members
        if self._pending or self._globals:
            self._apply(member)
        if abs(member.mtime_ns) > _LATEST:
            detail = f"a time of {member.mtime_ns // 10**9} seconds"
            raise FormatError("header.mtime", offset + OFFSETS["mtime"], detail, "mtime", member.path)
        if max(len(member.path), len(member.linkname)) > self._limits.path:
            raise LimitError("limit.path", offset, f"a path of more than {self._limits.path} bytes")
        if member.kind is Kind.FILE and member.path.endswith(b"/") and not member.size:
            member.kind = Kind.DIR  # v7 had no type for directories: the slash was all there was
        self._pending = []
        self._pending_bytes = 0
        self._first = -1
        if member.kind is Kind.SPARSE:
            self._held, self._map = member, self._begin_map(member)
            return None if self._map.wants_block else self._mapped(member)
        return self._begin_body(member)

    def _begin_body(self, member: Member) -> Member:
        self._body = member.size
        self._padding = -member.size % BLOCK
        return member

    def _begin_map(self, member: Member) -> MapReader:
        reader = MapReader(member.path, member.header_offset, self._limits)
        if member.header.typeflag == b"S":
            reader.old(member.header.prefix, member.dialect)
            return reader
        if member.header.typeflag not in b"0\0":
            words = "a sparse map of what is no file"
            raise FormatError("sparse.version", member.header_offset, words, "typeflag", member.path)
        own = [
            record
            for one in member.extensions
            if one.typeflag in (b"x", b"X")
            for record in records(one.body, one.offset + BLOCK)
        ]
        reader.pax(own)
        return reader

    def _map_block(self, member: Member) -> Event | None:
        """The next block of a sparse map; None: there are more."""
        assert self._map is not None
        block = self._buffer[self._at : self._at + BLOCK]
        if len(block) < BLOCK:
            if not self._closed:
                return Need.DATA
            raise FormatError(
                "archive.truncated", self._base + len(self._buffer), "the archive ends in a sparse map"
            )
        if self._map.in_body:
            if member.size < BLOCK:
                words = "a sparse map that is longer than its member"
                raise FormatError("sparse.map", self.offset, words, "sparse", member.path)
            member.size -= BLOCK
        self._map.block(block)
        self._at += BLOCK
        member.map_size += BLOCK
        return None if self._map.wants_block else self._mapped(member)

    def _mapped(self, member: Member) -> Member:
        assert self._map is not None
        self._map.map.check(member.size, member.header_offset, member.path)
        member.sparse, self._held, self._map = self._map.map, None, None
        return self._begin_body(member)

    def _apply(self, member: Member) -> None:
        pax = dict(self._globals)
        carried: dict[str, bytes] = {}
        for extension in self._pending:
            if extension.typeflag in (b"x", b"X"):
                for key, value in records(extension.body, extension.offset + BLOCK):
                    if value:
                        pax[key] = value
                    else:
                        pax.pop(key, None)
                continue
            carried["path" if extension.typeflag == b"L" else "linkpath"] = text(extension.body)
        member.pax = pax
        member.extensions = tuple(self._pending)
        if "path" in carried:
            member.path = carried["path"]
        if "linkpath" in carried:
            member.linkname = carried["linkpath"]
        if b"path" in pax:
            self._agree(carried.get("path"), pax[b"path"], "path", member)
            member.path = pax[b"path"]
        if b"linkpath" in pax:
            self._agree(carried.get("linkpath"), pax[b"linkpath"], "linkpath", member)
            member.linkname = pax[b"linkpath"]
        if b"size" in pax:
            member.size = integer(pax[b"size"], b"size", member.offset)
        if b"mtime" in pax:
            member.mtime_ns = timestamp_ns(pax[b"mtime"], b"mtime", member.offset)
        if any(key.startswith(KEYS) for key in pax):
            member.kind = Kind.SPARSE
            member.path = pax.get(KEYS + b"name", member.path)
        if b"\0" in member.path or b"\0" in member.linkname:
            raise FormatError("pax.nul", member.offset, "a NUL inside a path", "path", member.path)

    def _agree(self, gnu: bytes | None, pax: bytes, field: str, member: Member) -> None:
        if gnu is not None and gnu != pax:
            raise FormatError(
                "extension.carriers-disagree",
                member.offset,
                f"a GNU long name says {gnu[:60]!r}, a pax record {pax[:60]!r}",
                field,
                member.path,
            )
