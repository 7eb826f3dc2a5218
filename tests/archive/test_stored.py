"""What is too large for memory stays in a file, which is gone when the command is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tarbiter.archive.stored import CHUNK, PREFIX, InputError, Spool, Stored, contains, pieces_of


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("sizes", "in_file"),
    [
        pytest.param([], False, id="nothing"),
        pytest.param([10, 90], False, id="as much as is kept"),
        pytest.param([10, 90, 1], True, id="one byte more"),
        pytest.param([1000], True, id="at once"),
    ],
)
def test_a_threshold(sizes: list[int], in_file: bool, place: Path) -> None:
    pieces = [bytes([number]) * size for number, size in enumerate(sizes)]
    with Spool(above=100) as spool:
        kept = spool.keep(iter(pieces), "x.tar")
        assert isinstance(kept, Stored) == in_file == bool(spool.path)
        assert len(kept) == sum(sizes)
        assert b"".join(pieces_of(kept, 7)) == b"".join(pieces)
    assert list(place.iterdir()) == []


def test_many_small_ones_do_not_fill_the_memory() -> None:
    with Spool(above=100, together=250) as spool:
        kept = [spool.keep([bytes(100)], "x.tar") for _ in range(4)]
        assert [isinstance(one, Stored) for one in kept] == [False, False, True, True]


def test_reading_a_part() -> None:
    with Spool(above=1) as spool:
        kept = spool.keep([b"abcdef"], "x.tar")
        assert isinstance(kept, Stored)
        assert [kept.read(*span) for span in ((0, 2), (4, 9), (6, 1), (9, 1))] == [b"ab", b"ef", b"", b""]


@pytest.mark.parametrize("at", [0, CHUNK - 3, CHUNK, 2 * CHUNK - 1])
def test_looking_for_something(at: int) -> None:
    data = bytes(at) + b"secret" + bytes(CHUNK)
    with Spool(above=1) as spool:
        kept = spool.keep([data], "x.tar")
        for archive in (data, kept):
            assert contains(archive, b"secret")
            assert not contains(archive, b"secrets")


def test_nobody_else_finds_it(place: Path) -> None:
    with Spool(above=1) as spool:
        spool.keep([b"xy"], "x.tar")
        (holder,) = place.iterdir()
        assert holder.stat().st_mode & 0o007 == (0o001 if os.geteuid() == 0 else 0)


def test_one_that_was_left_behind_is_removed_and_one_in_use_is_not(place: Path) -> None:
    (place / f"{PREFIX}old" / "below").mkdir(parents=True)
    (place / "else").mkdir()
    with Spool(above=1) as one, Spool(above=1) as other:
        kept = [spool.keep([b"xy"], "x.tar") for spool in (one, other)]
        assert [b"".join(pieces_of(each)) for each in kept] == [b"xy", b"xy"]
        assert not (place / f"{PREFIX}old").exists()
    assert [path.name for path in place.iterdir()] == ["else"]


def test_where_no_file_can_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", "/proc")
    with Spool(above=1) as spool, pytest.raises(InputError, match=r"^x\.tar: .*TMPDIR names another place"):
        spool.keep([b"xy"], "x.tar")


def test_a_file_that_becomes_shorter_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(b"x")
    with pytest.raises(InputError, match="2 bytes shorter"):
        list(Stored(str(path), 3).pieces())
