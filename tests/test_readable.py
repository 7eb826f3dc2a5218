"""What can be read is the same for the extractor, inspect, recipe and compare, whose code is apart on purpose."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import json
import lzma
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from click.testing import CliRunner

from onetar.__main__ import main as extractor
from tarbiter.archive.cases import AS_IT_IS, bytes_of, load
from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.recipe import Member, Recipe
from tarbiter.archive.text import loads
from tarbiter.cli import main

try:
    from compression import zstd  # type: ignore[import-not-found,unused-ignore]
except ImportError:
    zstd = pytest.importorskip("backports.zstd") if sys.version_info < (3, 14) else None

Forms: TypeAlias = dict[str, dict[str, dict[str, Any]]]
"""By name of a row and form of its file: what compare says."""

PLAIN = encode_bytes(Recipe((Member(name=b"hello", data=b"x" * 3000),)))


def named(name: bytes, **fields: Any) -> bytes:
    """An archive whose first member has this name."""
    return encode_bytes(Recipe((Member(name=name, data=b"hello", **fields),)))


def skipped(number: int, size: int = 4) -> bytes:
    """A zstd frame that is to be skipped."""
    return struct.pack("<II", 0x184D2A50 + number, size) + b"s" * size


def halves(pack: Callable[[bytes], bytes], between: bytes = b"") -> bytes:
    return pack(PLAIN[:700]) + between + pack(PLAIN[700:])


ALONE = lzma.compress(PLAIN, lzma.FORMAT_ALONE)

READ: dict[str, tuple[bytes, str]] = {
    "plain": (PLAIN, ""),
    "gzip": (gzip.compress(PLAIN), "gzip"),
    "gzip-members": (halves(gzip.compress), "gzip"),
    "gzip-padded": (gzip.compress(PLAIN) + bytes(512), "gzip"),
    "bzip2": (bz2.compress(PLAIN), "bzip2"),
    "bzip2-streams": (halves(bz2.compress), "bzip2"),
    "bzip2-padded": (bz2.compress(PLAIN) + bytes(512), "bzip2"),
    "xz": (lzma.compress(PLAIN), "xz"),
    "xz-streams": (halves(lzma.compress), "xz"),
    "xz-padded": (lzma.compress(PLAIN) + bytes(512), "xz"),
    "lzma": (ALONE, "lzma"),
    "lzma-padded": (ALONE + bytes(512), "lzma"),
    "zstd": (zstd.compress(PLAIN), "zstd"),
    "zstd-padded": (zstd.compress(PLAIN) + bytes(512), "zstd"),
    "zstd-skipped-before": (skipped(0) + zstd.compress(PLAIN), "zstd"),
    "zstd-skipped-between": (halves(zstd.compress, skipped(10) + skipped(15)), "zstd"),
    "zstd-skipped-behind": (zstd.compress(PLAIN) + skipped(1), "zstd"),
    "zstd-skipped-long": (skipped(7, 5000) + zstd.compress(PLAIN), "zstd"),
    "zstd-skipped-and-padded": (zstd.compress(PLAIN) + skipped(1) + bytes(512), "zstd"),
    "a-name-like-gzip": (named(b"\x1f\x8b"), ""),
    "a-name-like-bzip2": (named(b"BZhang/a"), ""),
    "a-name-like-lzip": (named(b"LZIP.txt"), ""),
    "a-name-like-zstd": (named(b"\x28\xb5\x2f\xfd"), ""),
    "a-name-like-a-frame-to-skip": (named(b"\x50\x2a\x4d\x18"), ""),
    "a-name-like-lz4-in-v7": (named(b"\x04\x22\x4d\x18", magic=b"", version=b""), ""),
}
"""What everybody reads, and the compression it has."""

TOLD: dict[str, tuple[bytes, str]] = {
    "lzip": (b"LZIP\x01\x0c" + bytes(600), "lzip -d FILE first"),
    "compress": (b"\x1f\x9d\x90" + b"x" * 600, "uncompress FILE first"),
    "lz4": (b"\x04\x22\x4d\x18\x64\x40\xa7" + bytes(600), "lz4 -d FILE first"),
    "lz4-skipped-before": (skipped(3) + b"\x04\x22\x4d\x18\x64\x40\xa7" + bytes(600), "lz4 -d FILE first"),
    "lz4-legacy": (b"\x02\x21\x4c\x18" + bytes(600), "lz4 -d FILE first"),
    "lzop": (b"\x89LZO\0\r\n\x1a\n" + bytes(600), "lzop -d FILE first"),
    "lzip-short": (b"LZIP\x01", "lzip -d FILE first"),
}
"""What is told by name and read by none of ours, with what to do."""

BROKEN: dict[str, tuple[bytes, str]] = {
    "gzip-cut": (gzip.compress(PLAIN)[:60], "cut short"),
    "gzip-damaged": (b"\x1f\x8b\x08\0" + b"\xff" * 600, "damaged"),
    "gzip-and-junk": (gzip.compress(PLAIN) + b"junk", "no gzip"),
    "bzip2-damaged": (b"BZhang is no bzip2" + b"." * 600, "damaged"),
    "xz-cut": (lzma.compress(PLAIN)[:80], "cut short"),
    "zstd-cut": (zstd.compress(PLAIN)[:-1], "cut short"),
    "zstd-damaged": (b"\x28\xb5\x2f\xfd" + b"\xff" * 600, "damaged"),
    "zstd-and-junk": (zstd.compress(PLAIN) + b"junk", "no zstd"),
    "zstd-skipped-cut": (zstd.compress(PLAIN) + skipped(0)[:-1], "cut short"),
    "lzma-twice": (ALONE + ALONE, "lzma"),
}
"""Damaged compression: nobody can say what is inside."""

FOREIGN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty"),
    "a-hundred-bytes": (bytes(range(100)), "no tar archive"),
    "text": (b"not a tar archive at all\n" * 40, "no tar archive"),
    "text-in-gzip": (gzip.compress(b"hello"), "no tar archive"),
    "nothing-in-gzip": (gzip.compress(b""), "empty"),
}
"""What is no tar: inspect and recipe show its bytes, compare runs it, the extractor refuses it."""

COMPARED = ("--with", "extractor-compat,tarfile-fully-trusted", "--json")


def table(rows: dict[str, tuple[bytes, str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("data", "words"), [pytest.param(*row, id=name) for name, row in rows.items()])


def extracted(path: Path) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = extractor(["t", "--compat", str(path)])
    return code, out.getvalue(), err.getvalue()


def run(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner(env={"COLUMNS": "300"}).invoke(main, [str(one) for one in arguments])
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def path(tmp_path: Path, data: bytes) -> Path:
    found = tmp_path / "some.file"
    found.write_bytes(data)
    return found


@table(READ)
def test_what_all_of_them_read(path: Path, words: str) -> None:
    inside = load(str(path)).data
    assert load(str(path)).compression == words
    code, listed, _ = extracted(path)
    assert (code, listed.count("\n")) == (0, 1)
    code, shown, _ = run("inspect", path)
    assert code == 0
    assert listed.strip().encode() in inside[:100] or "\\" in listed
    assert "part 0" in shown
    assert "[raw]" not in shown
    code, toml, told = run("recipe", path)
    assert code == 0
    assert encode_bytes(loads(toml).recipe) == inside
    assert bytes_of(loads(toml)) == path.read_bytes()
    assert told.count(f"{words} kept as a layer") == bool(words)
    assert loads(run("recipe", "--plain", path)[1]).layers == ()


@table(TOLD)
def test_what_is_named_for_what_it_is(path: Path, words: str) -> None:
    for code, out, err in (extracted(path), run("inspect", path), run("recipe", path)):
        assert (code, out) == (2, "")
        assert f"which is not taken off here; {words}" in err
        assert "no tar archive" not in err
        assert err.count("\n") == 1


@table(BROKEN)
def test_what_is_damaged_for_all_of_them(path: Path, words: str) -> None:
    code, _, err = extracted(path)
    assert code in (1, 2)
    assert "compression." in err
    for code, out, err in (run("inspect", path), run("recipe", path)):
        assert (code, out) == (2, "")
        assert words in err


@table(FOREIGN)
def test_what_is_no_tar_is_shown_as_bytes(path: Path, words: str) -> None:
    assert extracted(path)[0] == 2
    code, out, _ = run("inspect", path)
    assert code == 0
    assert words in out
    code, toml, err = run("recipe", path)
    assert code == 0
    assert words in err
    assert encode_bytes(loads(toml).recipe) == load(str(path)).archive
    assert bytes_of(loads(toml)) == path.read_bytes()


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Forms:
    folder = tmp_path_factory.mktemp("compared")
    rows = READ | TOLD | BROKEN | FOREIGN
    for name, (data, _) in rows.items():
        (folder / name).write_bytes(data)
    code, out, err = run("compare", *COMPARED, *(folder / name for name in rows))
    found: Forms = {}
    for one in json.loads(out):
        found.setdefault(Path(one["file"]).name, {})[one.get("form", "")] = one
    # Compression that nobody takes off leaves one contestant of two.
    assert (code, sorted(found)) == (2, sorted(rows))
    assert {line.split(": ")[1].rpartition("/")[2] for line in err.splitlines()} == set(TOLD | BROKEN)
    return found


@pytest.mark.parametrize("name", READ)
def test_compare_reads_the_same(compared: Forms, name: str) -> None:
    forms, compression = compared[name], READ[name][1]
    assert set(forms) == ({f"{compression} taken off", AS_IT_IS} if compression else {""})
    for form, one in forms.items():
        assert "notes" not in one
        (group,) = one["divergence"]["groups"]
        who = ["extractor-compat"] if form == AS_IT_IS else ["extractor-compat", "tarfile-fully-trusted"]
        assert (group["status"], group["contestants"]) == ("extracted", who)


@pytest.mark.parametrize("name", [*TOLD, *BROKEN])
def test_compare_runs_compression_that_stays_as_it_is(compared: Forms, name: str) -> None:
    assert list(compared[name]) == [AS_IT_IS]
    assert (TOLD | BROKEN)[name][1] in compared[name][AS_IT_IS]["notes"][0]


@pytest.mark.parametrize("name", FOREIGN)
def test_compare_runs_what_is_no_tar(compared: Forms, name: str) -> None:
    for form, one in compared[name].items():
        assert FOREIGN[name][1] in one["notes"][0]
        heard = [who for group in one["divergence"]["groups"] for who in group["contestants"]]
        assert sorted(heard) == ["extractor-compat", *([] if form == AS_IT_IS else ["tarfile-fully-trusted"])]
