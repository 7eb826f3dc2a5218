from __future__ import annotations

import pytest

from tarbiter.archive.case import Case, Placed, Schedule, World
from tarbiter.archive.recipe import End, Long, Member, Part, Pax, Raw, Recipe, Record
from tarbiter.triage.causes import causes, like, shape


@pytest.mark.parametrize(
    ("path", "want"),
    [
        (b"a/b", ()),
        (b"", ("no name at all",)),
        (b"./", ("slash at the end", "./ in front", "names the destination")),
        (b"/etc/x", ("absolute",)),
        (b"a/../b", ("climbing",)),
        (b"../canary/x", ("climbing", "neighbour")),
        (b"d/", ("slash at the end",)),
        (b"a//b", ("idle components",)),
        (b"a" * 100, ("exactly 100 bytes",)),
        (b"a/" * 60 + b"b", ("over 100 bytes",)),
        (b"a" * 256, ("over 255 bytes", "a component over 255 bytes")),
        (b"a\0b", ("NUL",)),
        (b"a\\b", ("backslash",)),
        (b"c:x", ("drive letter",)),
        (b"a\n", ("control characters",)),
        (b"123", ("digits only",)),
        (b"\xff", ("not UTF-8",)),
    ],
)
def test_shape(path: bytes, want: tuple[str, ...]) -> None:
    assert shape(path) == want


@pytest.mark.parametrize(
    ("parts", "want"),
    [
        pytest.param((Member(name=b"f", data=b"x"),), (), id="ordinary"),
        pytest.param((Member(kind="dir", name=b"d", size=512),), ("dir", "dir size"), id="size-on-a-directory"),
        pytest.param((Member(name=b"f", typeflag=b"Q"),), ("file typeflag 'Q'",), id="unknown-type"),
        pytest.param(
            (Pax(records=(Record(b"size", b"5"),)), Member(name=b"f", size=0, data=b"12345")),
            ("file size", "pax", "pax size"),
            id="pax-size",
        ),
        pytest.param(
            (Pax(records=(Record(b"path", b"a"), Record(b"path", b"b"))), Member()),
            ("pax", "pax path", "pax path twice"),
            id="one-key-twice",
        ),
        pytest.param(
            (Pax(records=(Record(b"path", b"a", length=b"0"),)), Member()),
            ("pax", "pax path", "pax path: record length"),
            id="lying-length",
        ),
        pytest.param(
            (Pax(records=(Record(b"k" * 70_000, b"v"),)),),
            ("pax", "pax " + "k" * 60 + "… (70000 bytes)"),
            id="a-key-too-long-to-show",
        ),
        pytest.param((Long(text=b"x"), Member(format="gnu")), ("file format gnu", "long-name"), id="long-name"),
        pytest.param(
            (Member(kind="symlink", name=b"l", linkname=b"../canary"), Member(name=b"l/x")),
            ("file below a symlink", "symlink", "symlink linkname: climbing", "symlink linkname: neighbour"),
            id="through-a-link",
        ),
        pytest.param(
            (Member(name=b"f"), Member(kind="dir", name=b"f/")),
            ("dir", "dir name: slash at the end", "file, then dir of the same name"),
            id="file-then-directory",
        ),
        pytest.param(
            (Member(name=b"f"), End(), Raw(b"junk")), ("raw bytes", "zero blocks in the middle"), id="junk"
        ),
    ],
)
def test_causes(parts: tuple[Part, ...], want: tuple[str, ...]) -> None:
    assert causes(Case(recipe=Recipe(parts=parts))) == want


def test_values_are_not_in_it() -> None:
    one = Case(recipe=Recipe(parts=(Member(kind="dir", name=b"d", size=512),)))
    other = Case(recipe=Recipe(parts=(Member(kind="dir", name=b"other", size=99999),)))
    assert causes(one) == causes(other)


def test_world_schedule_and_end() -> None:
    case = Case(
        recipe=Recipe(parts=(Member(name=b"f"),), end=0),
        world=World(placed=(Placed(kind="symlink", name=b"f", link=b"x"),), umask=0, cwd="dest", uid="root"),
        schedule=Schedule(chunks=(1,), pause=True),
    )
    assert causes(case) == (
        "end of archive: none",
        "schedule: pauses",
        "world symlink",
        "world: as root",
        "world: mode, umask or locale",
        "world: where it is called",
    )


def test_a_finding_that_needs_more_is_like_the_one_that_needs_less() -> None:
    findings = [
        ("both", ("pax", "pax size", "raw bytes")),
        ("size", ("pax", "pax size")),
        ("pax", ("pax",)),
        ("other", ("dir size",)),
        ("same", ("dir size",)),
        ("none", ()),
    ]
    assert like(findings) == {"both": "pax", "size": "pax"}
