"""Drivers: how the cell's worker runs one kind of contestant.

A driver is a module with `run(Order) -> Outcome`. An exception it raises is classified by its `EXPECTED`: those are
the ones the extractor's documentation promises for a bad archive, everything else is a crash.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ...archive.case import Schedule
from ..observation import Listed


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What a driver is to extract, where, and how."""

    archive: bytes
    dest: str
    mode: str
    schedule: Schedule

    def chunks(self) -> Iterator[bytes]:
        """The archive in the pieces that the schedule says."""
        if not self.schedule.chunks:
            yield self.archive
            return
        at = 0
        while True:
            for size in self.schedule.chunks:
                if at >= len(self.archive):
                    return
                yield self.archive[at : at + size]
                at += size


class Outcome(msgspec.Struct, kw_only=True):
    """What a driver has to say. `error` (with `error_class`) is set when the extractor refused."""

    listing: tuple[Listed, ...] | None = None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    error: str = ""
    error_class: str = ""
