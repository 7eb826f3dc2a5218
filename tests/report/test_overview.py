"""The page of a report: everything in it, nothing of it alive, and it fits."""

from __future__ import annotations

import json
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from tarbiter.archive.encode import encode
from tarbiter.archive.recipe import Member, Raw, Recipe
from tarbiter.report.comparison import anatomy
from tarbiter.report.overview import HEAT, HEIGHT, SECTIONS, WIDTH, heat, overview, plot
from tarbiter.report.record import Point, Report
from tarbiter.report.sources import gather

from .stores import NASTY, empty, filled
from .test_browser import BROWSER, DESK, MEASURE, PHONE, browse, picture

ALIVE = ("script", "img", "iframe", "object", "embed", "link", "form", "video", "audio")


class Page(HTMLParser):
    """Tags, ids, links and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture
def report(tmp_path: Path) -> Report:
    return gather(str(filled(tmp_path)))


def test_a_section_for_each_finding_and_a_link_to_it(report: Report) -> None:
    page = Page(overview(report).decode())
    wanted = {f"f-{row.finding.id}" for row in report.findings}
    assert wanted <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert {link.removeprefix("#") for link in page.links} == wanted
    for row in report.findings:
        assert row.finding.replay in page.words
        assert row.finding.case.strip() in page.words


def test_the_bytes_are_there_field_by_field(report: Report) -> None:
    page = Page(overview(report).decode())
    assert page.words.count("part 0: file") == len(report.findings)
    assert "typeflag" in page.words


def test_hostile_names_are_text(report: Report) -> None:
    text = overview(report).decode()
    page = Page(text)
    assert [tag for tag in page.tags if tag in ALIVE] == []
    assert page.handlers == []
    assert "<script>alert(1)</script>" in page.words
    assert "default-src 'none'" in text
    assert all(letter.isprintable() or letter == "\n" for letter in text)


def test_who_was_asked_is_told(report: Report) -> None:
    told = overview(report).decode()
    assert told.count("contestants were asked") == 1
    assert "5 contestants were asked" in told
    assert "four 4.0, five</td>" in told
    (line,) = [line for line in told.splitlines() if line.startswith("<td>one 1.0</td>")]
    assert "names" in told[told.index(line) :].splitlines()[1]


def test_what_is_new_comes_first(report: Report) -> None:
    page = Page(overview(report).decode())
    sections = [name for name in page.ids if name.startswith("f-")]
    news = {f"f-{row.finding.id}" for row in report.news}
    assert set(sections[: len(news)]) == news
    assert "2 new since the run before" in page.words


def test_too_many_findings_are_counted(report: Report) -> None:
    row = report.findings[0]
    many = tuple(
        msgspec.structs.replace(row, finding=msgspec.structs.replace(row.finding, id=f"{number:010x}"))
        for number in range(SECTIONS + 5)
    )
    page = Page(overview(msgspec.structs.replace(report, findings=many)).decode())
    assert sum(name.startswith("f-") for name in page.ids) == SECTIONS
    assert "5 more findings have no section here" in page.words


def test_nothing_found_is_a_page_too(tmp_path: Path) -> None:
    page = Page(overview(gather(str(empty(tmp_path)))).decode())
    assert "since the run before" not in page.words
    assert "Nothing new" in page.words
    assert "No finding yet." in page.words


def test_the_plot_ends_in_its_corners(report: Report) -> None:
    drawn = plot(report.rate)
    assert drawn is not None
    corners = [tuple(map(float, one.split(","))) for one in drawn.corners.split()]
    assert (corners[0], corners[-1]) == ((0.0, HEIGHT), (WIDTH, 0.0))
    assert corners == sorted(corners, key=lambda one: (one[0], -one[1]))
    assert drawn.ends == (round(100 / 150 * WIDTH, 1), WIDTH)
    assert plot([Point(run=1, cases=0, seconds=0, findings=0)]) is None


def test_bytes_that_read_as_more_parts_than_were_written() -> None:
    inner = encode(Recipe(parts=(Member(name=b"a"), Member(name=b"b"), Member(name=b"c")))).data
    parts, more = anatomy(Recipe(parts=(Raw(data=inner),)))
    assert (len(parts) >= 3, more) == (True, 0)


@pytest.mark.parametrize(("count", "shade"), [(0, 0), (1, 1), (20, 1), (21, 2), (99, HEAT), (100, HEAT)])
def test_a_count_has_a_shade(count: int, shade: int) -> None:
    assert heat(count, 100) == shade


def test_the_drawing_is_well_formed(report: Report) -> None:
    (svg,) = re.findall(r"<svg.*?</svg>", overview(report).decode(), re.DOTALL)
    assert ElementTree.fromstring(svg).get("viewBox") == f"-4 -4 {WIDTH + 8} {HEIGHT + 8}"


browser = pytest.mark.skipif(BROWSER is None, reason="no browser here: chromium, google-chrome")


@browser
def test_it_fits_a_phone_and_a_desk(report: Report, tmp_path: Path) -> None:
    page, measure = tmp_path / "page.html", tmp_path / "measure.html"
    page.write_bytes(overview(report))
    measure.write_text(MEASURE.replace("PAGE", page.as_uri()))
    dom = browse(tmp_path, "--dump-dom", "--virtual-time-budget=10000", measure.as_uri())
    found = re.search(r'<pre id="said">(.*?)</pre>', dom)
    assert found is not None
    for name, width in (("phone", PHONE), ("desk", DESK)):
        seen = json.loads(unescape(found[1]))[name]
        assert (seen["room"], seen["width"], seen["wide"]) == (width, width, [])
        assert seen["title"] == "2 new - tarbiter report"  # no script of a name has run
        assert seen["smallest"] >= 9


@browser
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_it_is_light_and_dark(report: Report, tmp_path: Path, width: int) -> None:
    page = tmp_path / "page.html"
    page.write_bytes(overview(report))
    _, light, values = picture(page, tmp_path, width)
    assert (min(light) > 200, values > 100) == (True, True)
    _, dark, values = picture(page, tmp_path, width, "--force-dark-mode", "--blink-settings=preferredColorScheme=0")
    assert (max(dark) < 60, values > 100) == (True, True)


def test_the_names_are_markup_where_they_are_not_escaped() -> None:
    assert "script" in Page(NASTY.decode("latin-1")).tags
