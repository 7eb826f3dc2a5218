"""The report in Markdown: a summary for a CI job's page, and the text of an issue about what is new.

Everything that comes from an archive or from somebody's program stands in code: there it can neither make markup,
nor mention a person, nor refer to an issue.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from ..contest.replay import command
from ..judge.wording import plain, telling
from .record import Report, Row, RunRow

SHOWN = 20
"""Findings that are told in full; the page has them all."""

WITHHELD = (
    "It could hurt users of a newest release, so nothing more is said here: tell its maintainers first. "
    "The report and the store have it"
)
"""Job pages and issues are public more often than their authors think."""

LIMIT = 60_000
"""Characters of an issue's text: GitHub takes 65,536."""


def _fence(content: str, least: int) -> str:
    longest = max((len(run) for run in re.findall(r"`+", content)), default=0)
    return "`" * max(least, longest + 1 if longest >= least else least)


def code(words: str, *, cell: bool = False) -> str:
    """`words` as code within a line; with `cell` within a table, where a bar ends a cell even in code."""
    line = plain(" ".join(words.split()))
    if not line:
        return ""
    fence = _fence(line, 1)
    if line[0] == "`" or line[-1] == "`":
        line = f" {line} "
    if cell:
        line = line.replace("|", "\\|")
    return f"{fence}{line}{fence}"


def block(content: str, language: str = "") -> str:
    """`content` as a block of code, whatever backticks it has."""
    fence = _fence(content, 3)
    lines = "\n".join(plain(line) for line in content.rstrip("\n").split("\n"))
    return f"{fence}{language}\n{lines}\n{fence}"


def hours(seconds: float) -> str:
    """A span of time, in the unit that fits."""
    return f"{seconds / 3600:.1f} h" if seconds >= 5400 else f"{seconds / 60:.0f} min"


def _counts(report: Report) -> str:
    still = sum(row.open for row in report.findings)
    return f"{len(report.news)} new, {still} open, {len(report.findings)} in all"


def _head(report: Report) -> Iterator[str]:
    yield f"{len(report.runs)} runs, {report.cases} cases, {hours(report.seconds)}: {_counts(report)}."
    if report.runs:
        last = report.runs[-1]
        who = ", ".join(code(f"{name} {version}".strip()) for name, version in last.contestants.items())
        took = hours(last.seconds)
        yield ""
        yield f"The latest run began {last.began}: seed {last.seed}, {last.cases} cases in {took}, with {who}."
        if last.uncompared or last.absent:
            yield ""
            yield from _unanswered(last)
    yield ""
    yield "| breaks | new | open | in all |"
    yield "| --- | ---: | ---: | ---: |"
    for row in report.invariants:
        if row.total:
            yield f"| **{row.invariant}**: {row.promise} | {row.news} | {row.open} | {row.total} |"
    if report.damaged:
        yield ""
        yield f"**{len(report.damaged)} records could not be read**, and are not in these numbers:"
        yield ""
        yield from (f"- {code(words)}" for words in report.damaged)
    if report.stale:
        yield ""
        yield f"Stale in the ledger: {', '.join(map(code, report.stale))}."


def _unanswered(last: RunRow) -> Iterator[str]:
    """Why the latest run says nothing, and who left cases unanswered."""
    for reason in last.uncompared:
        yield f"**The latest run says nothing**: {code(reason)}"
    if last.absent:
        yield ""
        yield block("\n".join(last.absent))


def sensitive(row: Row) -> bool:
    """Whether it leaves the destination, or may corrupt memory: a signal ended a contestant."""
    told = row.finding
    return told.invariant == "contained" or any(
        one.status == "crashed" and one.error_class.startswith("signal") for one in told.observations
    )


def finding(row: Row, source: str) -> Iterator[str]:
    """A section about one finding of the store or run at `source`."""
    told = row.finding
    yield f"### {told.invariant} {code(told.id)}"
    yield ""
    yield told.promise
    yield ""
    if sensitive(row):
        yield f"{WITHHELD}: {code(command('triage', 'show', told.id, '--store', os.path.abspath(source)))}"
        yield ""
        return
    yield code(told.account.sentence)
    yield ""
    yield f"Causes: {', '.join(map(code, told.causes)) or 'none: an ordinary archive shows it'}"
    yield ""
    for one in told.account.reasons:
        if one.verdict != "idle":
            yield from (f"- {code(one.words)}: {code(line)}" for line in (one.where, one.readers) if line)
            yield from (f"- {code(one.words)}: [{clause}]({clause.url})" for clause in one.clauses)
    yield ""
    yield from (f"- {code(line)}" for line in told.evidence)
    yield from (f"- {code(place)}" for place in told.places)
    yield ""
    yield "| contestant | version | outcome | says |"
    yield "| --- | --- | --- | --- |"
    for seen in told.observations:
        said = telling(seen.error)[:160]
        cells = (code(words, cell=True) for words in (seen.contestant, seen.version, seen.status, said))
        yield f"| {' | '.join(cells)} |"
    yield ""
    if row.asked:
        yield f"{row.voices} contestants were asked, and read it so:"
        yield ""
        for group in row.asked:
            facets = dict.fromkeys(one.facet for one in group.differences if one.facet != "status")
            other = f" (other {', '.join(facets)} than the first)" if facets else ""
            yield f"- {group.status}{other}: {', '.join(map(code, group.contestants))}"
        yield ""
    yield block(told.case, "toml")
    yield ""
    yield block(told.replay)
    yield ""


def summary(report: Report) -> str:
    """The page of a CI job: counts, then what is new."""
    lines = ["# tarbiter", "", *_head(report), ""]
    news = report.news
    since = " since the run before" if len(report.runs) > 1 else ""
    if news:
        lines += [f"## New{since}: {len(news)}", ""]
        for row in news[:SHOWN]:
            lines += finding(row, report.source)
        if len(news) > SHOWN:
            lines += [f"And {len(news) - SHOWN} more: the report has them.", ""]
    else:
        lines += [f"Nothing new{since}.", ""]
    return "\n".join(lines)


def title(report: Report) -> str:
    """The title of an issue about what is new; plain text."""
    news = report.news
    worst = news[0].finding.invariant if sensitive(news[0]) else news[0].finding.headline
    more = f", and {len(news) - 1} more" if len(news) > 1 else ""
    return plain(f"tarbiter: {worst[:160]}{more}")


def issue(report: Report) -> str:
    """The text of an issue about what is new, the gravest first, within what an issue may hold."""
    news = report.news
    lines = list(_head(report))
    lines.append("")
    size = sum(len(line) + 1 for line in lines)
    for number, row in enumerate(news):
        section = list(finding(row, report.source))
        size += sum(len(line) + 1 for line in section)
        if size > LIMIT:
            lines += [f"And {len(news) - number} more, which this issue has no room for: the report has them.", ""]
            break
        lines += section
    return "\n".join(lines)
