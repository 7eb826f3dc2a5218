"""What is to be done with directories when everything is in them, kept small: a million of them is no more memory.

The latest are in a dictionary. When they are many, they are sorted and packed as one run; in the end the runs are
merged as they are read.
"""

from __future__ import annotations

import heapq
import marshal
import zlib
from collections.abc import Iterator
from itertools import groupby
from typing import TypeAlias

from ..metadata import Xattrs
from .spool import Spool

Asked: TypeAlias = tuple[tuple[int, int] | None, Xattrs]
"""Owner by numbers, or None where it is not to be set, and extended attributes."""

Late: TypeAlias = tuple[int | None, int, Asked]
"""Mode (None: it is what it should be), time in nanoseconds, owner and attributes of a directory."""

MANY = 1 << 14
"""Directories that are a run."""
HEAVY = 4 << 20
"""Bytes of paths and attributes that are one, whichever comes first."""
_BLOCK = 256
_HEAVY_BLOCK = 1 << 16


class Directories:
    """Directories of one archive: what is to be set of each, or None where nothing is."""

    def __init__(self) -> None:
        self._recent: dict[bytes, Late | None] = {}
        self._weight = 0
        self._blocks = Spool()
        self._runs: list[range] = []  # numbers of the blocks of each

    def add(self, path: bytes, late: Late | None) -> None:
        """One that was made, or is to be set. What is said later is what counts, unless it is None."""
        if late is None and path in self._recent:
            return
        self._recent[path] = late
        self._weight += len(path)
        if late is not None and late[2][1]:
            self._weight += sum(len(name) + len(value) for name, value in late[2][1])
        if len(self._recent) >= MANY or self._weight > HEAVY:
            self._pack()

    def backwards(self) -> Iterator[tuple[bytes, Late | None]]:
        """All of them backwards by name: what is in a directory comes before it, and those beside it after."""
        if not self._runs:
            yield from sorted(self._recent.items(), key=_path, reverse=True)
            return
        runs = [self._unpacked(run) for run in reversed(self._runs)]  # the latest first, and so where paths are one
        recent = iter(sorted(self._recent.items(), key=_path, reverse=True))
        for path, found in groupby(heapq.merge(recent, *runs, key=_path, reverse=True), _path):
            yield path, next((late for _, late in found if late is not None), None)

    def _pack(self) -> None:
        first = len(self._blocks)
        block: list[tuple[bytes, Late | None]] = []
        weight = 0
        for one in sorted(self._recent.items(), key=_path, reverse=True):
            block.append(one)
            weight += len(one[0]) + (sum(len(value) for _, value in one[1][2][1]) if one[1] is not None else 0)
            if len(block) == _BLOCK or weight > _HEAVY_BLOCK:
                self._blocks.append(zlib.compress(marshal.dumps(block), 1))
                block, weight = [], 0
        if block:
            self._blocks.append(zlib.compress(marshal.dumps(block), 1))
        self._runs.append(range(first, len(self._blocks)))
        self._recent.clear()
        self._weight = 0

    def _unpacked(self, run: range) -> Iterator[tuple[bytes, Late | None]]:
        for number in run:
            yield from marshal.loads(zlib.decompress(self._blocks[number]))  # noqa: S302  our own bytes


def _path(one: tuple[bytes, Late | None]) -> bytes:
    return one[0]
