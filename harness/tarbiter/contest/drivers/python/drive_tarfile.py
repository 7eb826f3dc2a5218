"""Extracts with the tarfile of the Python that runs it: `drive_tarfile.py data|tar|fully_trusted|stream`."""

from __future__ import annotations

import io
import sys
import tarfile
import zlib

from protocol import Order, pieces, serve  # type: ignore[import-not-found]  # it lies beside this file

MODE = sys.argv[1]
STREAMED = MODE == "stream"
if MODE != "fully_trusted" and not hasattr(tarfile, "data_filter"):
    sys.exit(f"Python {sys.version.split()[0]} has no tarfile.data_filter")


class Pieces(io.RawIOBase):
    """The archive as a stream whose reads are as short as the schedule says."""

    def __init__(self, order: Order) -> None:
        self.pieces, self.rest = pieces(order), b""

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes."""
        self.rest = self.rest or next(self.pieces, b"")
        size = len(self.rest) if size < 0 else size
        piece, self.rest = self.rest[:size], self.rest[size:]
        return piece


def _open(order: Order) -> tarfile.TarFile:
    # A fixed encoding: the default is the locale's, and names must not depend on where this runs.
    source = Pieces(order) if STREAMED else None
    mode = "r|" if STREAMED else "r:"
    name = None if STREAMED else order["archive"]
    return tarfile.open(name, mode, source, encoding="utf-8", errors="surrogateescape")  # type: ignore[call-overload,no-any-return]  # as it is called


def extract(order: Order) -> None:
    """Extract everything, through a filter where there are any."""
    options = {"filter": "data" if STREAMED else MODE} if hasattr(tarfile, "data_filter") else {}
    with _open(order) as archive:
        archive.extractall(order["dest"], **options)  # type: ignore[arg-type]  # noqa: S202  # what this is for


def names(order: Order) -> list[bytes]:
    """Every name, as the bytes it is stored in."""
    with _open(order) as archive:
        return [name.encode("utf-8", "surrogateescape") for name in archive.getnames()]


serve(extract, names, refusals=(tarfile.TarError, EOFError, zlib.error))
