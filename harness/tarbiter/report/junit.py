"""The report as JUnit XML: a suite for each invariant, a test for each finding; only what is new fails."""

from __future__ import annotations

from junitparser import Failure, JUnitXml, Skipped, TestCase, TestSuite

from ..judge.wording import plain
from .record import Report, Row


def _text(words: str) -> str:
    """Lines that XML can hold: it has no way to write most control characters."""
    return "\n".join(map(plain, words.split("\n")))


def _body(row: Row) -> str:
    told = row.finding
    seen = [
        f"{one.contestant} {one.version}: {one.status} {one.error.strip()}".rstrip() for one in told.observations
    ]
    parts = [told.promise, *told.evidence, *told.places, "", *seen, "", told.case, f"again: {told.replay}"]
    return _text("\n".join(parts))


def _case(row: Row) -> TestCase:
    told = row.finding
    case = TestCase(_text(f"{told.id} {told.headline}"), f"tarbiter.{told.invariant}", 0)
    if row.news:
        failure = Failure(_text("; ".join(told.evidence)), told.invariant)
        failure.text = _body(row)
        case.result = [failure]
    else:
        case.result = [Skipped(_text(row.standing))]
    return case


def junit(report: Report) -> bytes:
    """The XML. An invariant that no finding breaks is one test that passes."""
    suites = JUnitXml("tarbiter")
    for row in report.invariants:
        suite = TestSuite(f"tarbiter.{row.invariant}")
        mine = [one for one in report.findings if one.finding.invariant == row.invariant]
        for one in mine:
            suite.add_testcase(_case(one))
        if not mine:
            suite.add_testcase(TestCase("no finding breaks it", f"tarbiter.{row.invariant}", 0))
        if report.runs:
            suite.timestamp = report.runs[-1].began.rstrip("Z")
        suites.add_testsuite(suite)
    suites.update_statistics()  # type: ignore[no-untyped-call]  # the library's own types stop here
    xml: bytes = suites.tostring()  # type: ignore[no-untyped-call]
    return xml
