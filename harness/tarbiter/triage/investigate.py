"""From a target of a suspicious case to a finding: confirm, minimise, explain, run everybody twice, sign."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from ..archive.case import Case
from ..archive.encode import located
from ..archive.text import loads
from ..contest.pool import Pool
from ..judge.compare import Divergence
from .causal import Cause, heed, tell
from .locate import Index
from .minimise import Budget, NotInterestingError, minimise
from .target import Target
from .trial import Trial, job_for, trials


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A divergence made small and clear."""

    target: Target
    case: Case
    """The minimised case, freed of what the divergence does not need."""
    trial: Trial
    """All contestants on the minimised case."""
    divergence: Divergence
    """With the signature of the minimised case, causes included."""
    causes: tuple[str, ...]
    """The causes that the divergence needs, in words."""
    places: tuple[str, ...]
    """Which bytes of the minimised archive the paths in question come from."""
    probes: int
    why: tuple[Cause, ...] = ()
    """Everything remarkable that minimising left, whether the divergence needs it, and which bytes say it."""
    complete: bool
    """False when the budget ended before the case was as small as the passes can make it."""


class Investigation(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one target of one suspicious case."""

    finding: Finding | None = None
    """None: the target did not show, twice in a row, when only its contestants ran."""
    flaky: tuple[str, ...] = ()
    """Contestants that did something else the second time; they take no part in the finding."""


def investigate(
    pool: Pool,
    case: Case,
    target: Target,
    contestants: tuple[str, ...],
    *,
    facets: Sequence[str],
    budget: Budget | None = None,
    drifts: Callable[[Case], bool] = lambda _case: False,
    ended: Callable[[], bool] = lambda: False,
) -> Investigation:
    """Make a finding of one target of a case: confirm it, minimise, run all `contestants` twice, sign and locate.

    `drifts` says of a smaller case that it shows the target for another reason: it is not taken. Raises EndedError
    when `ended` says so: nothing is known then. The `budget` ends the minimising alone.
    """
    try:
        small = minimise(case, _probe(pool, target, drifts, ended), budget=budget)
    except NotInterestingError:
        return Investigation()
    limit = budget or Budget()
    told = tell(small.case, _probe(pool, target, drifts, ended), width=limit.width, ended=limit.ended)
    (trial,) = trials(pool, (job_for(told.case, contestants, twice=True),), ended=ended)
    unsteady = tuple(
        dict.fromkeys(one.contestant for one in (*trial.observations, *trial.whole) if one.status == "flaky")
    )
    trial = trial.without(unsteady)
    needed = tuple(cause.words for cause in told.causes if cause.verdict != "idle")
    divergence = trial.divergence(facets)
    if divergence.signature is None or not target.seen_in(trial):
        return Investigation(flaky=unsteady)
    signature = target.signed(divergence.signature, trial.observations, needed)
    divergence = msgspec.structs.replace(divergence, signature=signature)
    finding = Finding(
        target=target,
        case=told.case,
        trial=trial,
        divergence=divergence,
        causes=needed,
        why=_heeded(pool, told.causes, trial, ended),
        places=_places(told.case, divergence),
        probes=small.probes + told.probes,
        complete=small.complete,
    )
    return Investigation(finding=finding, flaky=unsteady)


def _probe(
    pool: Pool, target: Target, drifts: Callable[[Case], bool], ended: Callable[[], bool]
) -> Callable[[Sequence[Case]], Sequence[bool]]:
    def probe(cases: Sequence[Case]) -> Sequence[bool]:
        straight = [case for case in cases if not drifts(case)]
        jobs = [job_for(case, target.contestants, listing=target.listing, hasty=True) for case in straight]
        seen = trials(pool, jobs, ended=ended)
        shown = {id(case) for case, trial in zip(straight, seen, strict=True) if target.seen_in(trial)}
        return [id(case) in shown for case in cases]

    return probe


HEEDED = 8
"""Causes of one finding for which everybody is run without them. Few have as many."""


def _heeded(pool: Pool, found: tuple[Cause, ...], trial: Trial, ended: Callable[[], bool]) -> tuple[Cause, ...]:
    """The causes with who reads them: everybody runs once more for each, on the case in which it is canonical."""
    tried = [cause for cause in found if cause.verdict == "causal" and cause.canonical][:HEEDED]
    names = tuple(one.contestant for one in trial.observations)
    jobs = [job_for(loads(cause.canonical), names, listing=False) for cause in tried]
    without = {
        cause.words: heed(cause, trial.observations, one.observations)
        for cause, one in zip(tried, trials(pool, jobs, ended=ended), strict=True)
    }
    return tuple(without.get(cause.words, cause) for cause in found)


PLACES = 20
"""Places told of one finding."""


def _places(case: Case, divergence: Divergence) -> tuple[str, ...]:
    index = Index(located(case.recipe))
    paths = [path for broken in divergence.broken for path in broken.paths]
    paths += [one.path for group in divergence.groups for one in group.differences if one.path is not None]
    told = [f"{ascii(path)[1:]}: {place}" for path in dict.fromkeys(paths) for place in index.find(path)]
    return tuple(told[:PLACES])
