"""Two releases side by side: what the newer one does otherwise than the older one, each change made small.

Between two releases of one extractor every difference matters, and few broken invariants are there to tell them
apart by. So a case is looked at by its *aspects*: each way in which the two part, with its direction ("extracted
before, refused now, and with which words"). An aspect is minimised on its own, and what is left in the minimised
case is the cause: a change is an aspect with its causes.

Two releases may part on nearly every archive for one dull reason. A case whose aspects have known causes is
therefore looked into only once for each of its features, so that what hides behind a dull reason is still found.
"""

from __future__ import annotations

import hashlib
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from ..archive.case import Case
from ..archive.text import dumps
from ..contest.observation import Job, Observation
from ..contest.pool import Limits, Pool
from ..generate.recipes import Generated
from ..judge.answered import count, tallies
from ..judge.facets import STRONG, has_tree
from ..triage.causes import causes
from ..triage.minimise import Budget, NotInterestingError, minimise
from ..triage.trial import Trial, job_for, trials
from .aspects import LEFT, RETRIED, TREE, Aspect, Pair, kind_of, left_of, of_trial, one_of
from .novelty import Novelty, features
from .packing import pack, unpack
from .search import FINDING_WORTH, Parent, Search
from .suspects import unfolded

SLICE = 16
"""Cases between two looks at what was suspicious: the next checkpoint. What time leaves no room for waits."""

PROBES = 600
"""Probes that making one aspect small may take."""

PATIENCE_S = 20.0
"""Seconds that making one aspect small may take."""

WIDTH = 8
"""Cases that are probed at a time; fewer when they are slow, so that a run ends when it should."""

AGAIN = 1
"""How often a feature is looked into when the aspect has a known cause in the case."""

FRESH = 3
"""How often a feature is looked into when no known cause is in the case."""

RUNS = 6
"""Runs of one case that tell whether a contestant does the same each time."""

SHARE = 0.5
"""Of the time of a run that ends by the clock, what may go into making changes small; the rest is for new cases."""

QUEUE = 512
"""Aspects that wait at most; the least worth of them are left out beyond that, and counted."""

RANKS = ("escapes", "arrival", "status", *TREE, LEFT)
"""The order in which aspects that are known equally well are looked into."""

UNSTEADY_S = 4.0
"""What takes the two longer is not run again and again to see whether chance is in it."""

LIMITS = Limits(time_s=3.0)
"""What contestants may use. Many releases run each case, and one that hangs in all of them costs this for each."""


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one pair does otherwise, with everything that is needed to see it again."""

    id: str
    pair: Pair
    aspect: Aspect
    causes: tuple[str, ...]
    case: str
    """The minimised case as TOML."""
    original: str
    """The generated case as TOML."""
    index: int
    """The number of the generated case under the run's seed."""
    cases: int
    """Cases that had been run when this was found."""
    seconds: float
    """Wall time of the run when this was found."""
    features: tuple[str, ...]
    probes: int
    complete: bool
    """False: the budget ended while the case was being minimised."""
    observations: tuple[Observation, ...]
    """Of the old one and the new one, on the minimised case."""
    whole: tuple[Observation, ...] = ()
    """The same, when the archive arrived whole; empty where it did so anyway."""


class Progress(msgspec.Struct, kw_only=True):
    """How far a run came, and what it counted: enough to go on with it."""

    next_index: int = 0
    cases: int = 0
    seconds: float = 0.0
    parted: int = 0
    """Cases on which some pair parted."""
    looked_into: int = 0
    vanished: int = 0
    """Aspects that did not show again."""
    statuses: dict[str, dict[str, int]] = {}
    """Observations by contestant and status."""
    retried: int = 0
    """Observations that were seen only when the contestant was run again, alone and with more time."""
    looking_s: float = 0.0
    """Wall time of making changes small."""
    waiting: int = 0
    """Aspects that wait to be looked into: a run that goes on begins with them."""
    left_out: int = 0
    """Aspects for which there was no room among those that wait."""
    tries: dict[str, int] = {}
    sightings: dict[str, int] = {}
    """Cases in which a change's aspect and causes were seen, by its id."""


class Parted(msgspec.Struct, frozen=True, kw_only=True):
    """A pair that parts on a case in one aspect."""

    packed: bytes
    """The case (`packing.pack`)."""
    index: int
    features: tuple[str, ...]
    pair: Pair
    aspect: Aspect
    causes: frozenset[str]
    """Of the case as it was generated."""
    cost_s: float
    """What running it once took the two."""

    @property
    def kind(self) -> str:
        """What it is, whatever the case: the same words of the same pair."""
        return "\t".join(("", self.pair.old, self.pair.new, self.aspect.facet, self.aspect.old, self.aspect.new))

    @property
    def keys(self) -> tuple[str, ...]:
        """What tries are bounded by. The words of messages are left out, or each of them would begin anew."""
        kinds = (self.aspect.old.partition(":")[0], self.aspect.new.partition(":")[0])
        # What is left of a failure has a reason in every feature, and is worth little: it is not counted by them.
        names = self.features if self.aspect.facet != LEFT and self.features else ("",)
        return tuple("\t".join((self.pair.old, self.pair.new, self.aspect.facet, *kinds, name)) for name in names)


class Left(msgspec.Struct, kw_only=True):
    """What a run goes on with beside its changes and its progress."""

    waiting: list[Parted] = []
    """What was not looked into when the time ended; it may be `folded`."""
    parents: list[Parent] = []
    """The pool of the search. Empty where it is not guided, as what follows."""
    young: list[int] = []
    old: list[int] = []
    """The two generations of `Novelty`."""


def _cost_s(trial: Trial, pair: Pair) -> float:
    seen = trial.observations + trial.whole
    return sum(one.wall_ns + one.overhead_ns for one in seen if one.contestant in (pair.old, pair.new)) / 1e9


def _order(one: Parted, tries: Mapping[str, int]) -> tuple[int, int, int, int, int]:
    # Kinds take turns: of the frequent ones there are always some with a feature that is new to them.
    least = min(tries.get(key, 0) for key in one.keys)
    return tries.get(one.kind, 0), least, RANKS.index(one.aspect.facet), len(one.causes), one.index


def foremost(waiting: Sequence[Parted], tries: Mapping[str, int]) -> Parted:
    """What is looked into next: the kind and then the features tried least, the gravest, the fewest causes."""
    return min(waiting, key=lambda one: _order(one, tries))


def identity(pair: Pair, aspect: Aspect, why: Sequence[str]) -> str:
    """The id of a change: 10 hexadecimal digits."""
    words = "\n".join((pair.old, pair.new, aspect.facet, aspect.old, aspect.new, *why))
    return hashlib.blake2b(words.encode(), digest_size=5).hexdigest()


class Versus:
    """A run over one seed: pairs of contestants of `pool`, and what they do otherwise.

    `changes`, `progress` and `left` are what an earlier session came to, when it is resumed. `tell` is called after
    each case. `guided`: cases that showed something new are mutated, as in a campaign; without, each is made from
    the seed alone. `source` gives the cases from a number on in place of both.
    """

    def __init__(
        self,
        pool: Pool,
        pairs: Sequence[Pair],
        seed: int,
        *,
        changes: Sequence[Change] = (),
        progress: Progress | None = None,
        left: Left | None = None,
        guided: bool = False,
        tell: Callable[[], None] = lambda: None,
        source: Callable[[int, int], Iterator[Generated]] | None = None,
    ) -> None:
        self.pool, self.pairs, self.seed, self.tell = pool, tuple(pairs), seed, tell
        self.contestants = tuple(dict.fromkeys(name for pair in pairs for name in (pair.old, pair.new)))
        self.answers = tallies(self.contestants)
        """What each contestant did in this session, and why it did not answer."""
        self.changes = list(changes)
        self.state = progress or Progress()
        self.left = left or Left()
        self.left.waiting = unfolded(self.left.waiting)
        self.guided = guided
        self._search = Search(seed, self.left.parents, guided=guided)
        self._novelty = Novelty(self.left.young, self.left.old)
        self.doing = "running"
        self._source = source
        self._began = time.monotonic()
        self._earlier_s = self.state.seconds
        self._until: float | None = None

    @property
    def seconds(self) -> float:
        """Wall time of the run, earlier sessions included."""
        return self._earlier_s + time.monotonic() - self._began

    def _ended(self) -> bool:
        return self._until is not None and self.seconds >= self._until

    def go(self, *, cases: int | None = None, seconds: float | None = None) -> Iterator[Change]:
        """Run until so many cases or seconds of the whole run are over, and yield each change as it is found.

        Whoever stops listening stops the run. `state` and `left` are complete after each slice.
        """
        self._until = seconds
        while not self._ended():
            yield from self._look_into(self._enough)
            size = SLICE if cases is None else min(SLICE, cases - self.state.cases)
            fresh = self._propose(size) if size > 0 else []
            if not fresh:
                yield from self._look_into(self._ended)
                break
            self._slice(iter(fresh))
            self._checkpoint()

    def _propose(self, size: int) -> list[Generated]:
        if self._source is not None:
            return list(itertools.islice(self._source(self.seed, self.state.next_index), size))
        return self._search.propose(self.state.next_index, size)

    def _checkpoint(self) -> None:
        self.state.seconds, self.state.waiting = self.seconds, len(self.left.waiting)
        if self.guided:
            self._search.trim()
            self.left.parents = self._search.parents
            self.left.young, self.left.old = sorted(self._novelty.young), sorted(self._novelty.old)

    def _enough(self) -> bool:
        """Whether it is the turn of new cases: time is short, and half of it is for them."""
        return self._ended() or (self._until is not None and self.state.looking_s > SHARE * self.seconds)

    def _look_into(self, enough: Callable[[], bool]) -> Iterator[Change]:
        """Look into what waits, until that is `enough`: first what has features that were looked into least."""
        self.doing = "looking into"
        while self.left.waiting and not enough():
            one = foremost(self.left.waiting, self.state.tries)
            self.left.waiting.remove(one)
            if not self._worth(one):
                continue
            for key in (one.kind, *one.keys):
                self.state.tries[key] = self.state.tries.get(key, 0) + 1
            began = time.monotonic()
            yield from self._into(one)
            self.state.looking_s += time.monotonic() - began
            if self._ended():  # in the middle of it, perhaps
                self.left.waiting.append(one)
            self._checkpoint()
            self.tell()
        self._checkpoint()
        self.doing = "running"

    def _worth(self, one: Parted) -> bool:
        limit = AGAIN if self._known(one) else FRESH
        return any(self.state.tries.get(key, 0) < limit for key in one.keys)

    def _known(self, one: Parted) -> list[Change]:
        """The changes that explain it."""
        return [
            change
            for change in self.changes
            if change.pair == one.pair and change.aspect == one.aspect and one.causes.issuperset(change.causes)
        ]

    def _slice(self, fresh: Iterator[Generated]) -> None:
        """Run some cases; that in which a pair parts, and which is worth it, waits from now on."""
        flying: deque[Generated] = deque()

        def jobs() -> Iterator[Job]:
            while not self._ended():
                generated = next(fresh, None)
                if generated is None:
                    return
                # What hangs may do so in many releases at once: whatever comes of it is confirmed with more time.
                job = job_for(generated.case, self.contestants, listing=True, hasty=True)
                flying.append(generated)
                yield job

        for trial in trials(self.pool, jobs()):
            generated = flying.popleft()
            self._count(generated, trial)
            if self.guided:
                self._search.learn(generated, self._novelty.worth(features(trial, STRONG)))
            self.tell()
            self._wait(generated, trial)

    def _count(self, generated: Generated, trial: Trial) -> None:
        self.state.cases += 1
        self.state.next_index = generated.index + 1
        count(self.answers, trial.observations)
        for one in trial.observations:
            row = self.state.statuses.setdefault(one.contestant, {})
            row[one.status] = row.get(one.status, 0) + 1
            self.state.retried += any(RETRIED in note for note in one.notes)

    def _wait(self, generated: Generated, trial: Trial) -> None:
        parted = [(pair, aspect) for pair in self.pairs for aspect in of_trial(trial, pair)]
        if not parted:
            return
        self.state.parted += 1
        packed, why = pack(generated), frozenset(causes(generated.case))
        for pair, aspect in parted:
            one = Parted(
                packed=packed,
                index=generated.index,
                features=generated.features,
                pair=pair,
                aspect=aspect,
                causes=why,
                cost_s=_cost_s(trial, pair),
            )
            for change in self._known(one):
                self.state.sightings[change.id] = self.state.sightings.get(change.id, 0) + 1
            if self._worth(one):
                self.left.waiting.append(one)
        if len(self.left.waiting) > QUEUE:
            self.left.waiting.sort(key=lambda one: _order(one, self.state.tries))
            self.state.left_out += len(self.left.waiting) - QUEUE
            del self.left.waiting[QUEUE:]

    def _into(self, one: Parted) -> Iterator[Change]:
        """Make one aspect of a case small, and yield the change when it is a new one."""
        generated, pair, aspect, cost_s = unpack(one.packed, Generated), one.pair, one.aspect, one.cost_s
        self.state.looked_into += 1
        until = time.monotonic() + PATIENCE_S
        width = max(1, min(WIDTH, int(self.pool.cells / max(cost_s, 1e-3))))
        budget = Budget(probes=PROBES, width=width, ended=lambda: self._ended() or time.monotonic() >= until)

        def probe(offers: Sequence[Case]) -> Sequence[bool]:
            jobs = (job_for(case, (pair.old, pair.new), listing=True, hasty=True) for case in offers)
            return [aspect in of_trial(trial, pair) for trial in trials(self.pool, jobs)]

        try:
            small = minimise(generated.case, probe, budget=budget)
        except NotInterestingError:
            yield from self._unsteady(generated, pair, cost_s)
            return
        (trial,) = trials(self.pool, (job_for(small.case, (pair.old, pair.new), listing=True),))
        if aspect not in of_trial(trial, pair):
            yield from self._unsteady(generated, pair, cost_s)
            return
        yield from self._new(generated, pair, aspect, small.case, trial, small.probes, complete=small.complete)

    def _unsteady(self, generated: Generated, pair: Pair, cost_s: float) -> Iterator[Change]:
        """What does not show again may be chance in one of the two: run the case several times to see in whom.

        Only where the other one does the same each time is it a change; there is nothing to minimise.
        """
        if cost_s > UNSTEADY_S:
            self.state.vanished += 1
            return
        jobs = [job_for(generated.case, (pair.old, pair.new))] * RUNS
        seen = list(trials(self.pool, jobs))
        several = [
            len({_essence(one_of(one.observations, name)) for one in seen}) > 1 for name in (pair.old, pair.new)
        ]
        if several[0] == several[1]:
            self.state.vanished += 1
            return
        words = tuple("differs from run to run" if yes else "" for yes in several)
        aspect = Aspect("steadiness", *words)
        yield from self._new(generated, pair, aspect, generated.case, seen[0], RUNS, complete=False)

    def _new(
        self,
        generated: Generated,
        pair: Pair,
        aspect: Aspect,
        case: Case,
        trial: Trial,
        probes: int,
        *,
        complete: bool,
    ) -> Iterator[Change]:
        why = causes(case)
        name = identity(pair, aspect, why)
        self.state.sightings[name] = self.state.sightings.get(name, 0) + 1
        if any(one.id == name for one in self.changes):
            return
        titled = msgspec.structs.replace(
            case, title=f"{pair.old} and {pair.new}: {aspect.facet}", why="; ".join(why)
        )
        change = Change(
            id=name,
            pair=pair,
            aspect=aspect,
            causes=why,
            case=dumps(titled),
            original=dumps(generated.case),
            index=generated.index,
            cases=self.state.cases,
            seconds=self.seconds,
            features=generated.features,
            probes=probes,
            complete=complete,
            observations=tuple(one_of(trial.observations, one) for one in (pair.old, pair.new)),
            whole=tuple(one_of(trial.whole, one) for one in (pair.old, pair.new)) if trial.whole else (),
        )
        self.changes.append(change)
        if self.guided:
            self._search.add(generated, FINDING_WORTH)
        yield change


def _essence(seen: Observation) -> tuple[object, ...]:
    """What must be the same each time. What a failed run leaves behind is a matter of when it failed."""
    return (kind_of(seen), tuple(left_of(seen)) if has_tree(seen) else (), seen.escapes)


def grouped(changes: Sequence[Change]) -> list[list[Change]]:
    """Changes of one cause together, the one with the fewest causes in front.

    Where all causes of one change are among those of another one of the same pair, the latter says the same with
    something more, which its aspect needed in order to be seen.
    """
    groups: list[list[Change]] = []
    for change in sorted(changes, key=lambda one: (len(one.causes), one.index)):
        for group in groups:
            head = group[0]
            if head.causes and head.pair == change.pair and set(head.causes) <= set(change.causes):
                group.append(change)
                break
        else:
            groups.append([change])
    return groups


def chain(names: Iterable[str]) -> tuple[Pair, ...]:
    """Each name with the one behind it."""
    return tuple(Pair(old, new) for old, new in itertools.pairwise(names))
