"""Comparing the observations of one archive: who agrees with whom, on what they part, and what is broken.

The result is a `Divergence`. Groups gather the contestants that agree on every facet asked for; what separates
a group from the first (the largest) one is told path by path.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import msgspec

from ..archive.case import World
from ..contest.observation import Observation
from .answered import NO_ANSWER, uncompared
from .facets import FACETS, STRONG, WEAK, Difference, Rule, differences, project
from .invariants import RANKS, Broken, broken_between, broken_by
from .signature import Signature, signature


class Group(msgspec.Struct, frozen=True, omit_defaults=True):
    """Contestants that agree on all compared facets, and how they part from the first group."""

    label: str
    status: str
    contestants: tuple[str, ...]
    differences: tuple[Difference, ...] = ()
    """Against the first group, at most `LIMIT` for each facet."""


class Weak(msgspec.Struct, frozen=True, omit_defaults=True):
    """A facet that was not asked for, on which contestants part all the same."""

    facet: str
    groups: tuple[tuple[str, ...], ...]
    example: Difference | None = None


class Divergence(msgspec.Struct, frozen=True, omit_defaults=True):
    """What comparing came to. `agreed` looks at the compared facets only, and at the invariants.

    Where fewer than two could be compared, or all were ended by a limit, nobody agreed: `uncompared` says why.
    """

    agreed: bool
    facets: tuple[str, ...]
    groups: tuple[Group, ...]
    broken: tuple[Broken, ...] = ()
    weak: tuple[Weak, ...] = ()
    rules: tuple[Rule, ...] = ()
    """The normalising rules that were in force for the compared facets."""
    left_out: tuple[tuple[str, str], ...] = ()
    """Contestants that were asked and not compared (unavailable, flaky, harness-fault), with the reason."""
    signature: Signature | None = None
    """None where nothing differs."""
    uncompared: str = ""
    """Why nothing was compared; empty: it was."""

    @property
    def parted(self) -> bool:
        """Whether something differs or is broken, however few there were."""
        return len(self.groups) > 1 or bool(self.broken)


LIMIT = 50
"""Differences told for each facet of a group. Trees of thousands of names would say the same thing for pages."""

NOT_COMPARED = (*NO_ANSWER, "flaky")
"""Statuses that say nothing of the contestant's reading of the archive."""

_LABELS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def label(index: int) -> str:
    """A, B, ..., Z, A1, B1, ..."""
    turn, letter = divmod(index, len(_LABELS))
    return _LABELS[letter] + (str(turn) if turn else "")


def partition(observations: Sequence[Observation], facets: Sequence[str]) -> list[list[Observation]]:
    """Observations gathered by equal projections, largest group first, then in the order they were given."""
    groups: dict[Hashable, list[Observation]] = {}
    for observation in observations:
        key = tuple(project(facet, observation) for facet in facets)
        groups.setdefault(key, []).append(observation)
    return sorted(groups.values(), key=lambda group: -len(group))


def _weak(observations: Sequence[Observation], asked: Sequence[str]) -> tuple[Weak, ...]:
    found = []
    trees = [observation for observation in observations if observation.status == "extracted"]
    for facet in (*STRONG, *WEAK):
        if facet in asked:
            continue
        with_facet = [o for o in trees if facet != "listing" or o.listing is not None]
        groups = partition(with_facet, (facet,))
        if len(groups) < 2:
            continue
        examples = differences(facet, groups[0][0], groups[1][0])
        if not examples:
            continue  # the trees hold other names, and agree on this facet wherever both have one
        names = tuple(tuple(o.contestant for o in group) for group in groups)
        found.append(Weak(facet, names, examples[0]))
    return tuple(found)


def compare(
    observations: Sequence[Observation],
    *,
    world: World | None = None,
    facets: Sequence[str] = STRONG,
    weak: bool = True,
    whole: Sequence[Observation] = (),
) -> Divergence:
    """Compare observations of one archive in `world`, by `facets` (names from `FACETS`).

    `weak=False` leaves out the facets that were not asked for (a campaign does not look at them). `whole` are the
    same contestants' observations of the same archive arriving whole, where `observations` came by a schedule.
    Raises KeyError for an unknown facet.
    """
    for facet in facets:
        _ = FACETS[facet]
    heard = [o for o in observations if o.status not in NOT_COMPARED]
    parts = partition(heard, facets)
    groups = []
    for index, members in enumerate(parts):
        found: list[Difference] = []
        if index:
            for facet in facets:
                found += differences(facet, parts[0][0], members[0])[:LIMIT]
        names = tuple(o.contestant for o in members)
        groups.append(Group(label(index), members[0].status, names, tuple(found)))
    broken = (*broken_by(heard, world or World()), *(broken_between(whole, observations) if whole else ()))
    broken = tuple(sorted(broken, key=lambda one: RANKS[one.invariant]))
    parted = len(groups) > 1 or bool(broken)
    why = uncompared(observations)
    return Divergence(
        agreed=not parted and not why,
        facets=tuple(facets),
        groups=tuple(groups),
        broken=broken,
        weak=_weak(heard, facets) if weak else (),
        rules=tuple(rule for facet in facets for rule in FACETS[facet].rules),
        left_out=tuple((o.contestant, f"{o.status}: {o.error}") for o in observations if o.status in NOT_COMPARED),
        signature=signature(heard, broken, facets) if parted else None,
        uncompared=why,
    )
