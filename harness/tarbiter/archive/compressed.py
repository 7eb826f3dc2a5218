"""Taking the compression off an input: gzip, bzip2, xz, lzma and zstd, told by content and never by name."""

from __future__ import annotations

import bz2
import importlib
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from .decode import is_header
from .recipe import BLOCK
from .stored import CHUNK, Window

LARGEST = 4 * 1024**3
"""Bytes that an input may expand to. A bomb of 8 GiB of zeros is a few kilobytes of gzip of gzip."""

LARGEST_DICTIONARY = 160 << 20
"""Bytes of memory that taking off xz or lzma may need: presets need 65 MiB at most."""

MAGIC: tuple[tuple[str, bytes], ...] = (
    ("gzip", b"\x1f\x8b"),
    ("bzip2", b"BZh"),
    ("xz", b"\xfd7zXZ\0"),
    ("zstd", b"\x28\xb5\x2f\xfd"),
)
"""What begins each stream of a compression that is taken off. lzma has no magic number: `_is_lzma`."""

UNOPENED: tuple[tuple[str, bytes, str], ...] = (
    ("lzip", b"LZIP", "lzip -d"),
    ("compress", b"\x1f\x9d", "uncompress"),
    ("lz4", b"\x04\x22\x4d\x18", "lz4 -d"),
    ("lz4", b"\x02\x21\x4c\x18", "lz4 -d"),
    ("lzop", b"\x89LZO\0\r\n\x1a\n", "lzop -d"),
)
"""Compressions that are told, but not taken off here: name, magic number, the command that takes it off."""

NAMES: tuple[str, ...] = (*(name for name, _ in MAGIC), "lzma", *dict.fromkeys(name for name, _, _ in UNOPENED))
"""Every compression that is known by name."""


def _zstd() -> Any:
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise ValueError("is compressed with zstd, which this Python cannot read: pip install 'tarbiter[speed]'")


def _faults() -> tuple[type[Exception], ...]:
    """What decompressors raise for damaged data."""
    try:
        zstd: tuple[type[Exception], ...] = (_zstd().ZstdError,)
    except ValueError:
        zstd = ()
    return (zlib.error, OSError, lzma.LZMAError, EOFError, *zstd)


def _openers() -> dict[str, Callable[[], Any]]:
    return {
        "gzip": lambda: zlib.decompressobj(wbits=31),
        "bzip2": bz2.BZ2Decompressor,
        "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=LARGEST_DICTIONARY),
        "lzma": lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=LARGEST_DICTIONARY),
        "zstd": lambda: _zstd().ZstdDecompressor(),
    }


def _drain(stream: Any, piece: bytes) -> Iterator[bytes]:
    """What `piece` expands to, at most CHUNK bytes at a time: one piece of a bomb would fill the memory."""
    yield stream.decompress(piece, CHUNK)
    while not stream.eof:
        if hasattr(stream, "needs_input"):
            if stream.needs_input:
                return
            out = stream.decompress(b"", CHUNK)
        else:  # zlib keeps what it has not looked at, and may hold output back without keeping any
            tail = stream.unconsumed_tail
            out = stream.decompress(tail, CHUNK)
            if not out and not tail:
                return
        yield out


def skippable(data: bytes | Window, at: int = 0) -> int:
    """Bytes of the zstd frame at `at` that is to be skipped (RFC 8878, 3.1.2); 0: none begins there.

    pzstd writes one in front of each frame, zstd:chunked and the seekable format behind the last.
    """
    head = data[at : at + 8]
    if len(head) < 8 or not 0x50 <= head[0] <= 0x5F or head[1:4] != b"\x2a\x4d\x18":
        return 0
    return 8 + int.from_bytes(head[4:8], "little")


def _is_lzma(data: bytes) -> bool:
    """Whether this is the header of an .lzma file: usual properties, a dictionary of 2^n or 3 * 2^n, a size."""
    if len(data) < 13 or data[0] != 0x5D:
        return False
    dictionary, size = int.from_bytes(data[1:5], "little"), int.from_bytes(data[5:13], "little")
    odd = dictionary >> ((dictionary & -dictionary).bit_length() - 1) if dictionary else 0
    return dictionary >= 4096 and odd in (1, 3) and (size == (1 << 64) - 1 or size < 1 << 40)


class Stream(msgspec.Struct):
    """One stream (member, frame) of compressed data: where it begins and ends, and how much it expands to."""

    start: int
    stop: int
    size: int


def _begins(name: str, data: bytes | Window, at: int) -> bool:
    if name == "lzma":
        return at == 0
    magic = dict(MAGIC)[name]
    return data[at : at + len(magic)] == magic


def expanded(name: str, data: bytes | Window, streams: list[Stream]) -> Iterator[bytes]:
    """What the compressed streams in `data` hold, piece by piece; `streams` is filled with where they are.

    Zeros behind the last one are padding. Raises ValueError.
    """
    at = 0
    while at < len(data):
        if name == "zstd" and (length := skippable(data, at)):
            if at + length > len(data):
                raise ValueError("its zstd data is cut short inside a frame that is to be skipped")
            at += length
            continue
        if not _begins(name, data, at):
            break
        stream, found = _openers()[name](), Stream(at, at, 0)
        while not stream.eof:
            if at >= len(data):
                raise ValueError(f"its {name} stream is cut short")
            piece = data[at : at + CHUNK]
            at += len(piece)
            for out in _drain(stream, piece):
                found.size += len(out)
                yield out
        at -= len(stream.unused_data)
        found.stop = at
        streams.append(found)
    if any(data[place : place + CHUNK].strip(b"\0") for place in range(at, len(data), CHUNK)):
        raise ValueError(f"has {len(data) - at} bytes that are no {name} behind its compressed data")


def expand(name: str, data: bytes) -> tuple[bytes, tuple[Stream, ...]]:
    """What compressed data holds, and its streams. Raises ValueError as `taken_off`."""
    streams: list[Stream] = []
    return b"".join(taken_off(name, data, streams)), tuple(streams)


def taken_off(name: str, data: bytes | Window, streams: list[Stream] | None = None) -> Iterator[bytes]:
    """What compressed data holds, at most CHUNK bytes at a time; `streams` is filled with where its streams are.

    Raises ValueError, to be read behind the name of the file, for compression that is damaged, not taken off here,
    or expands to more than LARGEST bytes.
    """
    if why := unopened(name):
        raise ValueError(why)
    total = 0
    try:
        for piece in expanded(name, data, [] if streams is None else streams):
            total += len(piece)
            if total > LARGEST:
                raise ValueError(f"expands to more than {LARGEST} bytes")
            yield piece
    except _faults() as error:
        raise ValueError(f"is damaged {name}: {error}") from error


def outer(data: bytes | Window) -> str:
    """The compression around `data`, whoever can take it off; empty for none. The first block is enough.

    What looks like a tar header is one: a member's name may begin like a compressed file.
    """
    block = data[0:BLOCK]
    if len(block) == BLOCK and is_header(block):
        return ""
    known = (*MAGIC, *((name, magic) for name, magic, _ in UNOPENED))
    found = next((name for name, magic in known if block.startswith(magic)), "")
    if not found and skippable(data):
        at = 0
        while length := skippable(data, at):
            at += length
        # lz4 has the same frames to skip; where the next one cannot be seen it is taken for zstd's.
        found = "lz4" if data[at : at + 4] == b"\x04\x22\x4d\x18" else "zstd"
    return found or ("lzma" if _is_lzma(block) else "")


def unopened(name: str) -> str:
    """Why a compression is not taken off here, and what to do, to be read behind the name of the file; or empty."""
    command = next((command for one, _, command in UNOPENED if one == name), "")
    return f"compressed with {name}, which is not taken off here; {command} FILE first" if command else ""


def foreign(data: bytes | Window) -> str:
    """Why `data` is no tar archive, as far as its first block shows; empty: it looks like one."""
    if not len(data):
        return "empty: not even the two zero blocks of an archive without members"
    if len(data) < BLOCK:
        return f"no tar archive: {len(data)} bytes, less than one block of {BLOCK}"
    block = data[0:BLOCK]
    if not block.strip(b"\0") or is_header(block):
        return ""
    return f"no tar archive: {len(data)} bytes, and the first block is no header"
