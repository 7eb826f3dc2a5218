"""CPython's `tarfile`: extractall with one of its filters, from a file or (with a schedule) from a stream."""

from __future__ import annotations

import io
import tarfile
import zlib

from ...archive.case import WHOLE
from ..observation import Listed
from . import Order, Outcome

EXPECTED: tuple[type[Exception], ...] = (tarfile.TarError, OSError, EOFError, zlib.error)
"""What the documentation of tarfile promises for archives that are bad or cannot be written."""

_TYPES = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.LNKTYPE: "hardlink",
    tarfile.SYMTYPE: "symlink",
    tarfile.CHRTYPE: "char",
    tarfile.BLKTYPE: "block",
    tarfile.DIRTYPE: "dir",
    tarfile.FIFOTYPE: "fifo",
}

_FILTERS = {
    "data": tarfile.data_filter,
    "tar": tarfile.tar_filter,
    "fully_trusted": tarfile.fully_trusted_filter,
}


class _Pieces(io.RawIOBase):
    """The archive as a stream whose reads are as short as the schedule says."""

    def __init__(self, order: Order) -> None:
        self._chunks = order.chunks()
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if not self._rest:
            self._rest = next(self._chunks, b"")
        size = len(self._rest) if size < 0 else size
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece


def run(order: Order) -> Outcome:
    """Extract. Raises what tarfile raises."""
    streamed = order.schedule != WHOLE
    notes = ("read as a stream (r|); tarfile has no way to wait, so pauses are not applied",) if streamed else ()
    source = _Pieces(order) if streamed else io.BytesIO(order.archive)
    # A fixed encoding: the default is the locale's, and names must not depend on where this runs.
    with tarfile.open(
        fileobj=source,
        mode="r|" if streamed else "r:",
        encoding="utf-8",
        errors="surrogateescape",
    ) as archive:
        archive.extractall(order.dest, filter=_FILTERS[order.mode])  # noqa: S202  # what this contestant is for
        listing = tuple(
            Listed(
                path=member.name.encode("utf-8", "surrogateescape"),
                type=_TYPES.get(member.type, "other"),
                size=member.size if member.isreg() else None,
            )
            for member in archive.getmembers()
        )
    return Outcome(listing=listing, notes=notes)
