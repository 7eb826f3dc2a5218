"""The pool: cells side by side, jobs in, observations out, in order, whatever dies on the way.

What crashed, hung, went over a limit or looks like our own fault is run a second time, alone and with more time,
before it is believed; the observation says so. A cell that dies is replaced, and what it was doing is run again.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType

import msgspec

from . import backends
from .observation import Job, Observation
from .protocol import Answer, Batch, ClosedError, Failed, Held, Probe, Ready, Replies, Setup, frame, send
from .registry import Contestant, RegistryError
from .sandbox import Plan, SandboxError, shown
from .still import BUSY
from .worker import ALONE, AROUND_S, GRACE_S, allowance_s

BATCH = 10
"""Jobs that go to a cell at a time: a round trip costs what a small extraction does."""

FLYING = 2
"""Batches a cell may have: one it works on, and one so that it need not wait for the next."""

START_S = 60.0
"""Seconds a cell may take to answer for the first time."""

END_S = 5.0
"""Seconds a cell may take to end by itself before it is killed."""

SUSPECT = frozenset(("crashed", "hung", "over-limit", "harness-fault"))
"""Statuses that are not believed at once."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a contestant may use for one archive. Sizes are bytes. Beyond them it is over-limit, or hung."""

    time_s: float = 4.0
    """Seconds until it is stopped; more when it is run again to make sure (`worker.ALONE`)."""
    idle_s: float = 0.5
    """Seconds that a contestant may sleep, with all its threads and processes: nothing in a cell can wake it."""
    memory: int = 768 << 20
    """Private memory of each process."""
    together: int = 1 << 30
    """Memory of all its processes together, shared memory included: every page once."""
    disk: int = 512 << 20
    """The archive, the tree and all around it."""
    inodes: int = 100_000
    """Files, directories and links."""
    file_size: int = 256 << 20
    """The longest file, holes counted."""
    processes: int = 64
    """Processes and threads together, besides those that persistent drivers keep (`Table.threads`)."""


def essence(seen: Observation) -> tuple[object, ...]:
    """What has to be the same in two runs of the same. Times and wording need not."""
    tree = [(n.path, n.type, n.mode, n.size, n.data, n.digest, n.link, n.group) for n in seen.tree]
    return seen.status, tree, seen.escapes


def steady(first: Observation, second: Observation) -> Observation:
    """The second of two runs of the same; a flaky one with both when they differ."""
    if essence(first) == essence(second):
        return second
    return Observation(
        contestant=second.contestant,
        version=second.version,
        family=second.family,
        cell=second.cell,
        status="flaky",
        error=f"{first.status}, and {second.status} when run again"
        if first.status != second.status
        else f"{first.status} both times, but not with the same outcome",
        error_class="flaky",
        both=(first, second),
        wall_ns=second.wall_ns,
        overhead_ns=second.overhead_ns,
    )


class EndedError(Exception):
    """The time was over before everything had been run."""


class _Item(msgspec.Struct):
    """Work for a cell: some contestants (by their place in the job) of job number `index`."""

    index: int
    job: Job
    places: tuple[int, ...]
    alone: bool = False
    left: list[int] = []
    """The places that have not been answered."""

    def __post_init__(self) -> None:
        self.left = list(self.places)

    def rest(self) -> _Item:
        """What is left of it, as new work."""
        return _Item(self.index, self.job, tuple(self.left), self.alone)

    def to_send(self) -> Job:
        names = tuple(self.job.contestants[place] for place in self.places)
        return msgspec.structs.replace(self.job, contestants=names)


def _visible(contestants: Sequence[Contestant]) -> tuple[str, ...]:
    """Directories that a cell must show: this Python, our packages, what the contestants need."""
    here = Path(__file__).resolve().parent.parent
    own = [str(here), str(here.parent / "extractor")]
    paths = [*own, sys.prefix, sys.base_prefix, os.path.dirname(os.path.realpath(sys.executable))]
    for one in contestants:
        paths += one.visible
    return tuple(dict.fromkeys(path for path in paths if path != "/" and os.path.exists(path)))


_START = (
    "import sys, json; sys.path[:0] = json.loads(sys.argv[1]); "
    "from harness.contest.cell import main; main(int(sys.argv[2]), int(sys.argv[3]))"
)


class Cell:
    """One cell, from outside. Raises SandboxError when it cannot be set up."""

    def __init__(self, setup: Setup) -> None:
        self.channel, theirs = socket.socketpair()
        paths = [str(Path(__file__).resolve().parent.parent.parent)]
        paths += [path for path in sys.path if path and os.path.isdir(path)]
        command = [sys.executable, "-I", "-S", "-B", "-c", _START]
        # A fresh interpreter with nothing in its environment: a fork would show ours in /proc. A session of its
        # own, so that Ctrl-C reaches the pool and not the cells.
        try:
            self.process = subprocess.Popen(  # noqa: S603  # this very Python
                [*command, json.dumps(paths), str(theirs.fileno()), str(os.getpid())],
                pass_fds=(theirs.fileno(),),
                env={"LC_ALL": "C.UTF-8", "PATH": os.defpath},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # whoever reads what we print need not wait for a cell to end
                start_new_session=True,
                cwd="/",
            )
        except OSError as error:
            self.channel.close()
            raise SandboxError("start", f"no process can be started: {error.strerror}") from error
        finally:
            theirs.close()
        self.work: deque[list[_Item]] = deque()
        """The batches it has, the one it works on first."""
        self.heard = 0.0
        """When it last said something, or got work while it had none: monotonic clock."""
        self.replies = Replies(self.channel)
        self._unsent = bytearray()
        self.channel.settimeout(START_S)
        try:
            send(self.channel, setup)
            reply = self.replies.wait()
        except (ClosedError, TimeoutError) as error:
            self.close()
            raise SandboxError("start", "the cell ended, or said nothing, before it was ready") from error
        except BaseException:  # Ctrl-C: nobody else knows of this cell yet
            self.close()
            raise
        if isinstance(reply, Failed):
            self.close()
            raise SandboxError(reply.step, reply.detail, refused=reply.refused)
        assert isinstance(reply, Ready)
        self.ready = reply
        self.channel.setblocking(False)

    def close(self) -> None:
        """End the cell and everything in it; nothing of it is left when this returns."""
        self.channel.close()
        self.process.terminate()
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def give(self, items: list[_Item]) -> None:
        """Queue a batch. Raises ClosedError."""
        if not self.work:
            self.heard = time.monotonic()
        self.work.append(items)
        self._unsent += frame(Batch(jobs=tuple(item.to_send() for item in items), alone=items[0].alone))
        self.flush()

    def flush(self) -> bool:
        """Send what the socket takes. Whether anything is left to send. Raises ClosedError."""
        try:
            while self._unsent:
                del self._unsent[: self.channel.send(self._unsent)]
        except BlockingIOError:
            return True
        except ConnectionError as error:
            raise ClosedError from error
        return False

    def probe(self, name: str, *arguments: str) -> Held:
        """Run one attempt to break out. Raises ClosedError or TimeoutError when the cell did not survive it."""
        assert not self.work
        self.channel.settimeout(AROUND_S)
        try:
            send(self.channel, Probe(name, arguments))
            reply = self.replies.wait()
        finally:
            self.channel.setblocking(False)
        assert isinstance(reply, Held)
        return reply


class Pool:
    """Cells that run contestants. Use it as a context manager, in the main thread.

    `contestants` are all that jobs may name. `kind` is one of `backends.CHOICES`; empty: what the environment asks
    for. Raises RegistryError when two have one name, and SandboxError from `__enter__` when no cell can be set up,
    or outside the main thread.
    """

    def __init__(
        self,
        contestants: Sequence[Contestant],
        *,
        cells: int = 1,
        limits: Limits | None = None,
        kind: str = "",
    ) -> None:
        self.contestants = {one.name: one for one in contestants}
        if len(self.contestants) != len(contestants):
            raise RegistryError("pool", "two contestants have the same name; name one of them otherwise")
        self.cells = max(1, cells)
        self.limits = limits or Limits()
        self.kind = kind
        self.backend = ""
        """The kind of cell that it came to, once there is one: all cells of a pool are of one kind."""
        self._cells: list[Cell] = []
        self._setup = Setup(
            plan=Plan(
                visible=_visible(tuple(contestants)),
                arena_size=self.limits.disk,
                arena_inodes=self.limits.inodes,
                data_size=self.limits.memory,
                together=self.limits.together,
                file_size=self.limits.file_size,
                processes=self.limits.processes + sum(one.table.threads for one in contestants),
            ),
            contestants=tuple(contestants),
            time_limit_s=self.limits.time_s,
            idle_limit_s=self.limits.idle_s,
        )
        self.restarts = 0
        """Cells that had to be replaced."""

    def __enter__(self) -> Pool:
        try:
            self.refill()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def _close(self) -> None:
        for cell in self._cells:
            cell.close()
        self._cells.clear()

    @property
    def visible(self) -> tuple[str, ...]:
        """What of the host every cell shows, read-only."""
        return tuple(shown(self._setup.plan))

    @property
    def plan(self) -> Plan:
        """What its cells are."""
        return self._setup.plan

    @property
    def first(self) -> Cell:
        """A cell for probes."""
        return self._cells[0]

    def run(self, job: Job) -> tuple[Observation, ...]:
        """Run one job."""
        ((_, observations),) = self.map((job,))
        return observations

    def map(
        self, jobs: Iterable[Job], *, ended: Callable[[], bool] = lambda: False
    ) -> Generator[tuple[Job, tuple[Observation, ...]], None, None]:
        """Run jobs, in order. Lazy: a job is pulled when a cell is about to be free for it.

        One at a time: finish, or close, what one call gave before the next call. Raises ValueError for a job that
        names somebody who is not in the pool, SandboxError when a cell that died cannot be replaced, EndedError
        when `ended` says so (asked at least once a second): what is in flight is given up, whatever hangs in it.
        """
        self.refill()
        return _Run(self, iter(jobs), ended).results()

    def replace(self, cell: Cell) -> Cell:
        """A new cell in the place of one that died. Raises SandboxError."""
        self.discard(cell)
        self.refill()
        fresh = self._cells[-1]
        self.restarts += 1
        return fresh

    def discard(self, cell: Cell) -> None:
        """End a cell whose work nobody waits for; `__enter__` or the next `map` starts another in its place."""
        cell.close()
        self._cells.remove(cell)

    def refill(self) -> None:
        """Start the cells that are missing. Raises SandboxError."""
        if len(self._cells) < self.cells and threading.current_thread() is not threading.main_thread():
            # PR_SET_PDEATHSIG follows the thread: a cell would be killed when this one ends.
            raise SandboxError("start", "cells are started from the main thread only")
        while len(self._cells) < self.cells:
            self._cells.append(self._start(self._setup.plan))

    def _start(self, plan: Plan) -> Cell:
        if self.backend:
            return Cell(self._setup)
        cell, chosen = backends.choose(plan, self.kind or backends.asked(), lambda one: Cell(self._with(one)))
        self._setup, self.backend = self._with(chosen), chosen.backend
        return cell

    def _with(self, plan: Plan) -> Setup:
        return msgspec.structs.replace(self._setup, plan=plan)

    @property
    def arena(self) -> str:
        """The file system that trees are made on."""
        return self.first.ready.arena

    @property
    def all_cells(self) -> tuple[Cell, ...]:
        """The cells as they are now."""
        return tuple(self._cells)


class _Run:
    """One call of `map`."""

    def __init__(self, pool: Pool, jobs: Iterator[Job], ended: Callable[[], bool]) -> None:
        self.pool, self.jobs, self.ended = pool, jobs, ended
        self.again: deque[_Item] = deque()
        self.open: dict[int, tuple[Job, list[Observation | None]]] = {}
        self.first: dict[tuple[int, int], Observation] = {}
        """What was seen when something was run for the first time and is run again, by job and place."""
        self.once: dict[tuple[int, int], Observation] = {}
        """What was seen of what a job asks to run twice, while the second run is due."""
        self.pulled = 0
        self.size = 1
        """Jobs in the next batch: it grows, so that a few jobs go to many cells and many in large batches."""
        self.exhausted = False
        self.selector = selectors.DefaultSelector()

    def results(self) -> Generator[tuple[Job, tuple[Observation, ...]], None, None]:
        for cell in self.pool.all_cells:
            self.selector.register(cell.channel, selectors.EVENT_READ, cell)
        due = 0
        try:
            while True:
                self._feed(due)
                while due in self.open and None not in self.open[due][1]:
                    job, seen = self.open.pop(due)
                    due += 1
                    yield job, tuple(one for one in seen if one is not None)
                    self._feed(due)
                if self.exhausted and not self.open:
                    return
                if self.ended():
                    raise EndedError
                self._listen()
        finally:
            self._abandon()

    def _abandon(self) -> None:
        """Whoever is still at work works for nobody: those cells are replaced, or ended if that cannot be."""
        self.selector.close()
        for cell in self.pool.all_cells:
            if cell.work:
                self.pool.discard(cell)

    # -- giving ----------------------------------------------------------------------------------------------------

    def _feed(self, due: int) -> None:
        for flying in range(1, FLYING + 1):  # everybody's first batch before anybody's second
            for cell in self.pool.all_cells:
                if len(cell.work) >= flying:
                    continue
                items = self._next(due)
                if not items:
                    return
                try:
                    cell.give(items)
                    self._mind(cell)
                except ClosedError:
                    self._lost(cell)

    def _mind(self, cell: Cell) -> None:
        """Listen to a cell, and notice when it takes more of what has not been sent."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if cell.flush() else 0)
        self.selector.modify(cell.channel, events, cell)

    def _next(self, due: int) -> list[_Item]:
        """The next batch: what has to be run again, or fresh jobs while not too many wait for an early one."""
        if self.again:
            items = [self.again.popleft()]
            while self.again and not items[0].alone and not self.again[0].alone and len(items) < BATCH:
                items.append(self.again.popleft())
            return items
        items = []
        ahead = (FLYING + 1) * BATCH * len(self.pool.all_cells)
        while not self.exhausted and len(items) < self.size and self.pulled - due < ahead:
            job = next(self.jobs, None)
            if job is None:
                self.exhausted = True
                break
            unknown = set(job.contestants) - self.pool.contestants.keys()
            if unknown:
                raise ValueError(f"{', '.join(sorted(unknown))}: not among the contestants of this pool")
            self.open[self.pulled] = (job, [None] * len(job.contestants))
            if job.contestants:
                items.append(_Item(self.pulled, job, tuple(range(len(job.contestants)))))
            self.pulled += 1
        self.size = min(BATCH, self.size + 1)
        return items

    # -- taking ----------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        for key, events in self.selector.select(timeout=1.0):
            cell = key.data
            try:
                if events & selectors.EVENT_WRITE:
                    self._mind(cell)
                if events & selectors.EVENT_READ:
                    cell.replies.pull()
            except ClosedError:
                self._take(cell)
                self._lost(cell)
                continue
            self._take(cell)
        for cell in self.pool.all_cells:
            if cell.work and time.monotonic() - cell.heard > self._patience_s(cell.work[0]):
                self._lost(cell)

    def _patience_s(self, batch: list[_Item]) -> float:
        """Seconds that a cell may say nothing: the most that its own watchdog allows, and looking at the tree."""
        longest = max(allowance_s(item.job) for item in batch)
        return BUSY * (self.pool.limits.time_s * ALONE + longest) + 2 * GRACE_S + AROUND_S

    def _take(self, cell: Cell) -> None:
        while (reply := cell.replies.pop()) is not None:
            assert isinstance(reply, Answer)
            cell.heard = time.monotonic()
            self._answer(cell, reply)

    def _answer(self, cell: Cell, answer: Answer) -> None:
        batch = cell.work[0]
        item = batch[answer.job]
        place = item.places[answer.contestant]
        item.left.remove(place)
        known = self.pool.contestants[item.job.contestants[place]]
        observation = msgspec.structs.replace(
            answer.observation,
            contestant=known.name,
            version=known.version,
            family=known.family,
            cell=self.pool.backend,
        )
        rest = [one.rest() for one in batch if one.left]
        if answer.died or not rest:
            cell.work.popleft()
            self.again.extendleft(reversed(rest))
        self._settle(item, place, observation)

    def _settle(self, item: _Item, place: int, observation: Observation) -> None:
        key = (item.index, place)
        hasty = item.job.hasty and observation.status != "harness-fault"
        if observation.status in SUSPECT and not item.alone and not hasty:
            self.first[key] = observation
            self.again.append(_Item(item.index, item.job, (place,), alone=True))
            return
        if key in self.first:
            before = self.first.pop(key)
            note = f"run twice: {before.status} first ({before.error_class})"
            observation = msgspec.structs.replace(observation, notes=(*observation.notes, note))
        elif item.job.twice:
            if key not in self.once:
                self.once[key] = observation
                self.again.append(_Item(item.index, item.job, (place,)))
                return
            observation = steady(self.once.pop(key), observation)
        self.open[item.index][1][place] = observation

    def _lost(self, cell: Cell) -> None:
        """A cell is gone: replace it, run again what it had not answered, what it was at alone."""
        self.selector.unregister(cell.channel)
        items = [item.rest() for batch in cell.work for item in batch if item.left]
        fresh = self.pool.replace(cell)
        self.selector.register(fresh.channel, selectors.EVENT_READ, fresh)
        if not items:
            return
        culprit = items[0]
        place = culprit.places[0]
        culprit.left.remove(place)
        if culprit.left:
            items[0] = culprit.rest()
        else:
            del items[0]
        self.again.extendleft(reversed(items))
        known = self.pool.contestants[culprit.job.contestants[place]]
        observation = Observation(
            contestant=known.name,
            version=known.version,
            family=known.family,
            cell=self.pool.backend,
            status="harness-fault",
            error="the cell ended, or was silent for too long, while this was run",
            error_class="cell",
        )
        self._settle(culprit, place, observation)
