"""Mutators of what is around the archive: how it arrives, and what is there before it."""

from __future__ import annotations

import msgspec

from ...archive.case import CWDS, UIDS, Schedule, World
from ...archive.layers import LAYER_KINDS, Layer
from ..choices import Choices, below, chance, pick
from ..schedules import chunks
from ..worlds import fits, something
from . import Work, mutator, weight
from .carriers import names


@mutator(3)
def schedule__change(work: Work, choices: Choices) -> bool:
    """The archive arrives in other pieces, with pauses or without, or whole again."""
    before = work.schedule
    if chance(choices, 4):
        work.schedule = Schedule()
    else:
        size = weight(work.parts) + 512 * work.end
        work.schedule = Schedule(chunks=chunks(choices, size), pause=chance(choices, 2))
    return work.schedule != before


@mutator(4)
def world__place(work: Work, choices: Choices) -> bool:
    """Something is at a member's name already, at its parent's, or below it."""
    known = names(work)
    if not known:
        return False
    name = pick(choices, known).strip(b"/")
    how = below(choices, 4)
    if how == 1:
        name = name.rpartition(b"/")[0]
    elif how == 2:
        name += b"/below"
    placed = something(choices, name)
    if not fits(work.world, placed):
        return False
    work.world = msgspec.structs.replace(work.world, placed=(*work.world.placed, placed))
    return True


@mutator(1)
def world__clear(work: Work, choices: Choices) -> bool:
    """The destination is empty again, the environment the usual one."""
    del choices
    before, work.world = work.world, World()
    return work.world != before


@mutator(1)
def world__borrow(work: Work, choices: Choices) -> bool:
    """World and schedule of another case."""
    other = work.other(choices)
    if other is None or (other.world, other.schedule) == (work.world, work.schedule):
        return False
    work.world, work.schedule = other.world, other.schedule
    return True


@mutator(1)
def world__umask(work: Work, choices: Choices) -> bool:
    """Another umask, or another mode of the destination."""
    before = work.world
    if chance(choices, 3):
        work.world = msgspec.structs.replace(before, dest_mode=pick(choices, (0o700, 0o555, 0o1777, 0o755)))
    else:
        work.world = msgspec.structs.replace(before, umask=pick(choices, (0o000, 0o022, 0o027, 0o077, 0o777)))
    return work.world != before


@mutator(1)
def world__called(work: Work, choices: Choices) -> bool:
    """Called by root or not, or from another directory."""
    before = work.world
    if chance(choices, 2):
        work.world = msgspec.structs.replace(before, uid=pick(choices, UIDS))
    else:
        work.world = msgspec.structs.replace(before, cwd=pick(choices, CWDS))
    return work.world != before


MOST_LAYERS = 3
"""Layers that an archive may get by mutation; everybody gives up somewhere, and each costs memory."""


@mutator(1)
def layers__put(work: Work, choices: Choices) -> bool:
    """One compression more around the archive, in one member or in several."""
    if len(work.layers) >= MOST_LAYERS:
        return False
    size = weight(work.parts) + 512 * work.end
    splits = sorted(below(choices, size + 1) for _ in range(below(choices, 3)))
    layer = msgspec.convert({"kind": pick(choices, LAYER_KINDS), "splits": splits}, Layer)
    work.layers = (*work.layers, layer)
    return True


@mutator(1)
def layers__drop(work: Work, choices: Choices) -> bool:
    """One compression fewer: what was decompressed is read as it is."""
    if not work.layers:
        return False
    place = below(choices, len(work.layers))
    work.layers = (*work.layers[:place], *work.layers[place + 1 :])
    return True


@mutator(1)
def layers__bend(work: Work, choices: Choices) -> bool:
    """A compression is cut, or has something behind it."""
    if not work.layers:
        return False
    layer = work.layers[-1]
    if chance(choices, 2):
        bent = msgspec.structs.replace(layer, cut=pick(choices, (1, 4, 8, 12, 512)))
    else:
        bent = msgspec.structs.replace(layer, tail=pick(choices, (b"\0", b"junk", bytes(512), b"\x1f\x8b")))
    work.layers = (*work.layers[:-1], bent)
    return bent != layer
