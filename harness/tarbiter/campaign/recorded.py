"""Findings to look at: those of a project's store, or those in the directory of one run. Nothing is changed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import msgspec

from ..judge.machine import restored
from .records import Asked, Kept, RunError, State
from .runs import LOG
from .store import DATABASE, NEW, UNREADABLE, Entry, Ran, Store, StoreError, only


class Recorded:
    """The findings of one run, as its directory has them; a context manager, like a store.

    A run knows nothing of other runs, and nobody has settled anything: all of its findings are new.
    """

    def __init__(self, path: str) -> None:
        """Read the run in the directory `path`. Raises RunError."""
        self.path = path
        self.damaged: dict[str, str] = {}
        """Lines of the log that cannot be read: which, and what is wrong and what to do. The others come."""
        try:
            with open(os.path.join(path, "run.json"), "rb") as file:
                self._asked = msgspec.json.decode(file.read(), type=Asked)
                began = os.fstat(file.fileno()).st_mtime
            self._state = State()
            if os.path.exists(os.path.join(path, "state.json")):
                with open(os.path.join(path, "state.json"), "rb") as file:
                    self._state = msgspec.json.decode(file.read(), type=State)
            with open(os.path.join(path, LOG), "rb") as file:
                # A torn last line is of a run that was killed, or goes on right now.
                kept = list(self._lines(line for line in file if line.endswith(b"\n")))
        except OSError as error:
            raise RunError(
                path, f"{os.path.basename(error.filename or '')} cannot be read: {error.strerror}"
            ) from error
        except msgspec.DecodeError as error:
            raise RunError(
                path, f"its run.json or state.json is damaged: {error}; read the store, or another run"
            ) from error
        self._began = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began))
        self._entries = sorted(map(self._entry, kept), key=lambda one: (one.kept.rank, one.size, one.kept.id))

    def _lines(self, log: Iterable[bytes]) -> Iterator[Kept]:
        for number, line in enumerate(log, 1):
            try:
                yield restored(msgspec.json.decode(line), Kept)
            except UNREADABLE as error:
                self.damaged[f"line {number}"] = (
                    f"{LOG}, line {number} is damaged ({error}): its case is among findings/*.toml; remove "
                    "the line when you have seen it"
                )

    def _entry(self, kept: Kept) -> Entry:
        recipe = os.path.join(self.path, "findings", f"{kept.id}.toml")
        return Entry(
            kept=kept.at(recipe),
            status=NEW,
            reason="",
            changed="",
            recipe=recipe,
            size=len(kept.case.encode()),
            first_seen=self._began,
            runs=1,
            first_run=1,
            last_run=1,
        )

    def __enter__(self) -> Recorded:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def runs(self) -> tuple[Ran, ...]:
        """The run."""
        return (
            Ran(
                number=1,
                began=self._began,
                path=os.path.abspath(self.path),
                cases=self._state.cases,
                seconds=self._state.seconds,
                asked=self._asked,
                answers=self._state.answers,
            ),
        )

    def findings(self, *statuses: str) -> Iterator[Entry]:
        """The findings, the gravest first, then the shortest; none where `statuses` leave out `new`."""
        return iter(self._entries if not statuses or NEW in statuses else [])

    def get(self, prefix: str) -> Entry:
        """The finding whose id begins with `prefix`. Raises StoreError when there is none, or more than one."""
        return only(self.path, prefix, lambda: (one for one in self._entries if one.kept.id.startswith(prefix)), {})

    def counts(self) -> dict[str, int]:
        """How many findings there are, as new."""
        return {NEW: len(self._entries)} if self._entries else {}


Findings: TypeAlias = Store | Recorded


def is_run(path: str) -> bool:
    """Whether there is the directory of a run at `path`, and no store."""
    return os.path.isfile(os.path.join(path, "run.json")) and not os.path.isfile(os.path.join(path, DATABASE))


def findings_at(path: str) -> Findings:
    """The store or the run at `path`, to be read. Raises RunError (StoreError) for what is neither."""
    if is_run(path):
        return Recorded(path)
    if os.path.isfile(os.path.join(path, DATABASE)):
        return Store(path, reading=True)
    there = (
        "is neither a store nor a run"
        if os.path.exists(path)
        else "is neither a store nor a run: it does not exist"
    )
    raise StoreError(path, f"{there}; `tarbiter fuzz --store DIR` makes both, and --store names another")


def store_at(path: str) -> Store:
    """The store at `path`, which must be there, to be changed. Raises StoreError, also for a run."""
    if is_run(path):
        raise StoreError(
            path,
            "is a run, which keeps no decisions and no answers: list, show, export, stale and bisect read it. To "
            "settle findings, run campaigns with `tarbiter fuzz --store DIR`",
        )
    findings_at(path).__exit__()
    return Store(path)
