"""Drivers: how the cell's worker runs one kind of contestant.

A driver is a module with `run(Order) -> Outcome`. An exception it raises is classified by its `EXPECTED`, a table
of the exceptions that the extractor's documentation promises for a bad archive or a full disk, with where it does:
those are refusals, everything else is a crash.
"""

from __future__ import annotations

import io
import itertools
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

import msgspec

from ...archive.case import Schedule
from ...archive.stored import CHUNK, Archive, Stored
from ..observation import Listed


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a driver is to extract, where, and how."""

    archive: Archive
    dest: str
    mode: str
    schedule: Schedule

    def chunks(self) -> Iterator[bytes]:
        """The archive in the pieces that the schedule says, none of them empty.

        One that stays in a file comes in pieces of at most CHUNK bytes, whatever the schedule says. Raises OSError.
        """
        sizes = [size for size in self.schedule.chunks if size > 0]
        if isinstance(self.archive, Stored):
            yield from _read(self.archive, [min(size, CHUNK) for size in sizes] or [CHUNK])
            return
        at = 0
        while at < len(self.archive):
            for size in sizes or [len(self.archive)]:
                if at >= len(self.archive):
                    return
                yield self.archive[at : at + size]
                at += size

    def file(self) -> BinaryIO:
        """The archive as a file that can seek. Raises OSError."""
        return self.archive.open() if isinstance(self.archive, Stored) else io.BytesIO(self.archive)


def _read(stored: Stored, sizes: Sequence[int]) -> Iterator[bytes]:
    with open(stored.path, "rb", buffering=CHUNK) as file:
        for size in itertools.cycle(sizes):
            piece = file.read(size)
            if not piece:
                return
            yield piece


class Outcome(msgspec.Struct, kw_only=True):
    """What a driver has to say. `error` (with `error_class`) is set when the extractor refused."""

    listing: tuple[Listed, ...] | None = None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    error: str = ""
    error_class: str = ""


def listed_size(size: int) -> tuple[int | None, str]:
    """`Listed.size` and `Listed.code` of a member that is said to have `size` bytes.

    An archive may claim more than 64 bits hold (pax, base-256). Observations travel as msgpack, which ends there.
    """
    return (size, "") if -(1 << 63) <= size < 1 << 64 else (None, "size beyond 64 bits")


WARNINGS = 20
"""Warnings that are kept of one run."""


@contextmanager
def heard(into: list[str]) -> Iterator[None]:
    """Collect Python warnings as text, the first WARNINGS of them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        finally:
            into += _told(caught)


def _told(caught: Sequence[warnings.WarningMessage]) -> list[str]:
    return [f"{one.category.__name__}: {one.message}" for one in caught[:WARNINGS]]
