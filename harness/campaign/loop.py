"""The campaign: generate, run, compare, confirm, keep; until the cases, the minutes or the person's patience end.

A divergence with a new signature is run a second time before it is believed. Contestants that do something else
the second time are flaky: they are named in the finding and left out of its comparison.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence

import msgspec

from ..archive.encode import encode, encode_bytes
from ..archive.text import dumps
from ..contest.observation import Job, Observation
from ..contest.pool import Pool
from ..generate.recipes import Generated, case_at, cases
from ..judge.compare import Divergence, compare
from ..judge.facets import differences
from ..triage.locate import Index
from .runs import Finding, Run

CHECKPOINT_S = 5.0
"""Seconds between two writes of state.json: what a killed run repeats at most."""


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """Where a campaign ends: after so many cases, or so many seconds, whichever is first; None is no bound."""

    cases: int | None = None
    seconds: float | None = None


class _Flight(msgspec.Struct):
    """A case between the generator and its verdict.

    `first` and `signature_id` are there when this is its second run: what was seen the first time, and the id that
    is to be confirmed.
    """

    generated: Generated
    first: tuple[Observation, ...] = ()
    signature_id: str = ""


class Campaign:
    """One campaign over one seed. `progress` is called after each case, with this object."""

    def __init__(
        self,
        pool: Pool,
        run: Run,
        contestants: Sequence[str],
        bounds: Bounds,
        progress: Callable[[Campaign], None],
    ) -> None:
        self.pool, self.run, self.bounds, self.progress = pool, run, bounds, progress
        self.contestants = tuple(contestants)
        self.state = run.state
        self.statuses = Counter(run.state.statuses)
        self.new: list[Finding] = []
        """The findings of this session, in the order they came."""
        self._began = time.monotonic()
        self._earlier_s = run.state.seconds
        self._done = 0
        self._flights: deque[_Flight] = deque()
        self._again: deque[_Flight] = deque()
        self._pending: set[str] = set()

    @property
    def seconds(self) -> float:
        """Wall time of this session."""
        return time.monotonic() - self._began

    @property
    def rate(self) -> float:
        """Cases a second in this session."""
        return self._done / max(self.seconds, 1e-9)

    def _ended(self, begun: int) -> bool:
        bounds = self.bounds
        return (bounds.cases is not None and begun >= bounds.cases) or (
            bounds.seconds is not None and self.seconds >= bounds.seconds
        )

    def _jobs(self) -> Iterator[Job]:
        """Jobs for the pool: second runs first, then new cases. `_flights` has their stories in the same order."""
        seed = self.run.asked.seed
        unconfirmed = [case_at(seed, index) for index in self.state.unconfirmed]
        self.state.unconfirmed = []
        for begun, generated in enumerate(itertools.chain(unconfirmed, cases(seed, start=self.state.next_index))):
            yield from self._second_runs()
            if self._ended(begun):
                return
            yield self._job(_Flight(generated))

    def _second_runs(self) -> Iterator[Job]:
        while self._again:
            yield self._job(self._again.popleft())

    def _job(self, flight: _Flight) -> Job:
        began = time.monotonic()
        case = flight.generated.case
        archive = encode_bytes(case.recipe)
        self.state.generating_s += time.monotonic() - began
        self._flights.append(flight)
        return Job(archive=archive, contestants=self.contestants, world=case.world, schedule=case.schedule)

    def go(self) -> None:
        """Run until the bounds end. KeyboardInterrupt passes through, with everything that was found kept."""
        written = time.monotonic()
        try:
            for session in (self._jobs, self._second_runs):
                for job, observations in self.pool.map(session()):
                    self._verdict(self._flights.popleft(), job, observations)
                    self.progress(self)
                    if time.monotonic() - written >= CHECKPOINT_S:
                        written = time.monotonic()
                        self._checkpoint()
        finally:
            self._checkpoint()

    def _checkpoint(self) -> None:
        self.state.seconds = self._earlier_s + self.seconds
        waiting = [*self._again, *(flight for flight in self._flights if flight.first)]
        self.state.unconfirmed = sorted(flight.generated.index for flight in waiting)
        self.state.statuses = dict(sorted(self.statuses.items()))
        self.run.checkpoint()

    def _verdict(self, flight: _Flight, job: Job, observations: tuple[Observation, ...]) -> None:
        began = time.monotonic()
        self.state.extracting_s += sum(o.wall_ns for o in observations) / 1e9
        self.state.around_s += sum(o.overhead_ns for o in observations) / 1e9
        if flight.first:
            self._pending.discard(flight.signature_id)
            self._confirm(flight.generated, job, flight.first, observations)
        else:
            self._count(flight.generated, observations)
            divergence = compare(observations, world=job.world, facets=self.run.asked.facets, weak=False)
            if divergence.signature is not None:
                name = divergence.signature.id
                if name in self.run.known or name in self._pending:
                    self.state.repeats += 1
                else:
                    self._pending.add(name)
                    self._again.append(_Flight(flight.generated, observations, name))
        self.state.comparing_s += time.monotonic() - began

    def _count(self, generated: Generated, observations: tuple[Observation, ...]) -> None:
        self._done += 1
        self.state.cases += 1
        self.state.next_index = max(self.state.next_index, generated.index + 1)
        self.statuses.update(o.status for o in observations)
        extracted = [o.status == "extracted" for o in observations if o.status != "unavailable"]
        self.state.extracted_by_some += any(extracted)
        self.state.extracted_by_all += all(extracted)

    def _confirm(
        self,
        generated: Generated,
        job: Job,
        first: tuple[Observation, ...],
        second: tuple[Observation, ...],
    ) -> None:
        facets = self.run.asked.facets
        flaky = tuple(
            one.contestant
            for one, other in zip(first, second, strict=True)
            if any(differences(facet, one, other) for facet in facets)
        )
        steady = [o for o in second if o.contestant not in flaky]
        divergence = compare(steady, world=job.world, facets=facets)
        signature = divergence.signature
        if signature is None or (flaky and signature.id in self.run.known):
            self.state.flaky += 1
            return
        if signature.id in self.run.known:
            self.state.repeats += 1
            return
        finding = self._finding(generated, job, divergence, second, flaky)
        self.run.add(finding, generated)
        self.new.append(finding)

    def _finding(
        self,
        generated: Generated,
        job: Job,
        divergence: Divergence,
        observations: tuple[Observation, ...],
        flaky: tuple[str, ...],
    ) -> Finding:
        assert divergence.signature is not None
        index = Index(generated.case.recipe, encode(generated.case.recipe))
        paths = dict.fromkeys(path for broken in divergence.broken for path in broken.paths)
        places = tuple(f"{ascii(path)[1:]}: {place}" for path in paths for place in index.find(path))
        name = divergence.signature.id
        return Finding(
            id=name,
            seed=generated.seed,
            index=generated.index,
            features=generated.features,
            places=places[:20],
            case=dumps(generated.case),
            divergence=divergence,
            observations=observations,
            flaky=flaky,
            versions=self.run.asked.contestants,
            environment=self.run.asked.environment,
            replay=f"tarbiter compare {self.run.path}/findings/{name}.toml --with {','.join(job.contestants)}",
        )
