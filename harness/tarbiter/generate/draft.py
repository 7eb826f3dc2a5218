"""The draft: an archive in the making, an ordinary tree that features bend out of shape.

Names come from a small pool, so that members collide, nest, replace and link to each other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from ..archive.case import Case, Schedule, World
from ..archive.encode import encode_bytes
from ..archive.layers import Layer
from ..archive.recipe import End, Header, Long, Member, MemberKind, Part, Pax, Raw, Recipe, Record
from ..archive.wire import FORMATS

T = TypeVar("T", bound=msgspec.Struct)

NAMES = (
    b"a",
    b"b",
    b"dir",
    b"dir/f",
    b"dir/g",
    b"pkg-1.0",
    b"pkg-1.0/setup.py",
    b"pkg-1.0/src",
    b"pkg-1.0/src/m.py",
    b"x/y/z",
)
"""What ordinary members are called: a few levels, each a possible parent, child or target of another."""

SIZES = (0, 1, 5, 511, 512, 513, 1024, 3000)
"""Bytes of ordinary bodies: around one block, and more than one."""

INNER = -1
"""The size that stands for a body that is an archive: who loses his place in the stream reads its members."""

BODIES = (*SIZES, INNER)
"""What ordinary bodies can be."""

CARRIERS = ("name", "prefix", "pax", "gnu")
"""What can carry a member's name: the header's field, its prefix, a pax record, a GNU long name."""


def body(size: int, salt: int = 0) -> bytes:
    """`size` bytes of text in which every line says where it is."""
    line = b"%03d 0123456789abcdef0123456789abcdef\n" % (salt % 1000)
    return (line * (size // len(line) + 1))[:size]


@functools.cache
def inner() -> bytes:
    """The blocks of two members, without an end."""
    return encode_bytes(
        Recipe((Member(name=b"inner", data=b"inner\n"), Member(kind="symlink", name=b"il", linkname=b"a")), 0)
    )


_SPECIAL: dict[str, tuple[str, ...]] = {
    name: tuple(layout for layout, fields in FORMATS.items() if any(one.name == name for one in fields))
    for name in (
        "prefix",
        "atime",
        "ctime",
        "offset",
        "longnames",
        "unused",
        "isextended",
        "realsize",
        "star_magic",
    )
}
"""Fields that only some formats have, and which do."""


_DECIDING = frozenset((*_SPECIAL, "format", "sparse", "extensions", "reserved"))
"""Fields that a format has or has not; a change of any other leaves a legal part legal."""


def legal(part: T, asked: Mapping[str, object]) -> T:
    """`part` without what its format does not have. A field that was asked for decides the format instead."""
    if _DECIDING.isdisjoint(asked) or not isinstance(part, Header):
        return part
    changes: dict[str, object] = {}
    layout: str = part.format
    for name, layouts in _SPECIAL.items():
        if getattr(part, name) is not None and layout not in layouts:
            if asked.get(name) is not None:
                layout = changes["format"] = layouts[0]
            else:
                changes[name] = None
    if layout != "gnu":
        changes |= {"sparse": ()}
        if isinstance(part, Member):
            changes["extensions"] = ()
    if layout == "star" and part.prefix is not None:
        changes["prefix"] = part.prefix[:131]
    if part.reserved is not None and len(part.reserved) > 8:
        changes["reserved"] = part.reserved[:8]
    return msgspec.structs.replace(part, **changes)


class Draft:
    """Parts that can still be changed. Features get at members by a number that is taken modulo their count."""

    def __init__(self, parts: list[Part]) -> None:
        self.parts = parts
        self.end = 2
        self.tail = b""
        self.wrap: Callable[[bytes], tuple[Layer, ...]] | None = None
        """The layers that the archive is put into, given its bytes once all features are applied."""
        self.world = World()
        self.schedule = Schedule()

    def case(self) -> Case:
        """The case as it stands."""
        recipe = self.recipe()
        layers = () if self.wrap is None else self.wrap(encode_bytes(recipe))
        return Case(recipe=recipe, layers=layers, world=self.world, schedule=self.schedule)

    def recipe(self) -> Recipe:
        """The recipe as it stands, without the layers around it."""
        parts = [*self.parts, Raw(self.tail)] if self.tail and not self.end else self.parts
        if self.tail and self.end:
            return Recipe((*self.parts, End(self.end), Raw(self.tail)), 0)
        return Recipe(tuple(parts), self.end)

    def places(self, *kinds: MemberKind) -> list[int]:
        """Where members (of these kinds, or any) are among the parts."""
        return [
            index
            for index, part in enumerate(self.parts)
            if isinstance(part, Member) and (not kinds or part.kind in kinds)
        ]

    def place(self, where: int, *kinds: MemberKind) -> int:
        """The place of one member; a file is added when there is none of these kinds."""
        places = self.places(*kinds)
        if not places:
            self.parts.append(ordinary(kinds[0] if kinds else "file", NAMES[where % len(NAMES)], 5))
            return len(self.parts) - 1
        return places[where % len(places)]

    def member(self, place: int) -> Member:
        """The member at a place."""
        part = self.parts[place]
        assert isinstance(part, Member)
        return part

    def change(self, place: int, **fields: object) -> None:
        """Set fields of the part at a place."""
        part = self.parts[place]
        self.parts[place] = legal(msgspec.structs.replace(part, **fields), fields)

    def before(self, place: int, *parts: Part) -> None:
        """Put parts in front of the one at a place."""
        self.parts[place:place] = parts

    def carry(self, place: int, name: bytes, carrier: str) -> None:
        """Give the member at a place a name, by one carrier. What does not fit the header's field is cut there."""
        if carrier == "prefix" and b"/" in name[:-1]:
            cut = name.rfind(b"/", 0, min(156, len(name) - 1))
            cut = max(cut, 0)
            self.change(place, name=name[cut + 1 :][:100], prefix=name[:cut][:155])
            return
        self.change(place, name=name[:100])
        if carrier == "pax":
            self.before(place, Pax(records=(Record(b"path", name),)))
        elif carrier == "gnu":
            self.change(place, format="gnu")
            self.before(place, Long(text=name))


def ordinary(kind: MemberKind, name: bytes, size: int, link: bytes = b"") -> Member:
    """A member as anybody would write it. `size`: bytes of a file's body, or INNER."""
    if kind == "dir":
        return Member(kind="dir", name=name.rstrip(b"/") + b"/")
    if kind in ("symlink", "hardlink"):
        return Member(kind=kind, name=name, linkname=link or b"a")
    if kind == "file":
        return Member(name=name, data=inner() if size == INNER else body(size, len(name)))
    return Member(kind=kind, name=name)
