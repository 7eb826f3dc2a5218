"""A case: a recipe with the world it lands in, the schedule it arrives by, and why it is kept.

The destination is always called `dest` and always has the same neighbours (`NEIGHBOURS`), so that recipes can
aim at them and the cell can see whether they were hit.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import msgspec

from .expect import Expect
from .layers import Layer
from .recipe import Recipe

DEST = b"dest"
"""The name of the destination directory."""

CANARY = b"canary"
"""A directory beside the destination that holds `SECRET` and must not change."""

SIBLING = b"dest-evil"
"""A directory beside the destination that shares the destination's prefix, holds `SECRET` and must not change."""

NEIGHBOURS = (CANARY, SIBLING)

HOLDER = b"/arena/out/1/2/3/4"
"""The directory that holds the destination and its neighbours, as contestants see it: for absolute names."""

SECRET = b"secret.txt"
SECRET_DATA = b"nobody outside the destination may read or change this\n"

PlacedKind: TypeAlias = Literal["file", "dir", "symlink", "hardlink", "fifo"]


class Placed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Something that is in the destination before the extraction begins.

    `name` is relative to the destination; missing parents are made. Times are fixed (`PLACED_MTIME`).
    """

    kind: PlacedKind
    name: bytes
    data: bytes = b""
    link: bytes = b""
    """The target: as it is for a symlink, relative to the destination for a hard link (it may point outside)."""
    mode: int | None = None
    """Permission bits; None: 0644 for files and FIFOs, 0755 for directories."""


PLACED_MTIME = 1_100_000_000
"""Seconds since the epoch that everything placed by a world carries."""


Uid: TypeAlias = Literal["user", "root"]
UIDS: tuple[Uid, ...] = get_args(Uid)
Cwd: TypeAlias = Literal["tmp", "dest", "parent"]
CWDS: tuple[Cwd, ...] = get_args(Cwd)


class World(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is at the destination before, and the environment a contestant runs in."""

    placed: tuple[Placed, ...] = ()
    dest_mode: int = 0o755
    umask: int = 0o022
    locale: str = "C.UTF-8"
    cwd: Cwd = "tmp"
    """Where a contestant is called: in an empty directory, in the destination, or in what holds that."""
    uid: Uid = "user"
    """Whether a contestant sees itself as root. It is a plain user either way."""


class WorldField(msgspec.Struct, frozen=True, kw_only=True):
    """How a field of `World` other than `placed` is written, read and named as a cause."""

    cause: str
    """What `triage.causes` calls it where it is not as usual. Fields of one cause are set back together."""
    octal: bool = False
    """True: permission bits, written in octal."""
    choices: tuple[str, ...] = ()
    """The values that it can have; empty: any."""
    refusal: str = ""
    """What is said of a value that is not one of `choices`."""


_ENVIRONMENT = "world: mode, umask or locale"

WORLD_FIELDS: dict[str, WorldField] = {
    "dest_mode": WorldField(cause=_ENVIRONMENT, octal=True),
    "umask": WorldField(cause=_ENVIRONMENT, octal=True),
    "locale": WorldField(cause=_ENVIRONMENT),
    "cwd": WorldField(cause="world: where it is called", choices=CWDS, refusal="no place to be called in"),
    "uid": WorldField(cause="world: as root", choices=UIDS, refusal="nobody"),
}
"""Every field of `World` but `placed`, in its order. Reading, writing, causes and minimising use this table."""


def world_causes() -> dict[str, tuple[str, ...]]:
    """The names of the fields in `WORLD_FIELDS`, by cause."""
    found: dict[str, tuple[str, ...]] = {}
    for name, field in WORLD_FIELDS.items():
        found[field.cause] = (*found.get(field.cause, ()), name)
    return found


def world_changes(world: World) -> dict[str, tuple[str, ...]]:
    """The fields that are not as usual, by cause; empty: all are as usual (but for `placed`)."""
    usual = World()
    changed = (
        (cause, tuple(name for name in names if getattr(world, name) != getattr(usual, name)))
        for cause, names in world_causes().items()
    )
    return {cause: names for cause, names in changed if names}


def usual_again(world: World, *names: str) -> World:
    """The world with these fields set back to their usual values."""
    return msgspec.structs.replace(world, **{name: getattr(World(), name) for name in names})


def surroundings(world: World) -> tuple[str, ...]:
    """What is not as usual about a world, in words that fit a line; empty: nothing."""
    said = [f"{len(world.placed)} placed"] if world.placed else []
    for names in world_changes(world).values():
        for name in names:
            value = getattr(world, name)
            said.append(f"{name} {value:03o}" if WORLD_FIELDS[name].octal else f"{name} {value}")
    return tuple(said)


class Schedule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How the bytes arrive at contestants that read a stream.

    `chunks` are sizes of successive reads in bytes, used in turn and again from the start; empty: one read of
    everything. `pause`: before every read the reader has nothing once (an async reader is Pending, a pipe would
    block). Contestants that take only a file name ignore it, and say so in their observation.
    """

    chunks: tuple[int, ...] = ()
    pause: bool = False


WHOLE = Schedule()


class Case(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A recipe, where it lands, how it arrives, what is expected of an extractor, and words about it."""

    id: str = ""
    """The path of its file below `corpus/`, without the suffix: `topic/name`."""
    title: str = ""
    """What the archive shows, in one sentence."""
    why: str = ""
    """What the documents say, and what extractors make of it."""
    source: tuple[str, ...] = ()
    """Where it is from: a clause of POSIX, a section of a manual, a CVE, an issue."""
    flags: tuple[str, ...] = ()
    """What is at stake, in the words of `corpus/flags.toml`."""
    covers: tuple[str, ...] = ()
    """The dimensions of a tar archive that it shows, in the words of `corpus/dimensions.toml`."""
    layers: tuple[Layer, ...] = ()
    """Compression around the archive, the first one innermost."""
    world: World = World()
    schedule: Schedule = WHOLE
    recipe: Recipe = Recipe()
    expect: Expect = Expect()

    def identity(self) -> Case:
        """The case without the words about it: what is run. Two cases of equal identity are the same case."""
        return msgspec.structs.replace(self, id="", title="", why="", source=(), flags=())
