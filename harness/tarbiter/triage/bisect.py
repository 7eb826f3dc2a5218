"""Since which version, and until which one: bisection over a list of versions of which some cannot be tried."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

Try: TypeAlias = Callable[[str], bool | None]
"""Whether a version does it; None: it cannot be told (it does not build, or does something else each time)."""


NEIGHBOURS = (-1, 1, -2)
"""Which are tried in the place of a version that cannot be told, by their distance."""


class Bisected(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a behaviour begins and ends in a list of versions that are in order.

    `first` and `last` are the versions between which it is there without a break, as far as was tried; `before`
    and `after` the nearest ones tried that do not have it, empty where there is none on that side. What lies
    between `before` and `first`, or `last` and `after`, could not be tried.
    """

    first: str
    last: str
    before: str = ""
    after: str = ""
    tried: dict[str, bool | None]
    """What each version that was tried did, in the order of trying."""


def bisect(versions: Sequence[str], known: str, attempt: Try) -> Bisected:
    """The stretch around `known`, which does it, in which `versions` do it. As few of them as can be are tried.

    Like every bisection this takes for granted that, on each side of `known`, the behaviour changes once: the ends
    of the list are tried first, and where they do it as well, so does all that is between. Raises ValueError when
    `known` is not among `versions`.
    """
    place = list(versions).index(known)
    tried: dict[str, bool | None] = {known: True}

    def does(version: str) -> bool | None:
        if version not in tried:
            tried[version] = attempt(version)
        return tried[version]

    first, before = _edge(list(reversed(versions[: place + 1])), does)
    last, after = _edge(versions[place:], does)
    return Bisected(first=first, last=last, before=before, after=after, tried=tried)


def _edge(versions: Sequence[str], does: Try) -> tuple[str, str]:
    """The last of `versions` that does what the first of them does, and the next one that does not.

    The latter is empty where the end of the list, or versions that cannot be told, come first. Releases that do not
    build mostly lie together, at the old end; a single one is stepped over.
    """
    good, bad = 0, len(versions)
    middle = len(versions) - 1  # the far end first
    while good < middle < bad:
        near = [middle, *(middle + step for step in NEIGHBOURS if good < middle + step < bad)]
        told = next((index for index in near if does(versions[index]) is not None), None)
        if told is None:
            bad = middle
        elif does(versions[told]):
            good = told
        else:
            bad = told
        middle = (good + bad) // 2
    return versions[good], versions[bad] if bad < len(versions) and does(versions[bad]) is False else ""
