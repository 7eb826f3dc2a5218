"""Section 3, members against each other: names that come twice, parents that are none, links and their targets."""

from __future__ import annotations

from ...archive.case import CANARY, HOLDER, SECRET, SIBLING
from ...archive.recipe import Member, Pax, Record
from ..draft import Draft, body
from . import WHERE, feature

TWICE = (
    "file-file", "file-dir", "dir-file", "dir-dir", "symlink-file", "file-symlink", "symlink-dir", "dir-symlink",
    "hardlink-file", "symlink-symlink", "file-hardlink",
)  # fmt: skip
SPELLINGS = (b"twice", b"./twice", b"twice/", b"TWICE", b"x/../twice", b"twice//")


def _member(kind: str, name: bytes, salt: int) -> Member:
    if kind == "file":
        return Member(name=name, data=body(7 + 600 * salt, salt), mode=0o600 + 0o44 * salt)
    if kind == "dir":
        return Member(kind="dir", name=name.rstrip(b"/") + b"/", mode=0o700 + 0o55 * salt)
    return Member(kind="symlink" if kind == "symlink" else "hardlink", name=name, linkname=b"first")


@feature("3 the same name twice", 10, kinds=TWICE, spelling=SPELLINGS)
def members__twice(draft: Draft, kinds: str, spelling: bytes) -> None:
    """One name, or two spellings of it, for two members."""
    first, second = kinds.split("-")
    draft.parts.append(Member(name=b"first", data=b"first\n"))
    draft.parts.append(_member(first, b"twice", 0))
    draft.parts.append(_member(second, spelling, 1))


PARENTS = ("missing", "after", "file", "symlink", "dangling", "loop", "unwritable", "no-mode", "replaced")


@feature("3 parents", 10, parent=PARENTS)
def members__parent(draft: Draft, parent: str) -> None:
    """A parent that is missing, late, a file, a link, not writable, or replaced after its child came."""
    child = Member(name=b"parent/child", data=b"child\n")
    above: dict[str, list[Member]] = {
        "missing": [child],
        "after": [child, Member(kind="dir", name=b"parent/", mode=0o700)],
        "file": [Member(name=b"parent", data=b"no directory\n"), child],
        "symlink": [
            Member(kind="dir", name=b"real/"),
            Member(kind="symlink", name=b"parent", linkname=b"real"),
            child,
        ],
        "dangling": [Member(kind="symlink", name=b"parent", linkname=b"nothing"), child],
        "loop": [Member(kind="symlink", name=b"parent", linkname=b"parent"), child],
        "unwritable": [Member(kind="dir", name=b"parent/", mode=0o555), child],
        "no-mode": [Member(kind="dir", name=b"parent/", mode=0), child],
        "replaced": [child, Member(kind="symlink", name=b"parent", linkname=b"real"), child],
    }
    draft.parts += above[parent]


TARGETS = (
    b"a", b".", b"./", b"", b"..", b"dir/../a", b"x/../../a", b"../dest/a", b"../dest", b"/", b"/etc/hostname",
    b"../" + CANARY, b"../" + CANARY + b"/" + SECRET, b"../" + SIBLING, b"../" + SIBLING + b"/" + SECRET,
    b"../../1", HOLDER + b"/" + CANARY, HOLDER + b"/dest/a", b"link/link/../../" + CANARY, b"c:../" + CANARY,
    b"c:../../" + CANARY + b"/" + SECRET, b"\\..\\x", b"n" * 100, b"n/" * 2048, b"a\nb", b"\xff", b"link", b"12345",
)  # fmt: skip
"""Where links lead: inside, around, out, nowhere, by every trick that is known."""


@feature("3 symlinks", 10, target=TARGETS, through=("nothing", "file", "dir", "deep", "hardlink", "again"))
def members__symlink(draft: Draft, target: bytes, through: str) -> None:
    """A symlink, and then something that goes through it or replaces it (CVE-2021-38511, CVE-2026-33056)."""
    if len(target) > 100:
        draft.parts.append(Pax(records=(Record(b"linkpath", target),)))
    draft.parts.append(Member(kind="symlink", name=b"link", linkname=target[:100]))
    behind: dict[str, list[Member]] = {
        "nothing": [],
        "file": [Member(name=b"link", data=b"through\n")],
        "dir": [Member(kind="dir", name=b"link", mode=0o777)],
        "deep": [Member(name=b"link/new/file", data=b"through\n")],
        "hardlink": [Member(kind="hardlink", name=b"hard", linkname=b"link/" + SECRET, mode=0o777)],
        "again": [Member(kind="symlink", name=b"link", linkname=b"b"), Member(name=b"link/x", data=b"x")],
    }
    draft.parts += behind[through]


HARD = (
    b"target", b"./target", b"/target", b"later", b"hard", b"dir", b"soft", b"soft/x", b"nowhere", b"already-there",
    b"x/../target", b"../" + CANARY + b"/" + SECRET, b"../" + SIBLING + b"/" + SECRET,
    HOLDER + b"/" + CANARY + b"/" + SECRET, b"c:../" + CANARY + b"/" + SECRET,
)  # fmt: skip


@feature("3 hard links", 8, target=HARD, then=("nothing", "file", "mode", "body"))
def members__hardlink(draft: Draft, target: bytes, then: str) -> None:
    """A hard link to a file, a link, a directory, itself, something outside; then written through it."""
    draft.parts += [
        Member(name=b"target", data=b"target\n"),
        Member(kind="dir", name=b"dir/"),
        Member(kind="symlink", name=b"soft", linkname=b"target"),
        Member(
            kind="hardlink",
            name=b"hard",
            linkname=target,
            mode=0o777 if then == "mode" else None,
            data=b"target\n" if then == "body" else b"",
        ),
        Member(name=b"later", data=b"later\n"),
    ]
    if then == "file":
        draft.parts.append(Member(name=b"hard", data=b"written through\n"))


CHAINS = (
    (b"up", b"../..", b"esc", b"up/.."),
    (b"l", b".", b"m", b"l/../" + CANARY),
    (b"one", b"two", b"two", b"one"),
    (b"t", b"a/t", b"c", b"t"),
)


@feature("3 symlinks", 6, chain=CHAINS, inside=(b"", b"a/b/"), goal=("file", "hardlink", "dir"))
def members__chain(draft: Draft, chain: tuple[bytes, bytes, bytes, bytes], inside: bytes, goal: str) -> None:
    """Two links that each stay inside and together do not (CVE-2025-48387, CVE-2025-4138)."""
    one, first, two, second = chain
    draft.parts += [
        Member(kind="symlink", name=inside + one, linkname=first),
        Member(kind="symlink", name=inside + two, linkname=second),
    ]
    path = inside + two + b"/" + CANARY + b"/" + (SECRET if goal == "hardlink" else b"new")
    if goal == "file":
        draft.parts.append(Member(name=path, data=b"out\n"))
    elif goal == "dir":
        draft.parts.append(Member(kind="dir", name=path, mode=0o777))
    else:
        draft.parts += [Member(kind="hardlink", name=b"hl", linkname=path), Member(name=b"hl", data=b"out\n")]


@feature("3 delayed metadata", 4, swap=("x/../", "../"), mode=(0o777, 0o700))
def members__late_directory(draft: Draft, swap: str, mode: int) -> None:
    """A directory whose mode is set at the end, after its path became something else (CVE-2024-12718)."""
    draft.parts += [
        Member(kind="symlink", name=b"late", linkname=b"."),
        Member(kind="dir", name=b"late/", mode=mode),
        Member(kind="symlink", name=b"late", linkname=swap.encode() + CANARY),
        Member(kind="symlink", name=b"x", linkname=b"../"),
    ]


@feature("3 delayed metadata", 4, kind=("symlink", "hardlink"), where=WHERE)
def members__link_to_link(draft: Draft, kind: str, where: int) -> None:
    """A hard link to a symlink: the link itself, or what it points at, one level higher (CVE-2026-82049)."""
    del where
    draft.parts += [
        Member(name=b"a/canary/secret.txt", data=b"inside\n"),
        Member(kind="symlink", name=b"a/b/esc", linkname=b"../canary/secret.txt"),
        Member(kind="hardlink" if kind == "hardlink" else "symlink", name=b"boom", linkname=b"a/b/esc", mode=0o777),
    ]


@feature(
    "3 whiteouts and kin",
    2,
    name=(b".wh.a", b".wh..wh..opq", b"dir/.wh.f", b"._a", b"PaxHeaders.1/a", b"././@LongLink"),
)
def members__reserved_name(draft: Draft, name: bytes) -> None:
    """A member whose name means something to container tools, macOS, or tar itself."""
    draft.parts.append(Member(name=name, data=b"x"))
