"""The search: which case comes next. Fresh ones from the seed, and children of those that showed something new.

The pool holds cases with an energy: what their newness was worth, times how many of their children were new too,
by how often they were chosen and by what they cost. (Without the last a pool fills with the largest archives that
it takes: more parts together do what nobody has seen, and half as many cases are run in the same time.) A slice of
cases is proposed from the pool as it stands, so that the same seed and the same answers give the same cases,
whatever the time between them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

import msgspec

from ..archive.case import Case
from ..archive.cases import bytes_of
from ..archive.encode import encode_bytes
from ..generate.choices import below, seeded, weighted
from ..generate.mutate import mutant
from ..generate.recipes import Generated, case_at
from .packing import Count, pack, unpack

FRESH = 3
"""One case in so many is made from the seed alone: what the pool has not seen cannot be mutated into sight."""

LENDERS = 2
"""Other cases of the pool that a child may take parts from."""

POOL = 1024
"""Cases in the pool at most; those with the least energy go first."""

LARGEST = 64 * 1024
"""Bytes of an archive in the pool. A child of a larger one would cost as much as a hundred others."""

LARGEST_PLAIN = 16 * LARGEST
"""The same when it is unpacked: gzip makes less than `LARGEST` of 38 MB of like members, and each child of those
takes a dozen seconds."""

WORTH = 4
"""The least newness that puts a case into the pool: a new error, status, pair or set of codes, no mere pattern."""

SEED_WORTH = 8
"""What a case is worth that was given to begin with."""

FINDING_WORTH = 32
"""What a case is worth that showed something nobody had seen: a new signature, a new change."""

UNIT = 8192
"""Bytes of an archive, unpacked, that cost as much as all that a case takes besides."""

_CHOOSING = 1 << 40
"""Choices of the search are another stream of the seed than those of the case with the same number."""


class Parent(msgspec.Struct, kw_only=True):
    """A case in the pool."""

    packed: bytes
    """The case, without the words about it: smaller than the object, and quick to read. Reading TOML took most of a
    campaign's own time."""
    label: str
    features: tuple[str, ...] = ()
    worth: Count = SEED_WORTH
    chosen: Count = 0
    fruitful: Count = 0
    """Children that were new."""
    size: Count = 0
    """Bytes of the archive when it is unpacked; 0: not known yet."""

    @property
    def energy(self) -> int:
        """How likely it is to be chosen, in 1/64."""
        return 1 + 64 * self.worth * (1 + self.fruitful) * UNIT // ((1 + self.chosen) * (UNIT + self.size))


class Search:
    """The pool, and the order of cases. The first `given` cases are the first of the pool, as they are."""

    def __init__(self, seed: int, parents: Iterable[Parent] = (), *, guided: bool = True, given: int = 0) -> None:
        self.seed, self.guided, self.given = seed, guided, given
        self.parents = list(parents)
        for parent in self.parents:
            parent.size = parent.size or len(encode_bytes(unpack(parent.packed, Case).recipe))
        self._known = {parent.packed for parent in self.parents}
        self._of: dict[int, Parent] = {}

    def propose(self, start: int, count: int) -> list[Generated]:
        """Cases number `start` to `start + count - 1`, from the pool as it stands."""
        sums = list(itertools.accumulate(parent.energy for parent in self.parents))
        self._of.clear()
        read: dict[bytes, Generated] = {}
        return [self._propose(index, sums, read) for index in range(start, start + count)]

    def _propose(self, index: int, sums: Sequence[int], read: dict[bytes, Generated]) -> Generated:
        if index < min(self.given, len(self.parents)):
            parent = self.parents[index]
            return Generated(
                case=unpack(parent.packed, Case), seed=self.seed, index=index, features=parent.features
            )
        choices = seeded(self.seed, index + _CHOOSING)
        if not self.guided or not self.parents or not below(choices, FRESH):
            return case_at(self.seed, index)
        drawn = [weighted(choices, self.parents, sums) for _ in range(1 + LENDERS)]
        self._of[index] = drawn[0]
        drawn[0].chosen += 1
        cases = []
        for parent in drawn:
            if parent.packed not in read:
                case = msgspec.structs.replace(unpack(parent.packed, Case), id=parent.label)
                read[parent.packed] = Generated(case=case, seed=self.seed, index=index, features=parent.features)
            cases.append(read[parent.packed])
        return mutant(self.seed, index, cases[0], cases[1:])

    def learn(self, generated: Generated, worth: int) -> None:
        """Note what the case was worth that `propose` gave: it may join the pool, and its parent did well."""
        if not self.guided or worth < WORTH:
            return
        parent = self._of.get(generated.index)
        if parent is not None:
            parent.fruitful += 1
        self.add(generated, worth)

    def add(self, generated: Generated, worth: int = SEED_WORTH) -> bool:
        """Put a case into the pool; False for one that is there, or too large."""
        case = generated.case
        whole = len(bytes_of(case))
        size = len(encode_bytes(case.recipe)) if case.layers else whole
        if whole > LARGEST or size > LARGEST_PLAIN:
            return False
        packed = pack(case.identity())
        if packed in self._known:
            return False
        self._known.add(packed)
        self.parents.append(
            Parent(packed=packed, label=generated.label, features=generated.features, worth=worth, size=size)
        )
        return True

    def trim(self) -> None:
        """Keep the `POOL` cases with the most energy, in the order in which they came."""
        if len(self.parents) <= POOL:
            return
        ranked = sorted(range(len(self.parents)), key=lambda place: (-self.parents[place].energy, place))
        kept = sorted(ranked[:POOL])
        self.parents = [self.parents[place] for place in kept]
        self._known = {parent.packed for parent in self.parents}
