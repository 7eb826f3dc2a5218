"""Pages: nothing that goes in comes out as markup, and a file is there as a whole or not at all."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from tarbiter.archive.case import Case
from tarbiter.archive.decode import decode
from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.recipe import Long, Member, Pax, Recipe, Record
from tarbiter.contest.observation import Change, Node, Observation
from tarbiter.judge.compare import compare
from tarbiter.judge.facets import FACETS
from tarbiter.report import comparison
from tarbiter.report.comparison import LEAVES

from ..judge.observations import ended, extracted, file, folder, symlink

EVIL = (
    b"<script>alert(1)</script>",
    b'"><img src=x onerror=alert(2)>',
    b"' onmouseover='alert(3)",
    b"</code></pre></style><b>",
    b"&lt;&amp;",
    b"{{7*7}}{%if%}",
    b"\x1b[31m\r\n\x00\xff\xfe",
    "\u202egpj.exe\u200b".encode(),
)


class Checker(HTMLParser):
    """Collects tags and text, and asserts that what is opened is closed."""

    VOID = frozenset(("meta", "br"))

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {key for key, _ in attrs}
        self.links += [value or "" for key, value in attrs if key in ("href", "src")]
        self.ids += [value or "" for key, value in attrs if key == "id"]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += f"{data} "


def read(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert checker.open == []
    return checker


def made(
    *observations: Observation, recipe: Recipe | None = None, archive: bytes | None = None, title: str = ""
) -> comparison.Input:
    recipe = recipe or Recipe(parts=(Member(name=b"a"),))
    data = encode_bytes(recipe) if archive is None else archive
    return comparison.Input(
        file="x.tar",
        size=len(data),
        archive=data,
        case=None if archive is not None else Case(recipe=recipe, title=title),
        notes=(),
        divergence=compare(observations, facets=("status", "escapes", "names", "types", "content", "links")),
        observations=observations,
    )


def page(*inputs: comparison.Input) -> Checker:
    text = comparison.page(inputs, {"tarbiter": "1"})
    assert text.isascii() or all(letter.isprintable() or letter == "\n" for letter in text)
    return read(text)


@pytest.mark.parametrize("evil", EVIL, ids=ascii)
def test_whatever_is_hostile_is_text(evil: bytes) -> None:
    words = evil.decode("utf-8", "backslashreplace")
    recipe = Recipe(
        parts=(
            Pax(records=(Record(b"comment" + evil[:4].replace(b"=", b""), evil),)),
            Long(text=evil),
            Member(name=evil, linkname=evil, uname=evil[:32], data=evil),
        )
    )
    one = extracted("one", file(evil, evil), symlink(b"l" + evil, evil), version=words)
    escape = Change(path=evil, what="content", before=words, after=words)
    two = extracted("two", folder(evil), escapes=(escape,), notes=(words,))
    three = ended("three", "refused", error=words, error_class=words)
    four = ended("four", "unavailable", error=words)
    observations = (one, two, three, four)
    seen = page(made(*observations, recipe=recipe, title=words), made(*observations, archive=encode_bytes(recipe)))
    assert not seen.tags & {"script", "img", "svg", "b>", "iframe", "object", "link", "base", "form"}
    assert not {name for name in seen.attributes if name.startswith("on")}
    assert set(seen.links) == {"#archive-1", "#archive-2"}
    assert ascii(evil)[1:] in seen.text


def test_a_page_needs_nothing_and_runs_nothing() -> None:
    text = comparison.page([made(extracted("one"), extracted("two"))], {})
    assert "default-src 'none'" in text
    assert "http:" not in text
    assert "https:" not in text
    assert "url(" not in text
    assert "@import" not in text


def test_who_agrees_with_whom() -> None:
    one, two = extracted("one", file(b"a", b"1")), extracted("two", file(b"a", b"1"))
    three = extracted("three", file(b"a", b"2"), file(b"b"))
    seen = page(made(one, two, three, ended("four", "refused", error="not that\nand more")))
    text = " ".join(seen.text.split())
    assert "3 readings among 4 contestants" in text
    assert re.search(r"A extracted one( 1)+ two( 1)+ B extracted three 1( 2)+ C refused four 2( [^ ])+ In a", text)
    assert "C refused four 2" in text
    assert "four: not that" in text
    assert "'b' file 1 bytes 'x' 0644 · only here" in text
    assert "'a' file 1 bytes '2' 0644 · other content" in text


def test_a_name_that_only_group_a_has_is_shown() -> None:
    one, two = extracted("one", file(b"a"), file(b"b")), extracted("two", file(b"a"))
    three = extracted("three", file(b"a"), file(b"b"))
    assert "'b' file 1 bytes 'x' 0644 · not here" in " ".join(page(made(one, three, two)).text.split())


def test_all_agree() -> None:
    seen = page(made(extracted("one", file(b"a")), extracted("two", file(b"a"))))
    assert "All 2 agree: extracted" in seen.text
    assert "What differs" not in seen.text


def test_which_bytes_a_difference_comes_from() -> None:
    recipe = Recipe(parts=(Member(name=b"plain"), Member(name=b"docs/", data=b"x")))
    text = " ".join(
        page(made(extracted("one", folder(b"docs")), extracted("two", file(b"docs")), recipe=recipe)).text.split()
    )
    assert "types of 'docs' in B: file, in A dir" in text
    assert "member 2, bytes 0x200-0x3ff (name)" in text
    assert "a slash at the end of the name of what is no directory [file.slash]" in text


def test_several_archives_have_places_of_their_own() -> None:
    seen = page(*[made(extracted("one"), extracted("two"))] * 3)
    assert seen.ids == ["archive-1", "archive-2", "archive-3"]
    assert seen.links == ["#archive-1", "#archive-2", "#archive-3"]


def test_large_things_are_cut_and_counted() -> None:
    parts = tuple(Member(name=b"f%d" % number) for number in range(200))
    tree = [file(b"f%03d" % number) for number in range(LEAVES + 100)]
    odd = Recipe(parts=(*parts, Member(name=b"odd/")))
    seen = page(made(extracted("one", *tree), extracted("two", *tree[:-1]), recipe=odd))
    text = " ".join(seen.text.split())
    assert "and 100 more names" in text
    assert "'f499' file 1 bytes 'x' 0644 · not here" in text
    assert "201 more parts" in text  # all but the odd one, with the end
    assert "[file.slash]" in text


def test_a_deep_tree_is_one_line() -> None:
    paths = [b"/".join([b"a"] * depth) for depth in range(1, 100)]
    leaves, left_out = comparison._leaves(extracted("one", *map(folder, paths), file(paths[-1] + b"/f")), None)
    assert left_out == 0
    assert [(leaf.name, leaf.depth) for leaf in leaves] == [(f"'{paths[-1].decode()}'", 0), ("'f'", 1)]


@pytest.mark.parametrize(
    ("tree", "lines"),
    [
        ((folder(b"a"), folder(b"a/b"), folder(b"c")), ["'a/b'", "'c'"]),
        pytest.param((folder(b"a"), file(b"a/b")), ["'a'", "'b'"], id="a file has its own line"),
        pytest.param((folder(b"a"), folder(b"a/b"), file(b"a/c")), ["'a'", "'b'", "'c'"], id="two children"),
        pytest.param((folder(b"a"), Node(path=b"a/b", type="dir", mode=0o700)), ["'a'", "'b'"], id="another mode"),
        pytest.param((folder(b"a"), file(b"a-b"), file(b"a/c")), ["'a'", "'c'", "'a-b'"], id="below its parent"),
    ],
)
def test_lines_of_a_tree(tree: tuple[Node, ...], lines: list[str]) -> None:
    assert [leaf.name for leaf in comparison._leaves(extracted("one", *tree), None)[0]] == lines


def test_every_field_has_a_colour_and_the_spans_cover_the_archive() -> None:
    data = encode_bytes(Recipe(parts=(Pax(records=(Record(b"path", b"x" * 200),)), Member(name=b"f", data=b"d"))))
    (view,) = [comparison._view(made(extracted("one"), extracted("two"), archive=data), 0)]
    fields = [field for block in view.blocks for field in (*block.rows, *block.plain)]
    assert sum(field.length for field in fields) == len(data)
    assert {field.kind for field in fields} == {"text", "number", "mark", "body", "pad"}
    assert decode(data).parts


def test_every_facet_can_be_a_column() -> None:
    one = extracted("one", file(b"a", mtime_ns=1), file(b"b", group=1), listing=())
    assert set(comparison._columns([one])) == set()
    two = ended("two", "refused")
    assert set(comparison._columns([one, two])) <= set(FACETS)
