"""The scorecard counts, and its pages: every link leads somewhere, nothing of an archive is alive."""

from __future__ import annotations

import json
import os
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from tarbiter.archive.case import Case
from tarbiter.archive.expect import Entry, Expect, Reading
from tarbiter.archive.recipe import Member, Pax, Recipe, Record
from tarbiter.archive.text import dumps
from tarbiter.cli import main
from tarbiter.corpus.results import Made, Results, save
from tarbiter.corpus.scorecard import card, score
from tarbiter.corpus.shelf import shelve
from tarbiter.report.site import ROWS, pairs, render, site
from tests.report.test_browser import BROWSER, DESK, MEASURE, PHONE, browse

NASTY = b"<script>document.title='ran'</script>\xff\n"


def made(mark: str = "pass", reading: str = "must", *never: str, **more: object) -> Made:
    one = Made(archive="00", status="extracted", mark=mark, reading=reading, never=never)  # type: ignore[arg-type]
    return msgspec.structs.replace(one, **more)


CASES = {
    "a/one": made(),
    "a/two": made("fail", "", "escape", "silent-loss", detail=("<b>words</b>",), escapes=("created <i>x</i>",)),
    "b/three": made("pass", "other"),
    "b/four": made("not-run", "", detail=("unavailable",)),
    "b/five": made("fail", "must", "escape"),
}
STRICT = ("a/one", "a/two", "b/four", "b/five")


def results(name: str, version: str, cases: dict[str, Made]) -> Results:
    return Results(
        format=1, contestant=name, version=version, family="x", date="2026-01-31", environment={}, cases=cases
    )


def test_counts() -> None:
    total = score(CASES, STRICT)
    assert (total.cases, total.passed, total.failed, total.not_run) == (5, 2, 2, 1)
    assert (total.must, total.must_passed) == (3, 1)
    assert (total.never, total.broken) == ({"escape": 2, "silent-loss": 1}, 3)
    assert total.readings == {"other": 1}


def test_a_case_that_passes_must_and_breaks_never_is_no_pass_of_must() -> None:
    assert score({"a/one": made("fail", "must", "escape")}, ["a/one"]).must_passed == 0


def test_counts_by_topic() -> None:
    one = card(results("x", "1", CASES), STRICT)
    assert {topic: counted.cases for topic, counted in one.topics.items()} == {"a": 2, "b": 3}
    assert one.total == score(CASES, STRICT)


def test_versions_of_one_contestant_stand_side_by_side() -> None:
    row = [results(name, version, {}) for name, version in (("x@1", "1"), ("y", "3"), ("x", "2"), ("x@9", "9"))]
    assert [(old.version, new.version) for old, new in pairs(row)] == [("1", "2"), ("2", "9")]


# Pages ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    root = tmp_path / "corpus"
    must = Expect(must=(Entry(name=NASTY, data=b"x"),))
    may = Expect(may=(Reading(name="first", why="<b>so</b>"), Reading(name="other", tree=(Entry(name=b"a"),))))
    records = tuple(Record(b"key%d" % number, NASTY) for number in range(ROWS + 9))
    recipes = {
        "a/one": Case(
            title="<i>One</i>", why="<b>why</b>", recipe=Recipe(parts=(Member(name=NASTY),)), expect=must
        ),
        "a/two": Case(title="Two", recipe=Recipe(parts=(Pax(records=records), Member(name=b"a"))), expect=must),
        "b/three": Case(title="Three", recipe=Recipe(parts=(Member(name=b"a"),)), expect=may),
        "b/four": Case(title="Four", recipe=Recipe(parts=(Member(name=b"a"),)), expect=must),
        "b/five": Case(title="Five", recipe=Recipe(parts=(Member(name=b"W" * 100),))),
    }
    for name, case in recipes.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / f"{name}.toml").write_text(dumps(case))
    (root / "flags.toml").write_text("")
    return root


def pages(corpus: Path) -> dict[str, bytes]:
    shelved = [shelve(str(path)) for path in sorted(corpus.glob("*/*.toml"))]
    changed = {**CASES, "a/one": made(reading="", mark="fail", tree=("file <b>",))}
    row = [results("x@1.0", "1.0", CASES), results("x", "2.0", changed), results("y", "", CASES)]
    return render(site(row, shelved), {"tarbiter": "1"})


class Links(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name == "href"]


def test_every_link_leads_to_a_page(corpus: Path) -> None:
    made_pages = pages(corpus)
    assert set(made_pages) == {
        "index.html",
        *(f"case/{name}.html" for name in CASES),
        "contestant/x/1.0.html",
        "contestant/x/2.0.html",
        "contestant/y/unversioned.html",
        "diff/x/1.0..2.0.html",
    }
    linked = set()
    for path, page in made_pages.items():
        for link in Links(page.decode()).links:
            target = os.path.normpath(os.path.join(os.path.dirname(path), link))
            assert target in made_pages, (path, link)
            linked.add(target)
    assert linked == set(made_pages)


def test_nothing_of_an_archive_is_alive(corpus: Path) -> None:
    for path, page in pages(corpus).items():
        text = page.decode()
        assert {"script", "img", "b", "i"} & set(Links(text).tags) <= {"b", "i"}, path
        assert "<script>" not in text
        assert not re.search(r"<b>(words|so|why)|<i>(x|One)", text), path
        assert all(letter.isprintable() or letter == "\n" for letter in text), path


def test_a_case_says_what_is_expected_and_who_does_what(corpus: Path) -> None:
    made_pages = {path: unescape(page.decode()) for path, page in pages(corpus).items()}
    assert "<b>so</b>" in made_pages["case/b/three.html"]
    assert "refused, with an error" in made_pages["case/b/three.html"]
    assert "created <i>x</i>" in made_pages["case/a/two.html"]
    assert "fail now" in made_pages["diff/x/1.0..2.0.html"]
    assert "1 of 5 cases came out otherwise" in made_pages["diff/x/1.0..2.0.html"]
    assert re.findall(r"(\d/\d)", made_pages["index.html"])[:3] == ["1/2", "1/2", "0/0"]


def test_a_part_with_many_fields_is_cut_and_says_so(corpus: Path) -> None:
    assert re.search(r"and \d+ more fields of these parts", pages(corpus)["case/a/two.html"].decode())


def test_the_same_results_give_the_same_pages(corpus: Path) -> None:
    assert pages(corpus) == pages(corpus)


@pytest.mark.skipif(BROWSER is None, reason="no browser here: chromium, google-chrome")
@pytest.mark.parametrize("name", ["index.html", "case/a/one.html", "contestant/x/1.0.html", "diff/x/1.0..2.0.html"])
def test_it_fits_a_phone_and_a_desk(corpus: Path, tmp_path: Path, name: str) -> None:
    page, measure = tmp_path / "page.html", tmp_path / "measure.html"
    page.write_bytes(pages(corpus)[name])
    measure.write_text(MEASURE.replace("PAGE", page.as_uri()))
    dom = browse(tmp_path, "--dump-dom", "--virtual-time-budget=10000", measure.as_uri())
    found = re.search(r'<pre id="said">(.*?)</pre>', dom)
    assert found is not None
    for frame, width in (("phone", PHONE), ("desk", DESK)):
        seen = json.loads(unescape(found[1]))[frame]
        assert (seen["room"], seen["width"], seen["wide"]) == (width, width, [])
        assert "ran" not in seen["title"]


# The command ----------------------------------------------------------------------------------------------------


def conformance(corpus: Path, *arguments: str | Path) -> Result:
    command = ["conformance", "--corpus", str(corpus), *map(str, arguments)]
    return CliRunner(env={"COLUMNS": "160"}).invoke(main, command)


def test_it_runs_and_scores(corpus: Path, tmp_path: Path) -> None:
    pair = ("--with", "extractor-strict,extractor-compat")
    result = conformance(corpus, *pair, "--json", "--html", tmp_path / "site")
    assert result.exit_code == 0, result.output
    cards = json.loads(result.stdout)
    assert [one["contestant"] for one in cards] == ["extractor-strict", "extractor-compat"]
    assert {one["total"]["cases"] for one in cards} == {5}
    assert (tmp_path / "site" / "index.html").is_file()
    table = conformance(corpus, *pair)
    assert (table.exit_code, "extractor-strict" in table.stdout) == (0, True)


def test_recorded_results_need_no_run(corpus: Path, tmp_path: Path) -> None:
    for one in (results("x@1.0", "1.0", CASES), results("x", "2.0", CASES), results("y", "7", CASES)):
        save(str(corpus / "results"), one)
    result = conformance(corpus, "--recorded", "--with", "x", "--html", tmp_path / "site", "--json")
    assert [one["version"] for one in json.loads(result.stdout)] == ["1.0", "2.0"]
    assert (tmp_path / "site" / "diff" / "x" / "1.0..2.0.html").is_file()
    again = CliRunner().invoke(main, ["conformance", "--corpus", str(corpus), "--recorded"])
    assert again.exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--recorded",), "holds no results of these"),
        (("--recorded", "--target", "cat {archive} {dest}"), "leave out --target"),
        (("--with", "nobody"), "is no contestant"),
        (("--with", "extractor-strict", "--html", "/proc/none"), "cannot be written"),
    ],
)
def test_what_cannot_be_scored_ends_with_2(corpus: Path, arguments: tuple[str, ...], says: str) -> None:
    result = conformance(corpus, *arguments)
    assert (result.exit_code, says in result.stderr, "Traceback" in result.stderr) == (2, True, False)
