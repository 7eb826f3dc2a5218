"""Destinations are made when missing, removed when nothing stays in them, and replaced as a whole when atomic."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from onetar import Report, TarError, extract
from onetar.destination import remove_tree

from .archives import file, folder, pack, pax, symlink
from .test_policy import tree

GOOD = pack(folder(b"d"), file(b"d/a"), symlink(b"l", b"d"))
BAD = pack(folder(b"d"), file(b"d/a"), file(b"../b"))


@pytest.fixture(autouse=True)
def descriptors() -> Iterator[None]:
    before = set(os.listdir("/proc/self/fd"))
    yield
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("policy", ["strict", "compat"])
@pytest.mark.parametrize("there", [False, True], ids=["missing", "empty"])
def test_atomic(tmp_path: Path, there: bool, policy: str) -> None:
    if there:
        (tmp_path / "dest").mkdir(mode=0o700)
    before = stat.S_IMODE((tmp_path / "dest").stat().st_mode) if there else 0o755
    report = extract(GOOD, tmp_path / "dest", atomic=True, policy=policy)
    assert report.complete
    assert tree(tmp_path / "dest") == {"d/": "", "d/a": "text", "l": "-> d"}
    assert stat.S_IMODE((tmp_path / "dest").stat().st_mode) == before
    assert os.listdir(tmp_path) == ["dest"]


@pytest.mark.parametrize("policy", ["strict", "compat"])
@pytest.mark.parametrize("there", [False, True], ids=["missing", "empty"])
@pytest.mark.parametrize("archive", [BAD, GOOD[:600], b"", b"x" * 512], ids=["refused", "cut", "nothing", "no-tar"])
def test_atomic_leaves_nothing_of_a_bad_archive(tmp_path: Path, archive: bytes, there: bool, policy: str) -> None:
    if there:
        (tmp_path / "dest").mkdir()
    report = Report()
    with pytest.raises(TarError):
        extract(archive, tmp_path / "dest", atomic=True, policy=policy, report=report)
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")] == ["dest"] * there
    assert {row.outcome for row in report.members} <= {"undone", "refused"}


def test_atomic_shows_nothing_until_it_is_whole(tmp_path: Path) -> None:
    seen = []
    extract(GOOD, tmp_path / "dest", atomic=True, progress=lambda _: seen.append((tmp_path / "dest").exists()))
    assert seen == [False, False, False]


def test_atomic_into_what_is_not_empty(tmp_path: Path) -> None:
    (tmp_path / "dest").mkdir()
    (tmp_path / "dest/mine").write_text("mine")
    with pytest.raises(OSError, match="not empty"):
        extract(GOOD, tmp_path / "dest", atomic=True)
    assert tree(tmp_path) == {"dest/": "", "dest/mine": "mine"}


def test_atomic_into_what_was_filled_meanwhile(tmp_path: Path) -> None:
    dest = tmp_path / "dest"

    def fill(_: object) -> None:
        dest.mkdir(exist_ok=True)
        (dest / "mine").write_text("mine")

    with pytest.raises(OSError, match="not empty"):
        extract(GOOD, dest, atomic=True, progress=fill)
    assert tree(tmp_path) == {"dest/": "", "dest/mine": "mine"}


@pytest.mark.parametrize("what", ["file", "symlink"])
def test_atomic_into_what_is_no_directory(tmp_path: Path, what: str) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "symlink").symlink_to(".")
    with pytest.raises(NotADirectoryError):
        extract(GOOD, tmp_path / what, atomic=True)
    assert sorted(os.listdir(tmp_path)) == ["file", "symlink"]


@pytest.mark.parametrize("dest", [".", "..", "/", "x/..", 0], ids=ascii)
def test_atomic_needs_a_name(dest: str | int) -> None:
    with pytest.raises(ValueError, match="atomic needs"):
        extract(GOOD, dest, atomic=True)


def test_atomic_keeps_nothing_partial(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        extract(GOOD, tmp_path / "dest", atomic=True, keep_partial=True)


def test_relative_destinations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    extract(GOOD, "one", atomic=True)
    extract(GOOD, "two/", atomic=True)
    extract(GOOD, "three/")
    assert tree(tmp_path / "one") == tree(tmp_path / "two") == tree(tmp_path / "three")


@pytest.mark.parametrize("policy", ["strict", "compat"])
def test_a_destination_that_was_made_for_nothing_is_removed(tmp_path: Path, policy: str) -> None:
    with pytest.raises(TarError):
        extract(b"x" * 512, tmp_path / "dest", policy=policy)
    assert os.listdir(tmp_path) == []


def test_a_destination_that_was_there_stays(tmp_path: Path) -> None:
    (tmp_path / "dest").mkdir()
    with pytest.raises(TarError):
        extract(b"x" * 512, tmp_path / "dest")
    assert os.listdir(tmp_path) == ["dest"]


def test_what_is_kept_keeps_its_destination(tmp_path: Path) -> None:
    with pytest.raises(TarError) as caught:
        extract(BAD, tmp_path / "dest")
    assert tree(tmp_path / "dest") == {"d/": "", "d/a": "text"}
    assert caught.value.report is not None
    assert [note.code for note in caught.value.report.notes] == ["partial.kept"]


@pytest.mark.parametrize("what", ["no/parent", "file", "file/below"])
def test_a_destination_that_cannot_be(tmp_path: Path, what: str) -> None:
    (tmp_path / "file").write_text("mine")
    for atomic in (False, True):
        with pytest.raises(OSError, match=r"No such|no directory|Not a directory"):
            extract(GOOD, tmp_path / what, atomic=atomic)
    assert tree(tmp_path) == {"file": "mine"}


def test_a_missing_archive_makes_no_destination(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        extract(tmp_path / "archive", tmp_path / "dest")
    assert os.listdir(tmp_path) == []


def test_trees_of_any_depth_are_removed(deep_path: Path) -> None:
    deep = pack(pax((b"path", b"d/" * 1000 + b"f")), file(b"f"), file(b"e/f"), symlink(b"e/l", b".."))
    extract(deep, deep_path / "dest")
    fd = os.open(deep_path, os.O_RDONLY)
    try:
        remove_tree("dest", fd)
    finally:
        os.close(fd)
    assert os.listdir(deep_path) == []
