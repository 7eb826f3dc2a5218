"""Mutation: from a case that showed something new to its neighbours, with a record of where they come from.

Seeds are whatever is a case: generated ones, real archives (`archive.decode`), cases of the corpus.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from ..archive.case import Case
from ..archive.recipe import Member, Recipe
from .choices import Choices, below, seeded, sums, weighted
from .draft import NAMES, ordinary
from .mutators import MUTATORS, Mutator, Work
from .recipes import Generated

STACK = (1, 2, 3, 4, 8)
STACK_WEIGHTS = sums((8, 5, 2, 1, 1))
"""How many mutators one after another make a child, and how often: mostly a near neighbour, at times a far one."""

TRIES = 12
"""Mutators that are tried for each one that works: some need a pax header or a second archive that is not there."""

_ALL: tuple[Mutator, ...] = tuple(MUTATORS.values())
_WEIGHTS = sums(one.weight for one in _ALL)


class Mutated(msgspec.Struct, frozen=True, kw_only=True):
    """A child: the case, the mutators that made it in their order, and which of the others lent something."""

    case: Case
    mutators: tuple[str, ...]
    borrowed: tuple[int, ...] = ()


def _shown(case: Case) -> tuple[object, ...]:
    """What of a case an extractor gets to see."""
    return case.recipe, case.layers, case.world, case.schedule


def mutate(choices: Choices, parent: Case, others: Sequence[Case]) -> Mutated:
    """A neighbour of `parent`, perhaps with parts of `others` (which may be empty). The choices alone decide.

    Never raises for a parent that encodes; the child encodes too and is not its parent. It carries none of the
    parent's words (id, title, why, source, flags) and expectations: they were said of another archive.
    """
    work = Work(parent, others)
    used: list[str] = []
    for _ in range(weighted(choices, STACK, STACK_WEIGHTS)):
        for _ in range(TRIES):
            one = weighted(choices, _ALL, _WEIGHTS)
            saved = work.saved()
            if one.mutate(work, choices):
                used.append(one.name)
                break
            work.restore(saved)
    case = work.case()
    if not used or _shown(case) == _shown(parent):
        # One undid another, or nothing applied: a member more is always possible.
        extra: Member = ordinary("file", NAMES[below(choices, len(NAMES))], 5)
        case = msgspec.structs.replace(case, recipe=Recipe((*case.recipe.parts, extra), case.recipe.end))
        used.append("part.insert")
    return Mutated(case=case, mutators=tuple(used), borrowed=tuple(work.borrowed))


def mutant(seed: int, index: int, parent: Generated, others: Sequence[Generated] = ()) -> Generated:
    """Case number `index` of a seed as a child of `parent`, with its parents recorded: `parent` and who lent to it.

    `features` are those of all parents: what the child still shows of them, nobody says.
    """
    made = mutate(seeded(seed, index), parent.case, [one.case for one in others])
    parents = [parent, *(others[number] for number in made.borrowed)]
    features = dict.fromkeys(name for one in parents for name in one.features)
    return Generated(
        case=made.case,
        seed=seed,
        index=index,
        features=tuple(features),
        parents=tuple(dict.fromkeys(one.label for one in parents)),
        mutators=made.mutators,
    )
