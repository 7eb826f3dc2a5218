"""The report as a record: what a store or a run holds, counted and in order. Pages and files are drawn from it.

Names and other bytes are text with `\\xNN` escapes here, as in everything that is printed.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from ..campaign.records import Kept, told
from ..generate.recipes import cases
from ..judge.invariants import INVARIANTS, NO_INVARIANT, invariant_of
from ..triage.explanation import Account

FORMAT = 1
"""The version of this record's form; it grows when a field changes its meaning or goes."""

SAMPLE = 1000
"""Cases of each seed that are drawn again to see how often generation uses a feature."""

POINTS = 200
"""Points of the rate that are kept at most."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What one contestant did with the minimised archive of a finding."""

    contestant: str
    version: str = ""
    family: str = ""
    status: str = ""
    error: str = ""
    error_class: str = ""

    @property
    def of(self) -> str:
        """Its family; its own name where it has none."""
        return self.family or self.contestant


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One thing on which two groups part."""

    facet: str
    path: str | None = None
    left: str = ""
    right: str = ""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Contestants that agree, and how they part from the first group."""

    label: str
    status: str
    contestants: tuple[str, ...]
    differences: tuple[Difference, ...] = ()


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """One invariant broken, by whom, against whom."""

    invariant: str
    contestants: tuple[str, ...]
    against: tuple[str, ...] = ()
    evidence: str = ""


class Parted(msgspec.Struct, frozen=True, kw_only=True):
    """Who stands where on the minimised archive."""

    groups: tuple[Group, ...] = ()
    broken: tuple[Broken, ...] = ()


class About(msgspec.Struct, frozen=True, kw_only=True):
    """The contestant, and the one it parts from, on which the case was minimised."""

    contestant: str
    against: str = ""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A finding as it was kept, without the trees."""

    id: str
    invariant: str
    rank: int
    split: tuple[str, ...]
    causes: tuple[str, ...]
    places: tuple[str, ...]
    target: About
    case: str
    complete: bool
    seed: int
    index: int
    features: tuple[str, ...]
    divergence: Parted
    observations: tuple[Said, ...]
    flaky: tuple[str, ...] = ()
    versions: dict[str, str] = {}
    replay: str = ""
    account: Account = Account(sentence="", reasons=())
    """What people are told; empty in the log of an older run."""

    @classmethod
    def of(cls, kept: Kept) -> Told:
        """What a report tells of a finding."""
        return msgspec.convert(told(kept), cls)

    @property
    def families(self) -> tuple[str, ...]:
        """The families that the finding is about."""
        return tuple(sorted({name for pair in self.pairs for name in pair}))

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Pairs of families that part; one that breaks a promise by itself is paired with itself."""
        family = {one.contestant: one.of for one in self.observations}
        found: set[tuple[str, str]] = set()
        for broken in self.divergence.broken:
            mine = sorted({family.get(name, name) for name in broken.contestants})
            theirs = sorted({family.get(name, name) for name in broken.against})
            found |= {_pair(one, other) for one in mine for other in theirs or [one]}
        if not self.divergence.broken:
            one, other = (family.get(name, name) for name in (self.target.contestant, self.target.against))
            found.add(_pair(one, other or one))
        return tuple(sorted(found))

    @property
    def promise(self) -> str:
        """The promise that is broken, in one sentence."""
        return invariant_of(self.invariant).promise

    @property
    def evidence(self) -> tuple[str, ...]:
        """What was seen, a line for each broken invariant; the differences where none is broken."""
        if self.divergence.broken:
            return tuple(
                f"{one.invariant}: {', '.join(one.contestants)}"
                + (f" against {', '.join(one.against)}" if one.against else "")
                + f": {one.evidence}"
                for one in self.divergence.broken
            )
        return self.split

    @property
    def headline(self) -> str:
        """The finding in a line."""
        return f"{self.invariant}: {'; '.join(self.causes or self.split[:1]) or 'an ordinary archive'}"


def _pair(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one <= other else (other, one)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A finding with what the project makes of it."""

    finding: Told
    status: str
    """What a person said of it: new, accepted, promoted, dismissed."""
    reason: str
    accepted_by: str
    """The entry of the ledger that covers it; empty: none."""
    fresh: bool
    """The latest run saw it, and no run before."""
    first_seen: str
    """When the first run that saw it began, ISO 8601 in UTC."""
    runs: int
    """How many runs saw it."""
    recipe: str
    """Path of the minimised case."""
    size: int
    """Bytes of the minimised case."""
    open: bool
    """A person should still look at it: its status is `new`, and the ledger does not cover it."""
    news: bool
    """It is open, and fresh or reopened by the latest run (a newer version does something else)."""
    asked: tuple[Group, ...] = ()
    """Who reads it how among all that were installed; empty: they were not asked."""

    @property
    def voices(self) -> int:
        """How many were asked."""
        return sum(len(group.contestants) for group in self.asked)

    @property
    def standing(self) -> str:
        """What became of it, in a few words."""
        if self.news:
            return self.reason or "new"
        if self.accepted_by:
            return f"accepted by the ledger: {self.accepted_by}"
        if self.open:
            return f"known since {self.first_seen}, and still open"
        return f"{self.status}: {self.reason}" if self.reason else self.status


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """One run: when, how long, on what, and what came of it."""

    number: int
    began: str
    path: str
    seed: int
    cases: int
    seconds: float
    findings: int
    """Findings that no earlier run had seen."""
    contestants: dict[str, str]
    environment: dict[str, str]
    uncompared: tuple[str, ...] = ()
    """Why it says nothing: too few answered, or not who was named; empty: enough did, or it is not recorded."""
    absent: tuple[str, ...] = ()
    """Lines on each contestant that left cases unanswered."""


class InvariantRow(msgspec.Struct, frozen=True, kw_only=True):
    """How many findings break an invariant: `news` since the last run, `open` to be looked at, `total` in all."""

    invariant: str
    rank: int
    promise: str
    news: int
    open: int
    total: int


class FeatureRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a feature of the generator pays."""

    feature: str
    findings: int
    """Findings whose generated case has it."""
    share: float
    """Share of the findings that have it."""
    drawn: float
    """Share of the generated cases that have it, in a sample."""
    pays: float | None
    """How many times as often it is in findings as in what is generated; None: it is not in the sample."""


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """How far all runs had come when they had so many findings."""

    run: int
    cases: int
    seconds: float
    findings: int


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    """Families by families: open findings in which the two part. On the diagonal: what one breaks by itself."""

    families: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All that is told of a store or a run."""

    format: int
    tarbiter: str
    """The version that made the report."""
    source: str
    """The store, or the run's directory."""
    ledger: str
    """The ledger that was asked; empty: none."""
    runs: tuple[RunRow, ...]
    statuses: dict[str, int]
    invariants: tuple[InvariantRow, ...]
    matrix: Matrix
    rate: tuple[Point, ...]
    features: tuple[FeatureRow, ...]
    stale: tuple[str, ...]
    """Entries of the ledger that no finding matches any more."""
    findings: tuple[Row, ...]
    """The gravest first, then the shortest."""
    damaged: tuple[str, ...] = ()
    """What could not be read, and so is not in here: which, what is wrong, and what to do."""

    @property
    def news(self) -> tuple[Row, ...]:
        """Open findings that the latest run was the first to see."""
        return tuple(row for row in self.findings if row.news)

    @property
    def cases(self) -> int:
        """Cases of all runs."""
        return sum(run.cases for run in self.runs)

    @property
    def seconds(self) -> float:
        """Wall time of all runs."""
        return sum(run.seconds for run in self.runs)


def invariant_rows(rows: Sequence[Row]) -> tuple[InvariantRow, ...]:
    """Findings by broken invariant, every invariant in order of gravity, also those that nobody broke."""
    found = []
    for invariant in (*INVARIANTS, NO_INVARIANT):
        mine = [row for row in rows if row.finding.invariant == invariant.name]
        found.append(
            InvariantRow(
                invariant=invariant.name,
                rank=invariant.rank,
                promise=invariant.promise,
                news=sum(row.news for row in mine),
                open=sum(row.open for row in mine),
                total=len(mine),
            )
        )
    return tuple(found)


def matrix(rows: Iterable[Row]) -> Matrix:
    """Who parts from whom, over the open findings."""
    counts: Counter[tuple[str, str]] = Counter()
    for row in rows:
        if row.open:
            counts.update(row.finding.pairs)
    names = tuple(sorted({name for pair in counts for name in pair}))
    return Matrix(
        families=names, counts=tuple(tuple(counts[_pair(one, other)] for other in names) for one in names)
    )


def rate(rows: Iterable[Row], runs: Sequence[RunRow], first_run: dict[str, int]) -> tuple[Point, ...]:
    """How the findings grew with the cases, a point for each finding and each end of a run, thinned to `POINTS`.

    A finding is placed at its case: `seconds` is the same share of its run's time as its case is of the cases.
    """
    points = [Point(run=runs[0].number if runs else 0, cases=0, seconds=0.0, findings=0)]
    cases_before, seconds_before, count = 0, 0.0, 0
    by_run: dict[int, list[int]] = {}
    for row in rows:
        by_run.setdefault(first_run[row.finding.id], []).append(row.finding.index)
    for run in runs:
        for index in sorted(by_run.get(run.number, ())):
            count += 1
            done = min(index + 1, run.cases) if run.cases else 0
            points.append(
                Point(
                    run=run.number,
                    cases=cases_before + done,
                    seconds=round(seconds_before + run.seconds * (done / run.cases if run.cases else 0), 3),
                    findings=count,
                )
            )
        cases_before += run.cases
        seconds_before += run.seconds
        points.append(Point(run=run.number, cases=cases_before, seconds=round(seconds_before, 3), findings=count))
    step = max(1, len(points) // POINTS)
    kept = points[::step]
    return tuple(kept if kept[-1] == points[-1] else [*kept, points[-1]])


def feature_rows(rows: Sequence[Row], seeds: Iterable[int]) -> tuple[FeatureRow, ...]:
    """Which features pay, those with the most findings first. Cases of the seeds are drawn again to compare."""
    drawn: Counter[str] = Counter()
    sampled = 0
    for seed in sorted(set(seeds)):
        for generated in itertools.islice(cases(seed), SAMPLE):
            drawn.update(set(generated.features))
            sampled += 1
    found = Counter(name for row in rows for name in set(row.finding.features))
    table = []
    for name in sorted(set(found) | set(drawn), key=lambda name: (-found[name], name)):
        share = found[name] / len(rows) if rows else 0.0
        often = drawn[name] / sampled if sampled else 0.0
        table.append(
            FeatureRow(
                feature=name,
                findings=found[name],
                share=round(share, 4),
                drawn=round(often, 4),
                pays=round(share / often, 2) if often else None,
            )
        )
    return tuple(table)
