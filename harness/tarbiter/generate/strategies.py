"""Hypothesis strategies over the same features: for property tests, ours and other people's. They shrink.

A `random.Random` inside Hypothesis hardly shrinks, so these are native: members and features that do not matter go,
every parameter goes towards the first value of its table. What stays is a minimum that no single step improves: one
feature is not exchanged for another that would need fewer parts. Needs the extra `fuzz`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from ..archive.case import Case
from ..archive.recipe import Part, Recipe
from .draft import BODIES, NAMES, Draft, ordinary
from .features import FEATURES, apply
from .recipes import KINDS


@st.composite
def members(draw: st.DrawFn) -> Part:
    """One ordinary member; shrinks towards an empty file called `a`."""
    # Every kind makes the same draws: the one that makes the fewest would count as the simplest.
    kind, name = draw(st.sampled_from(KINDS)), draw(st.sampled_from(NAMES))
    size, link = draw(st.sampled_from(BODIES)), draw(st.sampled_from(NAMES))
    return ordinary(kind, name, size if kind == "file" else 0, link)


def trees(*, largest: int = 6) -> st.SearchStrategy[list[Part]]:
    """An ordinary archive of one to `largest` members; shrinks towards one."""
    return st.lists(members(), min_size=1, max_size=largest)


@st.composite
def applications(draw: st.DrawFn, names: tuple[str, ...] = tuple(FEATURES)) -> tuple[str, dict[str, Any]]:
    """A feature (of `names`) with its parameters; shrinks towards the first values of its tables."""
    name = draw(st.sampled_from(names))
    return name, {key: draw(st.sampled_from(values)) for key, values in FEATURES[name].parameters.items()}


def bent(tree: list[Part], applied: Sequence[tuple[str, dict[str, Any]]]) -> Case:
    """The case that features, applied in turn, make of an ordinary archive."""
    draft = Draft(list(tree))
    for name, values in applied:
        apply(name, draft, values)
    return draft.case()


@st.composite
def cases(
    draw: st.DrawFn,
    *,
    features: tuple[str, ...] = tuple(FEATURES),
    fewest: int = 0,
    most: int = 4,
    largest: int = 6,
) -> Case:
    """A plausible archive with `fewest` to `most` of `features` applied, its world and its schedule."""
    tree = draw(trees(largest=largest))
    return bent(tree, draw(st.lists(applications(features), min_size=fewest, max_size=most)))


def recipes(
    *, features: tuple[str, ...] = tuple(FEATURES), fewest: int = 0, most: int = 4, largest: int = 6
) -> st.SearchStrategy[Recipe]:
    """The recipe of `cases`, without layers, world and schedule."""
    return cases(features=features, fewest=fewest, most=most, largest=largest).map(lambda case: case.recipe)
