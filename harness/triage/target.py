"""What a finding is about while it is being minimised: one broken promise, by one contestant or one pair.

Two odd features in one archive make a split that nobody else has. So each broken invariant of a divergence
becomes a target of its own, kept narrow: the contestants that are in it and the facet on which they part. Only
those are run again and again; who else stands where is seen at the end, on the small case.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..contest.observation import Observation
from ..judge.compare import NOT_COMPARED, Divergence, compare
from ..judge.facets import differences
from ..judge.invariants import RANKS
from ..judge.signature import DISAGREEMENT, DISAGREEMENT_RANK, Signature, of_cause
from .trial import Trial

_GRAVITY = ("content", "created", "removed", "links", "type", "leaked", "mode", "owner", "mtime")
"""Escapes, the gravest first: a target is about the gravest one that was seen."""


class Target(msgspec.Struct, frozen=True):
    """`invariant` broken by `contestant` (against `against`, empty when it needs no other) in `facet`.

    For `contained` the facet is what happened outside, for `alive` the status, for a disagreement that breaks no
    invariant `status:` with both statuses, or a facet.
    """

    invariant: str
    contestant: str
    against: str
    facet: str

    @property
    def rank(self) -> int:
        """1 is the gravest."""
        return RANKS.get(self.invariant, DISAGREEMENT_RANK)

    @property
    def contestants(self) -> tuple[str, ...]:
        """Who must be run to see it."""
        return tuple(name for name in (self.contestant, self.against) if name)

    def seen_in(self, trial: Trial) -> bool:
        """Whether a trial (of `contestants`, at least) shows it."""
        here = [one for one in trial.observations if one.contestant in self.contestants]
        if self.invariant == DISAGREEMENT:
            return self._parted(here)
        whole = [one for one in trial.whole if one.contestant in self.contestants]
        divergence = compare(here, world=trial.job.world, facets=(), weak=False, whole=whole)
        return any(
            broken.invariant == self.invariant
            and self.contestant in broken.contestants + broken.against
            and (not self.against or self.against in broken.contestants + broken.against)
            and self.facet in broken.facets
            for broken in divergence.broken
        )

    def signed(self, pattern: Signature, observations: Sequence[Observation], cause: Sequence[str]) -> Signature:
        """The signature of a finding about this target: see `judge.signature`."""
        families = [one.family or one.contestant for one in observations if one.contestant in self.contestants]
        facet = self.facet.partition(":")[0]
        return of_cause(pattern, invariant=self.invariant, facet=facet, families=families, cause=cause)

    def _parted(self, here: Sequence[Observation]) -> bool:
        if len(here) != 2 or any(one.status in NOT_COMPARED for one in here):
            return False
        left, right = sorted(here, key=lambda one: one.contestant != self.contestant)
        if self.facet.startswith("status:"):
            return self.facet == f"status:{left.status}/{right.status}"
        return bool(differences(self.facet, left, right))


def targets(divergence: Divergence, observations: Sequence[Observation]) -> tuple[Target, ...]:
    """One target for each broken invariant, the gravest first; for a mere disagreement, one for each group.

    Contestants are named by the first one of their group, so that equal groups give equal targets.
    """
    found = []
    for broken in divergence.broken:
        facets = broken.facets
        if broken.invariant == "contained":
            facets = tuple(sorted(facets, key=_GRAVITY.index))
        against = broken.against[0] if broken.against else ""
        found.append(Target(broken.invariant, broken.contestants[0], against, facets[0]))
    if not found:
        by_name = {observation.contestant: observation for observation in observations}
        first = divergence.groups[0].contestants[0] if divergence.groups else ""
        for group in divergence.groups[1:]:
            name = group.contestants[0]
            facet = next((one.facet for one in group.differences), "status")
            if facet == "status":
                facet = f"status:{by_name[name].status}/{by_name[first].status}"
            found.append(Target(DISAGREEMENT, name, first, facet))
    return tuple(dict.fromkeys(found))
