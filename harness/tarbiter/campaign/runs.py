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
import secrets
import shutil
from typing import TypeVar

import msgspec

from ..archive.text import dumps
from ..contest.observation import Observation
from ..contest.replay import command
from ..files import FileError, sweep, write
from ..generate.recipes import Generated
from ..judge.machine import line, page
from ..triage.investigate import Finding
from .checkpoint import Learned
from .packing import UnpackError
from .records import FAULTS, Asked, Fault, Kept, RunError, State, brief, told

LEARNED = "learned.json"
"""Not msgpack: cases that wait may hold numbers beyond 64 bits, which JSON takes."""


LOG = "findings.jsonl"

AGAIN = f"remove {LEARNED} to begin again at the first case; the findings stay"
"""What to do about a state that cannot be read."""


class _Checkpoint(msgspec.Struct):
    state: State
    learned: Learned


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
