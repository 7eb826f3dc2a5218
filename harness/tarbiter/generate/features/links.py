"""Section 3, links: where they lead, through what, in chains, and what is written through them."""

from __future__ import annotations

import msgspec

from ...archive.case import CANARY, HOLDER, SECRET, SIBLING, Placed
from ...archive.recipe import Member, Part, Pax, Record
from ..draft import Draft
from ..worlds import fits
from . import feature
from .members import carried, some

TARGETS = (
    b"a", b".", b"./", b"", b"..", b"dir/../a", b"x/../../a", b"../dest/a", b"../dest", b"/", b"/etc/hostname",
    b"../" + CANARY, b"../" + CANARY + b"/" + SECRET, b"../" + SIBLING, b"../" + SIBLING + b"/" + SECRET,
    b"../../1", HOLDER + b"/" + CANARY, HOLDER + b"/dest/a", b"link/link/../../" + CANARY, b"c:../" + CANARY,
    b"c:../../" + CANARY + b"/" + SECRET, b"\\..\\x", b"n" * 100, b"n/" * 2048, b"a\nb", b"\xff", b"link", b"12345",
    b"//" + HOLDER[1:] + b"/" + CANARY, b"..\\" + CANARY, b"./../" + CANARY, b"dir/../../" + CANARY, b"c:a", b"a/",
)  # fmt: skip
"""Where links lead: inside, around, out, nowhere, by every trick that is known."""


@feature("3 symlinks", 12, target=TARGETS, through=("nothing", "file", "dir", "deep", "hardlink", "again", "late"))
def members__symlink(draft: Draft, target: bytes, through: str) -> None:
    """A symlink, and then something that goes through it or replaces it (CVE-2021-38511, CVE-2026-33056)."""
    link: list[Part] = [Member(kind="symlink", name=b"link", linkname=target[:100])]
    if len(target) > 100:
        link.insert(0, Pax(records=(Record(b"linkpath", target),)))
    behind: dict[str, list[Part]] = {
        "nothing": [],
        "file": [Member(name=b"link", data=b"through\n")],
        "dir": [Member(kind="dir", name=b"link", mode=0o777)],
        "deep": [Member(name=b"link/new/file", data=b"through\n")],
        "hardlink": [Member(kind="hardlink", name=b"hard", linkname=b"link/" + SECRET, mode=0o777)],
        "again": [Member(kind="symlink", name=b"link", linkname=b"b"), Member(name=b"link/x", data=b"x")],
        "late": [],
    }
    if through == "late":
        # What the first link leads through comes after it.
        link = [Member(kind="symlink", name=b"escape", linkname=b"link/link/../../" + CANARY), *link]
    draft.parts += [*link, *behind[through]]


HARD = (
    b"target", b"./target", b"/target", b"later", b"hard", b"dir", b"soft", b"soft/x", b"nowhere", b"already-there",
    b"x/../target", b"../" + CANARY + b"/" + SECRET, b"../" + SIBLING + b"/" + SECRET,
    HOLDER + b"/" + CANARY + b"/" + SECRET, b"c:../" + CANARY + b"/" + SECRET, b"", b"target/", b"TARGET",
    b"dir/../target", b"softdir/inner", b"softdir", b".", b"..",
)  # fmt: skip


@feature(
    "3 hard links",
    9,
    target=HARD,
    then=("nothing", "file", "mode", "body", "again", "chain"),
    inside=(b"", b"dir/", b"deep/er/"),
)
def members__hardlink(draft: Draft, target: bytes, then: str, inside: bytes) -> None:
    """A hard link to a file, a link, a directory, itself, something outside or placed; then written through it.

    `inside`: where the link is. Its target starts at the destination, not there (CVE-2026-24842).
    """
    there = Placed(kind="file", name=b"already-there", data=b"old\n")
    if target == there.name and fits(draft.world, there):
        draft.world = msgspec.structs.replace(draft.world, placed=(*draft.world.placed, there))
    draft.parts += [
        Member(name=b"target", data=b"target\n"),
        Member(kind="dir", name=b"dir/"),
        Member(name=b"dir/inner", data=b"inner\n"),
        Member(kind="symlink", name=b"soft", linkname=b"target"),
        Member(kind="symlink", name=b"softdir", linkname=b"dir"),
        Member(
            kind="hardlink",
            name=inside + b"hard",
            linkname=target,
            mode=0o777 if then == "mode" else None,
            data=b"target\n" if then == "body" else b"",
        ),
        Member(name=b"later", data=b"later\n"),
    ]
    if then == "file":
        draft.parts.append(Member(name=inside + b"hard", data=b"written through\n"))
    elif then == "again":
        draft.parts.append(Member(kind="hardlink", name=inside + b"hard", linkname=b"later"))
    elif then == "chain":
        draft.parts.append(Member(kind="hardlink", name=b"harder", linkname=inside + b"hard"))
        draft.parts.append(Member(name=b"harder", data=b"written through\n"))


@feature(
    "3 hard links", 4, carrier=("prefix", "pax", "gnu"), kind=("hardlink", "symlink"), length=(20, 100, 130, 240)
)
def members__link_to_carried(draft: Draft, carrier: str, kind: str, length: int) -> None:
    """A link to a member that has its name from elsewhere than its name field."""
    name = ((b"carried/" + b"c" * 90 + b"/") * 3)[: length - 1] + b"n"
    draft.parts.append(Member(data=b"carried\n"))
    draft.carry(len(draft.parts) - 1, name, carrier)
    if len(name) > 100:
        draft.parts.append(Pax(records=(Record(b"linkpath", name),)))
    draft.parts.append(Member(kind=kind, name=b"link-to-it", linkname=name[:100]))  # type: ignore[arg-type]  # a MemberKind


@feature("3 hard links", 5, depth=(1, 2, 3), up=(0, 1, 2), mode=(None, 0o777), then=("nothing", "file"))
def members__hard_to_soft(draft: Draft, depth: int, up: int, mode: int | None, then: str) -> None:
    """A hard link to a symlink further down: the same link leads elsewhere from a higher place (CVE-2026-82049)."""
    below = b"in/" * depth
    goal = b"in/" * max(depth - up, 0) + CANARY + b"/" + SECRET
    draft.parts += [
        Member(name=goal, data=b"inside\n"),
        Member(kind="symlink", name=below + b"soft", linkname=b"../" * up + CANARY + b"/" + SECRET),
        Member(kind="hardlink", name=b"boom", linkname=below + b"soft", mode=mode),
    ]
    if then == "file":
        draft.parts.append(Member(name=b"boom", data=b"written through\n"))


CHAINS = (
    (b"up", b"../..", b"esc", b"up/.."),
    (b"l", b".", b"m", b"l/../" + CANARY),
    (b"one", b"two", b"two", b"one"),
    (b"t", b"a/t", b"c", b"t"),
    (b"in", b"dir", b"out", b"in/../.."),
)


@feature(
    "3 symlinks", 7, chain=CHAINS, inside=(b"", b"a/b/"), goal=("file", "hardlink", "dir"), swapped=(False, True)
)
def members__chain(
    draft: Draft, chain: tuple[bytes, bytes, bytes, bytes], inside: bytes, goal: str, swapped: bool
) -> None:
    """Two links that each stay inside and together do not (CVE-2025-48387, CVE-2025-4138)."""
    one, first, two, second = chain
    links = [
        Member(kind="symlink", name=inside + one, linkname=first),
        Member(kind="symlink", name=inside + two, linkname=second),
    ]
    draft.parts += reversed(links) if swapped else links
    path = inside + two + b"/" + CANARY + b"/" + (SECRET if goal == "hardlink" else b"new")
    if goal == "file":
        draft.parts.append(Member(name=path, data=b"out\n"))
    elif goal == "dir":
        draft.parts.append(Member(kind="dir", name=path, mode=0o777))
    else:
        draft.parts += [Member(kind="hardlink", name=b"hl", linkname=path), Member(name=b"hl", data=b"out\n")]


LINK_COUNTS = (2, 5, 39, 40, 41, 200)
"""Links of a chain: around MAXSYMLINKS, where Linux gives up (path_resolution(7): 40)."""


@feature(
    "3 symlinks", 5, count=LINK_COUNTS, ends=("file", "out", "nowhere", "first"), kind=("name", "directory", "hard")
)
def members__link_chain(draft: Draft, count: int, ends: str, kind: str) -> None:
    """A chain of links to links, ending in a file, outside, nowhere, or at its own beginning."""
    goal = {"file": b"a", "out": b"../" + CANARY, "nowhere": b"nowhere", "first": b"l0"}[ends]
    goals = [*(b"l%d" % number for number in range(1, count)), goal]
    links = [
        Member(kind="hardlink" if kind == "hard" else "symlink", name=b"l%d" % number, linkname=goals[number])
        for number in range(count)
    ]
    # Hard links need what they are links to: the last one first.
    draft.parts += reversed(links) if kind == "hard" else links
    draft.parts.append(Member(name=b"l0/through" if kind == "directory" else b"l0", data=b"through\n"))


@feature(
    "3 symlinks",
    4,
    depth=(2, 8, 16, 17),
    component=(40, 235, 255),
    climb=(0, 1, -1),
    goal=("file", "hardlink", "dir"),
)
def members__long_way(draft: Draft, depth: int, component: int, climb: int, goal: str) -> None:
    """Short links to directories with long names: what they resolve to outgrows PATH_MAX (CVE-2025-4517)."""
    current = b""
    for level in range(depth):
        directory = b"%02d" % level + b"d" * (component - 2)
        draft.parts += carried(Member(kind="dir"), current + directory + b"/")
        if component > 100:
            draft.parts.append(Pax(records=(Record(b"linkpath", directory),)))
        draft.parts.append(Member(kind="symlink", name=current + b"%x" % (level % 16), linkname=directory[:100]))
        current += b"%x/" % (level % 16)
    draft.parts += [
        Member(kind="symlink", name=current + b"z", linkname=b"../" * (depth + climb)),
        Member(kind="symlink", name=b"escape", linkname=current + b"z/.."),
    ]
    path = b"escape/" + CANARY + b"/" + (SECRET if goal == "hardlink" else b"new")
    if goal == "hardlink":
        draft.parts += [Member(kind="hardlink", name=b"hl", linkname=path), Member(name=b"hl", data=b"out\n")]
    else:
        draft.parts.append(some(goal, path, 1))
