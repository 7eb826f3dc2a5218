"""Names: what is known of every path of an archive, in little memory.

The latest paths are in a dictionary. When they become many, all of them go into a table that has a digest of each
and one byte of what is known: less than twenty bytes a path, however long it is. The digests are 96 bits of BLAKE2b
under a key that nobody else has and that is another one for each archive: that any two of four million paths share
one has a chance of one in 10^16, and nobody can look for two that do. Should it happen, a path passes for one that
has come already: strict refuses the archive, compat may replace what was in that path's place before. Neither makes
the writer follow a link or leave the destination: it goes by descriptors and asks the disk, not this.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from hashlib import blake2b
from itertools import islice

from ..events import Kind

KIND = 0x0F
"""Bits that say which kind a member was: its number among `KINDS`, 0 for none."""
KINDS: tuple[Kind | None, ...] = (None, *Kind)
NUMBERS = {kind: number for number, kind in enumerate(KINDS) if kind is not None}
IMPLIED = 0x10
"""Something is in it: it is a directory, with or without a member of its own."""
MADE = 0x20
"""It was made at the destination."""
FOLDED = 0x40
"""No path, but what is left of one on a file system that folds case and normalises."""

FIRST = 1 << 17
"""Paths in the dictionary before any are in the table. What costs time begins beyond them."""
LATER = 1 << 14
"""Paths in the dictionary from then on."""
HELD = 48
"""Bytes of a path that are allowed for: if they are longer, there are fewer in the dictionary."""
OFTEN = 64
"""Paths that are weighed together."""

_BUCKETS = 1 << 16
_DIGEST = 10
_ENTRY = _DIGEST + 1
_BITS = 1 << 23


class Names:
    """What is known of each path. With `folding`, also which paths are one where case is folded."""

    __slots__ = ("_bits", "_buckets", "_key", "_weighed", "_weight", "folding", "implied", "recent")

    def __init__(self, *, folding: bool = False) -> None:
        self.folding = folding
        self.implied = 0
        """Directories that were implied before they had a member, if they ever had."""
        self.recent: dict[bytes, int] = {}
        """The latest paths. Whoever adds to it by itself calls `settle` before they are many."""
        self._weighed = self._weight = 0
        self._buckets: list[bytes] | None = None
        self._bits = bytearray()
        self._key = b""

    # -- asking ----------------------------------------------------------------------------------------------------

    def known(self) -> Callable[[bytes], int | None]:
        """What to ask for what is known of a path (nothing: 0 or None), until `settle` is called."""
        return self.recent.get if self._buckets is None else self.get

    def get(self, path: bytes) -> int:
        """What is known of a path; 0: nothing."""
        found = self.recent.get(path)
        if found is not None:
            return found
        if self._buckets is None:
            return 0
        bit = hash(path) & _BITS - 1  # spares the digest of nearly every new path
        if not self._bits[bit >> 3] >> (bit & 7) & 1:
            return 0
        number, digest = self._place(path)
        bucket = self._buckets[number]
        at = _find(bucket, digest)
        return bucket[at + _DIGEST] if at >= 0 else 0

    def kind(self, path: bytes) -> Kind | None:
        """What the member of this path was; None: there was none."""
        return KINDS[self.get(path) & KIND]

    def twin(self, path: bytes) -> bytes | None:
        """The name under which another path is this one where case is folded; None: there is no other."""
        known = self.get(path)
        if known & FOLDED:
            return path
        if known:
            return None  # it was looked at when it came
        folded = fold(path)
        return folded if folded != path and self.get(folded) else None

    # -- telling ---------------------------------------------------------------------------------------------------

    def add(self, path: bytes, known: int) -> None:
        """Something more of a path."""
        self.recent[path] = self.get(path) | known

    def become(self, path: bytes, kind: Kind) -> None:
        """A member was accepted."""
        self.recent[path] = self.get(path) & ~KIND | NUMBERS[kind]
        self._fold(path)
        self.enter(path.rpartition(b"/")[0])

    def enter(self, parent: bytes) -> None:
        """A directory that has something in it, and all above it."""
        while parent and not (known := self.get(parent)) & IMPLIED:
            if not known & KIND:
                self.implied += 1
            self.recent[parent] = known | IMPLIED
            self._fold(parent)
            parent = parent.rpartition(b"/")[0]

    def _fold(self, path: bytes) -> None:
        if self.folding:
            folded = fold(path)
            if folded != path:
                self.add(folded, FOLDED)

    # -- in little memory ------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Put the latest paths into the table if they are many."""
        recent = self.recent
        new = len(recent) - self._weighed
        if new < OFTEN:
            return
        self._weight += sum(map(len, islice(reversed(recent), new)))
        self._weighed = len(recent)
        most = FIRST if self._buckets is None else LATER
        if self._weighed > most or self._weight > most * HELD:
            self._file()

    def _file(self) -> None:
        if self._buckets is None:
            self._key = os.urandom(16)
            self._buckets = [b""] * _BUCKETS
            self._bits = bytearray(_BITS // 8)
        buckets, bits, place = self._buckets, self._bits, self._place
        for path, known in self.recent.items():
            number, digest = place(path)
            bucket = buckets[number]
            entry = digest + bytes((known,))
            at = _find(bucket, digest)
            buckets[number] = bucket + entry if at < 0 else bucket[:at] + entry + bucket[at + _ENTRY :]
            bit = hash(path) & _BITS - 1
            bits[bit >> 3] |= 1 << (bit & 7)
        self.recent.clear()
        self._weighed = self._weight = 0

    def _place(self, path: bytes) -> tuple[int, bytes]:
        """The first two bytes of a digest choose the bucket, the others are kept in it."""
        digest = blake2b(path, digest_size=_DIGEST + 2, key=self._key).digest()
        return digest[0] << 8 | digest[1], digest[2:]


def _find(bucket: bytes, digest: bytes) -> int:
    """Where the entry of a digest begins; -1: there is none."""
    at = bucket.find(digest)
    while at > 0 and at % _ENTRY:
        at = bucket.find(digest, at + 1)
    return at


def fold(path: bytes) -> bytes:
    """The name that a case-folding, normalising file system knows a path by."""
    if path.isascii():
        return path.lower()
    text = path.decode("utf-8", "surrogateescape")
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold()).encode(
        "utf-8", "surrogateescape"
    )
