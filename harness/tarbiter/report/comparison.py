"""The page of `tarbiter compare --html`: who agrees with whom, what each left behind, the bytes it comes from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby

import msgspec

from ..archive.case import Case
from ..archive.decode import decode, scan
from ..archive.encode import Located, encode_bytes, located
from ..archive.inspect import ODDITIES, Row, annotate
from ..archive.recipe import Header, Recipe
from ..archive.stored import Archive, Stored
from ..archive.text import dumps, escape
from ..contest.observation import Change, Node, Observation
from ..judge.compare import NOT_COMPARED, Divergence, Group, partition
from ..judge.facets import FACETS, ROOT, differences, has_tree
from ..judge.invariants import PROMISES
from ..judge.wording import name, plain, telling
from ..triage.locate import Index
from . import pages
from .console import together

LEAVES = 400
"""Names of a tree that are shown; those on which contestants part come first of all."""

PARTS = 40
"""Parts of an archive that are shown; beyond, only those that are odd or that somebody reads otherwise."""

RAW = 48
"""Bytes of a field that are shown."""

RECIPE = 20_000
"""Characters of the recipe that are shown."""

BODY_WEIGHT = 160
"""How many bytes wide a body looks at most, beside its header of 512."""

_NUMBERS = frozenset(
    ("mode", "uid", "gid", "size", "mtime", "devmajor", "devminor", "atime", "ctime", "offset", "realsize")
)
_MARKS = frozenset(("chksum", "typeflag", "magic", "version", "isextended", "star_magic"))
_TEXTS = frozenset(("name", "linkname", "prefix", "uname", "gname", "text"))


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """One archive that was compared."""

    file: str
    form: str = ""
    """Which form of the file was compared (`archive.cases.Loaded.forms`)."""
    size: int
    """Bytes that contestants were given."""
    archive: Archive
    """The archive itself, without compression."""
    case: Case | None
    notes: tuple[str, ...]
    divergence: Divergence
    observations: tuple[Observation, ...]
    replay: str = ""
    """The line of shell that compares it again; empty: the archive came on standard input."""


class Leaf(msgspec.Struct, frozen=True, kw_only=True):
    """One name of a tree. `mark`: `only` here, `absent` here (but in group A), `differs`, or empty."""

    name: str
    depth: int
    what: str
    folder: bool = False
    mark: str = ""
    parts: tuple[str, ...] = ()
    """Facets in which it differs from group A."""


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field of the archive: where, what, and what is odd (code and words)."""

    offset: int
    length: int
    name: str
    kind: str
    raw: str
    hex: str
    meaning: str
    odd: tuple[tuple[str, str], ...]
    weight: int


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the archive with its fields: those with something to see, and those that are as usual."""

    title: str
    start: int
    stop: int
    about: tuple[str, ...]
    bar: tuple[Field, ...]
    rows: tuple[Field, ...]
    plain: tuple[Field, ...]


class Seat(msgspec.Struct, frozen=True, kw_only=True):
    """A contestant's line of the matrix: for each facet with two readings, which one it has (-1: none)."""

    contestant: str
    version: str
    status: str
    readings: tuple[int, ...]
    notes: tuple[str, ...]


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """A group of contestants, what it left and how that differs from group A."""

    label: str
    number: int
    status: str
    seats: tuple[Seat, ...]
    said: tuple[tuple[str, str], ...]
    """Who, and the first line of what they said."""
    escapes: tuple[str, ...]
    leaves: tuple[Leaf, ...]
    left_out: int
    """Names of the tree that are not shown."""
    differences: tuple[tuple[str, str, str, str, str], ...]
    """Facet, path, here, in group A, and where in the archive the path comes from."""


class View(msgspec.Struct, frozen=True, kw_only=True):
    """All that the template needs of one archive."""

    file: str
    anchor: str
    size: int
    notes: tuple[str, ...]
    title: str
    agreed: bool
    headline: str
    facets: tuple[tuple[str, str], ...]
    """Facets on which contestants part, with their meaning: the columns of the matrix."""
    same: tuple[str, ...]
    readings: tuple[Reading, ...]
    broken: tuple[tuple[str, str, str, str], ...]
    """Invariant, promise, by whom, evidence."""
    weak: tuple[tuple[str, str, str], ...]
    """Facet that was not asked for, its meaning, an example."""
    left_out: tuple[tuple[str, str], ...]
    blocks: tuple[Block, ...]
    more_blocks: int
    recipe: str
    recipe_cut: bool
    again: str
    signature: str


def page(inputs: Sequence[Input], made_with: dict[str, str]) -> str:
    """The whole page."""
    views = [_view(one, number) for number, one in enumerate(inputs)]
    return pages.render(
        "comparison.html.j2", made_with, views=views, parted=sum(one.divergence.parted for one in inputs)
    )


def _view(one: Input, number: int) -> View:
    divergence = one.divergence
    index = index_of(one.case, one.archive, divergence)
    by_name = {observation.contestant: observation for observation in one.observations}
    heard = [observation for observation in one.observations if observation.status not in NOT_COMPARED]
    columns = _columns(heard)
    toml = _recipe(one)
    inner = encode_bytes(one.case.recipe) if one.case else one.archive
    blocks, more = _blocks(inner, _about(divergence, index))
    return View(
        file=plain(one.file) + (f" ({one.form})" if one.form else ""),
        anchor=f"archive-{number + 1}",
        size=one.size,
        notes=tuple(map(plain, one.notes)),
        title=plain(one.case.title) if one.case else "",
        agreed=divergence.agreed,
        headline=_headline(divergence, len(heard)),
        facets=tuple((facet, FACETS[facet].meaning) for facet in columns),
        same=tuple(facet for facet in FACETS if facet not in columns),
        readings=tuple(
            _reading(group, place, divergence, by_name, columns, index)
            for place, group in enumerate(divergence.groups)
        ),
        broken=tuple(
            (
                broken.invariant,
                PROMISES[broken.invariant],
                ", ".join(broken.contestants) + (f" against {', '.join(broken.against)}" if broken.against else ""),
                plain(broken.evidence),
            )
            for broken in divergence.broken
        ),
        weak=tuple(
            (
                weak.facet,
                FACETS[weak.facet].meaning,
                ""
                if weak.example is None
                else f"{'' if weak.example.path is None else name(weak.example.path) + ': '}"
                f"{weak.example.left} / {weak.example.right}",
            )
            for weak in divergence.weak
        ),
        left_out=tuple((who, plain(reason)) for who, reason in together(divergence.left_out)),
        blocks=blocks,
        more_blocks=more,
        recipe=toml[:RECIPE],
        recipe_cut=len(toml) > RECIPE,
        again=plain(one.replay),
        signature=f"{divergence.signature.id} {divergence.signature.invariant}" if divergence.signature else "",
    )


def index_of(case: Case | None, archive: Archive, divergence: Divergence) -> Index:
    """Where the paths on which contestants part are in an archive, or in that of a case."""
    wanted = {one.path for group in divergence.groups for one in group.differences if one.path is not None}
    wanted |= {path for broken in divergence.broken for path in broken.paths}
    return Index(located(case.recipe) if case else scan(archive), wanted)


def _recipe(one: Input) -> str:
    if isinstance(one.archive, Stored):
        return f"# {len(one.archive)} bytes are too many for a recipe to be shown: tarbiter inspect {one.file}\n"
    return dumps(one.case or Case(recipe=decode(one.archive)))


def _headline(divergence: Divergence, heard: int) -> str:
    groups = divergence.groups
    if divergence.uncompared:
        return f"Not compared: {divergence.uncompared}"
    if len(groups) > 1:
        return f"{len(groups)} readings among {heard} contestants"
    return f"All {heard} agree: {groups[0].status}"


# -- who has which reading -----------------------------------------------------------------------------------------


def _columns(heard: Sequence[Observation]) -> dict[str, dict[str, int]]:
    """Facets with two readings or more: contestant to reading, the most common one first."""
    found = {}
    for facet in FACETS:
        able = [one for one in heard if facet in ("status", "escapes") or has_tree(one)]
        if facet == "listing":
            able = [one for one in able if one.listing is not None]
        groups = partition(able, (facet,))
        if len(groups) > 1:
            found[facet] = {one.contestant: number for number, group in enumerate(groups) for one in group}
    return found


def _reading(
    group: Group,
    number: int,
    divergence: Divergence,
    by_name: dict[str, Observation],
    columns: dict[str, dict[str, int]],
    index: Index,
) -> Reading:
    members = [by_name[contestant] for contestant in group.contestants]
    first = by_name[divergence.groups[0].contestants[0]] if number else None
    shown, left_out = _leaves(members[0], first)
    rows = []
    for parted in group.differences:
        if parted.facet == "status":
            continue
        places = index.find(parted.path) if parted.path is not None else ()
        rows.append(
            (
                parted.facet,
                "" if parted.path is None else name(parted.path),
                parted.right,
                parted.left,
                "; ".join(map(str, places[:2])) + (f" and {len(places) - 2} more" if len(places) > 2 else ""),
            )
        )
    return Reading(
        label=group.label,
        number=number,
        status=group.status,
        seats=tuple(_seat(one, columns) for one in members),
        said=_said(members),
        escapes=tuple(map(_change, members[0].escapes)),
        leaves=shown,
        left_out=left_out,
        differences=tuple(rows),
    )


def _seat(one: Observation, columns: dict[str, dict[str, int]]) -> Seat:
    return Seat(
        contestant=one.contestant,
        version=plain(one.version),
        status=one.status,
        readings=tuple(readings.get(one.contestant, -1) for readings in columns.values()),
        notes=tuple(map(plain, one.notes)),
    )


def _said(members: Iterable[Observation]) -> tuple[tuple[str, str], ...]:
    """What contestants that did not extract said, each message once."""
    messages: dict[str, list[str]] = {}
    for one in members:
        said = telling(one.error) or one.error_class
        if said and one.status != "extracted":
            messages.setdefault(said, []).append(one.contestant)
    return tuple((", ".join(who), plain(said)) for said, who in messages.items())


def _change(change: Change) -> str:
    detail = (
        f" ({plain(change.before)} before, {plain(change.after)} after)" if change.before or change.after else ""
    )
    return f"{change.what}: {name(change.path)}{detail}"


# -- trees ---------------------------------------------------------------------------------------------------------


def _leaves(one: Observation, first: Observation | None) -> tuple[tuple[Leaf, ...], int]:
    """The names of a tree, against those of group A where both extracted. And how many are not shown."""
    here = {node.path: node for node in one.tree if node.path != ROOT}
    there: dict[bytes, Node] = {}
    parts: dict[bytes, list[str]] = {}
    if first is not None and has_tree(one) and has_tree(first):
        there = {node.path: node for node in first.tree if node.path != ROOT}
        for facet, known in FACETS.items():
            if known.node is None or facet == "names":
                continue
            for parted in differences(facet, first, one):
                if parted.path is not None:
                    parts.setdefault(parted.path, []).append(facet)
    compared = bool(there)
    leaves = {}
    for path in here.keys() | there.keys():
        mark = "absent" if path not in here else "only" if compared and path not in there else ""
        mark = mark or ("differs" if path in parts else "")
        node = here.get(path) or there[path]
        leaves[path] = Leaf(
            name=name(path.rpartition(b"/")[2]),
            depth=0,
            what=_what(node),
            folder=node.type == "dir",
            mark=mark,
            parts=tuple(parts.get(path, ())),
        )
    order = sorted(leaves, key=lambda path: path.split(b"/"))
    whole = len(order)
    if len(order) > LEAVES:
        chosen = set(sorted(order, key=lambda path: not leaves[path].mark)[:LEAVES])
        order = [path for path in order if path in chosen]
    return tuple(_joined(order, leaves)), whole - len(order)


def _joined(order: Sequence[bytes], leaves: dict[bytes, Leaf]) -> list[Leaf]:
    """A directory that holds nothing but one like itself shares a line with it: depths of a hundred are usual."""
    children = Counter(path.rpartition(b"/")[0] for path in order)
    rows: list[Leaf] = []
    starts: list[int] = []
    places: dict[bytes, int] = {}
    """The row that a path is on."""
    for path in order:
        above = path.rpartition(b"/")[0]
        leaf, place = leaves[path], places.get(above)
        if place is not None and children[above] == 1 and leaf.folder and _alike(leaf, leaves[above]):
            rows[place] = msgspec.structs.replace(rows[place], name=name(path[starts[place] :]))
            places[path] = place
            continue
        places[path] = len(rows)
        starts.append(len(above) + 1 if above else 0)
        rows.append(msgspec.structs.replace(leaf, depth=rows[place].depth + 1 if place is not None else 0))
    return rows


def _alike(one: Leaf, other: Leaf) -> bool:
    return (one.what, one.mark, one.parts) == (other.what, other.mark, other.parts)


def _what(node: Node) -> str:
    words: list[str] = [node.type]
    if node.type == "file":
        words.append(f"{node.size} bytes")
        if node.data:
            words.append(name(node.data[:24]) + ("..." if len(node.data) > 24 else ""))
    if node.link is not None:
        words.append(f"to {name(node.link)}")
    else:
        words.append(f"{node.mode:04o}")
    if node.group:
        words.append(f"hard link {node.group}")
    if node.outside_links:
        words.append("linked to something outside")
    if node.xattrs:
        words.append(f"{len(node.xattrs)} xattrs")
    return " ".join(words)


# -- bytes ---------------------------------------------------------------------------------------------------------


def _about(divergence: Divergence, index: Index) -> dict[int, list[str]]:
    """What parts people, by the offset at which the header that carries the path begins."""
    found: dict[int, list[str]] = {}
    for group in divergence.groups[1:]:
        for parted in group.differences:
            if parted.path is None:
                continue
            for place in index.find(parted.path):
                words = (
                    f"{parted.facet} of {name(parted.path)} in {group.label}: {parted.right}, in A {parted.left}"
                )
                said = found.setdefault(place.start, [])
                if words not in said:
                    said.append(words)
    return found


def anatomy(recipe: Recipe) -> tuple[tuple[Block, ...], int]:
    """The annotated bytes of an archive by itself, and how many parts with nothing odd are not shown."""
    return _blocks(encode_bytes(recipe), {})


def _blocks(archive: Archive, about: dict[int, list[str]]) -> tuple[tuple[Block, ...], int]:
    """The parts to be shown, and how many are not: all of them if they are few, or else those with something odd.

    One after another, and only those that are shown are kept: there may be millions.
    """
    first: list[Block] = []
    chosen: list[Block] = []
    count = 0
    parts = scan(archive)
    for number, group in groupby(annotate(archive), key=lambda row: row.part):
        found, rows = next(parts, None), list(group)
        count += 1
        odd = rows[0].offset in about or any(row.oddities and not row.plain for row in rows)
        if len(first) < PARTS or (odd and len(chosen) < PARTS):
            block = _block(found, number, rows, about)
            first += [block] if len(first) < PARTS else []
            chosen += [block] if odd and len(chosen) < PARTS else []
    return (tuple(first), 0) if count <= PARTS else (tuple(chosen), count - len(chosen))


def _block(found: Located | None, number: int, rows: list[Row], about: dict[int, list[str]]) -> Block:
    fields = [_field(row) for row in rows]
    title = "end" if number < 0 else f"part {number}"
    if number >= 0 and found is not None:
        part = found.part
        kind = getattr(part, "kind", type(part).__name__.lower())
        title += f": {kind}"
        if isinstance(part, Header) and part.name:
            title += f" {name(part.name[:60])}"
    start = rows[0].offset
    return Block(
        title=title,
        start=start,
        stop=rows[-1].offset + rows[-1].length,
        about=tuple(about.get(start, ())),
        bar=tuple(fields) if len(fields) > 1 else (),
        rows=tuple(field for row, field in zip(rows, fields, strict=True) if not row.plain),
        plain=tuple(field for row, field in zip(rows, fields, strict=True) if row.plain),
    )


def _field(row: Row) -> Field:
    kind = _kind(row.field)
    shown = row.raw.rstrip(b"\0")[:RAW]
    more = "..." if len(row.raw.rstrip(b"\0")) > RAW or (shown and row.length > len(row.raw)) else ""
    return Field(
        offset=row.offset,
        length=row.length,
        name=row.field,
        kind=kind,
        raw=escape(shown) + more,
        hex=shown.hex(" ") + more if shown else ("00 ..." if row.raw else ""),
        meaning=plain(row.meaning),
        odd=tuple((code, ODDITIES[code]) for code in row.oddities),
        weight=min(row.length, BODY_WEIGHT) if kind in ("body", "pad") else row.length,
    )


def _kind(field: str) -> str:
    head = field.partition("[")[0]
    if head in _NUMBERS:
        return "number"
    if head in _MARKS:
        return "mark"
    if head in _TEXTS or field.endswith((".key", ".value")):
        return "text"
    if head in ("data", "records"):
        return "body"
    return "pad"
