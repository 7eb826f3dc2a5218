"""Facets: the ways in which two observations can agree or differ, each a projection of an observation.

A facet turns an observation into a value that can be compared and hashed, and names the paths on which two
observations part. Facets of the tree exist only for a contestant that says it extracted the archive: what a
failed run leaves behind depends on when it failed, so it is compared by status alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from typing import TypeAlias

import msgspec

from ..contest.observation import Listed, Node, Observation

Projection: TypeAlias = Callable[[Observation], Hashable]
NodeValue: TypeAlias = Callable[[Node], Hashable]


class Rule(msgspec.Struct, frozen=True):
    """A normalising rule: what is not looked at when a facet is compared, and why."""

    name: str
    facet: str
    reason: str


class Facet(msgspec.Struct, frozen=True):
    """One way to differ. `strong` facets decide whether extractors agree; the others are told, and rank lower."""

    name: str
    meaning: str
    strong: bool
    node: NodeValue | None = None
    """The value of one node, None when this facet does not apply to it. Facets without it are not of the tree."""
    rules: tuple[Rule, ...] = ()


class Difference(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing on which two observations part: `left` and `right` are what each of them has, as text."""

    facet: str
    path: bytes | None
    left: str
    right: str


ROOT = b"."


def _present(_node: Node) -> Hashable:
    return True


def _content(node: Node) -> Hashable:
    if node.type != "file":
        return None
    return (node.size, node.data if node.digest is None else node.digest)


def _mode(node: Node) -> Hashable:
    return None if node.type == "symlink" else node.mode


def _mtime(node: Node) -> Hashable:
    if node.path == ROOT:
        return None
    return "now" if node.mtime_ns is None else node.mtime_ns // 1_000_000_000


def _holes(node: Node) -> Hashable:
    return node.blocks * 512 < node.size if node.type == "file" else None


FACETS: dict[str, Facet] = {
    facet.name: facet
    for facet in (
        Facet("status", "what it says of the archive: extracted, partial, refused, crashed, ...", strong=True),
        Facet("escapes", "what changed outside the destination", strong=True),
        Facet("names", "which paths exist", strong=True, node=_present),
        Facet("types", "file, directory, link, ...", strong=True, node=lambda node: node.type),
        Facet("content", "the bytes of regular files", strong=True, node=_content),
        Facet("links", "the targets of symlinks", strong=True, node=lambda node: node.link),
        Facet("hardlinks", "which names share one inode, inside and outside", strong=True),
        Facet(
            "mode",
            "permission bits",
            strong=False,
            node=_mode,
            rules=(Rule("symlink-mode", "mode", "Linux gives every symlink 0777"),),
        ),
        Facet(
            "mtime",
            "modification times",
            strong=False,
            node=_mtime,
            rules=(
                Rule("mtime-seconds", "mtime", "only pax can store fractions, and extractors round them apart"),
                Rule("root-mtime", "mtime", "writing any member changes the destination's own time"),
                Rule("mtime-now", "mtime", "a time within the run itself was set by the clock, not the archive"),
            ),
        ),
        Facet("owner", "numeric owner and group", strong=False, node=lambda node: (node.uid, node.gid)),
        Facet("xattrs", "extended attributes", strong=False, node=lambda node: node.xattrs or None),
        Facet("sparse", "whether a file has holes", strong=False, node=_holes),
        Facet("devices", "device numbers", strong=False, node=lambda node: node.rdev or None),
        Facet("listing", "the names it lists", strong=False),
    )
}

STRONG: tuple[str, ...] = tuple(name for name, facet in FACETS.items() if facet.strong)
WEAK: tuple[str, ...] = tuple(name for name, facet in FACETS.items() if not facet.strong)


def _escapes(observation: Observation) -> Hashable:
    return tuple(sorted({(change.path, change.what) for change in observation.escapes}))


def _inodes(observation: Observation) -> tuple[tuple[tuple[bytes, ...], ...], tuple[bytes, ...]]:
    """Names that share an inode, group by group, and names whose inode has another name outside the tree."""
    groups: dict[int, list[bytes]] = {}
    for node in observation.tree:
        if node.group:
            groups.setdefault(node.group, []).append(node.path)
    outside = tuple(node.path for node in observation.tree if node.outside_links)
    return tuple(sorted(tuple(sorted(paths)) for paths in groups.values())), outside


def clean(path: bytes) -> bytes:
    """`path` as it lands below a destination: no leading slash, no empty or `.` components, no slash at the end.

    `..` components stay as they are: which way they lead depends on the contestant.
    """
    return b"/".join(part for part in path.split(b"/") if part not in (b"", b"."))


def _rows(observation: Observation) -> tuple[bytes, ...]:
    """The names alone: not everybody lists types and sizes."""
    rows: tuple[Listed, ...] = observation.listing or ()
    return tuple(clean(row.path) for row in rows if row.outcome in ("", "written", "changed"))


def _listing(observation: Observation) -> Hashable:
    return None if observation.listing is None else _rows(observation)


_WHOLE: dict[str, Projection] = {
    "status": lambda observation: observation.status,
    "escapes": _escapes,
    "hardlinks": _inodes,
    "listing": _listing,
}


def has_tree(observation: Observation) -> bool:
    """Whether the tree of this observation means anything: the contestant says it is complete."""
    return observation.status == "extracted"


def project(facet: str, observation: Observation) -> Hashable:
    """The value of `facet` for `observation`, equal exactly where two contestants agree on it.

    None for a facet of the tree when the contestant did not extract the archive.
    """
    if facet in ("status", "escapes"):
        return _WHOLE[facet](observation)
    if not has_tree(observation):
        return None
    if facet in _WHOLE:
        return _WHOLE[facet](observation)
    node_value = FACETS[facet].node
    assert node_value is not None
    return tuple((node.path, node_value(node)) for node in observation.tree)


def _show(value: Hashable) -> str:
    match value:
        case bytes():
            return ascii(value)[1:]
        case (int(size), bytes(data)):
            return f"{size} bytes {ascii(data[:24])[1:]}"
        case True:
            return "present"
        case int():
            return f"{value:#o}"
        case _:
            return str(value)


def _paths(facet: Facet, left: Observation, right: Observation) -> Iterator[Difference]:
    assert facet.node is not None
    mine = {node.path: node for node in left.tree}
    theirs = {node.path: node for node in right.tree}
    if facet.name == "names":
        for path in sorted(mine.keys() ^ theirs.keys()):
            there = path in mine
            yield Difference("names", path, *(("present", "absent") if there else ("absent", "present")))
        return
    for path in sorted(mine.keys() & theirs.keys()):
        if facet.name != "types" and mine[path].type != theirs[path].type:
            continue  # told by "types" already
        one, other = facet.node(mine[path]), facet.node(theirs[path])
        if one != other:
            yield Difference(facet.name, path, *_pair(facet.name, one, other))


def _pair(facet: str, one: Hashable, other: Hashable) -> tuple[str, str]:
    if facet == "mtime":
        return str(one), str(other)
    return _show(one), _show(other)


def differences(facet: str, left: Observation, right: Observation) -> tuple[Difference, ...]:
    """On which paths two observations part in `facet`; empty where they agree, or one of them has no tree.

    Facets of nodes look only at the paths both have: a missing name is told once, by `names`.
    """
    if project(facet, left) == project(facet, right):
        return ()
    if facet == "status":
        return (Difference("status", None, left.status, right.status),)
    if facet == "escapes":
        mine, theirs = ({(c.path, c.what) for c in side.escapes} for side in (left, right))
        return tuple(
            Difference("escapes", path, *((what, "unchanged") if (path, what) in mine else ("unchanged", what)))
            for path, what in sorted(mine ^ theirs)
        )
    if not (has_tree(left) and has_tree(right)):
        return ()
    if facet in _WHOLE:
        if facet == "listing" and (left.listing is None or right.listing is None):
            return ()
        return (Difference(facet, None, *_whole_text(facet, left, right)),)
    return tuple(_paths(FACETS[facet], left, right))


def _whole_text(facet: str, left: Observation, right: Observation) -> tuple[str, str]:
    if facet == "listing":
        mine, theirs = Counter(_rows(left)), Counter(_rows(right))
        return _rows_text(mine - theirs), _rows_text(theirs - mine)
    return _groups_text(left), _groups_text(right)


def _rows_text(rows: Counter[bytes]) -> str:
    """The rows that the other one does not have; at most three, so that the text can be read."""
    return ", ".join(ascii(path)[1:] for path in sorted(rows)[:3]) or "the same rows in another order"


def _groups_text(observation: Observation) -> str:
    groups, outside = _inodes(observation)
    said = [" = ".join(ascii(path)[1:] for path in paths) for paths in groups]
    said += [f"{ascii(path)[1:]} = something outside" for path in outside]
    return ", ".join(said) or "no two names share an inode"
