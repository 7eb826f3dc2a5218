"""Compression around an archive, to the byte: what a case says in `layers` is put on, the first one innermost.

Compressors give other bytes in other versions, so these store instead of compressing: deflate's stored blocks,
LZMA2's uncompressed chunks, zstd's raw blocks. Every decompressor must take them (RFC 1951 3.2.4, The .xz File
Format 5.3.1, RFC 8878 3.1.1.2). bzip2 cannot store; its one encoder has given the same bytes since 1997.

A layer that was read from a file (`layer_of`) and cannot be made again like that has its bytes with it, for as long
as what it holds is not changed.
"""

from __future__ import annotations

import bz2
import hashlib
import lzma
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Literal, TypeAlias

import msgspec

from .compressed import Stream, expand

LayerKind: TypeAlias = Literal["gzip", "bzip2", "xz", "zstd", "lzma"]


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
    level: int = 9
    """bzip2: the size of its blocks, in units of 100,000 bytes."""
    head: bytes = b""
    """What stands in front: a zstd frame that is to be skipped, say."""
    cut: int = 0
    """Bytes that are missing at the end."""
    tail: bytes = b""
    """What stands behind."""
    packed: bytes = b""
    """All bytes of the layer, those around it too: they are it while `of` is the digest of what it holds."""
    of: str = ""
    """BLAKE2b-128 of what `packed` expands to, in hexadecimal digits."""
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


def _bzip2(data: bytes, layer: Layer, _last: bool) -> bytes:
    return bz2.compress(data, layer.level)


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


def _lzma(data: bytes, _layer: Layer, _last: bool) -> bytes:
    """An .lzma file, which cannot store either; nothing that is generated has this kind."""
    return lzma.compress(data, lzma.FORMAT_ALONE)


_ENCODERS: dict[str, Callable[[bytes, Layer, bool], bytes]] = {
    "gzip": _gzip,
    "bzip2": _bzip2,
    "xz": _xz,
    "zstd": _zstd,
    "lzma": _lzma,
}

LAYER_KINDS: tuple[str, ...] = ("gzip", "bzip2", "xz", "zstd")
"""Kinds whose bytes are the same everywhere, for what is generated."""
READ_KINDS: tuple[str, ...] = tuple(_ENCODERS)
"""Those, and what only comes from files."""
PACKED = 4 << 20
"""Bytes that a layer may have with it: a case is a text, in which they are up to four times as long."""
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
        if layer.packed and digest(data) == layer.of:
            data = layer.packed
            continue
        pieces = list(_pieces(data, layer.splits))
        encode = _ENCODERS[layer.kind]
        data = b"".join(encode(piece, layer, index == len(pieces) - 1) for index, piece in enumerate(pieces))
        data = layer.head + data[: max(len(data) - layer.cut, 0)] + layer.tail
    return data


def digest(data: bytes) -> str:
    """What `Layer.of` has for this."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def layer_of(kind: str, packed: bytes) -> tuple[Layer, str]:
    """The layer that the compressed file `packed` is, and what to tell about it.

    `wrap` gives the same bytes for it, unless they are more than PACKED and cannot be made again. Raises ValueError
    for damaged data.
    """
    data, streams = expand(kind, packed)
    layer: Layer = msgspec.convert({"kind": kind, **_frame(kind, packed, streams)}, Layer)
    # Who stores is never shorter than what is stored.
    if (kind == "bzip2" or len(packed) >= len(data)) and wrap(data, (layer,)) == packed:
        return layer, f"{kind} kept as a layer"
    if len(packed) > PACKED:
        told = (
            f"{len(packed)} bytes, more than the {PACKED} that a case keeps: `build` stores, and gives other bytes"
        )
        return layer, f"{kind} kept as a layer, not byte for byte: {told}"
    told = "`build` stores instead once a part is changed"
    layer = msgspec.structs.replace(layer, packed=packed, of=digest(data))
    return layer, f"{kind} kept as a layer with its {len(packed)} bytes, which only its compressor makes: {told}"


def _frame(kind: str, packed: bytes, streams: Sequence[Stream]) -> dict[str, object]:
    """The fields of the layer that say what is around and between the streams."""
    if not streams:
        return {"head": packed, "cut": len(wrap(b"", (msgspec.convert({"kind": kind}, Layer),)))}
    splits = tuple(accumulate(stream.size for stream in streams))[:-1]
    found: dict[str, object] = {"splits": splits, "head": packed[: streams[0].start]}
    found["tail"] = packed[streams[-1].stop :]
    first = packed[streams[0].start : streams[0].stop]
    if kind == "bzip2":
        found["level"] = first[3] - ord("0")
    if kind == "gzip":
        found |= _gzip_header(first)
    return found


def _gzip_header(member: bytes) -> dict[str, object]:
    """The optional fields of a member (RFC 1952, 2.3), which is whole."""
    flags, at = member[3], 10
    found: dict[str, object] = {"header_crc": bool(flags & 2)}
    if flags & 4:
        length = int.from_bytes(member[at : at + 2], "little")
        found["extra"] = member[at + 2 : at + 2 + length]
        at += 2 + length
    for name, flag in (("name", 8), ("comment", 16)):
        if flags & flag:
            stop = member.index(b"\0", at)
            found[name] = member[at:stop]
            at = stop + 1
    return found
