"""Section 6, what an archive is wrapped in: gzip in every shape, bzip2, zstd, twice, damaged, a bomb.

The archive becomes raw bytes. Deflate and zstd blocks are stored ones, written here: what a compression library
makes differs from one version to the next, and the same seed has to give the same bytes everywhere.
Sources: RFC 1951 (deflate), RFC 1952 (gzip), RFC 8878 (zstd), bzip2's file format.
"""

from __future__ import annotations

import bz2
import functools
import zlib

from ..draft import Draft
from . import feature

STORED = 65_535
"""Bytes of one stored block (RFC 1951, section 3.2.4: a length of 16 bits)."""


def deflated(data: bytes) -> bytes:
    """`data` as stored blocks, the last one marked."""
    pieces = [data[at : at + STORED] for at in range(0, len(data), STORED)] or [b""]
    return b"".join(
        bytes([number == len(pieces) - 1])
        + len(piece).to_bytes(2, "little")
        + (len(piece) ^ 0xFFFF).to_bytes(2, "little")
        + piece
        for number, piece in enumerate(pieces)
    )


FLAGS = {"crc16": 2, "extra": 4, "name": 8, "comment": 16}
"""Bits of FLG (RFC 1952, section 2.3.1)."""


def gzipped(data: bytes, *fields: str, crc: int = 0, size: int = 0) -> bytes:
    """One gzip member with these optional fields; `crc` and `size` are added to the right ones."""
    header = b"\x1f\x8b\x08" + bytes([sum(FLAGS[one] for one in fields)]) + b"\0\0\0\0\0\xff"
    if "extra" in fields:
        header += b"\x06\0ab\2\0xy"
    if "name" in fields:
        header += b"../../name.tar\0"
    if "comment" in fields:
        header += b"a comment\0"
    if "crc16" in fields:
        header += (zlib.crc32(header) & 0xFFFF).to_bytes(2, "little")
    trailer = ((zlib.crc32(data) + crc) & 0xFFFFFFFF).to_bytes(4, "little")
    return header + deflated(data) + trailer + ((len(data) + size) & 0xFFFFFFFF).to_bytes(4, "little")


def zstandard(data: bytes) -> bytes:
    """A zstd frame of raw blocks without checksum (RFC 8878, sections 3.1.1.1 and 3.1.1.2.2)."""
    block = 1 << 17
    pieces = [data[at : at + block] for at in range(0, len(data), block)] or [b""]
    out = b"\x28\xb5\x2f\xfd\xa0" + len(data).to_bytes(4, "little")
    for number, piece in enumerate(pieces):
        out += (len(piece) << 3 | (number == len(pieces) - 1)).to_bytes(3, "little") + piece
    return out


BOMB = 16 << 20
"""Bytes of zeros behind an archive: bzip2 makes a ten-thousandth of them."""


@functools.cache
def _bomb() -> bytes:
    return bz2.compress(bytes(BOMB))


GZIP = (
    "plain", "name", "comment", "extra", "crc16", "all-fields", "members", "split-header", "empty-member",
    "wrong-crc", "wrong-size", "zeros-behind", "junk-behind", "cut", "cut-trailer", "twice",
    "second-member-damaged",
)  # fmt: skip


def in_gzip(form: str, data: bytes) -> bytes:
    """`data` in gzip, in one of GZIP."""
    middle, half = min(300, len(data)), len(data) // 1024 * 512
    if form in FLAGS:
        return gzipped(data, form)
    whole = gzipped(data)
    simple = {
        "plain": whole,
        "empty-member": gzipped(b"") + whole + gzipped(b""),
        "zeros-behind": whole + bytes(512),
        "junk-behind": whole + b"junk",
        "cut": whole[: len(whole) // 2],
        "cut-trailer": whole[:-4],
    }
    if form in simple:
        return simple[form]
    return {
        "all-fields": lambda: gzipped(data, *FLAGS),
        "members": lambda: gzipped(data[:half]) + gzipped(data[half:]),
        "split-header": lambda: gzipped(data[:middle]) + gzipped(data[middle:]),
        "wrong-crc": lambda: gzipped(data, crc=1),
        "wrong-size": lambda: gzipped(data, size=1),
        "twice": lambda: gzipped(whole),
        "second-member-damaged": lambda: gzipped(data[:half]) + gzipped(data[half:], crc=1),
    }[form]()


@feature("6 compression", 5, form=GZIP)
def compressed__gzip(draft: Draft, form: str) -> None:
    """The whole archive in gzip: with fields, in several members, damaged, cut, with something behind it, twice."""
    draft.wrap = functools.partial(in_gzip, form)


OTHERS = ("bzip2", "bzip2-streams", "zstd", "bzip2-in-gzip", "bomb", "lzma-magic", "compress-magic")


def in_another(form: str, data: bytes) -> bytes:
    """`data` in one of OTHERS."""
    half = len(data) // 1024 * 512
    return {
        "bzip2": lambda: bz2.compress(data),
        "bzip2-streams": lambda: bz2.compress(data[:half]) + bz2.compress(data[half:]),
        "zstd": lambda: zstandard(data),
        "bzip2-in-gzip": lambda: gzipped(bz2.compress(data)),
        "bomb": lambda: bz2.compress(data) + _bomb(),
        "lzma-magic": lambda: b"\x5d\0\0\x80\0" + data,
        "compress-magic": lambda: b"\x1f\x9d\x90" + data,
    }[form]()


@feature("6 compression", 2, form=OTHERS)
def compressed__other(draft: Draft, form: str) -> None:
    """The archive in bzip2 or zstd, in two layers, with a bomb behind it, or under a magic that lies."""
    draft.wrap = functools.partial(in_another, form)
