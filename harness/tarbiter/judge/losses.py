"""Losses: what a contestant lists, reports as extracted, and did not leave in its tree, by name, type and size.

A listing says what the contestant itself read, so it needs no other contestant, and no opinion on the format. A
contestant that is accused must be guilty: where a listed name could rightly be absent, or could have become
something else, nothing is said. These are the cases:

- a later member of the same place, or below it, or in place of a directory above it, replaced this one;
- the place is reached through a symlink of the tree, or through a link that leads out of the tree (then nobody
  knows what is there);
- the name differs in case, in Unicode normalisation, in bytes that have no letter, or begins with the letter of a
  drive: file systems, extractors and listings change or cut those;
- the name is absolute, and no absolute name is in the tree without its slash: then it was used as it is;
- a hard link may lead to anything that can have two names, a symlink too;
- the contestant names the member in a warning: a loss that is told is not silent.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

import msgspec

from ..archive.case import World
from ..contest.contestants import WARNINGS
from ..contest.observation import LONGEST, TOO_DEEP, Listed, Node, Observation
from .facets import clean

NO_NAME = "other"
"""`Listed.type` of a row that makes no name in a tree: a volume label, a kind that nobody knows."""

MISSING, OTHER_TYPE, OTHER_SIZE = "listing", "types", "content"
"""The facet that a loss is of: the name is absent, is something else, or has another size."""

BEGINNING = 200
"""Letters of a long path by which a warning may name it: messages are kept in part only."""

HOPS = 40
"""Symlinks that are followed for one name, as the kernel does (path_resolution(7))."""

_DRIVE = re.compile(rb"^(?:[\\/]{2}[?.][\\/])?[A-Za-z]:[\\/]*")
"""What stands before a name of Windows."""

_KINDS = ("fifo", "char", "block")


class Loss(msgspec.Struct, frozen=True):
    """One listed member that is not in the tree as it is listed: its path, the facet, and what is there instead."""

    path: bytes
    facet: str
    words: str


def written(rows: Sequence[Listed]) -> list[Listed]:
    """The rows of members that a contestant may have written."""
    return [row for row in rows if row.outcome in ("", "written", "changed")]


def promised(row: Listed) -> bool:
    """Whether its name has to be in the tree: it is inside, and of a kind that makes a name."""
    return row.type != NO_NAME and b".." not in row.path.split(b"/") and bool(place(row))


def place(row: Listed) -> bytes:
    """Where a row's member belongs, relative to the destination. No file system has a name with a NUL in it."""
    return clean(row.path.partition(b"\0")[0])


def losses(observation: Observation, world: World) -> list[Loss]:
    """What is lost, in the order of the paths. Empty where nothing is listed."""
    rows = written(observation.listing or ())
    tree = {node.path: node for node in observation.tree}
    deep = any(TOO_DEEP in note for note in observation.notes)
    links = any(node.type == "symlink" for node in observation.tree)
    strips = any(row.path.startswith(b"/") and place(row) in tree for row in rows)
    suspects: dict[bytes, tuple[int, Loss]] = {}
    latest = {place(row): number for number, row in enumerate(rows)}
    for path, number in latest.items():
        if not promised(rows[number]) or (deep and len(path) > LONGEST):
            continue  # what lies too deep may well be there: nobody has looked
        found = _look(rows[number], path, tree, links=links)
        if found is not None and not (rows[number].path.startswith(b"/") and not strips):
            suspects[path] = (number, found)
    if not suspects:
        return []
    around = _Around(rows, tree, world)
    return sorted(
        (
            loss
            for path, (number, loss) in suspects.items()
            if not around.replaced(path, number)
            and not (loss.facet == OTHER_SIZE and around.rewritten(number))
            and not (loss.facet == MISSING and around.respelt(path))
            and not told(path, observation.warnings)
        ),
        key=lambda loss: loss.path,
    )


def follow(tree: Mapping[bytes, Node], path: bytes, *, last: bool) -> bytes | None:
    """`path` with the symlinks of the tree followed, the last component too if `last`.

    None: a link leads out of the tree, or round in a circle. What comes out need not be in the tree.
    """
    todo, done, hops = path.split(b"/")[::-1], list[bytes](), 0
    while todo:
        part = todo.pop()
        if part in (b"", b"."):
            continue
        if part == b"..":
            if not done:
                return None
            done.pop()
            continue
        done.append(part)
        node = tree.get(b"/".join(done))
        if node is None or node.type != "symlink" or not (todo or last):
            continue
        hops += 1
        link = node.link or b""
        if hops > HOPS or link.startswith(b"/"):
            return None
        done.pop()
        todo += link.split(b"/")[::-1]
    return b"/".join(done) or b"."


def _look(row: Listed, path: bytes, tree: Mapping[bytes, Node], *, links: bool) -> Loss | None:
    """What is wrong with the place of a row, before anybody asks why."""
    here = follow(tree, path, last=False) if links else path
    if here is None:
        return None
    node = tree.get(here)
    if node is None:
        return Loss(path, MISSING, "not in the tree")
    if row.type in ("", "hardlink"):
        return None
    if row.type == "symlink" or row.type in _KINDS:
        return None if node.type == row.type else _other(row, path, node)
    if node.type == "symlink":
        there = follow(tree, path, last=True)
        if there is None:
            return None
        node = tree.get(there, node)
    if row.type == "dir":
        return None if node.type == "dir" else _other(row, path, node)
    if node.type == "dir" and row.path.endswith(b"/") and not row.size:
        return None  # the oldest form of a directory; listings keep the type of the header
    if node.type != "file":
        return _other(row, path, node)
    if row.size is not None and row.size != node.size:
        return Loss(path, OTHER_SIZE, f"listed with {row.size} bytes, and has {node.size}")
    return None


def _other(row: Listed, path: bytes, node: Node) -> Loss:
    return Loss(path, OTHER_TYPE, f"listed as a {row.type}, and is a {node.type}")


class _Around:
    """What else is listed, and may have taken the place of a row that is not as it was listed."""

    def __init__(self, rows: Sequence[Listed], tree: Mapping[bytes, Node], world: World) -> None:
        self._tree = tree
        self._places = [place(row) for row in rows]
        self._placed = [one.name for one in world.placed]
        self._at: dict[bytes, int] = {}
        """The last row that may have written to a path, by any name of it."""
        self._groups: dict[int, int] = {}
        """The last row that may have written to the inode of a group of hard links."""
        for number, path in enumerate(self._places):
            for one in {path, follow(tree, path, last=False), follow(tree, path, last=True)}:
                if one is not None:
                    self._at[one] = number
                    node = tree.get(one)
                    if node is not None and node.group:
                        self._groups[node.group] = number
        linked = {path for row, path in zip(rows, self._places, strict=True) if row.type == "hardlink"}
        self._rewritten = max(
            (number for number, row in enumerate(rows) if row.type == "file" and self._places[number] in linked),
            default=-1,
        )
        """The last file whose name was a hard link's, too: it may have been written through that."""
        self._spelt: dict[str, list[bytes]] | None = None

    def replaced(self, path: bytes, number: int) -> bool:
        """Whether a later row may rightly have replaced row `number`, which is of `path`."""
        names = {path, follow(self._tree, path, last=False), follow(self._tree, path, last=True)}
        for one in names - {None}:
            assert one is not None
            if self._at.get(one, -1) > number:
                return True
            node = self._tree.get(one)
            if node is not None and node.group and self._groups[node.group] > number:
                return True
        parts = path.split(b"/")
        for depth in range(1, len(parts)):
            above = b"/".join(parts[:depth])
            node = self._tree.get(above)
            if self._at.get(above, -1) > number and (node is None or node.type != "dir"):
                return True
        return self._became_a_directory(path, number)

    def rewritten(self, number: int) -> bool:
        """Whether a later row may have been written through a hard link to row `number` that is gone by now."""
        return self._rewritten > number

    def _became_a_directory(self, path: bytes, number: int) -> bool:
        """Whether a later row below it made a directory of it. Not where that was a directory before the row."""
        below = path + b"/"
        if not any(one.startswith(below) for one in self._places[number + 1 :]):
            return False
        before = (*self._placed, *self._places[:number])
        return not any(one.startswith(below) and one in self._tree for one in before)

    def respelt(self, path: bytes) -> bool:
        """Whether the tree has the path in another spelling, which is not itself listed, or without its drive."""
        short = _DRIVE.sub(b"", path)
        if short != path and clean(short) in self._tree:
            return True
        if self._spelt is None:
            listed = set(self._places)
            self._spelt = {}
            for one in self._tree.keys() - listed:
                self._spelt.setdefault(spelling(one), []).append(one)
        return spelling(path) in self._spelt


def spelling(path: bytes) -> str:
    """What two spellings of one path have in common: letters without their case, and `_` for what is no letter."""
    text = unicodedata.normalize("NFC", path.decode("utf-8", "replace")).casefold()
    return re.sub(r"[^\w./-]|\ufffd", "_", text)


def told(path: bytes, warnings: Sequence[str]) -> bool:
    """Whether a warning names the member, by its last component or, where that may be cut off, by its beginning.

    Where as many warnings were kept as are, the one about it may be among the others.
    """
    if len(warnings) >= WARNINGS:
        return True
    whole = path.decode("utf-8", "backslashreplace")
    word = re.compile(rf"(?<![\w.-]){re.escape(whole.rpartition('/')[2])}(?![\w-])")
    return any(word.search(text) or (len(whole) > BEGINNING and whole[:BEGINNING] in text) for text in warnings)
