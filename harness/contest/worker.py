"""The worker of a cell: runs contestants one after another, each in a fresh destination, and says what it saw.

A worker is expendable. After anything that may have left a mark in the process or in the arena (a timeout, memory
that ran out, an exception nobody promised, an escape) it says so, and the cell's supervisor forks a fresh one.
"""

from __future__ import annotations

import errno
import importlib
import os
import signal
import socket
import struct
import time
import traceback
from types import FrameType, ModuleType
from typing import Any

import msgspec

from ..archive.case import WHOLE
from . import command, probes
from .arena import IN, Arena, relinks
from .contestants import Order, Outcome
from .observation import Change, Job, Listed, Node, Observation, Status
from .protocol import Answer, Batch, Held, Probe, receive_request, send
from .registry import Contestant

ALONE = 4
"""A second chance has so many times the time: the machine may have been busy."""

GRACE_S = 1.0
"""Seconds between the alarm that a contestant can swallow and the kill that it cannot."""

AROUND_S = 60.0
"""Seconds for looking at a tree and taking it away."""

LONGEST = 4096
"""Bytes of an error message that are kept."""

OVER = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}
"""What the system says when a limit of the cell is reached."""

_OVER_WORDS = (b"No space left on device", b"File too large", b"Cannot allocate memory", b"Too many open files")


class Watch:
    """What worker and supervisor share: until when the worker may be silent, and what it is doing."""

    _FORM = struct.Struct("<dIIBB")

    def __init__(self, memory: Any) -> None:
        self._memory = memory
        self.set(0.0, 0, 0)

    def set(
        self, deadline: float, job: int, contestant: int, *, sending: bool = False, around: bool = False
    ) -> None:
        """Say where the worker is. `deadline` is on the monotonic clock, 0 for none."""
        self._FORM.pack_into(self._memory, 0, deadline, job, contestant, sending, around)

    def get(self) -> tuple[float, int, int, bool, bool]:
        """Deadline, job, contestant, whether a frame is being sent, whether the contestant had ended already."""
        deadline, job, contestant, sending, around = self._FORM.unpack_from(self._memory, 0)
        return deadline, job, contestant, bool(sending), bool(around)


class _TimeUp(BaseException):
    """The alarm. Not an Exception, so that fewer contestants swallow it."""


def _alarm(_signal: int, _frame: FrameType | None) -> None:
    raise _TimeUp


class _Seen(msgspec.Struct, kw_only=True):
    """How a run ended, before anybody looked at the tree. `failed`: refused or partial, as the tree will tell."""

    outcome: Outcome
    status: Status | None = None
    failed: bool = False
    wall_ns: int = 0
    cpu_ns: int = 0
    peak_kib: int = 0


def drivers(contestants: tuple[Contestant, ...]) -> dict[str, ModuleType]:
    """The drivers that these contestants need, imported."""
    names = {one.table.driver for one in contestants if one.table.driver}
    return {name: importlib.import_module(f"{__package__}.contestants.{name}") for name in sorted(names)}


class Worker:
    """Runs batches until the channel closes. `serve` returns when a fresh worker should take over."""

    def __init__(
        self,
        channel: socket.socket,
        arena: Arena,
        contestants: tuple[Contestant, ...],
        modules: dict[str, ModuleType],
        watch: Watch,
        limit_s: float,
    ) -> None:
        self.channel, self.arena, self.watch, self.limit_s = channel, arena, watch, limit_s
        self.contestants = {one.name: one for one in contestants}
        self.modules = modules
        self.spent = False
        """Whether something happened after which this process should not go on."""

    def serve(self) -> None:
        """Answer requests. Raises ClosedError when the pool has gone."""
        signal.signal(signal.SIGALRM, _alarm)
        while True:
            request = receive_request(self.channel)
            if isinstance(request, Probe):
                self._probe(request)
            elif not self._batch(request):
                return

    def _send(self, message: Answer | Held) -> None:
        _, job, contestant, _, _ = self.watch.get()
        self.watch.set(0.0, job, contestant, sending=True)
        send(self.channel, message)
        self.watch.set(0.0, job, contestant)

    def _probe(self, probe: Probe) -> None:
        self.watch.set(time.monotonic() + AROUND_S, 0, 0)
        try:
            held, detail = probes.PROBES[probe.name](*probe.arguments)
        except Exception:  # noqa: BLE001  # an attempt that fails in a way it did not foresee proves nothing
            held, detail = False, traceback.format_exc(limit=-3)
        command.end_others()
        self._send(Held(held, detail))

    def _batch(self, batch: Batch) -> bool:
        limit = self.limit_s * (ALONE if batch.alone else 1)
        for number, job in enumerate(batch.jobs):
            written = False
            for place, name in enumerate(job.contestants):
                contestant = self.contestants[name]
                if contestant.table.argv and not written:
                    self.arena.put_archive(job.archive)
                    written = True
                observation = self._observe(job, contestant, number, place, limit)
                last = number == len(batch.jobs) - 1 and place == len(job.contestants) - 1
                self._send(Answer(number, place, observation, self.spent and not last))
                if self.spent:
                    return False
        return True

    # -- one contestant, one archive -------------------------------------------------------------------------------

    def _observe(self, job: Job, contestant: Contestant, number: int, place: int, limit_s: float) -> Observation:
        began = time.perf_counter_ns()
        since = time.time_ns()
        try:
            before = self.arena.prepare(job.world)
            self.spent = relinks(job.world)
            os.umask(job.world.umask)
            self.watch.set(time.monotonic() + limit_s + GRACE_S, number, place)
            try:
                seen = (
                    self._command(job, contestant, limit_s)
                    if contestant.table.argv
                    else self._driver(job, contestant, limit_s)
                )
            finally:
                self.watch.set(time.monotonic() + AROUND_S, number, place, around=True)
                os.umask(0o022)
            escapes = self.arena.escapes()
            tree = self.arena.clear(since=since)
            escapes += self.arena.leaks(tree) if job.world.placed == () or not relinks(job.world) else ()
        except Exception:  # noqa: BLE001  # our own side failed: said as such, never taken for the contestant's doing
            self.spent = True
            return self._record(
                contestant, _Seen(outcome=Outcome(error=traceback.format_exc(limit=-6))), "harness-fault", (), ()
            )
        if escapes:
            self.spent = True
        status = seen.status or _status(seen.failed, tree, before)
        total = time.perf_counter_ns() - began
        return self._record(contestant, seen, status, tree, escapes, overhead_ns=max(0, total - seen.wall_ns))

    def _record(
        self,
        contestant: Contestant,
        seen: _Seen,
        status: Status,
        tree: tuple[Node, ...],
        escapes: tuple[Change, ...],
        overhead_ns: int = 0,
    ) -> Observation:
        outcome = seen.outcome
        text = outcome.error.replace(self.arena.dest_path, "{dest}").replace(self.arena.archive_path, "{archive}")
        return Observation(
            contestant=contestant.name,
            version=contestant.version,
            family=contestant.family,
            status=status,
            tree=tree,
            escapes=escapes,
            listing=outcome.listing,
            error=text[:LONGEST],
            error_class=outcome.error_class,
            warnings=outcome.warnings,
            notes=outcome.notes,
            wall_ns=seen.wall_ns,
            cpu_ns=seen.cpu_ns,
            overhead_ns=overhead_ns,
            peak_kib=seen.peak_kib,
        )

    def _driver(self, job: Job, contestant: Contestant, limit_s: float) -> _Seen:
        module = self.modules[contestant.table.driver]
        order = Order(
            archive=job.archive, dest=self.arena.dest_path, mode=contestant.table.mode, schedule=job.schedule
        )
        seen = _Seen(outcome=Outcome())
        wall, cpu = time.perf_counter_ns(), time.process_time_ns()
        try:
            signal.setitimer(signal.ITIMER_REAL, limit_s)
            try:
                seen.outcome = module.run(order)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except _TimeUp:
            seen.status, self.spent = "hung", True
            seen.outcome = Outcome(error_class="time", error=f"no end after {limit_s:g} s")
        except MemoryError as error:
            seen.status, self.spent = "over-limit", True
            seen.outcome = _said(error)
        except BaseException as error:  # noqa: BLE001  # whatever a contestant raises is its outcome
            seen.outcome = _said(error)
            if isinstance(error, OSError) and error.errno in OVER:
                seen.status, self.spent = "over-limit", True
            elif isinstance(error, module.EXPECTED):
                seen.failed = True
            else:
                seen.status, self.spent = "crashed", True
        seen.wall_ns, seen.cpu_ns = time.perf_counter_ns() - wall, time.process_time_ns() - cpu
        if seen.outcome.error_class and seen.status is None:
            seen.failed = True
        if job.world.locale != "C.UTF-8":
            seen.outcome.notes = (*seen.outcome.notes, f"runs in the cell's own locale, not {job.world.locale}")
        return seen

    def _command(self, job: Job, contestant: Contestant, limit_s: float) -> _Seen:
        table = contestant.table
        notes: tuple[str, ...] = ()
        pieces, argv = None, table.argv
        if job.schedule != WHOLE:
            if table.stdin:
                order = Order(archive=job.archive, dest="", mode="", schedule=job.schedule)
                pieces, argv = order.chunks(), table.stdin
                notes = ("read from a pipe, the next piece written when the last one was taken",)
            else:
                notes = ("the schedule was not applied: it cannot read from a pipe",)
        ended = self._spawn(contestant, argv, job, limit_s, pieces)
        text = ended.said.decode("utf-8", "backslashreplace").strip()
        if ended.stragglers:
            notes += (f"{ended.stragglers} processes that it left behind were killed",)
        seen = _Seen(
            outcome=Outcome(notes=notes), wall_ns=ended.wall_ns, cpu_ns=ended.cpu_ns, peak_kib=ended.peak_kib
        )
        if ended.timed_out:
            seen.status, seen.outcome.error_class = "hung", "time"
            seen.outcome.error = f"no end after {limit_s:g} s"
        elif ended.signal:
            seen.status = "over-limit" if ended.signal == signal.SIGXFSZ else "crashed"
            seen.outcome.error_class = f"signal {ended.signal}"
            seen.outcome.error = text
        elif ended.code:
            seen.failed = True
            seen.outcome.error_class, seen.outcome.error = f"exit {ended.code}", text
            if any(words in ended.said for words in _OVER_WORDS):
                seen.status = "over-limit"
            elif table.refuses_with and ended.code not in table.refuses_with:
                seen.status = "crashed"
        elif text:
            seen.outcome.warnings = tuple(text.splitlines()[:20])
        if job.listing and table.list and not seen.failed and seen.status is None:
            rows = self._spawn(contestant, table.list, job, limit_s, None)
            if rows.code == 0:
                seen.outcome.listing = tuple(Listed(path=line) for line in rows.said.splitlines() if line)
            else:
                seen.outcome.notes += (f"its listing ended with {rows.code or rows.signal}",)
        return seen

    def _spawn(
        self, contestant: Contestant, argv: tuple[str, ...], job: Job, limit_s: float, pieces: Any
    ) -> command.Ended:
        filled = tuple(
            word.replace("{archive}", self.arena.archive_path).replace("{dest}", self.arena.dest_path)
            for word in argv
        )
        tmp = os.path.join(self.arena.root, IN)
        return command.run(contestant, filled, locale=job.world.locale, tmp=tmp, limit_s=limit_s, pieces=pieces)


def _said(error: BaseException) -> Outcome:
    return Outcome(error=f"{type(error).__name__}: {error}", error_class=type(error).__name__)


def _essence(tree: tuple[Node, ...]) -> list[tuple[object, ...]]:
    return [(n.path, n.type, n.mode, n.size, n.data, n.digest, n.link) for n in tree if n.path != b"."]


def _status(failed: bool, tree: tuple[Node, ...], before: tuple[Node, ...]) -> Status:
    if not failed:
        return "extracted"
    return "refused" if _essence(tree) == _essence(before) else "partial"
