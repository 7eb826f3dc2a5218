"""The store: what a project knows over all its runs. One SQLite file, and the cases as files by content hash.

    STORE/tarbiter.db            runs, findings with their triage status, who saw which
    STORE/recipes/ab/abcd….toml  the minimised cases

Two processes may use one store at once (write-ahead log, short transactions). A finding is committed before the
next case is judged, so that a killed process loses at most the case in flight.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from ..contest.observation import Observation
from ..contest.replay import command
from ..files import FileError, sweep, write
from ..judge.answered import Tally
from .records import Asked, Kept, RunError, brief

NEW, ACCEPTED, PROMOTED, DISMISSED = STATUSES = ("new", "accepted", "promoted", "dismissed")
"""`new`: nobody has looked. `accepted`: in the ledger. `promoted`: in the corpus. `dismissed`: not worth a case."""

UNREADABLE = (zlib.error, msgspec.MsgspecError, TypeError, ValueError)
"""What reading a record raises whose bytes are not those that were written."""

BUSY_S = 30.0
"""Seconds to wait for another process's transaction."""

MIGRATIONS = (
    """
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY, began TEXT NOT NULL, path TEXT NOT NULL, seed INTEGER NOT NULL,
        asked BLOB NOT NULL, cases INTEGER NOT NULL DEFAULT 0, seconds REAL NOT NULL DEFAULT 0
    );
    CREATE UNIQUE INDEX runs_by_path ON runs (path);
    CREATE TABLE findings (
        id TEXT PRIMARY KEY, invariant TEXT NOT NULL, rank INTEGER NOT NULL, recipe TEXT NOT NULL,
        size INTEGER NOT NULL, status TEXT NOT NULL DEFAULT 'new', reason TEXT NOT NULL DEFAULT '',
        changed TEXT NOT NULL DEFAULT '', run INTEGER NOT NULL REFERENCES runs (id), kept BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE sightings (
        finding TEXT NOT NULL REFERENCES findings (id), run INTEGER NOT NULL REFERENCES runs (id),
        PRIMARY KEY (finding, run)
    ) WITHOUT ROWID;
    """,
    "ALTER TABLE findings ADD COLUMN answers BLOB",
    "ALTER TABLE runs ADD COLUMN tallies BLOB",
    """
    ALTER TABLE runs ADD COLUMN key TEXT NOT NULL DEFAULT '';
    UPDATE runs SET key = path;
    DROP INDEX runs_by_path;
    CREATE UNIQUE INDEX runs_by_key ON runs (key);
    """,
)
"""From each schema version to the next; the version stands in SQLite's user_version."""

WITH_ANSWERS, WITH_TALLIES = 2, 3
"""The first schemas that keep what all made of a finding, and what each contestant did in a run."""

DATABASE = "tarbiter.db"

NO_STORE = "is no store; `{line}` makes one, --store names another"


class StoreError(RunError):
    """A store that cannot be used or written: `path`, what is wrong, what to do."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A finding as the store has it."""

    kept: Kept
    status: str
    reason: str
    changed: str
    """When a person last changed the status, ISO 8601 in UTC; empty: never."""
    recipe: str
    """Path of the minimised case."""
    size: int
    """Bytes of the minimised case's TOML: the shorter, the sooner understood."""
    first_seen: str
    """When the first run that saw it began."""
    runs: int
    """How many runs saw it."""
    first_run: int
    """The number of the first run that saw it."""
    last_run: int
    """The number of the latest run that saw it."""
    asked: tuple[Observation, ...] = ()
    """What all that were installed did with the minimised case when they were asked; empty: they were not."""


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """A run as the store has it."""

    number: int
    """1, 2, ... in the order in which they began."""
    began: str
    path: str
    cases: int
    seconds: float
    asked: Asked
    answers: dict[str, Tally] = {}
    """What each contestant did; empty: an older run did not say."""


def only(path: str, prefix: str, among: Callable[[], Iterable[Entry]], damaged: Mapping[str, str]) -> Entry:
    """The finding whose id begins with `prefix`, of those `among` the findings at `path` that begin so.

    Raises StoreError when there is none, when there is more than one, and when it is among the `damaged`.
    """
    if not prefix or not prefix.isalnum():
        raise StoreError(path, f"{prefix!r} is no id, nor the beginning of one")
    found = list(among())
    lost = [words for name, words in damaged.items() if name.startswith(prefix)]
    if not found and lost:
        raise StoreError(path, lost[0])
    if not found:
        listing = command("triage", "list", "--status", "all", "--store", path)
        raise StoreError(path, f"no finding begins with {prefix}; `{listing}` has them")
    if len(found) > 1:
        raise StoreError(path, f"{prefix} is not enough: {', '.join(one.kept.id for one in found)}")
    return found[0]


def now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


_Record = TypeVar("_Record")


def _unpacked(blob: bytes, kind: type[_Record]) -> _Record:
    """A record as it was written. Raises what is in UNREADABLE."""
    return msgspec.msgpack.decode(zlib.decompress(blob), type=kind)


def _readable(blob: bytes) -> bool:
    try:
        _unpacked(blob, Kept)
    except UNREADABLE:
        return False
    return True


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    """One process at a time opens a store: SQLite does not wait where the journal's mode is changed."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


class Store:
    """An open store; a context manager."""

    def __init__(self, path: str, *, reading: bool = False) -> None:
        """Open the store in the directory `path`, or make it. Raises StoreError.

        `reading`: only what is there is opened, and nothing is changed.
        """
        self.path = path
        self.damaged: dict[str, str] = {}
        """Records that were met and cannot be read: which, and what is wrong and what to do. The others come."""
        self._schema = len(MIGRATIONS)
        if reading:
            self._open_to_read()
            return
        try:
            os.makedirs(os.path.join(path, "recipes"), exist_ok=True)
        except OSError as error:
            raise StoreError(path, f"cannot be made: {error.strerror}") from error
        for folder in os.scandir(os.path.join(path, "recipes")):
            sweep(folder.path)
        with _locked(os.path.join(path, "lock")), self._told():
            # Without implicit transactions: each one is written down where it begins.
            self._db = sqlite3.connect(os.path.join(path, DATABASE), timeout=BUSY_S, isolation_level=None)
            with contextlib.ExitStack() as unless_usable:
                unless_usable.callback(self._db.close)
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = FULL")
                self._db.execute("PRAGMA foreign_keys = ON")
                self._migrate()
                unless_usable.pop_all()

    def _open_to_read(self) -> None:
        file = os.path.join(self.path, DATABASE)
        if not os.path.isfile(file):
            raise StoreError(
                self.path, NO_STORE.format(line=command("fuzz", "--minutes", "10", "--store", self.path))
            )
        with self._told():
            try:
                self._read_only(f"{Path(file).absolute().as_uri()}?mode=ro")
            except sqlite3.OperationalError:
                # A directory that may not be written has no room for the shared memory of a write-ahead log.
                if os.path.exists(f"{file}-wal"):
                    raise
                self._read_only(f"{Path(file).absolute().as_uri()}?mode=ro&immutable=1")

    def _read_only(self, uri: str) -> None:
        self._db = sqlite3.connect(uri, timeout=BUSY_S, isolation_level=None, uri=True)
        with contextlib.ExitStack() as unless_usable:
            unless_usable.callback(self._db.close)
            self._schema = self._version()
            if not self._schema:
                raise StoreError(self.path, f"{DATABASE} holds no store")
            unless_usable.pop_all()

    def _version(self) -> int:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > len(MIGRATIONS):
            raise StoreError(
                self.path,
                f"was written by a newer tarbiter (schema {version}; this one knows {len(MIGRATIONS)})",
            )
        return int(version)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            hint = ""
            if "malformed" in str(error):
                hint = "; move it away and keep what `sqlite3 tarbiter.db .recover` still reads, or begin anew"
            raise StoreError(self.path, f"tarbiter.db: {error}{hint}") from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._told():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                # A full disk has ended the transaction already.
                with contextlib.suppress(sqlite3.OperationalError):
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _migrate(self) -> None:
        with self._transaction() as db:
            version = self._version()
            for number, migration in enumerate(MIGRATIONS[version:], version + 1):
                for statement in filter(str.strip, migration.split(";")):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {number:d}")

    def begin(self, path: str, asked: Asked) -> int:
        """The number of the run in the directory `path`: the one it has already when it is resumed.

        A run is known by the id in its record, wherever it lies; one of an older tarbiter by its directory.
        """
        where = os.path.abspath(path)
        key = asked.id or where
        with self._transaction() as db:
            db.execute(
                "INSERT INTO runs (began, path, seed, asked, key) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (key) DO UPDATE SET path = excluded.path",
                (now(), where, asked.seed, msgspec.msgpack.encode(asked), key),
            )
            (number,) = db.execute("SELECT id FROM runs WHERE key = ?", (key,)).fetchone()
        return int(number)

    def progress(self, run: int, cases: int, seconds: float, answers: Mapping[str, Tally] | None = None) -> None:
        """Write down how far a run came, and what each contestant did in it."""
        told = msgspec.msgpack.encode(answers) if answers is not None else None
        with self._transaction() as db:
            db.execute(
                "UPDATE runs SET cases = ?, seconds = ?, tallies = ? WHERE id = ?", (cases, seconds, told, run)
            )

    def add(self, kept: Kept, run: int) -> bool:
        """Keep a finding that `run` saw; False when an earlier run had seen it (then only the sighting is new).

        The record of one that is known and cannot be read any more is replaced.
        """
        data = kept.case.encode()
        digest = hashlib.blake2b(data, digest_size=16).hexdigest()
        folder = os.path.join(self.path, "recipes", digest[:2])
        file = os.path.join(folder, f"{digest}.toml")
        try:
            if not os.path.exists(file):
                write(file, data, parents=True)
        except FileError as error:
            raise StoreError(self.path, f"a case cannot be written: {error.reason}") from error
        blob = zlib.compress(msgspec.msgpack.encode(kept))
        row = (kept.id, kept.invariant, kept.rank, f"{digest[:2]}/{digest}.toml", len(data), run, blob)
        with self._transaction() as db:
            db.execute(
                "INSERT INTO findings (id, invariant, rank, recipe, size, run, kept) VALUES (?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (id) DO NOTHING",
                row,
            )
            db.execute("INSERT INTO sightings (finding, run) VALUES (?, ?) ON CONFLICT DO NOTHING", (kept.id, run))
            (first, there) = db.execute("SELECT run, kept FROM findings WHERE id = ?", (kept.id,)).fetchone()
            if there != blob and not _readable(there):
                db.execute(
                    "UPDATE findings SET recipe = ?, size = ?, kept = ? WHERE id = ?",
                    (*row[3:5], blob, kept.id),
                )
        # Also true for a run that was killed right here and now sees it again.
        return bool(first == run)

    def runs(self) -> tuple[Ran, ...]:
        """All runs, in the order in which they began."""
        tallies = "tallies" if self._schema >= WITH_TALLIES else "NULL"
        with self._told():
            rows = self._db.execute(
                f"SELECT id, began, path, cases, seconds, seed, asked, {tallies} FROM runs ORDER BY id"  # noqa: S608
            ).fetchall()
        return tuple(
            Ran(
                number=number,
                began=began,
                path=path,
                cases=cases,
                seconds=seconds,
                asked=self._asked(number, seed, asked),
                answers=self._tallies(number, answers),
            )
            for number, began, path, cases, seconds, seed, asked, answers in rows
        )

    def _asked(self, number: int, seed: int, blob: bytes) -> Asked:
        """What a run was asked; of a damaged record only the seed, which has a column of its own."""
        try:
            return msgspec.msgpack.decode(blob, type=Asked)
        except UNREADABLE as error:
            self.damaged[f"run {number}"] = (
                f"the record of run {number} is damaged ({error}): its contestants and environment are unknown"
            )
            return Asked(seed=seed, contestants={}, facets=(), environment={})

    def _tallies(self, number: int, blob: bytes | None) -> dict[str, Tally]:
        try:
            return msgspec.msgpack.decode(blob, type=dict[str, Tally]) if blob else {}
        except UNREADABLE as error:
            self.damaged[f"tallies {number}"] = f"what each contestant did in run {number} is damaged ({error})"
            return {}

    def seen(self, finding: str, run: int) -> bool:
        """Note that `run` saw a finding by its signature; False when the store does not have it."""
        with self._transaction() as db:
            if db.execute("SELECT 1 FROM findings WHERE id = ?", (finding,)).fetchone() is None:
                return False
            db.execute("INSERT INTO sightings (finding, run) VALUES (?, ?) ON CONFLICT DO NOTHING", (finding, run))
        return True

    def findings(self, *statuses: str) -> Iterator[Entry]:
        """The findings with one of `statuses` (none given: all), the gravest first, then the shortest.

        What cannot be read is left out, and told in `damaged`.
        """
        marks = ", ".join("?" * len(statuses))
        where = f"WHERE status IN ({marks})" if statuses else ""
        yield from self._entries(f"{where} ORDER BY rank, size, findings.id", statuses)

    def get(self, prefix: str) -> Entry:
        """The finding whose id begins with `prefix`.

        Raises StoreError when there is none, when there is more than one, and when it cannot be read.
        """
        where = "WHERE findings.id GLOB ? ORDER BY findings.id LIMIT 11"
        return only(self.path, prefix, lambda: self._entries(where, (f"{prefix}*",)), self.damaged)

    def _entries(self, tail: str, values: tuple[object, ...]) -> Iterator[Entry]:
        answers = "answers" if self._schema >= WITH_ANSWERS else "NULL"
        query = (
            "SELECT findings.id, kept, status, reason, changed, recipe, size, began, "  # noqa: S608  # `tail` is ours, values are bound
            "(SELECT count(*) FROM sightings WHERE finding = findings.id), findings.run, "
            f"(SELECT max(run) FROM sightings WHERE finding = findings.id), {answers} "
            f"FROM findings JOIN runs ON runs.id = findings.run {tail}"
        )
        with self._told():
            rows = self._db.execute(query, values).fetchall()
        for name, blob, status, reason, changed, recipe, size, began, runs, first, last, asked in rows:
            file = os.path.join(self.path, "recipes", recipe)
            try:
                kept = _unpacked(blob, Kept).at(file)
            except UNREADABLE as error:
                self.damaged[name] = (
                    f"the record of finding {name} is damaged ({error}): {command('compare', file)} runs its case; "
                    f"{command('triage', 'remove', name, '--store', self.path)} removes it, and a campaign that "
                    "meets it again keeps it as new"
                )
                continue
            yield Entry(
                kept=kept,
                status=status,
                reason=reason,
                changed=changed,
                recipe=file,
                size=size,
                first_seen=began,
                runs=runs,
                first_run=first,
                last_run=last,
                asked=self._answers(name, asked),
            )

    def _answers(self, name: str, blob: bytes) -> tuple[Observation, ...]:
        if not blob:
            return ()
        try:
            return _unpacked(blob, tuple[Observation, ...])
        except UNREADABLE as error:
            again = command("triage", "ask", name, "--store", self.path)
            self.damaged[f"answers {name}"] = (
                f"what everybody made of finding {name} is damaged ({error}): {again} asks again"
            )
            return ()

    def remove(self, finding: str) -> None:
        """Forget the finding with this id, and who saw it. Raises StoreError when there is none."""
        with self._transaction() as db:
            db.execute("DELETE FROM sightings WHERE finding = ?", (finding,))
            if not db.execute("DELETE FROM findings WHERE id = ?", (finding,)).rowcount:
                raise StoreError(self.path, f"has no finding {finding}")

    def mark(self, finding: str, status: str, reason: str) -> None:
        """Set the triage status of the finding with this id."""
        if status not in STATUSES:
            raise ValueError(f"{status!r} is no status; there are {', '.join(STATUSES)}")
        with self._transaction() as db:
            db.execute(
                "UPDATE findings SET status = ?, reason = ?, changed = ? WHERE id = ?",
                (status, reason, now(), finding),
            )

    def answered(self, finding: str, seen: tuple[Observation, ...]) -> None:
        """Keep what everybody did with a finding's case, in place of what was kept before."""
        with self._transaction() as db:
            blob = zlib.compress(msgspec.msgpack.encode(tuple(map(brief, seen))))
            db.execute("UPDATE findings SET answers = ? WHERE id = ?", (blob, finding))

    def counts(self) -> dict[str, int]:
        """How many findings have each status."""
        with self._told():
            return dict(self._db.execute("SELECT status, count(*) FROM findings GROUP BY status ORDER BY status"))
