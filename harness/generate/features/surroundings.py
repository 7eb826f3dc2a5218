"""Sections 7 and 8, how the archive arrives and where it lands: schedules and worlds."""

from __future__ import annotations

from ...archive.case import CANARY, SECRET, Placed, Schedule
from ..draft import Draft
from . import feature

CHUNKS = ((1,), (511,), (512,), (513,), (100,), (1, 511), (10240,), (7, 505, 1, 1000))
"""Sizes of successive reads: byte by byte, around a block, around a record, mixed."""


@feature("7 schedules", 6, chunks=CHUNKS, pause=(False, True))
def schedule__chunks(draft: Draft, chunks: tuple[int, ...], pause: bool) -> None:
    """The archive arrives in pieces."""
    draft.schedule = Schedule(chunks=chunks, pause=pause)


WORLDS = (
    (Placed(kind="file", name=b"a", data=b"old\n"),),
    (Placed(kind="dir", name=b"a"),),
    (Placed(kind="file", name=b"dir", data=b"old\n"),),
    (Placed(kind="symlink", name=b"a", link=b"../" + CANARY + b"/" + SECRET),),
    (Placed(kind="symlink", name=b"dir", link=b"../" + CANARY),),
    (Placed(kind="symlink", name=b"pkg-1.0", link=b"elsewhere"), Placed(kind="dir", name=b"elsewhere")),
    (Placed(kind="symlink", name=b"a", link=b"nothing"),),
    (Placed(kind="fifo", name=b"a"),),
    (Placed(kind="dir", name=b"dir", mode=0o555),),
    (Placed(kind="file", name=b"dir/f", data=b"old\n", mode=0o400),),
    (Placed(kind="hardlink", name=b"a", link=b"../" + CANARY + b"/" + SECRET),),
    (Placed(kind="file", name=b"a", data=b"old\n"), Placed(kind="hardlink", name=b"b", link=b"a")),
)
"""What is at the destination before: at a member's name, or at its parent's."""


@feature("8 worlds", 6, placed=WORLDS)
def world__placed(draft: Draft, placed: tuple[Placed, ...]) -> None:
    """Something is at the destination already."""
    draft.world = type(draft.world)(placed=placed, umask=draft.world.umask)


@feature("8 worlds", 2, umask=(0o000, 0o077, 0o777))
def world__umask(draft: Draft, umask: int) -> None:
    """Another umask than 022."""
    draft.world = type(draft.world)(placed=draft.world.placed, umask=umask)
