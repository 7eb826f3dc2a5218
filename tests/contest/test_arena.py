"""Worlds are built as they say, with fixed times, and seen before anything runs; canaries notice every change."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tarbiter.archive.case import HOLDER, PLACED_MTIME, SECRET_DATA, Placed, World
from tarbiter.contest.observation import Node
from tarbiter.contest.sandbox.arena import Arena, WorldError
from tarbiter.contest.sandbox.namespaces import INSIDE_ID

PLACED_NS = PLACED_MTIME * 10**9


@pytest.fixture(autouse=True)
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot leaves the process in `/`: it is put back after each test."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def arena(tmp_path: Path) -> Iterator[Arena]:
    made = Arena(str(tmp_path))
    yield made
    made.close()


def rows(tree: tuple[Node, ...]) -> list[tuple[object, ...]]:
    return [(n.path, n.type, n.mode, n.data if n.type == "file" else n.link) for n in tree[1:]]


@pytest.mark.parametrize(
    ("placed", "seen"),
    [
        pytest.param((), [], id="empty"),
        pytest.param((Placed(kind="file", name=b"f", data=b"old"),), [(b"f", "file", 0o644, b"old")], id="a file"),
        pytest.param(
            (Placed(kind="file", name=b"a/b/c", mode=0o4000),),
            [
                (b"a", "dir", 0o755, None),
                (b"a/b", "dir", 0o755, None),
                (b"a/b/c", "file", 0o4000, b""),
            ],
            id="parents are made",
        ),
        pytest.param(
            (Placed(kind="dir", name=b"d", mode=0), Placed(kind="file", name=b"d/f")),
            [(b"d", "dir", 0, None), (b"d/f", "file", 0o644, b"")],
            id="a file in a directory without permissions",
        ),
        pytest.param(
            (Placed(kind="file", name=b"d/f"), Placed(kind="dir", name=b"d", mode=0o500)),
            [(b"d", "dir", 0o500, None), (b"d/f", "file", 0o644, b"")],
            id="a directory after what is in it",
        ),
        pytest.param(
            (Placed(kind="symlink", name=b"l", link=b"../canary"),),
            [(b"l", "symlink", 0o777, b"../canary")],
            id="a symlink that leads out",
        ),
        pytest.param((Placed(kind="fifo", name=b"p"),), [(b"p", "fifo", 0o644, None)], id="a FIFO"),
        pytest.param(
            (Placed(kind="hardlink", name=b"h", link=b"../canary/secret.txt"),),
            [(b"h", "file", 0o644, SECRET_DATA)],
            id="a hard link to a file outside",
        ),
    ],
)
def test_worlds(arena: Arena, placed: tuple[Placed, ...], seen: list[tuple[object, ...]]) -> None:
    world = World(placed=placed, dest_mode=0o711)
    first = arena.prepare(world)
    assert arena.escapes() == ()
    tree = arena.clear(since=time.time_ns(), cut=[])
    again = arena.prepare(world)
    assert rows(first) == rows(tree) == rows(again) == seen
    assert (tree[0].mode, tree[0].mtime_ns) == (0o711, PLACED_NS)
    assert {node.mtime_ns for node in tree if node.path != b"h"} == {PLACED_NS}


@pytest.mark.parametrize(
    "placed",
    [
        pytest.param((Placed(kind="file", name=b"/etc/f"),), id="absolute"),
        pytest.param((Placed(kind="file", name=b"../f"),), id="climbing"),
        pytest.param((Placed(kind="file", name=b"a/../f"),), id="climbing inside"),
        pytest.param((Placed(kind="file", name=b""),), id="no name"),
        pytest.param((Placed(kind="dir", name=b"d/"),), id="a slash at the end"),
        pytest.param((Placed(kind="file", name=b"n" * 256),), id="too long"),
        pytest.param((Placed(kind="file", name=b"f"), Placed(kind="file", name=b"f")), id="twice"),
        pytest.param((Placed(kind="file", name=b"f"), Placed(kind="file", name=b"f/g")), id="below a file"),
        pytest.param(
            (Placed(kind="symlink", name=b"l", link=b"../canary"), Placed(kind="file", name=b"l/f")),
            id="through a link",
        ),
        pytest.param((Placed(kind="hardlink", name=b"h", link=b"nowhere"),), id="a link to nothing"),
    ],
)
def test_worlds_that_cannot_be(arena: Arena, placed: tuple[Placed, ...]) -> None:
    with pytest.raises(WorldError):
        arena.prepare(World(placed=placed))


def test_the_destination_is_where_recipes_expect_it(arena: Arena) -> None:
    holder = os.fsdecode(HOLDER).removeprefix("/arena")
    assert arena.dest_path == f"{arena.root}{holder}/dest"
    assert sorted(os.listdir(arena.base)) == ["canary", "dest", "dest-evil"]


def test_a_prepared_destination_is_fresh(arena: Arena) -> None:
    arena.prepare(World(dest_mode=0o500))
    arena.clear(since=0, cut=[])
    (root,) = arena.prepare(World())
    assert root == Node(path=b".", type="dir", mode=0o755, mtime_ns=root.mtime_ns, uid=INSIDE_ID, gid=INSIDE_ID)
    assert os.stat(arena.dest_path).st_mtime_ns == PLACED_NS


def test_the_archive_may_be_replaced_by_us_alone(arena: Arena) -> None:
    arena.put_archive(b"one")
    arena.put_archive(b"another")
    assert Path(arena.archive_path).read_bytes() == b"another"
    assert arena.escapes() == ()
    Path(arena.archive_path).write_bytes(b"spoilt")
    assert [change.what for change in arena.escapes()] == ["content"]


def test_building_anew_heals_everything(arena: Arena) -> None:
    Path(arena.base, "canary", "secret.txt").write_bytes(b"spoilt")
    Path(arena.root, "new").mkdir(mode=0)
    assert arena.escapes() != ()
    arena.rebuild()
    assert arena.escapes() == ()
    assert Path(arena.base, "canary", "secret.txt").read_bytes() == SECRET_DATA


def test_a_link_that_the_world_placed_is_no_leak(arena: Arena) -> None:
    world = World(placed=(Placed(kind="hardlink", name=b"h", link=b"../canary/secret.txt"),))
    before = arena.prepare(world)
    Path(arena.dest_path, "copy").write_bytes(SECRET_DATA)
    tree = arena.clear(since=0, cut=[])
    assert [change.path for change in arena.leaks(tree, before, b"")] == [b"dest/copy"]
    assert arena.leaks(tree, before, b"..." + SECRET_DATA) == ()


@pytest.mark.parametrize(
    ("does", "told"),
    [
        pytest.param(lambda _dest, _secret: None, [], id="nothing"),
        pytest.param(lambda dest, _: (dest / "h").unlink(), [], id="take it away"),
        pytest.param(
            lambda dest, _: ((dest / "h").unlink(), (dest / "h").write_bytes(b"new")), [], id="replace it"
        ),
        pytest.param(lambda dest, _: os.link(dest / "h", dest / "i"), ["links"], id="link it once more"),
        pytest.param(lambda dest, _: (dest / "h").write_bytes(b"new"), ["content"], id="write through it"),
        pytest.param(lambda dest, _: (dest / "h").chmod(0), ["mode"], id="change its mode"),
        pytest.param(lambda _, secret: secret.unlink(), ["removed"], id="take the other name away"),
    ],
)
def test_a_link_that_the_world_placed_may_be_replaced(
    arena: Arena, does: Callable[[Path, Path], object], told: list[str]
) -> None:
    """Extractors that replace what is in their way were told to give the file outside another name."""
    arena.prepare(World(placed=(Placed(kind="hardlink", name=b"h", link=b"../canary/secret.txt"),)))
    does(Path(arena.dest_path), Path(arena.base, "canary", "secret.txt"))
    assert [change.what for change in arena.escapes()] == told


def test_scratch_is_not_watched(arena: Arena) -> None:
    Path(arena.scratch_path, "junk").write_bytes(b"x")
    assert arena.escapes() == ()
    arena.sweep()
    assert os.listdir(arena.scratch_path) == []
    assert arena.escapes() == ()
