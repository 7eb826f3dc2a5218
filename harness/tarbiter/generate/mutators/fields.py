"""Mutators of one header field: its value, its encoding, its single bits."""

from __future__ import annotations

import msgspec

from ...archive.encode import field_value
from ...archive.recipe import HeaderPart, Member, MemberKind, Number, Slot
from ...archive.wire import FORMATS, Field, octal
from ..choices import Choices, below, chance, pick
from ..features.headers import CHECKSUMS, EXTREMES, MAGICS, NUMBER_FORMS, checksum_bytes, number_bytes
from ..features.links import TARGETS
from ..features.names import CONTENTS
from ..features.types import FLAGS
from . import Work, mutator, place

EDGES = (0, 1, -1, 5, 511, 512, 513, 1024, 8**7 - 1, 8**7, 8**11 - 1, 8**11, 2**31, 2**32, 2**55, 2**63 - 1, 2**63)
"""Numbers at the edge of a block, of octal digits, and of C types."""

TEXTS = (b"", b"a", b"dir/", b"dir/f", b"root", b"x" * 255, b"x\0y", b"/", b"..", b"\xff", *CONTENTS, *TARGETS)


def assign(part: HeaderPart, field: Field, value: Number) -> HeaderPart:
    """`part` with another value of a field, as the format's table names it (`sparse[1].offset` is a slot)."""
    if not field.name.startswith("sparse["):
        return msgspec.structs.replace(part, **{field.name: value})
    number, attribute = int(field.name[7:8]), field.name.rpartition(".")[2]
    slots = [*part.sparse, *(Slot() for _ in range(number + 1 - len(part.sparse)))]
    slots[number] = msgspec.structs.replace(slots[number], **{attribute: value})
    return msgspec.structs.replace(part, sparse=tuple(slots))


def number_of(part: HeaderPart, field: Field) -> int:
    """The number that a field has where it has one, else the length of the body for a size, else 1."""
    value = field_value(part, field.name)
    if isinstance(value, int):
        return value
    return len(part.data) if field.name == "size" and isinstance(part, Member) else 1


def written(form: str, value: int, width: int) -> bytes:
    """`value` in one of NUMBER_FORMS, whatever it is: what the form cannot hold is cut."""
    return number_bytes(form, abs(value) % 8 ** (width - 1), width)[:width]


def value_for(work: Work, choices: Choices, part: HeaderPart, field: Field) -> Number:
    """Another value for a field: an edge, another form, a random number, or what the same field has elsewhere."""
    if chance(choices, 4):
        donor = work.header(pick(choices, work.headers()))
        if any(one.name == field.name for one in FORMATS[donor.format]):
            value: Number = field_value(donor, field.name)
            return value
    if field.kind == "number":
        if field.width == 1:
            return below(choices, 256)
        how = below(choices, 4)
        if how == 0:
            return written(pick(choices, NUMBER_FORMS), number_of(part, field), field.width)
        if how == 1:
            return choices.getrandbits(1 + below(choices, 8 * field.width - 8))
        limit = 1 << (8 * field.width - 8)
        edge = pick(choices, EDGES)
        return edge if -limit <= edge < limit else limit - 1
    if field.name == "typeflag":
        return pick(choices, (*FLAGS, b"0", b"", b"1", b"2", b"3", b"4", b"5", b"6", b"x", b"g", b"L", b"K", b"V"))
    if field.name in ("magic", "version"):
        return pick(choices, MAGICS)[field.name == "version"]
    return pick(choices, TEXTS)[: field.width]


@mutator(8)
def field__set(work: Work, choices: Choices) -> bool:
    """A field gets another value: an edge, another form, what another part has there."""
    index = place(choices, work.headers())
    if index < 0:
        return False
    part = work.header(index)
    field = pick(choices, FORMATS[part.format])
    return work.put(index, assign(part, field, value_for(work, choices, part, field)))


IMPORTANT = ("name", "mode", "size", "mtime", "typeflag", "linkname", "magic", "version", "prefix", "uid")


@mutator(10)
def field__set_important(work: Work, choices: Choices) -> bool:
    """The same for the fields that decide what an extractor does."""
    index = place(choices, work.headers())
    if index < 0:
        return False
    part = work.header(index)
    wanted = pick(choices, IMPORTANT)
    field = next((one for one in FORMATS[part.format] if one.name == wanted), FORMATS[part.format][0])
    return work.put(index, assign(part, field, value_for(work, choices, part, field)))


@mutator(3)
def field__clear(work: Work, choices: Choices) -> bool:
    """A field goes back to its canonical value."""
    index = place(choices, work.headers())
    if index < 0:
        return False
    part = work.header(index)
    odd = [one for one in FORMATS[part.format] if field_value(part, one.name) is not None]
    return bool(odd) and work.put(index, assign(part, pick(choices, odd), None))


@mutator(4)
def field__bits(work: Work, choices: Choices) -> bool:
    """A bit of a field flips, or a byte of it becomes another."""
    index = place(choices, work.headers())
    if index < 0:
        return False
    part = work.header(index)
    field = pick(choices, [one for one in FORMATS[part.format] if one.name != "chksum"])
    value = field_value(part, field.name)
    if isinstance(value, int):
        try:
            value = octal(value, field.width)
        except ValueError:
            return False
    raw = bytearray((value or b"").ljust(field.width, b"\0"))
    at = below(choices, field.width)
    if chance(choices, 2):
        raw[at] ^= 1 << below(choices, 8)
    else:
        raw[at] = pick(choices, b"\0 /.0178-+\x7f\x80\xff")
    return work.put(index, assign(part, field, bytes(raw)))


@mutator(6)
def number__form(work: Work, choices: Choices) -> bool:
    """A number stays the same and is written in another form."""
    index = place(choices, work.headers())
    if index < 0:
        return False
    part = work.header(index)
    fields = [
        one for one in FORMATS[part.format] if one.kind == "number" and one.width > 1 and one.name != "chksum"
    ]
    field = pick(choices, fields)
    raw = written(pick(choices, NUMBER_FORMS), number_of(part, field), field.width)
    return work.put(index, assign(part, field, raw))


@mutator(5)
def number__nudge(work: Work, choices: Choices) -> bool:
    """A number grows or shrinks by one, by a block, or doubles."""
    index = place(choices, work.headers())
    if index < 0:
        return False
    part = work.header(index)
    names = ("size", "size", "mtime", "mode", "uid", "realsize", "sparse[0].length", "sparse[1].offset")
    wanted = pick(choices, names)
    field = next((one for one in FORMATS[part.format] if one.name == wanted), None)
    if field is None:
        return False
    value = number_of(part, field)
    step = pick(choices, (1, -1, 512, -512, value, -value, -2 * value))
    return work.put(index, assign(part, field, value + step))


@mutator(3)
def number__extreme(work: Work, choices: Choices) -> bool:
    """A number takes a value from the edge of its field, a type or a calendar."""
    index = place(choices, work.headers())
    name, value = pick(choices, EXTREMES)
    return index >= 0 and work.change(index, **{name: value})


@mutator(1)
def checksum__form(work: Work, choices: Choices) -> bool:
    """The checksum is written in another form, of another sum, or wrong."""
    index = place(choices, work.headers())
    if index < 0:
        return False
    return work.change(index, chksum=checksum_bytes(pick(choices, CHECKSUMS), work.header(index)))


KINDS: tuple[MemberKind, ...] = (
    "file",
    "dir",
    "symlink",
    "hardlink",
    "char",
    "block",
    "fifo",
    "contiguous",
    "sparse",
)


@mutator(5)
def kind__change(work: Work, choices: Choices) -> bool:
    """A member becomes another kind and keeps its name, its body and its link name."""
    index = place(choices, work.members())
    return index >= 0 and work.change(index, kind=pick(choices, KINDS), typeflag=None)


@mutator(3)
def format__change(work: Work, choices: Choices) -> bool:
    """A part takes another layout; what that has no field for is left out."""
    index = place(choices, work.headers())
    if index < 0:
        return False
    part = work.header(index)
    layout = pick(choices, tuple(FORMATS))
    there = {one.name: one.width for one in FORMATS[layout]}
    changes: dict[str, object] = {"format": layout}
    for field in FORMATS[part.format]:
        if field.name.startswith("sparse[") or field.name == "chksum":
            continue
        value = getattr(part, field.name)
        if value is not None and field.name not in there:
            changes[field.name] = None
        elif isinstance(value, bytes):
            changes[field.name] = value[: there[field.name]]
    if layout != "gnu":
        changes["sparse"] = ()
        if isinstance(part, Member):
            changes["extensions"] = ()
    return work.put(index, msgspec.structs.replace(part, **changes))
