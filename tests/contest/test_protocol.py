"""Frames arrive as they were sent, however their bytes arrive; an end is an end."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tarbiter.contest.observation import Job, Observation
from tarbiter.contest.protocol import (
    Answer,
    Batch,
    ClosedError,
    Failed,
    Held,
    Replies,
    frame,
    receive_request,
    send,
)

ANSWER = Answer(3, 1, 2, Observation(contestant="c", status="refused", error="e" * 5000), died=True)
REPLIES = (ANSWER, Held(held=True, detail="d"), Failed("step", "detail"))


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


@given(cuts=st.lists(st.integers(1, 700), min_size=1, max_size=8))
def test_chunking_is_invisible(cuts: list[int]) -> None:
    data = b"".join(frame(reply) for reply in REPLIES)
    one, other = socket.socketpair()
    with one, other:
        replies, seen, turn = Replies(other), [], 0
        while data:
            size = cuts[turn % len(cuts)]
            turn += 1
            one.sendall(data[:size])
            data = data[size:]
            assert replies.pull()
            while (reply := replies.pop()) is not None:
                seen.append(reply)
    assert seen == list(REPLIES)


def test_a_request(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    batch = Batch(number=1, jobs=(Job(archive=b"\0\xff" * 1000, contestants=("a",)),), alone=True)
    send(one, batch)
    assert receive_request(other) == batch


def test_nothing_there(pair: tuple[socket.socket, socket.socket]) -> None:
    _, other = pair
    other.setblocking(False)
    replies = Replies(other)
    assert not replies.pull()
    assert replies.pop() is None


@pytest.mark.parametrize(
    "sent", [b"", b"\x01", frame(REPLIES[1])[:-1]], ids=["at once", "in a length", "in a frame"]
)
def test_the_end(pair: tuple[socket.socket, socket.socket], sent: bytes) -> None:
    one, other = pair
    one.sendall(sent)
    one.close()
    with pytest.raises(ClosedError):
        Replies(other).wait()


def test_nobody_reads(pair: tuple[socket.socket, socket.socket]) -> None:
    one, other = pair
    other.close()
    with pytest.raises(ClosedError):
        send(one, REPLIES[1])
