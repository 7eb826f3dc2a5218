"""Section 3, members against each other: names that come twice, parents that are none, shut directories."""

from __future__ import annotations

import msgspec

from ...archive.case import CANARY, SECRET
from ...archive.recipe import Long, Member, Part, Pax, Record
from ..draft import Draft, body
from ..relations import FOLDED
from . import feature

TWICE = (
    "file-file", "file-dir", "dir-file", "dir-dir", "symlink-file", "file-symlink", "symlink-dir", "dir-symlink",
    "hardlink-file", "symlink-symlink", "file-hardlink", "hardlink-hardlink", "hardlink-symlink",
    "symlink-hardlink", "dir-hardlink", "hardlink-dir", "fifo-file", "file-fifo", "long-file",
)  # fmt: skip
STEMS = (b"twice", b"dir/twice", b"tw\\ice", b"tw\xc3\xa9ce", b".twice", b"t" * 100)
"""What the name that comes twice is: plain, below a directory, with another system's separator, not ASCII, full."""

SPELLINGS = ("dot", "slash", "upper", "dotdot", "slashes", "absolute", "backslash")
"""How the second member spells the name, where it does not spell it as the first one does."""


def respelled(name: bytes, spelling: str) -> bytes:
    """`name` in one of SPELLINGS."""
    return {
        "dot": b"./" + name,
        "slash": name + b"/",
        "upper": name.upper(),
        "dotdot": b"x/../" + name,
        "slashes": name.replace(b"/", b"//") + b"//",
        "absolute": b"/" + name,
        "backslash": name.replace(b"\\", b"/") if b"\\" in name else name.replace(b"/", b"\\"),
    }[spelling]


def some(kind: str, name: bytes, salt: int = 0, link: bytes = b"first") -> Member:
    """A member of a kind, unlike another one with another `salt` in mode and content."""
    if kind in ("file", "long"):
        size = (900 if kind == "long" else 7) + 300 * salt
        return Member(name=name, data=body(size, salt), mode=0o600 + 0o22 * salt)
    if kind == "dir":
        return Member(kind="dir", name=name[:99].rstrip(b"/") + b"/", mode=0o700 + 0o55 * (salt > 0))
    if kind == "fifo":
        return Member(kind="fifo", name=name)
    return Member(kind="symlink" if kind == "symlink" else "hardlink", name=name, linkname=link)


def carried(member: Member, name: bytes, carrier: str = "name") -> list[Part]:
    """A member that has its name from a carrier; one that does not fit the header's field gets a pax record."""
    if carrier == "name" and len(name) <= 100:
        return [msgspec.structs.replace(member, name=name)]
    if carrier == "gnu":
        return [Long(text=name), msgspec.structs.replace(member, name=name[:100], format="gnu")]
    return [Pax(records=(Record(b"path", name),)), msgspec.structs.replace(member, name=b"short")]


@feature(
    "3 the same name twice",
    14,
    kinds=TWICE,
    spelling=SPELLINGS,
    stem=STEMS,
    carrier=("name", "pax", "gnu"),
    then=("nothing", "child", "first-again"),
    same=(True, False),
)
def members__twice(
    draft: Draft, kinds: str, spelling: str, stem: bytes, carrier: str, then: str, same: bool
) -> None:
    """One name, or two spellings of it, for two members; then something below it, or the first once more."""
    first, second = kinds.split("-")
    again = stem if same else respelled(stem, spelling)
    link = b"../" + CANARY if then == "child" and second == "symlink" else b"first"
    draft.parts += [
        Member(name=b"first", data=b"first\n"),
        some(first, stem),
        *carried(some(second, again[:100], 1, link), again + b"/" * (second == "dir"), carrier),
    ]
    if then == "child":
        draft.parts += carried(Member(data=b"child\n"), stem + b"/child")
    elif then == "first-again":
        draft.parts.append(some(first, stem, 2))


@feature(
    "3 the same name twice",
    7,
    pair=FOLDED,
    kinds=("file-file", "dir-symlink", "symlink-file", "dir-file", "symlink-dir", "file-hardlink"),
    swapped=(False, True),
    inside=(b"", b"dir/"),
)
def members__fold(draft: Draft, pair: tuple[str, str], kinds: str, swapped: bool, inside: bytes) -> None:
    """Two names that case folding or normalisation makes one, and a member below the first (CVE-2026-23950)."""
    one, two = reversed(pair) if swapped else pair
    first, second = kinds.split("-")
    out = (b"../../" if inside else b"../") + CANARY
    draft.parts += [
        Member(name=b"first", data=b"first\n"),
        some(first, inside + one.encode(), 0, out),
        some(second, inside + two.encode(), 1, b"first" if second == "hardlink" else out),
        Member(name=inside + one.encode() + b"/below", data=b"below\n"),
    ]


PARENTS = (
    "missing", "after", "file", "symlink", "dangling", "loop", "unwritable", "no-mode", "replaced", "fifo",
    "hardlink",
)  # fmt: skip
CHILDREN = ("file", "dir", "symlink", "hardlink", "deep")


@feature("3 parents", 10, parent=PARENTS, below=CHILDREN)
def members__parent(draft: Draft, parent: str, below: str) -> None:
    """A parent that is missing, late, a file, a link, not writable, or replaced after its child came."""
    child = {
        "file": Member(name=b"parent/child", data=b"child\n"),
        "dir": Member(kind="dir", name=b"parent/child/"),
        "symlink": Member(kind="symlink", name=b"parent/child", linkname=b"../a"),
        "hardlink": Member(kind="hardlink", name=b"parent/child", linkname=b"a"),
        "deep": Member(name=b"parent/x/y/child", data=b"child\n"),
    }[below]
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
        "fifo": [Member(kind="fifo", name=b"parent"), child],
        "hardlink": [Member(name=b"one"), Member(kind="hardlink", name=b"parent", linkname=b"one"), child],
    }
    draft.parts += above[parent]


DIRECTORY_MODES = (0o555, 0o444, 0o400, 0o200, 0o111, 0o000, 0o1777, 0o2755, 0o4777, 0o7777)
"""Modes in which a directory takes no child, shows none, or gives one its group or owner."""


@feature(
    "1 mode",
    6,
    mode=DIRECTORY_MODES,
    order=("before", "after", "twice", "empty"),
    top=(b"locked/", b"locked/inner/"),
)
def members__directory_mode(draft: Draft, mode: int, order: str, top: bytes) -> None:
    """A directory that cannot be written, read or entered, before or after what is in it."""
    directory = Member(kind="dir", name=top, mode=mode)
    inside = [Member(name=top + b"file", data=b"inside\n"), Member(kind="dir", name=top + b"d/", mode=mode)]
    again = [Member(kind="dir", name=top, mode=0o755), Member(name=top + b"late")]
    draft.parts += {
        "before": [directory, *inside],
        "after": [*inside, directory],
        "twice": [directory, *inside, *again],
        "empty": [directory],
    }[order]


@feature(
    "3 parents",
    8,
    child=("symlink", "file", "dir", "hardlink"),
    replacement=("symlink", "file", "dir", "nothing"),
    then=("hardlink", "file", "dir", "symlink"),
    depth=(1, 2, 3),
)
def members__parent_replaced(draft: Draft, child: str, replacement: str, then: str, depth: int) -> None:
    """A link, something through it, then another thing in the link's place and a use of the child (CVE-2025-4330).

    The child's target is inside from where the link led at first, and outside from where it leads later.
    """
    real = b"/".join([b"real"] * depth)
    climbing = b"../" * depth + CANARY + b"/" + SECRET
    draft.parts += [
        Member(name=b"first", data=b"first\n"),
        Member(kind="dir", name=real + b"/"),
        Member(kind="symlink", name=b"via", linkname=real),
        some(child, b"via/child", 0, climbing if child == "symlink" else b"first"),
    ]
    if replacement != "nothing":
        draft.parts.append(some(replacement, b"via", 1, b"b"))
    if then == "hardlink":
        draft.parts.append(Member(kind="hardlink", name=b"boom", linkname=b"via/child", mode=0o777))
        draft.parts.append(Member(name=b"boom", data=b"written through\n"))
    else:
        draft.parts.append(some(then, b"via/child", 2, b"../" + CANARY))


@feature(
    "3 delayed metadata",
    6,
    first=("symlink", "dir", "nothing"),
    swap=("through", "link", "file", "hardlink"),
    mode=(0o777, 0o700, 0o555, 0),
    child=(False, True),
)
def members__late_directory(draft: Draft, first: str, swap: str, mode: int, child: bool) -> None:
    """A directory whose mode is set at the end, after its path became something else (CVE-2024-12718)."""
    if first == "symlink":
        draft.parts.append(Member(kind="symlink", name=b"late", linkname=b"."))
    elif first == "dir":
        draft.parts.append(Member(kind="dir", name=b"late/", mode=0o755))
    draft.parts.append(Member(kind="dir", name=b"late/", mode=mode))
    if child:
        draft.parts.append(Member(name=b"late/child", data=b"child\n"))
    draft.parts += {
        "link": [Member(kind="symlink", name=b"late", linkname=b"../" + CANARY)],
        "through": [
            Member(kind="symlink", name=b"late", linkname=b"x/../" + CANARY),
            Member(kind="symlink", name=b"x", linkname=b"../"),
        ],
        "file": [Member(name=b"late", data=b"late\n")],
        "hardlink": [Member(kind="hardlink", name=b"late", linkname=b"a")],
    }[swap]


RESERVED = (
    b".wh.a", b".wh..wh..opq", b"dir/.wh.f", b".wh.", b".wh..", b"._a", b"dir/._f", b"PaxHeaders.1/a",
    b"././@LongLink", b"././@PaxHeader", b"GNUSparseFile.0/a", b"pax_global_header", b".git/config",
)  # fmt: skip
"""Names that mean something to container tools (OCI layers), macOS, tar itself, or who unpacks for git."""


@feature("3 whiteouts and kin", 3, name=RESERVED, kind=("file", "dir", "char"))
def members__reserved_name(draft: Draft, name: bytes, kind: str) -> None:
    """A member whose name means something to container tools, macOS, or tar itself."""
    data = b"x" if kind == "file" else b""
    draft.parts.append(Member(kind=kind, name=name, data=data))  # type: ignore[arg-type]  # a MemberKind
