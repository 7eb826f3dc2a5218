"""The recipe: a readable, lossless description of a tar archive, and the currency of the whole harness.

A recipe is a list of *parts*, each of one of five types: a `Member`, a `Pax` extended header, a GNU `Long`
name or link, an `End` marker and `Raw` bytes. Every header field may be left out (it takes its canonical
value), set to a number, or set to raw bytes; the encoder repairs the checksum unless the recipe sets one.

Nothing here does anything: `encode` and `decode` give records their bytes, `text` their TOML form.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

BLOCK = 512
"""Bytes in one tar block (POSIX.1-2017 pax, "ustar Interchange Format")."""

Format: TypeAlias = Literal["ustar", "gnu", "v7", "star"]
"""Which layout and which canonical magic a header has.

`ustar` POSIX ustar and pax; `gnu` the old GNU layout; `v7` no magic, every later field NUL; `star` ustar with a
131-byte prefix, times behind it and `tar\\0` at the end.
"""

MemberKind: TypeAlias = Literal[
    "file", "dir", "symlink", "hardlink", "char", "block", "fifo", "contiguous", "sparse"
]
PaxKind: TypeAlias = Literal["pax", "pax-global", "pax-solaris"]
LongKind: TypeAlias = Literal["long-name", "long-link"]

Number: TypeAlias = int | bytes | None
"""A numeric header field: None is the canonical value, an int is written in the canonical encoding (zero-padded
octal and NUL, base-256 when that is too narrow), bytes are written as they are, padded on the right with NUL."""

Text: TypeAlias = bytes | None
"""A text header field: None is the canonical value, bytes are padded on the right with NUL."""

TYPEFLAGS: dict[str, bytes] = {
    "file": b"0",
    "hardlink": b"1",
    "symlink": b"2",
    "char": b"3",
    "block": b"4",
    "dir": b"5",
    "fifo": b"6",
    "contiguous": b"7",
    "sparse": b"S",
    "pax": b"x",
    "pax-global": b"g",
    "pax-solaris": b"X",
    "long-name": b"L",
    "long-link": b"K",
}
"""The canonical typeflag of each kind of part that has a header."""


class Slot(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One entry of an old GNU sparse map: `length` bytes of data at `offset` of the file (two 12-byte fields)."""

    offset: Number = None
    length: Number = None


class SparseBlock(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One 512-byte extension of an old GNU sparse map: up to 21 slots and a flag that another block follows."""

    slots: tuple[Slot, ...] = ()
    isextended: Number = None
    reserved: Text = None


class Header(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The 512 header bytes that every part but `End` and `Raw` begins with.

    Bytes shorter than their field are padded with NUL; longer ones make `encode` raise RecipeError. In normal
    form bytes carry no NUL at the end, so a NUL typeflag is `b""`. Fields that a format does not have must be None.
    """

    format: Format = "ustar"
    name: Text = None
    mode: Number = None
    uid: Number = None
    gid: Number = None
    size: Number = None
    mtime: Number = None
    chksum: Number = None
    typeflag: Text = None
    linkname: Text = None
    magic: Text = None
    version: Text = None
    uname: Text = None
    gname: Text = None
    devmajor: Number = None
    devminor: Number = None
    prefix: Text = None
    """ustar, v7 (155 bytes) and star (131 bytes)."""
    atime: Number = None
    """gnu and star."""
    ctime: Number = None
    """gnu and star."""
    offset: Number = None
    """gnu: where a multi-volume continuation (typeflag M) goes on."""
    longnames: Text = None
    """gnu: four bytes that no known program ever used."""
    unused: Text = None
    """gnu: one byte of alignment."""
    sparse: tuple[Slot, ...] = ()
    """gnu: the four slots of the sparse map in the header."""
    isextended: Number = None
    """gnu: one byte; non-zero says that a `SparseBlock` follows. Canonical: 1 when the part has extensions."""
    realsize: Number = None
    """gnu: the size of a sparse file once expanded."""
    reserved: Text = None
    """What is left at the end of the block: 12 bytes in ustar and v7, 17 in gnu, 8 in star (before `tar\\0`)."""
    star_magic: Text = None
    """star: the four bytes at 508, canonically `tar\\0`."""
    padding: Text = None
    """What follows the body. None: NULs up to the next multiple of 512; bytes: exactly these (NULs are kept)."""


class Member(Header, frozen=True, kw_only=True, omit_defaults=True, tag_field="part", tag="member"):
    """One header block with its body: a file, a directory, a link, a device or a type nobody knows.

    `kind` gives the canonical typeflag (and mode); an unknown type is `kind="file"` with another `typeflag`.
    The canonical size is the length of the body, whatever the kind.
    """

    kind: MemberKind = "file"
    data: bytes = b""
    """The stored body, as it is in the archive."""
    extensions: tuple[SparseBlock, ...] = ()
    """gnu: blocks of the sparse map between header and body."""


class Record(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One pax record, `length SP key "=" value LF` (POSIX.1-2017 pax, "pax Header Block")."""

    key: bytes
    value: bytes
    length: Text = None
    """The text in front of the space. None: the right decimal length."""
    end: Text = None
    """What ends the record, canonically one newline."""


class Pax(Header, frozen=True, kw_only=True, omit_defaults=True, tag_field="part", tag="pax"):
    """An extended header: for the next member (x), for all that follow (g), or Solaris's older spelling (X)."""

    kind: PaxKind = "pax"
    records: tuple[Record, ...] = ()
    data: Text = None
    """Bytes behind the records (what does not parse as records), in the same body."""


class Long(Header, frozen=True, kw_only=True, omit_defaults=True, tag_field="part", tag="long"):
    """A GNU long name (L) or long link (K): its body is the text and one NUL, unless `end` says otherwise."""

    kind: LongKind = "long-name"
    format: Format = "gnu"
    text: bytes = b""
    end: Text = None
    """What stands behind the text, canonically one NUL (raw: NULs are kept)."""


class End(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="part", tag="end"):
    """Zero blocks in the middle of an archive. The ones at its very end are `Recipe.end`."""

    blocks: int = 2


class Raw(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag_field="part", tag="raw"):
    """Bytes that are no header: junk, the stump of a header, anything."""

    data: bytes = b""


HeaderPart: TypeAlias = Member | Pax | Long
Part: TypeAlias = Member | Pax | Long | End | Raw


class Recipe(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A whole archive: its parts in order, and how many zero blocks end it."""

    parts: tuple[Part, ...] = ()
    end: int = 2


class RecipeError(ValueError):
    """A recipe that has no bytes: a value too wide for its field, or a field the format does not have.

    `part` is the index of the part (-1: the recipe itself), `field` the header field or key.
    """

    def __init__(self, part: int, field: str, detail: str) -> None:
        super().__init__(part, field, detail)
        self.part, self.field, self.detail = part, field, detail

    def __str__(self) -> str:
        return f"part {self.part}, {self.field}: {self.detail}"
