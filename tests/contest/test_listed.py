"""Listings go through a format that ends at 64 bits; what an archive claims does not."""

from __future__ import annotations

import pytest

from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.recipe import Member, Recipe
from tarbiter.contest.contestants import listed_size
from tarbiter.contest.installed.registry import available
from tarbiter.contest.observation import Job
from tarbiter.contest.pool import Pool


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (0, (0, "")),
        ((1 << 64) - 1, ((1 << 64) - 1, "")),
        (1 << 64, (None, "size beyond 64 bits")),
        (-(1 << 63), (-(1 << 63), "")),
        (-(1 << 63) - 1, (None, "size beyond 64 bits")),
    ],
)
def test_a_size_or_why_there_is_none(size: int, told: tuple[int | None, str]) -> None:
    assert listed_size(size) == told


def test_a_size_that_no_number_of_the_protocol_holds() -> None:
    # Base-256, GNU tar's form for large numbers: 2 to the power of 72.
    size = b"\x80\x00\x01".ljust(12, b"\0")
    archive = encode_bytes(Recipe((Member(name=b"a", data=b"x", size=size),)))
    with Pool(available(("extractor-compat", "extractor-strict"))) as pool:
        compat, strict = pool.run(Job(archive=archive, contestants=("extractor-compat", "extractor-strict")))
    assert (compat.status, strict.status) == ("partial", "refused")
    assert compat.listing is not None
    assert [(row.path, row.size) for row in compat.listing] == [(b"a", None)]
