"""Making a case small: reduction passes run until none of them finds a smaller case that is still interesting.

"Smaller" is a total order (`weight`), so every route leads downhill and ends. Which candidate is taken depends on
the order of the passes alone, never on which probe happened to answer first: probes may run side by side.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

import msgspec

from ..archive.case import WHOLE, Case, World
from ..archive.cases import bare, bytes_of
from ..archive.layers import Layer
from ..archive.recipe import Header, Member, Part, Pax, Raw, RecipeError
from ..archive.text import dumps
from .passes import PASSES, Pass

Probe: TypeAlias = Callable[[Sequence[Case]], Sequence[bool]]
"""Which of these cases still show what is to be kept. Called with up to `Budget.width` at a time."""


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """When to stop: `probes` cases have been run, or `ended` says so. `width` cases are probed at a time."""

    probes: int = 2000
    width: int = 8
    ended: Callable[[], bool] = lambda: False


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
    parts = case.recipe.parts
    fields = sum(map(set_fields, parts)) + (case.recipe.end != 2)
    fields += (case.world != World()) * 2 + (case.schedule != WHOLE) * 2
    fields += len(case.world.placed) + len(case.schedule.chunks) + sum(map(_layer_fields, case.layers))
    size = sum(map(_bytes, parts)) + sum(map(_layer_bytes, case.layers))
    text = dumps(bare(case))
    letters = len(set(text))
    return (len(parts), fields, size, letters, sum(map(_numbers, parts)), text)


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


def _candidates(
    case: Case, reduce: Pass, rejected: set[Weight], ended: Callable[[], bool]
) -> Iterator[tuple[Weight, Case]]:
    """What a pass offers, less what is not smaller, was rejected already, or has no bytes; none once it `ended`.

    Weighing the offers for a case of thousands of parts takes longer than running them.
    """
    limit = weight(case)
    offered = set()
    for candidate in reduce(case):
        if ended():
            return
        try:
            mass = weight(candidate)
            if mass >= limit or mass in rejected or mass in offered:
                continue
            bytes_of(candidate)
        except RecipeError:
            continue  # a field without the layout that has it: not a recipe, so not a candidate
        offered.add(mass)
        yield mass, candidate


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
    probes, rejected = 2, set[Weight]()
    while True:
        before = case
        for reduce in passes:
            smaller: Case | None = case
            while smaller is not None:
                case, smaller = smaller, None
                offers = _candidates(case, reduce, rejected, budget.ended)
                while smaller is None and (batch := list(itertools.islice(offers, budget.width))):
                    if probes >= budget.probes or budget.ended():
                        return Minimised(case=case, probes=probes, complete=False)
                    probes += len(batch)
                    for (mass, candidate), yes in zip(batch, probe([one for _, one in batch]), strict=True):
                        # Only what was rejected is never tried again: whatever else happens to be in a batch with
                        # the one that is taken must not change where this ends.
                        if not yes:
                            rejected.add(mass)
                        elif smaller is None:
                            smaller = candidate
                if smaller is None and budget.ended():  # perhaps in the middle of what the pass had to offer
                    return Minimised(case=case, probes=probes, complete=False)
        if case == before:
            return Minimised(case=case, probes=probes, complete=True)
