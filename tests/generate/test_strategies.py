"""Hypothesis strategies: they reach every feature that the other drivers reach, and shrink to readable recipes."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from tarbiter.archive.case import Case
from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.recipe import Member, Pax, Recipe
from tarbiter.generate.features import FEATURES
from tarbiter.generate.strategies import applications, bent, cases, members, recipes, trees

QUIET = settings(database=None, max_examples=5000, derandomize=True, deadline=None)


def test_every_feature_is_reached() -> None:
    seen: set[str] = set()

    @settings(QUIET, max_examples=40)
    @given(st.lists(applications(), min_size=64, max_size=64))
    def draw(applied: list[tuple[str, dict[str, object]]]) -> None:
        seen.update(name for name, _ in applied)

    draw()
    assert seen == set(FEATURES)


@pytest.mark.parametrize("name", FEATURES)
def test_every_feature_shrinks_to_its_first_values(name: str) -> None:
    other = next(one for one in FEATURES if one != name)
    found, values = find(applications((other, name)), lambda one: one[0] == name, settings=QUIET)
    assert found == name
    assert values == {key: table[0] for key, table in FEATURES[name].parameters.items()}


@given(recipes())
def test_every_recipe_has_bytes(recipe: Recipe) -> None:
    assert isinstance(encode_bytes(recipe), bytes)


@given(recipes(features=("pax.record",), fewest=1, most=1, largest=2))
def test_the_range_is_kept(recipe: Recipe) -> None:
    assert sum(isinstance(part, Pax) for part in recipe.parts) == 1
    assert 1 <= sum(isinstance(part, Member) for part in recipe.parts) <= 2


def test_the_simplest_archive_is_one_empty_file() -> None:
    assert find(recipes(), lambda _: True, settings=QUIET) == Recipe((Member(name=b"a"),))
    assert find(trees(), lambda _: True, settings=QUIET) == [Member(name=b"a")]
    assert find(members(), lambda _: True, settings=QUIET) == Member(name=b"a")


def is_global_path(recipe: Recipe) -> bool:
    return any(
        isinstance(part, Pax) and part.kind == "pax-global" and any(one.key == b"path" for one in part.records)
        for part in recipe.parts
    )


def is_link_behind_link(recipe: Recipe) -> bool:
    links = [part for part in recipe.parts if isinstance(part, Member) and part.kind == "symlink"]
    return len(links) >= 2 and any(part.linkname == b"b" for part in links)


@pytest.mark.parametrize(
    ("wanted", "most"),
    [
        pytest.param(is_global_path, 2, id="an extension"),
        pytest.param(is_link_behind_link, 3, id="two links"),
        pytest.param(lambda recipe: len(encode_bytes(recipe)) > 2560, 4, id="size"),
    ],
)
@pytest.mark.parametrize("seed", range(2))
def test_recipes_shrink_to_what_matters(wanted: Callable[[Recipe], bool], most: int, seed: int) -> None:
    """Members and features that do not matter are gone, whichever archive was found first.

    How many parts a feature that stays brings along is its own business, and which one stays depends on the first
    archive that was found: that differs from one release of Hypothesis to the next.
    """
    pieces = st.tuples(trees(), st.lists(applications(), max_size=4))
    smallest = find(pieces, lambda one: wanted(bent(*one).recipe), settings=QUIET, random=Random(seed))
    assert wanted(bent(*smallest).recipe)
    assert len(smallest[0]) + len(smallest[1]) <= most


@given(cases(features=("schedule.chunks",), fewest=1))
def test_cases_have_schedules(case: Case) -> None:
    assert case.schedule.chunks
