"""Inspecting an archive: every field with its offset, raw bytes, meaning, and what is odd about it.

Oddities are a table (`ODDITIES`) of codes with words; each is found by a small function over a part and its place.
A field that is as everybody writes it has nothing to say and is left out unless asked for.
"""

from __future__ import annotations

import datetime
import functools
from collections.abc import Iterable, Iterator

import msgspec
from rich.text import Text as Line

from . import wire
from .decode import RECORDS, scan
from .encode import Located, body_fields, field_value, record_bytes
from .recipe import BLOCK, TYPEFLAGS, End, Header, HeaderPart, Long, Member, Pax, Raw
from .stored import Archive, Window, readable
from .text import escape

ODDITIES: dict[str, str] = {
    "checksum.wrong": "the stated sum is not the sum of the bytes",
    "checksum.signed": "the sum of signed bytes: some readers refuse it",
    "checksum.form": "right, but not written as six digits, NUL, space",
    "number.form": "a number that is not zero-padded octal and a NUL",
    "number.base256": "base-256: a GNU extension",
    "number.negative": "a negative number",
    "number.none": "no number at all",
    "text.behind-nul": "bytes behind the first NUL: most readers do not see them",
    "text.full": "the field is full, with no NUL behind it",
    "name.absolute": "an absolute name",
    "name.climbs": "a name with a .. component",
    "name.control": "control characters in a name",
    "name.not-utf8": "a name that is not UTF-8",
    "name.empty": "no name",
    "dir.no-slash": "a directory whose name has no slash at the end",
    "file.slash": "a slash at the end of the name of what is no directory",
    "size.without-body": "a size on a member that has no body for most readers",
    "size.not-the-body": "a size that is not the length of what follows",
    "typeflag.unknown": "a typeflag that no document defines",
    "typeflag.nul": "a NUL typeflag: a file, in v7's way",
    "link.unexpected": "a link name on a member that is no link",
    "link.empty": "a link without a target",
    "link.absolute": "a link to an absolute path",
    "link.climbs": "a link whose target has a .. component",
    "mode.special": "set-id or sticky bits on a file",
    "mode.type": "file type bits inside the mode",
    "magic.unknown": "a magic that is neither ustar, GNU nor empty",
    "pax.length": "a record whose stated length is wrong",
    "pax.twice": "a key that came before in the same header",
    "pax.empty": "an empty value: it deletes the key",
    "pax.nul": "a NUL inside a value",
    "pax.newline": "a newline inside a value",
    "pax.no-records": "bytes that are no records",
    "pax.path-and-header": "a name that replaces the header's, and is not its continuation",
    "long.not-terminated": "a long name without exactly one NUL at its end",
    "extension.dangling": "an extension that no member follows",
    "extension.stacked": "a second extension of its kind before one member",
    "padding.not-zero": "padding that is not zeros",
    "padding.length": "padding that does not end on a block",
    "field.unused": "bytes where the format has none",
    "end.middle": "zero blocks, and more behind them",
    "end.missing": "less than two zero blocks at the end",
    "raw": "bytes that are no header",
}
"""Every code that a row can carry, in words."""

_KNOWN_TYPES = frozenset(TYPEFLAGS.values()) | {b"\0", b"V", b"M", b"N", b"D", b"A", b"E", b"I"}
_BODILESS = ("dir", "symlink", "hardlink", "char", "block", "fifo")


HELD = 8192
"""Bytes of a field that a row holds, and that are told in its meaning; a name of PATH_MAX is shorter."""


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """One field of an archive: where it is, what it holds, what that means, what is odd about it (codes)."""

    offset: int
    length: int
    part: int
    """The number of its part; -1: the end of the archive."""
    field: str
    raw: bytes
    """The first bytes of the field: 64 of a body, HELD of anything else."""
    meaning: str = ""
    oddities: tuple[str, ...] = ()
    plain: bool = False
    """As everybody writes it: nothing to see."""


def _time(seconds: int) -> str:
    try:
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"{seconds} s, beyond any calendar"


def _path_oddities(path: bytes, prefix: str) -> Iterator[str]:
    if path.startswith(b"/"):
        yield f"{prefix}.absolute"
    if b".." in path.split(b"/"):
        yield f"{prefix}.climbs"


def _name_oddities(path: bytes) -> Iterator[str]:
    yield from _path_oddities(path, "name")
    if any(byte < 32 or byte == 127 for byte in path):
        yield "name.control"
    try:
        path.decode("utf-8")
    except UnicodeDecodeError:
        yield "name.not-utf8"


def _number(raw: bytes, name: str) -> tuple[str, list[str]]:
    value = wire.lenient_int(raw)
    odd = []
    if raw[0] & 0x80:
        odd.append("number.base256")
    elif value is None:
        odd.append("number.none")
    elif wire.canonical_int(raw) is None:
        odd.append("number.form")
    if value is None:
        return "empty" if not raw.strip(b"\0 ") else "no number", odd
    if value < 0:
        odd.append("number.negative")
    if name in ("mtime", "atime", "ctime"):
        return _time(value), odd
    if name == "mode":
        return f"{value:#o}", odd
    return str(value), odd


@functools.cache
def _fields(format_: str) -> dict[str, wire.Field]:
    return {field.name: field for field in wire.FORMATS[format_]}  # type: ignore[index]  # a part's own format


class _Inspection:
    """One archive."""

    def __init__(self, archive: Archive, data: bytes | Window) -> None:
        self.archive, self.data = archive, data
        self.pending: set[str] = set()
        """The kinds of the extensions that wait for a member."""
        self.name: bytes | None = None
        """The name that they give it: the last one."""
        self.header = b""
        """The header block of the part at hand."""

    def rows(self) -> Iterator[Row]:
        """A row for each field that has bytes, part by part."""
        last: Located | None = None
        for number, found in enumerate(scan(self.archive)):
            if last is not None:
                yield from self._part(number - 1, last)
            last = found
        if last is not None and not isinstance(last.part, End):
            yield from self._part(number, last)
        yield self._end(last)

    def _end(self, last: Located | None) -> Row:
        blocks, at = 0, len(self.archive)
        if last is not None and isinstance(last.part, End):
            blocks, at = last.part.blocks, last.start
        odd = ["end.missing"] if blocks < 2 else []
        if self.pending:
            odd.append("extension.dangling")
        meaning = f"end of archive: {blocks} zero blocks"
        return Row(at, len(self.archive) - at, -1, "blocks", b"", meaning, tuple(odd), not odd)

    def _part(self, number: int, found: Located) -> Iterator[Row]:
        part, at = found.part, found.start
        if isinstance(part, Raw):
            yield Row(at, found.size, number, "data", part.data, f"{found.size} bytes that are no header", ("raw",))
            return
        if isinstance(part, End):
            yield Row(at, found.size, number, "blocks", b"", f"{part.blocks} zero blocks", ("end.middle",))
            return
        self.header = self.data[at : at + BLOCK]
        kind: str = part.kind
        for field in wire.FORMATS[part.format]:
            raw = self.header[field.start : field.stop]
            meaning, odd, plain = self._say_header(part, kind, found, field, raw)
            yield Row(
                at + field.start, field.width, number, field.name, raw, meaning, tuple(odd), plain and not odd
            )
        at += BLOCK
        for name, size in body_fields(found, part):
            if not size:
                continue
            raw = self.data[at : at + min(size, 64 if name == "data" else HELD)]
            meaning, odd, plain = self._say_body(part, found, name, raw, size)
            yield Row(at, size, number, name, raw, meaning, tuple(odd), plain and not odd)
            at += size
        self._after(part)

    def _after(self, part: HeaderPart) -> None:
        if isinstance(part, Pax | Long):
            if part.kind != "pax-global":
                self.pending.add(part.kind)
                if isinstance(part, Long) and part.kind == "long-name":
                    self.name = part.text
                elif isinstance(part, Pax):
                    for record in part.records:
                        self.name = record.value if record.key == b"path" else self.name
        else:
            self.pending, self.name = set(), None

    def _say_header(
        self, part: HeaderPart, kind: str, found: Located, field: wire.Field, raw: bytes
    ) -> tuple[str, list[str], bool]:
        name = field.name
        plain = field_value(part, name) is None
        if name == "chksum":
            return self._say_checksum(raw)
        if name == "typeflag":
            odd = [] if raw in _KNOWN_TYPES else ["typeflag.unknown"]
            odd += ["typeflag.nul"] if raw == b"\0" else []
            odd += ["extension.stacked"] if kind in self.pending else []
            return kind, odd, False
        if field.kind == "number":
            return self._say_number(part, kind, found, name, raw, plain)
        if field.kind == "text":
            return self._say_text(part, kind, name, raw, plain)
        if name == "magic":
            known = raw in (b"ustar\0", b"ustar ") or not raw.strip(b"\0")
            return part.format, [] if known else ["magic.unknown"], plain
        return "", ["field.unused"] if raw.strip(b"\0") and not plain else [], plain

    def _say_checksum(self, raw: bytes) -> tuple[str, list[str], bool]:
        unsigned, signed = wire.sums(self.header)
        stated = wire.lenient_int(raw)
        if stated == unsigned:
            return "right", [] if raw == wire.checksum_form(unsigned) else ["checksum.form"], True
        odd = "checksum.signed" if stated == signed else "checksum.wrong"
        said = oct(stated) if stated is not None else "no number"
        if not raw.strip(b" \0"):
            said = "the field is blank"
        return f"{said}, the bytes add up to {unsigned:#o}", [odd], False

    def _say_number(
        self, part: Header, kind: str, found: Located, name: str, raw: bytes, plain: bool
    ) -> tuple[str, list[str], bool]:
        meaning, odd = _number(raw, name)
        empty_is_usual = not raw.strip(b"\0") and name not in ("size", "mode", "mtime")
        if empty_is_usual:
            odd = []
        value = wire.lenient_int(raw) or 0
        if name == "size" and isinstance(part, Member):
            if value and kind in _BODILESS:
                odd.append("size.without-body")
            if value != found.size:
                odd.append("size.not-the-body")
        if name == "mode" and value & 0o170000:
            odd.append("mode.type")
        if name == "mode" and kind == "file" and value & 0o7000:
            odd.append("mode.special")
        return meaning, odd, plain or empty_is_usual

    def _say_text(self, part: Header, kind: str, name: str, raw: bytes, plain: bool) -> tuple[str, list[str], bool]:
        text, nul, behind = raw.partition(b"\0")
        odd = ["text.behind-nul"] if behind.strip(b"\0") else []
        if not nul and name in ("name", "linkname"):
            odd.append("text.full")
        if isinstance(part, Member):
            if name == "name":
                odd += self._member_name(part, kind, text)
            elif name == "linkname" and kind in ("symlink", "hardlink"):
                odd += ["link.empty"] if not text and not self.pending else _path_oddities(text, "link")
            elif name == "linkname" and text:
                odd.append("link.unexpected")
        return escape(text), odd, plain and not text

    def _member_name(self, part: Member, kind: str, text: bytes) -> Iterator[str]:
        whole = (part.prefix + b"/" if part.prefix else b"") + text if self.name is None else self.name
        if not whole:
            yield "name.empty"
            return
        if kind == "dir" and not whole.endswith(b"/"):
            yield "dir.no-slash"
        if kind != "dir" and text.endswith(b"/"):
            yield "file.slash"
        yield from _name_oddities(text)
        if self.name is not None and not self.name.startswith(text.rstrip(b"/")[:50]):
            yield "pax.path-and-header"

    def _say_body(
        self, part: HeaderPart, found: Located, name: str, raw: bytes, size: int
    ) -> tuple[str, list[str], bool]:
        if name == "padding":
            odd = ["padding.not-zero"] if raw.strip(b"\0") else []
            whole = part.padding is None
            if not odd and not whole:
                odd = ["padding.length"]
            return f"{size} bytes of padding", odd, whole
        if name.startswith("records["):
            return self._say_record(part, name, raw)
        if isinstance(part, Pax):
            if found.size > RECORDS:
                return f"{size} bytes more, which are not read one by one", [], False
            return f"{size} bytes that are no records", ["pax.no-records"], False
        if name == "end":
            return "what ends the name", ["long.not-terminated"] if raw != b"\0" else [], True
        if name == "text":
            odd = ["long.not-terminated"] if isinstance(part, Long) and part.end == b"" else []
            return _told(raw, size), [*odd, *_name_oddities(raw)], False
        if name.startswith("extensions["):
            return "more of the sparse map", [], False
        return f"{size} bytes of body", ["padding.length"] if part.padding == b"" else [], False

    def _say_record(self, part: Header, name: str, raw: bytes) -> tuple[str, list[str], bool]:
        assert isinstance(part, Pax)
        number = int(name[8 : name.index("]")])
        record = part.records[number]
        what = name.rpartition(".")[2]
        if what == "length":
            right = len(record_bytes(msgspec.structs.replace(record, length=None)))
            odd = [] if record.length is None else ["pax.length"]
            return f"{_told(raw.rstrip())} bytes" + (f", it has {right}" if odd else ""), odd, True
        if what == "key":
            earlier = any(one.key == record.key for one in part.records[:number])
            odd = ["pax.twice"] if earlier else []
            odd += [] if record.value else ["pax.empty"]  # a value of no bytes has no row of its own
            return _told(record.key), odd, True
        if what == "value":
            odd = []
            if b"\0" in record.value:
                odd.append("pax.nul")
            if b"\n" in record.value:
                odd.append("pax.newline")
            if record.key == b"path":
                odd += _name_oddities(record.value)
            return f"{_told(record.key)} = {_told(record.value)}", odd, False
        return "", [], True


def _told(data: bytes, size: int = 0) -> str:
    """Bytes as text, cut where there are very many; `size`: how many there are, where `data` is cut already."""
    size = max(size, len(data))
    return escape(data) if size <= HELD else f"{escape(data[:HELD])}... ({size} bytes)"


def annotate(archive: Archive) -> Iterator[Row]:
    """A row for every field of an archive, whatever it is, in the order of the bytes, in little memory.

    Raises OSError, InputError for a file that cannot be read, or that becomes shorter.
    """
    with readable(archive) as data:
        yield from _Inspection(archive, data).rows()


SHOWN = 40
"""Raw bytes of a field that are shown."""

Piece = tuple[str, str]
"""Text and its style, in rich's words."""


def lines(rows: Iterable[Row], *, everything: bool = False) -> Iterator[list[Piece]]:
    """The rows as lines of a table: offset, length, field, raw bytes, meaning, oddities. Printable ASCII only.

    A heading stands before each part. Rows with nothing to say are left out unless `everything` is set.
    """
    part = -2
    for row in rows:
        if row.part != part:
            part = row.part
            title = f"part {part}" if part >= 0 else "end"
            yield [(f"{row.offset:#010x}  {title}", "bold")]
        if row.plain and not everything:
            continue
        shown = row.raw.rstrip(b"\0")
        raw = escape(row.raw[:SHOWN].rstrip(b"\0") or row.raw[:1])
        if len(shown) > SHOWN or (shown and row.length > len(row.raw)):
            raw += "..."
        meaning = row.meaning if row.meaning != raw else ""
        line = [(f"{row.offset:#010x} ", "dim"), (f"{row.length:>7} ", "dim"), (f"{row.field:<20} ", "cyan")]
        if meaning or row.oddities:
            line.append((f"{raw:<28} ", ""))
            line.append((meaning if row.oddities else meaning.rstrip(), "green"))
        else:
            line.append((raw.rstrip(), ""))
        line += [(f"  [{code}] {ODDITIES[code]}", "bold yellow") for code in row.oddities]
        yield line


def render(rows: Iterable[Row], *, everything: bool = False) -> Iterator[Line]:
    """The same as rich's lines, to be shown among others."""
    for line in lines(rows, everything=everything):
        yield Line.assemble(*line)
