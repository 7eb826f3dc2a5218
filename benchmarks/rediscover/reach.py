"""How often does the generator make an archive that shows a bug? Cases that part its releases in the bug's own way.

Nothing is minimised, so that tens of thousands of cases can be run. An oracle sees the case as it was generated,
with whatever else is in it: what it says is an upper bound of what a campaign can find.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence

import msgspec

from tarbiter.archive.text import dumps
from tarbiter.campaign.aspects import of_trial
from tarbiter.campaign.versus import LIMITS, Change
from tarbiter.contest.installed.registry import Contestant
from tarbiter.contest.pool import Pool
from tarbiter.generate.recipes import Generated, cases
from tarbiter.triage.causes import causes
from tarbiter.triage.trial import Trial, job_for, trials

from .bugs import Bug, pairs
from .oracles import confirms

SLICE = 64
"""Cases that are run with little time each; what they seem to show is then run again with all of it."""

TOLD_S = 30.0
"""Seconds between two lines of progress."""


class Reach(msgspec.Struct, kw_only=True):
    """How one bug came up over the cases of one seed."""

    bug: str
    seed: int
    cases: int = 0
    """Cases that were run."""
    shown: int = 0
    """Cases that show it."""
    first: int = 0
    """The number of the first one that does, from 1 on; 0: none does."""
    seconds: float = 0.0
    """Wall time of all cases: of all bugs of the package together."""


def reach(
    bugs: Sequence[Bug],
    here: dict[str, Contestant],
    *,
    seed: int,
    count: int,
    seconds: float,
    tell: Callable[[str], None],
) -> list[Reach]:
    """Run `count` cases of a seed, or as many as the seconds allow, through the releases of these bugs."""
    found = {bug.id: Reach(bug=bug.id, seed=seed) for bug in bugs}
    names = tuple(dict.fromkeys(name for pair in pairs(tuple(bugs)) for name in (pair.old, pair.new)))
    began = told = time.monotonic()
    with Pool([here[name] for name in names], limits=LIMITS) as pool:
        fresh = itertools.islice(cases(seed), count)
        while time.monotonic() - began < seconds and (slice_ := list(itertools.islice(fresh, SLICE))):
            jobs = (job_for(one.case, names, listing=True, hasty=True) for one in slice_)
            doubtful = []
            for generated, trial in zip(slice_, trials(pool, jobs), strict=True):
                doubtful += [(bug, generated) for bug in bugs if _shows(bug, generated, trial)]
            again = (job_for(one.case, (bug.vulnerable, bug.fixed), listing=True) for bug, one in doubtful)
            for (bug, generated), trial in zip(doubtful, trials(pool, again), strict=True):
                if _shows(bug, generated, trial):
                    one = found[bug.id]
                    one.shown += 1
                    one.first = one.first or generated.index + 1
            for one in found.values():
                one.cases += len(slice_)
            if time.monotonic() - told >= TOLD_S:
                told = time.monotonic()
                there = sum(bool(one.first) for one in found.values())
                ran = found[bugs[0].id].cases
                tell(f"{bugs[0].group} seed {seed}: {ran} cases, {there} of {len(bugs)} shown")
    for one in found.values():
        one.seconds = time.monotonic() - began
    return list(found.values())


def _shows(bug: Bug, generated: Generated, trial: Trial) -> bool:
    told = of_trial(trial, bug.pair)
    if not told:
        return False
    case, why = generated.case, causes(generated.case)
    seen = tuple(
        next(o for o in trial.observations if o.contestant == name) for name in (bug.pair.old, bug.pair.new)
    )
    text = dumps(case)
    return any(
        confirms(
            bug.id,
            Change(
                id="", pair=bug.pair, aspect=aspect, causes=why, case=text, original="", index=generated.index,
                cases=0, seconds=0.0, features=generated.features, probes=0, complete=False, observations=seen,
            ),
        )
        for aspect in told
    )  # fmt: skip
