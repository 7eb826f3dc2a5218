"""Mutators of whole parts: duplicated, dropped, moved, split, taken from another archive, nested."""

from __future__ import annotations

import msgspec

from ...archive.encode import encode_bytes
from ...archive.recipe import BLOCK, End, Long, Part, Pax, Raw, Recipe, Record
from ..choices import Choices, below, chance, pick
from ..draft import BODIES, NAMES, ordinary
from . import Work, mutator, place, weight

NESTED_BYTES = 64 * 1024
"""Bytes of an archive that may become the body of a member."""


def group(parts: tuple[Part, ...] | list[Part], start: int) -> list[Part]:
    """The part at `start` with what belongs to it: extensions up to and with their member."""
    stop = start
    while stop < len(parts) - 1 and isinstance(parts[stop], Pax | Long):
        stop += 1
    return list(parts[start : stop + 1])


@mutator(4)
def part__insert(work: Work, choices: Choices) -> bool:
    """An ordinary member comes in."""
    kind = pick(choices, ("file", "dir", "symlink", "hardlink"))
    new = ordinary(kind, pick(choices, NAMES), pick(choices, BODIES), pick(choices, NAMES))  # type: ignore[arg-type]  # a MemberKind
    return work.insert(below(choices, len(work.parts) + 1), new)


@mutator(6)
def part__duplicate(work: Work, choices: Choices) -> bool:
    """A part, with the extensions before it or alone, comes once more: behind itself or anywhere."""
    if not work.parts:
        return False
    index = below(choices, len(work.parts))
    copy = group(work.parts, index) if chance(choices, 2) else [work.parts[index]]
    where = index + len(copy) if chance(choices, 2) else below(choices, len(work.parts) + 1)
    return work.insert(where, *copy)


@mutator(5)
def part__drop(work: Work, choices: Choices) -> bool:
    """A part goes; the extension before it stays and is another one's then."""
    if len(work.parts) < 2:
        return False
    del work.parts[below(choices, len(work.parts))]
    return True


@mutator(4)
def part__swap(work: Work, choices: Choices) -> bool:
    """Two parts change places, neighbours or not."""
    if len(work.parts) < 2:
        return False
    one = below(choices, len(work.parts))
    two = (one + 1) % len(work.parts) if chance(choices, 2) else below(choices, len(work.parts))
    if work.parts[one] == work.parts[two]:
        return False
    work.parts[one], work.parts[two] = work.parts[two], work.parts[one]
    return True


@mutator(4)
def part__move(work: Work, choices: Choices) -> bool:
    """A part goes somewhere else."""
    if len(work.parts) < 2:
        return False
    before = list(work.parts)
    part = work.parts.pop(below(choices, len(work.parts)))
    work.parts.insert(below(choices, len(work.parts) + 1), part)
    return work.parts != before


@mutator(5)
def part__split(work: Work, choices: Choices) -> bool:
    """A body, a long name or the records of one part become those of two."""
    index = place(choices, work.headers())
    if index < 0:
        return False
    part = work.header(index)
    if isinstance(part, Pax):
        if len(part.records) < 2:
            return False
        cut = 1 + below(choices, len(part.records) - 1)
        halves: list[Part] = [
            msgspec.structs.replace(part, records=part.records[:cut], data=None, padding=None),
            msgspec.structs.replace(part, records=part.records[cut:], padding=None),
        ]
    elif isinstance(part, Long):
        cut = below(choices, len(part.text) + 1)
        halves = [
            msgspec.structs.replace(part, text=part.text[:cut], padding=None),
            msgspec.structs.replace(part, text=part.text[cut:], padding=None),
        ]
    else:
        cut = pick(choices, (0, 1, BLOCK, len(part.data) // 2, max(len(part.data) - 1, 0)))
        first = msgspec.structs.replace(part, data=part.data[:cut], padding=None)
        rest = part.data[cut:]
        second = msgspec.structs.replace(part, data=rest, size=None, padding=None, extensions=())
        halves = [first, Raw(rest) if chance(choices, 3) else second]
    if not work.room(halves):
        return False
    work.parts[index : index + 1] = halves
    return True


@mutator(2)
def part__join(work: Work, choices: Choices) -> bool:
    """Two extended headers become one with the records of both."""
    index = place(choices, work.paxes())
    later = [at for at in work.paxes() if at > index]
    if index < 0 or not later:
        return False
    first, second = work.pax(index), work.pax(later[0])
    del work.parts[later[0]]
    return work.put(index, msgspec.structs.replace(first, records=first.records + second.records, padding=None))


@mutator(6)
def part__splice(work: Work, choices: Choices) -> bool:
    """Parts of another archive come in, extensions with their member."""
    other = work.other(choices)
    if other is None or not other.recipe.parts:
        return False
    start = below(choices, len(other.recipe.parts))
    taken = group(other.recipe.parts, start)
    for _ in range(below(choices, 3)):
        start += len(taken)
        if start < len(other.recipe.parts):
            taken += group(other.recipe.parts, start)
    return work.insert(below(choices, len(work.parts) + 1), *taken)


@mutator(3)
def part__cross(work: Work, choices: Choices) -> bool:
    """The beginning of one archive, then the end of another."""
    other = work.other(choices)
    if other is None or not other.recipe.parts:
        return False
    head = work.parts[: below(choices, len(work.parts) + 1)]
    tail = list(other.recipe.parts[below(choices, len(other.recipe.parts)) :])
    before = list(work.parts)
    work.parts = head
    if not work.insert(len(head), *tail) or work.parts == before:
        work.parts = before
        return False
    work.end = other.recipe.end
    return True


@mutator(4)
def part__nest(work: Work, choices: Choices) -> bool:
    """A whole archive becomes the body of a member: block-aligned or not, with its size told right or not."""
    index = place(choices, work.members())
    source = work.other(choices) if chance(choices, 2) else work.case()
    if index < 0 or source is None or weight(source.recipe.parts) > NESTED_BYTES:
        return False
    recipe = source.recipe if chance(choices, 2) else Recipe(source.recipe.parts, 0)
    inner = (b"" if below(choices, 3) else b"x") + encode_bytes(recipe)
    if len(inner) > 4 * NESTED_BYTES or weight(work.parts) + len(inner) > 2 * LARGEST_NEST:
        return False
    member = msgspec.structs.replace(
        work.member(index), data=inner, size=pick(choices, (None, None, 0, BLOCK)), padding=None
    )
    if not work.put(index, member):
        return False
    if chance(choices, 3):
        work.insert(index, Pax(records=(Record(b"size", b"%d" % len(inner)),)))
    return True


LARGEST_NEST = 512 * 1024
"""Half of what an archive may come to with a nested one."""

REPEATS = (3, 10, 21, 22, 64, 300, 800)
"""How often a part is repeated: a few, around the slots of a sparse block, and enough to leave every buffer."""


@mutator(1)
def part__repeat(work: Work, choices: Choices) -> bool:
    """A part with its extensions comes many times."""
    if not work.parts:
        return False
    index = below(choices, len(work.parts))
    unit = group(work.parts, index)
    return work.insert(index, *(unit * (pick(choices, REPEATS) - 1)))


@mutator(3)
def end__change(work: Work, choices: Choices) -> bool:
    """The archive ends with another number of zero blocks, or with something behind them."""
    how = below(choices, 4)
    if how == 0:
        return work.insert(below(choices, len(work.parts) + 1), End(1 + below(choices, 3)))
    if how == 1:
        junk = pick(choices, (b"junk", b"j" * BLOCK, bytes(BLOCK // 2), b"\0" * 100 + b"x"))
        return work.insert(len(work.parts), End(2), Raw(junk))
    before, work.end = work.end, pick(choices, (0, 1, 2, 3, 20))
    return work.end != before


@mutator(3)
def end__cut(work: Work, choices: Choices) -> bool:
    """The archive stops inside one of its parts."""
    if not work.parts:
        return False
    index = below(choices, len(work.parts))
    if weight(work.parts[index : index + 1]) > NESTED_BYTES:
        return False
    whole = encode_bytes(Recipe((work.parts[index],), 0))
    if not whole:
        return False
    cut = pick(
        choices, (below(choices, len(whole)), BLOCK * below(choices, len(whole) // BLOCK + 1), len(whole) - 1)
    )
    work.parts[index:] = [Raw(whole[:cut])] if cut else []
    work.end = 0
    return True
