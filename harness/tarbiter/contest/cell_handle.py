"""A cell from outside: the process that it is, what it was given to do, and what it answers."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

import msgspec

from .observation import Job
from .protocol import Batch, ClosedError, Failed, Held, Probe, Ready, Replies, Setup, Torn, frame, send
from .sandbox.namespaces import SandboxError
from .worker.worker import AROUND_S

START_S = 60.0
"""Seconds a cell may take to answer for the first time."""

END_S = 5.0
"""Seconds a cell may take to end by itself before it is killed."""


class Item(msgspec.Struct):
    """Work for a cell: some contestants (by their place in the job) of job number `index`."""

    index: int
    job: Job
    places: tuple[int, ...]
    alone: bool = False
    left: list[int] = []
    """The places that have not been answered."""

    def __post_init__(self) -> None:
        self.left = list(self.places)

    @property
    def root(self) -> bool:
        """Whether it is for a cell in which contestants are root."""
        return self.job.world.uid == "root"

    def rest(self) -> Item:
        """What is left of it, as new work."""
        return Item(self.index, self.job, tuple(self.left), self.alone)

    def to_send(self) -> Job:
        """The job, for the contestants that it is for."""
        names = tuple(self.job.contestants[place] for place in self.places)
        return msgspec.structs.replace(self.job, contestants=names)


_START = (
    "import sys, json; sys.path[:0] = json.loads(sys.argv[1]); "
    "from tarbiter.contest.worker.supervisor import main; main(int(sys.argv[2]), int(sys.argv[3]))"
)


def bytecode() -> list[str]:
    """The options that treat compiled files as this process does: the environment, which says so, is not passed on.

    A cell whose modules are compiled at each start takes twice the time to start.
    """
    if sys.dont_write_bytecode:
        return ["-B"]
    return ["-X", f"pycache_prefix={sys.pycache_prefix}"] if sys.pycache_prefix else []


class Cell:
    """One cell, from outside. Raises SandboxError when it cannot be set up."""

    def __init__(self, setup: Setup) -> None:
        self.channel, theirs = socket.socketpair()
        paths = [str(Path(__file__).resolve().parent.parent.parent)]
        paths += [path for path in sys.path if path and os.path.isdir(path)]
        command = [sys.executable, "-I", "-S", *bytecode(), "-c", _START]
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
        self.root = setup.plan.root
        """Whether contestants are uid 0 in it."""
        self.work: deque[list[Item]] = deque()
        """The batches it has, the one it works on first."""
        self.given = 0
        """Batches that it has been given in all; they are numbered from 1."""
        self.torn = ""
        """Why it ended, as far as it could say so."""
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

    def give(self, items: list[Item]) -> None:
        """Queue a batch. Raises ClosedError."""
        if not self.work:
            self.heard = time.monotonic()
        self.work.append(items)
        self.given += 1
        jobs = tuple(item.to_send() for item in items)
        self._unsent += frame(Batch(number=self.given, jobs=jobs, alone=items[0].alone))
        self.flush()

    @property
    def number(self) -> int:
        """The number of the batch that it works on; of the next one when it works on none."""
        return self.given - len(self.work) + 1

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
        if isinstance(reply, Torn):
            raise ClosedError
        assert isinstance(reply, Held)
        return reply
