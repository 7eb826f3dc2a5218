"""Other ways of calling a contestant (`NAME:MODE`): each does the ordinary, and what its mode says."""

from __future__ import annotations

import pytest

from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.recipe import Member, Recipe
from tarbiter.contest.installed.registry import Contestant, RegistryError, everyone, known
from tarbiter.contest.observation import Job, Observation
from tarbiter.contest.pool import Pool

from .archives import CLIMBING, PLAIN

ALL = [f"{one.name}:{mode}" for one in everyone() if "@" not in one.name for mode in one.table.modes]
SPECIAL = encode_bytes(Recipe(parts=(Member(name=b"f", data=b"x", mode=0o6757, uid=1000, gid=1000),)))


def present(name: str) -> Contestant:
    found = known(name)
    if found.missing:
        pytest.skip(f"{name}: {found.missing}; {found.install}")
    return found


def run(name: str, archive: bytes) -> Observation:
    one = present(name)
    with Pool([one]) as opened:
        return opened.run(Job(archive=archive, contestants=(one.name,)))[0]


@pytest.mark.parametrize("name", ALL)
def test_the_ordinary_stays_ordinary(name: str) -> None:
    seen = run(name, PLAIN)
    assert (seen.status, seen.error, seen.contestant) == ("extracted", "", name)
    assert [node.path for node in seen.tree[1:]] == [b"d", b"d/f", b"d/l", b"h"]


@pytest.mark.parametrize("name", [one for one in ALL if one.endswith(":preserve")])
def test_preserved_permissions_are_the_archives(name: str) -> None:
    plain = name.partition(":")[0]
    modes = [run(one, SPECIAL).tree[1].mode for one in (plain, name)]
    assert modes[0] & 0o7000 == 0
    assert modes[1] == 0o6757


@pytest.mark.parametrize("name", ["gnu-tar", "bsdtar", "node-tar"])
def test_unsafe_leaves_a_check_out(name: str) -> None:
    assert [bool(run(one, CLIMBING).escapes) for one in (name, f"{name}:unsafe")] == [False, True]


def test_one_family() -> None:
    assert known("tar-rs:preserve").family == known("tar-rs").family
    assert known("tar-rs@0.4.45:preserve").table.serve[-1] == "preserve"


@pytest.mark.parametrize(("name", "what"), [("busybox:unsafe", "none"), ("gnu-tar:wild", "unsafe, preserve")])
def test_a_mode_that_it_does_not_have(name: str, what: str) -> None:
    with pytest.raises(RegistryError, match=what):
        known(name)
