"""Section 1, the typeflag against the rest of the header, and types that few know."""

from __future__ import annotations

from ...archive.encode import encode_bytes
from ...archive.recipe import Member, Recipe
from ..draft import Draft, body
from . import WHERE, feature

SIZED = ("dir", "symlink", "hardlink", "char", "block", "fifo")


@feature("1 typeflag against the rest", 8, kind=SIZED, stored=(False, True), size=(1, 512, 1024), where=WHERE)
def type__size_without_body(draft: Draft, kind: str, stored: bool, size: int, where: int) -> None:
    """A size on what has no body, with the body there or not."""
    place = draft.place(where)
    link = b"a" if kind in ("symlink", "hardlink") else None
    draft.change(place, kind=kind, typeflag=None, linkname=link, data=body(size) if stored else b"", size=size)


@feature("1 typeflag against the rest", 5, kind=SIZED, where=WHERE)
def type__headers_as_body(draft: Draft, kind: str, where: int) -> None:
    """A body on what has none, itself made of a header: members for who skips no body."""
    place = draft.place(where)
    inner = encode_bytes(Recipe((Member(name=b"inner", data=b"inner\n"),), 0))
    link = b"a" if kind in ("symlink", "hardlink") else None
    draft.change(place, kind=kind, typeflag=None, linkname=link, data=inner)


@feature("1 typeflag against the rest", 5, typeflag=(b"0", b"", b"7"), size=(0, 5, 512), where=WHERE)
def type__file_with_slash(draft: Draft, typeflag: bytes, size: int, where: int) -> None:
    """A regular file whose name ends in a slash: a directory in v7's way, or not."""
    draft.change(draft.place(where), kind="file", typeflag=typeflag, name=b"slash/", data=body(size), linkname=None)


@feature("1 typeflag against the rest", 4, layout=("v7", "ustar"), where=WHERE)
def type__v7_directory(draft: Draft, layout: str, where: int) -> None:
    """A v7 directory: type 0, a slash, and a size that nothing of the kind follows (libarchive 1569)."""
    draft.change(
        draft.place(where),
        kind="file",
        format=layout,
        prefix=None,
        name=b"v7dir/",
        data=b"",
        size=512,
        linkname=None,
    )


@feature("1 typeflag against the rest", 5, kind=("file", "dir"), link=(b"a", b"../x", b"/abs"), where=WHERE)
def type__link_name(draft: Draft, kind: str, link: bytes, where: int) -> None:
    """A link name on what is no link."""
    draft.change(draft.place(where, "dir" if kind == "dir" else "file"), linkname=link)


@feature("1 typeflag against the rest", 4, kind=("symlink", "hardlink"), where=WHERE)
def type__empty_link(draft: Draft, kind: str, where: int) -> None:
    """A link without a target."""
    draft.change(draft.place(where), kind=kind, typeflag=None, linkname=b"", data=b"")


FORMAT_BITS = (0o100000, 0o040000, 0o120000, 0o020000, 0o060000, 0o010000, 0o140000)
"""S_IFREG, S_IFDIR, S_IFLNK, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK (sys/stat.h)."""


@feature("1 typeflag against the rest", 5, bits=FORMAT_BITS, where=WHERE)
def type__mode_bits(draft: Draft, bits: int, where: int) -> None:
    """File type bits in the mode that agree with the typeflag or not."""
    draft.change(draft.place(where), mode=bits | 0o644)


FLAGS = tuple(bytes([code]) for code in b"789DMNVSAEIXKLgxZaz!~ \x01\n\x7f\x80\xff")
"""Typeflags beside the usual ones: contiguous, GNU's, star's and Solaris's own, vendor types, no types at all."""


@feature("1 typeflag", 8, typeflag=FLAGS, size=(0, 5, 512), where=WHERE)
def type__unknown(draft: Draft, typeflag: bytes, size: int, where: int) -> None:
    """A type that is unknown, unusual, or not to be extracted, with and without a body."""
    draft.change(draft.place(where), kind="file", typeflag=typeflag, data=body(size), linkname=None)


@feature("1 typeflag", 5, where=WHERE)
def type__nul(draft: Draft, where: int) -> None:
    """A regular file whose typeflag is NUL."""
    draft.change(draft.place(where, "file"), typeflag=b"")


@feature(
    "1 typeflag against the rest",
    3,
    kind=("char", "block"),
    number=(None, b"", b"\x80\0\0\0\0\0\0\1", 0o7777777),
    where=WHERE,
)
def type__device(draft: Draft, kind: str, number: object, where: int) -> None:
    """A device with ordinary, empty, base-256 or huge numbers."""
    draft.change(
        draft.place(where), kind=kind, typeflag=None, devmajor=number, devminor=number, data=b"", linkname=None
    )


@feature("1 typeflag against the rest", 3, kind=("fifo", "contiguous"), where=WHERE)
def type__rare(draft: Draft, kind: str, where: int) -> None:
    """A FIFO, or a contiguous file."""
    draft.change(draft.place(where), kind=kind, typeflag=None, linkname=None, data=b"" if kind == "fifo" else b"x")
