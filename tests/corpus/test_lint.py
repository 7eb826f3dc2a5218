"""Linting: each rule broken on a small corpus, the real one without a problem, and what formatting sets right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from tarbiter.archive.case import Case
from tarbiter.archive.expect import Entry, Expect, Reading
from tarbiter.archive.text import dumps
from tarbiter.cli import main
from tarbiter.corpus import lint, shelf

from .corpora import ROOT, case, make

FILE, DIRECTORY = (
    Reading(name="file", why="So.", tree=(Entry(name=b"a"),)),
    Reading(name="none", why="So.", tree=()),
)


def problems(root: Path) -> list[str]:
    shelved = list(shelf.cases(str(root)))
    words = shelf.flags(str(root)), shelf.dimensions(str(root))
    return [one.detail for one in (*lint.check(shelved, *words), *lint.check_words(str(root), shelved, *words))]


def changed(**fields: Any) -> Case:
    return msgspec.structs.replace(case("a"), **fields)


def test_the_small_corpus_is_right(tmp_path: Path) -> None:
    make(tmp_path / "c")
    assert problems(tmp_path / "c") == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        pytest.param(changed(id="headers/z"), "its place says 'headers/a'", id="id"),
        pytest.param(changed(title=""), "title: one sentence", id="no-title"),
        pytest.param(changed(title="A sentence."), "without a full stop", id="full-stop"),
        pytest.param(changed(why=""), "why:", id="no-why"),
        pytest.param(changed(source=()), "source: at least one", id="no-source"),
        pytest.param(changed(flags=()), "flags: at least one", id="no-flags"),
        pytest.param(changed(flags=("los",)), "'los' is no flag (flags.toml); did you mean loss?", id="flag"),
        pytest.param(changed(flags=("loss", "loss")), "flags: the same one twice", id="flag-twice"),
        pytest.param(changed(covers=("magick",)), "did you mean magic?", id="dimension"),
        pytest.param(changed(covers=("asked",)), "is no dimension that a case can show", id="elsewhere"),
        pytest.param(changed(title="A file called b"), "has the title of", id="same-title"),
        pytest.param(changed(recipe=case("b").recipe), "is the same archive as", id="same-archive"),
        pytest.param(
            changed(expect=Expect(may=(FILE, msgspec.structs.replace(DIRECTORY, why="")))),
            "why, in a",
            id="no-ground",
        ),
        pytest.param(
            changed(expect=Expect(may=(FILE, msgspec.structs.replace(FILE, name="x")))),
            "the same as one",
            id="same",
        ),
        pytest.param(
            changed(expect=Expect(may=(Reading(name="a", why="."), Reading(name="b", why=".")))),
            "that is a must",
            id="only-refusals",
        ),
        pytest.param(
            changed(expect=Expect(must=(Entry(name=b"a", same=b"z"),))), "which is not in its tree", id="same-of"
        ),
        pytest.param(changed(expect=Expect(must=(Entry(name=b"a"),), absent=(b"a",))), "and absent", id="absent"),
    ],
)
def test_each_rule(tmp_path: Path, wrong: Case, words: str) -> None:
    make(tmp_path / "c")
    (tmp_path / "c" / "headers" / "a.toml").write_text(dumps(wrong))
    found = problems(tmp_path / "c")
    assert any(words in one for one in found), found


@pytest.mark.parametrize(
    ("file", "more", "words"),
    [
        pytest.param("flags.toml", "[idle]\neffect = 'x'\n", "no case has the flag 'idle'", id="flag"),
        pytest.param("dimensions.toml", "magic = 'x'\n", "'magic' is shown, and elsewhere", id="both"),
    ],
)
def test_words_that_nobody_uses(tmp_path: Path, file: str, more: str, words: str) -> None:
    make(tmp_path / "c")
    with (tmp_path / "c" / file).open("a") as opened:
        opened.write(more)
    assert words in problems(tmp_path / "c")


def test_a_dimension_without_a_case(tmp_path: Path) -> None:
    make(tmp_path / "c")
    path = tmp_path / "c" / "dimensions.toml"
    path.write_text(path.read_text().replace("[elsewhere]", "numbers = 'x'\n\n[elsewhere]"))
    assert problems(tmp_path / "c") == ["no case shows 'numbers'"]


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["corpus", *words])
    return result.exit_code, result.output


def test_formatting(tmp_path: Path) -> None:
    root = tmp_path / "c"
    make(root)
    path = root / "headers" / "a.toml"
    path.write_text("# by hand\n" + path.read_text())
    code, output = run("lint", "--corpus", str(root))
    assert code == 1
    assert "a.toml: is not in canonical form" in output
    assert "SHA256SUMS: is not what the cases make" in output
    assert run("lint", "--fix", "--corpus", str(root))[0] == 0
    assert path.read_text() == dumps(case("a"))
    assert run("lint", "--corpus", str(root))[0] == 0


def test_a_missing_id_is_filled_in(tmp_path: Path) -> None:
    make(tmp_path / "c")
    path = tmp_path / "c" / "headers" / "a.toml"
    path.write_text(dumps(changed(id="")))
    assert problems(tmp_path / "c") == ["is not in canonical form: tarbiter corpus lint --fix"]
    assert run("lint", "--fix", str(path), "--corpus", str(tmp_path / "c"))[0] == 0
    assert path.read_text() == dumps(case("a"))


def test_what_cannot_be_read_is_one_problem_of_many(tmp_path: Path) -> None:
    make(tmp_path / "c")
    (tmp_path / "c" / "headers" / "broken.toml").write_text("titel = 'x'\n")
    code, output = run("lint", "--corpus", str(tmp_path / "c"))
    assert code == 1
    assert "broken.toml: 1: titel: unknown field" in output
    assert "2 cases" in output


def test_some_cases_only(tmp_path: Path) -> None:
    make(tmp_path / "c")
    path = tmp_path / "c" / "headers" / "a.toml"
    assert run("lint", str(path), "--corpus", str(tmp_path / "c"))[0] == 0
    assert not (tmp_path / "c" / lint.SUMS).exists()


def test_no_corpus(tmp_path: Path) -> None:
    code, output = run("lint", "--corpus", str(tmp_path))
    assert code == 2
    assert "--corpus DIR" in output


def test_the_corpus_is_right() -> None:
    code, output = run("lint", "--corpus", ROOT)
    assert (code, output.splitlines()[:-1]) == (0, [])
