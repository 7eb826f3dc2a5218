"""Every line of what can vary is reached: counted over a fixed seed, reach by reach."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tarbiter.generate.choices import seeded
from tarbiter.generate.dimensions import DIMENSIONS, OUTSIDE, Reach, count
from tarbiter.generate.features import FEATURES
from tarbiter.generate.recipes import Applied, build

CASES = 6000
LEAST = 10
"""How often each line comes up in CASES at least. In 100,000 cases it is more than a hundred times."""


def made(seed: int) -> Iterator[tuple[Applied, ...]]:
    for index in range(CASES):
        yield build(seeded(seed, index), one_large_in=0)[1]


@pytest.fixture(scope="module")
def counted() -> Counter[str]:
    return count(made(1))


@pytest.mark.parametrize("dimension", DIMENSIONS, ids=lambda one: one.name)
def test_every_line_comes_up(counted: Counter[str], dimension: object) -> None:
    assert counted[dimension.name] >= LEAST  # type: ignore[attr-defined]  # pytest hands over objects


@pytest.mark.parametrize("dimension", DIMENSIONS, ids=lambda one: one.name)
def test_every_reach_comes_up(counted: Counter[str], dimension: object) -> None:
    missing = [
        str(reach)
        for reach in dimension.reaches  # type: ignore[attr-defined]  # pytest hands over objects
        if not counted[f"{dimension.name}: {reach}"]  # type: ignore[attr-defined]  # the same
    ]
    assert missing == []


def test_every_feature_belongs_to_a_line() -> None:
    assert set(FEATURES) - {reach.feature for one in DIMENSIONS for reach in one.reaches} == {"body.size"}


def test_every_section_is_there_and_each_line_once() -> None:
    assert {one.section for one in DIMENSIONS} == set(range(1, 10))
    names = [one.name for one in DIMENSIONS] + list(OUTSIDE)
    assert len(set(names)) == len(names)
    assert all(reason for reason in OUTSIDE.values())


@pytest.mark.parametrize(
    ("feature", "values", "error"),
    [
        ("no.such", {}, KeyError),
        ("pax.size", {"form": ("no such",)}, ValueError),
        ("pax.size", {"no": (1,)}, KeyError),
    ],
)
def test_a_reach_that_cannot_be_is_refused(
    feature: str, values: dict[str, tuple[object, ...]], error: type[Exception]
) -> None:
    with pytest.raises(error):
        Reach.of(feature, **values)


def test_a_reach_counts_its_own_values_only() -> None:
    reach = Reach.of("pax.size", form=("zero",))
    assert reach.matches(Applied("pax.size", {"form": "zero", "inner": True}))
    assert not reach.matches(Applied("pax.size", {"form": "raw", "inner": True}))
    assert not reach.matches(Applied("pax.twice", {"form": "zero"}))
