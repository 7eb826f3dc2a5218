"""Losses: what is one, by name, type and size, and what must not be taken for one."""

from __future__ import annotations

import pytest

from tarbiter.archive.case import Placed, World
from tarbiter.contest.contestants import WARNINGS
from tarbiter.contest.observation import Listed, Node, Observation
from tarbiter.judge.invariants import no_silent_loss
from tarbiter.judge.losses import MISSING, OTHER_SIZE, OTHER_TYPE, follow, losses

from .observations import ended, extracted, file, folder, symlink


def row(path: bytes, kind: str = "", size: int | None = None, outcome: str = "") -> Listed:
    return Listed(path=path, type=kind, size=size, outcome=outcome)


def seen(rows: tuple[Listed, ...], *tree: Node, warnings: tuple[str, ...] = ()) -> Observation:
    return extracted("a", *tree, listing=rows, warnings=warnings)


LINK = symlink(b"l", b"d")
STAYED = (
    row(b"sbin/", "dir"),
    row(b"sbin/init", "file", 2),
    row(b"sbin", "symlink"),
    row(b"sbin/reboot", "file", 2),
)
"""A directory with something in it, then a symlink of its name, then something below that."""

LOST = [
    pytest.param(seen((row(b"f"), row(b"gone")), file(b"f")), World(), MISSING, b"gone", id="a-name"),
    pytest.param(seen((row(b"f", "hardlink"),)), World(), MISSING, b"f", id="a-hard-link"),
    pytest.param(seen((row(b"f", "file"),), folder(b"f")), World(), OTHER_TYPE, b"f", id="a-file-is-a-directory"),
    pytest.param(seen((row(b"d/", "dir"),), file(b"d")), World(), OTHER_TYPE, b"d", id="a-directory-is-a-file"),
    pytest.param(seen((row(b"p", "fifo"),), file(b"p")), World(), OTHER_TYPE, b"p", id="a-fifo-is-a-file"),
    pytest.param(seen((row(b"c", "char"),)), World(), MISSING, b"c", id="a-device-that-was-passed-over"),
    pytest.param(seen((row(b"f", "file", 5),), file(b"f", b"")), World(), OTHER_SIZE, b"f", id="an-empty-file"),
    pytest.param(
        seen((row(b"f/", "file", 5),), folder(b"f")), World(), OTHER_TYPE, b"f", id="a-slash-and-a-body-are-a-file"
    ),
    pytest.param(
        seen(STAYED, folder(b"sbin"), file(b"sbin/init", b"i\n"), file(b"sbin/reboot", b"r\n")),
        World(),
        OTHER_TYPE,
        b"sbin",
        id="a-directory-that-stayed-where-a-symlink-is-listed",
    ),
    pytest.param(
        seen((row(b"d", "symlink"), row(b"d/x", "file")), folder(b"d"), file(b"d/old"), file(b"d/x")),
        World(placed=(Placed(kind="file", name=b"d/old"),)),
        OTHER_TYPE,
        b"d",
        id="a-directory-that-was-there-before",
    ),
    pytest.param(
        seen((row(b"d/f", "file", 3),), folder(b"d"), file(b"d/f", b"old content")),
        World(placed=(Placed(kind="file", name=b"d/f", data=b"old content"),)),
        OTHER_SIZE,
        b"d/f",
        id="the-content-that-was-there-before",
    ),
    pytest.param(
        seen((row(b"f", "file", 1), row(b"f", "file", 2)), file(b"f", b"1")),
        World(),
        OTHER_SIZE,
        b"f",
        id="the-later",
    ),
    pytest.param(
        seen((row(b"d", "symlink"), row(b"d/f", "file")), symlink(b"d", b"e"), folder(b"e")),
        World(),
        MISSING,
        b"d/f",
        id="nothing-behind-the-link",
    ),
    pytest.param(
        seen((row(b"d/f"), row(b"d/", "dir")), folder(b"d")), World(), MISSING, b"d/f", id="a-directory-comes-late"
    ),
    pytest.param(seen((row(b"A"), row(b"a")), file(b"a")), World(), MISSING, b"A", id="both-cases-are-listed"),
    pytest.param(
        seen((row(b"/f"), row(b"/g")), file(b"f")), World(), MISSING, b"g", id="absolute-where-others-are-stripped"
    ),
    pytest.param(seen((row(b"a\0b"),)), World(), MISSING, b"a", id="a-NUL-ends-a-name"),
    pytest.param(
        seen((row(b"d/a"),), warnings=("skipped: d/about", "skipped: d")),
        World(),
        MISSING,
        b"d/a",
        id="others-told",
    ),
]

KEPT = [
    pytest.param(
        seen(
            (row(b"dir/dir2/t", "file", 2), row(b"dir/link", "symlink"), row(b"dir/link/t", "file", 2)),
            folder(b"dir"),
            folder(b"dir/dir2"),
            file(b"dir/dir2/t", b"t\n"),
            symlink(b"dir/link", b"dir2"),
        ),
        World(),
        id="a-member-below-its-own-symlink",
    ),
    pytest.param(
        seen((row(b"l", "symlink"), row(b"l/t", "file", 9)), symlink(b"l", b"/elsewhere")),
        World(),
        id="a-link-that-leads-out",
    ),
    pytest.param(
        seen((row(b"l", "symlink"), row(b"l/t", "file", 9)), symlink(b"l", b"l")), World(), id="a-link-to-itself"
    ),
    pytest.param(
        seen(
            (row(b"a", "file", 1), row(b"s", "symlink"), row(b"h", "hardlink")),
            file(b"a"),
            Node(path=b"h", type="symlink", link=b"a", group=1),
            Node(path=b"s", type="symlink", link=b"a", group=1),
        ),
        World(),
        id="a-hard-link-to-a-symlink",
    ),
    pytest.param(
        seen((row(b"f", "file", 1), row(b"f", "symlink")), symlink(b"f", b"x")),
        World(),
        id="the-last-of-a-name-counts",
    ),
    pytest.param(
        seen((row(b"f", "file", 1), row(b"./f/x", "file", 1)), folder(b"f"), file(b"f/x")),
        World(),
        id="a-file-became-a-directory",
    ),
    pytest.param(
        seen((row(b"d/x", "file", 1), row(b"d", "file", 4)), file(b"d", b"file")),
        World(),
        id="its-directory-was-replaced",
    ),
    pytest.param(
        seen(
            (row(b"d/x", "file", 1), row(b"l", "symlink"), row(b"l/x", "file", 3)),
            LINK,
            folder(b"d"),
            file(b"d/x", b"new"),
        ),
        World(),
        id="replaced-through-a-symlink",
    ),
    pytest.param(
        seen(
            (row(b"a", "file", 1), row(b"b", "hardlink"), row(b"b", "file", 3)),
            file(b"a", b"new", group=1),
            file(b"b", b"new", group=1),
        ),
        World(),
        id="replaced-through-a-hard-link",
    ),
    pytest.param(
        seen(
            (row(b"a", "file", 1), row(b"b", "hardlink"), row(b"b", "file", 3), row(b"b", "symlink")),
            file(b"a", b"new"),
            symlink(b"b", b"x"),
        ),
        World(),
        id="replaced-through-a-hard-link-that-is-gone",
    ),
    pytest.param(
        seen((row(b"f", "file", 3),), symlink(b"f", b"g"), file(b"g", b"new")),
        World(placed=(Placed(kind="symlink", name=b"f", link=b"g"),)),
        id="a-file-written-through-a-symlink-that-was-there",
    ),
    pytest.param(
        seen((row(b"d/", "dir"),), symlink(b"d", b"e"), folder(b"e")),
        World(placed=(Placed(kind="symlink", name=b"d", link=b"e"),)),
        id="a-directory-is-a-symlink-to-one",
    ),
    pytest.param(seen((row(b"docs/", "file", 0),), folder(b"docs")), World(), id="a-file-with-a-slash"),
    pytest.param(seen((row(b"Readme"),), file(b"readme")), World(), id="case"),
    pytest.param(seen((row("e\u0301".encode()),), file("\u00e9".encode())), World(), id="normalisation"),
    pytest.param(seen((row(b"a_b"),), file(b"a\nb")), World(), id="a-control-character-that-cannot-be-listed"),
    pytest.param(seen((row(b"a\xef\xbf\xbd"),), file(b"a\xff")), World(), id="a-byte-that-is-no-letter"),
    pytest.param(seen((row(b"C:\\x"), row(b"c:y")), file(b"x"), file(b"y")), World(), id="a-drive-that-was-cut"),
    pytest.param(seen((row(b"/etc/x"),)), World(), id="absolute-and-used-as-it-is"),
    pytest.param(
        seen((row(b"/d/f"), row(b"./d/")), folder(b"d"), file(b"d/f")), World(), id="a-slash-that-was-cut"
    ),
    pytest.param(seen((row(b"../x"), row(b"./"))), World(), id="climbing-and-the-destination"),
    pytest.param(seen((row(b"label", "other"),)), World(), id="what-makes-no-name"),
    pytest.param(
        seen((row(b"s", outcome="skipped"), row(b"r", outcome="refused"))), World(), id="told-by-a-report"
    ),
    pytest.param(
        seen((row(b"dev/null", "char"),), warnings=("unsupported entry type: CharacterDevice (dev/null)",)),
        World(),
        id="told-by-a-warning",
    ),
    pytest.param(
        seen((row(b"\x1b[31m\xff"),), warnings=("cannot make \x1b[31m\\xff",)), World(), id="a-hostile-name-is-told"
    ),
    pytest.param(seen((row(b"d" * 900),), warnings=("name too long: " + "d" * 300,)), World(), id="told-in-part"),
    pytest.param(
        seen((row(b"x"),), warnings=("bad checksum",) * WARNINGS), World(), id="too-many-warnings-to-know"
    ),
    pytest.param(ended("a", "partial", listing=(row(b"x"),)), World(), id="who-failed-promises-nothing"),
    pytest.param(extracted("a", listing=None), World(), id="who-does-not-list"),
]


@pytest.mark.parametrize(("observation", "world", "facet", "path"), LOST)
def test_a_loss(observation: Observation, world: World, facet: str, path: bytes) -> None:
    assert [(loss.facet, loss.path) for loss in losses(observation, world)] == [(facet, path)]
    (broken,) = no_silent_loss([observation], world)
    assert (broken.facets, broken.paths) == ((facet,), (path,))


@pytest.mark.parametrize(("observation", "world"), KEPT)
def test_no_loss(observation: Observation, world: World) -> None:
    assert list(no_silent_loss([observation], world)) == []


def test_evidence_is_escaped() -> None:
    (broken,) = no_silent_loss([seen((row(b"\x1b[2J\n"),))], World())
    assert broken.evidence == "'\\x1b[2J\\n': not in the tree"


@pytest.mark.parametrize(
    ("path", "last", "found"),
    [
        (b"l/f", False, b"d/f"),
        (b"l", False, b"l"),
        (b"l", True, b"d"),
        (b"d/up/l/f", False, b"d/f"),
        (b"d/out/f", False, None),
        (b"round/f", False, None),
        (b"abs/f", False, None),
        (b"none/f", False, b"none/f"),
        (b"d/up", True, b"."),
    ],
)
def test_links_are_followed_inside_the_tree(path: bytes, last: bool, found: bytes | None) -> None:
    nodes = (
        LINK,
        folder(b"d"),
        symlink(b"d/up", b".."),
        symlink(b"d/out", b"../../x"),
        symlink(b"round", b"round"),
        symlink(b"abs", b"/d"),
    )
    assert follow({node.path: node for node in nodes}, path, last=last) == found
