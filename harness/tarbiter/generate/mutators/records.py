"""Mutators of pax records: keys, values, stated lengths, order, and the header they stand in."""

from __future__ import annotations

import msgspec

from ...archive.encode import record_bytes
from ...archive.recipe import Member, Pax, PaxKind, Record
from ..choices import Choices, below, chance, pick
from ..features.pax import LENGTHS, VALUES
from . import Work, mutator, place

KEYS = (
    b"path", b"linkpath", b"size", b"mtime", b"atime", b"uid", b"gid", b"uname", b"gname", b"hdrcharset",
    b"comment", b"GNU.sparse.name", b"GNU.sparse.realsize", b"GNU.sparse.size", b"GNU.sparse.map",
    b"GNU.sparse.major", b"GNU.sparse.minor", b"SCHILY.xattr.user.n", b"SCHILY.filetype", b"SCHILY.realsize",
    b"LIBARCHIVE.creationtime",
)  # fmt: skip

NUMBERS = (
    b"", b"0", b"-0", b"-1", b"+5", b"007", b" 5", b"5 ", b"5\0", b"0x5", b"1.5", b"1e3", b"5", b"512", b"1024",
    b"2147483647", b"2147483648", b"4294967295", b"4294967296", b"8589934592", b"9223372036854775807",
    b"9223372036854775808", b"18446744073709551615",
    b"18446744073709551616", b"99999999999999999999", b"nan", b"inf",
)  # fmt: skip
"""Decimal numbers at the edge of a block, of C types, and of what a decimal number is (POSIX pax: "a decimal")."""


@mutator(7)
def record__add(work: Work, choices: Choices) -> bool:
    """A record comes to an extended header, or a header with one to a member."""
    key, value = pick(choices, VALUES)
    if chance(choices, 3):
        key, value = pick(choices, KEYS), pick(choices, NUMBERS)
    record = Record(key, value)
    index = place(choices, work.paxes())
    if index >= 0 and chance(choices, 2):
        part = work.pax(index)
        records = list(part.records)
        records.insert(below(choices, len(records) + 1), record)
        return work.change(index, records=tuple(records))
    kind: PaxKind = pick(choices, ("pax", "pax", "pax", "pax-global", "pax-solaris"))
    index = max(place(choices, work.members()), 0)
    return work.insert(index, Pax(kind=kind, records=(record,)))


@mutator(5)
def record__size(work: Work, choices: Choices) -> bool:
    """A pax size comes before a member: the true one, or one that is off by a byte or a block."""
    index = place(choices, work.members())
    if index < 0:
        return False
    member: Member = work.member(index)
    size = len(member.data) + pick(choices, (0, 0, 1, -1, 512, -512, 1024, -len(member.data)))
    if chance(choices, 3):
        work.change(index, size=pick(choices, (0, 0, 5, 2**62)))
    kind: PaxKind = pick(choices, ("pax", "pax", "pax", "pax-global"))
    where = index - below(choices, 2) if index else index
    return work.insert(where, Pax(kind=kind, records=(Record(b"size", b"%d" % size),)))


def _records(work: Work, choices: Choices) -> tuple[int, list[Record]]:
    """An extended header that has records, and them; -1 when there is none."""
    places = [index for index in work.paxes() if work.pax(index).records]
    index = place(choices, places)
    return index, list(work.pax(index).records) if index >= 0 else []


@mutator(3)
def record__drop(work: Work, choices: Choices) -> bool:
    """A record goes."""
    index, records = _records(work, choices)
    if index < 0:
        return False
    records.pop(below(choices, len(records)))
    return work.change(index, records=tuple(records))


@mutator(3)
def record__duplicate(work: Work, choices: Choices) -> bool:
    """A record comes twice, with the same value or another."""
    index, records = _records(work, choices)
    if index < 0:
        return False
    record = pick(choices, records)
    if chance(choices, 2):
        record = msgspec.structs.replace(record, value=record.value + b"2", length=None)
    records.insert(below(choices, len(records) + 1), record)
    return work.change(index, records=tuple(records))


@mutator(2)
def record__move(work: Work, choices: Choices) -> bool:
    """Two records change places, or one goes to another header."""
    index, records = _records(work, choices)
    if index < 0:
        return False
    record = records.pop(below(choices, len(records)))
    target = place(choices, work.paxes())
    if target == index:
        records.insert(below(choices, len(records) + 1), record)
        return work.change(index, records=tuple(records))
    work.change(target, records=(*work.pax(target).records, record))
    return work.change(index, records=tuple(records))


@mutator(6)
def record__value(work: Work, choices: Choices) -> bool:
    """A record's value becomes another: a number at an edge, empty, cut by a NUL or a newline, that of another."""
    index, records = _records(work, choices)
    if index < 0:
        return False
    at = below(choices, len(records))
    old = records[at].value
    value = pick(
        choices,
        (
            pick(choices, NUMBERS),
            pick(choices, VALUES)[1],
            pick(choices, records).value,
            old + pick(choices, (b"\0x", b"\nx", b"=", b"/", b"\xff", b" ")),
            old[: len(old) // 2],
            old.ljust(pick(choices, (480, 500, 512, 1024, 4096)), b"v"),
        ),
    )
    records[at] = msgspec.structs.replace(records[at], value=value, length=None)
    return work.change(index, records=tuple(records))


@mutator(3)
def record__key(work: Work, choices: Choices) -> bool:
    """A record takes another key."""
    index, records = _records(work, choices)
    if index < 0:
        return False
    at = below(choices, len(records))
    old = records[at].key
    key = pick(choices, (*KEYS, old.upper(), old + b" ", b"", old + b"\0"))
    records[at] = msgspec.structs.replace(records[at], key=key, length=None)
    return work.change(index, records=tuple(records))


@mutator(4)
def record__length(work: Work, choices: Choices) -> bool:
    """A record states another length than its own."""
    index, records = _records(work, choices)
    if index < 0:
        return False
    at = below(choices, len(records))
    right = len(record_bytes(msgspec.structs.replace(records[at], length=None)))
    near = (right - 1, right + 1, right + 512, right // 2, 2 * right)
    length = b"%d" % pick(choices, near) if chance(choices, 2) else pick(choices, LENGTHS)
    records[at] = msgspec.structs.replace(records[at], length=length)
    return work.change(index, records=tuple(records))


@mutator(2)
def record__end(work: Work, choices: Choices) -> bool:
    """A record ends in something else than one newline."""
    index, records = _records(work, choices)
    if index < 0:
        return False
    at = below(choices, len(records))
    records[at] = msgspec.structs.replace(records[at], end=pick(choices, (b"", b"\0", b"\n\n", b" \n", b"\r\n")))
    return work.change(index, records=tuple(records))


@mutator(4)
def record__scope(work: Work, choices: Choices) -> bool:
    """An extended header becomes a global one, a Solaris one, or a local one."""
    index = place(choices, work.paxes())
    return index >= 0 and work.change(
        index, kind=pick(choices, ("pax", "pax-global", "pax-solaris")), typeflag=None
    )
