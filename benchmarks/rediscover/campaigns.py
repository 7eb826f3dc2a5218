"""One campaign: the pairs of one package over the cases of one seed, until its bugs are found or time is up.

What a campaign came to is one JSON file, replaced as a whole after each slice of cases: a campaign that was killed
goes on where it was.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from tarbiter.campaign.suspects import folded
from tarbiter.campaign.versus import SLICE, Change, Left, Progress, Versus
from tarbiter.contest.pool import Pool
from tarbiter.files import write

from .bugs import Bug, pairs
from .oracles import confirms


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """The first change that is a bug."""

    bug: str
    change: str
    cases: int
    """Cases that had been run."""
    seconds: float
    named: bool
    """Whether its causes name the field that the bug is in."""


class Campaign(msgspec.Struct, kw_only=True):
    """What a campaign came to so far."""

    group: str
    seed: int
    guided: bool
    budget_s: float
    bugs: tuple[str, ...]
    contestants: dict[str, str] = {}
    """Name to version."""
    progress: Progress = msgspec.field(default_factory=Progress)
    left_over: Left = msgspec.field(default_factory=Left)
    """What the run goes on with."""
    changes: list[Change] = []
    hits: list[Hit] = []
    done: bool = False
    restarts: int = 0
    """Cells that had to be replaced."""

    @property
    def left(self) -> set[str]:
        """The bugs that have not been found."""
        return set(self.bugs) - {hit.bug for hit in self.hits}


def path_of(folder: Path, group: str, seed: int, *, guided: bool) -> Path:
    """Where a campaign is kept."""
    return folder / f"{group}-{seed}{'-guided' if guided else ''}.json"


def loaded(path: Path, fresh: Campaign) -> Campaign:
    """The campaign that was begun there with the same bugs and contestants, or the fresh one."""
    try:
        there = msgspec.json.decode(path.read_bytes(), type=Campaign)
    except (FileNotFoundError, msgspec.DecodeError):
        return fresh
    if (there.bugs, there.contestants) != (fresh.bugs, fresh.contestants):
        return fresh
    there.budget_s = fresh.budget_s
    there.done = not there.left or there.progress.seconds >= fresh.budget_s
    return there


def save(path: Path, campaign: Campaign) -> None:
    """Write a campaign down."""
    left = msgspec.structs.replace(campaign.left_over, waiting=folded(campaign.left_over.waiting))
    write(os.fspath(path), msgspec.json.encode(msgspec.structs.replace(campaign, left_over=left)))


def advance(
    pool: Pool,
    campaign: Campaign,
    bugs: Sequence[Bug],
    *,
    save: Callable[[], None],
    tell: Callable[[str], None],
    most: int | None = None,
) -> None:
    """Run a campaign to its end: all bugs found, its budget over, or `most` cases run."""
    run = Versus(
        pool,
        pairs(tuple(bugs)),
        campaign.seed,
        changes=campaign.changes,
        progress=campaign.progress,
        left=campaign.left_over,
        guided=campaign.guided,
    )
    campaign.changes = run.changes
    saved = run.state.cases

    def keep() -> None:
        run.state.seconds, campaign.restarts = run.seconds, pool.restarts
        save()

    def told() -> None:
        nonlocal saved
        if run.state.cases - saved >= SLICE:
            saved = run.state.cases
            keep()

    run.tell = told
    # In one go: what ends after so many cases looks into all that waits, which is not for a run by the clock.
    for change in run.go(cases=most, seconds=campaign.budget_s) if campaign.left else ():
        for hit in hits(campaign, bugs, change):
            campaign.hits.append(hit)
            tell(f"{campaign.group} seed {campaign.seed}: {hit.bug} after {hit.cases} cases, {hit.seconds:.0f} s")
        if not campaign.left:
            break
    campaign.done = True
    keep()


def hits(campaign: Campaign, bugs: Sequence[Bug], change: Change) -> list[Hit]:
    """The bugs, not found so far, that a change is."""
    return [
        Hit(bug=bug.id, change=change.id, cases=change.cases, seconds=change.seconds, named=bug.named_by(change))
        for bug in bugs
        if bug.pair == change.pair and bug.id in campaign.left and confirms(bug.id, change)
    ]
