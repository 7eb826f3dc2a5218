"""Which causes of a minimised case the divergence needs: each is made canonical in turn, and the target probed.

A minimiser takes what is shorter, so that a name may end in a slash only because `a/` is shorter than `a/b`. Such a
cause is *idle*: the target shows without it, and the finding's case is freed of it. What is left once every idle
cause is gone is *causal*: with any one of those causes canonical, the target is gone. A cause for which there is no
canonical form that adds no other is *untested*, and counts as causal.

Who reads a field is seen by the same means: `heed` compares what everybody does with and without it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, TypeAlias

import msgspec

from ..archive.case import CANARY, SIBLING, WHOLE, Case, Placed, World, usual_again, world_causes
from ..archive.cases import bytes_of
from ..archive.encode import Encoded, encode
from ..archive.layers import Layer
from ..archive.recipe import End, Header, Long, Member, Part, Pax, RecipeError, Record
from ..archive.text import dumps
from ..contest.observation import Observation
from ..judge.compare import NOT_COMPARED
from ..judge.facets import STRONG, project
from .causes import causes
from .minimise import Probe
from .passes import FIELDS, with_part, with_parts

Verdict: TypeAlias = Literal["causal", "idle", "untested"]

replace = msgspec.structs.replace


class Cause(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is not as everybody writes it, whether the divergence needs it, and the bytes that say it."""

    words: str
    """As `explain.causes` has them: `dir size`."""
    verdict: Verdict
    part: int = -1
    """Index of the part of the recipe that says it; -1: the world, the schedule, or the end of the archive."""
    field: str = ""
    """The field of that part, as spans name it; empty: the whole part."""
    offset: int = 0
    raw: bytes = b""
    """The first `SHOWN` bytes at `offset` of the archive; empty: it is not said in the archive's bytes."""
    length: int = 0
    """How many bytes say it."""
    canonical: str = ""
    """The minimised case with this alone made canonical, as TOML; empty: there is no such case."""
    heeded: tuple[str, ...] = ()
    """Contestants that do something else once it is canonical: they read it."""
    ignored: tuple[str, ...] = ()
    """Contestants that do the same without it. In neither: it was not run without it, or could not be compared."""


SHOWN = 32
"""Raw bytes of a field that are kept."""


class Variant(msgspec.Struct, frozen=True):
    """A case with one thing canonical: `field` of part number `part`."""

    case: Case
    part: int
    field: str


def _plain(path: bytes) -> Iterator[bytes]:
    """A path without one remarkable thing, then a plain one that nothing else has."""
    yield path.rstrip(b"/")
    if path.endswith(b"/"):
        yield path + b"z"
    yield path.lstrip(b"/")
    parts = path.split(b"/")
    yield b"/".join(part for part in parts if part != b"..")
    yield b"/".join(part for part in parts if part not in (CANARY, SIBLING))
    yield b"/".join(part for part in parts if part not in (b"", b"."))
    yield path + b"z"
    yield path[:-1]
    yield b"/".join(part[:200] for part in parts)
    yield bytes(byte if 32 < byte < 127 and byte not in b"\\:" else ord("z") for byte in path)
    yield path.replace(b":", b"z")
    yield b"z" + path[1:] if path[:1].isdigit() else b"z"
    yield b"zz"


def _paths(case: Case) -> Iterator[Variant]:
    for index, part in enumerate(case.recipe.parts):
        if isinstance(part, Member | Pax | Long):
            for field in ("name", "linkname"):
                value = getattr(part, field)
                if value:
                    for plain in _plain(value):
                        yield Variant(with_part(case, index, replace(part, **{field: plain})), index, field)
                elif value is not None and field == "name":
                    yield Variant(with_part(case, index, replace(part, name=b"zz")), index, field)
        if isinstance(part, Long):
            for plain in _plain(part.text):
                yield Variant(with_part(case, index, replace(part, text=plain)), index, "text")
        if isinstance(part, Pax):
            for number, record in enumerate(part.records):
                if record.key in (b"path", b"linkpath", b"GNU.sparse.name"):
                    for plain in _plain(record.value):
                        changed = replace(record, value=plain)
                        yield Variant(
                            _record(case, index, part, number, changed), index, f"records[{number}].value"
                        )


def _record(case: Case, index: int, part: Pax, number: int, *records: Record) -> Case:
    """`case` with `records` in place of one."""
    changed = (*part.records[:number], *records, *part.records[number + 1 :])
    return with_part(case, index, replace(part, records=changed))


_CARRIED = {b"path": "name", b"linkpath": "linkname"}


def _records(case: Case) -> Iterator[Variant]:
    for index, part in enumerate(case.recipe.parts):
        if not isinstance(part, Pax):
            continue
        for number, record in enumerate(part.records):
            at = f"records[{number}]"
            yield Variant(_record(case, index, part, number), index, f"{at}.key")
            if record.length is not None:
                yield Variant(
                    _record(case, index, part, number, replace(record, length=None)), index, f"{at}.length"
                )
            if record.end is not None:
                yield Variant(_record(case, index, part, number, replace(record, end=None)), index, f"{at}.end")
            for value in (b"z", record.value.replace(b"\n", b"z").replace(b"\0", b"z"), b"1"):
                changed = replace(record, value=value)
                yield Variant(_record(case, index, part, number, changed), index, f"{at}.value")
            if record.key in _CARRIED:
                moved = _record(case, index, part, number)
                yield from _moved(moved, index, _CARRIED[record.key], record.value, f"{at}.key")
        if part.data is not None:
            yield Variant(with_part(case, index, replace(part, data=None)), index, "data")


def _moved(case: Case, index: int, field: str, value: bytes, said: str) -> Iterator[Variant]:
    """The value of an extension in the header that it was for, with the extension and without it."""
    parts = case.recipe.parts
    target = next((at for at in range(index + 1, len(parts)) if isinstance(parts[at], Member)), None)
    if target is None:
        return
    member = replace(parts[target], **{field: value})
    moved = with_part(case, target, member)
    yield Variant(moved, index, said)
    yield Variant(_without(moved, index), index, said)


def _without(case: Case, index: int) -> Case:
    parts = case.recipe.parts
    return with_parts(case, (*parts[:index], *parts[index + 1 :]))


_GNU_ONLY = ("atime", "ctime", "offset", "longnames", "unused", "isextended", "realsize", "star_magic")


def _fields(case: Case) -> Iterator[Variant]:
    for index, part in enumerate(case.recipe.parts):
        if not isinstance(part, Member | Pax | Long):
            continue
        for field in (*FIELDS, "linkname", "end"):
            if getattr(part, field, None) is not None:
                yield Variant(with_part(case, index, replace(part, **{field: None})), index, field)
        usual = type(part)().format
        if part.format != usual:
            bare = dict.fromkeys((*_GNU_ONLY, "prefix", "reserved"))
            yield Variant(with_part(case, index, replace(part, format=usual)), index, "magic")
            yield Variant(with_part(case, index, replace(part, format=usual, sparse=(), **bare)), index, "magic")
        if part.sparse:
            yield Variant(with_part(case, index, replace(part, sparse=())), index, "sparse")
        if isinstance(part, Member):
            yield from _members(case, index, part)
        if isinstance(part, Long):
            field = "name" if part.kind == "long-name" else "linkname"
            yield from _moved(case, index, field, part.text, "text")


def _members(case: Case, index: int, part: Member) -> Iterator[Variant]:
    if part.extensions or part.sparse:
        yield Variant(with_part(case, index, replace(part, sparse=(), extensions=())), index, "sparse")
    if part.kind != "file":
        yield Variant(with_part(case, index, replace(part, kind="file")), index, "typeflag")
        yield Variant(with_part(case, index, replace(part, kind="file", linkname=None)), index, "typeflag")
        if part.data:
            yield Variant(with_part(case, index, replace(part, data=b"")), index, "data")


def _parts(case: Case) -> Iterator[Variant]:
    for index, part in enumerate(case.recipe.parts):
        yield Variant(_without(case, index), index, _whole(part))


def _whole(part: Part) -> str:
    """The field that shows what a whole part is."""
    if isinstance(part, Header):
        return "typeflag"
    return "blocks" if isinstance(part, End) else "data"


def _around(case: Case) -> Iterator[Variant]:
    """The end of the archive, the world, the compression, the schedule."""
    if case.recipe.end != 2:
        yield Variant(replace(case, recipe=replace(case.recipe, end=2)), -1, "blocks")
    placed: tuple[Placed, ...] = case.world.placed
    for number in range(len(placed)):
        fewer = placed[:number] + placed[number + 1 :]
        yield Variant(replace(case, world=replace(case.world, placed=fewer)), -1, "")
    if case.world != World(placed=placed):
        yield Variant(replace(case, world=World(placed=placed)), -1, "")
        for fields in world_causes().values():
            yield Variant(replace(case, world=usual_again(case.world, *fields)), -1, "")
    for number, layer in enumerate(case.layers):
        yield Variant(replace(case, layers=(*case.layers[:number], *case.layers[number + 1 :])), -1, "")
        plain = (*case.layers[:number], Layer(kind=layer.kind), *case.layers[number + 1 :])
        yield Variant(replace(case, layers=plain), -1, "")
    if case.schedule != WHOLE:
        yield Variant(replace(case, schedule=WHOLE), -1, "")
        if case.schedule.pause:
            yield Variant(replace(case, schedule=replace(case.schedule, pause=False)), -1, "")


_CARRIER = re.compile(r"^(\w+ name|pax(-\w+)? path|long-name|pax(-\w+)? GNU\.sparse\.name): ")
_LINK = re.compile(r"^(\w+ linkname|pax(-\w+)? linkpath|long-link): ")


def _carried(found: Iterable[str]) -> frozenset[str]:
    """Causes, those of a path freed of who carries it: a header that climbs is no news where a record climbed."""
    return frozenset(_LINK.sub("link: ", _CARRIER.sub("path: ", words)) for words in found)


LOOKS = 1 << 17
"""Parts whose causes are looked at, over all variants of a case, at most. An archive of 20,000 members that could
not be made smaller would have as many variants: hours of looking, and a GiB."""


def relieved(case: Case) -> Iterator[tuple[Variant, frozenset[str]]]:
    """The case with one thing canonical at a time, and the causes that each leaves: some are gone, none is new.

    Of a case of very many parts not all, but the first of them (`LOOKS`).
    """
    mine = frozenset(causes(case))
    carried = _carried(mine)
    found: set[object] = set()
    rest = LOOKS // max(1, len(case.recipe.parts))
    for source in (_fields, _paths, _records, _around, _parts):
        for variant in source(case):
            rest -= 1
            if rest < 0:
                return
            key = (variant.case.recipe, variant.case.world, variant.case.schedule, variant.case.layers)
            if key in found:
                continue
            found.add(key)
            left = frozenset(causes(variant.case))
            if len(left) < len(mine) and _carried(left) <= carried and _encodes(variant.case):
                yield variant, left


def variants(case: Case) -> tuple[tuple[Variant, frozenset[str]], ...]:
    """All of `relieved`."""
    return tuple(relieved(case))


def _encodes(case: Case) -> bool:
    try:
        bytes_of(case)
    except RecipeError:
        return False
    return True


class Told(msgspec.Struct, frozen=True):
    """A case with only those causes left that its target needs, and every cause that there was."""

    case: Case
    causes: tuple[Cause, ...]
    """Those of `case` in order of their words, then the idle ones that are gone from it."""
    probes: int


def tell(case: Case, probe: Probe, *, width: int = 8, ended: Callable[[], bool] = lambda: False) -> Told:
    """Free a minimised case of the causes that its target does not need, and say of each what came of it.

    `probe` says which cases still show the target, `width` of them at a time. Deterministic as far as `probe` is:
    of several variants that still show it, the first with the fewest causes is gone on with. When `ended` says so,
    what has not been tried stays untested.
    """
    base, needed, probes = case, set[str](), 0
    while not ended():
        mine, needed = frozenset(causes(base)), set()
        offers = variants(base)
        shown: list[tuple[Variant, frozenset[str]]] = []
        for start in range(0, len(offers), width):
            if ended():
                break
            batch = offers[start : start + width]
            probes += len(batch)
            for offer, yes in zip(batch, probe([one.case for one, _ in batch]), strict=True):
                if yes:
                    shown.append(offer)
                else:
                    needed |= mine - offer[1]
        if not shown:
            break
        base = min(shown, key=lambda offer: len(offer[1]))[0].case
        needed = set()
    left, encoded, offers = causes(base), encode(base.recipe), variants(base)
    found = [_cause(encoded, words, "causal" if words in needed else "untested", offers) for words in left]
    found += [Cause(words=words, verdict="idle") for words in causes(case) if words not in left]
    return Told(base, tuple(found), probes)


def _cause(
    encoded: Encoded,
    words: str,
    verdict: Verdict,
    offers: Sequence[tuple[Variant, frozenset[str]]],
) -> Cause:
    able = [(-len(left), number, variant) for number, (variant, left) in enumerate(offers) if words not in left]
    if not able:
        return Cause(words=words, verdict=verdict)
    # The one that leaves most of the others, so that what it shows is about these words.
    _, _, variant = min(able, key=lambda one: one[:2])
    start, stop, raw = _bytes(encoded, variant)
    return Cause(
        words=words,
        verdict=verdict,
        part=variant.part,
        field=variant.field,
        offset=start,
        raw=raw[:SHOWN],
        length=stop - start,
        canonical=dumps(variant.case.identity()),
    )


def _bytes(encoded: Encoded, variant: Variant) -> tuple[int, int, bytes]:
    """Where the field of a variant is in the archive it was made from, and what is there."""
    for span in encoded.spans:
        if span.part == variant.part and variant.field and span.field.startswith(variant.field):
            return span.start, span.stop, encoded.data[span.start : span.stop]
    return 0, 0, b""


def heed(cause: Cause, seen: Sequence[Observation], without: Sequence[Observation]) -> Cause:
    """`cause` with who reads it: `seen` is what contestants did with the case, `without` with `cause.canonical`."""
    other = {one.contestant: one for one in without if one.status not in NOT_COMPARED}
    both = [(one, other[one.contestant]) for one in seen if one.contestant in other]
    moved = {one.contestant for one, two in both if any(project(f, one) != project(f, two) for f in STRONG)}
    return replace(
        cause,
        heeded=tuple(one.contestant for one, _ in both if one.contestant in moved),
        ignored=tuple(one.contestant for one, _ in both if one.contestant not in moved),
    )
