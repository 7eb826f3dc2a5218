"""The directory of one run: what it was asked, every finding as it comes, and where to go on.

    run.json           seed, contestants with versions, environment: written once
    findings.jsonl     one line for each finding, appended and flushed before the next case
    findings/ID.toml   its minimised case, ready for `tarbiter compare`; ID.original.toml as it was generated
    state.json         how far the run came, for people and reports, replaced atomically
    learned.json       the same with all that the search has learned: what the run is resumed from

A killed run loses nothing: a torn last line of `findings.jsonl` is cut off when the run is resumed, and the cases
since the last checkpoint are run again.
"""

from __future__ import annotations

import fcntl
import os
import platform
import secrets
import shutil
import sys
from importlib.metadata import version
from typing import TypeVar

import msgspec

from ..archive.text import dumps
from ..contest.observation import Observation
from ..contest.replay import Called, command
from ..errors import UserError
from ..files import FileError, sweep, write
from ..generate.recipes import Generated
from ..judge.answered import Tally
from ..judge.compare import Divergence
from ..judge.facets import STRONG
from ..judge.machine import Plain, line, page, plain
from ..triage.causal import Cause
from ..triage.explanation import Account, account
from ..triage.investigate import Finding
from ..triage.target import Target
from .checkpoint import Learned
from .packing import Count, Seconds, UnpackError

LEARNED = "learned.json"
"""Not msgpack: cases that wait may hold numbers beyond 64 bits, which JSON takes."""


LOG = "findings.jsonl"

AGAIN = f"remove {LEARNED} to begin again at the first case; the findings stay"
"""What to do about a state that cannot be read."""


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


class _Checkpoint(msgspec.Struct):
    state: State
    learned: Learned


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


def environment(backend: str, arena: str = "tmpfs") -> dict[str, str]:
    """What of this machine may show in an observation. `backend` is the cell's kind, `arena` its file system."""
    return {
        "tarbiter": version("tarbiter"),
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "kernel": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "cell": backend,
        "arena": arena,
    }


class Run:
    """An open run directory. `known` are the ids of the findings it holds: they grow with those."""

    def __init__(
        self, path: str, asked: Asked, state: State, known: frozenset[str], learned: Learned | None = None
    ) -> None:
        self.path, self.asked, self.state = path, asked, state
        self.learned = learned or Learned()
        self.known = set(known)
        self._log = os.open(os.path.join(path, LOG), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._log)
            raise RunError(path, "is in use by another tarbiter; wait for its end, or name another") from None

    @classmethod
    def create(cls, path: str, asked: Asked) -> Run:
        """A new run in the directory `path`, which must not exist. Raises RunError.

        It gets an id of its own: another run in the same place, later, is another one to a store.
        """
        asked = msgspec.structs.replace(asked, id=secrets.token_hex(8))
        try:
            os.makedirs(path)
        except FileExistsError:
            raise RunError(path, "exists already; go on with it by --resume, or name another") from None
        except OSError as error:
            raise RunError(path, f"cannot be written: {error.strerror}") from error
        try:
            os.mkdir(os.path.join(path, "findings"))
            write(os.path.join(path, "run.json"), page(asked).encode())
        except (OSError, FileError) as error:
            shutil.rmtree(path, ignore_errors=True)  # made just now, and worth nothing
            raise RunError(path, f"cannot be written: {_reason(error)}") from error
        return cls(path, asked, State(), frozenset())

    @classmethod
    def resume(cls, path: str) -> Run:
        """The run that was begun in `path`, at the case where it stopped. Raises RunError."""
        for folder in ("", "findings", "faults"):
            sweep(os.path.join(path, folder))
        try:
            asked = _read(path, "run.json", Asked, "begin a new run")
            point = _checkpoint(path) or _Checkpoint(State(), Learned())
            known = _known(path)
            return cls(path, asked, point.state, known, point.learned)
        except FileNotFoundError as error:
            raise RunError(path, f"is no run: it has no {os.path.basename(error.filename)}") from None
        except OSError as error:
            raise RunError(path, f"cannot be read or written: {error.strerror}") from error

    def keep(self, finding: Finding, generated: Generated, flaky: tuple[str, ...]) -> Kept:
        """The record of a finding of this run; `write` puts it on disk."""
        signature = finding.divergence.signature
        assert signature is not None
        name = signature.id
        titled = msgspec.structs.replace(
            finding.case,
            title=signature.title,
            why="; ".join((*finding.causes, *finding.places)),
        )
        kept = Kept(
            id=name,
            invariant=signature.invariant,
            rank=signature.rank,
            split=signature.split,
            causes=finding.causes,
            places=finding.places,
            why=finding.why,
            target=finding.target,
            case=dumps(titled),
            original=dumps(generated.case),
            complete=finding.complete,
            seed=generated.seed,
            index=generated.index,
            features=generated.features,
            divergence=finding.divergence,
            observations=tuple(map(brief, finding.trial.observations)),
            whole=tuple(map(brief, finding.trial.whole)),
            flaky=flaky,
            versions=self.asked.contestants,
            environment=self.asked.environment,
            called=self.asked.called.only(finding.trial.job.contestants),
        )
        return kept.at(os.path.join(self.path, "findings", f"{name}.toml"))

    def write(self, kept: Kept) -> None:
        """Write a finding down: its cases first, then the line that names it. Raises RunError (disk full, ...)."""
        path = os.path.join(self.path, "findings", kept.id)
        try:
            write(f"{path}.toml", kept.case.encode())
            write(f"{path}.original.toml", kept.original.encode())
            data = memoryview(line(told(kept)))
            while data:
                data = data[os.write(self._log, data) :]
            os.fsync(self._log)
        except (OSError, FileError) as error:
            raise self._stopped("a finding", error) from error
        self.known.add(kept.id)

    def fault(self, generated: Generated, seen: Observation) -> None:
        """Keep a case on which our own side failed, one of the first FAULTS. Raises RunError."""
        known = self.state.faults
        if len(known) >= FAULTS or any(one.index == generated.index for one in known):
            return
        words = (seen.error.strip().splitlines() or [seen.error_class])[-1]
        case = msgspec.structs.replace(generated.case, title=f"harness-fault: {seen.contestant}", why=seen.error)
        try:
            folder = os.path.join(self.path, "faults")
            write(os.path.join(folder, f"{generated.index}.toml"), dumps(case), parents=True)
        except (OSError, FileError) as error:
            raise self._stopped("a case on which our own side failed", error) from error
        known.append(Fault(generated.index, seen.contestant, words))

    def checkpoint(self) -> None:
        """Write down how far the run came. Raises RunError."""
        try:
            write(os.path.join(self.path, LEARNED), msgspec.json.encode(_Checkpoint(self.state, self.learned)))
            write(os.path.join(self.path, "state.json"), msgspec.json.encode(self.state))
        except (OSError, FileError) as error:
            raise self._stopped("the checkpoint", error) from error

    def _stopped(self, what: str, error: OSError | FileError) -> RunError:
        return RunError(
            self.path,
            f"{what} cannot be written: {_reason(error)}; nothing before it is lost: set that right, then go on "
            f"with `{command('fuzz', '--resume', os.path.abspath(self.path), '--minutes', '10')}`",
        )

    def close(self) -> None:
        """Give the descriptor of the log back."""
        os.close(self._log)


def _reason(error: OSError | FileError) -> str:
    return error.reason if isinstance(error, FileError) else error.strerror or str(error)


_Record = TypeVar("_Record")


def _checkpoint(path: str) -> _Checkpoint | None:
    """The last checkpoint of the run in the directory `path`; None: there is none. Raises OSError, RunError."""
    try:
        point = _read(path, LEARNED, _Checkpoint, AGAIN)
        point.learned.check()
    except FileNotFoundError:
        return None
    except UnpackError as error:
        raise RunError(path, f"{LEARNED} is damaged: {error}; {AGAIN}") from error
    return point


def learned_in(path: str) -> Learned | None:
    """What the run in the directory `path` had learned at its last checkpoint; None: there is none.

    Raises RunError for one that cannot be read.
    """
    try:
        point = _checkpoint(path)
    except OSError as error:
        raise RunError(path, f"{LEARNED} cannot be read: {error.strerror}") from error
    return point.learned if point else None


class _Named(msgspec.Struct):
    id: str


def _read(path: str, name: str, kind: type[_Record], remedy: str) -> _Record:
    """A record of a run. Raises OSError, and RunError where it is not what a run writes."""
    with open(os.path.join(path, name), "rb") as file:
        try:
            return msgspec.json.decode(file.read(), type=kind)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise RunError(path, f"{name} is damaged: {error}; {remedy}") from error


def _known(path: str) -> frozenset[str]:
    """The ids in the log of findings. A last line without its newline is cut off: its case will be run again."""
    try:
        with open(os.path.join(path, LOG), "rb+") as log:
            data = log.read()
            whole = data.rfind(b"\n") + 1
            if whole != len(data):
                log.truncate(whole)
    except FileNotFoundError:
        return frozenset()
    known = set()
    for number, row in enumerate(data[:whole].splitlines(), 1):
        try:
            known.add(msgspec.json.decode(row, type=_Named).id)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise RunError(
                path, f"{LOG}, line {number} is damaged: {error}; remove that line to go on without its finding"
            ) from error
    return frozenset(known)
