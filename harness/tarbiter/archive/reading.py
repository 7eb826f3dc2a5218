"""Reading what tomllib gives into values: strings as bytes, integers, arrays, tables; faults know their keys."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from .escapes import unescape

LARGEST = 1 << 30
"""Bytes that all repetitions of one case may expand to."""

Place: TypeAlias = tuple[str | int, ...]
"""The keys that lead to a value."""


class FaultError(Exception):
    """What is wrong, and the keys that lead to it; becomes a CaseError once its line is known."""

    def __init__(self, path: tuple[str | int, ...], detail: str) -> None:
        super().__init__(path, detail)
        self.path, self.detail = path, detail


class Reader:
    """Turns what tomllib gives into records. `expanded` counts the bytes of repetitions, over the whole case."""

    def __init__(self) -> None:
        self.expanded = 0

    def bytes_(self, value: object, path: Place) -> bytes:
        """Bytes: an escaped string, or an array of pieces with repetitions."""
        if isinstance(value, str):
            try:
                return unescape(value)
            except ValueError as error:
                raise FaultError(path, str(error)) from None
        if isinstance(value, list):
            return b"".join(self._piece(piece, (*path, index)) for index, piece in enumerate(value))
        raise FaultError(path, f"expected a string or an array of pieces, found {kind_of(value)}")

    def _piece(self, piece: object, path: Place) -> bytes:
        if isinstance(piece, str):
            return self.bytes_(piece, path)
        if not isinstance(piece, dict):
            raise FaultError(path, f"expected a string or {{ of = ..., times = ... }}, found {kind_of(piece)}")
        only(piece, ("of", "times"), path)
        unit = self.bytes_(piece.get("of", ""), (*path, "of"))
        times = self.integer(piece.get("times", 1), (*path, "times"))
        self.expanded += len(unit) * max(times, 0)
        if times < 0 or self.expanded > LARGEST:
            raise FaultError(
                (*path, "times"), f"repetitions of this case come to more than {LARGEST} bytes, or to less than 0"
            )
        return unit * times

    def integer(self, value: object, path: Place) -> int:
        """An integer; true and false are none."""
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise FaultError(path, f"expected an integer, found {kind_of(value)}")

    def mode(self, value: object, path: Place) -> int:
        """Permission bits, 0 to 0o7777."""
        bits = self.integer(value, path)
        if not 0 <= bits <= 0o7777:
            raise FaultError(path, f"{bits} is out of range: permission bits are 0 to 0o7777")
        return bits

    def number(self, value: object, path: Place) -> int | bytes:
        """A numeric header field: an integer, or its raw bytes."""
        if isinstance(value, str | list):
            return self.bytes_(value, path)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise FaultError(path, f"expected an integer or a string of raw bytes, found {kind_of(value)}")

    def text(self, value: object, path: Place) -> str:
        """Words, not bytes."""
        if isinstance(value, str):
            return value
        raise FaultError(path, f"expected a string, found {kind_of(value)}")

    def boolean(self, value: object, path: Place) -> bool:
        """True or false."""
        if isinstance(value, bool):
            return value
        raise FaultError(path, f"expected true or false, found {kind_of(value)}")

    def items(self, value: object, path: Place, read: Callable[[Any, Place], Any]) -> tuple[Any, ...]:
        """An array, each item read by `read`."""
        if not isinstance(value, list):
            raise FaultError(path, f"expected an array, found {kind_of(value)}")
        return tuple(read(item, (*path, index)) for index, item in enumerate(value))

    def struct(
        self, value: object, path: Place, readers: Mapping[str, Callable[[Any, Place], Any]]
    ) -> dict[str, Any]:
        """A table whose values are read by the reader of their key; other keys are faults."""
        if not isinstance(value, dict):
            raise FaultError(path, f"expected a table, found {kind_of(value)}")
        only(value, tuple(readers), path)
        return {key: readers[key](item, (*path, key)) for key, item in value.items()}


def kind_of(value: object) -> str:
    """What a TOML value is, in words."""
    names = {
        str: "a string",
        bool: "true or false",
        int: "an integer",
        float: "a float",
        list: "an array",
        dict: "a table",
    }
    return names.get(type(value), f"a {type(value).__name__}")


def nearest(word: str, words: Mapping[str, object] | tuple[str, ...]) -> str:
    """What `word` was meant to be, or all there is."""
    near = difflib.get_close_matches(word, list(words), n=1)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(words)}"


def only(table: dict[str, Any], allowed: tuple[str, ...], path: Place) -> None:
    """Raise FaultError for a key that is not allowed."""
    for key in table:
        if key not in allowed:
            raise FaultError((*path, key), f"unknown field {key!r}{nearest(key, allowed)}")
