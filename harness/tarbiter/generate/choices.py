"""The source of choices: what generators ask of it, and how bytes can stand in for a random number generator.

Only one method of `random.Random` is used, `getrandbits`: its results are the same on every Python version, which
those of `choice`, `sample` or `shuffle` are not promised to be.
"""

from __future__ import annotations

import bisect
import hashlib
import itertools
from collections.abc import Iterable, Sequence
from random import Random
from typing import Protocol, TypeVar

T = TypeVar("T")


class Choices(Protocol):
    """A source of choices. `random.Random` is one, `ByteChoices` another. Nothing but this method is called."""

    def getrandbits(self, k: int, /) -> int:
        """An integer of `k` bits."""
        ...


class ByteChoices:
    """Choices from bytes, for fuzzers that mutate bytes. When they run out, every choice is the first one."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def getrandbits(self, k: int, /) -> int:
        """The next bytes as an integer of `k` bits; 0 when there are none left."""
        size = (k + 7) // 8
        piece = self._data[self._at : self._at + size]
        self._at += size
        return int.from_bytes(piece, "little") & ((1 << k) - 1)

    @property
    def exhausted(self) -> bool:
        """Whether more was asked for than there was."""
        return self._at > len(self._data)


def below(choices: Choices, count: int) -> int:
    """An integer from 0 to `count` - 1. Raises ValueError when there is none.

    Sixteen bits more than needed are drawn and reduced: the bias is below 1 in 65,536, and every draw takes the
    same number of bits, so that bytes keep their meaning when a fuzzer changes one of them.
    """
    if count < 1:
        raise ValueError("there is nothing to choose from")
    return choices.getrandbits(count.bit_length() + 16) % count


def pick(choices: Choices, items: Sequence[T]) -> T:
    """One of `items`."""
    return items[below(choices, len(items))]


def chance(choices: Choices, one_in: int) -> bool:
    """Yes, once in `one_in` times."""
    return below(choices, one_in) == one_in - 1


def weighted(choices: Choices, items: Sequence[T], up_to: Sequence[int]) -> T:
    """One of `items`, as often as its weight says; `up_to` are the running sums of the weights (`sums`)."""
    return items[bisect.bisect_right(up_to, below(choices, up_to[-1]))]


def sums(weights: Iterable[int]) -> tuple[int, ...]:
    """The running sums of weights, as `weighted` takes them."""
    return tuple(itertools.accumulate(weights))


def seeded(seed: int, index: int) -> Random:
    """The choices of case number `index` of a seed: the same whether the cases before it were made or not."""
    digest = hashlib.blake2b(b"%d:%d" % (seed, index), digest_size=16).digest()
    return Random(int.from_bytes(digest, "little"))  # noqa: S311  # chance, not cryptography
