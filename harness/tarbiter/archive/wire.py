"""The bytes of a header: which field stands where in each format, and how its value is written.

The extractor has a table of its own (`onetar/layout.py`), on purpose: an encoder that shared the decoder's
knowledge would share its mistakes. A test holds the two against each other.

Sources: POSIX.1-2017 pax, "ustar Interchange Format" (ustar); GNU tar manual, "Basic Tar Format" (`oldgnu_header`,
`star_header`); Unix V7 tar(5).
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from .recipe import BLOCK, Format

Kind: TypeAlias = Literal["text", "number", "raw"]


class Field(NamedTuple):
    """A header field: bytes `start` to `stop` of the block, text, number, or bytes with no meaning of their own."""

    name: str
    start: int
    stop: int
    kind: Kind

    @property
    def width(self) -> int:
        """Bytes it has."""
        return self.stop - self.start


_COMMON = (
    Field("name", 0, 100, "text"),
    Field("mode", 100, 108, "number"),
    Field("uid", 108, 116, "number"),
    Field("gid", 116, 124, "number"),
    Field("size", 124, 136, "number"),
    Field("mtime", 136, 148, "number"),
    Field("chksum", 148, 156, "number"),
    Field("typeflag", 156, 157, "raw"),
    Field("linkname", 157, 257, "text"),
    Field("magic", 257, 263, "raw"),
    Field("version", 263, 265, "raw"),
    Field("uname", 265, 297, "text"),
    Field("gname", 297, 329, "text"),
    Field("devmajor", 329, 337, "number"),
    Field("devminor", 337, 345, "number"),
)
"""What all formats share. In v7 everything behind `linkname` is padding; the names stay, the default is NUL."""

_USTAR = (*_COMMON, Field("prefix", 345, 500, "text"), Field("reserved", 500, 512, "raw"))

SLOTS_AT = 386
SLOTS = 4
SLOT = 24
"""Bytes of one sparse slot: offset and length of 12 bytes each (GNU tar, `struct sparse`)."""

_GNU = (
    *_COMMON,
    Field("atime", 345, 357, "number"),
    Field("ctime", 357, 369, "number"),
    Field("offset", 369, 381, "number"),
    Field("longnames", 381, 385, "raw"),
    Field("unused", 385, 386, "raw"),
    *(
        Field(f"sparse[{slot}].{part}", SLOTS_AT + SLOT * slot + at, SLOTS_AT + SLOT * slot + at + 12, "number")
        for slot in range(SLOTS)
        for part, at in (("offset", 0), ("length", 12))
    ),
    Field("isextended", 482, 483, "number"),
    Field("realsize", 483, 495, "number"),
    Field("reserved", 495, 512, "raw"),
)

_STAR = (
    *_COMMON,
    Field("prefix", 345, 476, "text"),
    Field("atime", 476, 488, "number"),
    Field("ctime", 488, 500, "number"),
    Field("reserved", 500, 508, "raw"),
    Field("star_magic", 508, 512, "raw"),
)

FORMATS: dict[Format, tuple[Field, ...]] = {"ustar": _USTAR, "gnu": _GNU, "v7": _USTAR, "star": _STAR}
"""The fields of each format in the order of their bytes; together they cover the block, once."""

MAGIC: dict[Format, tuple[bytes, bytes]] = {
    "ustar": (b"ustar\0", b"00"),
    "gnu": (b"ustar ", b" \0"),
    "v7": (b"", b""),
    "star": (b"ustar\0", b"00"),
}
"""Canonical magic and version. GNU writes `ustar  \\0` over both fields."""

STAR_MAGIC = b"tar\0"

EXTENSION_SLOTS = 21
"""Slots of one extension block of an old GNU sparse map (GNU tar, `struct sparse_header`)."""


def octal(value: int, width: int) -> bytes:
    """The canonical form of a number: zero-padded octal digits and a NUL; base-256 where that is too narrow.

    A field of one byte (isextended) holds the number itself. Raises ValueError where no form fits.
    """
    if width == 1:
        if not 0 <= value <= 255:
            raise ValueError(f"{value} does not fit one byte")
        return bytes([value])
    if 0 <= value < 8 ** (width - 1):
        return b"%0*o\0" % (width - 1, value)
    return base256(value, width)


def base256(value: int, width: int) -> bytes:
    """GNU's binary form: 0x80 (0xff when negative) and the number in two's complement, big-endian.

    Raises ValueError when it does not fit (GNU tar manual, "Basic Tar Format", base-256).
    """
    limit = 1 << (8 * width - 8)
    if not -limit <= value < limit:
        raise ValueError(f"{value} does not fit {width} bytes, not even in base-256")
    if value < 0:
        return (value + (1 << (8 * width))).to_bytes(width, "big")
    return bytes([0x80]) + value.to_bytes(width - 1, "big")


def canonical_int(raw: bytes) -> int | None:
    """The number whose canonical form these bytes are, None where there is none."""
    if len(raw) == 1:
        return raw[0]
    if raw[-1] == 0 and raw[:-1].isdigit() and raw.find(b"8") < 0 and raw.find(b"9") < 0:
        return int(raw[:-1], 8)
    if raw[0] in (0x80, 0xFF):
        value = int.from_bytes(raw[1:], "big") if raw[0] == 0x80 else int.from_bytes(raw, "big", signed=True)
        if (value < 0 or value >= 8 ** (len(raw) - 1)) and base256(value, len(raw)) == raw:
            return value
    return None


def lenient_int(raw: bytes) -> int | None:
    """The number an ordinary reader makes of a field: octal with spaces and NULs around it, or base-256.

    None where there are no digits (an empty field) or other bytes.
    """
    if raw and raw[0] & 0x80:
        value = int.from_bytes(raw, "big", signed=True) if raw[0] & 0x40 else int.from_bytes(raw, "big")
        return value if raw[0] & 0x40 else value - (0x80 << (8 * (len(raw) - 1)))
    text = raw.split(b"\0", 1)[0].strip(b" ")
    try:
        return int(text, 8) if text.isdigit() else None
    except ValueError:
        return None


def sums(block: bytes) -> tuple[int, int]:
    """The checksum of a header block with its field taken as spaces: unsigned (POSIX), and signed (old Sun tar)."""
    rest = block[:148] + b"        " + block[156:BLOCK]
    unsigned = sum(rest)
    if rest.isascii():
        return unsigned, unsigned
    return unsigned, unsigned - 256 * (len(rest) - len(rest.translate(None, _HIGH)))


_HIGH = bytes(range(128, 256))
"""Bytes that are negative where a char has a sign."""


def checksum_form(value: int) -> bytes:
    """The canonical checksum field: six octal digits, NUL, space."""
    return b"%06o\0 " % value
