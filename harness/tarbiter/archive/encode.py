"""From recipes to bytes: every part written field by field, checksums repaired unless the recipe sets one.

`encode_bytes` gives the archive alone, `encode` also says which bytes each field became. Both are driven by the
table in `wire`; what is canonical for a part stands in `defaults`.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Iterator
from typing import Any

import msgspec

from . import wire
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
    RecipeError,
    Record,
    SparseBlock,
)

MTIME = 1_000_000_000
"""The canonical mtime of a member, 2001-09-09: no tool takes it for "not set", as several do with 0."""

MODES = {"dir": 0o755, "symlink": 0o777}
"""Canonical modes; every other kind has 0644."""


class Span(msgspec.Struct, frozen=True):
    """Bytes `start` to `stop` of the archive hold `field` of part number `part` (-1: the end of the recipe).

    Fields of the body are `data`, `padding`, `text`, `end`, `records[N].length`, `.key`, `.value`, `.end`, and
    `extensions[N]`; an `End` part and the end of the recipe have `blocks`.
    """

    part: int
    field: str
    start: int
    stop: int


class Located(msgspec.Struct, frozen=True):
    """A part, and which bytes of the archive it has: `start` to `stop`, of those `size` from `body` on its body.

    Where an archive is looked through without being held, `part` has only the beginning of a long body, and none of
    its `extensions` (blocks of a sparse map in front of the body).
    """

    part: Part
    start: int
    body: int
    size: int
    stop: int
    extensions: int = 0


class Encoded(msgspec.Struct, frozen=True):
    """An archive and where everything in it is. Spans stand in the order of their bytes and cover all of them."""

    data: bytes
    spans: tuple[Span, ...]


def _number(value: int, width: int) -> bytes:
    return wire.octal(value, width)


@functools.cache
def _template(format_: Format, kind: str) -> tuple[bytes, dict[str, tuple[int, int, str]]]:
    """A header block with every canonical value but size and checksum, and the place of each field."""
    block = bytearray(BLOCK)
    for name, value in defaults(format_, kind).items():
        field = next((one for one in wire.FORMATS[format_] if one.name == name), None)
        if field is not None:
            block[field.start : field.start + len(value)] = value
    return bytes(block), {field.name: (field.start, field.stop, field.kind) for field in wire.FORMATS[format_]}


def defaults(format_: Format, kind: str) -> dict[str, bytes]:
    """The canonical bytes of every field that is not NUL, size and checksum left out."""
    magic, version = wire.MAGIC[format_]
    member = kind in _MEMBER_KINDS
    found = {
        "mode": _number(MODES.get(kind, 0o644), 8),
        "uid": _number(0, 8),
        "gid": _number(0, 8),
        "mtime": _number(MTIME if member else 0, 12),
        "typeflag": TYPEFLAGS[kind],
        "magic": magic,
        "version": version,
    }
    if not member:
        found["name"] = b"././@LongLink" if kind.startswith("long") else b"././@PaxHeader"
    if format_ in ("ustar", "star"):
        found["devmajor"] = found["devminor"] = _number(0, 8)
    if format_ == "star":
        found["star_magic"] = wire.STAR_MAGIC
        found["atime"] = found["ctime"] = _number(0, 12)
    return found


_MEMBER_KINDS = frozenset(
    kind for kind in TYPEFLAGS if kind not in ("pax", "pax-global", "pax-solaris", "long-name", "long-link")
)

_BODY_FIELDS = frozenset(
    ("kind", "format", "data", "records", "text", "end", "extensions", "sparse", "padding", "part")
)


@functools.cache
def _header_fields(type_: type[HeaderPart]) -> tuple[str, ...]:
    """The header's fields in the order of the record; empty for what is none, or is written by itself."""
    other = _BODY_FIELDS | {"chksum"}
    return tuple("" if name in other else name for name in type_.__struct_fields__)


def _byte_sum(block: bytearray) -> int:
    """The sum of the bytes of a header: two Adler-32 halves have it in their low 16 bits, plus 1 (RFC 1950, 8.2).

    256 bytes come to less than its modulus, 65,521. Five times as fast as `sum`.
    """
    return (zlib.adler32(block[:256]) & 0xFFFF) + (zlib.adler32(block[256:]) & 0xFFFF) - 2


def _field_bytes(value: int | bytes, width: int, index: int, name: str) -> bytes:
    if isinstance(value, int):
        try:
            return wire.octal(value, width)
        except ValueError as error:
            raise RecipeError(index, name, str(error)) from None
    if len(value) > width:
        raise RecipeError(index, name, f"{len(value)} bytes do not fit the {width} of the field")
    return value.ljust(width, b"\0")


def _header(part: HeaderPart, size: int, index: int) -> bytes:
    template, places = _template(part.format, part.kind)
    block = bytearray(template)
    block[124:136] = wire.octal(size, 12)
    for name, value in zip(_header_fields(type(part)), msgspec.structs.astuple(part), strict=True):
        if value is None or not name:
            continue
        place = places.get(name)
        if place is None:
            raise RecipeError(index, name, f"the {part.format} format has no such field")
        start, stop, _ = place
        block[start:stop] = _field_bytes(value, stop - start, index, name)
    if part.sparse:
        _slots(block, part, index)
    if part.format == "gnu" and part.isextended is None and isinstance(part, Member) and part.extensions:
        block[482] = 1
    if part.chksum is None:
        block[148:156] = b"        "
        block[148:156] = wire.checksum_form(_byte_sum(block))
    else:
        block[148:156] = _field_bytes(part.chksum, 8, index, "chksum")
    return bytes(block)


def _slots(block: bytearray, part: HeaderPart, index: int) -> None:
    if part.format != "gnu":
        raise RecipeError(index, "sparse", f"the {part.format} format has no sparse map in its header")
    if len(part.sparse) > wire.SLOTS:
        raise RecipeError(index, "sparse", f"{len(part.sparse)} slots, and a header has {wire.SLOTS}")
    for number, slot in enumerate(part.sparse):
        at = wire.SLOTS_AT + wire.SLOT * number
        _put_slot(block, at, slot.offset, index, f"sparse[{number}].offset")
        _put_slot(block, at + 12, slot.length, index, f"sparse[{number}].length")


def _put_slot(block: bytearray, at: int, value: Number, index: int, name: str) -> None:
    if value is not None:
        block[at : at + 12] = _field_bytes(value, 12, index, name)


def _extension(extension: SparseBlock, last: bool, index: int, number: int) -> bytes:
    block = bytearray(BLOCK)
    if len(extension.slots) > wire.EXTENSION_SLOTS:
        detail = f"{len(extension.slots)} slots, and a block has {wire.EXTENSION_SLOTS}"
        raise RecipeError(index, f"extensions[{number}]", detail)
    for place, slot in enumerate(extension.slots):
        at = wire.SLOT * place
        _put_slot(block, at, slot.offset, index, f"extensions[{number}].slots[{place}].offset")
        _put_slot(block, at + 12, slot.length, index, f"extensions[{number}].slots[{place}].length")
    more = extension.isextended
    value = (0 if last else 1) if more is None else more
    block[504:505] = _field_bytes(value, 1, index, f"extensions[{number}].isextended")
    if extension.reserved is not None:
        block[505:512] = _field_bytes(extension.reserved, 7, index, f"extensions[{number}].reserved")
    return bytes(block)


def record_bytes(record: Record) -> bytes:
    """One pax record. The canonical length counts itself (POSIX.1-2017 pax, "pax Header Block")."""
    rest = b" " + record.key + b"=" + record.value + (b"\n" if record.end is None else record.end)
    return (record.length if record.length is not None else _length(len(rest))) + rest


def _length(rest: int) -> bytes:
    digits = len(str(rest))
    if len(str(rest + digits)) > digits:
        digits += 1
    return b"%d" % (rest + digits)


def _body(part: HeaderPart) -> bytes:
    if isinstance(part, Member):
        return part.data
    if isinstance(part, Long):
        return part.text + (b"\0" if part.end is None else part.end)
    return b"".join(map(record_bytes, part.records)) + (part.data or b"")


def _padding(part: HeaderPart, size: int) -> bytes:
    return bytes(-size % BLOCK) if part.padding is None else part.padding


def _header_part(part: HeaderPart, index: int, out: list[bytes]) -> None:
    body = _body(part)
    out.append(_header(part, len(body), index))
    if isinstance(part, Member) and part.extensions:
        last = len(part.extensions) - 1
        out += [_extension(one, number == last, index, number) for number, one in enumerate(part.extensions)]
    if body:
        out.append(body)
    padding = _padding(part, len(body))
    if padding:
        out.append(padding)


def _zeros(blocks: int, index: int) -> bytes:
    if blocks < 0:
        raise RecipeError(index, "blocks" if index >= 0 else "end", f"{blocks} zero blocks cannot be written")
    return bytes(BLOCK * blocks)


def check(part: Part, index: int) -> None:
    """Raises RecipeError where a part has no bytes, without making those of its body."""
    if isinstance(part, End):
        _zeros(min(part.blocks, 0), index)
    elif not isinstance(part, Raw):
        _header(part, 0, index)
        for number, extension in enumerate(part.extensions if isinstance(part, Member) else ()):
            _extension(extension, True, index, number)


def encode_bytes(recipe: Recipe) -> bytes:
    """The archive that a recipe describes. Raises RecipeError for a value that its field cannot hold."""
    out: list[bytes] = []
    for index, part in enumerate(recipe.parts):
        if isinstance(part, Member | Pax | Long):
            _header_part(part, index, out)
        elif isinstance(part, End):
            out.append(_zeros(part.blocks, index))
        else:
            out.append(part.data)
    out.append(_zeros(recipe.end, -1))
    return b"".join(out)


def located(recipe: Recipe) -> Iterator[Located]:
    """The parts of a recipe with their places in the archive. Lengths only: nothing is encoded."""
    at = 0
    for part in recipe.parts:
        if isinstance(part, Raw | End):
            size = len(part.data) if isinstance(part, Raw) else part.blocks * BLOCK
            found = Located(part, at, at, size, at + size)
        else:
            extensions = len(part.extensions) if isinstance(part, Member) else 0
            body, size = at + BLOCK * (1 + extensions), len(_body(part))
            found = Located(part, at, body, size, body + size + len(_padding(part, size)), extensions)
        yield found
        at = found.stop


def fields(found: Located) -> Iterator[tuple[str, int]]:
    """Name and length of every field of a part, in order, also of those without bytes. Names as in `Span.field`."""
    part = found.part
    if isinstance(part, Raw):
        yield "data", found.size
    elif isinstance(part, End):
        yield "blocks", found.size
    else:
        for field in wire.FORMATS[part.format]:
            yield field.name, field.width
        yield from body_fields(found, part)


def body_fields(found: Located, part: HeaderPart) -> Iterator[tuple[str, int]]:
    """Those behind the header."""
    if isinstance(part, Member):
        for number in range(found.extensions):
            yield f"extensions[{number}]", BLOCK
        yield "data", found.size
    elif isinstance(part, Long):
        end = 1 if part.end is None else len(part.end)
        yield "text", found.size - end
        yield "end", end
    else:
        left = found.size
        for number, record in enumerate(part.records):
            end = 1 if record.end is None else len(record.end)
            total = len(record_bytes(record))
            length = total - 2 - len(record.key) - len(record.value) - end
            for field, size in (
                ("length", length + 1),
                ("key", len(record.key) + 1),
                ("value", len(record.value)),
                ("end", end),
            ):
                yield f"records[{number}].{field}", size
            left -= total
        yield "data", left
    yield "padding", found.stop - found.body - found.size


def encode(recipe: Recipe) -> Encoded:
    """The archive that a recipe describes, with a span for every field. Raises RecipeError as `encode_bytes` does.

    The spans of a pax record's length and key include the space and the `=` behind them.
    """
    spans: list[Span] = []
    at = 0
    for index, found in enumerate(located(recipe)):
        for field, size in fields(found):
            if size:
                spans.append(Span(index, field, at, at + size))
                at += size
    if recipe.end > 0:
        spans.append(Span(-1, "blocks", at, at + recipe.end * BLOCK))
    return Encoded(encode_bytes(recipe), tuple(spans))


def field_value(part: Any, name: str) -> Any:
    """The value of a field as spans name it: `sparse[1].offset` is the offset of the second slot."""
    if name.startswith("sparse["):
        slot, attribute = int(name[7 : name.index("]")]), name.rpartition(".")[2]
        return getattr(part.sparse[slot], attribute) if slot < len(part.sparse) else None
    return getattr(part, name)
