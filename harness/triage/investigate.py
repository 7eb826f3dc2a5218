"""From a suspicious case to findings: run it again, take its targets one by one, minimise, sign, locate."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from ..archive.case import Case
from ..archive.encode import encode
from ..contest.pool import Pool
from ..judge.compare import Divergence
from ..judge.facets import differences
from .explain import causes
from .locate import Index
from .minimise import Budget, NotInterestingError, minimise
from .target import Target, targets
from .trial import Trial, job_for, trials


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A divergence made small and clear."""

    target: Target
    case: Case
    """The minimised case."""
    trial: Trial
    """All contestants on the minimised case."""
    divergence: Divergence
    """With the signature of the minimised case, causes included."""
    causes: tuple[str, ...]
    places: tuple[str, ...]
    """Which bytes of the minimised archive the paths in question come from."""
    probes: int
    complete: bool
    """False when the budget ended before the case was as small as the passes can make it."""


class Investigation(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one suspicious case."""

    findings: tuple[Finding, ...]
    flaky: tuple[str, ...] = ()
    """Contestants that did something else the second time; they take no part in the findings."""
    vanished: tuple[Target, ...] = ()
    """Targets that did not show, twice in a row, when only their contestants ran."""


def flaky(one: Trial, other: Trial, facets: Sequence[str]) -> tuple[str, ...]:
    """Contestants whose observations differ between two trials of the same case."""
    return tuple(
        left.contestant
        for left, right in zip(one.observations + one.whole, other.observations + other.whole, strict=True)
        if any(differences(facet, left, right) for facet in facets)
    )


def investigate(
    pool: Pool,
    case: Case,
    first: Trial,
    *,
    facets: Sequence[str],
    budget: Budget | None = None,
    known: Callable[[Target], bool] = lambda _target: False,
) -> Investigation:
    """Confirm what `first` showed by a second run, then make one finding of each target that is not `known`."""
    contestants = first.job.contestants
    (second,) = trials(pool, (first.job,))
    unsteady = flaky(first, second, facets)
    steady = second.without(unsteady)
    found, vanished = [], []
    for target in targets(steady.divergence(facets, weak=False), steady.observations):
        if known(target):
            continue
        try:
            small = minimise(case, _probe(pool, target), budget=budget)
        except NotInterestingError:
            vanished.append(target)
            continue
        (trial,) = trials(pool, (job_for(small.case, contestants),))
        trial = trial.without(unsteady)
        why = causes(small.case)
        divergence = trial.divergence(facets, cause=why)
        if divergence.signature is None:
            vanished.append(target)
            continue
        found.append(
            Finding(
                target=target,
                case=small.case,
                trial=trial,
                divergence=divergence,
                causes=why,
                places=_places(small.case, divergence),
                probes=small.probes,
                complete=small.complete,
            )
        )
    return Investigation(findings=tuple(found), flaky=unsteady, vanished=tuple(vanished))


def _probe(pool: Pool, target: Target) -> Callable[[Sequence[Case]], Sequence[bool]]:
    def probe(cases: Sequence[Case]) -> Sequence[bool]:
        jobs = [job_for(case, target.contestants) for case in cases]
        return [target.seen_in(trial) for trial in trials(pool, jobs)]

    return probe


PLACES = 20
"""Places told of one finding."""


def _places(case: Case, divergence: Divergence) -> tuple[str, ...]:
    index = Index(case.recipe, encode(case.recipe))
    paths = [path for broken in divergence.broken for path in broken.paths]
    paths += [one.path for group in divergence.groups for one in group.differences if one.path is not None]
    told = [f"{ascii(path)[1:]}: {place}" for path in dict.fromkeys(paths) for place in index.find(path)]
    return tuple(told[:PLACES])
