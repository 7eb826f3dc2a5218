"""Section 4, pax records: keys, values, lengths, sizes, global headers, the order and headers of extensions."""

from __future__ import annotations

from typing import Any

import msgspec

from ...archive.encode import record_bytes
from ...archive.recipe import BLOCK, End, Long, Member, Number, Part, Pax, Record
from ..draft import Draft, body
from ..draft import inner as archive
from . import WHERE, feature

VALUES = (
    (b"path", b"from-pax"), (b"path", b""), (b"path", b"a\nb"), (b"path", b"a\0b"), (b"path", b"12345"), (b"path",
    b"\xff\xfe"), (b"path", b"dir/"), (b"path", b"../canary/new"), (b"linkpath", b"from-pax"), (b"linkpath",
    b"12345"), (b"linkpath", b""), (b"mtime", b"1000000000.5"), (b"mtime", b"1000000000.123456789012"), (b"mtime",
    b"-1.5"), (b"mtime", b"1e9"), (b"mtime", b"1e10000000"), (b"mtime", b"nan"), (b"mtime", b"inf"), (b"mtime",
    b""), (b"mtime", b"99999999999999999999"), (b"atime", b"1"), (b"ctime", b"1"), (b"uid", b"4294967296"), (b"uid",
    b"-1"), (b"gid", b"+5"), (b"gid", b"007"), (b"uname", b"paxuser"), (b"gname", b"paxgroup"), (b"hdrcharset",
    b"BINARY"), (b"charset", b"ISO-IR 8859 1 1998"), (b"comment", b"x" * 600), (b"SCHILY.xattr.user.n", b"a\nb"),
    (b"SCHILY.dev", b"1"), (b"LIBARCHIVE.xattr.user.n", b"YQ=="), (b"GNU.sparse.name", b"renamed"),
    (b"GNU.sparse.size", b"5"), (b"VENDOR.key", b"v"), (b"", b"v"), (b"PATH", b"up"), (b"k" * 300, b"v"),
    (b"path\0x", b"v"), (b"path", b"a=b"), (b"path", b"/abs"), (b"path", b"p" * 300), (b"linkpath", b"../canary"),
    (b"size", b""), (b"size", b"-1"), (b"size", b"-1000"), (b"size", b"+5"), (b"size", b"0005"), (b"size", b"1e1"),
    (b"size", b"0x5"), (b"size", b"18446744073709551615"), (b"size", b"9223372036854775807"), (b"size", b"5 "),
    (b"size", b"5\0"), (b"uid", b"0"), (b"uid", b"2147483648"), (b"gid", b"4294967295"), (b"uid", b"x"), (b"uname",
    b""), (b"uname", b"u" * 300), (b"mtime", b"0"), (b"mtime", b"253402300800"), (b"mtime", b"-62135596801"),
    (b"mtime", b"1000000000."), (b"mtime", b".5"), (b"mtime", b"1,5"), (b"mtime", b"0x10"), (b"mtime", b"1" * 400),
    (b"mtime", b"9223372036854775808"), (b"SCHILY.xattr.security.capability", b"\1\0\0\2"), (b"SCHILY.xattr.user.n",
    b""), (b"SCHILY.acl.access", b"user::rwx"), (b"SCHILY.ino", b"7"), (b"SCHILY.filetype", b"dir"),
    (b"SCHILY.realsize", b"5"), (b"SCHILY.nlink", b"2"), (b"SCHILY.fflags", b"immutable"),
    (b"LIBARCHIVE.creationtime", b"1"), (b"LIBARCHIVE.symlinktype", b"dir"), (b"GNU.volume.label", b"v"),
    (b"GNU.dumpdir", b"Yf\0\0"), (b"GNU.sparse.realsize", b"5"), (b"GNU.sparse.map", b"0,5"), (b"GNU.sparse.major",
    b"1"), (b"GNU.sparse.major", b"9"), (b"MSWINDOWS.rawsd", b"AQ=="), (b"RHT.security.selinux", b"x"),
    (b"\xc3\xa9", b"v"), (b"path ", b"v"), (b" path", b"v"), (b"typeflag", b"5"), (b"mode", b"0777"), (b"devmajor",
    b"1"),
)  # fmt: skip
"""Keys and values: every one that POSIX, star, GNU or libarchive defines, and some that nobody does."""


@feature("4 keys and values", 20, record=VALUES, kind=("pax", "pax-global", "pax-solaris"), where=WHERE)
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
    b"0x0d",
    b"13.0",
    b"520",  # behind the block, inside the padding's end
    b"1073741824",
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
    body=(
        b"13 path=long",
        b"path=long\n",
        b"13path=long\n",
        b"13 pathlong\n",
        b"\0\0\0",
        b"",
        b"13 path=long\n\0\0\0\0",
        b"13 path=long\n\n",
        b"14 path=long\n\n",
        b"13\tpath=long\n",
        b"12 path=long\0\n",
        b"junk\n13 path=long\n",
        b"1 " * 30_000,  # quadratic for who looks for records with a regular expression (CVE-2024-6232)
        b"9" * 60_000,
        b" " * 60_000,
        b"6 a=b\n" * 20_000,
    ),
    where=WHERE,
)
def pax__body(draft: Draft, body: bytes, where: int) -> None:
    """An extended header whose body is no record, or empty."""
    draft.before(draft.place(where), Pax(data=body or None))


EDGES = (510, 511, 512, 513, 1023, 1024, 1025)
"""Bytes at which a record ends: at the end of a block, a byte before and behind it."""


@feature("4 length", 5, edge=EDGES, key=(b"comment", b"path", b"VENDOR.key"), behind=(False, True), where=WHERE)
def pax__edge(draft: Draft, edge: int, key: bytes, behind: bool, where: int) -> None:
    """A record that ends at a block's edge or beside it, alone or with another one behind."""
    empty = len(record_bytes(Record(key, b"v" * (edge - 20))))
    value = b"v" * (edge - 20 + edge - empty)
    records = (Record(key, value), Record(b"mtime", b"1000000005")) if behind else (Record(key, value),)
    draft.before(draft.place(where), Pax(records=records))


@feature(
    "4 length", 2, size=(64 * 1024, 1 << 20), kind=("pax", "pax-global", "long-name", "key", "records"), where=WHERE
)
def pax__large(draft: Draft, size: int, kind: str, where: int) -> None:
    """An extension far larger than any name."""
    large: Part = Long(text=b"/".join([b"n" * 200] * (size // 201)))
    if kind == "key":
        # GNU tar put the name of an attribute on its stack (CVE-2023-39804).
        large = Pax(records=(Record(b"SCHILY.xattr.user." + b"k" * size, b"v"),))
    elif kind == "records":
        large = Pax(data=b"".join(record_bytes(Record(b"K.%d" % number, b"v")) for number in range(size // 16)))
    elif kind != "long-name":
        large = Pax(kind=kind, records=(Record(b"comment", b"c" * size),))  # type: ignore[arg-type]  # a PaxKind
    draft.before(draft.place(where), large)


@feature(
    "4 length",
    3,
    size=(2**20, 2**30, 2**31, 2**33, 2**63 - 1, -1, -512, -1024, -(2**63)),
    kind=("pax", "pax-global", "long-name"),
    where=WHERE,
)
def pax__declared(draft: Draft, size: int, kind: str, where: int) -> None:
    """An extension whose header and record declare far more than there is, or a negative size (CVE-2021-35517)."""
    declared: Part = Long(text=b"declared", size=size)
    if kind != "long-name":
        record = Record(b"path", b"declared", length=b"%d" % size)
        declared = Pax(kind=kind, records=(record,), size=size)  # type: ignore[arg-type]  # a PaxKind
    draft.before(draft.place(where), declared)


TOGETHER = (
    ((b"path", b"by-path"), (b"GNU.sparse.name", b"by-sparse-name")),
    ((b"GNU.sparse.name", b"by-sparse-name"), (b"path", b"by-path")),
    ((b"hdrcharset", b"BINARY"), (b"path", b"\xff\xfe")),
    ((b"path", b"\xff\xfe"), (b"hdrcharset", b"BINARY")),
    ((b"path", b"by-path"), (b"linkpath", b"by-linkpath")),
    ((b"size", b"5"), (b"GNU.sparse.realsize", b"4096")),
    ((b"size", b"5"), (b"SCHILY.realsize", b"4096")),
    ((b"path", b"by-path"), (b"path", b"")),
    ((b"path", b"lower"), (b"PATH", b"upper")),
    ((b"uid", b"5"), (b"uname", b"nosuchuser")),
    ((b"mtime", b"5"), (b"atime", b"x")),
)
"""Records that say two things about one, or need each other."""


@feature("4 the same key twice", 5, records=TOGETHER, where=WHERE)
def pax__together(draft: Draft, records: tuple[tuple[bytes, bytes], ...], where: int) -> None:
    """Two records that contradict each other, or of which one says how the other is read."""
    draft.before(draft.place(where), Pax(records=tuple(Record(*one) for one in records)))


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


SIZES = ("smaller", "larger", "header-0", "header-huge", "header-short", "zero", "by-one", "header-negative", "raw")


@feature("4 size", 16, form=SIZES, inner=(False, True), carrier=("pax", "pax-global", "pax-solaris"), where=WHERE)
def pax__size(draft: Draft, form: str, inner: bool, carrier: str, where: int) -> None:
    """A pax size unlike the header's, with a body of data or of headers (CVE-2025-62518)."""
    place = draft.place(where, "file")
    data = archive() if inner else body(1536)
    stated = {"smaller": len(data) - 512, "larger": len(data) + 512, "zero": 0, "by-one": len(data) - 1}.get(
        form, len(data)
    )
    sizes: dict[str, Number] = {
        "header-0": 0, "header-huge": 2**62, "header-short": 5, "header-negative": -512, "raw": b"x"
    }  # fmt: skip
    header = sizes.get(form)
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


STACKS = (
    "x-x", "x-L", "L-x", "L-K", "K-L", "L-L", "x-g", "g-x", "L-g", "X-x", "x-x-x", "K-K", "g-g", "g-L", "x-K",
    "K-x", "x-L-x", "L-x-L", "x-g-x", "X-L",
)  # fmt: skip


@feature("4 order and stacking", 10, stack=STACKS, size=(None, 20, 0, 1024, 2048), where=WHERE)
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
    form=("once", "twice", "deleted", "overridden", "last", "between", "emptied", "late"),
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
    elif form == "late":
        draft.before(draft.place(2), header)
    elif form == "between":
        draft.before(place, Pax(records=(Record(b"mtime", b"1000000003"),)), header)
    else:
        behind = {"once": [], "twice": [header], "deleted": [empty], "emptied": [empty], "overridden": [local]}[
            form
        ]
        draft.before(place, header, *behind)


@feature(
    "4 headers of extensions",
    8,
    form=(
        "gnu-magic",
        "v7",
        "long-name",
        "mode",
        "directory-name",
        "size-0",
        "star",
        "prefix",
        "link",
        "padding",
        "no-name",
    ),
    carrier=("pax", "pax-global", "gnu"),
    where=WHERE,
)
def pax__header(draft: Draft, form: str, carrier: str, where: int) -> None:
    """An extended header under another magic, or with an odd header of its own."""
    record = Record(b"path", b"via-pax")
    forms: dict[str, dict[str, Any]] = {
        "gnu-magic": {"format": "gnu"},
        "v7": {"format": "v7"},
        "long-name": {"name": b"n" * 100},
        "mode": {"mode": 0o7777, "mtime": 2**33},
        "directory-name": {"name": b"dir/"},
        "size-0": {"size": 0},
        "star": {"format": "star"},
        "prefix": {"prefix": b"pfx", "format": "ustar"},
        "link": {"linkname": b"a"},
        "padding": {"padding": b"evil-suffix".ljust(BLOCK, b"\xff")[: -len(record_bytes(record)) % BLOCK]},
        "no-name": {"name": b""},
    }
    fields = forms[form]
    extension: Part = Long(text=b"via-gnu") if carrier == "gnu" else Pax(records=(record,))
    if carrier == "pax-global":
        extension = Pax(kind="pax-global", records=(record,))
    if form == "padding" and carrier == "gnu":
        fields = {"padding": b"evil-suffix".ljust(BLOCK - 8, b"\xff")}
    draft.before(draft.place(where), msgspec.structs.replace(extension, **fields))


@feature(
    "4 order and stacking", 4, first=("x", "L", "K"), second=("x", "L", "dir"), end=("member", "zero-block", "end")
)
def pax__of_extension(draft: Draft, first: str, second: str, end: str) -> None:
    """An extension that is meant for the next extension, or for what never comes: a zero block, the end."""
    record = Record(b"path", b"carried-by-pax")
    kinds: dict[str, Part] = {
        "x": Pax(records=(record,)),
        "L": Long(text=b"carried-by-gnu"),
        "K": Long(kind="long-link", text=b"linked-by-gnu"),
        "dir": Member(kind="dir", name=b"between/"),
    }
    draft.parts += [kinds[first], kinds[second]]
    if end == "zero-block":
        draft.parts += [End(1), Member(name=b"after.txt", data=b"after\n")]
    elif end == "member":
        draft.parts.append(Member(name=b"after.txt", data=b"after\n"))
