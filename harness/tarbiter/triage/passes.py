"""Reduction passes: each turns a case into simpler candidates, the boldest first.

A pass is a plain function from a case to an iterator of candidates; it knows nothing of what makes a case
interesting. Candidates need not be simpler or even differ: the minimiser takes only what its order calls smaller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias, TypeVar

import msgspec

from ..archive.case import DEST, NEIGHBOURS, SECRET, WHOLE, WORLD_FIELDS, Case, Schedule, World, usual_again
from ..archive.layers import Layer
from ..archive.recipe import TYPEFLAGS, Header, Long, Member, Part, Pax, Raw, Record

Pass: TypeAlias = Callable[[Case], Iterator[Case]]
T = TypeVar("T")

replace = msgspec.structs.replace


def with_parts(case: Case, parts: Sequence[Part]) -> Case:
    """`case` with other parts."""
    return replace(case, recipe=replace(case.recipe, parts=tuple(parts)))


def with_part(case: Case, index: int, part: Part) -> Case:
    """`case` with another part at `index`."""
    parts = case.recipe.parts
    return with_parts(case, (*parts[:index], part, *parts[index + 1 :]))


def without(items: Sequence[T]) -> Iterator[tuple[T, ...]]:
    """`items` without a run of them: half of them, a quarter, ... down to one, the last ones first."""
    size = max(1, len(items) // 2)
    while items:
        for start in range(len(items) - size, -1, -size):
            yield (*items[:start], *items[start + size :])
        if size == 1:
            return
        size //= 2


def drop_parts(case: Case) -> Iterator[Case]:
    """Fewer parts."""
    for parts in without(case.recipe.parts):
        yield with_parts(case, parts)


def drop_pairs(case: Case) -> Iterator[Case]:
    """Two parts fewer that need not be neighbours (a link and what is written through it)."""
    parts = case.recipe.parts
    if len(parts) > 8:
        return  # 28 pairs are few, thousands are not; single drops come first anyway
    for one in range(len(parts)):
        for other in range(one + 1, len(parts)):
            yield with_parts(case, [part for index, part in enumerate(parts) if index not in (one, other)])


def canonical_end(case: Case) -> Iterator[Case]:
    """The usual two zero blocks at the end."""
    yield replace(case, recipe=replace(case.recipe, end=2))


def fewer_layers(case: Case) -> Iterator[Case]:
    """No compression around the archive, fewer layers of it, then plainer ones."""
    for layers in without(case.layers):
        yield replace(case, layers=layers)
    for index, layer in enumerate(case.layers):
        for plainer in _plainer(layer):
            yield replace(case, layers=(*case.layers[:index], plainer, *case.layers[index + 1 :]))


def _plainer(layer: Layer) -> Iterator[Layer]:
    yield Layer()
    usual = Layer(kind=layer.kind)
    yield usual
    for field in layer.__struct_fields__:
        if getattr(layer, field) != getattr(usual, field):
            yield replace(layer, **{field: getattr(usual, field)})
    for splits in without(layer.splits):
        yield replace(layer, splits=splits)
    for field in ("tail", "name", "comment", "extra"):
        for text in shorter(getattr(layer, field) or b""):
            yield replace(layer, **{field: text})
    for value in dict.fromkeys((1, layer.cut // 2, layer.cut - 1)):
        yield replace(layer, cut=max(value, 0))


def simple_world(case: Case) -> Iterator[Case]:
    """The default world and schedule, or fewer things in them."""
    yield replace(case, world=World(), schedule=WHOLE)
    yield replace(case, world=World())
    yield replace(case, schedule=WHOLE)
    for placed in without(case.world.placed):
        yield replace(case, world=replace(case.world, placed=placed))
    for field in WORLD_FIELDS:
        yield replace(case, world=usual_again(case.world, field))
    chunks = case.schedule.chunks
    for fewer in without(chunks):
        yield replace(case, schedule=Schedule(chunks=fewer, pause=case.schedule.pause))
    yield replace(case, schedule=Schedule(chunks=chunks))
    yield replace(case, schedule=Schedule(chunks=(1,), pause=case.schedule.pause))


_KEPT = {"kind", "format", "name", "text", "records", "data", "extensions", "sparse"}
"""Fields that other passes simplify; every other header field has a canonical value."""

FIELDS: tuple[str, ...] = tuple(
    field for field in msgspec.structs.asdict(Header()) if field not in _KEPT and field != "linkname"
)


def _set_fields(part: Header) -> tuple[str, ...]:
    return tuple(field for field in (*FIELDS, "linkname", "end") if getattr(part, field, None) is not None)


def canonical_fields(case: Case) -> Iterator[Case]:
    """Header fields left out: all of all parts, all of one part, then one by one."""
    plain = [
        replace(part, **dict.fromkeys((f for f in _set_fields(part) if f != "linkname"), None))
        if isinstance(part, Member | Pax | Long)
        else part
        for part in case.recipe.parts
    ]
    yield with_parts(case, plain)
    for index, part in enumerate(case.recipe.parts):
        yield with_part(case, index, plain[index])
        if isinstance(part, Member | Pax | Long):
            for field in _set_fields(part):
                yield with_part(case, index, replace(part, **{field: None}))


_GNU_ONLY = ("atime", "ctime", "offset", "longnames", "unused", "isextended", "realsize", "star_magic")


def simple_layout(case: Case) -> Iterator[Case]:
    """The canonical format, no sparse map, fewer slots, a plain file instead of anything else."""
    for index, part in enumerate(case.recipe.parts):
        if not isinstance(part, Member | Pax | Long):
            continue
        bare = dict.fromkeys((*_GNU_ONLY, "prefix", "reserved"))
        usual = type(part)().format
        if part.format != usual:
            yield with_part(case, index, replace(part, format=usual, sparse=(), **bare))
        if part.sparse:
            yield with_part(case, index, replace(part, sparse=()))
            for slots in without(part.sparse):
                yield with_part(case, index, replace(part, sparse=slots))
        if isinstance(part, Member):
            if part.extensions:
                for blocks in without(part.extensions):
                    yield with_part(case, index, replace(part, extensions=blocks))
            if part.kind != "file":
                yield with_part(case, index, replace(part, kind="file"))
                yield with_part(case, index, replace(part, kind="file", linkname=None))
            if part.typeflag is not None:
                yield from _kind_for_typeflag(case, index, part)


def _kind_for_typeflag(case: Case, index: int, part: Member) -> Iterator[Case]:
    """A kind whose canonical typeflag is the one that was set."""
    for kind, typeflag in TYPEFLAGS.items():
        if typeflag == part.typeflag and kind in ("file", "dir", "symlink", "hardlink"):
            yield with_part(case, index, msgspec.convert({"kind": kind}, Member))
            yield with_part(case, index, replace(part, kind=kind, typeflag=None))


def simple_records(case: Case) -> Iterator[Case]:
    """Fewer pax records, with the right length and the usual end."""
    for index, part in enumerate(case.recipe.parts):
        if not isinstance(part, Pax):
            continue
        for records in without(part.records):
            yield with_part(case, index, replace(part, records=records))
        if part.data is not None:
            yield with_part(case, index, replace(part, data=None))
        for number, record in enumerate(part.records):
            if record.length is not None or record.end is not None:
                for plain in (
                    replace(record, length=None, end=None),
                    replace(record, length=None),
                    replace(record, end=None),
                ):
                    yield with_part(case, index, _with_record(part, number, plain))


def _with_record(part: Pax, number: int, record: Record) -> Pax:
    return replace(part, records=(*part.records[:number], record, *part.records[number + 1 :]))


def shorter(data: bytes) -> Iterator[bytes]:
    """Nothing, one letter, the halves, then without single runs; and as long as before, but all one letter."""
    if not data:
        return
    yield b""
    yield b"a"
    for fewer in without(data):
        if len(fewer) < len(data):
            yield bytes(fewer)
        if len(data) > 64 and len(fewer) > len(data) - 8:
            break  # byte by byte is for short strings
    yield b"a" * len(data)


def simple_data(case: Case) -> Iterator[Case]:
    """Bodies and raw bytes: shorter, or plainer at the same length."""
    for index, part in enumerate(case.recipe.parts):
        if isinstance(part, Member | Raw | Pax) and part.data:
            for data in shorter(part.data):
                yield with_part(case, index, replace(part, data=data))


def simple_numbers(case: Case) -> Iterator[Case]:
    """Numbers in fields: the same value written canonically, then 0, 1, halves."""
    for index, part in enumerate(case.recipe.parts):
        if not isinstance(part, Member | Pax | Long):
            continue
        for field in FIELDS:
            value = getattr(part, field)
            if isinstance(value, int):
                for number in dict.fromkeys((0, 1, 512, value // 2, value - 1)):
                    yield with_part(case, index, replace(part, **{field: number}))
            elif isinstance(value, bytes):
                for text in shorter(value):
                    yield with_part(case, index, replace(part, **{field: text}))


_NAME_KEYS = {b"path", b"linkpath", b"GNU.sparse.name"}
_SPECIAL = {b"", b".", b"..", SECRET, DEST, *NEIGHBOURS}
"""Components that mean something: they are dropped, never renamed."""


def _names(case: Case) -> Iterator[tuple[bytes, Callable[[bytes], Case]]]:
    """Every value of a case that is a path, with a function that gives the case with another one."""

    def setter(index: int, part: Header, field: str) -> Callable[[bytes], Case]:
        return lambda value: with_part(case, index, replace(part, **{field: value}))  # type: ignore[arg-type]  # a Header here is a Part

    for index, part in enumerate(case.recipe.parts):
        if isinstance(part, Member):
            for field in ("name", "linkname", "prefix"):
                value = getattr(part, field)
                if value:
                    yield value, setter(index, part, field)
        elif isinstance(part, Long):
            yield part.text, setter(index, part, "text")
        elif isinstance(part, Pax):
            for number, record in enumerate(part.records):
                if record.key in _NAME_KEYS:
                    yield record.value, _record_setter(case, index, part, number)
    for number, placed in enumerate(case.world.placed):
        yield placed.name, _placed_setter(case, number)


def _record_setter(case: Case, index: int, part: Pax, number: int) -> Callable[[bytes], Case]:
    record = part.records[number]
    return lambda value: with_part(case, index, _with_record(part, number, replace(record, value=value)))


def _placed_setter(case: Case, number: int) -> Callable[[bytes], Case]:
    placed = case.world.placed

    def put(value: bytes) -> Case:
        changed = (*placed[:number], replace(placed[number], name=value), *placed[number + 1 :])
        return replace(case, world=replace(case.world, placed=changed))

    return put


def rename_together(case: Case) -> Iterator[Case]:
    """One component of the paths, renamed everywhere at once to a single letter, or dropped everywhere."""
    values = [value for value, _ in _names(case)]
    components = dict.fromkeys(part for value in values for part in value.split(b"/") if part not in _SPECIAL)
    taken = set(components)
    for component in components:
        letter = next(bytes([code]) for code in range(ord("a"), 0x100) if bytes([code]) not in taken | {b"/"})
        for new in (letter, b"a" * len(component)):
            if len(component) > 1 and new != component:
                yield _everywhere(case, component, new)
        yield _everywhere(case, component, None)


def _everywhere(case: Case, component: bytes, new: bytes | None) -> Case:
    def change(value: bytes) -> bytes:
        parts = [new if part == component else part for part in value.split(b"/")]
        return b"/".join(part for part in parts if part is not None)

    changed = case
    for number in range(sum(1 for _ in _names(case))):
        value, put = list(_names(changed))[number]
        changed = put(change(value)) if change(value) else changed
    return changed


def simple_names(case: Case) -> Iterator[Case]:
    """One path on its own: fewer components, shorter ones, one letter over and over."""
    for value, put in _names(case):
        parts = value.split(b"/")
        for fewer in without(parts):
            if fewer:
                yield put(b"/".join(fewer))
        for text in shorter(value):
            if text:
                yield put(text)
        yield put(b"/".join(part if part in _SPECIAL else b"a" * len(part) for part in parts))


PASSES: tuple[Pass, ...] = (
    fewer_layers,
    drop_parts,
    simple_world,
    canonical_fields,
    canonical_end,
    simple_records,
    simple_layout,
    drop_pairs,
    simple_data,
    rename_together,
    simple_names,
    simple_numbers,
)
"""In the order they are tried: what removes most comes first."""
