"""The campaign: propose, run, compare, investigate, keep; until the cases, the minutes or the patience end.

Cases go in slices. A slice is proposed from the pool as it stands and run as a whole: all of it by the scouts (the
contestants inside the worker, which cost little), what showed them something new and a sample of the rest by the
whole ring. What nothing explains becomes a suspect; a bounded number of suspects is investigated, the gravest and
simplest first. Only then does the run's state move on to the next slice: a killed run repeats a slice and loses
nothing. All of these are counts, not times, so that the same seed finds the same things on a slow machine, later.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence

import msgspec

from ..archive.stored import in_memory
from ..contest.observation import Job, Observation
from ..contest.pool import EndedError, Pool
from ..contest.worker.listing import UNUSED
from ..generate.recipes import Generated
from ..judge.answered import Tally, count
from ..judge.compare import compare
from ..judge.invariants import invariant_of
from ..triage.investigate import Finding, investigate
from ..triage.minimise import Budget
from ..triage.target import Target, targets
from ..triage.trial import Trial, job_for, trials
from .checkpoint import Learned
from .full_field import Asking
from .known_findings import NEW, Memory
from .novelty import Novelty, coverage, features
from .records import Kept
from .runs import Run
from .search import FINDING_WORTH, Search
from .suspects import Known, Suspect, Suspects, folded, splits

SLICE = 256
"""Cases between two checkpoints."""

PROBES = 600
"""Probes that minimising one target may take; the median needs under a hundred."""

HANG_PROBES = 60
"""The same for what hangs: each probe takes a time limit, and 600 of them took a campaign a quarter of an hour."""

INVESTIGATED = 24
"""Suspects investigated after a slice. The rest waits: what is found meanwhile explains most of it."""

HANG_COUNTS = 12
"""How many of those a hang counts for. When all else is explained hangs alone are left, a minute each or more: with
24 of them after a slice a campaign ran no new case for twenty minutes."""

GRACE_S = 20.0
"""Seconds that cases in flight, and the minimising in flight, may go on for when the time has ended."""

LAST_S = 40.0
"""Seconds until the investigation in flight is given up, whatever hangs in it: its suspect waits for `--resume`."""


def probes_for(target: Target) -> int:
    """Probes that minimising a target may take."""
    return HANG_PROBES if target.facet == "hung" else PROBES


def _lists_nothing(seen: Observation) -> bool:
    """Whether a contestant that was asked for a listing has none, and no note says why."""
    return seen.listing is None and not any(note.startswith(UNUSED) for note in seen.notes)


def counts_for(suspect: Suspect) -> int:
    """How many suspects an investigation counts for, by what it costs."""
    return HANG_COUNTS if suspect.target.facet == "hung" else 1


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Where a campaign ends: after so many cases, or so many seconds, whichever is first; None is no bound."""

    cases: int | None = None
    seconds: float | None = None


class Campaign:
    """One campaign over one seed. `progress` is called after each case and each investigation.

    `scouts` are those of `contestants` that see every case; the others see one case in `sample` besides what was
    new to the scouts. Without scouts, or with a `sample` of 1, everybody sees everything. `search` says where the
    cases come from; the default is the run's seed and its pool, mutated when `guided`.
    """

    def __init__(
        self,
        pool: Pool,
        run: Run,
        contestants: Sequence[str],
        bounds: Bounds,
        progress: Callable[[], None],
        memory: Memory | None = None,
        *,
        scouts: Sequence[str] = (),
        sample: int = 1,
        guided: bool = True,
        search: Search | None = None,
        asking: Asking | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.memory, self.asking = memory or Memory(run), asking
        self.pool, self.run, self.bounds, self.progress = pool, run, bounds, progress
        self.contestants = tuple(contestants)
        self.scouts = tuple(name for name in self.contestants if name in scouts) if sample > 1 else ()
        self.sample = sample
        self.state = run.state
        self.statuses = Counter(run.state.statuses)
        for name in self.contestants:
            run.state.answers.setdefault(name, Tally())
        self.new: list[Kept] = []
        """The findings of this session that nobody knew, in the order they came, without cases and observations."""
        self.doing = "running"
        learned = run.learned
        self.novelty = Novelty(learned.young, learned.old)
        given = len(run.asked.seeds)
        self.search = search or Search(run.asked.seed, learned.parents, guided=guided, given=given)
        self.suspects = Suspects(learned.known, learned.waiting)
        self._known = list(learned.known)
        tables = {name: pool.contestants[name].table for name in self.contestants}
        self._listing = {name for name, table in tables.items() if table.list or table.serve}
        """Contestants that may list when they are asked."""
        self._unlisted: list[tuple[Generated, tuple[str, ...]]] = []
        """Cases of this slice that are to be listed, and by whom."""
        self._clock = clock
        self._began = clock()
        self._earlier_s, self._earlier_left_out = run.state.seconds, run.state.left_out
        self._done = 0

    @property
    def seconds(self) -> float:
        """Wall time of this session."""
        return self._clock() - self._began

    @property
    def rate(self) -> float:
        """Cases a second in this session, investigations included."""
        return self._done / max(self.seconds, 1e-9)

    def late(self, by_s: float = 0.0) -> bool:
        """Whether the time of this session ended so many seconds ago."""
        return self.bounds.seconds is not None and self.seconds >= self.bounds.seconds + by_s

    def go(self) -> None:
        """Run until the bounds end. KeyboardInterrupt passes through, with everything that was found kept."""
        self._investigate_due()
        while not self.late():
            size = SLICE if self.bounds.cases is None else min(SLICE, self.bounds.cases - self._done)
            if size <= 0:
                break
            for generated, trial in self._slice(self.search.propose(self.state.next_index, size)):
                self._judge(generated, trial)
            self._ask_for_listings()
            self._peek()
            self.suspects.trim()
            last = self.bounds.cases is not None and self._done >= self.bounds.cases
            # So many cases were asked for: all that they showed is looked at.
            self.state.due = sum(map(counts_for, self.suspects.waiting)) if last else INVESTIGATED
            self._checkpoint()
            self._investigate_due()

    def _slice(self, fresh: Sequence[Generated]) -> Iterator[tuple[Generated, Trial]]:
        """Run the cases of a slice, in order, by those who have to see them."""
        if not self.scouts:
            yield from self._run(fresh, self.contestants)
            return
        rest = tuple(name for name in self.contestants if name not in self.scouts)
        scouted: list[tuple[Generated, Trial]] = []
        wanted: list[Generated] = []
        for generated, trial in self._run(fresh, self.scouts):
            scouted.append((generated, trial))
            shown, reached = self._new_in(trial)
            self.search.learn(generated, shown + reached)
            if shown or generated.index % self.sample == 0:
                wanted.append(generated)
        seen = {generated.index: trial for generated, trial in self._run(wanted, rest)}
        for generated, trial in scouted:
            more = seen.get(generated.index)
            yield generated, trial if more is None else self._merged(trial, more)

    def _new_in(self, trial: Trial) -> tuple[int, int]:
        """What is new in what contestants did, and in how their parsers came to it: remembered from now on."""
        shown = self.novelty.worth(features(trial, self.run.asked.facets))
        return shown, self.novelty.worth(coverage(trial))

    def _merged(self, one: Trial, other: Trial) -> Trial:
        """Two trials of one case by different contestants, as one."""
        place = self.contestants.index
        seen = sorted(one.observations + other.observations, key=lambda seen: place(seen.contestant))
        whole = sorted(one.whole + other.whole, key=lambda seen: place(seen.contestant))
        return Trial(one.job, tuple(seen), tuple(whole))

    def _run(self, fresh: Sequence[Generated], names: tuple[str, ...]) -> Iterator[tuple[Generated, Trial]]:
        flying: deque[Generated] = deque()

        def jobs() -> Iterator[Job]:
            for generated in itertools.takewhile(lambda _: not self.late(), fresh):
                began = time.monotonic()
                # What hangs takes the whole time limit, twice: more than a hundred other cases. A finding is
                # confirmed with all the time there is, so here a quarter must do.
                job = job_for(generated.case, names, listing=False, hasty=True)
                self.state.generating_s += time.monotonic() - began
                flying.append(generated)
                yield job

        # Those in flight when the time is over are not counted: a resumed run begins with them.
        with contextlib.suppress(EndedError):
            for trial in trials(self.pool, jobs(), ended=lambda: self.late(GRACE_S)):
                yield flying.popleft(), trial
                self.progress()

    def _judge(self, generated: Generated, trial: Trial) -> None:
        """Count a case, learn from it, and put what nothing explains among the suspects."""
        self._count(generated, trial)
        began = time.monotonic()
        facets = self.run.asked.facets
        shown, reached = self._new_in(trial)
        self.search.learn(generated, shown + reached)
        if shown:
            self._note_unlisted(generated, trial)
        divergence = trial.divergence(facets, weak=False)
        if divergence.parted:
            archive = in_memory(trial.job.archive)
            taken = self.suspects.offer(generated, targets(divergence, trial.observations, archive))
            self.state.repeats += not taken
        self.state.comparing_s += time.monotonic() - began

    def _note_unlisted(self, generated: Generated, trial: Trial) -> None:
        """Note who is to list a case that showed something new: whoever can, extracted it, and has not listed yet.

        To ask for a listing each time would run every command twice. What is lost changes the tree, or the pattern
        of who agrees with whom, and so the first case that shows it is new.
        """
        names = tuple(
            one.contestant
            for one in trial.observations
            if one.status == "extracted" and one.listing is None and one.contestant in self._listing
        )
        if names:
            self._unlisted.append((generated, names))

    def _ask_for_listings(self) -> None:
        """Run the cases that were noted again, with a listing, and put silent losses among the suspects."""
        asked, self._unlisted = self._unlisted, []
        if self.late():
            self.state.unlisted += len(asked)
            return
        jobs = (job_for(generated.case, names, hasty=True) for generated, names in asked)
        answers = self.pool.map(jobs, ended=lambda: self.late(GRACE_S))
        done = 0
        with contextlib.suppress(EndedError):
            for (generated, _), (job, seen) in zip(asked, answers, strict=True):
                done += 1
                divergence = compare(seen, world=job.world, facets=(), weak=False)
                lost = tuple(one for one in divergence.broken if invariant_of(one.invariant).needs_listing)
                if lost:
                    self.suspects.offer(generated, targets(msgspec.structs.replace(divergence, broken=lost), seen))
                # Some drivers have a library that does not list: they are asked once.
                self._listing -= {
                    one.contestant for one in seen if one.status == "extracted" and _lists_nothing(one)
                }
        self.state.listed += done
        self.state.unlisted += len(asked) - done

    def _peek(self) -> None:
        """Look at some explained targets without what explains them: what shows all the same has another reason.

        A rare reason that never comes without a frequent one would otherwise be seen once in `RECHECK`.
        """
        freed = [one for doubt in self.suspects.doubts if (one := self.suspects.freed(doubt)) is not None]
        self.suspects.doubts.clear()
        if self.late():
            return
        jobs = [
            job_for(one.generated.case, one.target.contestants, listing=one.target.listing, hasty=True)
            for one in freed
        ]
        with contextlib.suppress(EndedError):
            for suspect, trial in zip(
                freed, trials(self.pool, jobs, ended=lambda: self.late(GRACE_S)), strict=True
            ):
                self.state.peeked += 1
                if suspect.target.seen_in(trial):
                    self.state.unveiled += 1
                    self.suspects.put_back(suspect)

    def _count(self, generated: Generated, trial: Trial) -> None:
        seen = trial.observations + trial.whole
        self.state.extracting_s += sum(o.wall_ns for o in seen) / 1e9
        self.state.around_s += sum(o.overhead_ns for o in seen) / 1e9
        self._done += 1
        self.state.cases += 1
        self.state.next_index = generated.index + 1
        self.statuses.update(o.status for o in trial.observations)
        count(self.state.answers, trial.observations)
        for one in seen:
            if one.status == "harness-fault":
                self.run.fault(generated, one)
        extracted = [o.status == "extracted" for o in trial.observations if o.status != "unavailable"]
        self.state.extracted_by_some += any(extracted)
        self.state.extracted_by_all += all(extracted)

    def _investigate_due(self) -> None:
        """Investigate the suspects that are due, while there is time. The others keep waiting."""
        self.doing = "investigating"
        while self.state.due and not self.late():
            suspect = self.suspects.next()
            if suspect is None:
                self.state.due = 0
                break
            try:
                self._investigate(suspect)
            except EndedError:
                self.suspects.put_back(suspect)
                self._checkpoint()
                break
            self.state.due = max(0, self.state.due - counts_for(suspect))
            self._checkpoint()
        self.doing = "running"

    def _investigate(self, suspect: Suspect) -> None:
        began = time.monotonic()
        budget = Budget(
            probes=probes_for(suspect.target), width=8 * self.pool.cells, ended=lambda: self.late(GRACE_S)
        )
        result = investigate(
            self.pool,
            suspect.generated.case,
            suspect.target,
            self.contestants,
            facets=self.run.asked.facets,
            budget=budget,
            drifts=lambda case: not suspect.sure and self.suspects.drifts(suspect.target, case, suspect.causes),
            ended=lambda: self.late(LAST_S),
        )
        self.state.investigated += 1
        self.state.flaky += bool(result.flaky)
        self.state.vanished += result.finding is None
        if result.finding is not None:
            self._keep(suspect, result.finding, result.flaky)
        self.state.investigating_s += time.monotonic() - began
        self.progress()

    def _keep(self, suspect: Suspect, finding: Finding, flaky: tuple[str, ...]) -> None:
        known = Known(frozenset(finding.causes), splits(finding.target, finding.trial.observations))
        if known not in self._known:
            self._known.append(known)
        self.suspects.learn(known)
        assert finding.divergence.signature is not None
        if finding.divergence.signature.id in self.run.known:
            self.state.repeats += 1
            return
        self.search.add(suspect.generated, FINDING_WORTH)
        kept = self.run.keep(finding, suspect.generated, flaky)
        # The store first: what the log has, it has too.
        what = self.memory.remember(kept)
        self.run.write(kept)
        if what == NEW:
            self.new.append(msgspec.structs.replace(kept, case="", original="", observations=(), whole=()))
            if self.asking is not None:
                self.doing = "asking everybody"
                self.asking.ask(kept, self.late, LAST_S)
                self.doing = "investigating"

    def _checkpoint(self) -> None:
        self.search.trim()
        self.state.seconds = self._earlier_s + self.seconds
        self.state.statuses = dict(sorted(self.statuses.items()))
        self.state.waiting, self.state.pool = len(self.suspects.waiting), len(self.search.parents)
        self.state.left_out = self._earlier_left_out + self.suspects.left_out
        self.run.learned = Learned(
            young=sorted(self.novelty.young),
            old=sorted(self.novelty.old),
            parents=self.search.parents,
            known=self._known,
            waiting=folded(self.suspects.waiting),
        )
        self.run.checkpoint()
        self.memory.progress(self.state.cases, self.state.seconds, self.state.answers)
