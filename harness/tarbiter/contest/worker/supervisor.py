"""A cell: one sandboxed process that supervises a worker, and replaces it whenever it dies, hangs or is spent.

Three processes make a cell. Outside stays one that does nothing but wait, so that the kernel ends the rest with it.
Inside, the first process of the namespace is the supervisor: it holds warm modules and the arena, forks workers
from itself in less than a millisecond, and kills what is silent for too long. The worker runs the contestants.
Persistent drivers are the supervisor's children, so that they outlive a worker.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import signal
import socket
import sys
import time
import traceback
from types import FrameType, ModuleType

from ...exit_codes import lacking
from ..observation import Change, Observation, Status
from ..protocol import Answer, ClosedError, Failed, Ready, Setup, Torn, receive_setup, send
from ..sandbox import processes
from ..sandbox import total_memory as together
from ..sandbox.arena import Arena
from ..sandbox.namespaces import ARENA, LANDLOCK, SandboxError, adopt_orphans, die_with_parent, enter, inside_id
from .command import environment
from .counters import Counters
from .idle import Still, cpu_ns, out_of_time
from .serving import START_S, Driver
from .watch import Watch, Where
from .worker import ASLEEP, LOCALE, TAMPERED, Worker, drivers

TICK_S = 0.05
"""Seconds between two looks at a silent worker."""

HASTE_S = 0.005
"""The same while a contestant has more than half of what memory it may have; more when a look takes longer."""

TRIES = 3
"""Times in a row that a persistent driver may end before it is ready; then it is left alone. One that we gave up,
or whose tries took `START_S` together, is not tried again at all: everybody waits for it meanwhile."""

KNOWN = 2
"""Processes of the cell that are our own: supervisor and worker."""

OVERRUNS = {
    "disk": "more on the disk than the cell may have: killed",
    "memory": "all of its processes together have more memory than they may: killed",
    "processes": "more processes and threads than the cell may have: killed",
}
"""What is ended by the supervisor because nothing else does."""

SPENT, CLOSED, TORN = 10, 11, 12
"""Exit codes of a worker: a fresh one should take over; the pool has gone; something of ours is broken."""


def main(fd: int, parent: int) -> None:
    """Become a cell that talks over the socket `fd`. `parent` is the pid of the pool's process."""
    die_with_parent(parent)
    channel = socket.socket(fileno=fd)
    try:
        setup = receive_setup(channel)
    except ClosedError:
        sys.exit(0)
    try:
        names = {name for one in setup.contestants for name in one.table.counted} if setup.coverage else set()
        counters = Counters(names)
        modules = drivers(setup.contestants)
        uncounted = counters.loaded()
    except ImportError as error:
        send(channel, Failed("load the drivers", str(error)))
        sys.exit(2)
    began = time.perf_counter()
    try:
        if setup.plan.backend == LANDLOCK:
            arena = _enter_landlock(channel, setup, parent)
        else:
            arena = _enter_namespaces(channel, setup, parent)
    except SandboxError as error:
        # Where something has run out, a weaker cell would fail as well, or be taken for the wrong reason.
        send(channel, Failed(error.step, error.detail, refused=not lacking(error.detail)))
        sys.exit(2)
    try:
        supervisor = _Supervisor(channel, setup, modules, counters, arena)
    except (OSError, MemoryError) as error:
        send(channel, Failed("make the arena", str(error) or os.strerror(errno.ENOMEM)))
        sys.exit(2)
    milliseconds = (time.perf_counter() - began) * 1000
    supervisor.run(Ready(os.getuid(), milliseconds, file_system(arena), arena, uncounted))


def _enter_namespaces(channel: socket.socket, setup: Setup, parent: int) -> str:
    inside = enter(setup.plan)
    if inside:
        # The uid may have changed on the way, which takes the death signal away.
        die_with_parent(parent)
        channel.close()
        _wait_for(inside)
        os._exit(0)
    return ARENA


def _enter_landlock(channel: socket.socket, setup: Setup, parent: int) -> str:
    from ..sandbox import landlock  # noqa: PLC0415  # the other cells start sooner without it

    # What the kernel does for a namespace, the launcher has to do: it must not go before the others.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    die_with_parent(parent, by=signal.SIGTERM)
    entered = landlock.enter(setup.plan, parent)
    if entered.inside:
        channel.close()
        try:
            _wait_for(entered.inside)
        finally:
            entered.end()
            os._exit(0)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    return entered.arena


def _wait_for(inside: int) -> None:
    """Stay until the cell's supervisor has ended; SIGTERM ends it now."""
    handle = os.pidfd_open(inside)  # a pid alone may be another process's by the time it is used

    def end(_signal: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)

    signal.signal(signal.SIGTERM, end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    os.waitpid(inside, 0)


def file_system(path: str) -> str:
    """The type of the file system that `path` is on, as the kernel names it."""
    device = os.stat(path).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    with open("/proc/self/mountinfo", encoding="ascii", errors="backslashreplace") as file:
        for line in file:
            mount, _, kind = line.partition(" - ")
            if mount.split()[2] == wanted:
                return kind.split()[0]
    return "unknown"


class _Supervisor:
    """The first process of the cell."""

    def __init__(
        self, channel: socket.socket, setup: Setup, modules: dict[str, ModuleType], counters: Counters, arena: str
    ) -> None:
        self.channel, self.setup, self.modules, self.counters = channel, setup, modules, counters
        self.watch = Watch(mmap.mmap(-1, mmap.PAGESIZE))
        self.arena = Arena(arena, inside_id(setup.plan))
        self.drivers: dict[str, Driver] = {}
        self.failures: dict[str, int] = {}
        """How often in a row a driver could not be started."""
        self.failing_s: dict[str, float] = {}
        """Seconds that this took."""
        self.tick_s = TICK_S
        quiet = os.open(os.devnull, os.O_RDWR)
        for target in (0, 1, 2):
            os.dup2(quiet, target)

    def run(self, ready: Ready) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        try:
            send(self.channel, ready)
            while True:
                self._generation()
                self.arena.rebuild()
        except ClosedError:
            os._exit(0)

    def _generation(self) -> None:
        """One worker, from its fork to its end; what it was doing is answered when it did not end by itself."""
        self._start_drivers()
        self.watch.set(0.0, 0, 0)
        self.watch.say("")
        pid = os.fork()
        if pid == 0:
            self._be_worker()
        code, hung = self._wait(pid)
        where = self.watch.get()
        if where.served and (hung or code != SPENT):
            # What it was asked for is still under way, and nobody waits for it.
            list(self.drivers.values())[where.served - 1].kill()
        processes.end_others(self._pids())
        together.remove_segments()
        self._answer_for(where, code, hung)

    def _answer_for(self, where: Where, code: int, hung: str) -> None:
        """Say what became of a worker that has ended with `code`, where it has not said so itself."""
        if where.deadline == 0.0 and not where.sending:
            if hung and not where.batch:
                return  # killed when it had said all that it had seen
            # No contestant was running, so the code is the worker's own.
            if code == CLOSED:
                raise ClosedError
            if code == SPENT:
                return
            if not hung:
                words = self.watch.last_words()
                send(self.channel, Torn(words or f"the worker ended ({code}) while no contestant was running"))
                os._exit(TORN)
        if where.sending:
            os._exit(TORN)  # half a frame may be on its way: only a new cell can be trusted
        words = self.watch.last_words()
        if words:
            status: Status = "harness-fault"
            error = words
        elif where.around:
            status = "harness-fault"
            error = (
                "looking at the tree took too long" if hung else f"the worker ended ({code}) after the contestant"
            )
        elif hung in OVERRUNS:
            status, error = "over-limit", OVERRUNS[hung]
        elif hung:
            status = "hung"
            error = ASLEEP if hung == "asleep" else "no answer, not even to the alarm: killed"
        else:
            closed = code == TAMPERED
            status = "crashed"
            error = "it closed descriptors that are not its own" if closed else "it took the worker with it"
        kind = hung or (f"signal {-code}" if code < 0 else f"exit {code}")
        observation = Observation(
            contestant="", status=status, escapes=self._escapes(where), error=error, error_class=kind
        )
        # When it was killed between two contestants, this has been answered: the pool keeps the first answer, and
        # sends the rest again.
        send(self.channel, Answer(where.batch, where.job, where.contestant, observation, True))

    def _pids(self) -> frozenset[int]:
        return frozenset(driver.pid for driver in self.drivers.values() if driver.pid)

    def _start_drivers(self) -> None:
        """Start the persistent drivers that are not running: all of them first, and then wait for each."""
        fresh = []
        for one in self.setup.contestants:
            driver = self.drivers.get(one.name)
            if not one.table.serve or self.failures.get(one.name, 0) >= TRIES or (driver and not driver.ended()):
                continue
            if driver:
                driver.close()
            self.drivers[one.name] = Driver(one, environment(one, LOCALE, self.arena.scratch_path))
            fresh.append(self.drivers[one.name])
        for driver in fresh:
            driver.wait_ready(self._pids() - {driver.pid})
            name = driver.contestant.name
            self.failing_s[name] = self.failing_s.get(name, 0.0) + driver.age_s if driver.failed else 0.0
            self.failures[name] = self.failures.get(name, 0) + 1 if driver.failed else 0
            if driver.hopeless or self.failing_s[name] > START_S:
                self.failures[name] = TRIES

    def _escapes(self, where: Where) -> tuple[Change, ...]:
        """What the dead worker's contestant changed outside, without what the worker did there itself.

        That is the archive, which this process has not written, and what the world links.
        """
        own = {"links", "mtime"} if where.relinked else set()
        seen = self.arena.escapes()
        return tuple(one for one in seen if one.what not in own and one.path != self.arena.archive_name)

    def _wait(self, pid: int) -> tuple[int, str]:
        """Exit code (minus the signal) of the worker, and why it had to be killed: `time`, `asleep`, or not."""
        killed = ""
        still = Still((processes.first(), *self._pids()))
        seen, since, used = 0.0, 0.0, 0
        while True:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status), killed
            where, self.tick_s = self.watch.get(), TICK_S
            if where.deadline != seen:
                seen, since, used = where.deadline, time.monotonic(), cpu_ns(pid)
            if not killed and where.deadline:
                now = time.monotonic()
                cpu_s = (cpu_ns(pid) - used) / 1e9 if where.inside and now > seen else 0.0
                if now > seen and (not where.inside or out_of_time(now - since, cpu_s, seen - since)):
                    killed = "time"
                elif where.inside and still.seconds(where) > self.setup.idle_limit_s:
                    killed = "asleep"
                elif not where.around and not where.sending:
                    killed = self._overrun(pid, where)
                if killed:
                    os.kill(pid, signal.SIGKILL)
            signal.sigtimedwait({signal.SIGCHLD}, self.tick_s)

    def _overrun(self, worker: int, where: Where) -> str:
        """Which limit has been passed that the kernel does not keep for this kind of cell; empty: none."""
        plan, found = self.setup.plan, ""
        if self._hoards(worker, where):
            found = "memory"
        elif plan.backend == LANDLOCK and self.arena.overrun(plan.arena_size, plan.arena_inodes):
            found = "disk"
        elif plan.backend == LANDLOCK and processes.threads(processes.pids()) > plan.processes + KNOWN:
            found = "processes"
        # Looking takes time: what was looked at may have ended, and something else begun.
        return found if found and self.watch.get() == where else ""

    def _hoards(self, worker: int, where: Where) -> bool:
        """Whether the processes of the contestant have too much memory together. Looks again soon if it is much."""
        drivers = [driver.pid for driver in self.drivers.values()]
        asked = drivers[where.served - 1] if where.served else 0
        others = {processes.first(), *drivers, 0 if where.inside else worker} - {asked}
        began, most = time.monotonic(), self.setup.plan.together
        theirs = [pid for pid in processes.pids() if pid not in others]
        bound = together.bound(theirs)
        found = bound > most and together.counted(theirs) > most
        if bound > most // 2:
            self.tick_s = max(HASTE_S, time.monotonic() - began)
        return found

    def _be_worker(self) -> None:
        code = TORN
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, set())
            adopt_orphans()
            if self.setup.plan.backend == LANDLOCK:
                os.setpgid(0, 0)  # a signal to the whole group must not meet the supervisor
                die_with_parent(processes.first())
            Worker(
                self.channel, self.arena, self.setup, self.modules, self.counters, self.drivers, self.watch
            ).serve()
            code = SPENT
        except ClosedError:
            code = CLOSED
        except BaseException:  # noqa: BLE001  # whatever it is, it is a fault of ours that has to be told
            self.watch.say(traceback.format_exc(limit=-8))
        finally:
            os._exit(code)
