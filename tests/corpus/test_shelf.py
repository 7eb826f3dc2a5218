"""Reading a corpus: topics, flags, and what is wrong with a file, told with its name."""

from pathlib import Path

import pytest

from tarbiter.archive.cases import InputError
from tarbiter.archive.text import CaseError
from tarbiter.corpus import shelf

from .corpora import ROOT


def test_flags_have_an_effect_and_a_link() -> None:
    flags = shelf.flags(ROOT)
    assert all(flag.effect.endswith(".") and flag.links for flag in flags.values())
    assert list(flags) == sorted(flags)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("[a]\n", "effect", id="missing-field"),
        pytest.param("[a]\neffect = 'x'\nlink = []\n", "link", id="unknown-field"),
        pytest.param("[a\n", "flags.toml", id="not-toml"),
    ],
)
def test_flags_that_are_wrong(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "flags.toml").write_text(text)
    with pytest.raises(InputError, match=words):
        shelf.flags(str(tmp_path))


def test_no_corpus(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--corpus"):
        shelf.flags(str(tmp_path))
    with pytest.raises(InputError, match="name the directory"):
        shelf.paths(str(tmp_path / "missing"))


def test_cases_come_in_the_order_of_their_paths(tmp_path: Path) -> None:
    for name in ("b/x", "a/y", "a/B", "results/z", ".hidden/q"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.toml").write_text("title = 'x'\n")
    (tmp_path / "a" / "notes.txt").write_text("no case")
    assert [one.place for one in shelf.cases(str(tmp_path))] == ["a/B", "a/y", "b/x"]


def test_a_case_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.toml").write_text("titel = 'x'\n")
    with pytest.raises(CaseError, match=r"x\.toml:1"):
        list(shelf.cases(str(tmp_path)))
