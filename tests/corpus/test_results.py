"""Results as data: what is kept of a tree, when something is another outcome, and files that stay as they are."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tarbiter.archive.case import Case, World
from tarbiter.archive.cases import InputError
from tarbiter.contest.observation import Change, Node, Observation
from tarbiter.corpus.checking import digest
from tarbiter.corpus.results import (
    LINES,
    Made,
    Results,
    baseline,
    everything,
    load,
    made,
    parted,
    save,
    seen,
    tree_lines,
)
from tarbiter.corpus.shelf import Shelved
from tarbiter.judge.conformance import Verdict

OLD = Made(archive="00", status="extracted", mark="pass", reading="must", tree=("file a 0 bytes",))


def results(version: str, date: str = "2026-01-31", **cases: Made) -> Results:
    return Results(
        format=1,
        contestant="tar-x",
        version=version,
        family="x",
        date=date,
        environment={},
        cases=cases or {"a": OLD},
    )


def change(**fields: object) -> Made:
    return msgspec.structs.replace(OLD, **fields)


@pytest.mark.parametrize(
    ("node", "line"),
    [
        (Node(path=b"d", type="dir", mode=0o700), "dir d"),
        (Node(path=b"a\xff\n", type="file", size=2, data=b"\0x"), 'file a\\xff\\n 2 bytes "\\x00x"'),
        (Node(path=b"a", type="file", size=99, digest=b"\x01" * 16), "file a 99 bytes " + "01" * 16),
        (Node(path=b"l", type="symlink", link=b"../\x1b"), 'symlink l -> "../\\x1b"'),
        (Node(path=b"h", type="file", data=b"", group=2), 'file h 0 bytes "" (inode 2)'),
        (Node(path=b"h", type="fifo", outside_links=True), "fifo h (linked to something outside)"),
    ],
)
def test_a_name_is_a_line(node: Node, line: str) -> None:
    assert tree_lines([Node(path=b".", type="dir"), node]) == (line,)


def test_a_middling_content_is_a_digest() -> None:
    one, other = (tree_lines([Node(path=b"a", type="file", size=99, data=data * 99)]) for data in (b"x", b"y"))
    assert one != other
    assert len(one[0]) < 60


def test_a_large_tree_ends_in_a_digest() -> None:
    nodes = [Node(path=b"%04d" % number, type="dir") for number in range(LINES + 5)]
    lines = tree_lines(nodes)
    assert (len(lines), lines[-1].startswith("and 5 more; all of it: ")) == (LINES + 1, True)
    assert tree_lines([*nodes[:-1], Node(path=b"other", type="dir")])[-1] != lines[-1]


def test_what_failed_has_no_tree() -> None:
    seen = Observation(
        contestant="x",
        status="partial",
        tree=(Node(path=b"a", type="dir"),),
        escapes=(Change(path=b"../\xff", what="created"), Change(path=b"../\xff", what="created")),
    )
    said = Verdict(case="t/a", contestant="x", mark="fail", never=("escape",), detail=("\x1b[31m",))
    kept = made(said, seen, "00")
    assert (kept.tree, kept.escapes, kept.detail) == ((), ("created ../\\xff",), ("\\x1b[31m",))


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (OLD, ()),
        (change(detail=("other words",)), ()),
        (change(archive="11"), ()),
        (
            change(status="refused", mark="fail", reading="", tree=()),
            (
                "extracted before, refused now",
                "pass (must) before, fail now",
                "no longer: file a 0 bytes",
            ),
        ),
        (change(reading="other"), ("pass (must) before, pass (other) now",)),
        (change(never=("escape",)), ("escape: new",)),
        (change(escapes=("created x",)), ("new: created x",)),
        (change(tree=("dir a",)), ("no longer: file a 0 bytes", "new: dir a")),
    ],
)
def test_another_outcome_is_told(new: Made, words: tuple[str, ...]) -> None:
    assert parted(OLD, new) == words


def test_another_order_is_another_outcome() -> None:
    one = change(tree=("dir a", "dir b"))
    assert parted(one, change(tree=("dir b", "dir a"))) == ("the same names in another order",)


def test_what_never_was_is_no_longer() -> None:
    assert parted(change(never=("crash",)), OLD) == ("crash: no longer",)


def test_what_was_seen_is_read_off_the_results() -> None:
    """Not who was not run, who got out, and what was recorded of another archive."""
    one = results(
        "1.2",
        a=OLD,
        b=change(mark="fail", reading="", tree=()),
        c=change(mark="fail", status="refused", reading=""),
        d=change(mark="fail", never=("silent-loss", "arrival")),
        e=change(reading="other"),
        f=change(reading=""),
        g=change(mark="not-run"),
        h=change(mark="fail", never=("escape",)),
        i=change(archive="11"),
    )
    assert seen([one, results("1.3", a=OLD)], dict.fromkeys("abcdefghi", "00")) == {
        "a": {"as expected": ("tar-x 1.2", "tar-x 1.3")},
        "b": {"fails: another tree": ("tar-x 1.2",)},
        "c": {"fails: refused": ("tar-x 1.2",)},
        "d": {"fails: silent-loss, arrival": ("tar-x 1.2",)},
        "e": {"other": ("tar-x 1.2",)},
        "f": {"nothing broken": ("tar-x 1.2",)},
    }


# Files ----------------------------------------------------------------------------------------------------------


def test_a_file_comes_back_as_it_was(tmp_path: Path) -> None:
    one = results("1.2")
    path = save(str(tmp_path), one)
    assert path == str(tmp_path / "tar-x" / "1.2.json")
    assert load(path) == one


def test_only_a_day_later_is_no_change(tmp_path: Path) -> None:
    path = Path(save(str(tmp_path), results("1.2")))
    before = path.read_bytes()
    save(str(tmp_path), results("1.2", "2026-02-01"))
    assert path.read_bytes() == before
    save(str(tmp_path), results("1.2", "2026-02-01", b=OLD))
    assert load(str(path)).date == "2026-02-01"


@pytest.mark.parametrize(
    ("asked", "found"), [("1.9", "1.9"), ("1.10", "1.10"), ("2.0", "1.10"), ("", "1.10"), ("odd!", "1.10")]
)
def test_the_same_version_is_the_baseline_or_else_the_newest(tmp_path: Path, asked: str, found: str) -> None:
    for version in ("1.9", "1.10", "1.2"):
        save(str(tmp_path), results(version))
    one = baseline(str(tmp_path), "tar-x@1.9", asked)
    assert one is not None
    assert one.version == found
    assert [each.version for each in everything(str(tmp_path))] == ["1.2", "1.9", "1.10"]


def test_nothing_recorded(tmp_path: Path) -> None:
    assert baseline(str(tmp_path / "none"), "x", "1") is None
    assert everything(str(tmp_path / "none")) == ()


@pytest.mark.parametrize("version", ["", "../../x", "a/b", ".hidden", "1 2"])
def test_a_version_is_a_plain_file_name(tmp_path: Path, version: str) -> None:
    path = Path(save(str(tmp_path / "root"), results(version)))
    assert path.parent == tmp_path / "root" / "tar-x"
    assert not path.name.startswith(".")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "holds no results"),
        ("{}", "holds no results"),
        (msgspec.json.encode(msgspec.structs.replace(results("1"), format=99)).decode(), "is of form 99"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(InputError, match=says):
        load(str(tmp_path / "x.json"))
    with pytest.raises(InputError, match="cannot be read"):
        load(str(tmp_path / "none.json"))


@pytest.mark.parametrize(
    ("world", "kept"),
    [
        pytest.param(World(), "65aa9f0b9c1f250a", id="a usual one, as it was before there was a cwd"),
        pytest.param(World(umask=0o077, locale="C"), "09a08d1bb0f3326b", id="an unusual one of then"),
        pytest.param(World(cwd="dest"), "5641cb945b1a59cd", id="one that could not be said"),
    ],
)
def test_a_case_is_the_same_as_when_its_results_were_kept(world: World, kept: str) -> None:
    assert digest(Shelved(path="", text="", case=Case(world=world), archive=b"abc")) == kept
