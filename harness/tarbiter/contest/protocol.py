"""What the pool and its cells say to each other: frames of msgpack over a socket pair.

A frame is its length (four bytes, little-endian) and a message. The pool sends a `Batch`, and the cell one `Answer`
for each contestant of each job, several together. The pool may send the next batch before that: it waits in the
socket, or in the pool. Answers name their batch: one that comes when its batch has left belongs to nobody.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from .installed.table import Contestant
from .observation import Job, Observation
from .sandbox.namespaces import Plan


class Setup(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The first frame to a cell: what it is to be."""

    plan: Plan
    contestants: tuple[Contestant, ...]
    time_limit_s: float
    idle_limit_s: float
    coverage: bool = False
    """Count blocks of the modules that its drivers name (`Table.counted`)."""


class Batch(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Jobs to run in order. `alone` gives each contestant `worker.ALONE` times the time: a second chance."""

    number: int
    """Which batch of this cell it is, from 1."""
    jobs: tuple[Job, ...]
    alone: bool = False


class Probe(msgspec.Struct, frozen=True, tag=True):
    """Try to break out: run the named check of `probes` in the worker."""

    name: str
    arguments: tuple[str, ...] = ()


Request: TypeAlias = Batch | Probe


class Ready(msgspec.Struct, frozen=True, tag=True):
    """The cell is up. `uid` is the one inside, `milliseconds` what entering the sandbox took."""

    uid: int
    milliseconds: float
    arena: str = "tmpfs"
    """The file system of the arena."""
    path: str = ""
    """Where the arena is."""
    uncounted: tuple[str, ...] = ()
    """Modules whose blocks should be counted and are not."""


class Failed(msgspec.Struct, frozen=True, tag=True):
    """The sandbox could not be set up; nothing has run. `refused` is SandboxError's."""

    step: str
    detail: str
    refused: bool = False


class Answer(msgspec.Struct, frozen=True, tag=True):
    """The observation of contestant number `contestant` of job number `job` of batch number `batch`.

    `died`: the worker is gone and the rest of the batch has not been run; the pool sends it again.
    """

    batch: int
    job: int
    contestant: int
    observation: Observation
    died: bool = False


class Held(msgspec.Struct, frozen=True, tag=True):
    """What came of a probe."""

    held: bool
    detail: str


class Torn(msgspec.Struct, frozen=True, tag=True):
    """The cell ends, because something of our own failed while no contestant was running. `detail` says what."""

    detail: str


Reply: TypeAlias = Ready | Failed | Answer | Held | Torn

PIECE = 1 << 18
"""Bytes that are read at a time."""

_LENGTH = struct.Struct("<I")
_setup = msgspec.msgpack.Decoder(Setup)
_requests = msgspec.msgpack.Decoder(Request)
_replies = msgspec.msgpack.Decoder(Reply)
_encoder = msgspec.msgpack.Encoder()


class ClosedError(Exception):
    """The other side has gone."""


def frame(message: msgspec.Struct) -> bytes:
    """A message as it goes over the wire."""
    data = _encoder.encode(message)
    return _LENGTH.pack(len(data)) + data


def frames(messages: Sequence[msgspec.Struct]) -> bytes:
    """Several messages, one behind the other."""
    return b"".join(map(frame, messages))


def send(channel: socket.socket, message: msgspec.Struct) -> None:
    """Send one frame. Raises ClosedError."""
    send_bytes(channel, frame(message))


def send_bytes(channel: socket.socket, data: bytes) -> None:
    """Send whole frames. Raises ClosedError."""
    try:
        channel.sendall(data)
    except ConnectionError as error:
        raise ClosedError from error


def _exactly(channel: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        try:
            piece = channel.recv(min(size - len(data), PIECE))
        except ConnectionResetError as error:
            raise ClosedError from error
        if not piece:
            raise ClosedError
        data += piece
    return bytes(data)


def _receive(channel: socket.socket) -> bytes:
    (size,) = _LENGTH.unpack(_exactly(channel, _LENGTH.size))
    return _exactly(channel, size)


def receive_setup(channel: socket.socket) -> Setup:
    """Wait for the first frame. Raises ClosedError."""
    return _setup.decode(_receive(channel))


def receive_request(channel: socket.socket) -> Request:
    """Wait for a batch or a probe. Raises ClosedError."""
    request: Request = _requests.decode(_receive(channel))
    return request


class Replies:
    """Takes replies off a channel, however their bytes arrive."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self._buffer = bytearray()

    def pull(self) -> bool:
        """Read what is there. False: nothing was. Raises ClosedError."""
        try:
            data = self.channel.recv(PIECE)
        except (BlockingIOError, InterruptedError):
            return False
        except ConnectionResetError as error:
            raise ClosedError from error
        if not data:
            raise ClosedError
        self._buffer += data
        return True

    def pop(self) -> Reply | None:
        """The next reply that has wholly arrived."""
        if len(self._buffer) < _LENGTH.size:
            return None
        (size,) = _LENGTH.unpack_from(self._buffer)
        end = _LENGTH.size + size
        if len(self._buffer) < end:
            return None
        with memoryview(self._buffer) as view:
            reply: Reply = _replies.decode(view[_LENGTH.size : end])
        del self._buffer[:end]
        return reply

    def wait(self) -> Reply:
        """The next reply. Raises ClosedError; TimeoutError as the channel is set."""
        while (reply := self.pop()) is None:
            self.pull()
        return reply
