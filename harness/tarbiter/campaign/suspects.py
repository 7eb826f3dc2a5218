"""Suspects: what a campaign wants to look at more closely, the gravest and simplest first, and what it need not.

In most odd archives some pair of a dozen contestants parts, nearly always for a reason that is known by now. A
finding explains a target of a later case when it parts the same two contestants in the same facet, and everything
that causes it is in that case too. Such a target is not investigated again, but for one in `RECHECK`: two causes
can hide behind each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

import msgspec

from ..archive.case import Case
from ..contest.observation import Observation
from ..generate.recipes import Generated
from ..judge.compare import NOT_COMPARED
from ..judge.facets import STRONG, differences
from ..judge.invariants import invariant_of
from ..triage.causal import relieved
from ..triage.causes import causes
from ..triage.target import Target
from .packing import Count, pack, unpack

RECHECK = 1024
"""One explained target in so many is investigated all the same."""

PEEK = 32
"""One explained target in so many is looked at without what explains it: a probe or two, not a hundred."""

QUEUE = 512
"""Suspects that wait at most; the least grave are left out beyond that, and counted."""

Split = tuple[str, str, str]
"""Facet, and two contestants in order of their names (the first one empty where one is enough)."""


class Known(msgspec.Struct, frozen=True):
    """What a finding explains: its causes, and who parts in what because of them."""

    causes: frozenset[str]
    splits: frozenset[Split]


class Suspect(msgspec.Struct, frozen=True, kw_only=True):
    """A target of a case that nothing explains yet."""

    target: Target
    index: Count
    """The number of its case."""
    packed: bytes
    """Its case, compressed: hundreds wait, and one of 20,000 members takes 20 MB as it is, and 100 KB like this."""
    causes: frozenset[str]
    sure: bool = False
    """Whether it is to be investigated even when it is explained by now."""

    @classmethod
    def of(cls, target: Target, generated: Generated, found: frozenset[str]) -> Suspect:
        """A target of a case whose causes are `found`."""
        return cls(target=target, index=generated.index, packed=pack(generated), causes=found)

    @property
    def generated(self) -> Generated:
        """Its case, made anew each time."""
        return unpack(self.packed, Generated)

    @property
    def order(self) -> tuple[bool, int, int, int, str]:
        """The gravest first, then what has the fewest causes: it takes the fewest probes, and explains the most.

        What hangs comes last: each probe takes a time limit, for which a hundred others could be run.
        """
        slow = self.target.facet == "hung"
        return slow, self.target.rank, len(self.causes), self.index, repr(self.target)


class Waiting(Protocol):
    """What waits with its case."""

    @property
    def index(self) -> int:
        """The number of the case."""

    @property
    def packed(self) -> bytes:
        """The case (`packing.pack`)."""


W = TypeVar("W", bound=Waiting)


def folded(waiting: Iterable[W]) -> list[W]:
    """What waits as it is written down: by case, whose bytes only the first one has. A dozen may wait for one."""
    before = b""
    found = []
    for one in sorted(waiting, key=lambda one: (one.index, one.packed)):
        found.append(_with(one, b"") if one.packed == before else one)
        before = one.packed
    return found


def unfolded(written: Iterable[W]) -> list[W]:
    """What was written down, each with the bytes of its case, which are in memory once. As it was if not folded."""
    before = b""
    found = []
    for one in written:
        before = one.packed or before
        found.append(_with(one, before))
    return found


def _with(one: W, packed: bytes) -> W:
    replaced: W = msgspec.structs.replace(one, packed=packed)  # type: ignore[type-var]  # both kinds are structs
    return replaced


def split(target: Target) -> Split:
    """Who parts in what, as far as a target says it."""
    if invariant_of(target.invariant).single:
        return f"{target.invariant} {target.facet}", "", target.contestant
    one, other = sorted((target.contestant, target.against))
    return target.facet.partition(":")[0], one, other


def splits(target: Target, observations: Sequence[Observation]) -> frozenset[Split]:
    """All that the minimised case of a finding explains: its target, and which pairs part in what.

    What somebody breaks by himself on the same case is no bystander's matter: it is a target of its own.
    """
    found = {split(target)}
    heard = [one for one in observations if one.status not in NOT_COMPARED]
    for place, one in enumerate(heard):
        for other in heard[:place]:
            names = sorted((one.contestant, other.contestant))
            found.update((facet, names[0], names[1]) for facet in STRONG if differences(facet, one, other))
    return frozenset(found)


class Doubt(msgspec.Struct, frozen=True):
    """A target of a case that a finding explains, and that may have another reason besides."""

    target: Target
    generated: Generated


class Suspects:
    """The suspects that wait, and what is known by now."""

    def __init__(self, known: Iterable[Known] = (), waiting: Iterable[Suspect] = ()) -> None:
        self._known: dict[Split, list[frozenset[str]]] = {}
        for one in known:
            self.learn(one)
        self.waiting = unfolded(waiting)
        self.doubts: list[Doubt] = []
        """Since the last look."""
        self.left_out = 0
        """Suspects for which there was no room."""

    def learn(self, known: Known) -> None:
        """From now on this explains others."""
        for where in known.splits:
            here = self._known.setdefault(where, [])
            if not any(other <= known.causes for other in here):
                here[:] = [other for other in here if not known.causes <= other]
                here.append(known.causes)

    def explained(self, target: Target, found: frozenset[str]) -> bool:
        """Whether a finding that is known has the causes that a case has, and parts who this target is about."""
        return any(one <= found for one in self._known.get(split(target), ()))

    def offer(self, generated: Generated, targets: Sequence[Target]) -> int:
        """Take the targets of a case that nothing explains. How many those are."""
        if not targets:
            return 0
        found = frozenset(causes(generated.case))
        taken = 0
        packed = b""
        for number, target in enumerate(targets):
            sure = (generated.index * 31 + number) % RECHECK == RECHECK - 1
            if sure or not self.explained(target, found):
                packed = packed or pack(generated)
                self.waiting.append(
                    Suspect(target=target, index=generated.index, packed=packed, causes=found, sure=sure)
                )
                taken += 1
            elif (generated.index * 31 + number) % PEEK == 0:
                self.doubts.append(Doubt(target, generated))
        return taken

    def freed(self, doubt: Doubt) -> Suspect | None:
        """The doubtful case with something canonical, so that nothing known explains the target any more.

        None: there is no such case one step away. If the target shows in it, it is a suspect.
        """
        for variant, left in relieved(doubt.generated.case):
            if left and not self.explained(doubt.target, left):
                generated = msgspec.structs.replace(doubt.generated, case=variant.case)
                return Suspect.of(doubt.target, generated, left)
        return None

    def trim(self) -> None:
        """Keep the gravest and simplest `QUEUE`."""
        self.waiting.sort(key=lambda one: one.order)
        self.left_out += max(0, len(self.waiting) - QUEUE)
        del self.waiting[QUEUE:]

    def next(self) -> Suspect | None:
        """The gravest suspect that is still not explained, taken out of the queue."""
        self.waiting.sort(key=lambda one: one.order)
        while self.waiting:
            one = self.waiting.pop(0)
            if one.sure or not self.explained(one.target, one.causes):
                return one
        return None

    def put_back(self, suspect: Suspect) -> None:
        """It could not be investigated now: it waits again."""
        self.waiting.append(suspect)

    def drifts(self, target: Target, case: Case, found: frozenset[str]) -> bool:
        """Whether a smaller `case` of what had the causes `found` shows `target` for a reason that is known."""
        smaller = frozenset(causes(case))
        return any(one <= smaller and not one <= found for one in self._known.get(split(target), ()))
