"""Bisection over versions of which some cannot be told: the ends it finds, and how few it tries."""

from __future__ import annotations

import math

import pytest

from tarbiter.triage.bisect import bisect

VERSIONS = tuple(f"1.{number}" for number in range(16))


def attempt(does: set[int], untold: set[int], tried: list[str]) -> object:
    def one(version: str) -> bool | None:
        tried.append(version)
        number = int(version.partition(".")[2])
        return None if number in untold else number in does

    return one


@pytest.mark.parametrize(
    ("does", "untold", "known", "want"),
    [
        pytest.param(range(16), (), 8, ("1.0", "1.15", "", ""), id="always"),
        pytest.param(range(5, 16), (), 15, ("1.5", "1.15", "1.4", ""), id="since"),
        pytest.param(range(11), (), 0, ("1.0", "1.10", "", "1.11"), id="until"),
        pytest.param(range(4, 9), (), 6, ("1.4", "1.8", "1.3", "1.9"), id="between"),
        pytest.param((7,), (), 7, ("1.7", "1.7", "1.6", "1.8"), id="once"),
        pytest.param(range(5, 16), range(4), 15, ("1.5", "1.15", "1.4", ""), id="the-oldest-do-not-build"),
        pytest.param(range(5, 16), range(5), 15, ("1.5", "1.15", "", ""), id="none-that-does-not-builds"),
        pytest.param(range(5, 16), (10,), 15, ("1.5", "1.15", "1.4", ""), id="one-is-stepped-over"),
        pytest.param((0,), (), 0, ("1.0", "1.0", "", "1.1"), id="the-oldest-only"),
    ],
)
def test_bisect(does: object, untold: object, known: int, want: tuple[str, str, str, str]) -> None:
    one = attempt(set(does), set(untold), [])  # type: ignore[call-overload]  # ranges and tuples
    found = bisect(VERSIONS, f"1.{known}", one)  # type: ignore[arg-type]  # what attempt returns
    assert (found.first, found.last, found.before, found.after) == want


@pytest.mark.parametrize("begins", range(1, 16))
def test_few_are_tried(begins: int) -> None:
    tried: list[str] = []
    bisect(VERSIONS, "1.15", attempt(set(range(begins, 16)), set(), tried))  # type: ignore[arg-type]  # as above
    assert len(tried) == len(set(tried)) <= math.ceil(math.log2(len(VERSIONS))) + 1


def test_what_was_tried_is_told() -> None:
    found = bisect(VERSIONS, "1.15", attempt({14, 15}, {3}, []))  # type: ignore[arg-type]  # as above
    assert found.tried["1.15"] is True
    assert found.tried["1.0"] is False


def test_a_version_that_is_not_listed() -> None:
    with pytest.raises(ValueError, match="not in list"):
        bisect(VERSIONS, "2.0", lambda _version: True)
