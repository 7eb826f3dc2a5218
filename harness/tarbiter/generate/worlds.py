"""What can be at the destination before: checked, so that every world that is made can be built."""

from __future__ import annotations

from ..archive.case import CANARY, SECRET, SIBLING, Placed, PlacedKind, World
from .choices import Choices, below, chance, pick

PLACED_KINDS: tuple[PlacedKind, ...] = ("file", "dir", "symlink", "symlink", "hardlink", "fifo")

LINKS = (
    b".", b"nothing", b"a", b"elsewhere", b"..", b"../" + CANARY, b"../" + CANARY + b"/" + SECRET, b"../" + SIBLING,
    b"../dest", b"loop", b"/",
)  # fmt: skip
"""Where symlinks of a world lead: inside, nowhere, out, to the destination itself."""

MODES = (None, None, None, 0, 0o200, 0o400, 0o444, 0o500, 0o555, 0o1777, 0o4755)

NAME_MAX = 255
PATH_MAX = 1024
"""Bytes of a placed name: the arena stands before it."""


def fits(world: World, placed: Placed) -> bool:
    """Whether something can be placed beside what a world has already: a relative name that is free."""
    parts = placed.name.split(b"/")
    if len(placed.name) > PATH_MAX or b"\0" in placed.name or b"\0" in placed.link:
        return False
    if any(part in (b"", b".", b"..") or len(part) > NAME_MAX for part in parts):
        return False
    if placed.kind == "symlink" and not 0 < len(placed.link) < PATH_MAX:
        return False
    above = {b"/".join(parts[:count]) for count in range(1, len(parts))}
    for there in world.placed:
        if there.kind != "dir" and there.name in above:
            return False
        if there.name == placed.name or there.name.startswith(placed.name + b"/"):
            return False
    if placed.kind == "hardlink":
        outside = (b"../" + CANARY + b"/" + SECRET, b"../" + SIBLING + b"/" + SECRET)
        return placed.link in (*outside, *(one.name for one in world.placed if one.kind == "file"))
    return True


def something(choices: Choices, name: bytes) -> Placed:
    """Something that can be called `name`."""
    kind = pick(choices, PLACED_KINDS)
    link = b""
    if kind == "symlink":
        link = pick(choices, LINKS)
    elif kind == "hardlink":
        link = b"../" + CANARY + b"/" + SECRET
    return Placed(
        kind=kind,
        name=name,
        data=b"old\n" if kind == "file" and below(choices, 2) else b"",
        link=link,
        mode=pick(choices, MODES) if kind in ("file", "dir", "fifo") and chance(choices, 2) else None,
    )
