"""Sparse files in all five encodings: the same file, written with its holes; a map that cannot be is refused."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from onetar import Kind, Limits, TarError, check, extract, members
from tarbiter.archive.recipe import Part, Slot, SparseBlock

from .archives import common, file, pack, pax

HOLE = 1 << 20
WANT = b"head" + bytes(HOLE - 4) + b"middle" + bytes(HOLE)
SIZE = len(WANT)
STORED = b"headmiddle"
MAP = (0, 4, HOLE, 6, SIZE, 0)
"""As GNU tar ends it: an empty piece at the file's end."""


def slots(*numbers: int) -> tuple[Slot, ...]:
    return tuple(Slot(*numbers[at : at + 2]) for at in range(0, len(numbers), 2))


def old(*numbers: int, data: bytes = STORED, realsize: int = SIZE, **fields: object) -> tuple[Part, ...]:
    return (file(b"s", data, kind="sparse", format="gnu", sparse=slots(*numbers[:8]), realsize=realsize, **fields),)


def records(**values: object) -> list[tuple[bytes, bytes]]:
    return [(b"GNU.sparse." + key.encode(), str(value).encode()) for key, value in values.items()]


def in_pax(*more: tuple[bytes, bytes], data: bytes = STORED, **values: object) -> tuple[Part, ...]:
    return pax(*records(**values), *more), file(b"GNUSparseFile.0/s", data)


def alternating(*numbers: int) -> list[tuple[bytes, bytes]]:
    keys = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")
    return [(keys[place % 2], b"%d" % number) for place, number in enumerate(numbers)]


def in_body(text: bytes, data: bytes = STORED, realsize: int = SIZE) -> tuple[Part, ...]:
    return in_pax(data=text + bytes(-len(text) % 512) + data, major=1, minor=0, name="s", realsize=realsize)


BODY_MAP = b"3\n" + b"".join(b"%d\n" % number for number in MAP)

ENCODINGS: dict[str, tuple[Part, ...]] = {
    "old": old(*MAP),
    "old-with-extension-blocks": old(
        *(0, 1, 1, 1, 2, 1, 3, 1),
        extensions=(
            SparseBlock(slots(*(number for at in range(21) for number in (4 + at, 0))), isextended=1),
            SparseBlock(slots(HOLE, 6, SIZE, 0)),
        ),
    ),
    "pax-0.0": in_pax(*alternating(*MAP), size=SIZE, numblocks=3, name="s"),
    "pax-0.1": in_pax(size=SIZE, numblocks=3, map=",".join(map(str, MAP)), name="s"),
    "pax-1.0": in_body(BODY_MAP),
}


@pytest.mark.parametrize("parts", ENCODINGS.values(), ids=ENCODINGS)
def test_every_encoding_is_one_file(tmp_path: Path, parts: tuple[Part, ...]) -> None:
    report = extract(pack(*parts, file(b"after")), tmp_path)
    assert (tmp_path / "s").read_bytes() == WANT
    assert (tmp_path / "after").read_bytes() == b"text"
    assert [(row.path, row.size, row.code) for row in report.members] == [(b"s", SIZE, ""), (b"after", 4, "")]
    assert report.members[0].stop == report.members[1].offset


@pytest.mark.parametrize("parts", ENCODINGS.values(), ids=ENCODINGS)
def test_holes_stay_holes(tmp_path: Path, parts: tuple[Part, ...]) -> None:
    extract(pack(*parts), tmp_path)
    assert (tmp_path / "s").stat().st_blocks * 512 < HOLE


@pytest.mark.parametrize("parts", ENCODINGS.values(), ids=ENCODINGS)
def test_the_cut_of_the_input_does_not_matter(tmp_path: Path, parts: tuple[Part, ...]) -> None:
    archive = pack(*parts, file(b"after"))
    whole = extract(archive, tmp_path / "whole")
    assert extract((archive[at : at + 1] for at in range(len(archive))), tmp_path / "bytes") == whole
    assert (tmp_path / "bytes/s").read_bytes() == WANT


@pytest.mark.parametrize("parts", ENCODINGS.values(), ids=ENCODINGS)
def test_listing(parts: tuple[Part, ...]) -> None:
    first, second = members(pack(*parts, file(b"after")))
    assert (first.kind, first.path, first.length) == (Kind.SPARSE, b"s", SIZE)
    assert second.path == b"after"
    assert first.span.stop + first.size + -first.size % 512 == second.offset


@pytest.mark.parametrize("parts", ENCODINGS.values(), ids=ENCODINGS)
def test_strict_refuses(parts: tuple[Part, ...]) -> None:
    with pytest.raises(TarError) as caught:
        check(pack(*parts), policy="strict")
    assert caught.value.code in ("strict.type", "strict.pax")


@pytest.mark.parametrize(
    ("size", "parts"),
    [
        pytest.param(0, old(data=b"", realsize=0), id="empty"),
        pytest.param(SIZE, old(SIZE, 0, data=b""), id="nothing-but-a-hole"),
        pytest.param(SIZE, in_body(b"0\n", data=b""), id="nothing-but-a-hole-in-the-body"),
        pytest.param(10, old(0, 10, realsize=10), id="no-hole"),
    ],
)
def test_maps_at_the_edge(tmp_path: Path, size: int, parts: tuple[Part, ...]) -> None:
    extract(pack(*parts), tmp_path)
    assert (tmp_path / "s").stat().st_size == size


REFUSED: dict[str, tuple[str, tuple[Part, ...]]] = {
    "overlapping": ("sparse.map", old(0, 4, 3, 6)),
    "backwards": ("sparse.map", old(HOLE, 4, 0, 6)),
    "beyond-the-size": ("sparse.map", old(0, 4, SIZE, 6)),
    "more-than-is-stored": ("sparse.size", old(0, 4, HOLE, 7)),
    "less-than-is-stored": ("sparse.size", old(0, 4)),
    "negative-offset": ("sparse.number", old(-1, 4, HOLE, 6)),
    "negative-size": ("sparse.number", old(0, 4, realsize=-1)),
    "extended-and-ended": ("sparse.map", old(0, 4, isextended=1, extensions=(SparseBlock(),))),
    "no-number": ("sparse.number", (file(b"s", kind="sparse", format="gnu", sparse=(Slot(b"x", 4),)),)),
    "not-under-gnu": ("sparse.version", (file(b"s", typeflag=b"S"),)),
    "version-2": ("sparse.version", in_pax(major=2, minor=0, realsize=4)),
    "version-half": ("sparse.version", in_pax(major=1, realsize=4)),
    "no-size": ("sparse.version", in_pax(map="0,10")),
    "odd-map": ("sparse.map", in_pax(size=SIZE, map="0,4,9")),
    "words-in-a-map": ("sparse.number", in_pax(size=SIZE, map="0,x")),
    "signed-map": ("sparse.number", in_pax(size=SIZE, map="0,+4")),
    "two-offsets": ("sparse.map", in_pax((b"GNU.sparse.offset", b"1"), (b"GNU.sparse.offset", b"2"), size=SIZE)),
    "offset-alone": ("sparse.map", in_pax((b"GNU.sparse.offset", b"1"), size=SIZE)),
    "words-for-a-size": ("pax.number", in_pax(size="x", map="0,10")),
    "body-without-newline": ("sparse.number", in_body(b"1" * 512)),
    "body-words": ("sparse.number", in_body(b"x\n")),
    "body-too-short": ("sparse.map", in_pax(data=b"3\n0\n", major=1, minor=0, realsize=SIZE, name="s")),
    "body-with-more": ("sparse.map", in_body(BODY_MAP + b"7\n")),
    "on-a-directory": ("sparse.version", (pax(*records(size=0, map="0,0")), file(b"s", b"", kind="dir"))),
    "for-all": ("sparse.version", (common(*records(size=10, map="0,10")), file(b"s", STORED))),
    "too-large": ("limit.output", old(1 << 50, 10, realsize=1 << 51)),
    "too-many-pieces": ("limit.sparse", in_body(b"%d\n" % (1 << 19))),
    "cut-short-in-the-map": ("archive.truncated", old(0, 0, 0, 0, 0, 0, 0, 0, data=b"", size=10, isextended=1)),
}


@pytest.mark.parametrize(("code", "parts"), REFUSED.values(), ids=REFUSED)
def test_refused(tmp_path: Path, code: str, parts: tuple[Part, ...]) -> None:
    with pytest.raises(TarError) as caught:
        extract(pack(*parts, end=0), tmp_path / "dest", keep_partial=False)
    assert caught.value.code == code
    assert list(tmp_path.iterdir()) == []


def test_pieces_are_limited_in_every_encoding() -> None:
    for name, parts in ENCODINGS.items():
        with pytest.raises(TarError) as caught:
            check(pack(*parts), limits=Limits(sparse=1))
        assert caught.value.code == "limit.sparse", name


@pytest.mark.skipif(shutil.which("tar") is None, reason="no tar on this machine")
@pytest.mark.parametrize("form", ["gnu", "pax-0.0", "pax-0.1", "pax-1.0"])
@pytest.mark.parametrize("pieces", [1, 5, 60])
def test_what_gnu_tar_packs(tmp_path: Path, form: str, pieces: int) -> None:
    (tmp_path / "in").mkdir()
    with open(tmp_path / "in/s", "wb") as out:
        for number in range(pieces):
            out.seek(number * 200_000 + 100_000)
            out.write(b"%d" % number * 3000)
        out.truncate(pieces * 200_000 + 50_000)
    name, _, version = form.partition("-")
    options = [f"--sparse-version={version}"] if version else []
    command = ["tar", "--sparse", f"--format={'posix' if name == 'pax' else name}", *options, "-cf", "s.tar", "in"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    if "unrecognized option" in done.stderr or "invalid option" in done.stderr:
        pytest.skip(f"this tar does not make sparse files: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert os.path.getsize(tmp_path / "s.tar") < pieces * 100_000 + 50_000
    extract(tmp_path / "s.tar", tmp_path / "out")
    assert (tmp_path / "out/in/s").read_bytes() == (tmp_path / "in/s").read_bytes()
    assert (tmp_path / "out/in/s").stat().st_blocks <= (tmp_path / "in/s").stat().st_blocks + 8 * pieces
