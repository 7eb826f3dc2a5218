"""Known findings, and contestants that have another version by now: what was settled may not be so any more.

A campaign takes a finding whose causes are known for known, whoever parts because of them. So what a new release of
a contestant does with the cases of all findings is looked at by itself: where it does something else than the
release before, the finding is new again, whatever had been decided about it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from ..archive.text import loads
from ..contest.installed.registry import Contestant
from ..contest.observation import Observation
from ..contest.pool import Pool
from ..judge.compare import NOT_COMPARED
from ..judge.facets import STRONG
from ..triage.trial import Trial, job_for, trials
from .aspects import Aspect, aspects
from .records import brief
from .store import NEW, Entry, Store

SEEN = frozenset((*STRONG, "status", "escapes", "mode"))
"""The facets by which two versions do the same with a case."""


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """What a contestant does otherwise than in the version that was seen last."""

    contestant: str
    before: str
    now: str
    what: tuple[str, ...]
    """`status: refused, now extracted`, or a facet of the trees."""

    def __str__(self) -> str:
        return f"{self.contestant} {self.now} does otherwise than {self.before} ({'; '.join(self.what)})"


class Rechecked(msgspec.Struct, frozen=True, kw_only=True):
    """A finding that was looked at again."""

    id: str
    status: str
    """From now on: `new` where somebody moved and the finding still shows."""
    moved: tuple[Moved, ...]
    shows: bool | None
    """Whether what the finding is about still shows; None: not all that it is about are here."""
    untold: tuple[str, ...] = ()
    """Newer versions of which it cannot be told what they do: each time something else, or our own fault."""
    accepted: bool = False
    """Whether the ledger covers these versions: then it stays as it was."""

    @property
    def reopened(self) -> bool:
        """Whether a person has to look at it again."""
        return bool(self.moved) and self.shows is not False and not self.accepted

    def __str__(self) -> str:
        words = [str(one) for one in self.moved]
        words += [f"{name} does something else each time, or could not be run" for name in self.untold]
        if self.accepted:
            words.append("the ledger covers that")
        if self.shows is False:
            words.append("what it is about does not show any more")
        return f"{self.id}: {', '.join(words) or 'as before'}"


def _last(entry: Entry) -> dict[str, Observation]:
    """What each contestant was seen to do last."""
    return {one.contestant: one for one in (*entry.kept.observations, *entry.asked)}


def due(entries: Iterable[Entry], contestants: Iterable[Contestant]) -> list[tuple[Entry, tuple[str, ...]]]:
    """The findings with a contestant that is here in another version than it was seen in, and who those are."""
    here = {one.name: one.version for one in contestants if not one.missing}
    found = []
    for entry in entries:
        last = _last(entry)
        names = tuple(name for name, one in last.items() if name in here and here[name] != one.version)
        if names:
            found.append((entry, names))
    return found


def recheck(
    pool: Pool,
    store: Store,
    entries: Iterable[Entry],
    contestants: Iterable[Contestant],
    *,
    ended: Callable[[], bool] = lambda: False,
    settled: Callable[[Entry, dict[str, str]], bool] = lambda _entry, _versions: False,
) -> Iterator[Rechecked]:
    """Look at what is `due`, and write down what came of it. `settled` says that a ledger covers these versions.

    Each is written down before the next one is looked at: what was not reached is due the next time. Raises
    StoreError, and EndedError when `ended` says so.
    """
    contestants = tuple(contestants)
    here = {one.name: one.version for one in contestants if not one.missing}
    waiting = due(entries, contestants)
    jobs = (
        job_for(
            loads(entry.kept.case),
            tuple(dict.fromkeys((*names, *(one for one in entry.kept.target.contestants if one in here)))),
            twice=True,
        )
        for entry, names in waiting
    )
    for (entry, names), trial in zip(waiting, trials(pool, jobs, ended=ended), strict=True):
        one = _judged(entry, names, trial, set(here))
        versions = {name: here.get(name, version) for name, version in entry.kept.versions.items()}
        if one.moved and settled(entry, versions):
            one = msgspec.structs.replace(one, accepted=True, status=entry.status)
        asked = {seen.contestant: seen for seen in entry.asked}
        asked |= {seen.contestant: seen for seen in trial.observations if seen.contestant in names}
        store.answered(entry.kept.id, tuple(asked.values()))
        if one.reopened:
            store.mark(entry.kept.id, NEW, f"reopened: {', '.join(map(str, one.moved))}")
        yield one


def _words(aspect: Aspect) -> str:
    return (
        f"{aspect.facet}: {aspect.old or 'none'}, now {aspect.new or 'none'}"
        if aspect.old or aspect.new
        else aspect.facet
    )


def _judged(entry: Entry, names: tuple[str, ...], trial: Trial, here: set[str]) -> Rechecked:
    last, now = _last(entry), {one.contestant: one for one in trial.observations}
    moved, untold = [], []
    for name in names:
        old, new = last[name], brief(now[name])
        if new.status in NOT_COMPARED or old.status in NOT_COMPARED:
            untold.append(name)
            continue
        what = tuple(_words(one) for one in aspects(old, new) if one.facet in SEEN)
        if what:
            moved.append(Moved(contestant=name, before=old.version, now=new.version, what=what))
    target = entry.kept.target
    steady = trial.without(tuple(untold))
    shows = target.seen_in(steady) if set(target.contestants) <= here - set(untold) else None
    one = Rechecked(id=entry.kept.id, status=entry.status, moved=tuple(moved), shows=shows, untold=tuple(untold))
    return msgspec.structs.replace(one, status=NEW) if one.reopened else one
