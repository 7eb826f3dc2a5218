"""Archives that are kept in files: what compare, inspect, recipe and build make of them.

A few megabytes are enough to be kept in a file; what is larger here is holes.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tarbiter.archive.cases import TEXT, load
from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.recipe import Member, Recipe
from tarbiter.archive.stored import LARGE, MEMORY, Spool, Stored
from tarbiter.cli import main

RECIPE = Recipe((Member(name=b"large", data=bytes(range(256)) * (LARGE // 256)), Member(name=b"small", data=b"x")))
DROPS = """
import sys, tarfile
with tarfile.open(sys.argv[1]) as archive:
    archive.extractall(sys.argv[2], members=[one for one in archive if one.name != "small"])
"""


def run(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, [str(one) for one in arguments], input=stdin)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where spools are made."""
    path = tmp_path / "spools"
    path.mkdir()
    monkeypatch.setenv("TMPDIR", str(path))
    return path


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.tar"
    path.write_bytes(encode_bytes(RECIPE))
    return path


@pytest.fixture
def drops(tmp_path: Path) -> str:
    """A contestant that leaves the second member out."""
    path = tmp_path / "drops.py"
    path.write_text(DROPS)
    return f"{sys.executable} {path} {{archive}} {{dest}}"


def test_compare(large: Path, drops: str, place: Path) -> None:
    # All of its own: whoever is not named is not asked.
    same = run("compare", "--with", "extractor-compat,tarfile-fully-trusted", large)
    assert (same.exit_code, same.stdout) == (0, f"{large}: all 2 agree: extracted\n")
    parted = run(
        "compare", "--with", "extractor-compat", "--target", drops, "--html", place.parent / "x.html", large
    )
    assert parted.exit_code == 1, parted.output
    offset = 512 + LARGE
    assert f"member 2, bytes {offset:#x}-{offset + 511:#x} (name)" in parted.stdout
    page = (place.parent / "x.html").read_text()
    assert f"{512 * 5 + LARGE} bytes are too many for a recipe" in page
    assert "part 1: file" in page
    assert list(place.iterdir()) == []


def test_a_limit_of_the_cell_is_told_with_how_to_raise_it(large: Path) -> None:
    names = ("--with", "extractor-compat,tarfile-fully-trusted")
    low = run("compare", *names, "--disk", "3M", large)
    assert "4 runs went over" not in low.stderr  # each contestant is one row, however often it was run
    assert "2 runs went over a limit of the cell (extractor-compat, tarfile-fully-trusted): --disk 6G" in low.stderr
    assert run("compare", *names, "--disk", "16M", "--memory", "1G", large).exit_code == 0


@pytest.mark.parametrize("size", ["much", "6X", "1K", "-1", "9999999T", ""])
def test_no_sizes(size: str, large: Path) -> None:
    result = run("compare", "--disk", size, large)
    assert result.exit_code == 2
    assert "--disk" in result.stderr


@pytest.mark.parametrize("way", ["file", "gzip", "stdin"])
def test_inspect(way: str, large: Path, tmp_path: Path, place: Path) -> None:
    want = run("inspect", large).stdout
    assert "part 1" in want
    if way == "gzip":
        (tmp_path / "large.tar.gz").write_bytes(gzip.compress(large.read_bytes(), 1))
        found = run("inspect", tmp_path / "large.tar.gz").stdout.partition("\n")[2]
    else:
        found = run("inspect", *(["-"] if way == "stdin" else [large]), stdin=large.read_bytes()).stdout
    assert found == want
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("shown", [False, True])
def test_a_file_is_used_where_it_is_unless_cells_must_see_it(shown: bool, large: Path, place: Path) -> None:
    with Spool(shown=shown) as spool:
        loaded = load(str(large), spool)
        assert isinstance(loaded.archive, Stored)
        assert (loaded.archive.path == str(large)) != shown
        assert (loaded.archive.path.startswith(f"{place}/")) == shown
        assert Path(loaded.archive.path).read_bytes() == large.read_bytes()


def test_recipe_and_build_of_what_is_in_a_file(large: Path, tmp_path: Path) -> None:
    assert run("recipe", large, "-o", tmp_path / "x.toml").exit_code == 0
    assert run("build", tmp_path / "x.toml", "-o", tmp_path / "x.tar").exit_code == 0
    assert (tmp_path / "x.tar").read_bytes() == large.read_bytes()


def test_recipe_of_what_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with open(path, "wb") as file:
        file.write(encode_bytes(Recipe((Member(name=b"a", size=MEMORY),), end=0)))
        file.truncate(MEMORY + 512)
    result = run("recipe", path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"tarbiter: {path}: more than the {MEMORY >> 20} MiB that can be taken here" in result.stderr
    assert "`tarbiter inspect` shows larger archives, `tarbiter compare` runs them" in result.stderr


def test_recipe_whose_text_would_be_too_long(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    body = bytes(range(128, 256)) * (TEXT // 4 // 128)
    path.write_bytes(encode_bytes(Recipe((Member(name=b"a", data=body + b"more"),))))
    result = run("recipe", path, "-o", tmp_path / "x.toml")
    assert result.exit_code == 2
    assert "its recipe would have some 64 MiB of text" in result.stderr
    assert not (tmp_path / "x.toml").exists()


def test_build_of_what_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    with open(path, "wb") as file:
        file.truncate(TEXT + 1)
    result = run("build", path)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"a case of more than {TEXT >> 20} MiB" in result.stderr
