"""The records of a run: what it was asked to do, how far it came, and each finding.

`runs.py` writes them into the directory of a run, `store.py` into the store of a project.
"""

from __future__ import annotations

import os

import msgspec

from ..contest.observation import Observation
from ..contest.replay import Called
from ..errors import UserError
from ..judge.answered import Tally
from ..judge.compare import Divergence
from ..judge.facets import STRONG
from ..judge.machine import Plain, plain
from ..triage.causal import Cause
from ..triage.explanation import Account, account
from ..triage.target import Target
from .packing import Count, Seconds


class RunError(UserError):
    """A run directory that cannot be used: `where`, what is wrong, what to do."""


class Asked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a run was asked to do, and on what."""

    seed: Count
    contestants: dict[str, str]
    """Name to version."""
    id: str = ""
    """Chosen at random when the run begins: stores know it by this. Empty in the record of an older run."""
    facets: tuple[str, ...]
    environment: dict[str, str]
    seeds: tuple[str, ...] = ()
    """The cases that the pool was given to begin with: file and digest of the archive, in order."""
    called: Called = Called()
    """How a command line names the contestants; without names in the record of an older run."""
    sample: Count = 0
    """Contestants outside the worker see what is new, and one case in so many; 0: an older run did not say."""
    ask: bool = False
    """Whether all installed contestants are asked about what is new."""
    named: tuple[str, ...] = ()
    """Contestants that were asked for themselves: each of them has to answer."""


FAULTS = 8
"""Cases on which our own side failed that are kept; the others are counted, as harness-fault."""


class Fault(msgspec.Struct, frozen=True):
    """A case on which our own side failed, before whom, and the last line of what is known of it."""

    index: Count
    contestant: str
    words: str


class State(msgspec.Struct, kw_only=True):
    """How far a run came, and what it counted. Times are seconds."""

    next_index: Count = 0
    """The first case of the seed that has not been run."""
    cases: Count = 0
    repeats: Count = 0
    """Cases on which contestants part for reasons that are known, and targets that came to a known signature."""
    flaky: Count = 0
    """Investigated targets on whose small case some contestant did something else the second time."""
    vanished: Count = 0
    """Targets that did not show again."""
    investigated: Count = 0
    """Targets that were investigated."""
    peeked: Count = 0
    """Explained targets that were looked at without what explains them."""
    listed: Count = 0
    """Cases on which those who list only when they are asked were asked: what they lose in silence shows there."""
    unlisted: Count = 0
    """Cases on which they should have been asked, and there was no time."""
    unveiled: Count = 0
    """Those of them that showed all the same, and became suspects."""
    due: Count = 0
    """How many suspects are still to be investigated before the next slice; one that hangs counts for several."""
    waiting: Count = 0
    """Suspects that wait for their turn."""
    left_out: Count = 0
    """Suspects for which there was no room among those that wait."""
    pool: Count = 0
    """Cases in the pool of the search."""
    extracted_by_some: Count = 0
    extracted_by_all: Count = 0
    statuses: dict[str, Count] = msgspec.field(default_factory=dict)
    """Observations by status, over all contestants."""
    answers: dict[str, Tally] = msgspec.field(default_factory=dict)
    """What each contestant did, and why it did not answer the first time that it did not."""
    faults: list[Fault] = msgspec.field(default_factory=list)
    """The first cases on which our own side failed: `faults/INDEX.toml`."""
    seconds: Seconds = 0.0
    """Wall time of all sessions of this run."""
    generating_s: Seconds = 0.0
    comparing_s: Seconds = 0.0
    investigating_s: Seconds = 0.0
    extracting_s: Seconds = 0.0
    """The contestants' own wall time, investigations left out."""
    around_s: Seconds = 0.0
    """Preparing destinations, snapshots, canaries, clean-up; investigations left out."""


class Kept(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of findings.jsonl: a finding with all that is needed to see it again."""

    id: str
    invariant: str
    rank: int
    split: tuple[str, ...]
    causes: tuple[str, ...]
    places: tuple[str, ...]
    """Which bytes of the minimised archive the paths in question come from."""
    why: tuple[Cause, ...] = ()
    """Everything remarkable in the minimised case, whether the divergence needs it, and which bytes say it."""
    target: Target
    case: str
    """The minimised case as TOML."""
    original: str
    """The generated case as TOML."""
    complete: bool
    """False: the budget ended while the case was being minimised."""
    seed: int
    index: int
    features: tuple[str, ...]
    divergence: Divergence
    observations: tuple[Observation, ...]
    whole: tuple[Observation, ...] = ()
    flaky: tuple[str, ...] = ()
    """Contestants that did something else when the case was run a second time; they are not compared."""
    versions: dict[str, str] = msgspec.field(default_factory=dict)
    environment: dict[str, str] = msgspec.field(default_factory=dict)
    called: Called = Called()
    """How a command line names the contestants; without names in the record of an older run."""
    replay: str = ""
    """The line of shell that runs the minimised case again."""

    def at(self, recipe: str) -> Kept:
        """The same finding whose minimised case is the file `recipe`: `replay` names that file."""
        called = self.called
        if not called.names:
            called = Called(names=tuple(one.contestant for one in self.observations))
        facets = self.divergence.facets
        words = () if facets == STRONG else ("--facet", ",".join(facets))
        line = called.line("compare", os.path.abspath(recipe), *words)
        return msgspec.structs.replace(self, replay=line)

    @property
    def account(self) -> Account:
        """What a person is told of it: one sentence, and its causes with bytes, readers and documents."""
        return account(self.target, self.divergence, self.observations, self.whole, self.causes, self.why)


def told(kept: Kept) -> dict[str, Plain]:
    """A finding as its line in findings.jsonl has it: all that is kept, and what people are told (`account`)."""
    record = plain(kept)
    assert isinstance(record, dict)
    return record | {"account": plain(kept.account)}


NODES = 200
"""Nodes of a tree that are kept with a finding: a name of a thousand components gives a tree of a megabyte."""


def brief(seen: Observation) -> Observation:
    """An observation without the end of a long tree; a note says so."""
    more = len(seen.tree) - NODES
    if more <= 0:
        return seen
    return msgspec.structs.replace(seen, tree=seen.tree[:NODES], notes=(*seen.notes, f"{more} more nodes not kept"))
