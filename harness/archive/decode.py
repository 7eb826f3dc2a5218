"""From bytes to recipes: any bytes whatever become a recipe that encodes to the same bytes.

What looks like a header becomes a part with its body; runs of zero blocks become `End`; everything else becomes
`Raw`. Where a header and what follows it disagree on where the body ends, the reading that most extractors share is
taken. That choice only decides how readable the recipe is, never whether it is lossless.

The result is the normal form: fields with canonical values are left out, numbers that are written canonically are
ints, bytes carry no NUL at their end.
"""

from __future__ import annotations

import functools
from typing import Any

from . import wire
from .encode import defaults, encode_bytes, record_bytes
from .recipe import (
    BLOCK,
    TYPEFLAGS,
    End,
    Format,
    HeaderPart,
    Long,
    Member,
    Number,
    Part,
    Pax,
    Raw,
    Recipe,
    Record,
    Slot,
    SparseBlock,
)

ZERO = bytes(BLOCK)

_KINDS = {typeflag: kind for kind, typeflag in TYPEFLAGS.items()}
_TYPES: dict[str, type[HeaderPart]] = {
    "pax": Pax,
    "pax-global": Pax,
    "pax-solaris": Pax,
    "long-name": Long,
    "long-link": Long,
}

_BODILESS = frozenset(("hardlink", "symlink", "char", "block", "dir", "fifo"))
"""Kinds that have a body only where the size says so and no header stands in its place."""


_NUMBERS = ((100, 108), (108, 116), (116, 124), (124, 136), (136, 148))
"""Where mode, uid, gid, size and mtime are."""


def is_header(block: bytes) -> bool:
    """Whether a block is taken for a header: its checksum is right, signed or not, or all else is plausible.

    Plausible is the magic with a mode and a size that are numbers, or, without a magic (v7), numbers all over.
    """
    stated = wire.lenient_int(block[148:156])
    if stated is not None and stated in wire.sums(block):
        return True
    if block[257:262] == b"ustar":
        return wire.lenient_int(block[100:108]) is not None and wire.lenient_int(block[124:136]) is not None
    return block[:1] != b"\0" and all(_is_octal(block[start:stop]) for start, stop in _NUMBERS)


def _is_octal(field: bytes) -> bool:
    digits = field.strip(b" \0")
    return bool(digits) and not digits.strip(b"01234567")


def format_of(block: bytes) -> Format:
    """The layout that a header's magic stands for; v7 where there is none."""
    if block[257:263] == b"ustar ":
        return "gnu"
    if block[257:262] == b"ustar":
        return "star" if block[508:512] == wire.STAR_MAGIC else "ustar"
    return "v7"


@functools.cache
def _canonical(format_: Format, kind: str) -> tuple[tuple[str, int, int, bool, bytes], ...]:
    """Name, place, whether it is a number, and the canonical bytes of every field but size and checksum."""
    known = defaults(format_, kind)
    return tuple(
        (
            field.name,
            field.start,
            field.stop,
            field.kind == "number",
            known.get(field.name, b"").ljust(field.width, b"\0"),
        )
        for field in wire.FORMATS[format_]
        if field.name not in ("size", "chksum", "isextended")
    )


def _number(raw: bytes) -> Number:
    value = wire.canonical_int(raw)
    return raw.rstrip(b"\0") if value is None else value


class _Decoder:
    """A position in the archive, and what earlier parts said of the next member."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0
        self.parts: list[Part] = []
        self.pax_size: int | None = None
        self.raw_from: int | None = None

    def _flush_raw(self) -> None:
        if self.raw_from is not None:
            self.parts.append(Raw(self.data[self.raw_from : self.at]))
            self.raw_from = None

    def run(self) -> Recipe:
        data, end = self.data, 0
        while self.at < len(data):
            block = data[self.at : self.at + BLOCK]
            if block == ZERO:
                self._flush_raw()
                blocks = self._zero_blocks()
                self.at += blocks * BLOCK
                if self.at == len(data):
                    end = blocks
                else:
                    self.parts.append(End(blocks))
            elif len(block) == BLOCK and is_header(block):
                self._flush_raw()
                self.parts.append(self._part(block))
            else:
                if self.raw_from is None:
                    self.raw_from = self.at
                self.at += len(block)
        self._flush_raw()
        return Recipe(tuple(self.parts), end)

    def _zero_blocks(self) -> int:
        at = self.at
        while self.data.startswith(ZERO, at):
            at += BLOCK
        return (at - self.at) // BLOCK

    def _part(self, block: bytes) -> HeaderPart:
        format_ = format_of(block)
        typeflag = block[156:157]
        kind = _KINDS.get(typeflag, "file")
        type_ = _TYPES.get(kind, Member)
        values: dict[str, Any] = {"kind": kind, "format": format_}
        slots: list[Number] = []
        for name, start, stop, number, usual in _canonical(format_, kind):
            raw = block[start:stop]
            if name.startswith("sparse["):
                slots.append(None if raw == usual else _number(raw))
            elif raw != usual:
                values[name] = _number(raw) if number else raw.rstrip(b"\0")
        values["sparse"] = _slots(slots)
        self.at += BLOCK
        extended: list[SparseBlock] = []
        if format_ == "gnu":
            if kind == "sparse" and block[482]:
                extended = self._extensions()
            if block[482] != (1 if extended else 0):
                values["isextended"] = block[482]
        body = self._body(block, kind, type_)
        if block[124:136] != wire.octal(len(body), 12):
            values["size"] = _number(block[124:136])
        if block[148:156] != wire.checksum_form(wire.sums(block)[0]):
            values["chksum"] = _number(block[148:156])
        padding = self.data[self.at : self.at + -len(body) % BLOCK]
        self.at += len(padding)
        if len(padding) != -len(body) % BLOCK or padding.strip(b"\0"):
            values["padding"] = padding
        return self._with_body(type_, values, body, tuple(extended))

    def _with_body(
        self, type_: type[HeaderPart], values: dict[str, Any], body: bytes, extensions: tuple[SparseBlock, ...]
    ) -> HeaderPart:
        if type_ is Pax:
            records, rest = parse_records(body)
            if values["kind"] != "pax-global":
                for record in records:
                    if record.key == b"size" and record.value.isdigit() and len(record.value) < 20:
                        self.pax_size = int(record.value)
            return Pax(**values, records=records, data=rest or None)
        if type_ is Long:
            text, nul, after = body.partition(b"\0")
            end = nul + after
            return Long(**values, text=text, end=None if end == b"\0" else end)
        self.pax_size = None
        return Member(**values, data=body, extensions=extensions)

    def _extensions(self) -> list[SparseBlock]:
        found: list[tuple[tuple[Slot, ...], int, bytes]] = []
        more = True
        while more and self.at + BLOCK <= len(self.data):
            block = self.data[self.at : self.at + BLOCK]
            self.at += BLOCK
            numbers: list[Number] = []
            for at in range(0, wire.SLOT * wire.EXTENSION_SLOTS, 12):
                raw = block[at : at + 12]
                numbers.append(None if raw == bytes(12) else _number(raw))
            found.append((_slots(numbers), block[504], block[505:512].rstrip(b"\0")))
            more = bool(block[504])
        last = len(found) - 1
        return [
            SparseBlock(
                slots,
                None if flag == (0 if number == last else 1) else flag,
                reserved or None,
            )
            for number, (slots, flag, reserved) in enumerate(found)
        ]

    def _body(self, block: bytes, kind: str, type_: type[HeaderPart]) -> bytes:
        size = wire.lenient_int(block[124:136]) or 0
        if type_ is Member and self.pax_size is not None:
            size = self.pax_size
        left = len(self.data) - self.at
        if size <= 0 or not left:
            return b""
        if kind in _BODILESS or size > left:
            following = self.data[self.at : self.at + BLOCK]
            if following == ZERO or (len(following) == BLOCK and is_header(following)):
                return b""
        body = self.data[self.at : self.at + size]
        self.at += len(body)
        return body


def _slots(numbers: list[Number]) -> tuple[Slot, ...]:
    slots = [Slot(*numbers[at : at + 2]) for at in range(0, len(numbers), 2)]
    while slots and slots[-1] == Slot():
        slots.pop()
    return tuple(slots)


def parse_records(body: bytes) -> tuple[tuple[Record, ...], bytes]:
    """The pax records at the start of a body, and what is left when no more can be read.

    A record is taken by its stated length where that ends in a newline behind a `=`; otherwise by the next
    newline, with the length as it stands. `record_bytes` gives each of them back as it was.
    """
    records: list[Record] = []
    at = 0
    while at < len(body):
        space = body.find(b" ", at, at + 32)
        if space < 0:
            break
        length = body[at:space]
        stated = int(length) if length.isdigit() and len(length) < 12 else -1
        stop = at + stated
        if not (space < stop <= len(body) and body[stop - 1 : stop] == b"\n" and b"=" in body[space:stop]):
            newline = body.find(b"\n", space)
            if newline < 0 or b"=" not in body[space:newline]:
                break
            stop = newline + 1
        key, _, value = body[space + 1 : stop - 1].partition(b"=")
        record = Record(key, value)
        if record_bytes(record) != body[at:stop]:
            record = Record(key, value, length=length)
        records.append(record)
        at = stop
    return tuple(records), body[at:]


def decode(data: bytes) -> Recipe:
    """The recipe of `data`, whatever it is: `encode_bytes(decode(data)) == data`. Linear in time, never fails."""
    return _Decoder(data).run()


def normal(recipe: Recipe) -> Recipe:
    """The normal form of a recipe: what its bytes decode to. Raises RecipeError where it has none."""
    return decode(encode_bytes(recipe))
