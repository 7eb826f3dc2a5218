"""The worker of a cell: runs contestants one after another, each in a fresh destination, and says what it saw.

A worker is expendable. After anything that may have left a mark in the process or in the arena (a timeout, memory
that ran out, an exception nobody promised, an escape) it says so, and the cell's supervisor forks a fresh one.
"""

from __future__ import annotations

import errno
import importlib
import os
import resource
import signal
import socket
import threading
import time
import traceback
from collections.abc import Mapping
from types import FrameType, ModuleType
from typing import Any

import msgspec

from ...archive.case import WHOLE, World
from ...archive.stored import Stored
from ..contestants import Order, Outcome
from ..installed.table import Contestant
from ..observation import TOO_DEEP, Change, Job, Node, Observation, Status
from ..protocol import Answer, Batch, Held, Probe, Setup, frames, receive_request, send_bytes
from ..sandbox import probes, processes
from ..sandbox import total_memory as together
from ..sandbox.arena import Arena, WorldError, relinks
from ..sandbox.namespaces import ARENA
from ..sandbox.snapshot import disk_kib
from . import command, listing, serving
from .counters import Counters
from .idle import BUSY, Still, out_of_time
from .listing import LARGEST as LISTED
from .serving import Driver
from .watch import Watch

ALONE = 2
"""A second chance has so many times the time: the machine may have been busy."""

HASTY = 0.25
"""What a hasty job's contestants have of the time."""

BYTE_S = 400e-9
"""Seconds more for each byte of the archive: 800 microseconds for a small file that has a pax header. On a slow
machine an extractor in Python takes 330 for it, and does not hang."""

SAY_S = 0.02
"""Seconds that answers are kept back, so that many go together."""

PIECE_S = 600e-6
"""Seconds more for each piece that a schedule cuts the archive into: what a read through two event loops takes."""

ASLEEP = "it sleeps, and nothing can wake it: killed"

LOOK_S = 0.2
"""Seconds between two looks at whether a contestant that was kept from running has had its time by now."""

GRACE_S = 0.5
"""Seconds between the alarm that a contestant can swallow and the kill that it cannot."""

AROUND_S = 60.0
"""Seconds for looking at a tree and taking it away."""

LONGEST = 4096
"""Characters of an error message that are kept."""

LOCALE, UMASK, CWD = World().locale, World().umask, World().cwd
"""What persistent drivers are started with."""

TAMPERED = 13
"""Exit code of a worker whose descriptors a contestant closed or replaced."""

OVER = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}
"""What the system says when a limit of the cell is reached."""


class _TimeUp(BaseException):
    """The alarm. Not an Exception, so that fewer contestants swallow it."""


class _Alarm:
    """The time of a contestant that runs in the worker itself: `_TimeUp` is raised in it once it is out of time."""

    def __init__(self) -> None:
        self.wall_s = self.cpu_s = self.limit_s = 0.0

    def set(self, limit_s: float) -> None:
        self.wall_s, self.cpu_s, self.limit_s = time.monotonic(), time.process_time(), limit_s
        signal.setitimer(signal.ITIMER_REAL, limit_s, LOOK_S)

    def rings(self, _signal: int, _frame: FrameType | None) -> None:
        if out_of_time(time.monotonic() - self.wall_s, time.process_time() - self.cpu_s, self.limit_s):
            signal.setitimer(signal.ITIMER_REAL, 0)
            raise _TimeUp


class _Seen(msgspec.Struct, kw_only=True):
    """How a run ended, before anybody looked at the tree. `failed`: refused or partial, as the tree will tell."""

    outcome: Outcome
    status: Status | None = None
    failed: bool = False
    wall_ns: int = 0
    cpu_ns: int = 0
    peak_kib: int = 0
    reached: str = ""


def drivers(contestants: tuple[Contestant, ...]) -> dict[str, ModuleType]:
    """The drivers that these contestants need, imported."""
    names = {one.table.driver for one in contestants if one.table.driver}
    return {
        name: importlib.import_module(name if "." in name else f"..contestants.{name}", __package__)
        for name in sorted(names)
    }


class Worker:
    """Runs batches until the channel closes. `serve` returns when a fresh worker should take over."""

    def __init__(
        self,
        channel: socket.socket,
        arena: Arena,
        setup: Setup,
        modules: dict[str, ModuleType],
        counters: Counters,
        servants: Mapping[str, Driver],
        watch: Watch,
    ) -> None:
        self.channel, self.arena, self.watch = channel, arena, watch
        self.limit_s = setup.time_limit_s
        self.idle_s = self.idle = setup.idle_limit_s
        """Of the job at hand: less for a hasty one, whose outcome is confirmed by another one."""
        self.contestants = {one.name: one for one in setup.contestants}
        self.modules, self.counters = modules, counters
        self.servants = servants
        """The persistent drivers by contestant. They are the supervisor's children."""
        self.spare = frozenset(driver.pid for driver in servants.values() if driver.pid)
        self.served = {name: place for place, name in enumerate(servants, 1)}
        self.alarm = _Alarm()
        self._put = False
        """Whether the archive of the job at hand is where commands find it."""
        self.spent = False
        """Whether something happened after which this process should not go on."""
        self.said: list[Answer | Held] = []
        """What has not been sent yet: each frame wakes the pool, which takes the processor from the contestants."""
        self.flushed = time.monotonic()
        self._channel_inode = os.fstat(channel.fileno()).st_ino
        self._lowest = self._lowest_free()

    def serve(self) -> None:
        """Answer requests. Raises ClosedError when the pool has gone."""
        signal.signal(signal.SIGALRM, self.alarm.rings)
        while True:
            # What fails from here on has nothing to do with the batch before.
            self.watch.batch = 0
            self.watch.set(0.0, 0, 0)
            request = receive_request(self.channel)
            if isinstance(request, Probe):
                self._probe(request)
            elif not self._batch(request):
                return

    def _flush(self) -> None:
        """Send what has been said. A worker that dies before has said nothing: the pool asks for it again."""
        data = frames(self.said)
        self.said.clear()
        where = self.watch.get()
        self.watch.set(0.0, where.job, where.contestant, sending=True)
        send_bytes(self.channel, data)
        self.flushed = time.monotonic()
        self.watch.set(0.0, where.job, where.contestant)

    def _probe(self, probe: Probe) -> None:
        self.watch.set(time.monotonic() + AROUND_S, 0, 0)
        try:
            held, detail = probes.PROBES[probe.name](*probe.arguments)
        except Exception:  # noqa: BLE001  # an attempt that fails in a way it did not foresee proves nothing
            held, detail = False, traceback.format_exc(limit=-3)
        processes.end_others(self.spare)
        self.said.append(Held(held, detail))
        self._flush()

    def _batch(self, batch: Batch) -> bool:
        self.watch.batch = batch.number
        for number, job in enumerate(batch.jobs):
            limit = self.limit_s * (ALONE if batch.alone else HASTY if job.hasty else 1) + allowance_s(job)
            self.idle = self.idle_s * (HASTY if job.hasty else 1)
            self._put = False
            for place, name in enumerate(job.contestants):
                contestant = self.contestants[name]
                observation = self._observe(job, contestant, number, place, limit, alone=batch.alone)
                last = number == len(batch.jobs) - 1 and place == len(job.contestants) - 1
                self.said.append(Answer(batch.number, number, place, observation, self.spent and not last))
                if self.spent or last or time.monotonic() - self.flushed > SAY_S:
                    self._flush()
                if self.spent:
                    return False
        return True

    # -- one contestant, one archive -------------------------------------------------------------------------------

    def _put_archive(self, job: Job) -> None:
        if not self._put:
            self.arena.put_archive(job.archive)
            self._put = True

    def _observe(
        self, job: Job, contestant: Contestant, number: int, place: int, limit_s: float, *, alone: bool
    ) -> Observation:
        table = contestant.table
        self.watch.set(time.monotonic() + AROUND_S, number, place, around=True)
        try:
            if isinstance(job.archive, Stored):
                self._put_archive(job)  # first: a contestant before this one may have made it unreadable
            lacking = table.lacking(job.archive)
            if not lacking and not table.driver:
                self._put_archive(job)
        except (OSError, MemoryError) as error:
            self.spent = True
            outcome = Outcome(error=f"the archive cannot be put into the cell: {error}", error_class="harness")
            return self._record(contestant, _Seen(outcome=outcome), "harness-fault", (), ())
        if lacking:
            outcome = Outcome(error=lacking, error_class="lacks")
            return self._record(contestant, _Seen(outcome=outcome), "unavailable", (), ())
        began = time.perf_counter_ns()
        since = time.time_ns()
        relinked = relinks(job.world)
        self.spent = relinked
        cut: list[bytes] = []
        try:
            before = self.arena.prepare(job.world)
        except WorldError as error:
            self.spent = True
            return self._record(contestant, _Seen(outcome=_said(error)), "harness-fault", (), ())
        fresh = bool(table.serve) and (
            alone
            or job.world.locale != LOCALE
            or job.world.cwd != CWD
            or (not table.umask and job.world.umask != UMASK)
        )
        try:
            self.watch.set(
                # What runs outside the worker is stopped by the worker, which knows whether it could run.
                time.monotonic()
                + limit_s * (1 if table.driver else BUSY)
                + GRACE_S
                + (serving.START_S * BUSY if fresh else 0),
                number,
                place,
                relinked=relinked,
                inside=bool(table.driver),
                served=0 if fresh else self.served.get(contestant.name, 0),
            )
            os.umask(job.world.umask)
            try:
                if table.argv:
                    seen = self._command(job, contestant, limit_s)
                elif table.serve:
                    # What crashed or hung as it listed must not be said to have done so as it extracted.
                    asked = msgspec.structs.replace(job, listing=False) if alone and job.listing else job
                    seen = self._serve(asked, contestant, limit_s, fresh=fresh)
                    if asked is not job:
                        seen.outcome.notes += (f"{listing.UNUSED}: it is not asked for when it runs a second time",)
                else:
                    seen = self._driver(job, contestant, limit_s, alone=alone)
            finally:
                os.umask(0o022)
                if not self._intact():
                    os._exit(TAMPERED)
                self.watch.set(time.monotonic() + AROUND_S, number, place, around=True)
            full = seen.failed and self.arena.full()
            escapes = self.arena.escapes()
            tree = self.arena.clear(since=since, cut=cut)
            if seen.failed and seen.status is None and (full or _too_long(tree)):
                # Not everybody passes on what the system said. It failed for want of means, not of its own accord.
                seen.status = "over-limit"
                what = "the arena is full" if full else "a file is as long as any may be"
                seen.outcome.notes += (f"over a limit of the cell: {what}",)
            escapes += self.arena.leaks(tree, before, job.archive)
        except Exception:  # noqa: BLE001  # our own side failed: said as such, never taken for the contestant's doing
            self.spent = True
            fault = Outcome(error=traceback.format_exc(limit=-6), error_class="harness")
            return self._record(contestant, _Seen(outcome=fault), "harness-fault", (), ())
        if escapes:
            self.spent = True
        left = together.segments()
        if left:
            self.spent = True  # the supervisor removes them
            seen.outcome.notes += (f"left behind: {left} segments of shared memory, which were removed",)
        if cut:
            notes = (f"{len(cut)} directories {TOO_DEEP}, first {ascii(cut[0][:60])[1:]}...",)
            seen.outcome.notes += notes
        status = seen.status or _status(seen.failed, tree, before)
        total = time.perf_counter_ns() - began
        return self._record(contestant, seen, status, tree, escapes, overhead_ns=max(0, total - seen.wall_ns))

    def _intact(self) -> bool:
        """Whether the contestant left this process its descriptors."""
        try:
            return os.fstat(self.channel.fileno()).st_ino == self._channel_inode and self.arena.intact()
        except OSError:
            return False

    def _lowest_free(self) -> int:
        """The lowest free descriptor: another one than before says that some were left open, or closed."""
        lowest = os.dup(self.channel.fileno())
        os.close(lowest)
        return lowest

    def _tidy(self, seen: _Seen) -> None:
        """What a driver's contestant left in this process, besides files: told, and the process is given up."""
        left = []
        os.chdir("/")
        if self._lowest_free() != self._lowest:
            left.append("descriptors opened or closed")
        if threading.active_count() > 1:
            left.append(f"{threading.active_count() - 1} threads")
        stragglers = processes.end_others(self.spare)
        if stragglers:
            left.append(f"{stragglers} processes, which were killed")
        if left:
            self.spent = True
            seen.outcome.notes += (f"left behind: {', '.join(left)}",)

    def _record(
        self,
        contestant: Contestant,
        seen: _Seen,
        status: Status,
        tree: tuple[Node, ...],
        escapes: tuple[Change, ...],
        overhead_ns: int = 0,
    ) -> Observation:
        outcome, home = seen.outcome, contestant.home
        return Observation(
            contestant=contestant.name,
            version=contestant.version,
            family=contestant.family,
            status=status,
            tree=tree,
            escapes=escapes,
            listing=outcome.listing,
            error=self._text(outcome.error, home),
            error_class=self._text(outcome.error_class, home),
            warnings=tuple(self._text(text, home) for text in outcome.warnings),
            notes=tuple(map(self._text, outcome.notes)),
            wall_ns=seen.wall_ns,
            cpu_ns=seen.cpu_ns,
            overhead_ns=overhead_ns,
            peak_kib=seen.peak_kib,
            disk_kib=disk_kib(tree),
            reached=seen.reached,
        )

    def _text(self, said: str, home: str = "") -> str:
        """What was said, without the cell's own paths and without what UTF-8 cannot hold."""
        if not said:
            return said
        said = said[:LONGEST].replace(self.arena.dest_path, "{dest}").replace(self.arena.archive_path, "{archive}")
        said = said.replace(self.arena.scratch_path, "{tmp}")
        if home:
            said = said.replace(home, "{home}")
        said = said.replace(self.arena.root, ARENA)
        return said if said.isascii() else said.encode("utf-8", "backslashreplace").decode()

    def _driver(self, job: Job, contestant: Contestant, limit_s: float, *, alone: bool) -> _Seen:
        module = self.modules[contestant.table.driver]
        order = Order(
            archive=job.archive, dest=self.arena.dest_path, mode=contestant.table.mode, schedule=job.schedule
        )
        seen = _Seen(outcome=Outcome())
        wall, cpu = time.perf_counter_ns(), time.process_time_ns()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            if job.world.cwd != CWD:
                os.chdir(self._cwd(job, contestant))
            self.counters.clear()
            self.alarm.set(limit_s)
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
            elif isinstance(error, tuple(module.EXPECTED)):
                seen.failed = True
            else:
                # Run again in a fresh process; what happens twice is the archive's doing, not this process's.
                seen.status, self.spent = "crashed", not alone
        seen.wall_ns, seen.cpu_ns = time.perf_counter_ns() - wall, time.process_time_ns() - cpu
        high = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        seen.peak_kib = high if high > peak else 0
        if seen.outcome.error_class and seen.status is None:
            seen.failed = True
        if seen.status is None and contestant.table.counted and self.counters.marks:
            seen.reached = self.counters.reached()
        self._tidy(seen)
        if job.world.locale != LOCALE:
            seen.outcome.notes = (*seen.outcome.notes, f"runs in the cell's own locale, not {job.world.locale}")
        return seen

    def _cwd(self, job: Job, contestant: Contestant) -> str:
        """Where a contestant is called."""
        if contestant.table.cwd:
            return contestant.table.cwd.replace("{dest}", self.arena.dest_path)
        places = {"dest": self.arena.dest_path, "parent": self.arena.base}
        return places.get(job.world.cwd, self.arena.scratch_path)

    def _serve(self, job: Job, contestant: Contestant, limit_s: float, *, fresh: bool) -> _Seen:
        """Ask a persistent driver, or one of its own where it must not have done anything before (`fresh`)."""
        servant = self.servants[contestant.name]
        if fresh and not servant.failed:
            environment = command.environment(contestant, job.world.locale, self.arena.scratch_path)
            os.chdir(self._cwd(job, contestant))
            driver = Driver(contestant, environment)
            os.chdir("/")
            try:
                driver.wait_ready(self.spare)
                return self._asked(driver, job, limit_s)
            finally:
                driver.kill()
                driver.close()
                processes.end_others(self.spare)
                self.arena.sweep()
        try:
            return self._asked(servant, job, limit_s)
        finally:
            self.arena.sweep()

    def _asked(self, driver: Driver, job: Job, limit_s: float) -> _Seen:
        if driver.failed:
            return _Seen(outcome=Outcome(error=driver.failed, error_class="driver"), status="unavailable")
        table = driver.contestant.table
        notes: tuple[str, ...] = ()
        if job.schedule != WHOLE and not table.schedule:
            notes = ("the schedule was not applied: it takes the archive as a whole",)
        elif job.schedule.pause and table.schedule != "pauses":
            notes = ("pauses are not applied: it has no way to wait",)
        number = time.monotonic_ns() // 1000  # another one for every worker, and a number for JavaScript too
        line = serving.request(
            number,
            self.arena.archive_path,
            self.arena.dest_path,
            umask=job.world.umask,
            chunks=job.schedule.chunks if table.schedule else (),
            pause=job.schedule.pause and table.schedule == "pauses",
            listing=job.listing,
        )
        still = Still((processes.first(), os.getpid(), *(self.spare - {driver.pid})))
        cpu, began = driver.cpu_ns(), time.perf_counter_ns()
        reply = driver.ask(line, number, limit_s=limit_s, idle_s=self.idle, still=still)
        seen = _Seen(outcome=Outcome(notes=notes), wall_ns=time.perf_counter_ns() - began)
        seen.cpu_ns = max(0, driver.cpu_ns() - cpu)
        seen.peak_kib = driver.peak_kib()
        self.spent = self.spent or isinstance(reply, serving.Gone)
        serving.tell(reply, seen.outcome)
        seen.outcome.error = table.steady(seen.outcome.error)
        seen.outcome.warnings = tuple(table.steady(text) for text in seen.outcome.warnings)
        seen.status = serving.status(reply)
        seen.failed = isinstance(reply, serving.Answered) and reply.status == "refused"
        return seen

    def _command(self, job: Job, contestant: Contestant, limit_s: float) -> _Seen:
        table = contestant.table
        notes: tuple[str, ...] = ()
        pieces, argv = None, table.argv
        if job.schedule != WHOLE:
            if table.stdin:
                order = Order(archive=job.archive, dest="", mode="", schedule=job.schedule)
                pieces, argv = order.chunks(), table.stdin
                notes = ("read from a pipe",)
            else:
                notes = ("the schedule was not applied: it cannot read from a pipe",)
        if table.cwd and job.world.cwd == "parent":
            notes += ("it is called in its own directory, not in the one that the case names",)
        try:
            ended = self._spawn(contestant, argv, job, limit_s, pieces=pieces)
        except command.StartError as error:
            return _Seen(outcome=Outcome(error=str(error), error_class="start"), status="unavailable")
        text = table.steady(ended.said.decode("utf-8", "backslashreplace").strip())
        if ended.stragglers:
            notes += (f"{ended.stragglers} processes that it left behind were killed",)
        seen = _Seen(
            outcome=Outcome(notes=notes), wall_ns=ended.wall_ns, cpu_ns=ended.cpu_ns, peak_kib=ended.peak_kib
        )
        if ended.killed:
            seen.status, seen.outcome.error_class = "hung", ended.killed
            seen.outcome.error = ASLEEP if ended.killed == "asleep" else f"no end after {limit_s:g} s"
        elif ended.signal:
            seen.status = "over-limit" if ended.signal == signal.SIGXFSZ else "crashed"
            seen.outcome.error_class = f"signal {ended.signal}"
            seen.outcome.error = text
        elif ended.code:
            seen.failed = True
            seen.outcome.error_class, seen.outcome.error = f"exit {ended.code}", text
            if serving.over(text):
                seen.status = "over-limit"
            elif table.refuses_with and ended.code not in table.refuses_with:
                seen.status = "crashed"
        elif text:
            seen.outcome.warnings = tuple(text.splitlines()[:20])
        if job.listing and table.list and not seen.failed and seen.status is None:
            self._list(contestant, job, limit_s, seen)
        return seen

    def _list(self, contestant: Contestant, job: Job, limit_s: float, seen: _Seen) -> None:
        """Ask a command for its listing. What it says on standard error belongs to no row."""
        try:
            ended = self._spawn(contestant, contestant.table.list, job, limit_s, listing=True)
        except command.StartError as error:
            seen.outcome.notes += (f"{listing.UNUSED}: {error}",)
            return
        if ended.killed or ended.signal or ended.code:
            how = ended.killed or (f"signal {ended.signal}" if ended.signal else f"exit code {ended.code}")
            seen.outcome.notes += (f"{listing.UNUSED}: it ended with {how}",)
            return
        try:
            seen.outcome.listing = listing.rows(ended.said, contestant.table.row)
        except listing.ListingError as error:
            seen.outcome.notes += (f"{listing.UNUSED}: {error}",)

    def _spawn(
        self,
        contestant: Contestant,
        argv: tuple[str, ...],
        job: Job,
        limit_s: float,
        *,
        pieces: Any = None,
        listing: bool = False,
    ) -> command.Ended:
        filled = tuple(
            word.replace("{archive}", self.arena.archive_path).replace("{dest}", self.arena.dest_path)
            for word in contestant.words(argv)
        )
        os.chdir(self._cwd(job, contestant))
        try:
            return command.run(
                contestant,
                filled,
                locale=job.world.locale,
                tmp=self.arena.scratch_path,
                limit_s=limit_s,
                idle_s=self.idle,
                pieces=pieces,
                pause=job.schedule.pause,
                spare=self.spare,
                keep=LISTED if listing else command.SAID,
                errors=not listing,
            )
        finally:
            os.chdir("/")
            self.arena.sweep()


def allowance_s(job: Job) -> float:
    """Seconds that a large archive, or one in many pieces, may take longer than a small one."""
    chunks = job.schedule.chunks
    pieces = len(job.archive) * len(chunks) // max(1, sum(chunks))
    return pieces * PIECE_S + len(job.archive) * BYTE_S


def _said(error: BaseException) -> Outcome:
    return Outcome(error=f"{type(error).__name__}: {error}", error_class=type(error).__name__)


def _too_long(tree: tuple[Node, ...]) -> bool:
    """Whether a file of the tree is as long as the cell allows, so that it could not be written any further."""
    longest = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    return longest != resource.RLIM_INFINITY and any(node.size >= longest for node in tree if node.type == "file")


def _essence(tree: tuple[Node, ...]) -> list[tuple[object, ...]]:
    return [(n.path, n.type, n.mode, n.size, n.data, n.digest, n.link) for n in tree if n.path != b"."]


def _status(failed: bool, tree: tuple[Node, ...], before: tuple[Node, ...]) -> Status:
    if not failed:
        return "extracted"
    return "refused" if _essence(tree) == _essence(before) else "partial"
