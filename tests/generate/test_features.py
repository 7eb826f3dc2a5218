"""Every feature, with every value of every parameter, can be applied alone and shows in what comes out."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

from tarbiter.archive.cases import bytes_of
from tarbiter.archive.decode import decode, normal
from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.text import dumps, loads
from tarbiter.generate import features
from tarbiter.generate.draft import Draft
from tarbiter.generate.features import FEATURES, apply
from tarbiter.generate.recipes import case_at

from .drafts import PLAIN, applied, settings

SECTION = re.compile(r"[1-9] [a-zA-Z]")


@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_alone_can_be_written_and_read(name: str) -> None:
    for values in settings(name):
        case = applied(name, values)
        archive = encode_bytes(case.recipe)
        assert encode_bytes(decode(archive)) == archive
        assert normal(normal(case.recipe)) == normal(case.recipe)


@pytest.mark.parametrize("name", FEATURES)
def test_a_case_with_a_feature_has_a_text(name: str) -> None:
    case = applied(name, next(settings(name)))
    assert loads(dumps(case), filename="text") == case


@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_shows(name: str) -> None:
    """At most a quarter of its values may leave an ordinary archive as it is (they bend only some members)."""
    plain = (bytes_of(PLAIN), PLAIN.world, PLAIN.schedule)
    made = [applied(name, values) for values in settings(name)]
    found = [(bytes_of(case), case.world, case.schedule) for case in made]
    assert sum(one == plain for one in found) <= len(found) // 4


@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_works_on_an_archive_without_members(name: str) -> None:
    for values in settings(name):
        draft = Draft([])
        apply(name, draft, values)
        assert isinstance(bytes_of(draft.case()), bytes)


@pytest.mark.parametrize("name", FEATURES)
def test_asking_for_one_feature_gives_it_and_no_other(name: str) -> None:
    found = [case_at(7, index, features=[name], one_large_in=0) for index in range(20)]
    assert {used for one in found for used in one.features} == {name}
    without = [one.case for one in found if not one.features]
    assert len(without) < 10


@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_says_what_it_is(name: str) -> None:
    one = FEATURES[name]
    assert SECTION.match(one.section)
    assert one.about.endswith(".")
    assert one.weight > 0
    assert all(len(values) > 1 for values in one.parameters.values())
    assert list(inspect.signature(one.apply).parameters)[1:] == list(one.parameters)


def test_values_of_a_table_come_once() -> None:
    twice = [
        (one.name, key)
        for one in FEATURES.values()
        for key, values in one.parameters.items()
        if len(set(map(repr, values))) != len(values)
    ]
    assert twice == []


def test_every_module_of_features_is_loaded() -> None:
    there = {path.stem for path in Path(features.__file__).parent.glob("*.py")} - {"__init__"}
    assert there == set(features.MODULES)


def test_an_unknown_feature_is_told() -> None:
    with pytest.raises(KeyError, match="no-such"):
        case_at(7, 0, features=["no-such"])


def test_no_other_source_of_chance() -> None:
    """Same seed, same bytes: no clock, no environment, no set whose order shows."""
    package = Path(features.__file__).parents[1]
    imported = {
        alias.name
        for path in package.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    assert imported & {"time", "datetime", "os", "secrets", "uuid", "random"} == set()
