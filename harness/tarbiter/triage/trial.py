"""Trials: an archive run as its schedule says and, where that is not whole, whole as well.

The second run is what makes the invariant of arrival visible: one contestant, one archive, two ways of arriving.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import msgspec

from ..archive.case import WHOLE, Case
from ..archive.cases import bytes_of
from ..contest.observation import Job, Observation
from ..contest.pool import Pool
from ..judge.compare import Divergence, compare
from ..judge.facets import STRONG


class Trial(msgspec.Struct, frozen=True):
    """One archive and what came of it. `whole` is empty where the schedule was whole already."""

    job: Job
    observations: tuple[Observation, ...]
    whole: tuple[Observation, ...] = ()

    def divergence(self, facets: Sequence[str] = STRONG, *, weak: bool = True) -> Divergence:
        """What the judge says of it, arrival included. Arguments as for `compare`."""
        return compare(self.observations, world=self.job.world, facets=facets, weak=weak, whole=self.whole)

    def without(self, contestants: Collection[str]) -> Trial:
        """The same trial as if `contestants` had not taken part."""
        kept = [
            tuple(o for o in side if o.contestant not in contestants) for side in (self.observations, self.whole)
        ]
        return Trial(self.job, *kept)


def job_for(
    case: Case, contestants: tuple[str, ...], *, listing: bool = True, twice: bool = False, hasty: bool = False
) -> Job:
    """The job that runs `case` through `contestants`. Raises RecipeError where the recipe has no bytes.

    Without a `listing` nobody sees whether commands and persistent drivers keep the promise of no silent loss.
    """
    return Job(
        archive=bytes_of(case),
        contestants=contestants,
        world=case.world,
        schedule=case.schedule,
        listing=listing,
        twice=twice,
        hasty=hasty,
    )


def trials(pool: Pool, jobs: Iterable[Job], *, ended: Callable[[], bool] = lambda: False) -> Iterator[Trial]:
    """Run `jobs` in `pool`, in order. Lazy, like `Pool.map`: jobs are pulled as cells come free.

    Raises EndedError when `ended` says that the time is over before all of them have been run.
    """
    scheduled: deque[bool] = deque()

    def doubled() -> Iterator[Job]:
        for job in jobs:
            scheduled.append(job.schedule != WHOLE)
            yield job
            if job.schedule != WHOLE:
                yield msgspec.structs.replace(job, schedule=WHOLE)

    answers = iter(pool.map(doubled(), ended=ended))
    for job, observations in answers:
        whole: tuple[Observation, ...] = ()
        if scheduled.popleft():
            _, whole = next(answers)
        yield Trial(job, observations, whole)
