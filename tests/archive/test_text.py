"""Cases survive their text; what is no case is told by file, line and key."""

import os
import re
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tarbiter.archive import escapes
from tarbiter.archive.case import (
    CWDS,
    UIDS,
    WORLD_FIELDS,
    Case,
    Placed,
    Schedule,
    World,
    surroundings,
    usual_again,
    world_changes,
)
from tarbiter.archive.recipe import End, Long, Member, Pax, Raw, Recipe, Record
from tarbiter.archive.text import CaseError, dump_pieces, dumps, escape, loads, unescape

from .recipes import recipes


@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param(b"plain 'quoted' \"text\"", "plain 'quoted' \"text\"", id="printable"),
        pytest.param(b"a\\b", "a\\\\b", id="backslash"),
        pytest.param(b"a\nb", "a\\nb", id="newline"),
        pytest.param(b"\0\x1f\x7f\x80\xff", "\\x00\\x1f\\x7f\\x80\\xff", id="bytes"),
        pytest.param(b"", "", id="empty"),
    ],
)
def test_escapes(data: bytes, text: str) -> None:
    assert escape(data) == text
    assert unescape(text) == data


def test_utf8_is_read() -> None:
    assert unescape("é\\xe9") == b"\xc3\xa9\xe9"


@pytest.mark.parametrize("text", ["\\q", "\\x1", "\\xg0", "end\\"])
def test_no_escapes(text: str) -> None:
    with pytest.raises(ValueError, match="no escape"):
        unescape(text)


@pytest.mark.parametrize(
    ("part", "line"),
    [
        pytest.param(Member(name=b"a"), '{ kind = "file", name = "a" }', id="basic"),
        pytest.param(Member(name=b"a'\"\\"), '{ kind = "file", name = \'a\\x27"\\\\\' }', id="literal"),
        pytest.param(Member(mode=0o755), '{ kind = "file", mode = 0o755 }', id="mode"),
        pytest.param(Member(data=b"n" * 99), '{ kind = "file", data = [{ of = "n", times = 99 }] }', id="run"),
        pytest.param(
            Member(data=b"ab" * (1 << 19) + b"c"),
            '{ kind = "file", data = [{ of = "ab", times = 524288 }, "c"] }',
            id="period",
        ),
        pytest.param(
            Pax(records=(Record(b"path", b"x"),)), '{ kind = "pax", records = [["path", "x"]] }', id="record"
        ),
        pytest.param(
            Pax(records=(Record(b"a", b"b", length=b"9"),)),
            '{ kind = "pax", records = [{ key = "a", value = "b", length = "9" }] }',
            id="record-table",
        ),
        pytest.param(Long(text=b"x"), '{ kind = "long-name", text = "x" }', id="long"),
        pytest.param(End(), '{ kind = "end", blocks = 2 }', id="end"),
        pytest.param(Raw(b"x"), '{ kind = "raw", data = "x" }', id="raw"),
    ],
)
def test_parts(part: Member, line: str) -> None:
    assert dumps(Recipe((part,))) == f"part = [\n    {line},\n]\n"
    assert loads(f"part = [{line}]").recipe.parts == (part,)


def test_wide_parts_are_tables() -> None:
    wide = Member(name=bytes(range(97, 123)) * 3, linkname=bytes(range(97, 123)) * 3)
    text = dumps(Recipe((wide,), end=0))
    assert text.startswith("end = 0\n\n[[part]]\nkind = ")
    assert loads(text).recipe == Recipe((wide,), end=0)


@pytest.mark.parametrize(
    ("text", "line", "where", "words"),
    [
        pytest.param("id = \n", 1, "", "not TOML", id="broken"),
        pytest.param("id = 'a'\nen = 0", 2, "en", "did you mean end", id="unknown-nearest"),
        pytest.param("id = 5", 1, "id", "expected a string, found an integer", id="type"),
        pytest.param("end = -1", 1, "end", "cannot be written", id="end"),
        pytest.param("end = true", 1, "end", "expected an integer, found true", id="bool"),
        pytest.param("part = [\n {},\n {nam='x'},\n]", 3, "part[1].nam", "did you mean name", id="inline"),
        pytest.param("[[part]]\n[[part]]\nname=5", 3, "part[1].name", "found an integer", id="tables"),
        pytest.param("part = [\n{kind=['x']}]", 2, "part[0].kind", "expected a string", id="kind-type"),
        pytest.param("part = [\n{kind='fil'}]", 2, "part[0].kind", "did you mean file", id="kind"),
        pytest.param("part = [{format='gni'}]", 1, "part[0].format", "no format", id="format"),
        pytest.param("part = [\n{atime=1}]", 2, "part[0].atime", "no such field", id="format-lacks"),
        pytest.param(f"part = [{{name='{'n' * 101}'}}]", 1, "part[0].name", "do not fit", id="wide"),
        pytest.param("part = [{uid=72057594037927936}]", 1, "part[0].uid", "does not fit", id="range"),
        pytest.param("part = [{kind='end', blocks=-1}]", 1, "part[0].blocks", "cannot", id="blocks"),
        pytest.param("part = [{name='\\q'}]", 1, "part[0].name", "no escape", id="escape"),
        pytest.param("part = [{data={}}]", 1, "part[0].data", "array of pieces", id="pieces"),
        pytest.param(
            "part = [{data=[{of='x', times=1073741825}]}]", 1, "part[0].data[0].times", "more than", id="bomb"
        ),
        pytest.param("part = [{kind='pax', records=[['a']]}]", 1, "part[0].records[0]", "value", id="record"),
        pytest.param("[world]\n\numask = 0o10000", 3, "world.umask", "out of range", id="umask"),
        pytest.param("[world]\n\ncwd = 'des'", 3, "world.cwd", "tmp, dest, parent", id="cwd"),
        pytest.param("[world]\nuid = 'roo'", 2, "world.uid", "user, root", id="uid"),
        pytest.param("[world]\nplaced=[\n{kind='dir'}]", 3, "world.placed[0]", "needs a name", id="placed"),
        pytest.param("[schedule]\nchunks=[0]", 2, "schedule.chunks[0]", "read of 0", id="chunk"),
    ],
)
def test_no_cases(text: str, line: int, where: str, words: str) -> None:
    with pytest.raises(CaseError, match=r"x\.toml") as caught:
        loads(text, filename="x.toml")
    assert (caught.value.line, caught.value.where) == (line, where)
    assert words in caught.value.detail


@given(recipes)
def test_recipes_survive(recipe: Recipe) -> None:
    assert loads(dumps(recipe)).recipe == recipe


runs = st.tuples(st.binary(max_size=9), st.integers(0, 80), st.binary(max_size=3)).map(
    lambda run: run[0] * run[1] + run[2]
)


@given(st.lists(runs, max_size=4).map(b"".join))
def test_repetitions_survive(data: bytes) -> None:
    recipe = Recipe((Raw(data),))
    assert loads(dumps(recipe)).recipe == recipe


_RUN = re.compile(rb"(.{1,8}?)\1{31,}", re.DOTALL)
"""What is a repetition, in words: thirty-two and more of up to eight bytes, the shortest unit first."""

long_runs = st.tuples(st.binary(min_size=1, max_size=9), st.integers(25, 400), st.binary(max_size=40)).map(
    lambda run: run[0] * run[1] + run[2]
)


@given(st.lists(long_runs, max_size=5).map(b"".join), st.sampled_from((256, 300, 1 << 20)))
def test_repetitions_are_found_wherever_they_are(data: bytes, reach: int) -> None:
    want = [
        (match.start(), len(match[1]), (match.end() - match.start()) // len(match[1]))
        for match in _RUN.finditer(data)
    ]
    with mock.patch.object(escapes, "_REACH", reach):
        assert list(escapes._Runs(data)) == want


@pytest.mark.parametrize(
    ("data", "want"),
    [
        pytest.param(b"", '""', id="nothing"),
        pytest.param(b"a" * 31, f'"{"a" * 31}"', id="one less"),
        pytest.param(b"a" * 32, '[{ of = "a", times = 32 }]', id="enough"),
        pytest.param(b"it's" + b"\0" * 40, "[\"it's\", { of = '\\x00', times = 40 }]", id="text before"),
        pytest.param(bytes(range(256)) * 64 + b"z", None, id="blocks"),
    ],
)
def test_the_text_of_bytes(data: bytes, want: str | None) -> None:
    text = "".join(escapes.bytes_pieces(data))
    if want is None:
        want = f'[{{ of = {"".join(escapes.bytes_pieces(data[:512]))}, times = 32 }}, "z"]'
    assert text == want


def test_a_large_body_comes_bit_by_bit() -> None:
    body = bytes(range(256)) * 2048
    pieces = list(dump_pieces(Recipe((Member(name=b"a", data=b"-" + body[::-1] + os.urandom(1 << 20)),))))
    assert max(map(len, pieces)) <= 4 * escapes.CHUNK


modes = st.integers(0, 0o7777)
placed = st.builds(
    Placed,
    kind=st.sampled_from(("file", "dir", "symlink", "hardlink", "fifo")),
    name=st.binary(),
    data=st.binary(),
    link=st.binary(),
    mode=st.none() | modes,
)
words = st.text()
cases = st.builds(
    Case,
    id=words,
    title=words,
    why=words,
    source=st.lists(words, max_size=2).map(tuple),
    flags=st.lists(words, max_size=2).map(tuple),
    world=st.builds(
        World,
        placed=st.lists(placed, max_size=2).map(tuple),
        dest_mode=modes,
        umask=modes,
        locale=words,
        cwd=st.sampled_from(CWDS),
        uid=st.sampled_from(UIDS),
    ),
    schedule=st.builds(Schedule, chunks=st.lists(st.integers(1, 999), max_size=3).map(tuple), pause=st.booleans()),
    recipe=st.just(Recipe()) | st.just(Recipe((Member(name=b"a"),), 0)),
)


@given(cases)
def test_cases_survive(case: Case) -> None:
    assert loads(dumps(case)) == case


def test_every_field_of_a_world_but_what_is_placed_is_in_the_table() -> None:
    assert ("placed", *WORLD_FIELDS) == World.__struct_fields__
    assert world_changes(World()) == {}
    world = World(umask=0o077, locale="C", uid="root")
    assert world_changes(world) == {"world: mode, umask or locale": ("umask", "locale"), "world: as root": ("uid",)}
    assert usual_again(world, "umask", "locale", "uid") == World()
    assert surroundings(world) == ("umask 077", "locale C", "uid root")
