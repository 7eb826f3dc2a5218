"""The invariants: what every tar extractor owes its users, checked over the observations of one archive.

They stand in order of gravity. A finding is named after the gravest invariant that it breaks; a mere
disagreement (a time, a mode, one of two refuses) breaks none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

import msgspec

from ..archive.case import World
from ..contest.observation import Observation
from .facets import ROOT, clean, differences, has_tree
from .losses import MISSING, OTHER_SIZE, OTHER_TYPE, losses

STRICT = "extractor-strict"
COMPAT = "extractor-compat"

NO_SILENT_LOSS = "no-silent-loss"
"""The one invariant that takes a listing: who has not been asked for one has not been looked at."""

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


class Invariant(msgspec.Struct, frozen=True):
    """A promise with its number (1 is the gravest), its words, and the check that sees it broken."""

    rank: int
    name: str
    promise: str
    check: Callable[[Sequence[Observation], World], Iterator[Broken]]


Observations: TypeAlias = Sequence[Observation]


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
                NO_SILENT_LOSS,
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


INVARIANTS: tuple[Invariant, ...] = (
    Invariant(1, "contained", "No contestant touches anything outside its destination.", contained),
    Invariant(2, "alive", "No contestant crashes, hangs or runs over its limits.", alive),
    Invariant(
        3, "one-tree", "An archive that strict mode accepts has one meaning for all who accept it.", one_tree
    ),
    Invariant(
        4, "no-smuggling", "Two contestants that report success leave the same names and contents.", no_smuggling
    ),
    Invariant(6, NO_SILENT_LOSS, "Extracted means that every listed member is in the tree.", no_silent_loss),
    Invariant(7, "own-word", "Our extractor's report is complete, and strict is a subset of compat.", own_word),
)
"""In order of gravity. Number 5, arrival, needs two observations of one contestant: see `arrival`."""

ARRIVAL = "arrival"
RANKS: dict[str, int] = {invariant.name: invariant.rank for invariant in INVARIANTS} | {ARRIVAL: 5}
PROMISES: dict[str, str] = {invariant.name: invariant.promise for invariant in INVARIANTS} | {
    ARRIVAL: "However the bytes arrive, and whenever it runs, one contestant makes one tree of one archive."
}


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
    return Broken(ARRIVAL, (other.contestant,), evidence=evidence, facets=facets, paths=paths)


def broken_by(observations: Observations, world: World) -> tuple[Broken, ...]:
    """Every invariant that these observations of one archive break in this world, the gravest first."""
    return tuple(broken for invariant in INVARIANTS for broken in invariant.check(observations, world))
