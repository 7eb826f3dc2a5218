"""Compression around an archive, to the byte: what a case says in `layers` is put on, the first one innermost.

Compressors give other bytes in other versions, so these store instead of compressing: deflate's stored blocks,
LZMA2's uncompressed chunks, zstd's raw blocks. Every decompressor must take them (RFC 1951 3.2.4, The .xz File
Format 5.3.1, RFC 8878 3.1.1.2). bzip2 cannot store; its one encoder has given the same bytes since 1997.
"""

from __future__ import annotations

import bz2
import struct
import zlib
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Literal, TypeAlias

import msgspec

LayerKind: TypeAlias = Literal["gzip", "bzip2", "xz", "zstd"]


class Layer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One compression: each piece between `splits` is a member (stream, frame) of its own, one behind the other."""

    kind: LayerKind = "gzip"
    splits: tuple[int, ...] = ()
    """Offsets in what is compressed at which a new member begins, in order; the same one twice: an empty member."""
    name: bytes | None = None
    """gzip: FNAME, with its NUL."""
    comment: bytes | None = None
    """gzip: FCOMMENT, with its NUL."""
    extra: bytes | None = None
    """gzip: FEXTRA, without its length."""
    header_crc: bool = False
    """gzip: FHCRC."""
    crc: int | None = None
    """gzip: the CRC-32 of the last member, where it is not to be the right one."""
    length: int | None = None
    """gzip: ISIZE of the last member, where it is not to be the right one."""
    cut: int = 0
    """Bytes that are missing at the end."""
    tail: bytes = b""
    """What stands behind."""
    zeros: int = 0
    """gzip: zeros that end what is in the last member, the one thing that is compressed, 1,032 to 1: a bomb."""


def _gzip(data: bytes, layer: Layer, last: bool) -> bytes:
    """One member (RFC 1952): no time, no operating system."""
    flags = 2 * layer.header_crc + 4 * (layer.extra is not None)
    flags += 8 * (layer.name is not None) + 16 * (layer.comment is not None)
    head = struct.pack("<BBBBIBB", 0x1F, 0x8B, 8, flags, 0, 0, 255)
    if layer.extra is not None:
        head += struct.pack("<H", len(layer.extra)) + layer.extra
    for text in (layer.name, layer.comment):
        if text is not None:
            head += text + b"\0"
    if layer.header_crc:
        head += struct.pack("<H", zlib.crc32(head) & 0xFFFF)
    zeros = layer.zeros if last else 0
    body = b""
    for at in range(0, max(len(data), 1), 0xFFFF):
        piece = data[at : at + 0xFFFF]
        final = at + 0xFFFF >= len(data) and not zeros
        body += struct.pack("<BHH", final, len(piece), len(piece) ^ 0xFFFF) + piece
    crc, length = zlib.crc32(data), len(data) + zeros
    if zeros:
        body += _deflated_zeros(zeros)
        crc = zlib.crc32(bytes(zeros), crc)
    if last:
        crc = crc if layer.crc is None else layer.crc
        length = length if layer.length is None else layer.length
    return head + body + struct.pack("<II", crc & 0xFFFFFFFF, length & 0xFFFFFFFF)


_RUNS = (
    "101"  # the last block, with codes of its own (RFC 1951, 3.2.7)
    "10111000000111"  # 286 literals and lengths, 1 distance, 18 lengths of code lengths
    "000000100" + "000" * 12 + "010000010"  # 18 has one bit, 1 and 2 have two
    "11011111110010101111010001001010"
)  # fmt: skip
"""The head of a deflate block, its bits in order: 0 is `10`, the end `11`, 258 bytes `0`, distance 1 `0`."""


def _deflated_zeros(count: int) -> bytes:
    """The last block of a deflate stream: zeros, at two bits for 258 of them, which is as well as deflate can."""
    runs = (count - 1) // 258
    head = _RUNS + "10" * (count - 258 * runs)
    size = len(head) + 2 * runs
    return (int(head[::-1], 2) | 3 << size).to_bytes((size + 2 + 7) // 8, "little")


def _bzip2(data: bytes, _layer: Layer, _last: bool) -> bytes:
    return bz2.compress(data, 9)


def _varint(value: int) -> bytes:
    """An integer in xz's seven-bit groups, the lowest first."""
    out = b""
    while value > 0x7F:
        out += bytes([0x80 | value & 0x7F])
        value >>= 7
    return out + bytes([value])


def _checked(data: bytes) -> bytes:
    return data + struct.pack("<I", zlib.crc32(data))


def _xz(data: bytes, _layer: Layer, _last: bool) -> bytes:
    """One stream with one block, its check a CRC-32."""
    flags = b"\0\x01"
    head = b"\xfd7zXZ\0" + _checked(flags)
    header = _checked(b"\x02\0\x21\x01\x16" + b"\0" * 3)  # 12 bytes; LZMA2 with a dictionary of 8 MiB
    chunks = b""
    for at in range(0, len(data), 0x10000):
        piece = data[at : at + 0x10000]
        chunks += struct.pack(">BH", 2 if at else 1, len(piece) - 1) + piece
    chunks += b"\0"
    block = header + chunks + b"\0" * (-len(chunks) % 4) + struct.pack("<I", zlib.crc32(data))
    index = b"\0\x01" + _varint(len(header) + len(chunks) + 4) + _varint(len(data))
    index = _checked(index + b"\0" * (-len(index) % 4))
    foot = struct.pack("<I", len(index) // 4 - 1) + flags
    return head + block + index + struct.pack("<I", zlib.crc32(foot)) + foot + b"YZ"


def _zstd(data: bytes, _layer: Layer, _last: bool) -> bytes:
    """One frame, a single segment with its size in four bytes and no checksum."""
    out = b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", len(data))
    for at in range(0, max(len(data), 1), 1 << 17):
        piece = data[at : at + (1 << 17)]
        final = at + (1 << 17) >= len(data)
        out += struct.pack("<I", final | len(piece) << 3)[:3] + piece
    return out


_ENCODERS: dict[str, Callable[[bytes, Layer, bool], bytes]] = {
    "gzip": _gzip,
    "bzip2": _bzip2,
    "xz": _xz,
    "zstd": _zstd,
}

LAYER_KINDS: tuple[str, ...] = tuple(_ENCODERS)
ZEROS = 1 << 28
"""Zeros that a layer may have: a case must fit into memory."""

GZIP_ONLY = ("name", "comment", "extra", "header_crc", "crc", "length", "zeros")


def _pieces(data: bytes, splits: tuple[int, ...]) -> Iterator[bytes]:
    edges = (0, *splits, max(len(data), *splits, 0))
    for start, stop in pairwise(edges):
        yield data[start:stop]


def wrap(data: bytes, layers: tuple[Layer, ...]) -> bytes:
    """`data` with every layer put around it, the first one first."""
    for layer in layers:
        pieces = list(_pieces(data, layer.splits))
        encode = _ENCODERS[layer.kind]
        data = b"".join(encode(piece, layer, index == len(pieces) - 1) for index, piece in enumerate(pieces))
        data = data[: max(len(data) - layer.cut, 0)] + layer.tail
    return data
