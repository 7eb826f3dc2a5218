"""The scorecard: per contestant and topic how many `must` pass, what breaks `never`, which `may` it takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from ..judge.conformance import MUST
from .results import Made, Results


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """One contestant on one topic, or on all."""

    cases: int
    passed: int
    failed: int
    not_run: int
    must: int
    """Cases with one allowed outcome that were run."""
    must_passed: int
    never: dict[str, int]
    """What nobody may do, and on how many cases it did."""
    readings: dict[str, int]
    """Which of several allowed readings it takes, and how often."""

    @property
    def broken(self) -> int:
        """How often it did what nobody may."""
        return sum(self.never.values())


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """One contestant at one version."""

    contestant: str
    version: str
    family: str
    date: str
    total: Score
    topics: dict[str, Score]


def score(cases: Mapping[str, Made], must: Iterable[str]) -> Score:
    """Count over cases. `must` are the ids of those with one allowed outcome."""
    marks = Counter(made.mark for made in cases.values())
    strict = set(must)
    held = [made for name, made in cases.items() if name in strict and made.mark != "not-run"]
    return Score(
        cases=len(cases),
        passed=marks["pass"],
        failed=marks["fail"],
        not_run=marks["not-run"],
        must=len(held),
        must_passed=sum(made.mark == "pass" for made in held),
        never=dict(sorted(Counter(word for made in cases.values() for word in made.never).items())),
        readings=dict(
            sorted(Counter(made.reading for made in cases.values() if made.reading not in ("", MUST)).items())
        ),
    )


def card(results: Results, must: Iterable[str]) -> Card:
    """The card of one contestant."""
    strict = set(must)
    topics: dict[str, dict[str, Made]] = {}
    for name, made in sorted(results.cases.items()):
        topics.setdefault(name.partition("/")[0], {})[name] = made
    return Card(
        contestant=results.contestant,
        version=results.version,
        family=results.family,
        date=results.date,
        total=score(results.cases, strict),
        topics={topic: score(cases, strict) for topic, cases in topics.items()},
    )
