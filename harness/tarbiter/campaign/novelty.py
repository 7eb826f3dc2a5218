"""What is new about a case: features of what contestants did with it, and the memory of those seen before.

Lines covered in a tar parser saturate within two thousand cases. What goes on growing is who parts from whom on
what, which errors there are, which decisions our own extractor takes together, and which blocks of a parser are run
through together. Every feature is a string of bytes with a weight; a hash of it is remembered, in bounded memory.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence

from ..judge.compare import NOT_COMPARED
from ..judge.facets import project
from ..judge.wording import telling
from ..triage.trial import Trial

STATUS, ERROR, PAIR, CODES, REACHED, PATTERN = 16, 8, 8, 4, 2, 1
"""How much a new feature of each kind is worth: what is rare is worth most."""

_VALUES = re.compile(r"'[^']*'|\"[^\"]*\"|b'[^']*'|0x[0-9a-fA-F]+|\d+|[^\x20-\x7e]+|\\[xu][0-9a-f]+|{dest}\S*")
"""What varies in an error message from archive to archive: quoted names, numbers, odd bytes, paths."""

ERROR_LENGTH = 80
"""Characters of a normalised message that count: what follows quotes the archive again."""


def normalised(error: str) -> str:
    """The line of an error message that tells what went wrong, without the values in it."""
    return _VALUES.sub("#", telling(error))[:ERROR_LENGTH]


def features(trial: Trial, facets: Sequence[str]) -> Iterator[tuple[str, int]]:
    """The features of a trial with their weights, in a fixed order; some come more than once."""
    heard = [one for one in trial.observations if one.status not in NOT_COMPARED]
    for one in heard:
        yield f"status {one.contestant} {one.status}", STATUS
        if one.error or one.error_class:
            yield f"error {one.contestant} {one.error_class} {normalised(one.error)}", ERROR
        if one.listing is not None and (codes := sorted({row.code for row in one.listing if row.code})):
            yield f"codes {one.contestant} {' '.join(codes)}", CODES
    pattern = []
    for facet in facets:
        groups: dict[object, int] = {}
        numbers = [groups.setdefault(project(facet, one), len(groups)) for one in heard]
        pattern.append(f"{facet} {numbers}")
        if len(groups) < 2:
            continue
        for place, one in enumerate(heard):
            for other, number in zip(heard[:place], numbers, strict=False):
                if number != numbers[place]:
                    yield f"pair {facet} {one.contestant} {other.contestant}", PAIR
    names = " ".join(one.contestant for one in heard)
    yield f"pattern {names} {' '.join(pattern)}", PATTERN


def coverage(trial: Trial) -> Iterator[tuple[str, int]]:
    """The sets of blocks that the parsers ran through, with their weights. Contestants of a family share a parser.

    Apart from `features`: a way through a parser that nobody took before is worth another look, by mutation, but
    most of them change nothing that a contestant does, so they do not bring a case before all the others.
    """
    for one in trial.observations:
        if one.reached:
            yield f"reached {one.family} {one.reached}", REACHED


def key(feature: str) -> int:
    """What is remembered of a feature: 64 bits of its hash."""
    return int.from_bytes(hashlib.blake2b(feature.encode("utf-8", "backslashreplace"), digest_size=8).digest())


REMEMBERED = 50_000
"""Features in one generation; two generations are remembered."""


class Novelty:
    """The features seen so far. Two generations, so that memory is bounded: what is seen again stays."""

    def __init__(self, young: Sequence[int] = (), old: Sequence[int] = (), *, limit: int = REMEMBERED) -> None:
        self.young, self.old, self.limit = set(young), set(old), limit

    def worth(self, found: Iterator[tuple[str, int]]) -> int:
        """The weight of all features that are new, which are remembered from now on."""
        total = 0
        for feature, weight in found:
            number = key(feature)
            if number in self.young:
                continue
            if number not in self.old:
                total += weight
            if len(self.young) >= self.limit:
                self.old, self.young = self.young, set()
            self.young.add(number)
        return total
