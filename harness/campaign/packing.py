"""Cases as little memory: hundreds of them wait, and a thousand are in the pool."""

from __future__ import annotations

import zlib
from typing import TypeVar

import msgspec

T = TypeVar("T", bound=msgspec.Struct)


def pack(value: msgspec.Struct) -> bytes:
    """A case, or what was generated with it, compressed. JSON, as its numbers may need more than 64 bits."""
    return zlib.compress(msgspec.json.encode(value), 1)


def unpack(packed: bytes, kind: type[T]) -> T:
    """What was packed, which was of that kind."""
    return msgspec.json.decode(zlib.decompress(packed), type=kind)
