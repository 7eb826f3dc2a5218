"""Taking the compression off an input: gzip, bzip2, xz, lzma and zstd, told by content and never by name."""

from __future__ import annotations

import bz2
import importlib
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from .recipe import BLOCK

LARGEST = 4 * 1024**3
"""Bytes that an input may expand to. A bomb of 8 GiB of zeros is a few kilobytes of gzip of gzip."""

CHUNK = 1 << 20
"""Bytes fed to a decompressor at a time, so that the limit is seen before memory is gone."""

MAGIC: tuple[tuple[str, bytes], ...] = (
    ("gzip", b"\x1f\x8b"),
    ("bzip2", b"BZh"),
    ("xz", b"\xfd7zXZ\0"),
    ("lzma", b"\x5d\0\0"),
    ("zstd", b"\x28\xb5\x2f\xfd"),
)

UNOPENED: tuple[tuple[str, bytes], ...] = (
    ("lzip", b"LZIP"),
    ("lz4", b"\x04\x22\x4d\x18"),
    ("compress", b"\x1f\x9d"),
)
"""Compressions that are told, but not taken off here."""


def _zstd() -> Any:
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise ValueError("is compressed with zstd, which this Python cannot read: pip install 'tarbiter[speed]'")


def _openers() -> dict[str, Callable[[], Any]]:
    return {
        "gzip": lambda: zlib.decompressobj(wbits=31),
        "bzip2": bz2.BZ2Decompressor,
        "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ),
        "lzma": lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE),
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


def _members(name: str, data: bytes) -> Iterator[bytes]:
    """What the compressed members in `data` hold, piece by piece. Zeros behind the last one are padding."""
    magic = dict(MAGIC)[name]
    at = 0
    while data.startswith(magic, at):
        stream = _openers()[name]()
        while not stream.eof:
            if at >= len(data):
                raise ValueError(f"its {name} stream is cut short")
            piece = data[at : at + CHUNK]
            at += len(piece)
            yield from _drain(stream, piece)
        at -= len(stream.unused_data)
    if data[at:].strip(b"\0"):
        raise ValueError(f"has {len(data) - at} bytes that are no {name} behind its compressed data")


def _expand(name: str, data: bytes) -> bytes:
    pieces, total = [], 0
    try:
        for piece in _members(name, data):
            total += len(piece)
            if total > LARGEST:
                raise ValueError(f"expands to more than {LARGEST} bytes")
            pieces.append(piece)
    except (zlib.error, OSError, lzma.LZMAError, EOFError) as error:
        raise ValueError(f"is damaged {name}: {error}") from error
    return b"".join(pieces)


def compression_of(data: bytes) -> str:
    """The name of the compression that `data` begins with, of those that can be taken off; empty for none."""
    return next((name for name, magic in MAGIC if data.startswith(magic)), "")


def outer(data: bytes) -> str:
    """The name of the compression around `data`, whoever can take it off; empty for none, and for a tar header."""
    if looks_like_header(data):
        return ""
    return next((name for name, magic in (*MAGIC, *UNOPENED) if data.startswith(magic)), "")


def looks_like_tar(data: bytes) -> bool:
    """Whether `data` begins with a block that is zero or holds a number where a tar header has its checksum."""
    block = data[:BLOCK]
    return len(block) == BLOCK and (not block.strip(b"\0") or any(byte in b"01234567" for byte in block[148:156]))


def open_archive(data: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The plain archive inside `data`, and what was taken off it, in words.

    Raises ValueError, to be read behind the name of the file, for damaged compression, for more than LARGEST
    bytes, and for data that is no tar archive at all.
    """
    notes = []
    name = compression_of(data)
    if name and not looks_like_header(data):
        data = _expand(name, data)
        notes.append(f"{name} taken off")
        if not data:
            raise ValueError(f"holds nothing: its {name} data is empty")
    if not looks_like_tar(data):
        raise ValueError(
            f"is no tar archive: {len(data)} bytes"
            + (", less than one block of 512" if len(data) < BLOCK else ", and the first block is no header")
        )
    return data, tuple(notes)


def looks_like_header(data: bytes) -> bool:
    """Whether `data` begins with a tar header after all: a member's name may begin like a compressed file."""
    return data[257:262] == b"ustar"
