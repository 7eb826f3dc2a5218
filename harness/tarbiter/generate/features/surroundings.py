"""Sections 7 and 8, how the archive arrives and where it lands: schedules and worlds."""

from __future__ import annotations

import msgspec

from ...archive.case import CANARY, SECRET, Cwd, Placed, Schedule
from ...archive.encode import encode_bytes
from ...archive.recipe import BLOCK, Long, Member, Recipe
from ..draft import Draft, body
from ..schedules import FIELD_EDGES, REST, cut_at
from ..worlds import fits
from . import WHERE, feature
from .members import carried, some
from .names import path

CHUNKS = ((1,), (511,), (512,), (513,), (100,), (1, 511), (10240,), (7, 505, 1, 1000))
"""Sizes of successive reads: byte by byte, around a block, around a record, mixed."""


@feature("7 schedules", 6, chunks=CHUNKS, pause=(False, True))
def schedule__chunks(draft: Draft, chunks: tuple[int, ...], pause: bool) -> None:
    """The archive arrives in pieces."""
    draft.schedule = Schedule(chunks=chunks, pause=pause)


@feature(
    "7 schedules",
    5,
    edge=FIELD_EDGES,
    block=range(8),
    by=(0, 1, -1),
    rest=(REST, 512, 1, 100),
    pause=(False, True),
)
def schedule__edge(draft: Draft, edge: int, block: int, by: int, rest: int, pause: bool) -> None:
    """A read ends at an edge of a field of some block, or a byte beside it."""
    draft.schedule = Schedule(chunks=cut_at([BLOCK * block + edge + by], rest), pause=pause)


LONG_TEXTS = (90, 154, 600, 1500)
"""Bytes of a name that is cut by the end of a read: in one block, in the next, over several."""


@feature("7 schedules", 5, carrier=("gnu", "pax"), length=LONG_TEXTS, step=(1, 100, 511, 513), pause=(True, False))
def schedule__in_a_name(draft: Draft, carrier: str, length: int, step: int, pause: bool) -> None:
    """Reads that end inside a long name or a pax body, with a pause there (uv issue 2235)."""
    draft.parts.append(Member(data=b"long\n"))
    draft.carry(len(draft.parts) - 1, path(length), carrier)
    draft.schedule = Schedule(chunks=(step,), pause=pause)


BUFFERS = tuple(1024 * size for size in (8, 32, 64, 128, 1024))
"""Usual sizes of buffers: BufReader and stdio, uv's, pipes, node's streams, large ones."""


@feature("7 scale", 2, buffer=BUFFERS, before=(0, 1, 2, 3), carrier=("gnu", "pax", "link", "header"))
def scale__edge(draft: Draft, buffer: int, before: int, carrier: str) -> None:
    """An extension's header, body or member begins at the edge of a buffer, or up to three blocks before it."""
    used = len(encode_bytes(Recipe(tuple(draft.parts), 0)))
    room = buffer - BLOCK * (before + 1) - used % buffer
    draft.parts.append(Member(name=b"filler", data=body(room if room >= 0 else room + buffer)))
    if carrier == "link":
        draft.parts += [
            Long(kind="long-link", text=path(600)),
            Member(kind="symlink", format="gnu", name=b"at-the-edge", linkname=path(600)[:100]),
        ]
    elif carrier == "header":
        draft.parts.append(Member(name=b"at-the-edge", data=b"edge\n"))
    else:
        draft.parts.append(Member(data=b"edge\n"))
        draft.carry(len(draft.parts) - 1, path(600), carrier)


@feature("7 scale", 1, count=(50, 300), kind=("file", "dir", "symlink", "hardlink"), carrier=("name", "pax", "gnu"))
def scale__many(draft: Draft, count: int, kind: str, carrier: str) -> None:
    """Many members of one kind, each with its own carrier: descriptors, caches, recursion."""
    draft.parts.append(Member(name=b"many", data=b"many\n"))
    for number in range(count):
        name = b"m%d/" % (number % 7) + b"%03d" % number + (b"n" * 120 if carrier != "name" else b"")
        draft.parts += carried(some(kind, name[:100], 0, b"many"), name, carrier)


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
    draft.world = msgspec.structs.replace(draft.world, placed=placed)


PLACED = (
    "file", "dir", "full-dir", "symlink-out", "symlink-in", "symlink-to-secret", "dangling", "dangling-out", "fifo",
    "hardlink", "read-only-dir",
)  # fmt: skip


@feature("8 worlds", 9, kind=PLACED, at=("name", "parent", "below", "link-target"), where=WHERE)
def world__at_member(draft: Draft, kind: str, at: str, where: int) -> None:
    """Something is at a member's name already, at its parent's, below it, or where a link leads."""
    member = draft.member(draft.place(where))
    name = (member.name or b"").strip(b"/")
    if at == "parent":
        name = name.rpartition(b"/")[0] or name
    elif at == "below":
        name += b"/below"
    elif at == "link-target":
        name = (member.linkname or name).strip(b"/")
    out = b"../" * (1 + name.count(b"/")) + CANARY
    placed = {
        "file": Placed(kind="file", name=name, data=b"old\n"),
        "dir": Placed(kind="dir", name=name),
        "full-dir": Placed(kind="file", name=name + b"/old", data=b"old\n"),
        "symlink-out": Placed(kind="symlink", name=name, link=out),
        "symlink-to-secret": Placed(kind="symlink", name=name, link=out + b"/" + SECRET),
        "dangling-out": Placed(kind="symlink", name=name, link=out + b"/new"),
        "symlink-in": Placed(kind="symlink", name=name, link=b"elsewhere"),
        "dangling": Placed(kind="symlink", name=name, link=b"nothing"),
        "fifo": Placed(kind="fifo", name=name),
        "hardlink": Placed(kind="hardlink", name=name, link=b"../" + CANARY + b"/" + SECRET),
        "read-only-dir": Placed(kind="dir", name=name, mode=0o555),
    }[kind]
    if fits(draft.world, placed):
        draft.world = msgspec.structs.replace(draft.world, placed=(*draft.world.placed, placed))


@feature("9 twice", 5, mode=(None, 0o400, 0o555), changed=(False, True))
def world__extracted_before(draft: Draft, mode: int | None, changed: bool) -> None:
    """What the archive holds is there already, from an extraction before, as it was or changed since."""
    world = draft.world
    for place in draft.places("file", "dir", "symlink")[:64]:
        member = draft.member(place)
        name = (member.name or b"").strip(b"/")
        if member.kind == "symlink":
            placed = Placed(kind="symlink", name=name, link=b"nothing" if changed else member.linkname or b"a")
        elif member.kind == "dir":
            placed = Placed(kind="dir", name=name, mode=mode)
        else:
            placed = Placed(kind="file", name=name, data=b"changed\n" if changed else member.data, mode=mode)
        if fits(world, placed):
            world = msgspec.structs.replace(world, placed=(*world.placed, placed))
    draft.world = world


@feature("8 worlds", 2, mode=(0o700, 0o555, 0o500, 0o1777, 0o2755, 0o311))
def world__destination_mode(draft: Draft, mode: int) -> None:
    """A destination that cannot be written, read by others, or that gives its group to what is made in it."""
    draft.world = msgspec.structs.replace(draft.world, dest_mode=mode)


@feature("8 worlds", 2, locale=("C", "POSIX"))
def world__locale(draft: Draft, locale: str) -> None:
    """Another locale than C.UTF-8: names that are not ASCII are bytes there."""
    draft.world = msgspec.structs.replace(draft.world, locale=locale)


@feature("8 worlds", 2, umask=(0o000, 0o027, 0o077, 0o777))
def world__umask(draft: Draft, umask: int) -> None:
    """Another umask than 022."""
    draft.world = msgspec.structs.replace(draft.world, umask=umask)


@feature("8 worlds", 1)
def world__root(draft: Draft) -> None:
    """Called by root, who sets owners and keeps modes, and whom permissions do not stop."""
    draft.world = msgspec.structs.replace(draft.world, uid="root")


@feature("8 worlds", 1, cwd=("dest", "parent"))
def world__cwd(draft: Draft, cwd: Cwd) -> None:
    """Called in the destination, or beside it: a relative path that is opened from there leads elsewhere."""
    draft.world = msgspec.structs.replace(draft.world, cwd=cwd)
