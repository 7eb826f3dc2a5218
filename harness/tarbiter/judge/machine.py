"""Records as JSON for machines: names and other bytes become text with `\\xNN` escapes, as in recipes."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec
from msgspec import inspect

from ..archive.text import escape, unescape

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


def restored(value: Plain, type_: Any) -> Any:
    """What `plain` made these plain values of: a record of `type_`. Raises msgspec.DecodeError for other values.

    `type_` may hold structs, tuples, dicts with text as keys, and unions with None.
    """
    try:
        return msgspec.convert(_unwalk(value, inspect.type_info(type_)), type_, builtin_types=(bytes,))
    except ValueError as error:
        raise msgspec.ValidationError(str(error)) from error


def _unwalk(value: Any, info: inspect.Type) -> Any:
    """The same values, with bytes where the type has bytes."""
    match info, value:
        case inspect.BytesType(), str():
            return unescape(value)
        case inspect.StructType(fields=fields), dict():
            types = {field.encode_name: field.type for field in fields}
            return {name: _unwalk(item, types[name]) if name in types else item for name, item in value.items()}
        case inspect.VarTupleType(item_type=item), list():
            return [_unwalk(one, item) for one in value]
        case inspect.TupleType(item_types=items), list():
            return [_unwalk(one, item) for one, item in zip(value, items, strict=False)]
        case inspect.DictType(value_type=item), dict():
            return {name: _unwalk(one, item) for name, one in value.items()}
        case inspect.UnionType(types=types), _ if value is not None:
            (only,) = [one for one in types if not isinstance(one, inspect.NoneType)]
            return _unwalk(value, only)
        case _:
            return value


def line(record: object) -> bytes:
    """One JSON object on one line, with its newline."""
    return msgspec.json.encode(plain(record)) + b"\n"


def page(record: object) -> str:
    """JSON to read: indented, keys in the order of the records."""
    return msgspec.json.format(msgspec.json.encode(plain(record)), indent=2).decode()
