"""Where in the archive a path comes from: which parts carry the name, and at which bytes.

A path in a tree may have been carried by the header, by its prefix, by a pax record or by a GNU long name, whole
or cut short. `Index` looks at all of them, since which one an extractor believed is the very question.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator

import msgspec

from ..archive.encode import Located
from ..archive.recipe import Long, Member, Pax
from ..judge.facets import clean


class Place(msgspec.Struct, frozen=True):
    """A member that a path may come from: bytes `start` to `stop` hold its extensions and its header."""

    member: int
    """1 for the first member of the archive."""
    start: int
    stop: int
    carrier: str
    """Which field carries the name: `name`, `prefix`, `pax path`, `GNU long name`."""

    def __str__(self) -> str:
        return f"member {self.member}, bytes {self.start:#x}-{self.stop - 1:#x} ({self.carrier})"


_PATH_KEYS = {b"path": "pax path", b"GNU.sparse.name": "pax GNU.sparse.name"}


def _carried(part: Pax | Long) -> Iterator[tuple[str, bytes]]:
    if isinstance(part, Long):
        if part.kind == "long-name":
            yield "GNU long name", part.text
        return
    for record in part.records:
        if record.key in _PATH_KEYS:
            yield _PATH_KEYS[record.key], record.value


CARRIED = 100
"""Names that extensions of one member are heard with, and those of all global headers."""

MOST = 1000
"""Members of one name that are told; an archive may have millions."""


class Index:
    """The names that the members of one archive may go by, with the bytes they come from.

    `parts`: `encode.located` of a recipe, or `decode.scan` of an archive. `wanted`: the paths that will be looked
    for; all others are left out, so that an index of a large archive is small. None: any may be.
    """

    def __init__(self, parts: Iterable[Located], wanted: Collection[bytes] | None = None) -> None:
        self._places: dict[bytes, list[Place]] = {}
        self._wanted = None if wanted is None else frozenset(map(clean, wanted))
        self._lengths = sorted({len(one) for one in self._wanted or () if one})
        pending: list[tuple[str, bytes]] = []
        globals_: list[tuple[str, bytes]] = []
        first = None
        count = 0
        for found in parts:
            part = found.part
            if isinstance(part, Pax | Long):
                first = found.start if first is None else first
                into = globals_ if part.kind == "pax-global" else pending
                into += itertools.islice(_carried(part), max(0, CARRIED - len(into)))
            elif isinstance(part, Member):
                count += 1
                name, prefix = part.name or b"", part.prefix or b""
                names = [*pending, *globals_, ("name", name)]
                if prefix:
                    names.append(("prefix", prefix + b"/" + name))
                start = found.start if first is None else first
                for carrier, text in names:
                    key = clean(text.split(b"\0", 1)[0])
                    if self._is_wanted(key):
                        places = self._places.setdefault(key, [])
                        if len(places) < MOST:
                            places.append(Place(count, start, found.body, carrier))
                pending, first = [], None

    def _is_wanted(self, name: bytes) -> bool:
        """Whether `find` may come upon a name for one of the paths that are wanted."""
        if self._wanted is None or name in self._wanted:
            return True
        return any(name[:length] in self._wanted or name[-length:] in self._wanted for length in self._lengths)

    def find(self, path: bytes) -> tuple[Place, ...]:
        """The members that `path` (relative to the destination) can come from, in archive order.

        Where no member has that very name: those whose name begins with it (cut short, or a parent that is only
        implied), then those whose name ends in it (a prefix lost, leading components stripped).
        """
        wanted = clean(path)
        if wanted in self._places:
            return tuple(self._places[wanted])
        cut = [place for name, places in self._places.items() if name.startswith(wanted) for place in places]
        ends = [
            place for name, places in self._places.items() if wanted and name.endswith(wanted) for place in places
        ]
        return tuple(sorted(cut or ends, key=lambda place: place.start))
