"""Mutators of bytes under the recipe: a few parts are encoded, changed, their checksums repaired, and read back.

What the bytes then are, the decoder says: a flipped typeflag makes another kind of part, a lost byte makes all that
follows raw bytes. Nothing gets lost: what is read back has the changed bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...archive.decode import decode
from ...archive.encode import encode
from ...archive.recipe import BLOCK, End, HeaderPart, Long, Member, Part, Pax, Recipe
from ...archive.wire import checksum_form, sums
from ..choices import Choices, below, chance, pick
from . import LARGEST_BYTES, Work, mutator, weight

WINDOW = 3
"""Parts that are changed as bytes at a time: what follows a member matters, what is far away does not."""

WINDOW_BYTES = 64 * 1024

BYTES = b"\0\x01 \n+-./0178=AKLSVgx\x7f\x80\x8a\xc3\xff"
"""Bytes that mean something in a header, a number, a record or a name."""


def repaired(data: bytearray, starts: Sequence[int]) -> bytes:
    """The bytes with the right checksum in each header block that begins at one of `starts` and is whole."""
    for start in starts:
        if 0 <= start <= len(data) - BLOCK:
            data[start + 148 : start + 156] = checksum_form(sums(bytes(data[start : start + BLOCK]))[0])
    return bytes(data)


class _Window:
    """Some parts as bytes, and where headers with a canonical checksum begin."""

    def __init__(self, work: Work, choices: Choices) -> None:
        self.start = below(choices, len(work.parts))
        parts = work.parts[self.start : self.start + WINDOW]
        while len(parts) > 1 and weight(parts) > WINDOW_BYTES:
            parts.pop()
        self.stop = self.start + len(parts)
        self.fits = weight(parts) <= WINDOW_BYTES
        if not self.fits:
            return
        encoded = encode(Recipe(tuple(parts), 0))
        self.data = bytearray(encoded.data)
        self.before = encoded.data
        self.starts = [
            span.start
            for span in encoded.spans
            if span.field == "name"
            and isinstance(parts[span.part], Member | Pax | Long)
            and _summed(parts[span.part])
        ]

    def at(self, choices: Choices) -> int:
        """A place: in a header three times out of four, there is where meaning is."""
        if self.starts and not chance(choices, 4):
            return min(pick(choices, self.starts) + below(choices, BLOCK), len(self.data) - 1)
        return below(choices, len(self.data))

    def read_back(self, work: Work, moved_at: int = 0, moved_by: int = 0) -> bool:
        """Put what the bytes are now in the place of the parts; headers behind `moved_at` have moved."""
        starts = [start + moved_by if moved_by and start >= moved_at else start for start in self.starts]
        data = repaired(self.data, starts)
        if data == self.before:
            return False
        recipe = decode(data)
        parts: list[Part] = list(recipe.parts)
        if recipe.end:
            parts.append(End(recipe.end))
        work.parts[self.start : self.stop] = parts
        return True


def _summed(part: Part) -> bool:
    header: HeaderPart = part  # type: ignore[assignment]  # the caller has looked
    return header.chksum is None


def _open(work: Work, choices: Choices) -> _Window | None:
    if not work.parts:
        return None
    window = _Window(work, choices)
    return window if window.fits and window.data else None


@mutator(6)
def bytes__flip(work: Work, choices: Choices) -> bool:
    """One to four bits flip."""
    window = _open(work, choices)
    if window is None:
        return False
    for _ in range(1 + below(choices, 4)):
        window.data[window.at(choices)] ^= 1 << below(choices, 8)
    return window.read_back(work)


@mutator(6)
def bytes__set(work: Work, choices: Choices) -> bool:
    """One to eight bytes in a row become one that means something."""
    window = _open(work, choices)
    if window is None:
        return False
    at = window.at(choices)
    size = min(1 + below(choices, 8), len(window.data) - at)
    window.data[at : at + size] = bytes([pick(choices, BYTES)]) * size
    return window.read_back(work)


@mutator(3)
def bytes__copy(work: Work, choices: Choices) -> bool:
    """Some bytes are written over others."""
    window = _open(work, choices)
    if window is None:
        return False
    size = pick(choices, (1, 2, 8, 12, 100, BLOCK))
    source, at = window.at(choices), window.at(choices)
    piece = window.data[source : source + size]
    window.data[at : at + len(piece)] = piece
    return window.read_back(work)


@mutator(2)
def bytes__remove(work: Work, choices: Choices) -> bool:
    """Some bytes, or a whole block, are lost."""
    window = _open(work, choices)
    if window is None:
        return False
    size = pick(choices, (1, 2, 12, BLOCK - 1, BLOCK, BLOCK))
    at = window.at(choices)
    if size == BLOCK:
        at -= at % BLOCK
    size = min(size, len(window.data) - at)
    del window.data[at : at + size]
    return window.read_back(work, at + size, -size)


@mutator(2)
def bytes__insert(work: Work, choices: Choices) -> bool:
    """Some bytes, or a whole block, come in between."""
    window = _open(work, choices)
    if window is None or weight(work.parts) > LARGEST_BYTES:
        return False
    size = pick(choices, (1, 2, 12, BLOCK - 1, BLOCK, BLOCK))
    at = window.at(choices)
    if size == BLOCK:
        at -= at % BLOCK
    piece = window.data[at : at + size] if chance(choices, 2) else bytes([pick(choices, BYTES)]) * size
    window.data[at:at] = piece
    return window.read_back(work, at, len(piece))
