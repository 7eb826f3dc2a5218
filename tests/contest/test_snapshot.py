"""Snapshots of hostile trees: everything is seen, nothing is followed, and a removing walk leaves nothing."""

from __future__ import annotations

import hashlib
import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tarbiter.contest.sandbox.snapshot as snapshot_module
from tarbiter.contest.observation import HOLES, LONGEST, SMALL, Node
from tarbiter.contest.sandbox.snapshot import EARLIEST, LATEST, WHOLE, digest_of, snapshot

WHEN = 1_000_000_000_000_000_007
Make = Callable[[], None]


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot leaves the process in `/`: it is put back after each test."""
    monkeypatch.chdir(tmp_path)


def look(folder: Path, *, remove: bool = True, since: int = 0, until: int = -1) -> tuple[Node, ...]:
    fd = os.open(folder, os.O_RDONLY)
    try:
        return snapshot(fd, remove=remove, since=since, until=until)
    finally:
        os.close(fd)


def write(name: str | bytes, data: bytes = b"x", mode: int = 0o644) -> None:
    with open(name, "wb") as file:
        file.write(data)
    os.chmod(name, mode)
    os.utime(name, ns=(WHEN, WHEN))


def folder(name: str, mode: int = 0o755, *names: str) -> None:
    os.mkdir(name)
    for one in names:
        write(f"{name}/{one}")
    os.chmod(name, mode)
    os.utime(name, ns=(WHEN, WHEN))


def symlink(target: bytes) -> None:
    os.symlink(target, b"link")


def named_pipe() -> None:
    os.mkfifo("pipe")
    os.chmod("pipe", 0o640)


def several() -> None:
    folder("b", 0o755, "a")
    write("a")
    write("b-")


@pytest.mark.parametrize(
    ("make", "rows"),
    [
        pytest.param(lambda: None, [], id="nothing"),
        pytest.param(lambda: write("f", b""), [(b"f", "file", 0o644, b"")], id="an empty file"),
        pytest.param(lambda: write("f", b"abc", 0o7777), [(b"f", "file", 0o7777, b"abc")], id="every mode bit"),
        pytest.param(lambda: write("f", b"abc", 0), [(b"f", "file", 0, b"abc")], id="an unreadable file"),
        pytest.param(
            lambda: folder("d", 0, "f"),
            [(b"d", "dir", 0, None), (b"d/f", "file", 0o644, b"x")],
            id="a directory without any permission",
        ),
        pytest.param(
            lambda: folder("d", 0o555, "f"),
            [(b"d", "dir", 0o555, None), (b"d/f", "file", 0o644, b"x")],
            id="a directory that cannot be written",
        ),
        pytest.param(lambda: symlink(b"/"), [(b"link", "symlink", 0o777, b"/")], id="a link to everything"),
        pytest.param(lambda: symlink(b"link"), [(b"link", "symlink", 0o777, b"link")], id="a link to itself"),
        pytest.param(lambda: symlink(b"\xff"), [(b"link", "symlink", 0o777, b"\xff")], id="a target of any bytes"),
        pytest.param(named_pipe, [(b"pipe", "fifo", 0o640, None)], id="a FIFO nobody writes to"),
        pytest.param(
            lambda: write(b"\xff\n\x01", b""), [(b"\xff\n\x01", "file", 0o644, b"")], id="a name of any bytes"
        ),
        pytest.param(lambda: write("n" * 255, b""), [(b"n" * 255, "file", 0o644, b"")], id="the longest name"),
        pytest.param(
            several,
            [
                (b"a", "file", 0o644, b"x"),
                (b"b", "dir", 0o755, None),
                (b"b-", "file", 0o644, b"x"),
                (b"b/a", "file", 0o644, b"x"),
            ],
            id="sorted by path",
        ),
    ],
)
def test_one_walk_sees_and_removes(tmp_path: Path, make: Make, rows: list[tuple[object, ...]]) -> None:
    make()
    nodes = look(tmp_path)
    assert nodes[0].path == b"."
    assert [(n.path, n.type, n.mode, n.link if n.type == "symlink" else n.data) for n in nodes[1:]] == rows
    assert os.listdir(tmp_path) == []


def test_looking_alone_removes_nothing(tmp_path: Path) -> None:
    folder("d", 0o755, "f")
    assert look(tmp_path, remove=False) == look(tmp_path, remove=False)
    assert os.listdir(tmp_path / "d") == ["f"]


def test_a_socket(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind("bound")
        assert look(tmp_path)[1].type == "socket"


@pytest.mark.parametrize(
    ("since", "until", "seen"),
    [(WHEN, WHEN, None), (WHEN - 1, WHEN + 1, None), (WHEN + 1, WHEN + 2, WHEN), (0, -1, WHEN)],
)
def test_now(tmp_path: Path, since: int, until: int, seen: int | None) -> None:
    write("f")
    os.symlink("x", "l")
    os.utime("l", ns=(WHEN, WHEN), follow_symlinks=False)
    assert [node.mtime_ns for node in look(tmp_path, since=since, until=until)[1:]] == [seen, seen]


@pytest.mark.parametrize(
    ("ns", "seen"),
    [(0, 0), (-1, -1), (1 << 70, LATEST), (-(1 << 70), EARLIEST), (LATEST, LATEST), (EARLIEST, EARLIEST)],
)
def test_times_fit_64_bits(ns: int, seen: int) -> None:
    assert snapshot_module._Walk(1, 0, remove=False).when(ns) == seen


@pytest.mark.parametrize("remove", [False, True])
def test_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, remove: bool) -> None:
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    write("b", b"two", 0o400)
    os.mkdir("a")
    os.link("b", "a/z")
    write("one")
    write("../outside", b"secret")
    os.link("../outside", "hole")
    os.symlink("t", "l1")
    os.link("l1", "l2", follow_symlinks=False)
    seen = {node.path: (node.group, node.outside_links, node.mode) for node in look(tmp_path / "in", remove=remove)}
    assert seen[b"a/z"] == seen[b"b"] == (1, False, 0o400)
    assert seen[b"one"] == (0, False, 0o644)
    assert seen[b"hole"] == (0, True, 0o644)
    assert seen[b"l1"] == seen[b"l2"] == (2, False, 0o777)


def test_contents(tmp_path: Path) -> None:
    write("small", b"s" * SMALL)
    write("large", b"l" * (SMALL + 1))
    _, large, small = look(tmp_path)
    assert (small.size, small.data, small.digest) == (SMALL, b"s" * SMALL, None)
    digest = hashlib.blake2b(b"l" * (SMALL + 1), digest_size=16).digest()
    assert (large.size, large.data, large.digest) == (SMALL + 1, None, digest)


def test_extended_attributes(tmp_path: Path) -> None:
    write("f", mode=0o600)
    folder("d")
    try:
        os.setxattr("f", b"user.b", b"\xff")
        os.setxattr("f", b"user.a", b"")
        os.setxattr("d", b"user.c", b"1")
    except OSError as error:
        pytest.skip(f"this file system takes no user attributes: {error}")
    _, d, f = look(tmp_path)
    assert (d.xattrs, f.xattrs) == (((b"user.c", b"1"),), ((b"user.a", b""), (b"user.b", b"\xff")))


def test_deeper_than_any_path(tmp_path: Path) -> None:
    """Far beyond PATH_MAX, and beyond any limit of descriptors; only what can be named is recorded."""
    levels, name = 300, "d" * 250
    root = os.open(tmp_path, os.O_RDONLY)
    fd = os.dup(root)
    for _ in range(levels):
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, dir_fd=fd))
    os.close(fd)
    cut: list[bytes] = []
    nodes = snapshot(root, remove=True, cut=cut)
    os.close(root)
    assert [len(path) > LONGEST for path in cut] == [True]
    assert len(nodes) == 1 + 1 + LONGEST // 251 + 1
    assert os.listdir(tmp_path) == []


def test_thousands_of_files(tmp_path: Path) -> None:
    for number in range(3000):
        os.symlink("x", tmp_path / str(number))
    assert len(look(tmp_path)) == 3001
    assert os.listdir(tmp_path) == []


def sparse(path: Path, size: int, pieces: list[tuple[int, bytes]]) -> bytes:
    with open(path, "wb") as file:
        file.truncate(size)
        for offset, data in pieces:
            file.seek(offset)
            file.write(data)
    fd = os.open(path, os.O_RDONLY)
    try:
        return digest_of(fd, size)
    finally:
        os.close(fd)


def test_a_terabyte_of_holes_is_read_in_no_time(tmp_path: Path) -> None:
    one = sparse(tmp_path / "one", 1 << 40, [(1 << 39, b"x")])
    same = sparse(tmp_path / "same", 1 << 40, [(1 << 39, b"x"), (1 << 20, bytes(8192))])
    moved = sparse(tmp_path / "moved", 1 << 40, [((1 << 39) + 1, b"x")])
    longer = sparse(tmp_path / "longer", (1 << 40) + 1, [(1 << 39, b"x")])
    assert one == same
    assert len({one, moved, longer}) == 3


@given(st.lists(st.tuples(st.integers(0, 64), st.sampled_from([b"\0", b"x", b"x\0y"])), max_size=4))
def test_zeros_and_holes_hash_alike(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[tuple[int, bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("zeros")
    places = [(page * 4096, data) for page, data in pieces]
    size = WHOLE + 300_000
    written = [(0, bytes(65 * 4096)), *places]
    assert sparse(folder / "holes", size, places) == sparse(folder / "zeros", size, written)


@pytest.mark.parametrize(
    ("size", "places", "holes"),
    [
        (8192, (), ((0, 8192),)),
        (16384, (4096,), ((0, 4096), (8192, 16384))),
        (12288, (0, 8192), ((4096, 8192),)),
        (8192, (0, 4096), ()),
        (10, (), ((0, 10),)),
        (10, (0,), ()),
    ],
)
def test_where_holes_are(size: int, places: tuple[int, ...], holes: tuple[tuple[int, int], ...]) -> None:
    """On tmpfs, as in a cell: there a page that was written is data."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        with open(f"{folder}/f", "wb") as file:
            file.truncate(size)
            for place in places:
                file.seek(place)
                file.write(b"x")
        assert look(Path(folder))[1].holes == holes
    os.chdir("/")


def test_no_more_holes_than_are_promised() -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        with open(f"{folder}/f", "wb") as file:
            for page in range(HOLES + 5):
                file.seek((2 * page + 1) * 4096)
                file.write(b"x")
        found = look(Path(folder))[1].holes
    assert len(found) == HOLES
    assert found[:2] == ((0, 4096), (8192, 12288))
