"""The pages about the code name what there is, and CONTRIBUTING does not repeat the glossary."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tarbiter.commands.report import FORMATS

ROOT = Path(__file__).resolve().parent.parent
TARBITER = ROOT / "harness" / "tarbiter"
PAGES = ("architecture.md", "glossary.md", "adding.md")


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def first_column(text: str) -> list[str]:
    return re.findall(r"^\| `([^`|]+)/` \|", text, re.MULTILINE)


def test_the_architecture_names_every_package() -> None:
    packages = {path.parent.relative_to(TARBITER).as_posix() for path in TARBITER.rglob("*/__init__.py")}
    assert set(first_column(page("architecture.md"))) == packages


def test_every_word_of_the_glossary_comes_once_and_in_order() -> None:
    words = re.findall(r"^\| ([a-z][^|]*) \| (?:`| )", page("glossary.md"), re.MULTILINE)
    assert len(words) > 40
    assert words == sorted(set(words))


def test_the_modules_of_the_glossary_exist() -> None:
    modules = re.findall(r"^\| [^|]+ \| `([^`]+)` \|", page("glossary.md"), re.MULTILINE)
    assert modules
    assert [one for one in modules if not (TARBITER / one).is_file() and not (ROOT / one).is_file()] == []


@pytest.mark.parametrize("name", PAGES)
def test_the_files_that_a_page_names_exist(name: str) -> None:
    named = set(re.findall(r"`((?:harness|extractor|tests)/[\w./-]+)`", page(name)))
    assert [one for one in sorted(named) if not (ROOT / one).exists()] == []


@pytest.mark.parametrize("name", PAGES)
def test_the_links_of_a_page_lead_somewhere(name: str) -> None:
    targets = set(re.findall(r"\]\(([^)#]+)", page(name)))
    assert [one for one in sorted(targets) if not (ROOT / "docs" / one).exists()] == []


def test_contributing_points_to_the_glossary() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert "(docs/glossary.md)" in text
    assert "| word | meaning |" not in text


def test_every_format_of_the_report_has_a_row() -> None:
    rows = re.findall(r"^\| `(\w+)`[^|]* \| `([\w.]+)` \|", page("reports.md"), re.MULTILINE)
    assert {form: file for form, file in rows if form in FORMATS} == {
        name: one.file for name, one in FORMATS.items()
    }
