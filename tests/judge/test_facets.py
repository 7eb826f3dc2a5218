from __future__ import annotations

import pytest

from tarbiter.contest.observation import Change, Listed, Node, Observation
from tarbiter.judge.facets import FACETS, STRONG, WEAK, Difference, clean, differences, project

from .observations import ended, extracted, file, folder, symlink

LONG = b"\1" * 16
OTHER = b"\2" * 16

PLAIN = extracted("a", file(b"f"))

PART = [
    pytest.param("status", PLAIN, ended("b", "refused"), None, id="status"),
    pytest.param(
        "escapes",
        PLAIN,
        extracted("b", file(b"f"), escapes=(Change(path=b"canary/x", what="created"),)),
        b"canary/x",
        id="escape",
    ),
    pytest.param("names", PLAIN, extracted("b", file(b"f"), file(b"g")), b"g", id="one-more-name"),
    pytest.param("names", PLAIN, extracted("b"), b"f", id="one-name-less"),
    pytest.param("types", PLAIN, extracted("b", folder(b"f")), b"f", id="file-and-directory"),
    pytest.param("content", PLAIN, extracted("b", file(b"f", b"y")), b"f", id="other-bytes"),
    pytest.param("content", PLAIN, extracted("b", file(b"f", b"")), b"f", id="empty"),
    pytest.param(
        "content",
        extracted("a", Node(path=b"f", type="file", size=999, digest=LONG)),
        extracted("b", Node(path=b"f", type="file", size=999, digest=OTHER)),
        b"f",
        id="long-content-by-digest",
    ),
    pytest.param(
        "links", extracted("a", symlink(b"l", b"f")), extracted("b", symlink(b"l", b"g")), b"l", id="link"
    ),
    pytest.param(
        "hardlinks",
        extracted("a", file(b"f", group=1), file(b"g", group=1)),
        extracted("b", file(b"f"), file(b"g")),
        None,
        id="hard-link-and-copy",
    ),
    pytest.param(
        "hardlinks", PLAIN, extracted("b", file(b"f", outside_links=True)), None, id="hard-link-to-the-outside"
    ),
    pytest.param(
        "mode",
        extracted("a", Node(path=b"f", type="file", mode=0o644)),
        extracted("b", Node(path=b"f", type="file", mode=0o4755)),
        b"f",
        id="mode",
    ),
    pytest.param(
        "mtime",
        extracted("a", file(b"f", mtime_ns=5_000_000_000)),
        extracted("b", file(b"f", mtime_ns=6_000_000_000)),
        b"f",
        id="mtime",
    ),
    pytest.param("mtime", extracted("a", file(b"f", mtime_ns=0)), PLAIN, b"f", id="epoch-and-now"),
    pytest.param("owner", PLAIN, extracted("b", file(b"f", uid=7)), b"f", id="owner"),
    pytest.param("xattrs", PLAIN, extracted("b", file(b"f", xattrs=((b"user.a", b"1"),))), b"f", id="xattr"),
    pytest.param(
        "sparse",
        extracted("a", Node(path=b"f", type="file", size=1 << 20, digest=LONG, blocks=2048)),
        extracted("b", Node(path=b"f", type="file", size=1 << 20, digest=LONG, blocks=8)),
        b"f",
        id="holes",
    ),
    pytest.param(
        "devices",
        extracted("a", Node(path=b"d", type="char", rdev=1)),
        extracted("b", Node(path=b"d", type="char", rdev=2)),
        b"d",
        id="device-numbers",
    ),
    pytest.param(
        "listing",
        extracted("a", listing=(Listed(path=b"f"),)),
        extracted("b", listing=(Listed(path=b"g"),)),
        None,
        id="listed-name",
    ),
]

AGREE = [
    pytest.param("names", PLAIN, extracted("b", file(b"f")), id="same"),
    pytest.param("names", PLAIN, ended("b", "partial", tree=(file(b"g"),)), id="a-failed-run-has-no-tree"),
    pytest.param("content", PLAIN, extracted("b", file(b"g", b"other")), id="a-missing-name-is-told-by-names"),
    pytest.param("content", PLAIN, extracted("b", folder(b"f")), id="another-type-is-told-by-types"),
    pytest.param(
        "mode",
        extracted("a", Node(path=b"l", type="symlink", mode=0o777, link=b"f")),
        extracted("b", Node(path=b"l", type="symlink", mode=0o755, link=b"f")),
        id="mode-of-a-symlink",
    ),
    pytest.param(
        "mtime",
        extracted("a", file(b"f", mtime_ns=5_000_000_001)),
        extracted("b", file(b"f", mtime_ns=5_900_000_000)),
        id="fractions-of-a-second",
    ),
    pytest.param("listing", PLAIN, extracted("b", listing=(Listed(path=b"f"),)), id="one-does-not-list"),
    pytest.param(
        "listing",
        extracted("a", listing=(Listed(path=b"./f/", size=0),)),
        extracted("b", listing=(Listed(path=b"f"),)),
        id="not-everybody-lists-sizes-and-spells-alike",
    ),
    pytest.param(
        "hardlinks",
        extracted("a", file(b"f", group=1), file(b"g", group=1)),
        extracted("b", file(b"f", group=4), file(b"g", group=4)),
        id="numbers-of-groups-mean-nothing",
    ),
]


@pytest.mark.parametrize(("facet", "left", "right", "path"), PART)
def test_they_part(facet: str, left: Observation, right: Observation, path: bytes | None) -> None:
    found = differences(facet, left, right)
    assert [one.path for one in found] == [path]
    assert [one.path for one in differences(facet, right, left)] == [path]
    assert found[0].left != found[0].right


@pytest.mark.parametrize(("facet", "left", "right"), AGREE)
def test_they_agree(facet: str, left: Observation, right: Observation) -> None:
    assert differences(facet, left, right) == ()
    assert differences(facet, right, left) == ()


@pytest.mark.parametrize(
    ("path", "want"),
    [
        (b"a/b", b"a/b"),
        (b"/a//b/", b"a/b"),
        (b"./a/./b", b"a/b"),
        (b"../a", b"../a"),
        (b"a/../b", b"a/../b"),
        (b".", b""),
        (b"///", b""),
        (b"a\\b", b"a\\b"),
    ],
)
def test_clean(path: bytes, want: bytes) -> None:
    assert clean(path) == want


def test_every_facet_has_a_row_that_parts_in_it() -> None:
    assert {str(row.values[0]) for row in PART} == set(FACETS)


def test_strong_and_weak_are_all() -> None:
    assert sorted((*STRONG, *WEAK)) == sorted(FACETS)


def test_values_compare_across_a_record_of_another_contestant() -> None:
    assert project("names", PLAIN) == project("names", extracted("b", file(b"f")))


def test_names_are_escaped_in_what_people_read() -> None:
    (found,) = differences("links", extracted("a", symlink(b"l", b"\x1b[2J")), extracted("b", symlink(b"l", b"x")))
    assert found == Difference("links", b"l", "'\\x1b[2J'", "'x'")


def test_names_that_only_one_lists_are_told() -> None:
    one, other = extracted("a", listing=(Listed(path=b"f"),)), extracted("b", listing=(Listed(path=b"g", size=2),))
    (difference,) = differences("listing", one, other)
    assert (difference.left, difference.right) == ("'f'", "'g'")
