"""Hypothesis strategies for recipes of any sort, sensible or not, and for blocks that pass for headers."""

from typing import Any

from hypothesis import strategies as st

from tarbiter.archive import wire
from tarbiter.archive.recipe import (
    BLOCK,
    TYPEFLAGS,
    End,
    Format,
    Long,
    Member,
    Part,
    Pax,
    Raw,
    Recipe,
    Record,
    Slot,
    SparseBlock,
)

LONGS = ("long-name", "long-link")
PAXES = ("pax", "pax-global", "pax-solaris")
MEMBERS = tuple(kind for kind in TYPEFLAGS if kind not in LONGS + PAXES)
FORMATS: tuple[Format, ...] = ("ustar", "gnu", "v7", "star")


def numbers(width: int) -> st.SearchStrategy[int | bytes | None]:
    """A number field of `width` bytes in any of its forms; shrinks towards the canonical value."""
    largest = 255 if width == 1 else 2 ** (8 * width - 8) - 1
    ints = st.integers(0 if width == 1 else -largest, largest)
    return st.none() | st.integers(0, min(largest, 600)) | ints | st.binary(max_size=width)


slots = st.builds(Slot, numbers(12), numbers(12))
records = st.builds(
    Record,
    st.sampled_from((b"path", b"size", b"a=b")) | st.binary(max_size=4),
    st.sampled_from((b"5", b"513", b"")) | st.binary(max_size=12),
    st.none() | st.binary(max_size=4),
    st.none() | st.binary(max_size=2),
)
extensions = st.builds(
    SparseBlock,
    st.lists(slots, max_size=3).map(tuple),
    numbers(1),
    st.none() | st.binary(max_size=7),
)
bodies = st.binary(max_size=20) | st.integers(0, 1030).map(bytes) | st.just(b"x" * BLOCK)


@st.composite
def headers(draw: st.DrawFn) -> dict[str, Any]:
    """A format and values for some of its fields."""
    format_ = draw(st.sampled_from(FORMATS))
    found: dict[str, Any] = {"format": format_}
    fields = [field for field in wire.FORMATS[format_] if not field.name.startswith("sparse")]
    for field in draw(st.lists(st.sampled_from(fields), max_size=4, unique=True)):
        is_number = field.kind == "number"
        found[field.name] = draw(numbers(field.width) if is_number else st.none() | st.binary(max_size=field.width))
    if format_ == "gnu":
        found["sparse"] = draw(st.lists(slots, max_size=4).map(tuple))
    found["padding"] = draw(st.none() | st.binary(max_size=4))
    return found


@st.composite
def parts(draw: st.DrawFn) -> Part:
    """One part of any type."""
    which = draw(st.sampled_from(("member", "pax", "long", "end", "raw")))
    if which == "end":
        return End(draw(st.integers(0, 3)))
    if which == "raw":
        return Raw(draw(bodies))
    header = draw(headers())
    if which == "pax":
        some = draw(st.lists(records, max_size=3).map(tuple))
        return Pax(
            **header, kind=draw(st.sampled_from(PAXES)), records=some, data=draw(st.none() | st.binary(max_size=9))
        )
    if which == "long":
        end = draw(st.none() | st.binary(max_size=3))
        return Long(**header, kind=draw(st.sampled_from(LONGS)), text=draw(bodies), end=end)
    more = draw(st.lists(extensions, max_size=2).map(tuple)) if header["format"] == "gnu" else ()
    return Member(**header, kind=draw(st.sampled_from(MEMBERS)), data=draw(bodies), extensions=more)


recipes = st.builds(Recipe, st.lists(parts(), max_size=5).map(tuple), st.integers(0, 3))


def _summed(block: bytes) -> bytes:
    return block[:148] + wire.checksum_form(wire.sums(block)[0]) + block[156:]


noise = st.binary(min_size=BLOCK, max_size=BLOCK)
blocks = st.just(bytes(BLOCK)) | noise | noise.map(_summed)
archives = st.tuples(st.lists(blocks, max_size=6).map(b"".join), st.binary(max_size=30)).map(b"".join)
"""Blocks, many with the checksum of a header over noise, and a cut end."""
