"""Seeds: what is taken, what is left out, and that they are run as they are before anything is made of them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tarbiter.archive.case import Case, Schedule
from tarbiter.archive.cases import InputError, bytes_of
from tarbiter.archive.recipe import Member, Recipe
from tarbiter.archive.text import dumps
from tarbiter.campaign.packing import unpack
from tarbiter.campaign.search import LARGEST, Search
from tarbiter.campaign.seeds import MOST, gather
from tarbiter.cli import main

SLASH = Case(id="names/slash", title="A file with a slash", recipe=Recipe(parts=(Member(name=b"odd-one/"),)))
PLAIN = Case(recipe=Recipe(parts=(Member(name=b"f", data=b"x"),)), schedule=Schedule(chunks=(7,)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "seeds" / "below").mkdir(parents=True)
    (tmp_path / "seeds" / "a.toml").write_text(dumps(SLASH))
    (tmp_path / "seeds" / "below" / "b.tar.gz").write_bytes(gzip.compress(bytes_of(PLAIN)))
    return tmp_path / "seeds"


def test_cases_and_archives_are_taken_compressed_or_not(folder: Path) -> None:
    seeds = gather([str(folder)])
    first, second = (unpack(one.packed, Case) for one in seeds.parents)
    assert (first.recipe, first.id, first.title) == (SLASH.recipe, "", "")
    assert bytes_of(second) == bytes_of(PLAIN)
    assert [name.partition(" ")[0] for name in seeds.names] == [
        str(folder / "a.toml"),
        str(folder / "below" / "b.tar.gz"),
    ]
    assert seeds.left_out == ()


def test_what_is_left_out_is_told(folder: Path) -> None:
    (folder / "again.toml").write_text(dumps(Case(title="in other words", recipe=SLASH.recipe)))
    (folder / "broken.toml").write_text("part = [")
    (folder / "large.tar").write_bytes(bytes(LARGEST + 512))
    seeds = gather([str(folder)])
    assert len(seeds.parents) == 2
    said = "\n".join(seeds.left_out)
    assert "again.toml: the same" in said
    assert "broken.toml" in said
    assert f"large.tar: {LARGEST + 512} bytes" in said


def test_there_is_room_for_so_many(folder: Path) -> None:
    for number in range(MOST + 3):
        (folder / f"n{number:04}.tar").write_bytes(
            bytes_of(Case(recipe=Recipe(parts=(Member(name=b"%d" % number),))))
        )
    seeds = gather([str(folder)])
    assert (len(seeds.parents), len(seeds.left_out)) == (MOST, 5)


@pytest.mark.parametrize("name", ["nothing", "empty", "broken.toml"])
def test_what_is_named_must_be_there(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.toml").write_text("part = [")
    result = CliRunner().invoke(main, ["fuzz", "--cases", "1", "--seeds", str(tmp_path / name)])
    assert (result.exit_code, name in result.stderr) == (2, True)
    with pytest.raises(InputError):
        gather([str(tmp_path / "empty")])


def test_a_bad_seed_does_not_end_the_others(tmp_path: Path, folder: Path) -> None:
    crash, none = tmp_path / "crash", tmp_path / "none.tar"
    crash.write_bytes(bytes(range(100)))
    arguments = ["--with", "extractor-compat,tarfile-fully-trusted", "--seeds", str(folder), "--seeds", str(crash)]
    result = CliRunner().invoke(
        main, ["fuzz", "--cases", "1", "--seed", "1", "-o", str(tmp_path / "run"), *arguments, "--seeds", str(none)]
    )
    assert result.exit_code == 2
    assert f"tarbiter: {crash}: no tar archive" in result.stderr
    assert f"tarbiter: {none}: no such file" in result.stderr
    assert (tmp_path / "run").is_dir()


def test_seeds_come_first_as_they_are_then_their_children(folder: Path) -> None:
    seeds = gather([str(folder)])
    proposed = Search(3, seeds.parents, given=2).propose(0, 40)
    assert [one.case.recipe for one in proposed[:2]] == [SLASH.recipe, unpack(seeds.parents[1].packed, Case).recipe]
    assert proposed[0].parents == ()
    children = [one for one in proposed[2:] if any(name.startswith("seed:") for name in one.parents)]
    assert children
    assert [one.index for one in proposed] == list(range(40))


def test_a_campaign_finds_what_a_seed_shows(folder: Path, tmp_path: Path) -> None:
    pair = "extractor-compat,tarfile-fully-trusted"
    arguments = ["fuzz", "--cases", "2", "--seed", "3", "--with", pair, "--seeds", str(folder)]
    done = CliRunner().invoke(main, [*arguments, "-o", str(tmp_path / "run")])
    assert done.exit_code == 1, done.output
    rows = [json.loads(line) for line in (tmp_path / "run" / "findings.jsonl").read_text().splitlines()]
    assert {row["index"] for row in rows} == {0}
    assert all("odd-one/" in row["original"] for row in rows)
    asked = json.loads((tmp_path / "run" / "run.json").read_text())
    assert [name.partition(" ")[0] for name in asked["seeds"]] == [
        str(folder / "a.toml"),
        str(folder / "below" / "b.tar.gz"),
    ]
    again = CliRunner().invoke(main, [*arguments, "--resume", str(tmp_path / "run")])
    assert (again.exit_code, "--seeds" in again.stderr) == (2, True)
