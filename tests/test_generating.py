"""`tarbiter generate` and `tarbiter features`: what they write, print and refuse."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from tarbiter.archive.cases import load
from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.text import loads
from tarbiter.campaign.runs import Run
from tarbiter.campaign.store import Store
from tarbiter.cli import main
from tarbiter.generate.dimensions import DIMENSIONS, OUTSIDE
from tarbiter.generate.features import FEATURES
from tarbiter.generate.mutators import MUTATORS
from tarbiter.generate.recipes import case_at

from .campaign.findings import ASKED, finding


def run(*args: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, list(args))
    return result.exit_code, result.output


def test_cases_are_written_with_their_archives(tmp_path: Path) -> None:
    code, text = run("generate", "--seed", "7", "--count", "5", "--start", "3", "-o", str(tmp_path / "new" / "out"))
    assert code == 0
    assert text.startswith("5 cases of seed 7")
    files = sorted(path.name for path in (tmp_path / "new" / "out").iterdir())
    assert files == sorted(f"{index:06d}.{kind}" for index in range(3, 8) for kind in ("tar", "toml"))
    for index in range(3, 8):
        one = load(str(tmp_path / "new" / "out" / f"{index:06d}.toml"))
        want = case_at(7, index).case
        assert one.case is not None
        assert (one.case.recipe, one.case.world, one.case.schedule) == (want.recipe, want.world, want.schedule)
        assert one.case.id == f"seed-7/{index:06d}"
        assert (tmp_path / "new" / "out" / f"{index:06d}.tar").read_bytes() == encode_bytes(want.recipe)


def test_the_same_seed_writes_the_same_files(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert run("generate", "--seed", "9", "--count", "8", "-o", str(tmp_path / name))[0] == 0
    first = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    assert first == {path.name: path.read_bytes() for path in (tmp_path / "two").iterdir()}


def test_only_these_features_and_only_one_kind_of_file(tmp_path: Path) -> None:
    code, _ = run("generate", "--feature", "pax.size", "--only", "toml", "--count", "12", "-o", str(tmp_path))
    assert code == 0
    texts = [path.read_text() for path in tmp_path.iterdir()]
    assert len(texts) == 12
    assert all(path.suffix == ".toml" for path in tmp_path.iterdir())
    assert sum("pax.size" in loads(text).title for text in texts) > 6


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["generate", "-o", "/proc/nowhere"], "cannot be written"),
        (["generate", "--feature", "no.such", "-o", "x"], "no.such: is no feature"),
        (["features", "no.such"], "no.such: is no feature"),
        (["features", "--store", "/nowhere"], "/nowhere: is neither a store nor a run"),
        (["generate"], "Missing option"),
    ],
)
def test_what_cannot_be_done_is_told(args: list[str], words: str) -> None:
    code, text = run(*args)
    assert code == 2
    assert words in text


def test_every_feature_is_listed_with_an_example() -> None:
    code, text = run("features", "--json")
    rows = json.loads(text)
    assert code == 0
    assert {row["name"] for row in rows} == set(FEATURES)
    for row in rows:
        assert loads(row["example"]).recipe is not None
        assert (row["cases"], row["findings"]) == (None, None)
    text = run("features")[1]
    assert all(name in text for name in FEATURES)


def test_one_feature_with_its_values() -> None:
    code, text = run("features", "pax.size")
    assert code == 0
    assert "form: smaller, larger, header-0" in text
    assert 'kind = "pax"' in text
    assert "pax.record" not in text


def test_mutators_and_dimensions_are_listed() -> None:
    assert {row["name"] for row in json.loads(run("features", "--mutators", "--json")[1])} == set(MUTATORS)
    rows = json.loads(run("features", "--dimensions", "--json")[1])
    assert len(rows) == len(DIMENSIONS) + len(OUTSIDE)
    text = run("features", "--dimensions")[1]
    assert all(f"{one.name}\n" in text for one in DIMENSIONS)
    assert all(reason in text for reason in OUTSIDE.values())
    assert "field.set:" in run("features", "--mutators")[1]


def test_a_store_counts(tmp_path: Path) -> None:
    opened = Run.create(str(tmp_path / "run"), ASKED)
    made = msgspec.structs.replace(case_at(7, 3), features=("pax.size", "name.nul"))
    with Store(str(tmp_path / "store")) as store:
        number = store.begin(str(tmp_path / "run"), ASKED)
        store.add(opened.keep(finding(b"a"), made, ()), number)
        store.progress(number, 300, 1.0)
    opened.close()
    rows = {
        row["name"]: row for row in json.loads(run("features", "--json", "--store", str(tmp_path / "store"))[1])
    }
    assert rows["pax.size"]["findings"] == rows["name.nul"]["findings"] == 1
    assert sum(row["findings"] for row in rows.values()) == 2
    want = sum("pax.size" in case_at(7, index).features for index in range(300))
    assert rows["pax.size"]["cases"] == want > 0
