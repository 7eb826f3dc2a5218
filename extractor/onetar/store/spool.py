"""Spools: pieces of bytes that are kept for later, the first few megabytes in memory and the rest in a file."""

from __future__ import annotations

import os
import tempfile
import weakref

HELD = 6 << 20
"""Bytes of one spool that stay in memory."""


class Spool:
    """A list of pieces. What is more than `held` bytes of them is in an unnamed temporary file.

    Where there is no place for such a file (read-only containers, a full disk), they stay in memory: that is more
    than was promised then, and nothing is lost.
    """

    __slots__ = ("__weakref__", "_end", "_fd", "_held", "_most", "_pieces")

    def __init__(self, held: int | None = None) -> None:
        self._most, self._held = HELD if held is None else held, 0
        self._pieces: list[bytes | tuple[int, int]] = []  # or where it is in the file, and how long
        self._fd: int | None = None
        self._end = 0

    def __len__(self) -> int:
        return len(self._pieces)

    def __getitem__(self, number: int) -> bytes:
        piece = self._pieces[number]
        if isinstance(piece, bytes):
            return piece
        assert self._fd is not None
        at, length = piece
        found = os.pread(self._fd, length, at)
        if len(found) < length:
            raise OSError(f"a temporary file lost {length - len(found)} of {length} bytes")
        return found

    def __setitem__(self, number: int, piece: bytes) -> None:
        before = self._pieces[number]
        if isinstance(before, bytes):
            self._held -= len(before)
        self._pieces[number] = self._kept(piece)

    def append(self, piece: bytes) -> None:
        """One more piece."""
        self._pieces.append(self._kept(piece))

    def _kept(self, piece: bytes) -> bytes | tuple[int, int]:
        if self._held + len(piece) > self._most:
            try:
                return self._filed(piece)
            except OSError:
                self._most = 1 << 62  # no file to be had, or no room in it
        self._held += len(piece)
        return piece

    def _filed(self, piece: bytes) -> tuple[int, int]:
        if self._fd is None:
            with tempfile.TemporaryFile() as file:
                self._fd = os.dup(file.fileno())
            weakref.finalize(self, os.close, self._fd)
        at, done = self._end, 0
        while done < len(piece):
            done += os.pwrite(self._fd, piece[done:], at + done)
        self._end += len(piece)
        return at, len(piece)
