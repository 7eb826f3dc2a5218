"""The campaign's generator: from a seed and an index to a case, the same on every machine and Python.

A case is a plausible archive, a tree somebody could have packed, with none to four features applied. Slices of
cases switch random features off (swarm testing), so that rare ones meet without common ones in their way.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from ..archive.case import Case
from ..archive.recipe import Long, Member, MemberKind, Part, Pax, Record
from .choices import ByteChoices, Choices, below, chance, pick, seeded, sums, weighted
from .draft import BODIES, NAMES, SIZES, Draft, body, ordinary
from .features import FEATURES, Feature, apply

SWARM = 64
"""Cases of a slice that share one selection of features."""

KINDS: tuple[MemberKind, ...] = ("file", "dir", "symlink", "hardlink")
KIND_WEIGHTS = sums((10, 5, 3, 2))

COUNTS = (0, 1, 2, 3, 4)
COUNT_WEIGHTS = sums((1, 8, 6, 3, 1))
"""How many features a case has, and how often."""

LARGE = 600
"""One case in so many is large: hundreds of members with long names, as in the sdist of uv issue 2235."""

PLAIN = 2
"""One large case in so many has no features: what it shows by its size alone is not hidden by what is refused."""

LARGE_COUNTS = (800, 1000, 1500, 2500, 5000, 20_000)
LARGE_WEIGHTS = sums((12, 12, 12, 6, 2, 1))
"""Members of a large case, and how often: from what shows uv issue 2235 to what outgrows every buffer."""


class Generated(msgspec.Struct, frozen=True, kw_only=True):
    """A case and where it comes from."""

    case: Case
    seed: int
    index: int
    features: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    """Labels of the cases that it was mutated from, the one that was changed first; empty: it was generated."""
    mutators: tuple[str, ...] = ()
    """What was done to the first parent, in order."""

    @property
    def label(self) -> str:
        """What provenance calls it: the id of a case that has one, `seed:index` of one that was made here."""
        return self.case.id or f"{self.seed}:{self.index}"


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
        parts.append(ordinary(kind, name, pick(choices, BODIES), link))
        if kind == "file":
            files.append(name)
    return parts


def large(choices: Choices) -> list[Part]:
    """An archive of 800 to 20,000 members with long names, carried by pax or by GNU.

    In two of three nothing of the names can be compressed: they are most of the compressed bytes then, and so most
    reads of these end inside names.
    """
    carrier = pick(choices, ("pax", "gnu"))
    random = pick(choices, (False, True, True))
    sizes = tuple(body(size, 1) for size in SIZES[:4])
    parts: list[Part] = []
    for number in range(weighted(choices, LARGE_COUNTS, LARGE_WEIGHTS)):
        if random:
            digest = hashlib.shake_128(b"%d" % number).digest(90 + 20 * (number % 4))
            name = b"project-1.0/%05d" % number + base64.urlsafe_b64encode(digest)
        else:
            name = b"project-1.0/" + b"long-directory-name/" * 6 + b"module_%05d.py" % number
        parts.append(Pax(records=(Record(b"path", name),)) if carrier == "pax" else Long(text=name))
        parts.append(
            Member(name=name[:100], data=pick(choices, sizes), format="ustar" if carrier == "pax" else "gnu")
        )
    return parts


def draw(choices: Choices, feature: Feature) -> dict[str, Any]:
    """Values for the parameters of a feature."""
    return {name: pick(choices, values) for name, values in feature.parameters.items()}


class Selection(NamedTuple):
    """The features that cases are made with, and the running sums of their weights."""

    names: tuple[str, ...]
    weights: tuple[int, ...]

    @classmethod
    def of(cls, names: Sequence[str]) -> Selection:
        """These features; KeyError for one that does not exist."""
        return cls(tuple(names), sums(FEATURES[name].weight for name in names))


EVERYTHING = Selection.of(tuple(FEATURES))


class Applied(NamedTuple):
    """A feature and the values that its parameters had."""

    name: str
    values: dict[str, Any]


@functools.lru_cache(maxsize=256)
def swarm(seed: int, number: int, wanted: tuple[str, ...]) -> Selection:
    """The features of a slice: each of them is in with a chance of two thirds."""
    choices = seeded(seed, -1 - number)
    return Selection.of(tuple(name for name in wanted if below(choices, 3)) or wanted)


def build(
    choices: Choices, selection: Selection = EVERYTHING, *, one_large_in: int = LARGE
) -> tuple[Case, tuple[Applied, ...]]:
    """A case, and the features it has with their parameters. The choices alone decide.

    One case in `one_large_in` has hundreds of members; 0: none.
    """
    grown = bool(one_large_in) and chance(choices, one_large_in)
    draft = Draft(large(choices) if grown else tree(choices))
    used: list[Applied] = []
    count = 0 if grown and chance(choices, PLAIN) else weighted(choices, COUNTS, COUNT_WEIGHTS)
    for _ in range(count):
        name = weighted(choices, selection.names, selection.weights)
        values = draw(choices, FEATURES[name])
        apply(name, draft, values)
        used.append(Applied(name, values))
    return draft.case(), tuple(used)


def case_at(
    seed: int, index: int, *, features: Sequence[str] | None = None, one_large_in: int = LARGE
) -> Generated:
    """Case number `index` of a seed, with these features only when they are given; KeyError for unknown ones."""
    wanted = EVERYTHING.names if features is None else Selection.of(features).names
    case, used = build(seeded(seed, index), swarm(seed, index // SWARM, wanted), one_large_in=one_large_in)
    return Generated(case=case, seed=seed, index=index, features=tuple(one.name for one in used))


def case_from(data: bytes) -> Generated:
    """The case that a fuzzer's bytes stand for; its seed and index are -1. Small archives only: they are fast."""
    case, used = build(ByteChoices(data), one_large_in=0)
    return Generated(case=case, seed=-1, index=-1, features=tuple(one.name for one in used))


def cases(
    seed: int, *, start: int = 0, features: Sequence[str] | None = None, one_large_in: int = LARGE
) -> Iterator[Generated]:
    """All cases of a seed from `start` on. There is no end to them."""
    index = start
    while True:
        yield case_at(seed, index, features=features, one_large_in=one_large_in)
        index += 1
