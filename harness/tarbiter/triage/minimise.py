"""Making a case small: reduction passes run until none of them finds a smaller case that is still interesting.

"Smaller" is a total order (`weight`), so every route leads downhill and ends. Which candidate is taken depends on
the order of the passes alone, never on which probe happened to answer first: probes may run side by side.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import msgspec

from ..archive.case import WHOLE, Case, World
from ..archive.cases import bytes_of
from ..archive.layers import Layer
from ..archive.recipe import Header, Member, Part, Pax, Raw, RecipeError
from ..archive.text import dumps
from .passes import PASSES, Pass

Probe: TypeAlias = Callable[[Sequence[Case]], Sequence[bool]]
"""Which of these cases still show what is to be kept. Called with up to `Budget.width` at a time."""


HEAVY = 8 << 20
"""Bytes of archive that count as one probe more: running an archive of 40 MB, and looking at the 20,000 files it
makes, takes as long as hundreds of small ones."""


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """When to stop: `probes` cases have been run, or `ended` says so. `width` cases are probed at a time.

    What is `HEAVY` counts for several probes, and fewer are probed at a time: what they make is in memory together.
    """

    probes: int = 2000
    width: int = 8
    ended: Callable[[], bool] = lambda: False
    weighed: int = 1 << 30
    """Bytes of JSON of the cases that may be weighed. Passes offer a path of thousands of components in tens of
    thousands of ways; nearly none is run, but to tell which ones took a quarter of an hour without a bound. It is a
    count and no time, so that the same case ends in the same place on every machine."""


class Minimised(msgspec.Struct, frozen=True, kw_only=True):
    """The smallest case that was found, and what it took. `complete` is False when the budget ended first."""

    case: Case
    probes: int
    complete: bool


class NotInterestingError(ValueError):
    """The case to begin with does not show what is to be kept: there is nothing to minimise."""


Weight: TypeAlias = tuple[int, int, int, int, int, str]


def weight(case: Case) -> Weight:
    """How much there is to read in a case: parts, set fields, bytes, distinct letters, numbers, then the text.

    Two cases of the same weight are the same case.
    """
    return (*Scales().coarse(case), *_fine(case))


def _fine(case: Case) -> tuple[int, int, str]:
    text = dumps(case.identity())
    return (len(set(text)), sum(map(_numbers, case.recipe.parts)), text)


class Scales:
    """The first three of a weight, which decide nearly always, and cost little where cases share most parts."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[Part, int, int]] = {}

    def coarse(self, case: Case) -> tuple[int, int, int]:
        """Parts, set fields, bytes."""
        fields = (case.recipe.end != 2) + (case.schedule != WHOLE) * 2
        if case.world != USUAL:
            fields += 2 + sum(getattr(case.world, one) != getattr(USUAL, one) for one in World.__struct_fields__)
        fields += len(case.world.placed) + len(case.schedule.chunks) + sum(map(_layer_fields, case.layers))
        size = sum(map(_layer_bytes, case.layers))
        if len(self._seen) > SEEN:
            self._seen.clear()
        for part in case.recipe.parts:
            known = self._seen.get(id(part))
            if known is None:
                # The part is kept with its numbers: while it is there, nothing else has its identity.
                known = self._seen[id(part)] = (part, set_fields(part), _bytes(part))
            fields += known[1]
            size += known[2]
        return (len(case.recipe.parts), fields, size)


SEEN = 100_000
"""Parts whose numbers are kept."""

USUAL = World()
"""What most cases land in."""


def set_fields(part: Part) -> int:
    """How many fields of a part a person has to read: those that are not canonical, and each pax record."""
    if not isinstance(part, Header):
        return 1
    count = sum(
        1
        for field in part.__struct_fields__
        if field not in ("name", "data", "text", "records", "format", "kind", "sparse", "extensions")
        and getattr(part, field) is not None
    )
    count += len(part.sparse) + (part.format != type(part)().format)
    if isinstance(part, Member):
        count += len(part.extensions) + (part.kind != "file") + bool(part.data)
    if isinstance(part, Pax):
        count += len(part.records) + sum(bool(r.length is not None) + bool(r.end is not None) for r in part.records)
        count += part.data is not None
    return count


def _layer_fields(layer: Layer) -> int:
    """The layer itself, and what is not as usual in it."""
    usual = Layer(kind=layer.kind)
    fields = (field for field in layer.__struct_fields__ if field not in ("kind", "splits"))
    return 1 + len(layer.splits) + sum(bool(getattr(layer, field) != getattr(usual, field)) for field in fields)


def _layer_bytes(layer: Layer) -> int:
    return len(layer.tail) + sum(len(text) for text in (layer.name, layer.comment, layer.extra) if text)


def _bytes(part: Part) -> int:
    if isinstance(part, Raw):
        return len(part.data)
    if not isinstance(part, Header):
        return 0
    total = sum(
        len(value) for value in (getattr(part, f) for f in part.__struct_fields__) if isinstance(value, bytes)
    )
    if isinstance(part, Pax):
        total += sum(len(record.key) + len(record.value) for record in part.records)
    return total


def _numbers(part: Part) -> int:
    values = (getattr(part, field) for field in part.__struct_fields__)
    return sum(abs(value) for value in values if isinstance(value, int))


class _Offers:
    """What passes offer, weighed: what is not smaller, was rejected, or has no bytes, is left out."""

    def __init__(self, budget: Budget) -> None:
        self._budget, self._left = budget, budget.weighed
        self._scales = Scales()
        self._rejected = set[bytes]()

    @property
    def ended(self) -> bool:
        """Whether nothing more is offered, since the budget ended."""
        return self._left <= 0 or self._budget.ended()

    def reject(self, key: bytes) -> None:
        """Never offer this case again."""
        self._rejected.add(key)

    def of(self, case: Case, reduce: Pass) -> Iterator[tuple[bytes, Case, int]]:
        """What `reduce` makes of `case`: key, case, and probes it counts for. No more once the budget ended."""
        coarse, fine = self._scales.coarse(case), None
        offered = set[bytes]()
        for candidate in reduce(case):
            if self.ended:
                return
            key = _key(candidate)
            self._left -= len(key)
            digest = hashlib.blake2b(key, digest_size=16).digest()
            if digest in offered or digest in self._rejected:
                continue
            mass = self._scales.coarse(candidate)
            if mass > coarse:
                continue
            if mass == coarse:
                fine = fine or _fine(case)
                if _fine(candidate) >= fine:
                    continue
            try:
                counts = _counts(candidate)
            except RecipeError:
                continue  # a field without the layout that has it: not a recipe, so not a candidate
            offered.add(digest)
            yield digest, candidate, counts


def _counts(case: Case) -> int:
    """How many probes a case counts for."""
    return 1 + len(bytes_of(case)) // HEAVY


def _batch(offers: Iterator[tuple[bytes, Case, int]], width: int) -> list[tuple[bytes, Case, int]]:
    """The next that count for `width` probes together, or for a little more: the last one is what it is."""
    batch = []
    while width > 0 and (one := next(offers, None)):
        batch.append(one)
        width -= one[2]
    return batch


def _key(case: Case) -> bytes:
    """What two equal cases have in common and no others have. Of JSON, as it holds any number."""
    return msgspec.json.encode(case.identity())


def minimise(
    case: Case, probe: Probe, *, budget: Budget | None = None, passes: Sequence[Pass] = PASSES
) -> Minimised:
    """The smallest interesting case that the passes reach from `case`.

    Raises NotInterestingError when `case` itself is not interesting (it is probed first, and again: a case that
    shows the thing only sometimes cannot be minimised).
    """
    budget = budget or Budget()
    if not all(probe((case, case))):
        raise NotInterestingError("the case does not show, twice in a row, what is to be kept")
    probes, offers = 2 * _counts(case), _Offers(budget)
    while True:
        before = case
        for reduce in passes:
            smaller: Case | None = case
            while smaller is not None:
                case, smaller = smaller, None
                smaller_ones = offers.of(case, reduce)
                while smaller is None and (batch := _batch(smaller_ones, budget.width)):
                    if probes >= budget.probes or budget.ended():
                        return Minimised(case=case, probes=probes, complete=False)
                    probes += sum(counts for _, _, counts in batch)
                    for (key, candidate, _), yes in zip(batch, probe([one for _, one, _ in batch]), strict=True):
                        # Only what was rejected is never tried again: whatever else happens to be in a batch with
                        # the one that is taken must not change where this ends.
                        if not yes:
                            offers.reject(key)
                        elif smaller is None:
                            smaller = candidate
                if smaller is None and offers.ended:  # perhaps in the middle of what the pass had to offer
                    return Minimised(case=case, probes=probes, complete=False)
        if case == before:
            return Minimised(case=case, probes=probes, complete=True)
