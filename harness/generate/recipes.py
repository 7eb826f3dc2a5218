"""The campaign's generator: from a seed and an index to a case, the same on every machine and Python.

A case is a plausible archive, a tree somebody could have packed, with none to four features applied. Slices of
cases switch random features off (swarm testing), so that rare ones meet without common ones in their way.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from ..archive.case import Case
from ..archive.recipe import MemberKind, Part
from .choices import Choices, below, chance, pick, seeded, weighted
from .draft import NAMES, SIZES, Draft, ordinary
from .features import FEATURES, Feature, apply

SWARM = 64
"""Cases of a slice that share one selection of features."""

KINDS: tuple[MemberKind, ...] = ("file", "dir", "symlink", "hardlink")
KIND_WEIGHTS = (10, 5, 3, 2)

COUNTS = (0, 1, 2, 3, 4)
COUNT_WEIGHTS = (1, 8, 6, 3, 1)
"""How many features a case has, and how often."""

LARGE = 200
"""One case in so many is large: hundreds of members with long names, as in the sdist of uv issue 2235."""


class Generated(msgspec.Struct, frozen=True, kw_only=True):
    """A case and where it comes from."""

    case: Case
    seed: int
    index: int
    features: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()


def tree(choices: Choices, *, largest: int = 6) -> list[Part]:
    """An ordinary archive of one to `largest` members whose names and links have to do with each other."""
    parts: list[Part] = []
    files: list[bytes] = []
    for _ in range(1 + below(choices, largest)):
        name = pick(choices, NAMES)
        kind = weighted(choices, KINDS, KIND_WEIGHTS)
        if kind == "hardlink" and not files:
            kind = "file"
        link = b""
        if kind == "hardlink":
            link = pick(choices, files)
        elif kind == "symlink":
            link = pick(choices, NAMES).rpartition(b"/")[2]
        parts.append(ordinary(kind, name, pick(choices, SIZES), link))
        if kind == "file":
            files.append(name)
    return parts


def large(choices: Choices) -> list[Part]:
    """An archive of 800 to 1,800 members with long names, carried by pax or by GNU."""
    carrier = pick(choices, ("pax", "gnu"))
    draft = Draft([])
    for number in range(800 + below(choices, 1000)):
        name = b"project-1.0/" + b"long-directory-name/" * 6 + b"module_%05d.py" % number
        draft.parts.append(ordinary("file", b"m", pick(choices, SIZES[:4])))
        draft.carry(len(draft.parts) - 1, name, carrier)
    return draft.parts


def draw(choices: Choices, feature: Feature) -> dict[str, Any]:
    """Values for the parameters of a feature."""
    return {name: pick(choices, values) for name, values in feature.parameters.items()}


@functools.lru_cache(maxsize=256)
def _swarm(seed: int, number: int, wanted: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The features of a slice, with their weights: each of them is in with a chance of two thirds."""
    choices = seeded(seed, -1 - number)
    names = tuple(name for name in wanted if below(choices, 3)) or wanted
    return names, tuple(FEATURES[name].weight for name in names)


def build(choices: Choices, names: Sequence[str], weights: Sequence[int]) -> tuple[Case, tuple[str, ...]]:
    """A case, and the features it has. The choices alone decide."""
    draft = Draft(large(choices) if chance(choices, LARGE) else tree(choices))
    used: list[str] = []
    for _ in range(weighted(choices, COUNTS, COUNT_WEIGHTS)):
        name = weighted(choices, names, weights)
        apply(name, draft, draw(choices, FEATURES[name]))
        used.append(name)
    return Case(recipe=draft.recipe(), world=draft.world, schedule=draft.schedule), tuple(used)


def case_at(seed: int, index: int, *, features: Sequence[str] | None = None) -> Generated:
    """Case number `index` of a seed, with these features only when they are given; KeyError for unknown ones."""
    wanted = tuple(FEATURES) if features is None else tuple(features)
    for name in wanted:
        _ = FEATURES[name]
    names, weights = _swarm(seed, index // SWARM, wanted)
    case, used = build(seeded(seed, index), names, weights)
    return Generated(case=case, seed=seed, index=index, features=used)


def cases(seed: int, *, start: int = 0, features: Sequence[str] | None = None) -> Iterator[Generated]:
    """All cases of a seed from `start` on. There is no end to them."""
    index = start
    while True:
        yield case_at(seed, index, features=features)
        index += 1
