"""Archives for the extractor's tests, in a line each."""

from __future__ import annotations

from typing import Any

from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.recipe import Long, Member, Part, Pax, Recipe, Record


def pack(*parts: Part, end: int = 2) -> bytes:
    """The archive of these parts."""
    return encode_bytes(Recipe(parts, end=end))


def file(name: bytes, data: bytes = b"text", **fields: Any) -> Member:
    return Member(name=name, data=data, **fields)


def folder(name: bytes, **fields: Any) -> Member:
    return Member(kind="dir", name=name, **fields)


def symlink(name: bytes, target: bytes, **fields: Any) -> Member:
    return Member(kind="symlink", name=name, linkname=target, **fields)


def hardlink(name: bytes, target: bytes, **fields: Any) -> Member:
    return Member(kind="hardlink", name=name, linkname=target, **fields)


def pax(*records: tuple[bytes, bytes], **fields: Any) -> Pax:
    return Pax(records=tuple(Record(key, value) for key, value in records), **fields)


def common(*records: tuple[bytes, bytes]) -> Pax:
    """A global extended header."""
    return pax(*records, kind="pax-global")


def long_name(text: bytes, **fields: Any) -> Long:
    return Long(name=b"././@LongLink", text=text, **fields)


def long_link(text: bytes, **fields: Any) -> Long:
    return Long(kind="long-link", name=b"././@LongLink", text=text, **fields)
