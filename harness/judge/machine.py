"""Records as JSON for machines: names and other bytes become text with `\\xNN` escapes, as in recipes."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from ..archive.text import escape

Plain: TypeAlias = dict[str, "Plain"] | list["Plain"] | str | int | float | bool | None


def plain(record: object) -> Plain:
    """`record` (any structure of msgspec structs) as dicts, lists, text and numbers; bytes are escaped."""
    return _walk(msgspec.to_builtins(record, builtin_types=(bytes,)))


def _walk(value: object) -> Plain:
    match value:
        case bytes():
            text: str = escape(value)
            return text
        case dict():
            return {escape(key) if isinstance(key, bytes) else str(key): _walk(item) for key, item in value.items()}
        case list() | tuple():
            return [_walk(item) for item in value]
        case str() | bool() | int() | float() | None:
            return value
        case _:
            raise TypeError(f"{type(value).__name__} has no JSON form here")


def line(record: object) -> bytes:
    """One JSON object on one line, with its newline."""
    return msgspec.json.encode(plain(record)) + b"\n"


def page(record: object) -> str:
    """JSON to read: indented, keys in the order of the records."""
    return msgspec.json.format(msgspec.json.encode(plain(record)), indent=2).decode()
