"""The account of a finding for people: one sentence, and each cause with its bytes, its readers and the documents.

Everything here is read off what was kept with the finding; nothing runs.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..contest.observation import Observation
from ..judge.compare import Divergence
from ..judge.facets import Difference, differences
from ..judge.invariants import STRICT, Broken, invariant_of
from .causal import Cause, Verdict
from .clauses import Clause, clauses
from .target import Target


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """A cause as it is told."""

    words: str
    verdict: Verdict
    where: str
    """Part, field and bytes that say it; empty: it is not said in the archive's bytes."""
    readers: str
    """Who does something else without it; empty where that was not tried."""
    clauses: tuple[Clause, ...]


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What a person is told of a finding."""

    sentence: str
    """Which invariant is broken, by whom, how, and what it takes."""
    reasons: tuple[Reason, ...]
    """What the divergence needs, in the order of the bytes; then what turned out to be idle."""


def account(
    target: Target,
    divergence: Divergence,
    observations: Sequence[Observation],
    whole: Sequence[Observation],
    causes: Sequence[str],
    why: Sequence[Cause],
) -> Account:
    """The account of a finding. The arguments are what is kept of it; `why` is empty for one of an older store."""
    told = why or [Cause(words=words, verdict="untested") for words in causes]
    ranked = sorted(told, key=lambda one: (one.verdict == "idle", one.part < 0, one.part, one.offset, one.words))
    return Account(
        sentence=sentence(target, divergence, observations, whole, causes), reasons=tuple(map(_reason, ranked))
    )


def _reason(cause: Cause) -> Reason:
    return Reason(
        words=cause.words,
        verdict=cause.verdict,
        where=_where(cause),
        readers=_readers(cause),
        clauses=clauses(cause.words),
    )


def _where(cause: Cause) -> str:
    if not cause.length:
        return ""
    shown = cause.raw.rstrip(b"\0") or cause.raw[:1]
    more = "..." if cause.length > len(cause.raw) and len(shown) == len(cause.raw) else ""
    last = cause.offset + cause.length - 1
    return f"part {cause.part}, {cause.field}, bytes {cause.offset:#x}-{last:#x}: {ascii(shown)[1:]}{more}"


def _readers(cause: Cause) -> str:
    if not cause.ignored:
        return f"all do something else without it: {_many(cause.heeded)}" if cause.heeded else ""
    if not cause.heeded:
        return f"all do the same without it: {_many(cause.ignored)}"
    return f"do something else without it: {_many(cause.heeded)}; do the same: {_many(cause.ignored)}"


def _quoted(words: str) -> str:
    return f'"{words}"'


NAMED = 4
"""Contestants that a sentence names; the matrix has them all."""


def _many(names: Sequence[str], most: int = NAMED + 4) -> str:
    if len(names) <= most:
        return _and(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def _and(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def _verb(names: Sequence[str], one: str, several: str) -> str:
    return f"{_many(names, NAMED)} {one if len(names) == 1 else several}"


_OUTSIDE = {
    "created": "makes {path}",
    "removed": "removes {path}",
    "content": "changes the content of {path}",
    "mode": "changes the mode of {path}",
    "mtime": "changes the time of {path}",
    "owner": "changes the owner of {path}",
    "links": "gives {path} another name",
    "type": "puts something of another type in the place of {path}",
    "leaked": "copies the content of {path} into the tree",
}
"""What an escape does, as words of one contestant."""

_ENDS = {
    "crashed": ("crashes", "crash"),
    "hung": ("does not come back", "do not come back"),
    "over-limit": ("runs over a limit of its cell", "run over a limit of their cells"),
}

_SAYS = {
    "extracted": "reports success",
    "partial": "reports an error after some members",
    "refused": "refuses the archive",
    "crashed": "crashes",
    "hung": "does not come back",
    "over-limit": "runs over a limit",
}


SHOWN = 60
"""Bytes of a path that a sentence shows."""


def _path(path: bytes | None) -> str:
    if path is None:
        return ""
    return ascii(path)[1:] if len(path) <= SHOWN else f"{ascii(path[:SHOWN])[1:]}... ({len(path)} bytes)"


def _parting(one: Difference, left: str, right: str) -> str:
    """A difference in words; `left` and `right` are those it is between."""
    path = _path(one.path)
    match one.facet:
        case "names":
            has, lacks = (left, right) if one.left == "present" else (right, left)
            return f"{has} leaves {path} and {lacks} does not"
        case "types":
            return f"{path} is a {one.left} with {left} and a {one.right} with {right}"
        case "content":
            return f"{path} holds {one.left} with {left} and {one.right} with {right}"
        case "links":
            return f"the symlink {path} leads to {one.left} with {left} and to {one.right} with {right}"
        case "hardlinks":
            return f"of hard links, {left} makes {one.left} and {right} {one.right}"
        case "status":
            return f"{left} {_SAYS.get(one.left, one.left)} and {right} {_SAYS.get(one.right, one.right)}"
        case _:
            where = f" of {path}" if path else ""
            return f"the {one.facet}{where} is {one.left} with {left} and {one.right} with {right}"


def _seen(name: str, observations: Sequence[Observation]) -> Observation | None:
    return next((one for one in observations if one.contestant == name), None)


def _between(facet: str, left: Observation | None, right: Observation | None, names: tuple[str, str]) -> str:
    if left is None or right is None:
        return ""
    found = differences(facet.partition(":")[0], left, right)
    if not found:
        return ""
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return _parting(found[0], *names) + more


def _breaks(target: Target, divergence: Divergence) -> Broken | None:
    """What the judge says of the target's invariant, where it names the target's contestant."""
    return next(
        (
            one
            for one in divergence.broken
            if one.invariant == target.invariant and target.contestant in one.contestants + one.against
        ),
        None,
    )


class Words:
    """The fields that `Invariant.sentence` can use. Each is worked out only when it is used."""

    def __init__(
        self,
        target: Target,
        divergence: Divergence,
        observations: Sequence[Observation],
        whole: Sequence[Observation],
    ) -> None:
        self.who, self.against, self.facet = target.contestant, target.against, target.facet
        self._observations, self._whole = observations, whole
        self._seen = _seen(self.who, observations)
        self._broken = _breaks(target, divergence)
        self.evidence = self._broken.evidence if self._broken is not None else ""
        """What the judge saw."""

    @property
    def not_strict(self) -> str:
        """Of a pair with our strict mode, the other one."""
        return self.who if self.against == STRICT else self.against

    @property
    def path(self) -> str:
        """The first path that the judge names."""
        return _path(self._broken.paths[0]) if self._broken is not None and self._broken.paths else "a member"

    @property
    def outside(self) -> str:
        """What `who` did outside its destination."""
        changes = self._seen.escapes if self._seen is not None else ()
        change = next((change for change in changes if change.what == self.facet), None)
        return _OUTSIDE[self.facet].format(path=_path(change.path if change else b"something"))

    @property
    def ended(self) -> str:
        """Who ended like `who`, how, and the class of the error."""
        said = f" ({self._seen.error_class})" if self._seen is not None and self._seen.error_class else ""
        same = [seen.contestant for seen in self._observations if seen.status == self.facet] or [self.who]
        return f"{_verb(same, *_ENDS[self.facet])}{said}"

    @property
    def parted(self) -> str:
        """The difference between `who` and `against`."""
        names = (self.who, self.against)
        return _between(self.facet, self._seen, _seen(self.against, self._observations), names) or self.evidence

    @property
    def parted_at_all(self) -> str:
        """The same, where no invariant has evidence of it."""
        return self.parted or "contestants part"

    @property
    def parted_by_arrival(self) -> str:
        """The difference between the two runs of `who`, on the archive whole and in pieces."""
        names = f"{self.who} when it arrives whole", f"{self.who} when it arrives in pieces"
        return _between(self.facet, _seen(self.who, self._whole), self._seen, names) or self.evidence


def sentence(
    target: Target,
    divergence: Divergence,
    observations: Sequence[Observation],
    whole: Sequence[Observation],
    causes: Sequence[str],
) -> str:
    """One sentence of plain English: what is broken, by whom, how, and what it takes."""
    words = Words(target, divergence, observations, whole)
    core = invariant_of(target.invariant).sentence.format(it=words)
    takes = f"it takes {_and([_quoted(cause) for cause in causes])}" if causes else "an ordinary archive shows it"
    named = core.startswith(tuple(one.contestant for one in observations))  # a name keeps its small letter
    return f"{core if named else core[:1].upper() + core[1:]}; {takes}."
