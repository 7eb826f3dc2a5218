"""The campaign: generate, run, compare, investigate, keep; until the cases, the minutes or the patience end.

Cases go in slices. A slice is run as a whole, then each case of it that showed a new pattern (who parts from whom
on what) is investigated: run again, minimised per broken invariant, signed. Only then does the run's state move on
to the next slice: a killed run repeats a slice and loses nothing. Slices have a fixed number of cases, so that the
same seed finds the same things however fast the machine is.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence

import msgspec

from ..contest.observation import Job
from ..contest.pool import Pool
from ..generate.recipes import Generated, cases
from ..triage.investigate import investigate
from ..triage.minimise import Budget
from ..triage.trial import Trial, job_for, trials
from .memory import NEW, Memory
from .runs import Kept, Run

SLICE = 256
"""Cases between two checkpoints."""

PROBES = 600
"""Probes that minimising one target may take; the median needs under a hundred."""


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Where a campaign ends: after so many cases, or so many seconds, whichever is first; None is no bound."""

    cases: int | None = None
    seconds: float | None = None


class _Suspect(msgspec.Struct):
    generated: Generated
    trial: Trial
    pattern: str


class Campaign:
    """One campaign over one seed. `progress` is called after each case and each investigation."""

    def __init__(
        self,
        pool: Pool,
        run: Run,
        contestants: Sequence[str],
        bounds: Bounds,
        progress: Callable[[], None],
        memory: Memory | None = None,
    ) -> None:
        self.memory = memory or Memory(run)
        self.pool, self.run, self.bounds, self.progress = pool, run, bounds, progress
        self.contestants = tuple(contestants)
        self.state = run.state
        self.statuses = Counter(run.state.statuses)
        self.new: list[Kept] = []
        """The findings of this session that nobody knew, in the order they came."""
        self.doing = "running"
        self._began = time.monotonic()
        self._earlier_s = run.state.seconds
        self._done = 0
        self._patterns = set(run.state.patterns)

    @property
    def seconds(self) -> float:
        """Wall time of this session."""
        return time.monotonic() - self._began

    @property
    def rate(self) -> float:
        """Cases a second in this session, investigations included."""
        return self._done / max(self.seconds, 1e-9)

    def _out_of_time(self) -> bool:
        return self.bounds.seconds is not None and self.seconds >= self.bounds.seconds

    def go(self) -> None:
        """Run until the bounds end. KeyboardInterrupt passes through, with everything that was found kept."""
        fresh = cases(self.run.asked.seed, start=self.state.next_index)
        while not self._out_of_time():
            size = SLICE if self.bounds.cases is None else min(SLICE, self.bounds.cases - self._done)
            if size <= 0:
                return
            suspects = list(self._slice(itertools.islice(fresh, size)))
            self.doing = "investigating"
            for suspect in suspects:
                self._investigate(suspect)
            self.doing = "running"
            self._checkpoint()

    def _slice(self, fresh: Iterator[Generated]) -> Iterator[_Suspect]:
        """Run some cases and yield those that showed a pattern not seen before."""
        flying: deque[Generated] = deque()

        def jobs() -> Iterator[Job]:
            while not self._out_of_time():
                began = time.monotonic()
                generated = next(fresh, None)
                if generated is None:
                    return
                job = job_for(generated.case, self.contestants)
                self.state.generating_s += time.monotonic() - began
                flying.append(generated)
                yield job

        for trial in trials(self.pool, jobs()):
            generated = flying.popleft()
            self._count(generated, trial)
            began = time.monotonic()
            signature = trial.divergence(self.run.asked.facets, weak=False).signature
            self.state.comparing_s += time.monotonic() - began
            self.progress()
            if signature is None:
                continue
            if signature.id in self._patterns:
                self.state.repeats += 1
                continue
            self._patterns.add(signature.id)
            yield _Suspect(generated, trial, signature.id)

    def _count(self, generated: Generated, trial: Trial) -> None:
        seen = trial.observations + trial.whole
        self.state.extracting_s += sum(o.wall_ns for o in seen) / 1e9
        self.state.around_s += sum(o.overhead_ns for o in seen) / 1e9
        self._done += 1
        self.state.cases += 1
        self.state.next_index = generated.index + 1
        self.statuses.update(o.status for o in trial.observations)
        extracted = [o.status == "extracted" for o in trial.observations if o.status != "unavailable"]
        self.state.extracted_by_some += any(extracted)
        self.state.extracted_by_all += all(extracted)

    def _investigate(self, suspect: _Suspect) -> None:
        began = time.monotonic()
        budget = Budget(probes=PROBES, width=8 * self.pool.cells, ended=self._out_of_time)
        result = investigate(
            self.pool, suspect.generated.case, suspect.trial, facets=self.run.asked.facets, budget=budget
        )
        self.state.flaky += bool(result.flaky)
        self.state.vanished += len(result.vanished)
        for finding in result.findings:
            assert finding.divergence.signature is not None
            if finding.divergence.signature.id in self.run.known:
                self.state.repeats += 1
                continue
            kept = self.run.keep(finding, suspect.generated, result.flaky)
            # The store first: what the log has, it has too.
            what = self.memory.remember(kept)
            self.run.write(kept)
            if what == NEW:
                self.new.append(kept)
        self.state.investigating_s += time.monotonic() - began
        self.progress()

    def _checkpoint(self) -> None:
        self.state.seconds = self._earlier_s + self.seconds
        self.state.statuses = dict(sorted(self.statuses.items()))
        self.state.patterns = sorted(self._patterns)
        self.run.checkpoint()
        self.memory.progress(self.state.cases, self.state.seconds)
