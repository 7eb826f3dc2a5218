"""Section 4 and 5, pax records, global headers, stacking, sparse files."""

from __future__ import annotations

from ...archive.encode import encode_bytes
from ...archive.recipe import BLOCK, Long, Member, Part, Pax, Recipe, Record, Slot, SparseBlock
from ..draft import Draft, body
from . import WHERE, feature

VALUES = (
    (b"path", b"from-pax"), (b"path", b""), (b"path", b"a\nb"), (b"path", b"a\0b"), (b"path", b"12345"),
    (b"path", b"\xff\xfe"), (b"path", b"dir/"), (b"path", b"../canary/new"), (b"linkpath", b"from-pax"),
    (b"linkpath", b"12345"), (b"linkpath", b""), (b"mtime", b"1000000000.5"),
    (b"mtime", b"1000000000.123456789012"),
    (b"mtime", b"-1.5"), (b"mtime", b"1e9"), (b"mtime", b"1e10000000"), (b"mtime", b"nan"), (b"mtime", b"inf"),
    (b"mtime", b""), (b"mtime", b"99999999999999999999"), (b"atime", b"1"), (b"ctime", b"1"),
    (b"uid", b"4294967296"),
    (b"uid", b"-1"), (b"gid", b"+5"), (b"gid", b"007"), (b"uname", b"paxuser"), (b"gname", b"paxgroup"),
    (b"hdrcharset", b"BINARY"), (b"charset", b"ISO-IR 8859 1 1998"), (b"comment", b"x" * 600),
    (b"SCHILY.xattr.user.n", b"a\nb"), (b"SCHILY.dev", b"1"), (b"LIBARCHIVE.xattr.user.n", b"YQ=="),
    (b"GNU.sparse.name", b"renamed"), (b"GNU.sparse.size", b"5"), (b"VENDOR.key", b"v"), (b"", b"v"),
    (b"PATH", b"up"),
    (b"k" * 300, b"v"), (b"path\0x", b"v"),
)  # fmt: skip
"""Keys and values: every one that POSIX, star, GNU or libarchive defines, and some that nobody does."""


@feature("4 keys and values", 12, record=VALUES, kind=("pax", "pax-global", "pax-solaris"), where=WHERE)
def pax__record(draft: Draft, record: tuple[bytes, bytes], kind: str, where: int) -> None:
    """One record, in a local, global or Solaris header."""
    draft.before(draft.place(where), Pax(kind=kind, records=(Record(*record),)))  # type: ignore[arg-type]  # a PaxKind


LENGTHS = (
    b"0",
    b"1",
    b"3",
    b"12",
    b"14",
    b"99",
    b"4096",
    b"2147483647",
    b"99999999999999999999",
    b"013",
    b"+13",
    b"-13",
    b" 13",
    b"",
)
"""Stated lengths of the record `13 path=long\\n`, whose right length is 13."""


@feature("4 length", 8, length=LENGTHS, alone=(True, False), where=WHERE)
def pax__length(draft: Draft, length: bytes, alone: bool, where: int) -> None:
    """A record whose stated length is not its own (CVE-2019-20907)."""
    wrong = Record(b"path", b"long", length=length)
    records = (wrong,) if alone else (Record(b"comment", b"good"), wrong, Record(b"mtime", b"1000000005"))
    draft.before(draft.place(where), Pax(records=records))


@feature(
    "4 length",
    4,
    body=(b"13 path=long", b"path=long\n", b"13path=long\n", b"13 pathlong\n", b"\0\0\0", b""),
    where=WHERE,
)
def pax__body(draft: Draft, body: bytes, where: int) -> None:
    """An extended header whose body is no record, or empty."""
    draft.before(draft.place(where), Pax(data=body or None))


@feature("4 the same key twice", 5, key=(b"path", b"size", b"mtime"), split=(False, True), where=WHERE)
def pax__twice(draft: Draft, key: bytes, split: bool, where: int) -> None:
    """One key with two values, in one header or in two."""
    place = draft.place(where)
    size = len(draft.member(place).data)
    values = {
        b"path": (b"first", b"second"),
        b"size": (b"%d" % size, b"%d" % (size + 512)),
        b"mtime": (b"1", b"2"),
    }[key]
    records = [Record(key, value) for value in values]
    headers = [Pax(records=(record,)) for record in records] if split else [Pax(records=tuple(records))]
    draft.before(place, *headers)


SIZES = ("smaller", "larger", "header-0", "header-huge", "header-short", "zero")


@feature("4 size", 10, form=SIZES, inner=(False, True), carrier=("pax", "pax-global"), where=WHERE)
def pax__size(draft: Draft, form: str, inner: bool, carrier: str, where: int) -> None:
    """A pax size unlike the header's, with a body of data or of headers (CVE-2025-62518)."""
    place = draft.place(where, "file")
    nested = encode_bytes(
        Recipe((Member(name=b"inner", data=b"inner\n"), Member(kind="symlink", name=b"il", linkname=b"a")), 0)
    )
    data = nested if inner else body(1536)
    stated = {"smaller": len(data) - 512, "larger": len(data) + 512, "zero": 0}.get(form, len(data))
    header = {"header-0": 0, "header-huge": 2**62, "header-short": 5}.get(form)
    draft.change(place, data=data, size=header)
    draft.before(place, Pax(kind=carrier, records=(Record(b"size", b"%d" % stated),)))  # type: ignore[arg-type]  # a PaxKind
    draft.parts.append(Member(name=b"after.txt", data=b"after\n"))


@feature("4 size", 4, kind=("dir", "symlink", "hardlink"), size=(b"0", b"5", b"512"), where=WHERE)
def pax__size_on_others(draft: Draft, kind: str, size: bytes, where: int) -> None:
    """A pax size on a directory or a link."""
    place = draft.place(where)
    link = b"a" if kind != "dir" else None
    draft.change(place, kind=kind, typeflag=None, data=b"", linkname=link)
    draft.before(place, Pax(records=(Record(b"size", size),)))
    draft.parts.append(Member(name=b"after.txt", data=b"after\n"))


STACKS = ("x-x", "x-L", "L-x", "L-K", "K-L", "L-L", "x-g", "g-x", "L-g", "X-x", "x-x-x")


@feature("4 order and stacking", 8, stack=STACKS, size=(None, 20, 1024), where=WHERE)
def pax__stack(draft: Draft, stack: str, size: int | None, where: int) -> None:
    """Two and more extensions before one member; a pax size among them (GHSA-3pv8-6f4r-ffg2)."""
    place = draft.place(where)
    parts: list[Part] = []
    for number, letter in enumerate(stack.split("-")):
        records: tuple[Record, ...] = (Record(b"path", b"stack-%d" % number),)
        if size is not None and number == 0:
            records = (Record(b"size", b"%d" % size),)
        if letter in ("x", "X", "g"):
            kind = {"x": "pax", "X": "pax-solaris", "g": "pax-global"}[letter]
            parts.append(Pax(kind=kind, records=records))  # type: ignore[arg-type]  # a PaxKind
        else:
            text = b"good-%d.txt" % number
            padding = b"-evil-suffix".ljust(-(len(text) + 1) % BLOCK, b"\0") if size else None
            parts.append(Long(kind="long-name" if letter == "L" else "long-link", text=text, padding=padding))
    draft.before(place, *parts)
    draft.parts.append(Member(name=b"after.txt", data=body(1024)))


@feature(
    "4 global",
    6,
    key=(b"path", b"mtime", b"size", b"uid", b"linkpath", b"comment"),
    form=("once", "twice", "deleted", "overridden", "last", "between"),
)
def pax__global(draft: Draft, key: bytes, form: str) -> None:
    """A global header: for the rest, replaced, deleted by an empty value, overridden, last, behind an x."""
    value = {b"path": b"global", b"mtime": b"1000000007", b"size": b"5", b"uid": b"7"}.get(key, b"global")
    header = Pax(kind="pax-global", records=(Record(key, value),))
    local = Pax(records=(Record(key, b"1000000009" if key in (b"mtime", b"uid") else b"5"),))
    empty = Pax(kind="pax" if form == "deleted" else "pax-global", records=(Record(key, b""),))
    place = draft.place(0)
    if form == "last":
        draft.parts.append(header)
    elif form == "between":
        draft.before(place, Pax(records=(Record(b"mtime", b"1000000003"),)), header)
    else:
        behind = {"once": [], "twice": [header], "deleted": [empty], "overridden": [local]}[form]
        draft.before(place, header, *behind)


@feature(
    "4 headers of extensions",
    4,
    form=("gnu-magic", "v7", "long-name", "mode", "directory-name", "size-0"),
    where=WHERE,
)
def pax__header(draft: Draft, form: str, where: int) -> None:
    """An extended header under another magic, or with an odd header of its own."""
    fields: dict[str, object] = {
        "gnu-magic": {"format": "gnu"},
        "v7": {"format": "v7"},
        "long-name": {"name": b"n" * 100},
        "mode": {"mode": 0o7777, "mtime": 2**33},
        "directory-name": {"name": b"dir/"},
        "size-0": {"size": 0},
    }[form]  # type: ignore[assignment]  # a table of keyword arguments
    draft.before(draft.place(where), Pax(records=(Record(b"path", b"via-pax"),), **fields))  # type: ignore[arg-type]  # the same


def _sparse(size: int) -> tuple[bytes, bytes]:
    """Map and data of a file of `size` bytes that has 5 bytes at its beginning and 5 at its end."""
    data = b"start" + b"end.\n"
    return b"2\n0\n5\n%d\n5\n" % (size - 5), data


@feature(
    "5 sparse pax",
    5,
    version=("1.0", "0.1", "0.0"),
    form=("right", "pax-size", "short-map", "bad-digits", "beyond", "no-name"),
    where=WHERE,
)
def sparse__pax(draft: Draft, version: str, form: str, where: int) -> None:
    """A sparse file in one of GNU's three pax forms, right or with a broken map."""
    size = 4096
    table, data = _sparse(size)
    real = b"%d" % (size // 2 if form == "beyond" else size)
    table = {"short-map": table[:4], "bad-digits": b"2\nx\n5\n9\n5\n"}.get(form, table)
    numbers = table.split(b"\n")[1:-1]
    name = () if form == "no-name" else (Record(b"GNU.sparse.name", b"sparse.bin"),)
    if version == "1.0":
        stored = table.ljust(BLOCK, b"\0") + data
        records = (
            Record(b"GNU.sparse.major", b"1"),
            Record(b"GNU.sparse.minor", b"0"),
            *name,
            Record(b"GNU.sparse.realsize", real),
        )
    elif version == "0.1":
        stored = data
        records = (
            Record(b"GNU.sparse.size", real),
            Record(b"GNU.sparse.numblocks", b"2"),
            *name,
            Record(b"GNU.sparse.map", b",".join(numbers)),
        )
    else:
        stored = data
        pairs = [
            Record(b"GNU.sparse.offset" if number % 2 == 0 else b"GNU.sparse.numbytes", value)
            for number, value in enumerate(numbers)
        ]
        records = (Record(b"GNU.sparse.size", real), Record(b"GNU.sparse.numblocks", b"2"), *pairs)
    if form == "pax-size":
        records = (*records, Record(b"size", b"%d" % len(stored)))
    draft.before(draft.place(where), Pax(records=records), Member(name=b"GNUSparseFile.0/sparse.bin", data=stored))


@feature(
    "5 sparse old",
    5,
    form=("right", "extended", "overlap", "unordered", "beyond", "partial-slot", "negative", "empty", "no-end"),
)
def sparse__old(draft: Draft, form: str) -> None:
    """A sparse file in old GNU form: slots in the header, extension blocks, right or broken."""
    slots = {
        "overlap": (Slot(0, 5), Slot(3, 5)),
        "unordered": (Slot(4091, 5), Slot(0, 5)),
        "beyond": (Slot(0, 5), Slot(9000, 5)),
        "partial-slot": (Slot(0, 5), Slot(b"", b"1")),
        "negative": (Slot(0, 5), Slot(-512, 5)),
        "empty": (),
    }.get(form, (Slot(0, 5), Slot(4091, 5)))
    extensions: tuple[SparseBlock, ...] = ()
    if form == "extended":
        slots, extensions = (Slot(0, 1), Slot(1, 1), Slot(2, 1), Slot(3, 2)), (SparseBlock((Slot(4091, 5),)),)
    member = Member(
        kind="sparse",
        format="gnu",
        name=b"old-sparse",
        data=b"startend.\n"[: 0 if form == "empty" else 10],
        sparse=slots,
        extensions=extensions,
        isextended=1 if form == "no-end" else None,
        realsize=4096,
    )
    draft.parts += [member, Member(name=b"after.txt", data=b"after\n")]


@feature("5 GNU specials", 3, typeflag=(b"V", b"M", b"N", b"D"), size=(None, 0, -512, 5), where=WHERE)
def gnu__special(draft: Draft, typeflag: bytes, size: int | None, where: int) -> None:
    """A volume label, continuation, old long-names file or dump directory, also with a negative size."""
    data = b"Yfile\0Nother\0\0" if typeflag == b"D" else b"" if size is not None and size <= 0 else b"body\n"
    draft.before(
        draft.place(where),
        Member(kind="file", format="gnu", typeflag=typeflag, name=b"special", size=size, data=data),
    )
