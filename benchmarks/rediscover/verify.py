"""Is each oracle right? The archive that shows a bug, through its two releases and the machinery of a campaign.

An oracle has to say that the bug is there with the vulnerable and the fixed release side by side, and must not say
so with the fixed release on both sides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tarbiter.archive.case import Case
from tarbiter.archive.recipe import Long, Member, Part, Recipe
from tarbiter.archive.text import dumps, loads
from tarbiter.campaign.aspects import Pair, of_trial
from tarbiter.campaign.versus import LIMITS, Change, Versus, identity
from tarbiter.contest.installed.registry import Contestant
from tarbiter.contest.pool import Pool
from tarbiter.generate.recipes import Generated
from tarbiter.triage.causes import causes
from tarbiter.triage.trial import job_for, trials

from .bugs import Bug
from .oracles import confirms

CASES = Path(__file__).with_name("cases")
CORPUS = Path(__file__).parents[2] / "corpus"

NAMES = 6000
"""Members with long names that uv 0.5.29 is given: it loses 0 to 5 of them."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the machinery said of one bug's own archive."""

    bug: Bug
    found: bool = False
    named: bool = False
    """Whether the causes name the field."""
    changes: tuple[Change, ...] = ()
    false: bool = False
    """The oracle says that the bug is there in the fixed release too."""
    why: str = ""
    """Why nothing could be run."""

    @property
    def right(self) -> bool:
        """The oracle is right in both."""
        return self.found and not self.false

    def __str__(self) -> str:
        if self.why:
            return f"--       {self.bug.id}: {self.why}"
        word = "WRONG" if self.false else "found" if self.found else "MISSED"
        if self.found and not self.false:
            return f"{word:8} {self.bug.id}" + ("" if self.named else ": the field is not named")
        said = [f"{one.aspect.facet} {one.aspect.old!r} {one.aspect.new!r}" for one in self.changes]
        return f"{word:8} {self.bug.id}: {'; '.join(said) or 'the two do not part'}"


def many_names() -> Case:
    """A large archive of long names, which no file need hold."""
    parts: list[Part] = []
    for number in range(NAMES):
        # Names in which nothing can be compressed: reads of what is compressed end in names.
        name = b"project-1.0/%05d" % number + hashlib.shake_128(b"%d" % number).hexdigest(110).encode()
        parts += [Long(text=name), Member(name=name[:100], data=b"x = 1\n", format="gnu")]
    return Case(recipe=Recipe(tuple(parts)))


def case_of(bug: Bug) -> Case:
    """The case that shows a bug."""
    if not bug.shown:
        return many_names()
    folder, _, name = bug.shown.partition("/")
    path = (CASES / name if folder == "cases" else CORPUS / bug.shown).with_suffix(".toml")
    return loads(path.read_text(encoding="utf-8"))


def verify(bug: Bug, here: dict[str, Contestant], missing: dict[str, str]) -> Verdict:
    """Run the case that shows a bug through its two releases, minimise each aspect, and ask the oracle."""
    gone = [f"{name}: {missing[name]}" for name in (bug.vulnerable, bug.fixed) if name in missing]
    if gone:
        return Verdict(bug=bug, why="; ".join(gone))
    case = case_of(bug)
    with Pool((here[bug.vulnerable], here[bug.fixed]), limits=LIMITS) as pool:
        only = Generated(case=case, seed=-1, index=0, features=("shown",))
        run = Versus(pool, (bug.pair,), 0, source=lambda _seed, start: iter(() if start else (only,)))
        changes = tuple(run.go(cases=1))
        hits = [one for one in changes if confirms(bug.id, one)]
        false = any(confirms(bug.id, one) for one in _of_itself(pool, bug, case))
    named = any(bug.named_by(one) for one in hits)
    return Verdict(bug=bug, found=bool(hits), named=named, changes=changes, false=false)


def _of_itself(pool: Pool, bug: Bug, case: Case) -> Iterator[Change]:
    """What two runs of the fixed release part in: nothing, unless chance is in it."""
    first, second = trials(pool, [job_for(case, (bug.fixed,), listing=True)] * 2)
    seen = (first.observations[0], msgspec.structs.replace(second.observations[0], contestant="again"))
    pair = Pair(bug.fixed, "again")
    for aspect in of_trial(msgspec.structs.replace(first, observations=seen, whole=()), pair):
        why = causes(case)
        yield Change(
            id=identity(pair, aspect, why), pair=pair, aspect=aspect, causes=why, case=dumps(case), original="",
            index=0, cases=1, seconds=0.0, features=(), probes=0, complete=False, observations=seen,
        )  # fmt: skip
