"""Rows: what became of each member, kept small, so that an archive of a million members is told of in full.

The latest rows are objects. Those before them are packed, a few thousand at a time: names of one archive are much
alike, and take a tenth of their room so.
"""

from __future__ import annotations

import marshal
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import sub
from typing import TypeAlias, overload

from .spool import Spool

CHUNK = 2048
"""Rows that are packed together."""
HEAVY = 2 << 20
"""Bytes of paths and details that are packed, however few rows have them."""


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


Fields: TypeAlias = tuple[bytes, str, int, int, str, str, str, int]
"""The fields of a row in their order."""


class Rows(Sequence[Row]):
    """A sequence of rows that grows at its end.

    The last row may be changed in place; what is got of one before it may be a copy, and only `change` changes it.
    """

    __slots__ = ("_chunk", "_number", "_packed", "_starts", "_weight", "latest")

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._packed = Spool()
        self._starts = [0]  # the number of the first row of each that is packed, and of the first of the latest
        self._weight = 0
        self.latest: list[Row | Fields] = []
        """Rows that are not packed yet. Whoever appends to it by itself calls `settle` before they are many."""
        self._number, self._chunk = -1, list[Row]()  # what was unpacked last
        for row in rows:
            self.append(row)

    def append(self, row: Row) -> None:
        """One more row."""
        self.latest.append(row)
        self._weight += len(row.path) + len(row.detail)
        if self._weight > HEAVY:
            self._pack(len(self.latest) - 1)
        elif len(self.latest) >= 2 * CHUNK:
            self.settle()

    def settle(self) -> None:
        """Pack all but the last CHUNK or more."""
        while len(self.latest) >= 2 * CHUNK:
            self._pack(CHUNK)

    def _pack(self, many: int) -> None:
        if many:
            self._packed.append(_packed(self.latest[:many]))
            self._starts.append(self._starts[-1] + many)
            del self.latest[:many]
        self._weight = 0

    def __len__(self) -> int:
        return self._starts[-1] + len(self.latest)

    def __iter__(self) -> Iterator[Row]:
        for number in range(len(self._packed)):
            yield from _unpacked(self._packed[number])
        for at in range(len(self.latest)):
            yield self._late(at)

    def _late(self, at: int) -> Row:
        row = self.latest[at]
        if isinstance(row, tuple):
            row = self.latest[at] = Row(*row)
        return row

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
        if place >= self._starts[-1]:
            return self._late(place - self._starts[-1])
        number = bisect_right(self._starts, place) - 1
        if number != self._number:
            self._number, self._chunk = number, _unpacked(self._packed[number])
        return self._chunk[place - self._starts[number]]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Rows | list | tuple):
            return NotImplemented
        return len(self) == len(other) and all(one == two for one, two in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # it grows

    def __reduce__(self) -> tuple[type[Rows], tuple[list[Row]]]:
        return Rows, (list(self),)  # what is packed may be in a file of this process

    def __repr__(self) -> str:
        return f"Rows({list(self)!r})"

    def change(self, change: Callable[[Row], object]) -> None:
        """Call `change` with every row, and keep what it makes of it."""
        for number in range(len(self._packed)):
            rows = _unpacked(self._packed[number])
            for row in rows:
                change(row)
            self._packed[number] = _packed(rows)
        self._number, self._chunk = -1, []
        for at in range(len(self.latest)):
            change(self._late(at))


def _packed(rows: Sequence[Row | Fields]) -> bytes:
    """Column by column: most of them hold one value, and most rows begin where the one before stopped.

    Nobody else reads it, so it need not outlive this version of Python.
    """
    fields = [row if isinstance(row, tuple) else _fields(row) for row in rows]
    *columns, stops = zip(*fields, strict=True)
    offsets = columns.pop(3)
    lengths = tuple(map(sub, stops, offsets))
    gaps = tuple(map(sub, offsets, (0, *stops)))
    return zlib.compress(marshal.dumps((*columns, lengths, gaps)), 1)


def _unpacked(packed: bytes) -> list[Row]:
    rows = []
    at = 0
    columns = marshal.loads(zlib.decompress(packed))  # noqa: S302  our own bytes
    for path, kind, size, outcome, code, detail, length, gap in zip(*columns, strict=True):
        offset = at + gap
        at = offset + length
        rows.append(Row(path, kind, size, offset, outcome, code, detail, at))
    return rows


def _fields(row: Row) -> Fields:
    return row.path, row.kind, row.size, row.offset, row.outcome, row.code, row.detail, row.stop
