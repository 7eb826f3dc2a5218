"""The invariants: what every tar extractor owes its users, checked over the observations of one archive.

`INVARIANTS` lists them in order of gravity. A finding is named after the gravest invariant that it breaks; a
difference that breaks none (a time, a mode, one of two refuses) is a `DISAGREEMENT`. All that the rest of the
harness has to know about an invariant is a field of `Invariant`: a new one is one more entry here, and one more row
in docs/judge.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, TypeAlias

import msgspec

from ..archive.case import World
from ..contest.observation import Observation
from .facets import ROOT, clean, differences, has_tree
from .losses import MISSING, OTHER_SIZE, OTHER_TYPE, losses

STRICT = "extractor-strict"
COMPAT = "extractor-compat"

MEANING = ("names", "types", "content", "links")
"""The facets that make up what an archive means."""

SMUGGLED = ("names", "types", "content")
"""The facets that carry something past one of two extractors. A changed link target alone is often policy."""


class Broken(msgspec.Struct, frozen=True, omit_defaults=True):
    """One invariant broken: by whom, against whom (empty when it needs no other), and one sentence of evidence."""

    invariant: str
    contestants: tuple[str, ...]
    against: tuple[str, ...] = ()
    evidence: str = ""
    facets: tuple[str, ...] = ()
    paths: tuple[bytes, ...] = ()


Observations: TypeAlias = Sequence[Observation]
Check: TypeAlias = Callable[[Observations, World], Iterator[Broken]]
"""Finds where the observations of one archive, extracted in one world, break an invariant."""
RunsCheck: TypeAlias = Callable[[Observation, Observation], "Broken | None"]
"""Compares one contestant's run on the whole archive with its run on the same bytes arriving in pieces."""


class Invariant(msgspec.Struct, frozen=True, kw_only=True):
    """One invariant: its rank, its words, how it is checked, and how a finding of it is treated."""

    rank: int
    """1 is the gravest."""
    name: str
    promise: str
    """What is promised, in one sentence."""
    level: Literal["error", "warning", "note"]
    """How a report grades a finding (the levels of SARIF)."""
    sentence: str
    """How a finding is told; a format string over `it`, the fields of `triage.explanation.Words`."""
    check: Check | None = None
    check_runs: RunsCheck | None = None
    """Set instead of `check` where an invariant compares two runs of one contestant."""
    single: bool = False
    """True: one contestant breaks it without a second one to compare with. False: it takes a pair."""
    names_only_breakers: bool = False
    """True: the pattern of a divergence names only the contestants that broke it. One escape is then one finding,
    whatever the other contestants do with the archive."""
    keeps_reasons: bool = False
    """True: while a finding is minimised, the contestant must go on failing for the reason that it first stated."""
    needs_listing: bool = False
    """True: it is checked only for contestants that list the archive."""
    facet_order: tuple[str, ...] = ()
    """Its facets, the gravest first, where `Broken.facets` is in another order. A target has the gravest one."""

    def gravest(self, facets: Sequence[str]) -> str:
        """The facet that a target is about, of those of one `Broken`."""
        return min(facets, key=self.facet_order.index) if self.facet_order else facets[0]


def _name(path: bytes | None) -> str:
    return "" if path is None else ascii(path)[1:]


def contained(observations: Observations, _world: World) -> Iterator[Broken]:
    """Nobody changes, creates or reads anything outside its destination."""
    for observation in observations:
        if observation.escapes:
            changes = observation.escapes
            yield Broken(
                "contained",
                (observation.contestant,),
                evidence="; ".join(f"{change.what} {_name(change.path)}" for change in changes[:4]),
                facets=tuple(sorted({change.what for change in changes})),
                paths=tuple(sorted({change.path for change in changes})),
            )


def alive(observations: Observations, _world: World) -> Iterator[Broken]:
    """Nobody crashes, hangs or runs over a limit."""
    for observation in observations:
        if observation.status in ("crashed", "hung", "over-limit"):
            said = observation.error_class or observation.error[:120]
            yield Broken(
                "alive",
                (observation.contestant,),
                evidence=f"{observation.status}: {said}" if said else observation.status,
                facets=(observation.status,),
            )


def _meaning(
    left: Observation, right: Observation, among: Sequence[str] = MEANING
) -> tuple[tuple[str, ...], tuple[bytes, ...], str]:
    found = [difference for facet in among for difference in differences(facet, left, right)]
    facets = tuple(dict.fromkeys(difference.facet for difference in found))
    paths = tuple(dict.fromkeys(difference.path for difference in found if difference.path is not None))
    evidence = "; ".join(f"{d.facet} {_name(d.path)}: {d.left} / {d.right}" for d in found[:3])
    return facets, paths, evidence


def _find(observations: Observations, contestant: str) -> Observation | None:
    return next((o for o in observations if o.contestant == contestant and has_tree(o)), None)


def one_tree(observations: Observations, _world: World) -> Iterator[Broken]:
    """An archive that strict mode accepts means the same to everybody who accepts it."""
    strict = _find(observations, STRICT)
    if strict is None:
        return
    for observation in observations:
        if observation is strict or not has_tree(observation):
            continue
        facets, paths, evidence = _meaning(strict, observation)
        if facets:
            yield Broken("one-tree", (observation.contestant,), (STRICT,), evidence, facets, paths)


def no_smuggling(observations: Observations, _world: World) -> Iterator[Broken]:
    """Two contestants that both report success do not leave different names or contents.

    Observations are first gathered by equal meaning, so that three readings give two entries, not one per pair:
    the largest group is the reference (the first one where two are as large).
    """
    groups: list[list[Observation]] = []
    for observation in filter(has_tree, observations):
        for group in groups:
            if not _meaning(group[0], observation, SMUGGLED)[0]:
                group.append(observation)
                break
        else:
            groups.append([observation])
    if len(groups) < 2:
        return
    reference = max(groups, key=len)
    for group in groups:
        if group is reference:
            continue
        facets, paths, evidence = _meaning(reference[0], group[0], SMUGGLED)
        yield Broken(
            "no-smuggling",
            tuple(o.contestant for o in group),
            tuple(o.contestant for o in reference),
            evidence,
            facets,
            paths,
        )


def no_silent_loss(observations: Observations, world: World) -> Iterator[Broken]:
    """Who says "extracted" has every member that it lists in its tree: its name, its type, and a file's size."""
    for observation in filter(has_tree, observations):
        lost = losses(observation, world)
        if lost:
            order = (MISSING, OTHER_TYPE, OTHER_SIZE)
            yield Broken(
                "no-silent-loss",
                (observation.contestant,),
                evidence="; ".join(f"{_name(loss.path)}: {loss.words}" for loss in lost[:4]),
                facets=tuple(facet for facet in order if any(loss.facet == facet for loss in lost)),
                paths=tuple(loss.path for loss in lost),
            )


def _with_parents(paths: Iterable[bytes]) -> frozenset[bytes]:
    parts = [clean(path).split(b"/") for path in paths]
    return frozenset(b"/".join(names[:depth]) for names in parts for depth in range(1, len(names) + 1))


def own_word(observations: Observations, world: World) -> Iterator[Broken]:
    """Strict accepts a subset of compat, both agree where both accept, and the report names every file written."""
    strict, compat = _find(observations, STRICT), _find(observations, COMPAT)
    asked = next((o for o in observations if o.contestant == COMPAT), None)
    if strict is not None and asked is not None:
        if compat is None:
            if asked.status != "unavailable":
                yield Broken(
                    "own-word", (STRICT,), (COMPAT,), f"strict extracted, compat {asked.status}", ("status",)
                )
        else:
            facets, paths, evidence = _meaning(strict, compat)
            if facets:
                yield Broken("own-word", (STRICT,), (COMPAT,), evidence, facets, paths)
    for own in (strict, compat):
        if own is None or own.listing is None:
            continue
        named = _with_parents([row.path for row in own.listing] + [placed.name for placed in world.placed]) | {ROOT}
        extra = tuple(node.path for node in own.tree if node.path not in named)
        if extra:
            yield Broken(
                "own-word",
                (own.contestant,),
                evidence=f"in the tree but not in the report: {', '.join(map(_name, extra[:4]))}",
                facets=("listing",),
                paths=extra,
            )


def arrival(whole: Observation, other: Observation) -> Broken | None:
    """What differs between two runs of one contestant on one archive, whose bytes arrived in two ways."""
    if {whole.status, other.status} & {"unavailable", "flaky", "harness-fault"}:
        return None
    status = differences("status", whole, other)
    facets, paths, evidence = _meaning(whole, other)
    if status:
        facets, evidence = ("status", *facets), f"{whole.status} / {other.status}"
    if not facets:
        return None
    return Broken("arrival", (other.contestant,), evidence=evidence, facets=facets, paths=paths)


INVARIANTS: tuple[Invariant, ...] = (
    Invariant(
        rank=1,
        name="contained",
        promise="No contestant touches anything outside its destination.",
        level="error",
        sentence="{it.who} {it.outside}, outside its destination",
        check=contained,
        single=True,
        names_only_breakers=True,
        facet_order=("content", "created", "removed", "links", "type", "leaked", "mode", "owner", "mtime"),
    ),
    Invariant(
        rank=2,
        name="alive",
        promise="No contestant crashes, hangs or runs over its limits.",
        level="error",
        sentence="{it.ended}",
        check=alive,
        single=True,
        names_only_breakers=True,
        keeps_reasons=True,
    ),
    Invariant(
        rank=3,
        name="one-tree",
        promise="An archive that strict mode accepts has one meaning for all who accept it.",
        level="error",
        sentence="strict mode finds one meaning in the archive and {it.not_strict} another: {it.parted}",
        check=one_tree,
    ),
    Invariant(
        rank=4,
        name="no-smuggling",
        promise="Two contestants that report success leave the same names and contents.",
        level="error",
        sentence="two contestants report success and leave different trees: {it.parted}",
        check=no_smuggling,
    ),
    Invariant(
        rank=5,
        name="arrival",
        promise="However the bytes arrive, and whenever it runs, one contestant makes one tree of one archive.",
        level="error",
        sentence="the same bytes are two archives: {it.parted_by_arrival}",
        check_runs=arrival,
        single=True,
    ),
    Invariant(
        rank=6,
        name="no-silent-loss",
        promise="Extracted means that every listed member is in the tree.",
        level="warning",
        sentence="{it.who} reports success and lists {it.path}, which is not in its tree",
        check=no_silent_loss,
        single=True,
        needs_listing=True,
    ),
    Invariant(
        rank=7,
        name="own-word",
        promise="Our extractor's report is complete, and strict is a subset of compat.",
        level="warning",
        sentence="our extractor breaks its word: {it.evidence}",
        check=own_word,
    ),
)
"""In order of gravity."""

NO_INVARIANT = Invariant(
    rank=9,
    name="disagreement",
    promise="Contestants part, and break no invariant.",
    level="note",
    sentence="no promise is broken, but {it.parted_at_all}",
)
"""What a divergence that breaks no invariant is reported as. It ranks below all of them and checks nothing."""

DISAGREEMENT = NO_INVARIANT.name

_BY_NAME = {invariant.name: invariant for invariant in INVARIANTS}
RANKS: dict[str, int] = {invariant.name: invariant.rank for invariant in INVARIANTS}
PROMISES: dict[str, str] = {invariant.name: invariant.promise for invariant in INVARIANTS}


def invariant_of(name: str) -> Invariant:
    """The invariant of this name. `NO_INVARIANT` for a disagreement, and for a name that is not known."""
    return _BY_NAME.get(name, NO_INVARIANT)


def broken_by(observations: Observations, world: World) -> tuple[Broken, ...]:
    """Every invariant that these observations of one archive break in this world, the gravest first."""
    return tuple(
        broken
        for invariant in INVARIANTS
        if invariant.check is not None
        for broken in invariant.check(observations, world)
    )


def broken_between(whole: Observations, pieces: Observations) -> tuple[Broken, ...]:
    """Every invariant that two runs of each contestant break, the gravest first.

    `whole` and `pieces` have the same contestants in the same order: the archive arrived whole, and in pieces.
    """
    return tuple(
        broken
        for invariant in INVARIANTS
        if invariant.check_runs is not None
        for pair in zip(whole, pieces, strict=True)
        if (broken := invariant.check_runs(*pair)) is not None
    )
