"""Compressed files are compared twice: with the compression taken off, and as they are."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tarbiter.archive.cases import AS_IT_IS
from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.layers import Layer, LayerKind, wrap
from tarbiter.archive.recipe import Member, Recipe
from tarbiter.cli import main
from tarbiter.contest.installed.registry import Table, everyone

PLAIN = encode_bytes(Recipe((Member(name=b"hello", data=b"x" * 3000),)))
OURS = ("--with", "extractor-compat,extractor-strict,tarfile-fully-trusted")
OWN = "#!{python}\nimport sys, tarfile\ntarfile.open(sys.argv[1], {mode!r}).extractall(sys.argv[2])\n"
HERE = {one.name for one in everyone() if not one.missing}


def run(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "300"}).invoke(main, ["compare", *map(str, arguments)])


def compared(*arguments: object) -> tuple[int, dict[str, Any]]:
    done = run(*arguments, "--json")
    return done.exit_code, {one.get("form", ""): one for one in json.loads(done.stdout)}


def groups(one: dict[str, Any]) -> list[tuple[str, list[str]]]:
    return [(group["status"], group["contestants"]) for group in one["divergence"]["groups"]]


@pytest.fixture
def padded(tmp_path: Path) -> Path:
    """What strict refuses, and zstd itself; without its compression nothing is wrong with it."""
    path = tmp_path / "padded.tar.zst"
    path.write_bytes(wrap(PLAIN, (Layer(kind="zstd", tail=bytes(512)),)))
    return path


def test_a_difference_as_it_is_counts(padded: Path) -> None:
    code, forms = compared(padded, *OURS)
    assert (code, list(forms)) == (1, ["zstd taken off", AS_IT_IS])
    off, as_it_is = forms.values()
    assert [status for status, _ in groups(off)] == ["extracted"]
    assert sorted(groups(as_it_is)) == [("extracted", ["extractor-compat"]), ("refused", ["extractor-strict"])]
    assert (off["size"], as_it_is["size"]) == (len(PLAIN), padded.stat().st_size)
    assert as_it_is["divergence"]["left_out"] == [
        ["tarfile-fully-trusted", "unavailable: it does not take zstd off"]
    ]


def test_both_are_shown(padded: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = run(padded, *OURS, "--html", page)
    assert done.exit_code == 1
    assert f"{padded} (zstd taken off): all 3 agree: extracted" in done.stdout
    assert f"{padded} (as it is): 2 readings among 2 contestants" in done.stdout
    assert "left out tarfile-fully-trusted: unavailable: it does not take zstd off" in done.stdout
    text = page.read_text()
    assert f"{padded} (zstd taken off)" in text
    assert f"{padded} (as it is)" in text


def test_compression_that_one_reads_is_compared_without_it(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(PLAIN))
    done = run(path, "--with", "extractor-compat,tarfile-fully-trusted")
    assert done.exit_code == 0
    assert f"{path} (as it is): not compared: only extractor-compat of 2 ran" in done.stdout


def test_a_file_that_nobody_can_be_compared_on_is_no_agreement(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.lz4"
    path.write_bytes(b"\x04\x22\x4d\x18" + bytes(600))
    done = run(path, "--with", "extractor-compat,tarfile-fully-trusted")
    assert done.exit_code == 2
    assert "compressed with lz4, which is not taken off here; lz4 -d FILE first" in done.stdout
    assert f"{path}: not compared: none of 2 ran" in done.stderr


@pytest.mark.parametrize(
    ("mode", "left_out"),
    [
        pytest.param("r:*", [], id="reads-it"),
        pytest.param("r:", ["it does not take gzip off: of an ordinary archive in it, refused: "], id="does-not"),
    ],
)
def test_of_a_target_it_is_tried(tmp_path: Path, mode: str, left_out: list[str]) -> None:
    path, own = tmp_path / "a.tar.gz", tmp_path / "own"
    path.write_bytes(gzip.compress(PLAIN))
    own.write_text(OWN.format(python=sys.executable, mode=mode))
    own.chmod(0o755)
    code, forms = compared(
        path, "--with", "extractor-compat,extractor-strict", "--target", f"{own} {{archive}} {{dest}}"
    )
    assert code == 0
    ((_, heard),) = groups(forms[AS_IT_IS])
    assert len(heard) == 3 - len(left_out)
    said = [reason for _, reason in forms[AS_IT_IS]["divergence"].get("left_out", [])]
    assert [
        want for want, reason in zip(left_out, said, strict=True) if reason.startswith(f"unavailable: {want}")
    ] == left_out
    ((_, heard),) = groups(forms["gzip taken off"])
    assert len(heard) == 3


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz", "zstd"])
def test_programs_that_take_compression_off_are_in_the_cell(tmp_path: Path, kind: LayerKind) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(wrap(PLAIN, (Layer(kind=kind),)))
    readers = sorted(
        one.name
        for one in everyone()
        if one.name in HERE and one.table.reads is not None and not one.table.taking_off(kind)
    )
    code, forms = compared(path, "--with", ",".join(readers))
    assert (code, [(status, sorted(heard)) for status, heard in groups(forms[AS_IT_IS])]) == (
        0,
        [("extracted", readers)],
    )


def test_a_program_that_is_not_here_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = Table(reads=("lzip", "xz"), through={"lzip": ("no-such-lzip", "nor-this-one")})
    assert table.taking_off("xz") == ""
    assert table.taking_off("gzip") == "it does not take gzip off"
    words = "it takes lzip off with the program no-such-lzip or nor-this-one, which is not here"
    assert table.taking_off("lzip") == words
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "nor-this-one").touch(0o755)
    assert table.taking_off("lzip") == ""


# Several files --------------------------------------------------------------------------------------------------


def test_a_bad_file_does_not_end_the_others(tmp_path: Path) -> None:
    good, crash, bad = tmp_path / "good.tar", tmp_path / "crash", tmp_path / "bad.toml"
    good.write_bytes(PLAIN)
    crash.write_bytes(bytes(range(100)))
    bad.write_text("[[part]]\nname = 3\n")
    done = run(tmp_path / "none", good, tmp_path, bad, crash, *OURS)
    assert done.exit_code == 2
    assert f"{good}: all 3 agree: extracted" in done.stdout
    assert f"{crash} (no tar archive: 100 bytes, less than one block of 512): all 3 agree: refused" in done.stdout
    assert "archive.truncated" in done.stdout
    wanted = ("no such file", "is a directory", "part[0].name: expected a string")
    assert [words in line for words, line in zip(wanted, done.stderr.splitlines(), strict=True)] == [True] * 3
