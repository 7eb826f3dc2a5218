from __future__ import annotations

from typing import Any

import pytest

from tarbiter.contest.observation import Change, Observation
from tarbiter.judge.compare import compare
from tarbiter.judge.signature import Signature, of_cause

from .observations import ended, extracted, file


def sign(*observations: Observation) -> Signature:
    found = compare(observations).signature
    assert found is not None
    return found


ESCAPED = (Change(path=b"canary/x", what="created"),)
ELSEWHERE = (Change(path=b"dest-evil/y", what="created"),)

SAME = [
    pytest.param(
        (extracted("a", file(b"f")), extracted("b", file(b"g"))),
        (extracted("a", file(b"x" * 99, b"abc")), extracted("b", file(b"y", b"abc"))),
        id="names-and-contents-are-not-in-it",
    ),
    pytest.param(
        (extracted("a", escapes=ESCAPED), extracted("b", file(b"f"))),
        (extracted("a", escapes=ELSEWHERE), ended("b", "refused")),
        id="an-escape-is-told-by-who-did-it",
    ),
    pytest.param(
        (extracted("t1", file(b"f"), family="t"), extracted("t2", file(b"f"), family="t"), ended("a", "refused")),
        (extracted("t1", file(b"f"), family="t"), ended("a", "refused")),
        id="a-family-that-stands-together-counts-once",
    ),
]

OTHER = [
    pytest.param(
        (extracted("a", file(b"f")), extracted("b", file(b"g"))),
        (extracted("a", file(b"f")), extracted("b", file(b"f", b"y"))),
        id="another-facet",
    ),
    pytest.param(
        (extracted("a", file(b"f")), extracted("b", file(b"f")), extracted("c", file(b"g"))),
        (extracted("a", file(b"f")), extracted("b", file(b"g")), extracted("c", file(b"g"))),
        id="another-split",
    ),
    pytest.param(
        (ended("a", "crashed"), extracted("b")),
        (ended("a", "hung"), extracted("b")),
        id="a-hang-is-no-crash",
    ),
    pytest.param(
        (ended("a", "refused"), extracted("b", file(b"f"))),
        (ended("b", "refused"), extracted("a", file(b"f"))),
        id="who-refuses-and-who-does-not",
    ),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_one_signature(one: tuple[Observation, ...], other: tuple[Observation, ...]) -> None:
    assert sign(*one) == sign(*other)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_two_signatures(one: tuple[Observation, ...], other: tuple[Observation, ...]) -> None:
    assert sign(*one).id != sign(*other).id


def test_it_says_what_it_is() -> None:
    found = sign(extracted("a", file(b"f")), extracted("b", file(b"g")), ended("c", "refused"))
    assert found.invariant == "no-smuggling"
    assert found.split == ("status: extracted a|b / refused c", "names: a / b")
    assert len(found.id) == 10


def test_a_mere_disagreement_ranks_last() -> None:
    found = sign(extracted("a", file(b"f")), ended("b", "refused"))
    assert (found.invariant, found.rank) == ("disagreement", 9)


ONE, TWO, THREE = extracted("a", file(b"f")), extracted("b", file(b"g")), extracted("c", file(b"g"))
PARTED: dict[str, Any] = {
    "invariant": "no-smuggling",
    "facet": "names",
    "families": ("a", "b"),
    "cause": ("dir size",),
}
ALONE: dict[str, Any] = {"invariant": "contained", "facet": "created", "families": ("a",), "cause": ("symlink",)}


def named(*observations: Observation, **about: Any) -> str:
    return of_cause(sign(*observations), **about).id


def test_who_joins_the_ring_renames_no_finding() -> None:
    assert named(ONE, TWO, **PARTED) == named(ONE, TWO, THREE, **PARTED)
    assert sign(ONE, TWO).id != sign(ONE, TWO, THREE).id


def test_one_cause_is_one_finding_whichever_families_part() -> None:
    assert named(ONE, TWO, **PARTED) == named(ONE, TWO, **(PARTED | {"families": ("c", "d")}))


@pytest.mark.parametrize(
    ("about", "change"),
    [
        pytest.param(PARTED, {"invariant": "one-tree"}, id="invariant"),
        pytest.param(PARTED, {"facet": "content"}, id="facet"),
        pytest.param(PARTED, {"cause": ("pax size",)}, id="cause"),
        pytest.param(PARTED, {"families": ("a", "a")}, id="two-releases-of-one-family"),
        pytest.param(ALONE, {"families": ("b",)}, id="who-breaks-it-by-itself"),
    ],
)
def test_what_makes_it_another_finding(about: dict[str, Any], change: dict[str, Any]) -> None:
    assert named(ONE, TWO, **about) != named(ONE, TWO, **(about | change))


def test_the_order_of_the_two_does_not_matter() -> None:
    pair = PARTED | {"families": ("b", "b")}
    assert named(ONE, TWO, **pair) == named(TWO, ONE, **pair)


def test_a_finding_keeps_the_words_of_its_pattern() -> None:
    found = of_cause(sign(ONE, TWO), **ALONE)
    assert (found.invariant, found.rank, found.cause) == ("contained", 1, ("symlink",))
    assert found.split == sign(ONE, TWO).split


@pytest.mark.parametrize(
    ("invariant", "split", "title"),
    [
        ("no-smuggling", ("names: a / b",), "no-smuggling: names: a / b"),
        ("no-smuggling", ("names: a / b", "status: refused a"), "no-smuggling: names: a / b; status: refused a"),
        ("contained", ("contained: a created",), "contained: a created"),
        ("alive", (), "alive"),
    ],
)
def test_a_title_says_the_invariant_once(invariant: str, split: tuple[str, ...], title: str) -> None:
    assert Signature("0123456789", invariant, 1, split).title == title
