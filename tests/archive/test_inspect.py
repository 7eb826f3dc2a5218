"""Every oddity has an archive that shows it; ordinary archives show none; every byte has its row."""

import os
import tracemalloc
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given

from tarbiter.archive import stored
from tarbiter.archive.decode import decode, scan
from tarbiter.archive.encode import encode_bytes, located
from tarbiter.archive.inspect import ODDITIES, annotate, render
from tarbiter.archive.recipe import End, Long, Member, Part, Pax, Raw, Recipe, Record
from tarbiter.archive.stored import Spool, Stored
from tarbiter.archive.wire import sums

from .recipes import archives

FILE = Member(name=b"a")
SIGNED = b"%06o\0 " % sums(encode_bytes(Recipe((Member(name=b"\xff"),), 0)))[1]
SHOWN: dict[str, tuple[Part, ...]] = {
    "checksum.wrong": (Member(name=b"a", chksum=1),),
    "checksum.signed": (Member(name=b"\xff", chksum=SIGNED),),
    "number.form": (Member(name=b"a", uid=b"  5"),),
    "number.base256": (Member(name=b"a", uid=2**40),),
    "number.negative": (Member(name=b"a", mtime=-5),),
    "number.none": (Member(name=b"a", uid=b"xyz"),),
    "text.behind-nul": (Member(name=b"a\0b"),),
    "text.full": (Member(name=b"a" * 100),),
    "name.absolute": (Member(name=b"/a"),),
    "name.climbs": (Member(name=b"a/../b"),),
    "name.control": (Member(name=b"a\nb"),),
    "name.not-utf8": (Member(name=b"a\xff"),),
    "name.empty": (Member(),),
    "dir.no-slash": (Member(kind="dir", name=b"a"),),
    "file.slash": (Member(name=b"a/"),),
    "size.without-body": (Member(kind="symlink", name=b"a", linkname=b"b", size=5), FILE),
    "size.not-the-body": (Member(name=b"a", size=99999), FILE),
    "typeflag.unknown": (Member(name=b"a", typeflag=b"!"),),
    "typeflag.nul": (Member(name=b"a", typeflag=b""),),
    "link.unexpected": (Member(name=b"a", linkname=b"b"),),
    "link.empty": (Member(kind="symlink", name=b"a"),),
    "link.absolute": (Member(kind="symlink", name=b"a", linkname=b"/b"),),
    "link.climbs": (Member(kind="symlink", name=b"a", linkname=b"../b"),),
    "mode.special": (Member(name=b"a", mode=0o4755),),
    "mode.type": (Member(name=b"a", mode=0o100644),),
    "magic.unknown": (Member(name=b"a", magic=b"ustarX"),),
    "pax.length": (Pax(records=(Record(b"a", b"b", length=b"9"),)), FILE),
    "pax.twice": (Pax(records=(Record(b"a", b"b"), Record(b"a", b"c"))), FILE),
    "pax.empty": (Pax(records=(Record(b"a", b""),)), FILE),
    "pax.nul": (Pax(records=(Record(b"a", b"b\0c"),)), FILE),
    "pax.newline": (Pax(records=(Record(b"a", b"b\nc"),)), FILE),
    "pax.no-records": (Pax(data=b"junk"), FILE),
    "pax.path-and-header": (Pax(records=(Record(b"path", b"b"),)), FILE),
    "long.not-terminated": (Long(text=b"a", end=b"\0\0"), FILE),
    "extension.dangling": (Pax(records=(Record(b"a", b"b"),)),),
    "extension.stacked": (Long(text=b"a"), Long(text=b"a"), FILE),
    "padding.not-zero": (Member(name=b"a", data=b"x", padding=b"y" * 511),),
    "field.unused": (Member(name=b"a", reserved=b"x"),),
    "end.middle": (End(1), FILE),
    "raw": (Raw(b"junk"),),
}
CUT: dict[str, bytes] = {
    "checksum.form": encode_bytes(Recipe((FILE,))).replace(b"\0 0\0", b"\0\x000\0", 1),
    "end.missing": encode_bytes(Recipe((FILE,), end=1)),
    "padding.length": encode_bytes(Recipe((Member(name=b"a", data=b"x"),), end=0))[:-1],
}
ROWS = {code: encode_bytes(Recipe(parts)) for code, parts in SHOWN.items()} | CUT


def codes(data: bytes) -> set[str]:
    return {code for row in annotate(data) for code in row.oddities}


@pytest.mark.parametrize("code", ODDITIES)
def test_every_oddity_is_seen(code: str) -> None:
    assert code in codes(ROWS[code])


@pytest.mark.parametrize(
    ("code", "data"),
    [
        pytest.param(
            "long.not-terminated", encode_bytes(Recipe((Long(text=b"a", end=b""), FILE))), id="no-nul-at-all"
        ),
        pytest.param("padding.length", ROWS["padding.length"][:513], id="no-padding-at-all"),
    ],
)
def test_what_has_no_bytes_is_seen_too(code: str, data: bytes) -> None:
    assert code in codes(data)


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param((), id="nothing"),
        pytest.param((Member(kind="dir", name=b"d/"), Member(name=b"d/f", data=b"x")), id="ustar"),
        pytest.param((Member(format="gnu", name=b"a"), Member(format="v7", name=b"b")), id="gnu-and-v7"),
        pytest.param((Member(kind="symlink", name=b"l", linkname=b"a"),), id="symlink"),
        pytest.param((Pax(records=(Record(b"path", b"a/b"),)), Member(name=b"a")), id="pax"),
        pytest.param((Long(text=b"n" * 200), Member(format="gnu", name=b"n" * 99)), id="long"),
    ],
)
def test_ordinary_archives_have_no_oddities(parts: tuple[Part, ...]) -> None:
    assert codes(encode_bytes(Recipe(parts))) == set()


@given(archives)
def test_rows_cover_every_byte(data: bytes) -> None:
    at = 0
    for row in annotate(data):
        assert row.offset == at
        assert set(row.oddities) <= set(ODDITIES)
        at += row.length
    assert at == len(data)
    assert all("\n" not in line.plain for line in render(annotate(data), everything=True))


@given(archives)
def test_a_file_is_read_as_bytes_are(data: bytes) -> None:
    with mock.patch.object(stored, "WINDOW", 700), Spool(above=0) as spool:
        kept = spool.keep([data], "x.tar")
        assert list(annotate(kept)) == list(annotate(data))
        seen = [(one.start, one.body, one.size, one.stop, one.extensions) for one in scan(kept, head=3)]
    recipe = decode(data)
    want = [(one.start, one.body, one.size, one.stop, one.extensions) for one in located(recipe)]
    zeros = 512 * recipe.end
    at = len(data) - zeros
    assert seen == want + [(at, at, zeros, at + zeros, 0)] * bool(zeros)


HOLE = 1 << 30
"""Bytes of a body that nobody has to write."""


@pytest.fixture
def large(tmp_path: Path) -> Stored:
    """A large member, a large pax header and junk, nearly all of it holes."""
    path = tmp_path / "large.tar"
    with open(path, "wb") as file:
        for part in (Member(name=b"large", size=HOLE), Pax(size=HOLE)):
            file.write(encode_bytes(Recipe((part,), end=0)))
            file.seek(HOLE, os.SEEK_CUR)
        file.write(b"junk" * 128)
    return Stored(str(path), path.stat().st_size)


def test_large_archives_take_little_memory(large: Stored) -> None:
    tracemalloc.start()
    try:
        rows = [row.field for row in annotate(large)]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert rows.count("data") == 3
    assert peak < 16 << 20


def test_what_is_usual_is_left_out_unless_asked_for() -> None:
    rows = tuple(annotate(ROWS["dir.no-slash"]))
    short = "\n".join(line.plain for line in render(rows))
    assert "[dir.no-slash]" in short
    assert "gname" not in short
    assert "gname" in "\n".join(line.plain for line in render(rows, everything=True))
