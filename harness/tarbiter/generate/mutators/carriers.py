"""Mutators of names and links: who carries them, and how they have to do with the names of other members."""

from __future__ import annotations

import msgspec

from ...archive.encode import encode_bytes
from ...archive.recipe import BLOCK, Long, Part, Pax, Recipe, Record
from ..choices import Choices, below, chance, pick
from ..draft import NAMES
from ..features.links import TARGETS
from ..features.names import CONTENTS, path
from ..relations import spelled, towards, variants
from . import Work, mutator, place


def named(work: Work, index: int) -> bytes:
    """The name that most extractors give the member at `index`: of the extension right before it, or its own."""
    if index > 0:
        before = work.parts[index - 1]
        if isinstance(before, Long) and before.kind == "long-name":
            return before.text
        if isinstance(before, Pax) and before.kind != "pax-global":
            for record in before.records:
                if record.key == b"path":
                    return record.value
    member = work.member(index)
    name = member.name or b""
    return member.prefix + b"/" + name if member.prefix else name


def names(work: Work) -> list[bytes]:
    """What the first members are called (a few are enough to choose from)."""
    return [named(work, index) for index in work.members()[:64]]


def rename(work: Work, choices: Choices, index: int, name: bytes) -> bool:
    """Give the member at `index` a name, by the carrier it has or by one that has the room."""
    before = work.parts[index - 1] if index else None
    if isinstance(before, Long) and before.kind == "long-name":
        return work.change(index - 1, text=name)
    if isinstance(before, Pax) and any(record.key == b"path" for record in before.records):
        records = tuple(
            msgspec.structs.replace(one, value=name, length=None) if one.key == b"path" else one
            for one in before.records
        )
        return work.change(index - 1, records=records)
    if len(name) <= 100:
        return work.change(index, name=name, prefix=None)
    return carry(work, index, name, pick(choices, ("pax", "gnu")))


def carry(work: Work, index: int, name: bytes, carrier: str) -> bool:
    """Let `carrier` bring the name of the member at `index`; its header keeps what fits there."""
    part: Part = Pax(records=(Record(b"path", name),)) if carrier == "pax" else Long(text=name)
    return work.insert(index, part)


@mutator(6)
def name__carrier(work: Work, choices: Choices) -> bool:
    """A name moves to another carrier, or is carried by two that agree or not."""
    index = place(choices, work.members())
    if index < 0:
        return False
    name = named(work, index)
    how = pick(choices, ("pax", "gnu", "prefix", "both", "name"))
    if how == "prefix":
        head, _, leaf = name.rpartition(b"/")
        member = work.member(index)
        if not head or member.format == "gnu":
            return work.change(index, format="ustar", prefix=pick(choices, (b"pfx", b"dir", b"", b"dir/", b"..")))
        return work.change(index, name=leaf[:100], prefix=head[:131])
    if how == "name":
        while index and isinstance(work.parts[index - 1], Pax | Long):
            index -= 1
            del work.parts[index]
        return work.change(index, name=name[:100], prefix=None) or index < len(work.parts)
    other = (
        name if chance(choices, 2) else pick(choices, (b"other", name + b"2", name[:-1], b"dir/other", path(120)))
    )
    if how == "both":
        order = ("pax", "gnu") if chance(choices, 2) else ("gnu", "pax")
        return carry(work, index, name, order[0]) and carry(work, index, other, order[1])
    return carry(work, index, other, how)


@mutator(3)
def link__carrier(work: Work, choices: Choices) -> bool:
    """A link name moves to pax or GNU, agreeing with the header's or not."""
    index = place(choices, work.members("symlink", "hardlink"))
    if index < 0:
        return False
    text = work.member(index).linkname or b""
    if chance(choices, 2):
        text = pick(choices, TARGETS)
    part: Part = Pax(records=(Record(b"linkpath", text),))
    if chance(choices, 2):
        part = Long(kind="long-link", text=text)
    return work.insert(index, part)


@mutator(8)
def name__collide(work: Work, choices: Choices) -> bool:
    """A member takes the name of another, spelled the same or in another way that may mean the same."""
    index = place(choices, work.members())
    if index < 0:
        return False
    name = pick(choices, names(work))
    return rename(work, choices, index, spelled(choices, name))


@mutator(3)
def name__fold(work: Work, choices: Choices) -> bool:
    """Two members take names that only case folding or normalisation makes one."""
    places = work.members()
    if len(places) < 2:
        return False
    one, two = variants(choices, b"")
    first = below(choices, len(places) - 1)
    # The later one first: giving a name may put an extension before a member and move what follows.
    done = rename(work, choices, places[first + 1], two)
    return rename(work, choices, places[first], one) or done


@mutator(6)
def name__child(work: Work, choices: Choices) -> bool:
    """A member goes below another, whatever that is."""
    index = place(choices, work.members())
    if index < 0:
        return False
    parent = pick(choices, names(work)).rstrip(b"/")
    return rename(
        work, choices, index, parent + b"/" + pick(choices, (b"f", b"x/y", b"secret.txt", b"a", b"..", b"."))
    )


@mutator(4)
def name__parent(work: Work, choices: Choices) -> bool:
    """A member takes the name of another one's directory."""
    index = place(choices, work.members())
    if index < 0:
        return False
    above = [name.rstrip(b"/").rpartition(b"/")[0] for name in names(work)]
    above = [name for name in above if name]
    return bool(above) and rename(work, choices, index, pick(choices, above))


@mutator(4)
def name__content(work: Work, choices: Choices) -> bool:
    """A member takes a name made of something else than ordinary components, alone or below its directory."""
    index = place(choices, work.members())
    if index < 0:
        return False
    content = pick(choices, CONTENTS)
    if chance(choices, 3):
        content = pick(choices, NAMES) + b"/" + content.lstrip(b"/")
    return rename(work, choices, index, content)


@mutator(8)
def link__aim(work: Work, choices: Choices) -> bool:
    """A link points at another member, by the right way or one that only looks right, or out."""
    index = place(choices, work.members("symlink", "hardlink"))
    if index < 0:
        return False
    member = work.member(index)
    goal = pick(choices, names(work)).rstrip(b"/")
    if chance(choices, 4):
        target = pick(choices, TARGETS)
    elif member.kind == "hardlink":
        target = spelled(choices, goal)
    else:
        target = pick(choices, (towards(named(work, index), goal), goal, goal + b"/..", b"./" + goal))
    if len(target) > 100:
        return work.insert(index, Pax(records=(Record(b"linkpath", target),)))
    return work.change(index, linkname=target)


@mutator(4)
def link__through(work: Work, choices: Choices) -> bool:
    """A member goes through a symlink of the archive, or a hard link is made to one."""
    links = work.members("symlink")
    index = place(choices, work.members())
    if not links or index < 0:
        return False
    link = named(work, pick(choices, links)).rstrip(b"/")
    member = work.member(index)
    if member.kind in ("symlink", "hardlink") and chance(choices, 2):
        return work.change(index, linkname=(link + pick(choices, (b"", b"/f", b"/..", b"/secret.txt")))[:100])
    return rename(work, choices, index, link + pick(choices, (b"", b"/", b"/f", b"/d/f", b"/../f")))


@mutator(3)
def body__from_member(work: Work, choices: Choices) -> bool:
    """A body becomes header blocks of the archive itself: members for who loses count."""
    index = place(choices, work.members())
    donor = place(choices, work.members())
    if index < 0:
        return False
    source = work.member(donor)
    if len(source.data) > 8 * BLOCK:
        return False
    return work.change(index, data=encode_bytes(Recipe((source,), 0)), size=None, padding=None)
