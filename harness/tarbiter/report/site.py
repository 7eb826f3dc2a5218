"""The scorecard as pages that one can share: an index, a page for each case, contestant and pair of versions.

index.html                       contestants by topics
case/TOPIC/NAME.html             who makes what of one case, its bytes annotated
contestant/NAME/VERSION.html     one contestant, topic by topic, with every failure
diff/NAME/OLD..NEW.html          what changed between two versions of one contestant
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

import msgspec

from ..archive.case import Case
from ..archive.expect import REFUSE, Entry, Outcome
from ..archive.text import dumps, escape
from ..corpus.checking import name_of
from ..corpus.results import Made, Results, parted, path_of
from ..corpus.scorecard import Card, card
from ..corpus.shelf import Shelved
from ..judge.conformance import MUST
from ..judge.wording import plain
from . import pages
from .comparison import RECIPE, Block, anatomy

ROWS = 120
"""Fields of one part that are shown: one sparse map may have a million."""

TONES = {"pass": "good", "fail": "bad", "not-run": ""}


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """Contestants that made the same of one case."""

    made: Made
    who: tuple[tuple[str, str, str], ...]
    """Contestant, version, and the address of its page."""


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """All that the pages are drawn from."""

    results: tuple[Results, ...]
    cards: tuple[Card, ...]
    cases: dict[str, Shelved]


def site(results: Sequence[Results], shelved: Iterable[Shelved]) -> Site:
    """Results of contestants on cases, in the order that is given."""
    cases = {name_of(one.path): one for one in shelved}
    strict = [name for name, one in cases.items() if one.case.expect.must is not None]
    return Site(
        results=tuple(results), cards=tuple(card(one, strict) for one in results), cases=dict(sorted(cases.items()))
    )


def contestant_page(contestant: str, version: str) -> str:
    """The address of a contestant's page, from the root."""
    return path_of("contestant", contestant, version).removesuffix(".json") + ".html"


def diff_page(old: Results, new: Results) -> str:
    """The address of the page about two versions, from the root."""
    one, other = (
        os.path.basename(path_of("", each.contestant, each.version)).removesuffix(".json") for each in (old, new)
    )
    return f"{os.path.dirname(path_of('diff', new.contestant, new.version))}/{one}..{other}.html"


def case_page(name: str) -> str:
    """The address of a case's page, from the root."""
    return f"case/{name}.html"


def pairs(results: Sequence[Results]) -> Iterator[tuple[Results, Results]]:
    """Neighbouring versions of one contestant, older one first, in the order in which they are given."""
    by_base: dict[str, list[Results]] = {}
    for one in results:
        by_base.setdefault(one.contestant.partition("@")[0], []).append(one)
    for versions in by_base.values():
        yield from pairwise(versions)


def _entry(entry: Entry) -> str:
    words = [entry.type, escape(entry.name)]
    if entry.data is not None:
        words.append(f'"{escape(entry.data[:64])}"' + ("..." if len(entry.data) > 64 else ""))
    if entry.link is not None:
        words.append(f'-> "{escape(entry.link)}"')
    if entry.same is not None:
        words.append(f"the same inode as {escape(entry.same)}")
    return " ".join(words)


def _outcome(outcome: Outcome) -> tuple[str, ...]:
    if outcome == REFUSE:
        return ("refused, with an error",)
    assert isinstance(outcome, tuple)
    return tuple(map(_entry, outcome)) or ("an empty tree",)


def _expected(case: Case) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """Name, ground and lines of each outcome that is allowed."""
    if case.expect.must is not None:
        return ((MUST, "the documents leave one reading", _outcome(case.expect.must)),)
    return tuple((one.name, plain(one.why), _outcome(one.tree)) for one in case.expect.may)


def _taken(whole: Site, name: str) -> tuple[Taken, ...]:
    """Who made what of a case, what most made first."""
    groups: dict[bytes, list[Results]] = {}
    for one in whole.results:
        if name in one.cases:
            # Wording aside, the same outcome is the same row.
            key = msgspec.json.encode(msgspec.structs.replace(one.cases[name], detail=()))
            groups.setdefault(key, []).append(one)
    return tuple(
        Taken(
            made=group[0].cases[name],
            who=tuple(
                (each.contestant, each.version, contestant_page(each.contestant, each.version)) for each in group
            ),
        )
        for group in sorted(groups.values(), key=lambda group: -len(group))
    )


def render(whole: Site, made_with: dict[str, str]) -> dict[str, bytes]:
    """Every page by its address from the root."""
    shared = {"tones": TONES, "case_page": case_page, "contestant_page": contestant_page}
    topics = sorted({name.partition("/")[0] for name in whole.cases})
    apart = [(old, new, diff_page(old, new)) for old, new in pairs(whole.results)]
    made: dict[str, str] = {
        "index.html": pages.render(
            "scorecard.html.j2",
            made_with,
            up="",
            cards=whole.cards,
            topics=topics,
            cases=whole.cases,
            diffs=apart,
            counts={topic: sum(name.startswith(f"{topic}/") for name in whole.cases) for topic in topics},
            **shared,
        )
    }
    for name, shelved in whole.cases.items():
        blocks, more = anatomy(shelved.case.recipe)
        parts, fields = _cut(blocks)
        recipe = dumps(shelved.case)
        made[case_page(name)] = pages.render(
            "scorecard-case.html.j2",
            made_with,
            up="../" * (name.count("/") + 1),
            name=name,
            case=shelved.case,
            expected=_expected(shelved.case),
            absent=tuple(map(escape, shelved.case.expect.absent)),
            taken=_taken(whole, name),
            parts_of=parts,
            more=more,
            more_fields=fields,
            recipe=recipe[:RECIPE],
            cut=len(recipe) > RECIPE,
            **shared,
        )
    for one, its_card in zip(whole.results, whole.cards, strict=True):
        made[contestant_page(one.contestant, one.version)] = pages.render(
            "scorecard-contestant.html.j2",
            made_with,
            up="../../",
            card=its_card,
            made=_by_topic(one.cases),
            cases=whole.cases,
            diffs=[
                (old, new, path)
                for old, new, path in apart
                if one.version in (old.version, new.version) and one.contestant in (old.contestant, new.contestant)
            ],
            **shared,
        )
    for old, new, path in apart:
        both = [name for name in old.cases if name in new.cases]
        made[path] = pages.render(
            "scorecard-diff.html.j2",
            made_with,
            up="../../",
            old=old,
            new=new,
            both=len(both),
            rows=[
                (name, words)
                for name in both
                if old.cases[name].archive == new.cases[name].archive
                and (words := parted(old.cases[name], new.cases[name]))
            ],
            **shared,
        )
    return {path: page.encode() for path, page in made.items()}


def _cut(parts: Iterable[Block]) -> tuple[tuple[Block, ...], int]:
    """The parts with at most `ROWS` fields each, and how many fields are not shown."""
    whole = list(parts)
    kept = tuple(
        msgspec.structs.replace(one, bar=one.bar[:ROWS], rows=one.rows[:ROWS], plain=one.plain[:ROWS])
        for one in whole
    )
    return kept, sum(max(0, len(one.rows) - ROWS) + max(0, len(one.plain) - ROWS) for one in whole)


def _by_topic(cases: Mapping[str, Made]) -> dict[str, dict[str, Made]]:
    found: dict[str, dict[str, Made]] = {}
    for name, made in cases.items():
        found.setdefault(name.partition("/")[0], {})[name] = made
    return found
