"""The last tier: what everybody who is installed does with a new finding, not the ring of the campaign alone."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType

from ..archive.text import loads
from ..contest.installed.registry import Contestant, everyone
from ..contest.observation import Job
from ..contest.pool import EndedError, Pool
from ..triage.trial import job_for, trials
from .records import Kept
from .store import Entry, Store

START_S = 60.0
"""Seconds that must be left for starting the drivers of everybody."""

PATIENCE_S = 60.0
"""Seconds for one finding, two for most: one that hangs in everybody would take minutes."""

FORMER = "@"
"""In the name of a contestant that is another release, or runs in another Python, than the one without it."""


def everybody(chosen: Sequence[Contestant]) -> tuple[Contestant, ...]:
    """The `chosen` contestants, and all others that are installed, in one release each."""
    names = {one.name for one in chosen}
    return (
        *chosen,
        *(one for one in everyone() if not one.missing and one.name not in names and FORMER not in one.name),
    )


def job_of(kept: Kept, contestants: Iterable[Contestant]) -> Job:
    """The minimised case of a finding for these contestants, twice, so that chance is told."""
    return job_for(loads(kept.case), tuple(one.name for one in contestants), twice=True)


def unasked(entries: Iterable[Entry], contestants: Iterable[Contestant]) -> list[Entry]:
    """The findings of which somebody has not been asked in the version that is here."""
    here = {(one.name, one.version) for one in contestants}
    return [entry for entry in entries if not here <= {(seen.contestant, seen.version) for seen in entry.asked}]


class Asking:
    """Asks everybody about each new finding of a campaign, in one cell of their own. Use it as a context manager.

    The cell is started for the first finding: where nothing is new, nobody has to wait for forty drivers.
    """

    def __init__(self, store: Store, contestants: Sequence[Contestant]) -> None:
        self.store, self.contestants = store, tuple(contestants)
        self.asked = 0
        self.left = 0
        """New findings for which there was no time, or not enough: `tarbiter triage ask` goes on with them."""
        self._pool: Pool | None = None
        self._opened = contextlib.ExitStack()

    def __enter__(self) -> Asking:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.__exit__(kind, error, trace)

    def ask(self, kept: Kept, late: Callable[[float], bool], last_s: float) -> None:
        """Ask about one finding, and keep the answers in the store. Raises SandboxError and StoreError.

        `late` says whether the time of the campaign ended so many seconds ago (less than 0: will have ended).
        Nothing is begun that could take it beyond `last_s`.
        """
        if late(0.0 if self._pool is not None else -START_S):
            self.left += 1
            return
        if self._pool is None:
            self._pool = self._opened.enter_context(Pool(self.contestants, cells=1))
        until = time.monotonic() + PATIENCE_S
        try:
            (trial,) = trials(
                self._pool,
                (job_of(kept, self.contestants),),
                ended=lambda: late(last_s) or time.monotonic() >= until,
            )
        except EndedError:
            self.left += 1
            return
        self.store.answered(kept.id, trial.observations)
        self.asked += 1
