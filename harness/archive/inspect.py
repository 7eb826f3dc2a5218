"""Inspecting an archive: every field with its offset, raw bytes, meaning, and what is odd about it.

Oddities are a table (`ODDITIES`) of codes with words; each is found by a small function over a part and its place.
A field that is as everybody writes it has nothing to say and is left out unless asked for.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import msgspec
from rich.text import Text as Line

from . import wire
from .decode import decode
from .encode import Span, encode, field_value, record_bytes
from .recipe import BLOCK, TYPEFLAGS, End, Header, Long, Member, Part, Pax, Raw, Recipe
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


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """One field of an archive: where it is, what it holds, what that means, what is odd about it (codes)."""

    offset: int
    length: int
    part: int
    field: str
    raw: bytes
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


class _Inspection:
    """One archive. `shadowed` remembers what extensions said of the member that is to come."""

    def __init__(self, data: bytes, recipe: Recipe, spans: tuple[Span, ...]) -> None:
        self.data, self.recipe, self.spans = data, recipe, spans
        self.pending: list[Pax | Long] = []
        self.names: list[bytes] = []
        self.block = 0
        """Where the header block of the part at hand begins."""

    def rows(self) -> Iterator[Row]:
        """A row for each span, part by part."""
        by_part: dict[int, list[Span]] = {}
        for span in self.spans:
            by_part.setdefault(span.part, []).append(span)
        for number, part in enumerate(self.recipe.parts):
            for span in by_part.get(number, []):
                yield self._row(number, part, span)
            self._after(part)
        yield from self._end(by_part.get(-1, []))

    def _end(self, spans: list[Span]) -> Iterator[Row]:
        at = spans[0].start if spans else len(self.data)
        odd = ["end.missing"] if self.recipe.end < 2 else []
        if self.pending:
            odd.append("extension.dangling")
        meaning = f"end of archive: {self.recipe.end} zero blocks"
        yield Row(at, len(self.data) - at, -1, "blocks", b"", meaning, tuple(odd), not odd)

    def _after(self, part: Part) -> None:
        if isinstance(part, Pax | Long):
            if part.kind != "pax-global":
                self.pending.append(part)
                if isinstance(part, Long) and part.kind == "long-name":
                    self.names.append(part.text)
                elif isinstance(part, Pax):
                    self.names += [record.value for record in part.records if record.key == b"path"]
        elif isinstance(part, Member):
            self.pending, self.names = [], []

    def _row(self, number: int, part: Part, span: Span) -> Row:
        raw = self.data[span.start : span.stop]
        if span.field == "name":
            self.block = span.start
        meaning, odd, plain = self._say(part, span.field, raw)
        return Row(
            span.start, span.stop - span.start, number, span.field, raw, meaning, tuple(odd), plain and not odd
        )

    def _say(self, part: Part, name: str, raw: bytes) -> tuple[str, list[str], bool]:
        if isinstance(part, Raw):
            return f"{len(raw)} bytes that are no header", ["raw"], False
        if isinstance(part, End):
            return f"{part.blocks} zero blocks", ["end.middle"], False
        if name in ("data", "text", "end", "padding") or name.startswith(("records[", "extensions[")):
            return self._say_body(part, name, raw)
        return self._say_header(part, name, raw)

    def _say_header(self, part: Header, name: str, raw: bytes) -> tuple[str, list[str], bool]:
        field = next(one for one in wire.FORMATS[part.format] if one.name == name)
        plain = field_value(part, name) is None
        kind: str = part.kind  # type: ignore[attr-defined]  # every header part has one
        if name == "chksum":
            return self._say_checksum(raw)
        if name == "typeflag":
            odd = [] if raw in _KNOWN_TYPES else ["typeflag.unknown"]
            odd += ["typeflag.nul"] if raw == b"\0" else []
            odd += ["extension.stacked"] if any(one.kind == kind for one in self.pending) else []
            return kind, odd, False
        if field.kind == "number":
            return self._say_number(part, kind, name, raw, plain)
        if field.kind == "text":
            return self._say_text(part, kind, name, raw, plain)
        if name == "magic":
            known = raw in (b"ustar\0", b"ustar ") or not raw.strip(b"\0")
            return part.format, [] if known else ["magic.unknown"], plain
        return "", ["field.unused"] if raw.strip(b"\0") and not plain else [], plain

    def _say_checksum(self, raw: bytes) -> tuple[str, list[str], bool]:
        unsigned, signed = wire.sums(self.data[self.block : self.block + BLOCK])
        stated = wire.lenient_int(raw)
        if stated == unsigned:
            return "right", [] if raw == wire.checksum_form(unsigned) else ["checksum.form"], True
        odd = "checksum.signed" if stated == signed else "checksum.wrong"
        said = oct(stated) if stated is not None else "no number"
        if not raw.strip(b" \0"):
            said = "the field is blank"
        return f"{said}, the bytes add up to {unsigned:#o}", [odd], False

    def _say_number(
        self, part: Header, kind: str, name: str, raw: bytes, plain: bool
    ) -> tuple[str, list[str], bool]:
        meaning, odd = _number(raw, name)
        empty_is_usual = not raw.strip(b"\0") and name not in ("size", "mode", "mtime")
        if empty_is_usual:
            odd = []
        value = wire.lenient_int(raw) or 0
        if name == "size" and isinstance(part, Member):
            if value and kind in _BODILESS:
                odd.append("size.without-body")
            if value != len(part.data):
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
        whole = self.names[-1] if self.names else (part.prefix + b"/" if part.prefix else b"") + text
        if not whole:
            yield "name.empty"
            return
        if kind == "dir" and not whole.endswith(b"/"):
            yield "dir.no-slash"
        if kind != "dir" and text.endswith(b"/"):
            yield "file.slash"
        yield from _name_oddities(text)
        if self.names and not self.names[-1].startswith(text.rstrip(b"/")[:50]):
            yield "pax.path-and-header"

    def _say_body(self, part: Header, name: str, raw: bytes) -> tuple[str, list[str], bool]:
        if name == "padding":
            odd = ["padding.not-zero"] if raw.strip(b"\0") else []
            whole = part.padding is None
            if not odd and not whole:
                odd = ["padding.length"]
            return f"{len(raw)} bytes of padding", odd, whole
        if name.startswith("records["):
            return self._say_record(part, name, raw)
        if isinstance(part, Pax):
            return f"{len(raw)} bytes that are no records", ["pax.no-records"], False
        if name == "end":
            return "what ends the name", ["long.not-terminated"] if raw != b"\0" else [], True
        if name == "text":
            odd = ["long.not-terminated"] if isinstance(part, Long) and part.end == b"" else []
            return escape(raw), [*odd, *_name_oddities(raw)], False
        if name.startswith("extensions["):
            return "more of the sparse map", [], False
        return f"{len(raw)} bytes of body", ["padding.length"] if part.padding == b"" else [], False

    def _say_record(self, part: Header, name: str, raw: bytes) -> tuple[str, list[str], bool]:
        assert isinstance(part, Pax)
        number = int(name[8 : name.index("]")])
        record = part.records[number]
        what = name.rpartition(".")[2]
        if what == "length":
            right = len(record_bytes(msgspec.structs.replace(record, length=None)))
            odd = [] if record.length is None else ["pax.length"]
            return f"{escape(raw.rstrip())} bytes" + (f", it has {right}" if odd else ""), odd, True
        if what == "key":
            earlier = any(one.key == record.key for one in part.records[:number])
            odd = ["pax.twice"] if earlier else []
            odd += [] if record.value else ["pax.empty"]  # a value of no bytes has no row of its own
            return escape(record.key), odd, True
        if what == "value":
            odd = []
            if b"\0" in record.value:
                odd.append("pax.nul")
            if b"\n" in record.value:
                odd.append("pax.newline")
            if record.key == b"path":
                odd += _name_oddities(record.value)
            return f"{escape(record.key)} = {escape(record.value)}", odd, False
        return "", [], True


def annotate(data: bytes) -> tuple[Row, ...]:
    """A row for every field of an archive, whatever it is, in the order of the bytes."""
    recipe = decode(data)
    return tuple(_Inspection(data, recipe, encode(recipe).spans).rows())


SHOWN = 40
"""Raw bytes of a field that are shown."""


def render(rows: tuple[Row, ...], *, everything: bool = False) -> Iterator[Line]:
    """The rows as lines of a table: offset, length, field, raw bytes, meaning, oddities.

    A heading stands before each part. Rows with nothing to say are left out unless `everything` is set.
    """
    part = -2
    for row in rows:
        if row.part != part:
            part = row.part
            title = f"part {part}" if part >= 0 else "end"
            yield Line.assemble((f"{row.offset:#010x}  {title}", "bold"))
        if row.plain and not everything:
            continue
        raw = escape(row.raw[:SHOWN].rstrip(b"\0") or row.raw[:1])
        if len(row.raw.rstrip(b"\0")) > SHOWN:
            raw += "..."
        line = Line.assemble(
            (f"{row.offset:#010x} ", "dim"),
            (f"{row.length:>7} ", "dim"),
            (f"{row.field:<20} ", "cyan"),
            f"{raw:<28} ",
            (row.meaning if row.meaning != raw else "", "green"),
        )
        for code in row.oddities:
            line.append(f"  [{code}] {ODDITIES[code]}", style="bold yellow")
        line.rstrip()
        yield line
