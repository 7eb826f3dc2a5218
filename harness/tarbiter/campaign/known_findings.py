"""What a finding is to the project: new, known from an earlier run, or accepted by the ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from ..contest.installed.registry import Contestant
from ..contest.pool import EndedError, Pool
from ..judge.answered import Tally
from ..judge.ledger import Ledger
from .records import Kept
from .reopening import Rechecked, recheck
from .runs import Run
from .store import Entry, Store

NEW, KNOWN, ACCEPTED = "new", "known", "accepted"


class Memory:
    """The store and the ledger of a project, asked for each finding of one run. Without a store all is new."""

    def __init__(self, run: Run, store: Store | None = None, ledger: Ledger | None = None) -> None:
        self._store = store
        self._ledger = ledger or Ledger()
        self._number = store.begin(run.path, run.asked) if store is not None else 0
        self.counts: Counter[str] = Counter()
        """Findings of this session by what they were."""
        self.reopened: list[str] = []
        """Entries of the ledger that would cover a finding but for a version, with that version."""
        self.rechecked: list[Rechecked] = []
        """Known findings that were looked at again, as some contestant has another version by now."""

    def remember(self, kept: Kept) -> str:
        """Keep a finding in the store, and say what it is. Raises StoreError."""
        fresh = self._store.add(kept, self._number) if self._store is not None else True
        verdict = self._ledger.verdict(kept.id, kept.invariant, kept.causes, kept.versions)
        if verdict.entry is not None and verdict.uncovered:
            self.reopened.append(f"{verdict.entry.id}: {kept.id} with {', '.join(verdict.uncovered)}")
        what = ACCEPTED if verdict.accepted else NEW if fresh else KNOWN
        self.counts[what] += 1
        return what

    def progress(self, cases: int, seconds: float, answers: Mapping[str, Tally]) -> None:
        """Write down how far the run came, and what contestants did. Raises StoreError."""
        if self._store is not None:
            self._store.progress(self._number, cases, seconds, answers)

    @property
    def damaged(self) -> tuple[str, ...]:
        """What of the store could not be read so far: which, what is wrong, what to do."""
        return tuple(self._store.damaged.values()) if self._store is not None else ()

    def _settled(self, entry: Entry, versions: dict[str, str]) -> bool:
        kept = entry.kept
        return self._ledger.verdict(kept.id, kept.invariant, kept.causes, versions).accepted

    def recheck(self, pool: Pool, contestants: Sequence[Contestant], ended: Callable[[], bool]) -> bool:
        """Look again at known findings of which a contestant has another version by now. Raises StoreError.

        False: it `ended` before all had been looked at; those are due the next time.
        """
        if self._store is None:
            return True
        try:
            known = self._store.findings()
            self.rechecked.extend(
                recheck(pool, self._store, known, contestants, ended=ended, settled=self._settled)
            )
        except EndedError:
            return False
        return True
