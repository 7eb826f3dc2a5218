"""The header block as the extractor reads it: fields, numbers, checksum.

Sources: POSIX.1-2017 pax, "ustar Interchange Format"; GNU tar manual, "Basic Tar Format". The harness has a table
of its own for writing headers, on purpose.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

BLOCK = 512
ZERO = bytes(BLOCK)

FIELDS = (
    ("name", 100),
    ("mode", 8),
    ("uid", 8),
    ("gid", 8),
    ("size", 12),
    ("mtime", 12),
    ("chksum", 8),
    ("typeflag", 1),
    ("linkname", 100),
    ("magic", 6),
    ("version", 2),
    ("uname", 32),
    ("gname", 32),
    ("devmajor", 8),
    ("devminor", 8),
    ("prefix", 155),
    ("reserved", 12),
)
"""Name and width of each field, in the order of the bytes."""

OFFSETS: dict[str, int] = {}
_at = 0
for _name, _width in FIELDS:
    OFFSETS[_name] = _at
    _at += _width

_STRUCT = struct.Struct("".join(f"{width}s" for _, width in FIELDS))
assert _STRUCT.size == BLOCK


class Header(NamedTuple):
    """The raw fields of a header block."""

    name: bytes
    mode: bytes
    uid: bytes
    gid: bytes
    size: bytes
    mtime: bytes
    chksum: bytes
    typeflag: bytes
    linkname: bytes
    magic: bytes
    version: bytes
    uname: bytes
    gname: bytes
    devmajor: bytes
    devminor: bytes
    prefix: bytes
    reserved: bytes


def unpack(buffer: bytes, at: int) -> Header:
    """The header whose block begins at `at` in `buffer`."""
    return Header._make(_STRUCT.unpack_from(buffer, at))


class NumberError(ValueError):
    """A numeric field that holds no number."""


def number(field: bytes) -> int:
    """The value of a numeric field: octal with spaces in front and a space or NUL behind, or GNU's base-256.

    An empty field is 0, as every extractor reads it. Raises NumberError for anything else.
    """
    first = field[0]
    if first & 0x80:
        if first == 0x80:
            return int.from_bytes(field[1:], "big")
        if first == 0xFF:
            return int.from_bytes(field, "big", signed=True)
        raise NumberError(f"{field!r} is neither octal nor base-256")
    digits = field.lstrip(b" ")
    for end in (b"\0", b" "):
        cut = digits.find(end)
        if cut >= 0:
            digits = digits[:cut]
    if not digits:
        return 0
    # int() would take signs, underscores and white space as well.
    if not digits.isdigit():
        raise NumberError(f"{field!r} is no octal number")
    try:
        return int(digits, 8)
    except ValueError:
        raise NumberError(f"{field!r} is no octal number") from None


def checksum(buffer: bytes, at: int) -> int:
    """The unsigned checksum of the block at `at`, its own field taken as eight spaces.

    The low half of Adler-32 is one more than the sum of the bytes modulo 65521, and the sum of 256 bytes is less:
    two calls into C are several times faster than sum().
    """
    block = memoryview(buffer)[at : at + BLOCK]
    total = (zlib.adler32(block[:256]) & 0xFFFF) + (zlib.adler32(block[256:]) & 0xFFFF) - 2
    return total - sum(block[148:156]) + 256


def signed_checksum(buffer: bytes, at: int) -> int:
    """The same with bytes taken as signed, as some old tars did (GNU tar manual, "Checksumming Problems")."""
    block = buffer[at : at + BLOCK]
    high = sum(1 for place, byte in enumerate(block) if byte > 127 and not 148 <= place < 156)
    return checksum(buffer, at) - 256 * high


def text(field: bytes) -> bytes:
    """A text field up to its first NUL."""
    cut = field.find(b"\0")
    return field if cut < 0 else field[:cut]


USTAR, GNU, V7 = "ustar", "gnu", "v7"


def dialect(header: Header) -> str:
    """Which layout a header's magic stands for: `ustar` (POSIX, star), `gnu` or `v7`."""
    if header.magic == b"ustar\0":
        return USTAR
    if header.magic == b"ustar " and header.version == b" \0":
        return GNU
    return V7
