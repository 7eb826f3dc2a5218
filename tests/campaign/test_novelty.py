"""What counts as new: tables of what must and must not make a difference, and memory that is bounded."""

from __future__ import annotations

import pytest

from tarbiter.campaign.novelty import Novelty, coverage, features, key, normalised
from tarbiter.contest.observation import Job, Listed, Node, Observation, Status
from tarbiter.judge.facets import STRONG
from tarbiter.triage.trial import Trial


def seen(name: str, status: Status = "extracted", *paths: bytes, error: str = "", code: str = "") -> Observation:
    return Observation(
        contestant=name,
        status=status,
        tree=tuple(Node(path=path, type="file") for path in paths),
        error=error,
        error_class="E" if error else "",
        listing=(Listed(path=b"a", code=code),) if code else None,
    )


def worth(novelty: Novelty, *observations: Observation) -> int:
    return novelty.worth(features(Trial(Job(archive=b"", contestants=()), observations), STRONG))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("no member 'a/b' at 0x200", "no member 'c' at 0x1f400", id="quoted, offset"),
        pytest.param('bad "x" in 12 blocks', 'bad "yy" in 7 blocks', id="double quotes, counts"),
        pytest.param("{dest}/a: exists", "{dest}/b/c: exists", id="paths"),
        pytest.param("caf\u00e9 is odd", "na\\xefve is odd".replace("na", "caf").replace("ve", ""), id="odd bytes"),
        pytest.param("first\nsecond", "first\nthird", id="later lines"),
    ],
)
def test_errors_that_differ_in_values_are_one(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("truncated header", "bad checksum"), ("size 12 is negative", "size 12 is too large")],
)
def test_errors_that_differ_in_words_are_two(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


BEFORE = (seen("one", "extracted", b"a"), seen("two", "extracted", b"a"))


@pytest.mark.parametrize(
    "after",
    [
        pytest.param((seen("one", "partial", b"a"), seen("two", "extracted", b"a")), id="status"),
        pytest.param((seen("one", "extracted", b"a"), seen("two", "extracted", b"b")), id="who parts from whom"),
        pytest.param((seen("one", "extracted", b"a", error="x"), seen("two", "extracted", b"a")), id="error"),
        pytest.param((seen("one", "extracted", b"a", code="c"), seen("two", "extracted", b"a")), id="codes"),
    ],
)
def test_these_are_new_once(after: tuple[Observation, ...]) -> None:
    novelty = Novelty()
    worth(novelty, *BEFORE)
    assert worth(novelty, *after) > 0
    assert worth(novelty, *after) == 0


@pytest.mark.parametrize(
    "after",
    [
        pytest.param((seen("one", "extracted", b"b"), seen("two", "extracted", b"b")), id="other names, as one"),
        pytest.param((*BEFORE, seen("three", "flaky", b"z")), id="a flaky contestant"),
        pytest.param((*BEFORE, seen("three", "unavailable")), id="one that is not there"),
    ],
)
def test_these_are_not_new(after: tuple[Observation, ...]) -> None:
    novelty = Novelty()
    worth(novelty, *BEFORE)
    assert worth(novelty, *after) == 0


def through(family: str, reached: str) -> Observation:
    return Observation(contestant="one", family=family, status="extracted", reached=reached)


@pytest.mark.parametrize(
    ("before", "after", "new"),
    [
        pytest.param(("f", "1"), ("f", "2"), True, id="another set"),
        pytest.param(("f", "1"), ("g", "1"), True, id="in another parser"),
        pytest.param(("f", "1"), ("f", "1"), False, id="the same set"),
        pytest.param(("f", "1"), ("f", ""), False, id="not counted"),
    ],
)
def test_a_set_of_blocks_is_new_once(before: tuple[str, str], after: tuple[str, str], new: bool) -> None:
    novelty = Novelty()
    trials = [Trial(Job(archive=b"", contestants=()), (through(*one),)) for one in (before, after, after)]
    assert novelty.worth(coverage(trials[0])) > 0
    assert [novelty.worth(coverage(one)) > 0 for one in trials[1:]] == [new, False]
    assert list(features(trials[1], STRONG)) == list(features(trials[0], STRONG)), "nothing else follows from it"


def test_contestants_that_share_a_parser_count_once() -> None:
    same = Trial(Job(archive=b"", contestants=()), (through("f", "1"), through("f", "1")))
    alone = Trial(Job(archive=b"", contestants=()), (through("f", "1"),))
    assert Novelty().worth(coverage(same)) == Novelty().worth(coverage(alone))


def test_memory_is_bounded_and_keeps_what_comes_again() -> None:
    novelty = Novelty(limit=10)
    for number in range(1000):
        novelty.worth(iter([("always", 1), (f"once {number}", 1)]))
        assert len(novelty.young) + len(novelty.old) <= 20
        assert key("always") in novelty.young | novelty.old
