"""Choices: one method, the same results everywhere, bytes as good as a random number generator."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tarbiter.archive.encode import encode_bytes
from tarbiter.generate.choices import ByteChoices, below, chance, pick, seeded, sums, weighted
from tarbiter.generate.recipes import build


class Only:
    """A source that has `getrandbits` and nothing else."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def getrandbits(self, k: int, /) -> int:
        return self._random.getrandbits(k)


@pytest.mark.parametrize("index", range(50))
def test_getrandbits_is_all_that_is_asked_for(index: int) -> None:
    assert build(Only(seeded(7, index))) == build(seeded(7, index))


@pytest.mark.parametrize(
    ("seed", "index", "bits", "want"),
    [(7, 0, 32, 1406865783), (7, 1, 32, 2015181729), (-1, -5, 64, 6785990018247330810), (2**80, 10**9, 16, 53939)],
)
def test_seeds_are_the_same_everywhere(seed: int, index: int, bits: int, want: int) -> None:
    assert seeded(seed, index).getrandbits(bits) == want


@pytest.mark.parametrize(
    ("data", "bits", "want"),
    [
        pytest.param(b"", 8, 0, id="none left"),
        pytest.param(b"\x05", 8, 5, id="one byte"),
        pytest.param(b"\x05\x01", 16, 0x105, id="little-endian"),
        pytest.param(b"\xff", 3, 7, id="fewer bits than the byte has"),
        pytest.param(b"\xff", 20, 0xFF, id="they end in the middle"),
    ],
)
def test_choices_from_bytes(data: bytes, bits: int, want: int) -> None:
    assert ByteChoices(data).getrandbits(bits) == want


def test_bytes_know_when_they_have_run_out() -> None:
    choices = ByteChoices(b"ab")
    choices.getrandbits(16)
    assert not choices.exhausted
    choices.getrandbits(1)
    assert choices.exhausted


@given(st.binary(max_size=400))
def test_any_bytes_are_a_case(data: bytes) -> None:
    case, _ = build(ByteChoices(data), one_large_in=0)
    assert isinstance(encode_bytes(case.recipe), bytes)


@given(st.integers(0, 2**64), st.integers(1, 1000))
def test_below_is_below(seed: int, count: int) -> None:
    assert 0 <= below(seeded(seed, 0), count) < count


def test_nothing_to_choose_from_is_told() -> None:
    with pytest.raises(ValueError, match="nothing to choose"):
        below(seeded(7, 0), 0)


def test_weights_are_kept() -> None:
    choices, up_to = seeded(7, 0), sums((1, 0, 3))
    seen = Counter(weighted(choices, "abc", up_to) for _ in range(4000))
    assert set(seen) == {"a", "c"}
    assert 800 < seen["a"] < 1200


def test_chance_comes_about_as_often_as_it_says() -> None:
    choices = seeded(7, 0)
    assert 60 < sum(chance(choices, 50) for _ in range(5000)) < 140
    assert all(chance(choices, 1) for _ in range(10))


def test_everything_is_picked_some_time() -> None:
    choices = seeded(7, 0)
    assert {pick(choices, range(40)) for _ in range(2000)} == set(range(40))
