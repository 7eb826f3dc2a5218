"""Sparse files: where the pieces of a file lie that an archive stores without its holes.

Five encodings (GNU tar manual, "Storing Sparse Files"): the old GNU header with its extension blocks, and the pax
versions 0.0 and 0.1 (the map in records) and 1.0 (the map in front of the body). A map is believed only where its
pieces are in order, apart, inside the file, and together as long as what is stored: extractors part ways over any
other.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

from .errors import FormatError, LimitError
from .layout import GNU, NumberError, number
from .limits import Limits
from .pax import integer

_SLOTS, _EXTENDED, _REALSIZE = 386 - 345, 482 - 345, 483 - 345
"""Places of the old GNU fields in what is the prefix of a ustar header."""
_IN_HEADER, _IN_BLOCK = 4, 21

KEYS = b"GNU.sparse."
_LARGEST = (1 << 63) - 1


@dataclass(slots=True)
class SparseMap:
    """Where the stored bytes go: `pieces` is offset, length, offset, length, in bytes of the file."""

    realsize: int
    """Bytes of the file with its holes."""
    pieces: array[int] = field(default_factory=lambda: array("q"))

    def check(self, stored: int, offset: int, path: bytes) -> None:
        """Raises FormatError where the map is not one of `stored` bytes in a file of `realsize`."""
        at = total = 0
        for start, length in zip(self.pieces[::2], self.pieces[1::2], strict=True):
            if start < at or start + length > self.realsize:
                words = f"a piece of {length} bytes at {start}, behind {at} and in a file of {self.realsize} bytes"
                raise FormatError("sparse.map", offset, words, "sparse", path)
            at = start + length
            total += length
        if total != stored:
            words = f"the map has {total} bytes, the archive {stored}"
            raise FormatError("sparse.size", offset, words, "sparse", path)


class MapReader:
    """The map of one member, from its header, its pax records, or blocks that follow.

    While `wants_block` is true the next block of the archive belongs to the map. `in_body`: those blocks are part
    of the member's size. Raises FormatError (`sparse.version`, `.map`, `.number`, `.size`) and LimitError.
    """

    def __init__(self, path: bytes, offset: int, limits: Limits) -> None:
        self._path, self._offset, self._limits = path, offset, limits
        self.map = SparseMap(0)
        self.wants_block = False
        self.in_body = False
        self._text = b""
        self._expected = -1

    def _bad(self, code: str, detail: str) -> FormatError:
        return FormatError(code, self._offset, detail, "sparse", self._path)

    def _add(self, *numbers: int) -> None:
        if len(self.map.pieces) + len(numbers) > 2 * self._limits.sparse:
            words = f"more than {self._limits.sparse} pieces of a sparse file"
            raise LimitError("limit.sparse", self._offset, words, "sparse", self._path)
        for value in numbers:
            if not 0 <= value <= _LARGEST:
                raise self._bad("sparse.number", f"{value} in a sparse map")
            self.map.pieces.append(value)

    def _realsize(self, size: int) -> None:
        if size > self._limits.output:
            words = f"a sparse file of {size} bytes, and {self._limits.output} are allowed"
            raise LimitError("limit.output", self._offset, words, "sparse", self._path)
        if size < 0:
            raise self._bad("sparse.number", f"a sparse file of {size} bytes")
        self.map.realsize = size

    # -- old GNU ---------------------------------------------------------------------------------------------------

    def old(self, prefix: bytes, dialect: str) -> None:
        """The four slots of a header with typeflag S."""
        if dialect != GNU:
            raise self._bad("sparse.version", "typeflag S under a magic that is not GNU's")
        self._realsize(self._octal(prefix[_REALSIZE : _REALSIZE + 12]))
        more = self._slots(prefix[_SLOTS:], _IN_HEADER)
        self.wants_block = prefix[_EXTENDED] != 0
        if self.wants_block and not more:
            raise self._bad("sparse.map", "an extension of a sparse map that has ended")

    def _slots(self, block: bytes, count: int) -> bool:
        """Read slots; whether all are used."""
        for at in range(0, 24 * count, 24):
            if not block[at : at + 24].strip(b"\0"):
                return False
            self._add(self._octal(block[at : at + 12]), self._octal(block[at + 12 : at + 24]))
        return True

    def _octal(self, value: bytes) -> int:
        try:
            return number(value)
        except NumberError as error:
            raise self._bad("sparse.number", str(error)) from None

    # -- pax -------------------------------------------------------------------------------------------------------

    def pax(self, records: list[tuple[bytes, bytes]]) -> None:
        """The records of the member's own pax header, in order."""
        last = dict(records)
        version = (last.get(KEYS + b"major"), last.get(KEYS + b"minor"))
        if version == (b"1", b"0"):
            self._realsize(self._decimal(last, b"realsize"))
            self.wants_block = self.in_body = True
            return
        if version not in ((None, None), (b"0", b"0"), (b"0", b"1")):
            words = ".".join((part or b"?").decode("ascii", "replace") for part in version)
            raise self._bad("sparse.version", f"sparse files of version {words}")
        self._realsize(self._decimal(last, b"size"))
        if KEYS + b"map" in last:
            numbers = last[KEYS + b"map"].split(b",")
            if len(numbers) % 2:
                raise self._bad("sparse.map", "a map with an offset and no length")
            for one in numbers:
                self._add(self._digits(one))
            return
        expected = KEYS + b"offset"
        for key, value in records:
            if key not in (KEYS + b"offset", KEYS + b"numbytes"):
                continue
            if key != expected:
                raise self._bad("sparse.map", "offsets and lengths that do not alternate")
            expected = KEYS + b"numbytes" if key.endswith(b"offset") else KEYS + b"offset"
            self._add(self._digits(value))
        if expected.endswith(b"numbytes"):
            raise self._bad("sparse.map", "an offset without a length")

    def _decimal(self, records: dict[bytes, bytes], name: bytes) -> int:
        value = records.get(KEYS + name)
        if value is None:
            raise self._bad("sparse.version", f"no {(KEYS + name).decode()}")
        return integer(value, KEYS + name, self._offset)

    def _digits(self, value: bytes) -> int:
        if not value.isdigit() or len(value) > 20:
            raise self._bad("sparse.number", f"{value[:40]!r} in a sparse map")
        return int(value)

    # -- blocks ----------------------------------------------------------------------------------------------------

    def block(self, block: bytes) -> None:
        """The next block of the map."""
        if not self.in_body:
            more = self._slots(block, _IN_BLOCK)
            self.wants_block = block[24 * _IN_BLOCK] != 0
            if self.wants_block and not more:
                raise self._bad("sparse.map", "an extension of a sparse map that has ended")
            return
        *lines, self._text = (self._text + block).split(b"\n")
        for place, line in enumerate(lines):
            value = self._digits(line)
            if self._expected < 0:
                self._expected = 2 * value
                if value > self._limits.sparse:
                    words = f"{value} pieces of a sparse file, and {self._limits.sparse} are allowed"
                    raise LimitError("limit.sparse", self._offset, words, "sparse", self._path)
            else:
                self._add(value)
            if len(self.map.pieces) == self._expected:
                rest = b"\n".join([*lines[place + 1 :], self._text])
                if rest.strip(b"\0"):
                    raise self._bad("sparse.map", "something behind the map in its last block")
                self.wants_block = False
                return
        if len(self._text) > 20:
            raise self._bad("sparse.number", f"{self._text[:40]!r} in a sparse map")
