"""Section 6, what an archive is wrapped in: gzip in every shape, bzip2, xz, zstd, twice, damaged, a bomb.

The archive stays a recipe; what is around it are the layers of the case, whose bytes are the same everywhere
(`tarbiter.archive.layers`).
Sources: RFC 1952 (gzip), RFC 8878 (zstd), The .xz File Format, bzip2's file format.
"""

from __future__ import annotations

import bz2
import functools
import zlib

from ...archive.layers import Layer, wrap
from ...archive.recipe import BLOCK, Member, Raw
from ..draft import Draft
from . import feature

BOMB = 16 << 20
"""Bytes of zeros behind an archive: bzip2 makes a ten-thousandth of them."""


@functools.cache
def _bomb() -> bytes:
    return bz2.compress(bytes(BOMB))


ALL_FIELDS = Layer(name=b"../../name.tar", comment=b"a comment", extra=b"ab\2\0xy", header_crc=True)
"""Every optional field (RFC 1952, section 2.3.1). The name must be ignored; EXTRA has one subfield."""

GZIP = (
    "plain", "name", "comment", "extra", "crc16", "all-fields", "members", "split-header", "empty-member",
    "wrong-crc", "wrong-size", "zeros-behind", "junk-behind", "cut", "cut-trailer", "twice",
    "second-member-damaged",
)  # fmt: skip

_GZIP = {
    "plain": (Layer(),),
    "name": (Layer(name=ALL_FIELDS.name),),
    "comment": (Layer(comment=ALL_FIELDS.comment),),
    "extra": (Layer(extra=ALL_FIELDS.extra),),
    "crc16": (Layer(header_crc=True),),
    "all-fields": (ALL_FIELDS,),
    "split-header": (Layer(splits=(300,)),),
    "zeros-behind": (Layer(tail=bytes(512)),),
    "junk-behind": (Layer(tail=b"junk"),),
    "cut-trailer": (Layer(cut=4),),
    "twice": (Layer(), Layer()),
}
"""The forms that are the same whatever the archive is."""


def in_gzip(form: str, data: bytes) -> tuple[Layer, ...]:
    """The layers that put `data` into gzip, in one of GZIP."""
    if form in _GZIP:
        return _GZIP[form]
    half = len(data) // 1024 * 512
    if form == "members":
        layer = Layer(splits=(half,))
    elif form == "empty-member":
        layer = Layer(splits=(0, len(data)))
    elif form == "wrong-crc":
        layer = Layer(crc=(zlib.crc32(data) + 1) & 0xFFFFFFFF)
    elif form == "wrong-size":
        layer = Layer(length=len(data) + 1)
    elif form == "cut":
        layer = Layer(cut=len(wrap(data, (Layer(),))) // 2)
    else:  # second-member-damaged
        layer = Layer(splits=(half,), crc=(zlib.crc32(data[half:]) + 1) & 0xFFFFFFFF)
    return (layer,)


@feature("6 compression", 5, form=GZIP)
def compressed__gzip(draft: Draft, form: str) -> None:
    """The whole archive in gzip: with fields, in several members, damaged, cut, with something behind it, twice."""
    draft.wrap = functools.partial(in_gzip, form)


@feature("6 compression", 2, zeros=(1 << 20, 8 << 20, 32 << 20), at=("body", "alone", "behind"))
def compressed__zeros(draft: Draft, zeros: int, at: str) -> None:
    """Zeros in a body or behind the end, a thousandth in gzip: a bomb, for who counts (CVE-2026-59873).

    Deflate makes a 1030th of zeros at most: with more than a few other members the whole is below a thousandth,
    where limits are. So the body is alone in the archive as well.
    """
    if at == "alone":
        draft.parts.clear()
    if at != "behind":
        draft.parts.append(Member(name=b"zeros", size=zeros))
        draft.end = 0
        zeros += 2 * BLOCK  # the end is zeros too
    draft.wrap = lambda _data: (Layer(zeros=zeros),)


OTHERS = (
    "bzip2", "bzip2-streams", "zstd", "bzip2-in-gzip", "bomb", "lzma-magic", "compress-magic", "xz", "xz-streams",
    "zstd-frames",
)  # fmt: skip

MAGICS = {"lzma-magic": b"\x5d\0\0\x80\0", "compress-magic": b"\x1f\x9d\x90"}
"""What lzma and compress begin with, in front of an archive that is neither."""


def in_another(form: str, data: bytes) -> tuple[Layer, ...]:
    """The layers that put `data` into another compression, in one of OTHERS."""
    splits = (len(data) // 1024 * 512,)
    return {
        "bzip2": (Layer(kind="bzip2"),),
        "bzip2-streams": (Layer(kind="bzip2", splits=splits),),
        "zstd": (Layer(kind="zstd"),),
        "zstd-frames": (Layer(kind="zstd", splits=splits),),
        "xz": (Layer(kind="xz"),),
        "xz-streams": (Layer(kind="xz", splits=splits),),
        "bzip2-in-gzip": (Layer(kind="bzip2"), Layer()),
        "bomb": (Layer(kind="bzip2", tail=_bomb()),),
    }[form]


@feature("6 compression", 3, form=OTHERS)
def compressed__other(draft: Draft, form: str) -> None:
    """The archive in bzip2, xz or zstd, in two layers, with a bomb behind it, or under a magic that lies."""
    if form in MAGICS:
        draft.parts.insert(0, Raw(MAGICS[form]))
    else:
        draft.wrap = functools.partial(in_another, form)
