"""Records that are kept for later: cases as little memory, and what counts and times may be when they are read."""

from __future__ import annotations

import zlib
from typing import Annotated, TypeVar

import msgspec

T = TypeVar("T", bound=msgspec.Struct)

Count = Annotated[int, msgspec.Meta(ge=0)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]


class UnpackError(Exception):
    """A packed case whose bytes are not those that were written."""


def pack(value: msgspec.Struct) -> bytes:
    """A case, or what was generated with it, compressed. JSON, as its numbers may need more than 64 bits."""
    return zlib.compress(msgspec.json.encode(value), 1)


def check(packed: bytes) -> None:
    """Make sure that a packed case is as it was written: the compression has a checksum. Raises UnpackError."""
    try:
        zlib.decompress(packed)
    except zlib.error as error:
        raise UnpackError(f"a packed case cannot be read ({error})") from error


def unpack(packed: bytes, kind: type[T]) -> T:
    """What was packed, which was of that kind."""
    return msgspec.json.decode(zlib.decompress(packed), type=kind)
