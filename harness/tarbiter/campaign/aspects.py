"""Aspects: each way in which two releases part on one archive, with its direction.

"Extracted before, refused now, and with which words" is another aspect than "other names", and both may be in one
case: each is minimised on its own (`versus`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from ..contest.observation import Observation
from ..contest.pool import SUSPECT
from ..judge.compare import NOT_COMPARED
from ..judge.facets import STRONG, WEAK, differences, has_tree
from ..judge.invariants import arrival
from ..judge.wording import said
from ..triage.trial import Trial

RETRIED = "run twice"
"""How the pool's note begins that says so."""

FAILED = "refused"
"""`refused` and `partial` are one: how much was written before an error is another matter."""

LEFT = "left behind"
"""The aspect of two that both fail and leave other things in the destination."""

MORE = "more"
"""Of the aspect `names`: it makes names that the other one does not."""

TREE = tuple(name for name in (*STRONG, *WEAK) if name not in ("status", "escapes"))
"""The facets in which two trees can part, the gravest first."""


class Aspect(msgspec.Struct, frozen=True, order=True):
    """One way in which two observations part. `old` and `new`: what each did, where the facet has words for it."""

    facet: str
    old: str = ""
    new: str = ""


class Pair(msgspec.Struct, frozen=True):
    """Two contestants by name: `new` is asked what it does otherwise than `old`."""

    old: str
    new: str


def _outcome(seen: Observation) -> str:
    if seen.status == "extracted":
        return "extracted"
    words = said(seen.error) or said(seen.error_class)
    kind = kind_of(seen)
    return f"{kind}: {words}" if words else kind


def kind_of(seen: Observation) -> str:
    """Its status; `refused` and `partial` are one."""
    return FAILED if seen.status in ("refused", "partial") else seen.status


def aspects(old: Observation, new: Observation) -> tuple[Aspect, ...]:
    """Every way in which two observations of one archive part, the gravest first. Empty where they agree.

    Trees are compared where both extracted the archive; where both failed, as `left behind`.
    """
    if any(one.status in NOT_COMPARED or _slow(one) for one in (old, new)):
        return ()
    found = []
    before, after = ({change.what for change in one.escapes} for one in (old, new))
    found += [Aspect("escapes", what, "") for what in sorted(before - after)]
    found += [Aspect("escapes", "", what) for what in sorted(after - before)]
    if kind_of(old) != kind_of(new):
        found.append(Aspect("status", _outcome(old), _outcome(new)))
    elif has_tree(old) and has_tree(new):
        found += [_in_trees(facet, old, new) for facet in TREE if differences(facet, old, new)]
        found += [Aspect("listing", word, word) for word in _told(old, new)]
    elif kind_of(old) == FAILED and left_of(old) != left_of(new):
        found.append(Aspect(LEFT))
    return tuple(found)


def _in_trees(facet: str, old: Observation, new: Observation) -> Aspect:
    """A facet in which two trees part. Names too many are another aspect than names that are missing."""
    if facet != "names":
        return Aspect(facet)
    before, after = ({node.path for node in seen.tree} for seen in (old, new))
    return Aspect(facet, MORE if before - after else "", MORE if after - before else "")


def _told(old: Observation, new: Observation) -> list[str]:
    """Which words of the listings part on the same members: two versions of one library have the same words."""
    before, after = old.listing or (), new.listing or ()
    if [row.path for row in before] != [row.path for row in after]:
        return []  # told by the facet "listing" already
    words = [
        {re.split(r"\W", field)[0] for field in set(_fields(one.detail)) ^ set(_fields(other.detail))}
        for one, other in zip(before, after, strict=True)
        if one.detail and other.detail
    ]
    sizes = ((one.size, other.size) for one, other in zip(before, after, strict=True))
    if any(one != other and None not in (one, other) for one, other in sizes):
        words.append({"size"})
    return sorted(set().union(*words))


def _fields(detail: str) -> list[str]:
    return [field.strip(' "{}') for field in detail.split(",")]


def _slow(seen: Observation) -> bool:
    """Whether a contestant answered only when it was given more time: then the clock decides what it does."""
    return seen.status not in SUSPECT and any(RETRIED in note for note in seen.notes)


def left_of(seen: Observation) -> list[tuple[bytes, str, bytes | None, bytes | None]]:
    """What is in the destination: paths, types, contents, targets."""
    return [(node.path, node.type, node.data or node.digest, node.link) for node in seen.tree]


def of_trial(trial: Trial, pair: Pair) -> tuple[Aspect, ...]:
    """The aspects of a pair in a trial, arrival included: whether the way the bytes came matters to one only."""
    old, new = (one_of(trial.observations, name) for name in (pair.old, pair.new))
    found = aspects(old, new)
    if trial.whole:
        late = [
            arrival(one_of(trial.whole, name), one_of(trial.observations, name)) for name in (pair.old, pair.new)
        ]
        if (late[0] is None) != (late[1] is None):
            told = ["+".join(one.facets) if one is not None else "" for one in late]
            found = (Aspect("arrival", *told), *found)
    return found


def one_of(observations: Sequence[Observation], name: str) -> Observation:
    """The observation of one contestant."""
    return next(one for one in observations if one.contestant == name)
