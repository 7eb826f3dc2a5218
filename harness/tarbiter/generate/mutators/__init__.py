"""Mutators: each small change that makes one case another, on recipes, so that what comes out still is an archive.

A mutator is a function that changes a `Work` and says whether it could. All chance comes from the choices it is
given; what it makes always has bytes, because `Work.put` takes only parts that the encoder accepts.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import msgspec

from ...archive.case import Case
from ...archive.encode import check
from ...archive.recipe import BLOCK, End, HeaderPart, Long, Member, MemberKind, Part, Pax, Raw, Recipe, RecipeError
from ..choices import Choices, below, pick

LARGEST_BYTES = 1 << 20
"""Bytes that an archive may grow to by mutation: copies of copies would double with every generation."""

LARGEST_PARTS = 4000
"""Parts that an archive may grow to by mutation."""


class Work:
    """A case in the making. `others` are cases to borrow from, `borrowed` says which of them lent something."""

    def __init__(self, parent: Case, others: Sequence[Case]) -> None:
        self.parts = list(parent.recipe.parts)
        self.end = parent.recipe.end
        self.world, self.schedule, self.layers = parent.world, parent.schedule, parent.layers
        self.others = others
        self.borrowed: list[int] = []

    def case(self) -> Case:
        """The case as it stands. Words about the parent (id, title, why) are not the child's."""
        recipe = Recipe(tuple(self.parts), self.end)
        return Case(recipe=recipe, layers=self.layers, world=self.world, schedule=self.schedule)

    def saved(self) -> tuple[object, ...]:
        """All that a mutator may change, for `restore`."""
        return list(self.parts), self.end, self.layers, self.world, self.schedule, list(self.borrowed)

    def restore(self, saved: tuple[Any, ...]) -> None:
        """Be again what `saved` was taken of."""
        self.parts, self.end, self.layers, self.world, self.schedule, self.borrowed = saved

    def headers(self) -> list[int]:
        """Where parts with a header are."""
        return [index for index, part in enumerate(self.parts) if isinstance(part, Member | Pax | Long)]

    def members(self, *kinds: MemberKind) -> list[int]:
        """Where members (of these kinds, or any) are."""
        return [
            index
            for index, part in enumerate(self.parts)
            if isinstance(part, Member) and (not kinds or part.kind in kinds)
        ]

    def paxes(self) -> list[int]:
        """Where extended headers are."""
        return [index for index, part in enumerate(self.parts) if isinstance(part, Pax)]

    def header(self, index: int) -> HeaderPart:
        """The part with a header at `index`."""
        part = self.parts[index]
        assert isinstance(part, Member | Pax | Long)
        return part

    def member(self, index: int) -> Member:
        """The member at `index`."""
        part = self.parts[index]
        assert isinstance(part, Member)
        return part

    def pax(self, index: int) -> Pax:
        """The extended header at `index`."""
        part = self.parts[index]
        assert isinstance(part, Pax)
        return part

    def put(self, index: int, part: Part) -> bool:
        """Replace a part; False, and nothing has happened, for the same again and for one without bytes."""
        if part == self.parts[index] or not writable(part):
            return False
        self.parts[index] = part
        return True

    def change(self, index: int, **fields: object) -> bool:
        """Set fields of the part at `index`; False where it cannot have them."""
        return self.put(index, msgspec.structs.replace(self.parts[index], **fields))

    def room(self, parts: Sequence[Part]) -> bool:
        """Whether the archive may grow by these parts."""
        return len(self.parts) + len(parts) <= LARGEST_PARTS and weight(self.parts) + weight(parts) <= LARGEST_BYTES

    def insert(self, index: int, *parts: Part) -> bool:
        """Put parts in front of the one at `index`; False where the archive would grow too large."""
        if not parts or not self.room(parts):
            return False
        self.parts[index:index] = parts
        return True

    def other(self, choices: Choices) -> Case | None:
        """One of the other cases, noted as borrowed from; None without any."""
        if not self.others:
            return None
        number = below(choices, len(self.others))
        if number not in self.borrowed:
            self.borrowed.append(number)
        return self.others[number]


def writable(part: Part) -> bool:
    """Whether the encoder has bytes for a part."""
    try:
        check(part, 0)
    except RecipeError:
        return False
    return True


def weight(parts: Sequence[Part]) -> int:
    """About how many bytes parts become."""
    total = 0
    for part in parts:
        if isinstance(part, Raw):
            total += len(part.data)
        elif isinstance(part, End):
            total += BLOCK * part.blocks
        elif isinstance(part, Member):
            total += BLOCK * (2 + len(part.extensions)) + len(part.data)
        elif isinstance(part, Long):
            total += 2 * BLOCK + len(part.text)
        else:
            total += 2 * BLOCK + sum(len(one.key) + len(one.value) for one in part.records)
    return total


def place(choices: Choices, places: Sequence[int]) -> int:
    """One of the places; -1 when there are none."""
    return pick(choices, places) if places else -1


Mutate: TypeAlias = Callable[[Work, Choices], bool]


class Mutator(msgspec.Struct, frozen=True, kw_only=True):
    """One small change. `weight` says how often it is tried beside others."""

    name: str
    about: str
    weight: int
    mutate: Mutate


MUTATORS: dict[str, Mutator] = {}

MODULES = ("fields", "blocks", "carriers", "records", "raw", "surroundings")


def mutator(weight: int = 4) -> Callable[[Mutate], Mutate]:
    """Register a function as a mutator, under its own name and with the first line of its docstring.

    Where it returns False, what it did is undone.
    """

    def register(mutate: Mutate) -> Mutate:
        name = mutate.__name__.replace("__", ".").replace("_", "-")
        about = (mutate.__doc__ or "").strip().split("\n")[0]
        MUTATORS[name] = Mutator(name=name, about=about, weight=weight, mutate=mutate)
        return mutate

    return register


for _module in MODULES:
    importlib.import_module(f"{__name__}.{_module}")
