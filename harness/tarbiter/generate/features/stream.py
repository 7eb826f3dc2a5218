"""Section 6, the end of the archive and what stands around members."""

from __future__ import annotations

from ...archive.encode import encode_bytes
from ...archive.recipe import BLOCK, End, Long, Member, Raw, Recipe
from ..draft import Draft, body
from . import WHERE, feature

ENDS = (
    "none", "one", "three", "record", "junk", "second-archive", "junk-without-end", "half-block", "member-behind",
    "two-records", "text-end", "second-directly",
)  # fmt: skip


@feature("6 the end", 8, form=ENDS)
def end__form(draft: Draft, form: str) -> None:
    """Another end than two zero blocks: none, one, more, something behind."""
    if form in ("none", "one", "three", "record"):
        blocks = {"none": 0, "one": 1, "three": 3}
        size = len(encode_bytes(Recipe(tuple(draft.parts), 2)))
        draft.end = blocks.get(form, 2 + -size % 10240 // BLOCK)
    elif form == "junk":
        draft.tail = b"junk behind the end"
    elif form == "second-archive":
        draft.tail = encode_bytes(Recipe((Member(name=b"second", data=b"second\n"),)))
    elif form == "second-directly":
        draft.end, draft.tail = 1, encode_bytes(Recipe((Member(name=b"second", data=b"second\n"),)))
    elif form == "member-behind":
        draft.tail = encode_bytes(Recipe((Member(name=b"behind-end", data=b"behind\n"),), 0))
    elif form == "two-records":
        draft.end = 42
    elif form == "text-end":
        draft.end, draft.tail = 0, b"not the end".ljust(2 * BLOCK)
    elif form == "junk-without-end":
        draft.end, draft.tail = 0, b"j" * BLOCK
    else:
        draft.end, draft.tail = 0, bytes(BLOCK // 2)


@feature("6 the end", 5, blocks=(1, 2, 3), where=WHERE)
def end__in_the_middle(draft: Draft, blocks: int, where: int) -> None:
    """Zero blocks with members behind them."""
    draft.before(draft.place(where), End(blocks))
    draft.parts.append(Member(name=b"behind", data=b"behind\n"))


CUTS = ("header", "body", "padding", "extension", "empty-body", "long-name", "one-byte", "last-byte")


@feature("6 the end", 5, place=CUTS)
def end__cut(draft: Draft, place: str) -> None:
    """The archive stops inside a header, a body, its padding or an extension."""
    draft.end = 0
    whole = encode_bytes(Recipe((Member(name=b"cut", data=body(700)),), 0))
    keep = {
        "one-byte": 1,
        "last-byte": len(whole) - 1,
        "long-name": 0,
        "header": 300,
        "body": BLOCK + 300,
        "padding": BLOCK + 800,
        "extension": 0,
        "empty-body": BLOCK,
    }[place]
    if place == "long-name":
        whole, keep = encode_bytes(Recipe((Long(text=b"n" * 700),), 0)), BLOCK + 600
    elif place == "extension":
        extension = encode_bytes(Recipe((Member(typeflag=b"x", name=b"x", data=body(700)),), 0))
        whole, keep = extension, BLOCK + 600
    draft.tail = whole[:keep]


@feature("6 padding", 4, where=WHERE, fill=(b"padding", b"\xff" * 8))
def body__padding(draft: Draft, where: int, fill: bytes) -> None:
    """Padding behind a body that is not zeros."""
    place = draft.place(where, "file")
    draft.change(place, data=b"short body", padding=fill.ljust(BLOCK - 10, b"\0"))


@feature("6 nested", 6, where=WHERE, aligned=(True, False), size=(None, 0, 512), end=(2, 0, 1))
def body__nested(draft: Draft, where: int, aligned: bool, size: int | None, end: int) -> None:
    """A whole archive as a file's body, block-aligned or not, its size right or not."""
    inner = encode_bytes(Recipe((Member(name=b"nested", data=b"nested\n"),), end))
    place = draft.place(where, "file")
    draft.change(place, data=inner if aligned else b"x" + inner, size=size)


@feature(
    "1 size",
    6,
    size=(
        0,
        1,
        512,
        1_000_000,
        8**11 - 1,
        8**11,
        2**55,
        2**63 - 1,
        -1,
        -512,
        2**63,
        2**64 - 1,
        2**64 - 511,
        -(2**63),
    ),
    where=WHERE,
)
def body__size(draft: Draft, size: int, where: int) -> None:
    """A size that is not what follows: smaller, larger, beyond the archive, negative (CVE-2026-11972)."""
    draft.change(draft.place(where, "file"), size=size)


@feature("6 junk", 3, where=WHERE, size=(1, 512, 700, 10240))
def stream__junk(draft: Draft, where: int, size: int) -> None:
    """Bytes that are no header between members."""
    draft.before(draft.place(where), Raw(b"j" * size))
