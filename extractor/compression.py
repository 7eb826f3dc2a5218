"""Compression, told by content and taken off as the bytes arrive: gzip, bzip2, xz. Limits count what comes out."""

from __future__ import annotations

import bz2
import importlib
import lzma
import zlib
from collections.abc import Iterator
from typing import Any, Protocol

from .errors import CompressionError, LimitError, TarError
from .limits import Limits


def _fastest() -> Any:
    """The zlib of isal where it is installed, the standard one otherwise: slower by half, nothing else differs."""
    try:
        return importlib.import_module("isal.isal_zlib")
    except ImportError:
        return zlib


_zlib = _fastest()
_FAULTS: tuple[type[Exception], ...] = (zlib.error, _zlib.error, lzma.LZMAError, OSError, EOFError, ValueError)

PIECE = 1 << 18
"""Bytes that a decompressor gives at a time at most, so that a bomb is seen before it is in memory."""

_MAGIC = (("gzip", b"\x1f\x8b"), ("bzip2", b"BZh"), ("xz", b"\xfd7zXZ\0"))
LONGEST_MAGIC = max(len(magic) for _, magic in _MAGIC)


class _Decompressor(Protocol):
    """What the decompressors of the standard library share."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


def detect(start: bytes) -> str:
    """The compression that input beginning with `start` (LONGEST_MAGIC bytes, or all there is) has; empty: none."""
    return next((name for name, magic in _MAGIC if start.startswith(magic)), "")


class Plain:
    """No compression: what goes in comes out."""

    name = ""
    members = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The plain bytes of the next compressed ones."""
        if data:
            yield data

    def finish(self) -> None:
        """The input has ended."""


class Compressed:
    """One kind of compressed input, several streams one behind the other, zeros allowed behind the last.

    Raises CompressionError (`compression.damaged`, `.truncated`, `.trailing`) and LimitError (`limit.output`,
    `limit.ratio`, `limit.memory`).
    """

    def __init__(self, name: str, limits: Limits) -> None:
        self.name, self._limits = name, limits
        self._stream: _Decompressor | None = None
        self._read = 0
        self._written = 0
        self._rest = b""
        self._padding = False
        self.members = 0
        """Streams that were begun."""

    def _begin(self) -> _Decompressor:
        self.members += 1
        if self.name == "gzip":
            return _Gzip()
        if self.name == "bzip2":
            return bz2.BZ2Decompressor()
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=self._limits.memory)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The plain bytes of the next compressed ones, at most PIECE at a time."""
        self._read += len(data)
        data = self._rest + data
        self._rest = b""
        while data:
            if self._padding:
                if data.strip(b"\0"):
                    raise CompressionError(
                        "compression.trailing", self._read, f"bytes that are no {self.name} follow"
                    )
                return
            if self._stream is None:
                data = self._between(data)
                continue
            try:
                piece = self._stream.decompress(data, PIECE)
            except _FAULTS as error:
                raise self._fault(error) from None
            yield from self._out(piece)
            yield from self._drain()
            if self._stream.eof:
                data, self._stream = self._stream.unused_data, None
            else:
                return

    def _fault(self, error: Exception) -> TarError:
        if isinstance(error, lzma.LZMAError) and "memory" in str(error).lower():
            return LimitError("limit.memory", self._read, f"{self.name}: {error}")
        return CompressionError("compression.damaged", self._read, f"{self.name}: {error}")

    def _drain(self) -> Iterator[bytes]:
        """What a decompressor still holds of its input, because one piece was full."""
        stream = self._stream
        assert stream is not None
        while not stream.eof and not getattr(stream, "needs_input", True):
            try:
                piece = stream.decompress(b"", PIECE)
            except _FAULTS as error:
                raise self._fault(error) from None
            yield from self._out(piece)

    def _between(self, data: bytes) -> bytes:
        """At the place where a stream may begin. Waits for enough bytes to see which."""
        if self.members and not data.strip(b"\0"):
            self._padding = True
            return data
        magic = dict(_MAGIC)[self.name]
        if len(data) < len(magic):
            if not magic.startswith(data):
                raise CompressionError("compression.trailing", self._read, f"bytes that are no {self.name} follow")
            self._rest = data
            return b""
        if not data.startswith(magic):
            raise CompressionError("compression.trailing", self._read, f"bytes that are no {self.name} follow")
        self._stream = self._begin()
        return data

    def _out(self, piece: bytes) -> Iterator[bytes]:
        self._written += len(piece)
        if self._written > self._limits.output:
            raise LimitError("limit.output", self._read, f"more than {self._limits.output} bytes come out")
        if self._written > self._limits.ratio_from and self._written > self._limits.ratio * self._read:
            raise LimitError("limit.ratio", self._read, f"{self._written} bytes out of {self._read}")
        if piece:
            yield piece

    def finish(self) -> None:
        """The input has ended."""
        if self._stream is not None or self._rest:
            raise CompressionError("compression.truncated", self._read, f"the {self.name} data is cut short")


class _Gzip:
    """zlib's object with the interface that bz2's and lzma's have."""

    def __init__(self) -> None:
        self._object = _zlib.decompressobj(wbits=31)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return bool(self._object.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._object.unused_data)

    def decompress(self, data: bytes, max_length: int = PIECE, /) -> bytes:
        piece = bytes(self._object.decompress(data or self._object.unconsumed_tail, max_length))
        self.needs_input = not self._object.unconsumed_tail
        return piece


def opened(start: bytes, limits: Limits) -> Plain | Compressed:
    """The decompressor for input that begins with `start`."""
    name = detect(start)
    return Compressed(name, limits) if name else Plain()
