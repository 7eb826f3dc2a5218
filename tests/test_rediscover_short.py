"""The short version of the rediscovery benchmark: ten old bugs that come up soon, by the default generator.

A seed and a number of cases decide what is run, no clock: where a bug is no longer shown, a generator, a driver or
an oracle has changed. Each bug needs its two releases: `make contestants ARGS="NAME@VERSION ..."`.
"""

from __future__ import annotations

import pytest

from benchmarks.rediscover.bugs import groups, load, present
from benchmarks.rediscover.reach import reach

CASES = 448
SECONDS = 3600.0
"""Never reached: only cases count."""

SHORT = (
    "astral DIFF-002",
    "astral DIFF-013",
    "astral DIFF-024",
    "astral DIFF-029",
    "astral DIFF-030",
    "astral DIFF-034",
    "https://github.com/astral-sh/tokio-tar/pull/40",
    "GHSA-3pv8-6f4r-ffg2",
    "https://github.com/alexcrichton/tar-rs/issues/265",
    "https://github.com/alexcrichton/tar-rs/pull/249",
)
GROUPS = groups(tuple(bug for bug in load() if bug.id in SHORT))


def test_all_ten_are_in_the_list() -> None:
    assert sum(map(len, GROUPS.values())) == len(SHORT) == 10


@pytest.mark.parametrize("package", GROUPS)
def test_old_bugs_come_up_again(package: str) -> None:
    bugs = GROUPS[package]
    here, missing = present(bugs, None)
    if missing:
        pytest.skip("; ".join(f"{name}: {why}" for name, why in missing.items()))
    found = reach(bugs, here, seed=2, count=CASES, seconds=SECONDS, tell=lambda _: None)
    assert [one.bug for one in found if not one.first] == []
