"""Compression, told by content and taken off as the bytes arrive: gzip, bzip2, xz, lzma, zstd.

Limits count what comes out.
"""

from __future__ import annotations

import bz2
import importlib
import lzma
import zlib
from collections.abc import Iterator
from typing import Any, Protocol

from .errors import CompressionError, LimitError, TarError
from .layout import BLOCK, NumberError, checksum, number, signed_checksum, unpack
from .limits import Limits


def _fastest() -> Any:
    """The zlib of isal where it is installed, the standard one otherwise: slower by half, nothing else differs."""
    try:
        return importlib.import_module("isal.isal_zlib")
    except ImportError:
        return zlib


def _zstandard() -> Any:
    """The zstd of the standard library (3.14), or of backports.zstd; None: neither is there."""
    for name in ("compression.zstd", "backports.zstd"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


_zlib = _fastest()
_zstd = _zstandard()
_FAULTS: tuple[type[Exception], ...] = (
    zlib.error,
    _zlib.error,
    lzma.LZMAError,
    *(() if _zstd is None else (_zstd.ZstdError,)),
    OSError,
    EOFError,
    ValueError,
)

PIECE = 1 << 18
"""Bytes that a decompressor gives at a time at most, so that a bomb is seen before it is in memory."""

TAKEN = 1 << 16
"""Bytes of input that a decompressor is given at a time, always from a multiple of them on: what has come out when
the data turns out damaged, or a limit is passed, is then no matter of how the input arrived."""

_MAGIC = (("gzip", b"\x1f\x8b"), ("bzip2", b"BZh"), ("xz", b"\xfd7zXZ\0"), ("zstd", b"\x28\xb5\x2f\xfd"))
_SKIPPABLE = b"\x2a\x4d\x18"
"""Bytes 1 to 3 of a frame that zstd and lz4 skip (RFC 8878, 3.1.2); byte 0 is 0x50 to 0x5f."""
_UNREAD = (
    ("lzip", b"LZIP", "lzip -d"),
    ("compress", b"\x1f\x9d", "uncompress"),
    ("lz4", b"\x04\x22\x4d\x18", "lz4 -d"),
    ("lz4", b"\x02\x21\x4c\x18", "lz4 -d"),
    ("lzop", b"\x89LZO\0\r\n\x1a\n", "lzop -d"),
)
"""Compressions that are told but not read: name, magic, and the command that takes one off.

The second magic of lz4 is that of its legacy frame, which Linux kernels have."""
START = BLOCK
"""Bytes that tell every kind: whether they are a tar header is asked first."""

_TRAILER = 8
"""Bytes behind the data of a gzip member: CRC-32 and size."""
_LONGEST_HEADER = 1 << 17
"""Bytes of a gzip header, of which a name and a comment may be as long as anybody likes."""


class _Decompressor(Protocol):
    """What the decompressors of the standard library share."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


def detect(start: bytes) -> str:
    """The compression that input beginning with `start` (START bytes, or all there is) has; empty: none.

    A valid tar header wins over a magic number: a member's name may begin with one. The name may also be one of the
    compressions that are not read here; `opened` raises for those.
    """
    return "" if _is_header(start) else resembles(start)


def resembles(start: bytes) -> str:
    """The compression whose magic number `start` begins with, whatever else it is; empty: none."""
    known = (*_MAGIC, *((name, magic) for name, magic, _ in _UNREAD))
    found = next((name for name, magic in known if start.startswith(magic)), "")
    if not found and is_skippable(start):
        found = _behind_skippable(start)
    return found or ("lzma" if _is_lzma(start) else "")


def _is_header(start: bytes) -> bool:
    """Whether this is a tar header with the right checksum (or the signed one of old tars)."""
    if len(start) < BLOCK:
        return False
    try:
        stated = number(unpack(start, 0).chksum)
    except NumberError:
        return False
    return stated in (checksum(start, 0), signed_checksum(start, 0))


def is_skippable(start: bytes) -> bool:
    """Whether this begins with a frame that zstd (and lz4) skip: metadata, as pzstd and zstd:chunked write it."""
    return len(start) >= 4 and 0x50 <= start[0] <= 0x5F and start[1:4] == _SKIPPABLE


def _behind_skippable(start: bytes) -> str:
    """The name, zstd or lz4, by the first frame that is not skipped; zstd where that cannot be seen."""
    at = 0
    while is_skippable(start[at : at + 4]) and len(start) >= at + 8:
        at += 8 + int.from_bytes(start[at + 4 : at + 8], "little")
    return "lz4" if start[at : at + 4] == b"\x04\x22\x4d\x18" else "zstd"


def _is_lzma(start: bytes) -> bool:
    """Whether this is the header of an .lzma file: usual properties, a dictionary of 2^n or 3 * 2^n bytes, a size.

    In a tar `]` would be a name of one byte, and NULs would follow where the dictionary's size is here.
    """
    if len(start) < _LZMA_HEADER or start[0] != 0x5D:
        return False
    dictionary, size = int.from_bytes(start[1:5], "little"), int.from_bytes(start[5:13], "little")
    odd = dictionary >> ((dictionary & -dictionary).bit_length() - 1) if dictionary else 0
    return dictionary >= 4096 and odd in (1, 3) and (size == (1 << 64) - 1 or size < 1 << 40)


_LZMA_HEADER = 13
"""Bytes of the header of an .lzma file, which has no magic number."""


class Plain:
    """No compression: what goes in comes out."""

    name = ""
    members = 0
    oddity = ""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The plain bytes of the next compressed ones."""
        if data:
            yield data

    def finish(self) -> Iterator[bytes]:
        """The input has ended: the last plain bytes."""
        yield from ()


class Compressed:
    """One kind of compressed input, several streams one behind the other, zeros allowed behind the last.

    Raises CompressionError (`compression.damaged`, `.truncated`, `.trailing`) and LimitError (`limit.output`,
    `limit.ratio`, `limit.memory`).
    """

    def __init__(self, name: str, limits: Limits) -> None:
        self.name, self._limits = name, limits
        self._stream: _Decompressor | None = None
        self._read = 0
        self._began = -1
        self._written = 0
        self._rest = b""
        self._waiting = bytearray()
        self._padding = False
        self._padding_bytes = 0
        self._skipped_first = False
        self.members = 0
        """Streams that were begun; of zstd, frames that hold data."""

    @property
    def oddity(self) -> str:
        """Why not every reader of this compression reads this input, in words; empty: no such reason is known."""
        if self.members > 1:
            streams = "frames" if self.name == "zstd" else "streams"
            return f"{self.members} {self.name} {streams} in one file: some readers stop behind the first"
        if self._padding_bytes and self.name in ("zstd", "lzma"):
            return (
                f"{self._padding_bytes} zeros behind the {self.name} data: {self.name}'s own program refuses them"
            )
        if self._padding_bytes % 4 and self.name == "xz":
            return f"{self._padding_bytes} zeros behind the xz data: the padding of a stream is a multiple of four"
        if self._skipped_first:
            return "the first zstd frame is one to be skipped: GNU tar does not take the file for zstd then"
        return ""

    def _begin(self) -> _Decompressor:
        if self.name == "gzip":
            return _Gzip()
        if self.name == "bzip2":
            return bz2.BZ2Decompressor()
        if self.name == "zstd":
            most = max(10, self._limits.memory.bit_length() - 1)
            options = {_zstd.DecompressionParameter.window_log_max: min(most, 31)}
            decompressor: _Decompressor = _zstd.ZstdDecompressor(options=options)
            return decompressor
        form = lzma.FORMAT_XZ if self.name == "xz" else lzma.FORMAT_ALONE
        return lzma.LZMADecompressor(form, memlimit=self._limits.memory)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The plain bytes of the next compressed ones, at most PIECE at a time. Some may have to wait."""
        if len(self._waiting) + len(data) < TAKEN:
            self._waiting += data
            return
        at = TAKEN - len(self._waiting)
        whole = bytes(self._waiting) + data[:at] if self._waiting else data[:at]
        self._waiting.clear()
        yield from self._take(whole)
        while len(data) - at >= TAKEN:
            yield from self._take(data[at : at + TAKEN])
            at += TAKEN
        self._waiting += data[at:]

    def _take(self, data: bytes) -> Iterator[bytes]:
        self._read += len(data)
        data = self._rest + data
        self._rest = b""
        while data:
            if self._padding:
                if data.strip(b"\0"):
                    raise self._trailing(data)
                self._padding_bytes += len(data)
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

    def _trailing(self, data: bytes) -> CompressionError:
        """What is left of the input, less zeros at its start, is no stream of this kind."""
        where = self._read - len(data.lstrip(b"\0"))
        more = "something follows, and lzma has one stream"
        return CompressionError(
            "compression.trailing", where, more if self.name == "lzma" else f"bytes that are no {self.name} follow"
        )

    def _fault(self, error: Exception) -> TarError:
        """The offset is where the stream begins: how much was read when it showed depends on how it arrived."""
        if self.name in ("xz", "lzma", "zstd") and "memory" in str(error).lower():
            return LimitError("limit.memory", self._began, f"{self.name}: {error}")
        return CompressionError("compression.damaged", self._began, f"{self.name}: {error}")

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
        begun = self._began >= 0
        if begun and data[0] == 0:
            self._padding = True
            return data
        if begun and self.name == "lzma":
            raise self._trailing(data)
        if self.name == "lzma":
            self._began = self._read - len(data)
            self._stream = self._begin()
            self.members += 1
            return data
        magic = dict(_MAGIC)[self.name]
        known = data.startswith(magic) or (self.name == "zstd" and is_skippable(data))
        if not known and not self._may_become(data, magic):
            raise self._trailing(data)
        if not known:
            self._rest = data
            return b""
        self._began = self._read - len(data)
        if data.startswith(magic):
            self.members += 1
        elif not self.members:
            self._skipped_first = True
        self._stream = self._begin()
        return data

    def _may_become(self, data: bytes, magic: bytes) -> bool:
        """Whether these few bytes may be the beginning of a stream, once more of them have come."""
        if len(data) >= len(magic):
            return False
        skippable = self.name == "zstd" and 0x50 <= data[0] <= 0x5F and _SKIPPABLE.startswith(data[1:])
        return magic.startswith(data) or skippable

    def _out(self, piece: bytes) -> Iterator[bytes]:
        self._written += len(piece)
        if self._written > self._limits.output:
            raise LimitError("limit.output", self._read, f"more than {self._limits.output} bytes come out")
        if self._written > self._limits.ratio_from and self._written > self._limits.ratio * self._read:
            raise LimitError("limit.ratio", self._read, f"{self._written} bytes out of {self._read}")
        if piece:
            yield piece

    def finish(self) -> Iterator[bytes]:
        """The input has ended: the last plain bytes."""
        data = bytes(self._waiting)
        self._waiting.clear()
        yield from self._take(data)
        if self._stream is not None or self._rest:
            raise CompressionError("compression.truncated", self._read, f"the {self.name} data is cut short")


class _Gzip:
    """One member of a gzip file (RFC 1952), with the interface that bz2's and lzma's objects have.

    The frame is read here and only the deflated data by zlib or isal: what they make of a frame depends on how it
    arrives (isal loses its place in a header that comes in pieces, and both keep back data before a wrong sum).
    """

    def __init__(self) -> None:
        self._inflate = _zlib.decompressobj(wbits=-15)
        self._begun = False
        self._rest = b""
        self._sum, self._size = 0, 0
        self.needs_input = True
        self.eof = False
        self.unused_data = b""

    def decompress(self, data: bytes, max_length: int = PIECE, /) -> bytes:
        if self._rest:
            data, self._rest = self._rest + data, b""
        if not self._begun:
            length = _gzip_header(data)
            if not length:
                self._rest = data
                return b""
            self._begun = True
            data = data[length:]
        if not self._inflate.eof:
            piece = bytes(self._inflate.decompress(data, max_length))
            self._sum = _zlib.crc32(piece, self._sum)
            self._size += len(piece)
            if self._inflate.eof:
                self._rest = self._inflate.unused_data
                self.needs_input = len(self._rest) < _TRAILER
            else:
                self._rest = self._inflate.unconsumed_tail
                self.needs_input = not self._rest and len(piece) < max_length
            return piece
        self.needs_input = len(data) < _TRAILER
        if self.needs_input:
            self._rest = data
            return b""
        if int.from_bytes(data[:4], "little") != self._sum:
            raise ValueError("the data has another checksum (CRC-32) than its trailer says")
        if int.from_bytes(data[4:_TRAILER], "little") != self._size & 0xFFFF_FFFF:
            raise ValueError("the data has another size than its trailer says")
        self.eof, self.unused_data = True, data[_TRAILER:]
        return b""


def _gzip_header(data: bytes) -> int:
    """How long the header is that `data` begins with; 0 when it is not all there yet. Raises ValueError."""
    if len(data) > 2 and data[2] != 8:
        raise ValueError(f"compression method {data[2]}")
    if len(data) > 3 and data[3] & 0xE0:
        raise ValueError("reserved flags are set")
    end = 10
    if len(data) < end:
        return 0
    if data[3] & 4:  # FEXTRA
        end += 2 + int.from_bytes(data[end : end + 2], "little") if len(data) >= end + 2 else len(data)
    for flag in (8, 16):  # FNAME, FCOMMENT
        if data[3] & flag and end <= len(data):
            end = data.find(b"\0", end) + 1 or len(data) + 1
    if data[3] & 2:  # FHCRC
        wanted = zlib.crc32(data[:end]) & 0xFFFF
        if len(data) >= end + 2 and int.from_bytes(data[end : end + 2], "little") != wanted:
            raise ValueError("the header has another checksum than it says")
        end += 2
    if len(data) >= end:
        return end
    if len(data) > _LONGEST_HEADER:
        raise ValueError(f"a header of more than {_LONGEST_HEADER} bytes")
    return 0


def opened(start: bytes, limits: Limits) -> Plain | Compressed:
    """The decompressor for input that begins with `start`. Raises CompressionError (`compression.unavailable`)."""
    name = detect(start)
    remedy = next((command for unread, _, command in _UNREAD if unread == name), "")
    if remedy:
        detail = f"compressed with {name}, which is not taken off here; {remedy} FILE first"
        raise CompressionError("compression.unavailable", 0, detail)
    if name == "zstd" and _zstd is None:
        detail = (
            "compressed with zstd, which needs Python 3.14 or the package backports.zstd; or zstd -d FILE first"
        )
        raise CompressionError("compression.unavailable", 0, detail)
    return Compressed(name, limits) if name else Plain()
