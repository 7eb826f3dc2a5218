"""The pool: cells side by side, jobs in, observations out, in order, whatever dies on the way.

What crashed, hung, went over a limit or looks like our own fault is run a second time, alone and with more time,
before it is believed; the observation says so. A cell that dies is replaced, and what it was doing is run again.
"""

from __future__ import annotations

import os
import selectors
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from ..archive.stored import Stored
from .cell_handle import Cell, Item
from .installed.registry import Contestant, RegistryError
from .observation import Job, Listed, Node, Observation
from .protocol import Answer, ClosedError, Setup, Torn
from .sandbox import backends
from .sandbox.namespaces import LANDLOCK, Plan, SandboxError, shown
from .worker.idle import BUSY
from .worker.worker import ALONE, AROUND_S, GRACE_S, allowance_s

BATCH = 10
"""Jobs that go to a cell at a time: a round trip costs what a small extraction does."""

MANY = 500
"""Names in a tree, or rows of a listing, from which on those that are the same in several are kept once."""

SPACE = 1536 << 20
"""Address space of each process at least; twice its memory where that is more."""

BATCH_BYTES = 1 << 20
"""Bytes of archives after which a batch takes no more jobs: what is on its way is in memory several times."""

FLYING = 2
"""Batches a cell may have: one it works on, and one so that it need not wait for the next."""

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


NO_ROOT = "a case as root takes a user namespace, and a cell by Landlock has none"
"""Why nobody is run there."""


class EndedError(Exception):
    """The time was over before everything had been run."""


def _visible(contestants: Sequence[Contestant]) -> tuple[str, ...]:
    """Directories that a cell must show: this Python, our packages, what the contestants need."""
    onetar = find_spec("onetar")  # where it is, and no more: the cell alone imports it
    own = [str(Path(__file__).resolve().parent.parent)]
    own += (onetar.submodule_search_locations or []) if onetar else []
    paths = [*own, sys.prefix, sys.base_prefix, os.path.dirname(os.path.realpath(sys.executable))]
    for one in contestants:
        paths += one.visible
    return tuple(dict.fromkeys(path for path in paths if path != "/" and os.path.exists(path)))


class Pool:
    """Cells that run contestants. Use it as a context manager, in the main thread.

    `contestants` are all that jobs may name. `kind` is one of `backends.CHOICES`; empty: what the environment asks
    for. `coverage`: note which blocks of their parsers the contestants in the worker run through
    (`Table.counted`). `shared`: a directory that cells are shown as well, read-only: archives that stay in files
    are in it (`archive.stored`). Raises RegistryError when two have one name, SandboxError from `__enter__` when no
    cell can be set up, or outside the main thread.
    """

    def __init__(
        self,
        contestants: Sequence[Contestant],
        *,
        cells: int = 1,
        limits: Limits | None = None,
        kind: str = "",
        coverage: bool = False,
        shared: str = "",
    ) -> None:
        self.contestants = {one.name: one for one in contestants}
        if len(self.contestants) != len(contestants):
            raise RegistryError("pool", "two contestants have the same name; name one of them otherwise")
        self.cells = max(1, cells)
        self.limits = limits or Limits()
        self.kind = kind
        self.shared = shared
        self.backend = ""
        """The kind of cell that it came to, once there is one: all cells of a pool are of one kind."""
        self._cells: list[Cell] = []
        self._setup = Setup(
            plan=Plan(
                visible=(*_visible(tuple(contestants)), *([shared] if shared else [])),
                arena_size=self.limits.disk,
                arena_inodes=self.limits.inodes,
                data_size=self.limits.memory,
                space_size=max(SPACE, 2 * self.limits.memory),
                together=self.limits.together,
                file_size=self.limits.file_size,
                processes=self.limits.processes + sum(one.table.threads for one in contestants),
            ),
            contestants=tuple(contestants),
            time_limit_s=self.limits.time_s,
            idle_limit_s=self.limits.idle_s,
            coverage=coverage,
        )
        self.restarts = 0
        """Cells that had to be replaced."""
        self.late = 0
        """Answers that nobody waited for any more, and that were dropped."""

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

    def rooted(self) -> Cell:
        """The cell for cases as root, started when it is asked for first. Raises SandboxError."""
        for cell in self._cells:
            if cell.root:
                return cell
        self._add(root=True)
        return self._cells[-1]

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
        self._add(root=cell.root)
        self.restarts += 1
        return self._cells[-1]

    def discard(self, cell: Cell) -> None:
        """End a cell whose work nobody waits for; another one is started when it is needed."""
        cell.close()
        self._cells.remove(cell)

    def refill(self) -> None:
        """Start the cells that are missing, but for the one for cases as root. Raises SandboxError."""
        while sum(not cell.root for cell in self._cells) < self.cells:
            self._add(root=False)

    def _add(self, *, root: bool) -> None:
        if threading.current_thread() is not threading.main_thread():
            # PR_SET_PDEATHSIG follows the thread: a cell would be killed when this one ends.
            raise SandboxError("start", "cells are started from the main thread only")
        cell = self._start(root=root)
        self._cells.append(cell)
        for module in cell.ready.uncounted:
            backends.tell(f"no coverage of {module}: it was not loaded from a source file")

    def _start(self, *, root: bool) -> Cell:
        if self.backend:
            return Cell(self._with(msgspec.structs.replace(self._setup.plan, root=root)))
        plan, wanted = self._setup.plan, self.kind or backends.asked()
        cell, chosen = backends.choose(plan, wanted, lambda one: Cell(self._with(one)))
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
        self.again: dict[bool, deque[Item]] = {False: deque(), True: deque()}
        """What has to be run once more, by whether it is run as root."""
        self.rooted: deque[Item] = deque()
        """Fresh jobs to be run as root."""
        self.open: dict[int, tuple[Job, list[Observation | None]]] = {}
        self.known: dict[int, dict[Node | Listed, Node | Listed]] = {}
        """Of jobs with large trees: what their nodes and rows are, so that equal ones are in memory once."""
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
                    self.known.pop(due, None)
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
                items = self._next(due, root=cell.root)
                if not items:
                    continue
                try:
                    cell.give(items)
                    self._mind(cell)
                except ClosedError:
                    self._lost(cell)
        if (self.rooted or self.again[True]) and not any(cell.root for cell in self.pool.all_cells):
            cell = self.pool.rooted()
            self.selector.register(cell.channel, selectors.EVENT_READ, cell)
            self._feed(due)

    def _mind(self, cell: Cell) -> None:
        """Listen to a cell, and notice when it takes more of what has not been sent."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if cell.flush() else 0)
        self.selector.modify(cell.channel, events, cell)

    def _next(self, due: int, *, root: bool) -> list[Item]:
        """The next batch: what has to be run again, or fresh jobs while not too many wait for an early one.

        Jobs are pulled for the ordinary cells; those to be run as root are put aside, and not more than a batch.
        """
        again = self.again[root]
        if again:
            items = [again.popleft()]
            while again and not items[0].alone and not again[0].alone and len(items) < BATCH:
                items.append(again.popleft())
            return items
        items, weight = [], 0
        if root:
            while self.rooted and len(items) < BATCH:
                items.append(self.rooted.popleft())
            return items
        ahead = (FLYING + 1) * BATCH * len(self.pool.all_cells)
        while (
            not self.exhausted and len(items) < self.size and self.pulled - due < ahead and len(self.rooted) < BATCH
        ):
            job = next(self.jobs, None)
            if job is None:
                self.exhausted = True
                break
            unknown = set(job.contestants) - self.pool.contestants.keys()
            if unknown:
                raise ValueError(f"{', '.join(sorted(unknown))}: not among the contestants of this pool")
            self.open[self.pulled] = (job, [None] * len(job.contestants))
            item = Item(self.pulled, job, tuple(range(len(job.contestants))))
            if isinstance(job.archive, Stored) and not job.archive.path.startswith(f"{self.pool.shared or '-'}/"):
                raise ValueError(f"{job.archive.path}: not in the directory that this pool shows its cells")
            if item.root and self.pool.backend == LANDLOCK:
                self.open[self.pulled] = (job, [self._missing(name) for name in job.contestants])
            elif job.contestants:
                (self.rooted if item.root else items).append(item)
            self.pulled += 1
            weight += len(job.archive) if isinstance(job.archive, bytes) else 0
            if weight > BATCH_BYTES:
                break
        self.size = min(BATCH, self.size + 1)
        return items

    def _missing(self, name: str) -> Observation:
        """What is said of who cannot be run as root here."""
        known = self.pool.contestants[name]
        return Observation(
            contestant=known.name,
            version=known.version,
            family=known.family,
            cell=self.pool.backend,
            status="unavailable",
            error=NO_ROOT,
            error_class="lacks",
        )

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

    def _patience_s(self, batch: list[Item]) -> float:
        """Seconds that a cell may say nothing: the most that its own watchdog allows, and looking at the tree."""
        longest = max(allowance_s(item.job) for item in batch)
        return BUSY * (self.pool.limits.time_s * ALONE + longest) + 2 * GRACE_S + AROUND_S

    def _take(self, cell: Cell) -> None:
        while (reply := cell.replies.pop()) is not None:
            if isinstance(reply, Torn):
                cell.torn = reply.detail
                continue
            assert isinstance(reply, Answer)
            cell.heard = time.monotonic()
            self._answer(cell, reply)

    def _answer(self, cell: Cell, answer: Answer) -> None:
        """Take an answer to something that this cell has been given and has not answered yet; drop any other."""
        if not cell.work or answer.batch != cell.number:
            self.pool.late += 1
            return
        batch = cell.work[0]
        item = batch[answer.job] if 0 <= answer.job < len(batch) else None
        place = item.places[answer.contestant] if item and 0 <= answer.contestant < len(item.places) else -1
        if item is None or place not in item.left:
            self.pool.late += 1
            if answer.died:
                self._give_again(cell)
            return
        item.left.remove(place)
        known = self.pool.contestants[item.job.contestants[place]]
        observation = msgspec.structs.replace(
            self._shared(item.index, answer.observation),
            contestant=known.name,
            version=known.version,
            family=known.family,
            cell=self.pool.backend,
        )
        if answer.died or not any(one.left for one in batch):
            self._give_again(cell)
        self._settle(item, place, observation)

    def _shared(self, index: int, seen: Observation) -> Observation:
        """An observation with the nodes and rows of those before it where they are equal: most of them are."""
        if len(seen.tree) < MANY and len(seen.listing or ()) < MANY:
            return seen
        known = self.known.setdefault(index, {})
        tree: Any = tuple(known.setdefault(node, node) for node in seen.tree)
        listing: Any = seen.listing and tuple(known.setdefault(row, row) for row in seen.listing)
        return msgspec.structs.replace(seen, tree=tree, listing=listing)

    def _give_again(self, cell: Cell) -> None:
        """A cell is done with its first batch: what it has not answered of that is run again."""
        rest = [one.rest() for one in cell.work.popleft() if one.left]
        if rest:
            self.again[rest[0].root].extendleft(reversed(rest))

    def _settle(self, item: Item, place: int, observation: Observation) -> None:
        key = (item.index, place)
        hasty = item.job.hasty and observation.status != "harness-fault"
        if observation.status in SUSPECT and not item.alone and not hasty:
            self.first[key] = observation
            self.again[item.root].append(Item(item.index, item.job, (place,), alone=True))
            return
        if key in self.first:
            before = self.first.pop(key)
            note = f"run twice: {before.status} first ({before.error_class})"
            observation = msgspec.structs.replace(observation, notes=(*observation.notes, note))
        elif item.job.twice:
            if key not in self.once:
                self.once[key] = observation
                self.again[item.root].append(Item(item.index, item.job, (place,)))
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
        self.again[culprit.root].extendleft(reversed(items))
        known = self.pool.contestants[culprit.job.contestants[place]]
        observation = Observation(
            contestant=known.name,
            version=known.version,
            family=known.family,
            cell=self.pool.backend,
            status="harness-fault",
            error=cell.torn or "the cell ended, or was silent for too long, while this was run",
            error_class="cell",
        )
        self._settle(culprit, place, observation)
