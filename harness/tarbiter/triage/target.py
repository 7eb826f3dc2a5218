"""What a finding is about while it is being minimised: one broken promise, by one contestant or one pair.

Two odd features in one archive make a split that nobody else has. So each broken invariant of a divergence
becomes a target of its own, kept narrow: the contestants that are in it and the facet on which they part. Only
those are run again and again; who else stands where is seen at the end, on the small case.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..archive.stored import in_memory
from ..contest.observation import Observation
from ..judge.compare import NOT_COMPARED, Divergence, compare
from ..judge.facets import differences
from ..judge.invariants import DISAGREEMENT, invariant_of
from ..judge.signature import Signature, of_cause
from ..judge.wording import reasons
from .trial import Trial


class Target(msgspec.Struct, frozen=True):
    """`invariant` broken by `contestant` (against `against`, empty when it needs no other) in `facet`.

    For `contained` the facet is what happened outside, for `alive` the status, for a disagreement that breaks no
    invariant `status:` with both statuses, or a facet.
    """

    invariant: str
    contestant: str
    against: str
    facet: str
    words: tuple[str, ...] = ()
    """Why those failed who failed, where they said so. What fails in other words fails for another reason."""

    @property
    def rank(self) -> int:
        """1 is the gravest."""
        return invariant_of(self.invariant).rank

    @property
    def contestants(self) -> tuple[str, ...]:
        """Who must be run to see it."""
        return tuple(name for name in (self.contestant, self.against) if name)

    @property
    def listing(self) -> bool:
        """Whether contestants must list the archive for it to show."""
        return invariant_of(self.invariant).needs_listing

    def seen_in(self, trial: Trial) -> bool:
        """Whether a trial (of `contestants`, at least) shows it."""
        here = [one for one in trial.observations if one.contestant in self.contestants]
        if self.words and not self._in_the_same_words(here, in_memory(trial.job.archive)):
            return False
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

    def _in_the_same_words(self, here: Sequence[Observation], archive: bytes) -> bool:
        """Whether each of them who says why it failed says something that was said before."""
        return all(not (found := reasons(one, archive)) or found & set(self.words) for one in here)

    def signed(self, pattern: Signature, observations: Sequence[Observation], cause: Sequence[str]) -> Signature:
        """The signature of a finding about this target: see `judge.signature`.

        Where several break the promise, each by itself, its own line of the split comes first: the others have
        findings of their own, and lists show no more than the first lines.
        """
        own = f"{self.invariant}: {self.contestant} "
        split = tuple(sorted(pattern.split, key=lambda line: not line.startswith(own)))
        pattern = msgspec.structs.replace(pattern, split=split)
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


def targets(
    divergence: Divergence, observations: Sequence[Observation], archive: bytes = b""
) -> tuple[Target, ...]:
    """One target for each broken invariant, the gravest first; for a mere disagreement, one for each group.

    Contestants are named by the first one of their group, so that equal groups give equal targets. Names in
    `archive` are left out of the words of failures.
    """
    found = []
    for broken in divergence.broken:
        invariant = invariant_of(broken.invariant)
        against = broken.against[0] if broken.against else ""
        words: tuple[str, ...] = ()
        if invariant.keeps_reasons:
            words = _words(broken.contestants[:1], observations, archive)
        found.append(
            Target(broken.invariant, broken.contestants[0], against, invariant.gravest(broken.facets), words)
        )
    if not found:
        by_name = {observation.contestant: observation for observation in observations}
        first = divergence.groups[0].contestants[0] if divergence.groups else ""
        for group in divergence.groups[1:]:
            name = group.contestants[0]
            facet = next((one.facet for one in group.differences), "status")
            words = ()
            if facet == "status":
                facet = f"status:{by_name[name].status}/{by_name[first].status}"
                words = _words((name, first), observations, archive)
            found.append(Target(DISAGREEMENT, name, first, facet, words))
    return tuple(dict.fromkeys(found))


def _words(names: Sequence[str], observations: Sequence[Observation], archive: bytes) -> tuple[str, ...]:
    seen = (reasons(one, archive) for one in observations if one.contestant in names)
    return tuple(sorted(frozenset[str]().union(*seen)))
