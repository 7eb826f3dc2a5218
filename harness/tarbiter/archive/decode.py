"""From bytes to recipes: any bytes whatever become a recipe that encodes to the same bytes.

What looks like a header becomes a part with its body; runs of zero blocks become `End`; everything else becomes
`Raw`. Where a header and what follows it disagree on where the body ends, the reading that most extractors share is
taken. That choice only decides how readable the recipe is, never whether it is lossless.

The result is the normal form: fields with canonical values are left out, numbers that are written canonically are
ints, bytes carry no NUL at their end.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

from . import wire
from .encode import Located, defaults, encode_bytes, record_bytes
from .recipe import (
    BLOCK,
    TYPEFLAGS,
    End,
    Format,
    HeaderPart,
    Long,
    Member,
    Number,
    Pax,
    Raw,
    Recipe,
    Record,
    Slot,
    SparseBlock,
)
from .stored import CHUNK, Archive, Window, readable

ZERO = bytes(BLOCK)

RECORDS = 1 << 20
"""Bytes of pax records, or of a long name, that are read one by one where bodies are not held."""

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
    """A position in the archive, and what earlier parts said of the next member.

    `head`: bytes of a body that are held at most; None: all of them.
    """

    def __init__(self, data: bytes | Window, head: int | None) -> None:
        self.data, self.at, self.head = data, 0, head
        self.pax_size: int | None = None
        self.extensions = 0

    def _held(self, start: int, stop: int, at_most: int | None) -> bytes:
        return self.data[start : stop if self.head is None or at_most is None else min(stop, start + at_most)]

    def run(self) -> Iterator[Located]:
        """The parts in order. Zero blocks at the very end are an `End` like any other."""
        size = len(self.data)
        raw_from: int | None = None
        while self.at < size:
            start = self.at
            block = self.data[start : start + BLOCK]
            zero = block == ZERO
            if not zero and not (len(block) == BLOCK and is_header(block)):
                raw_from = start if raw_from is None else raw_from
                self.at += len(block)
                continue
            if raw_from is not None:
                yield self._raw(raw_from)
                raw_from = None
            if zero:
                blocks = self._zero_blocks()
                self.at += blocks * BLOCK
                yield Located(End(blocks), start, start, blocks * BLOCK, self.at)
            else:
                yield self._part(block)
        if raw_from is not None:
            yield self._raw(raw_from)

    def _raw(self, start: int) -> Located:
        return Located(Raw(self._held(start, self.at, self.head)), start, start, self.at - start, self.at)

    def _zero_blocks(self) -> int:
        at, step = self.at, 4 * BLOCK
        while True:
            piece = self.data[at : at + step]
            whole = (len(piece) - len(piece.lstrip(b"\0"))) // BLOCK * BLOCK
            at += whole
            if whole < step:
                return (at - self.at) // BLOCK
            step = min(2 * step, CHUNK)

    def _part(self, block: bytes) -> Located:
        start = self.at
        format_ = format_of(block)
        typeflag = block[156:157]
        kind = _KINDS.get(typeflag, "file")
        type_ = _TYPES.get(kind, Member)
        values: dict[str, Any] = {"kind": kind, "format": format_}
        slots: list[Number] = []
        for name, begin, stop, number, usual in _canonical(format_, kind):
            raw = block[begin:stop]
            if name.startswith("sparse["):
                slots.append(None if raw == usual else _number(raw))
            elif raw != usual:
                values[name] = _number(raw) if number else raw.rstrip(b"\0")
        values["sparse"] = _slots(slots)
        self.at += BLOCK
        extended: list[SparseBlock] = []
        self.extensions = 0
        if format_ == "gnu":
            if kind == "sparse" and block[482]:
                extended = self._extensions()
            if block[482] != (1 if self.extensions else 0):
                values["isextended"] = block[482]
        at = self.at
        size = self._body_size(block, kind, type_)
        body = self._held(at, at + size, self.head if type_ is Member else RECORDS)
        self.at += size
        if block[124:136] != wire.octal(size, 12):
            values["size"] = _number(block[124:136])
        if block[148:156] != wire.checksum_form(wire.sums(block)[0]):
            values["chksum"] = _number(block[148:156])
        padding = self.data[self.at : self.at + -size % BLOCK]
        self.at += len(padding)
        if len(padding) != -size % BLOCK or padding.strip(b"\0"):
            values["padding"] = padding
        part = self._with_body(type_, values, body, tuple(extended))
        return Located(part, start, at, size, self.at, self.extensions)

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
        """The blocks of a sparse map; `extensions` counts them. Only counted where bodies are not held."""
        found: list[SparseBlock] = []
        more = True
        while more and self.at + BLOCK <= len(self.data):
            block = self.data[self.at : self.at + BLOCK]
            self.at += BLOCK
            self.extensions += 1
            more = bool(block[504])
            if self.head is None:
                found.append(_extension(block, last=not more or self.at + BLOCK > len(self.data)))
        return found

    def _body_size(self, block: bytes, kind: str, type_: type[HeaderPart]) -> int:
        size = wire.lenient_int(block[124:136]) or 0
        if type_ is Member and self.pax_size is not None:
            size = self.pax_size
        left = len(self.data) - self.at
        if size <= 0 or not left:
            return 0
        if kind in _BODILESS or size > left:
            following = self.data[self.at : self.at + BLOCK]
            if following == ZERO or (len(following) == BLOCK and is_header(following)):
                return 0
        return min(size, left)


def _extension(block: bytes, *, last: bool) -> SparseBlock:
    numbers: list[Number] = []
    for at in range(0, wire.SLOT * wire.EXTENSION_SLOTS, 12):
        raw = block[at : at + 12]
        numbers.append(None if raw == bytes(12) else _number(raw))
    flag = block[504]
    return SparseBlock(
        _slots(numbers), None if flag == (0 if last else 1) else flag, block[505:512].rstrip(b"\0") or None
    )


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
    parts = [found.part for found in _Decoder(data, None).run()]
    if parts and isinstance(parts[-1], End):
        return Recipe(tuple(parts[:-1]), parts[-1].blocks)
    return Recipe(tuple(parts), 0)


def scan(archive: Archive, *, head: int = 64) -> Iterator[Located]:
    """The parts of an archive with their places, one after another, in little memory however large it is.

    Parts hold `head` bytes of a member's body and of what is no header, RECORDS bytes of what extends a header, and
    no extensions of a sparse map. Zero blocks at the very end are an `End` like any other. Raises OSError,
    InputError for a file that cannot be read, or that becomes shorter.
    """
    with readable(archive) as data:
        yield from _Decoder(data, head).run()


def normal(recipe: Recipe) -> Recipe:
    """The normal form of a recipe: what its bytes decode to. Raises RecipeError where it has none."""
    return decode(encode_bytes(recipe))
