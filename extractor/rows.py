"""Rows: what became of each member, kept small, so that an archive of a million members is told of in full.

The latest rows are objects. Those before them are packed, a few thousand at a time: names of one archive are much
alike, and take a tenth of their room so.
"""

from __future__ import annotations

import marshal
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

CHUNK = 4096
"""Rows that are packed together."""


@dataclass(slots=True)
class Row:
    """One member and its outcome.

    `outcome` is `written`, `changed` (written, but not as the archive says), `skipped` (not extracted, by its
    type or because it was not asked for), `refused` (the archive was refused because of it), `listed` (it would
    have been written), `partial` (an error came before its body was complete) or `undone` (made, and taken back
    after an error). `code` says why it is not simply written. The member's bytes of the archive, extensions and
    padding included, are those from `offset` up to `stop`.
    """

    path: bytes
    kind: str
    size: int
    offset: int
    outcome: str
    code: str = ""
    detail: str = ""
    stop: int = 0


class Rows(Sequence[Row]):
    """A sequence of rows that grows at its end.

    A row of the last CHUNK may be changed in place; one before them is a copy, and only `change` changes it.
    """

    __slots__ = ("_chunk", "_number", "_packed", "latest")

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._packed: list[bytes] = []
        self.latest: list[Row] = []
        """Rows that are not packed yet. Whoever appends to it calls `settle` before they are many."""
        self._number, self._chunk = -1, list[Row]()  # what was unpacked last
        for row in rows:
            self.append(row)

    def append(self, row: Row) -> None:
        """One more row."""
        self.latest.append(row)
        if len(self.latest) >= 2 * CHUNK:
            self.settle()

    def settle(self) -> None:
        """Pack all but the last CHUNK or more."""
        while len(self.latest) >= 2 * CHUNK:
            self._packed.append(_pack(self.latest[:CHUNK]))
            del self.latest[:CHUNK]

    def __len__(self) -> int:
        return CHUNK * len(self._packed) + len(self.latest)

    def __iter__(self) -> Iterator[Row]:
        for number in range(len(self._packed)):
            yield from _unpack(self._packed[number])
        yield from self.latest

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError("there is no such row")
        number, at = divmod(place, CHUNK)
        if number >= len(self._packed):
            return self.latest[place - CHUNK * len(self._packed)]
        if number != self._number:
            self._number, self._chunk = number, _unpack(self._packed[number])
        return self._chunk[at]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Rows | list | tuple):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # it grows

    def __repr__(self) -> str:
        return f"Rows({list(self)!r})"

    def change(self, change: Callable[[Row], object]) -> None:
        """Call `change` with every row, and keep what it makes of it."""
        for number, packed in enumerate(self._packed):
            rows = _unpack(packed)
            for row in rows:
                change(row)
            self._packed[number] = _pack(rows)
        self._number, self._chunk = -1, []
        for row in self.latest:
            change(row)


def _pack(rows: list[Row]) -> bytes:
    # Nobody else reads it, so it need not outlive this version of Python.
    return zlib.compress(marshal.dumps([_fields(row) for row in rows]), 1)


def _unpack(packed: bytes) -> list[Row]:
    return [Row(*fields) for fields in marshal.loads(zlib.decompress(packed))]  # noqa: S302  our own bytes


def _fields(row: Row) -> tuple[bytes, str, int, int, str, str, str, int]:
    """The fields of a row in their order."""
    return row.path, row.kind, row.size, row.offset, row.outcome, row.code, row.detail, row.stop
