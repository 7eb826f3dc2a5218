"""Verdicts for a terminal: nothing in an archive reaches it unescaped, and long lists are cut and counted."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tarbiter.archive.encode import located
from tarbiter.archive.recipe import Member, Recipe
from tarbiter.contest.observation import Observation
from tarbiter.judge.compare import compare
from tarbiter.judge.wording import name
from tarbiter.report.console import SHOWN, verdict
from tarbiter.triage.locate import Index

from ..judge.observations import ended, extracted, file, folder


def show(*observations: Observation, recipe: Recipe | None = None, facets: tuple[str, ...] = ("names",)) -> str:
    out = io.StringIO()
    index = None if recipe is None else Index(located(recipe))
    divergence = compare(observations, facets=facets)
    Console(file=out, width=120, highlight=False).print(verdict("x.tar", divergence, observations, index))
    return out.getvalue()


def test_agreement_is_one_line() -> None:
    assert show(extracted("one", file(b"a")), extracted("two", file(b"a"))) == "x.tar: all 2 agree: extracted\n"


def test_all_may_agree_to_refuse() -> None:
    assert show(ended("one", "refused"), ended("two", "refused")) == "x.tar: all 2 agree: refused\n"


def test_groups_with_what_parts_them() -> None:
    text = show(extracted("one", file(b"a")), extracted("two", file(b"a")), extracted("three", file(b"b")))
    assert "2 readings among 3 contestants" in text
    assert " A  extracted  one, two" in text
    assert "'b': present here, absent in A" in text


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (b"plain", "'plain'"),
        (b"\x1b[31mred", r"'\x1b[31mred'"),
        (b"new\nline\r", r"'new\nline\r'"),
        (b"\xff\xfe", r"'\xff\xfe'"),
        ("ü".encode(), r"'\xc3\xbc'"),
        (b"[bold]markup[/]", "'[bold]markup[/]'"),
        (b"it's", '"it\'s"'),
    ],
)
def test_a_name_cannot_reach_the_terminal(path: bytes, shown: str) -> None:
    assert name(path) == shown
    text = show(extracted("one", file(path)), extracted("two"))
    assert shown in text
    assert "\x1b" not in text


def test_what_a_contestant_said_is_told_once_for_all_who_said_it() -> None:
    text = show(
        extracted("one"),
        ended("two", "refused", error="cannot"),
        ended("three", "refused", error="cannot"),
        ended("four", "refused", error="will not\nsecond line"),
    )
    assert text.count("cannot") == 1
    assert "two, three: cannot" in text
    assert "four: will not" in text
    assert "second line" not in text


def test_a_message_cannot_reach_the_terminal() -> None:
    assert "\x1b" not in show(extracted("one"), ended("two", "refused", error="\x1b[2Jgone"))


@pytest.mark.parametrize(("count", "more"), [(SHOWN, ""), (SHOWN + 3, "and 3 more (--json has all)")])
def test_long_lists_are_cut_and_counted(count: int, more: str) -> None:
    many = [file(b"%03d" % number) for number in range(count)]
    text = show(extracted("one"), extracted("two", *many))
    assert text.count("present here") == SHOWN
    assert more in text
    assert ("more (--json" in text) == bool(more)


def test_where_a_path_comes_from() -> None:
    recipe = Recipe(parts=(Member(name=b"z"), Member(name=b"a")))
    text = show(extracted("one", file(b"z")), extracted("two", file(b"z"), file(b"a")), recipe=recipe)
    assert "member 2, bytes 0x200-0x3ff (name)" in text


def test_who_was_left_out_and_why() -> None:
    text = show(extracted("one"), extracted("two"), ended("three", "unavailable", error="no program"))
    assert "left out three" in text
    assert "no program" in text


def test_a_weak_difference_does_not_part_but_is_told() -> None:
    text = show(extracted("one", file(b"a", uid=1)), extracted("two", file(b"a", uid=2)))
    assert "also differ in owner" in text
    assert "readings" not in text


def test_a_broken_invariant_is_named_with_its_promise() -> None:
    text = show(extracted("one", folder(b"a")), extracted("two", file(b"a")), facets=("types",))
    assert "broken no-smuggling (Two contestants that report success" in text
