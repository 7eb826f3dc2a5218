"""Everything in a case that is not as everybody writes it, in words that do not name its values.

What is left in a minimised case can be a cause of its divergence; which of it is one, `causal` finds out by making
each canonical. The words are kept free of names, sizes and order, since they go into the signature: one bug must
give one signature.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..archive.case import CANARY, SIBLING, WHOLE, Case, World, world_changes
from ..archive.layers import Layer
from ..archive.recipe import End, Header, Long, Member, Part, Pax, Raw, Record
from ..judge.facets import clean

_LENGTHS = ((101, "over 100 bytes"), (256, "over 255 bytes"), (4096, "over 4095 bytes"))
"""Lengths at which a header field, a component and a Linux path end (ustar, NAME_MAX, PATH_MAX)."""

_PLAIN = {"name", "linkname", "data", "text", "records", "kind", "format", "sparse", "extensions", "typeflag"}
"""Fields with a rule of their own; every other one is a cause by being set."""


def shape(path: bytes) -> tuple[str, ...]:
    """What is remarkable about a path: where it leads, how long it is, which bytes it has."""
    said = []
    parts = path.split(b"/")
    if path.startswith(b"/"):
        said.append("absolute")
    if b".." in parts:
        said.append("climbing")
    if any(part in (CANARY, SIBLING) for part in parts):
        said.append("neighbour")
    if path.endswith(b"/"):
        said.append("slash at the end")
    if b"//" in path or b"." in parts[1:]:
        said.append("idle components")
    elif parts[0] == b"." and len(parts) > 1:
        said.append("./ in front")
    said += [words for length, words in _LENGTHS if len(path) >= length][-1:]
    if len(path) == 100:
        said.append("exactly 100 bytes")
    if any(len(part) > 255 for part in parts):
        said.append("a component over 255 bytes")
    if b"\0" in path:
        said.append("NUL")
    if b"\\" in path:
        said.append("backslash")
    if len(path) > 1 and path[1:2] == b":":
        said.append("drive letter")
    if any(byte < 32 or byte == 127 for byte in path.replace(b"\0", b"")):
        said.append("control characters")
    if path.strip(b"/").isdigit():
        said.append("digits only")
    try:
        path.decode("utf-8")
    except UnicodeDecodeError:
        said.append("not UTF-8")
    if not clean(path):
        said.append("no name at all" if not path else "names the destination")
    return tuple(said)


def _shapes(where: str, path: bytes) -> Iterator[str]:
    yield from (f"{where}: {said}" for said in shape(path))


KEY = 60
"""Characters of a key that are shown: there are some of a mebibyte."""


def _record(kind: str, record: Record, keys: dict[bytes, int]) -> Iterator[str]:
    key = ascii(record.key)[2:-1]
    key = key if len(key) <= KEY else f"{key[:KEY]}… ({len(record.key)} bytes)"
    yield f"{kind} {key}"
    keys[record.key] = keys.get(record.key, 0) + 1
    if keys[record.key] == 2:
        yield f"{kind} {key} twice"
    if not record.value:
        yield f"{kind} {key}: empty"
    if record.length is not None:
        yield f"{kind} {key}: record length"
    if record.end is not None:
        yield f"{kind} {key}: record end"
    if record.key in (b"path", b"linkpath", b"GNU.sparse.name"):
        yield from _shapes(f"{kind} {key}", record.value)
    elif b"\n" in record.value or b"\0" in record.value:
        yield f"{kind} {key}: newline or NUL inside"


def _part(part: Part) -> Iterator[str]:
    if isinstance(part, End):
        yield "zero blocks in the middle" if part.blocks > 1 else "one zero block in the middle"
        return
    if isinstance(part, Raw):
        yield "raw bytes"
        return
    kind = part.kind
    if isinstance(part, Member) and kind != "file":
        yield kind
    if isinstance(part, Pax | Long):
        yield kind
    if part.format != type(part)().format:
        yield f"{kind} format {part.format}"
    if part.typeflag is not None:
        yield f"{kind} typeflag {ascii(part.typeflag)[1:]}"
    # The records of an extended header have names like the fields of its own header.
    header = f"{kind} header" if isinstance(part, Pax) else kind
    for field in part.__struct_fields__:
        if field not in _PLAIN and getattr(part, field) is not None:
            yield f"{header} {field}"
    if part.name is not None:
        yield from _shapes(f"{header} name", part.name)
    if part.linkname:
        yield from _shapes(f"{kind} linkname", part.linkname)
        if not isinstance(part, Member) or kind not in ("symlink", "hardlink"):
            yield f"{kind} linkname"
    yield from _body(part)


def _body(part: Header) -> Iterator[str]:
    if isinstance(part, Member):
        if part.sparse or part.extensions:
            yield f"{part.kind} sparse map"
        if part.data and part.kind != "file":
            yield f"{part.kind} with a body"
    elif isinstance(part, Long):
        yield from _shapes(part.kind, part.text)
    elif isinstance(part, Pax):
        keys: dict[bytes, int] = {}
        for record in part.records:
            yield from _record(part.kind, record, keys)
        if part.data is not None:
            yield f"{part.kind} body that is no records"


def _relations(case: Case) -> Iterator[str]:
    """What members have to do with each other: one name twice, a child of something that is no directory."""
    kinds: dict[bytes, str] = {}
    for part in case.recipe.parts:
        if not isinstance(part, Member) or part.name is None:
            continue
        name = clean(part.name)
        kind = part.kind if part.typeflag is None else "other"
        if name in kinds:
            yield f"{kinds[name]}, then {kind} of the same name"
        for depth in range(1, name.count(b"/") + 1):
            parent = b"/".join(name.split(b"/")[:depth])
            if kinds.get(parent, "dir") != "dir":
                yield f"{kind} below a {kinds[parent]}"
        if part.kind in ("symlink", "hardlink") and part.linkname and clean(part.linkname) in kinds:
            yield f"{part.kind} to an earlier {kinds[clean(part.linkname)]}"
        kinds[name] = kind


def causes(case: Case) -> tuple[str, ...]:
    """What may cause what a case shows, sorted, each once. Empty: an ordinary archive."""
    found: set[str] = set()
    for part in case.recipe.parts:
        found.update(_part(part))
    found.update(_relations(case))
    if case.recipe.end != 2:
        found.add("end of archive: " + ("none" if not case.recipe.end else "another number of zero blocks"))
    found.update(
        f"compressed: {layer.kind}{'' if layer == Layer(kind=layer.kind) else ', odd'}" for layer in case.layers
    )
    if len(case.layers) > 1:
        found.add("compressed more than once")
    if case.world != World():
        found.update(f"world {placed.kind}" for placed in case.world.placed)
        found.update(world_changes(case.world))
    if case.schedule != WHOLE:
        found.add("schedule: pauses" if case.schedule.pause else "schedule: chunks")
    return tuple(sorted(found))


def like(findings: Sequence[tuple[str, Sequence[str]]]) -> dict[str, str]:
    """For findings (id and causes) that need all causes of another one, and something more: which that is.

    One cause can have several consequences, and each of them may take something more to be seen. Of several others
    the one with the fewest causes is meant, then the one that comes first.
    """
    sets = [(name, frozenset(found)) for name, found in findings if found]
    heads = sorted(sets, key=lambda one: len(one[1]))
    near = ((name, next((head for head, few in heads if few < found), "")) for name, found in sets)
    return {name: head for name, head in near if head}
