"""Conformance: what one contestant made of one case, held against what the case expects.

    verdict(case, observation)                      the case arrived whole, or there was nothing to compare with
    verdict(case, observation, whole=another)       the same contestant, the same case, all bytes at once

A pure function of its arguments. What could not be run is `not-run` with the reason, never a failure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import msgspec

from ..archive.case import WHOLE, Case
from ..archive.expect import NEVER, REFUSE, Entry, Outcome
from ..contest.observation import SMALL, TOO_DEEP, Node, Observation
from .compare import NOT_COMPARED
from .facets import clean
from .invariants import arrival, no_silent_loss
from .wording import telling

Mark: TypeAlias = Literal["pass", "fail", "not-run"]

MUST = "must"
"""What the one reading is called where a case leaves no choice."""

NOT_APPLIED = "the schedule was not applied"
"""How the note of a contestant begins to which the bytes did not come as the case says."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one contestant made of one case.

    `mark` is "fail" when something is broken that nobody may ever do, or when the outcome is none of those that
    the case allows.
    """

    case: str
    contestant: str
    version: str = ""
    mark: Mark
    reading: str = ""
    """`must`, or the name of the reading it takes; empty: none, or the case has no opinion."""
    never: tuple[str, ...] = ()
    """What it broke of `NEVER`, the gravest first."""
    detail: tuple[str, ...] = ()
    """fail: what is not as it should be, at most `LIMIT`; not-run: the reason."""


LIMIT = 8
"""Details told of one verdict."""

DIGEST_SIZE = 16
"""BLAKE2b-128, as in `Node.digest`."""


def _name(path: bytes) -> str:
    return ascii(path)[1:]


def _content(entry: Entry, node: Node) -> Iterator[str]:
    data = entry.data
    assert data is not None
    if node.size != len(data):
        yield f"{_name(entry.name)} has {node.size} bytes, not {len(data)}"
    elif node.data is not None:
        if node.data != data:
            yield f"{_name(entry.name)} has other bytes"
    elif len(data) > SMALL and node.digest != hashlib.blake2b(data, digest_size=DIGEST_SIZE).digest():
        yield f"{_name(entry.name)} has other bytes"


def _entry(entry: Entry, nodes: dict[bytes, Node]) -> Iterator[str]:
    node = nodes[entry.name]
    if node.type != entry.type:
        yield f"{_name(entry.name)} is a {node.type}, not a {entry.type}"
        return
    if entry.data is not None:
        yield from _content(entry, node)
    if entry.link is not None and node.link != entry.link:
        yield f"{_name(entry.name)} leads to {_name(node.link or b'')}, not {_name(entry.link)}"
    if entry.same is not None:
        other = nodes.get(entry.same)
        if not node.group or other is None or other.group != node.group:
            yield f"{_name(entry.name)} is not linked to {_name(entry.same)}"
    if entry.mode is not None and node.mode != entry.mode:
        yield f"{_name(entry.name)} has mode {node.mode:04o}, not {entry.mode:04o}"
    if entry.mtime is not None:
        seen = None if node.mtime_ns is None else node.mtime_ns // 1_000_000_000
        if seen != entry.mtime:
            yield f"{_name(entry.name)} has the time {'now' if seen is None else seen}, not {entry.mtime}"


def _parents(tree: Sequence[Entry]) -> set[bytes]:
    parts = [entry.name.split(b"/") for entry in tree]
    return {b"/".join(names[:depth]) for names in parts for depth in range(1, len(names))}


def tree_differences(tree: Sequence[Entry], observed: Sequence[Node]) -> Iterator[str]:
    """What is not as `tree` says, in words. Directories above its entries are part of it."""
    nodes = {node.path: node for node in observed}
    named = {entry.name for entry in tree}
    implied = _parents(tree) - named
    for path in sorted((named | implied) - nodes.keys()):
        yield f"{_name(path)} is missing"
    for path in sorted(nodes.keys() - named - implied - {b"."}):
        yield f"{_name(path)} should not be there"
    for path in sorted(implied & nodes.keys()):
        if nodes[path].type != "dir":
            yield f"{_name(path)} is a {nodes[path].type}, not a directory"
    for entry in tree:
        if entry.name in nodes:
            yield from _entry(entry, nodes)


def outcome_differences(outcome: Outcome, observation: Observation) -> Iterator[str]:
    """What keeps this observation from being that outcome, in words; nothing: it is."""
    refused = observation.status in ("refused", "partial")
    if outcome == REFUSE:
        if not refused:
            names = sorted({node.path for node in observation.tree} - {b"."})
            made = f", and made {', '.join(map(_name, names[:4]))}" if names else ""
            yield f"{observation.status} instead of a refusal{made}"
    elif observation.status != "extracted":
        said = telling(observation.error) or observation.error_class
        yield f"{observation.status}: {said[:160]}" if said else observation.status
    else:
        assert isinstance(outcome, tuple)
        yield from tree_differences(outcome, observation.tree)


def _outcomes(case: Case) -> tuple[tuple[str, Outcome], ...]:
    if case.expect.must is not None:
        return ((MUST, case.expect.must),)
    return tuple((reading.name, reading.tree) for reading in case.expect.may)


def _lost(case: Case, observation: Observation) -> bool:
    """Whether success is reported without a name that is in every tree that the case allows, or that it lists.

    Not asked where the outcome is one of those allowed: listings name members as they are stored.
    """
    if observation.status != "extracted":
        return False
    trees = [{entry.name for entry in outcome} for _, outcome in _outcomes(case) if isinstance(outcome, tuple)]
    there = {node.path for node in observation.tree}
    needed = set.intersection(*trees) if trees else set()
    return bool(needed - there) or any(no_silent_loss([observation], case.world))


_STATUSES = {"crashed": "crash", "hung": "hang", "over-limit": "over-limit"}


def _broken(case: Case, observation: Observation, whole: Observation | None, *, met: bool) -> Iterator[str]:
    if observation.escapes:
        yield "escape"
    if observation.status in _STATUSES:
        yield _STATUSES[observation.status]
    there = {node.path for node in observation.tree}
    if there & {clean(name) for name in case.expect.absent}:
        yield "smuggled"
    if not met and _lost(case, observation):
        yield "silent-loss"
    if whole is not None and arrival(whole, observation) is not None:
        yield "arrival"


def _words(case: Case, observation: Observation, code: str) -> str:
    more = ""
    if code == "escape":
        more = ": " + "; ".join(f"{change.what} {_name(change.path)}" for change in observation.escapes[:4])
    if code == "smuggled":
        there = {node.path for node in observation.tree}
        more = ": " + ", ".join(_name(name) for name in case.expect.absent if clean(name) in there)
    if code in _STATUSES.values() and observation.error_class:
        more = f": {observation.error_class}"
    return f"{code}{more}"


def _not_run(case: Case, observation: Observation) -> str:
    """Why this observation says nothing of the case; empty: it does."""
    if observation.status in NOT_COMPARED and observation.status != "flaky":
        return f"{observation.status}: {observation.error}" if observation.error else observation.status
    deep = next((note for note in observation.notes if TOO_DEEP in note), "")
    if deep and observation.status == "extracted":
        return deep
    if case.schedule != WHOLE:
        return next((note for note in observation.notes if note.startswith(NOT_APPLIED)), "")
    return ""


def verdict(case: Case, observation: Observation, *, whole: Observation | None = None) -> Verdict:
    """What `observation` of one contestant is worth on this case.

    `whole` is the same contestant's observation of the same case without its schedule. A flaky observation is
    judged as both of its runs, and passes only where both do alike.
    """
    if observation.status == "flaky" and observation.both:
        runs = [verdict(case, one, whole=whole) for one in observation.both]
        never = tuple(code for code in NEVER if any(code in run.never for run in runs))
        if runs[0].mark == runs[1].mark and runs[0].reading == runs[1].reading and runs[0].never == runs[1].never:
            return runs[0]
        detail = (f"two runs differ: {observation.error}", *(line for run in runs for line in run.detail))
        return _made(case, observation, "fail", never=never, detail=detail)
    reason = _not_run(case, observation)
    if reason:
        return _made(case, observation, "not-run", detail=(reason,))
    outcomes = _outcomes(case)
    misses = [(name, tuple(outcome_differences(outcome, observation))) for name, outcome in outcomes]
    reading = next((name for name, lines in misses if not lines), "")
    never = tuple(_broken(case, observation, whole, met=bool(reading)))
    detail = tuple(_words(case, observation, code) for code in never)
    if outcomes and not reading:
        detail += _nearest(misses)
    return _made(case, observation, "fail" if detail else "pass", reading, never, detail)


def _nearest(misses: Sequence[tuple[str, tuple[str, ...]]]) -> tuple[str, ...]:
    """What keeps the observation from the outcome that it comes nearest to."""
    name, lines = min(misses, key=lambda miss: len(miss[1]))
    if name == MUST:
        return lines
    return tuple(f"none of the readings; nearest {name}: {line}" for line in lines)


def _made(
    case: Case,
    observation: Observation,
    mark: Mark,
    reading: str = "",
    never: tuple[str, ...] = (),
    detail: tuple[str, ...] = (),
) -> Verdict:
    return Verdict(
        case=case.id,
        contestant=observation.contestant,
        version=observation.version,
        mark=mark,
        reading=reading,
        never=never,
        detail=detail[:LIMIT],
    )
