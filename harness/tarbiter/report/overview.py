"""The report as one HTML page: what is new, who parts from whom, how the rate went, a section for each finding."""

from __future__ import annotations

import os
from collections.abc import Sequence

import msgspec

from ..archive.text import loads
from ..judge.wording import plain, telling
from ..triage.explanation import Reason
from . import pages
from .comparison import RECIPE, Block, anatomy
from .markdown import hours
from .record import Group, Point, Report, Row

SECTIONS = 200
"""Findings with a section of their own, news first, then the gravest; the JSON has them all."""

FEATURES, RUNS = 25, 20
"""Rows of those tables that are shown."""

WIDTH, HEIGHT = 640, 200
"""The plot of the rate, in units of its own."""

HEAT = 5
"""Shades of a count in the table of families."""


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """All that the page tells of one finding."""

    row: Row
    standing: str
    evidence: tuple[str, ...]
    sentence: str
    reasons: tuple[Reason, ...]
    places: tuple[str, ...]
    said: dict[str, str]
    """What contestants that did not extract said, by contestant: the first line."""
    versions: dict[str, str]
    groups: tuple[Group, ...]
    recipe: str
    cut: bool
    parts: tuple[Block, ...]
    more: int
    replay: str


class Plot(msgspec.Struct, frozen=True, kw_only=True):
    """A line of findings over cases: its corners as SVG has them, and what the ends of the axes say."""

    corners: str
    cases: int
    findings: int
    ends: tuple[float, ...]
    """Where a run ended, left to right."""


def plot(points: Sequence[Point]) -> Plot | None:
    """The line through `points`; None where there is nothing to see."""
    last = points[-1]
    if not last.cases or not last.findings:
        return None
    corners, ends = [], []
    height = float(HEIGHT)
    for index, point in enumerate(points):
        x = point.cases / last.cases * WIDTH
        corners.append(f"{x:.1f},{height:.1f}")
        height = HEIGHT - point.findings / last.findings * HEIGHT
        corners.append(f"{x:.1f},{height:.1f}")
        if index + 1 == len(points) or points[index + 1].run != point.run:
            ends.append(round(x, 1))
    return Plot(corners=" ".join(corners), cases=last.cases, findings=last.findings, ends=tuple(ends))


def heat(count: int, most: int) -> int:
    """The shade of a count: 0 for none, up to HEAT for the largest one."""
    return -(-count * HEAT // most) if count else 0


def _plain(reason: Reason) -> Reason:
    words, where = plain(reason.words), plain(reason.where)
    return msgspec.structs.replace(reason, words=words, where=where, readers=plain(reason.readers))


def _section(row: Row) -> Section:
    told = row.finding
    parts, more = anatomy(loads(told.case).recipe)
    said = {}
    for one in told.observations:
        words = telling(one.error) or one.error_class
        if one.status != "extracted" and words:
            said[one.contestant] = plain(words)
    return Section(
        row=row,
        standing=plain(row.standing),
        evidence=tuple(map(plain, told.evidence)),
        sentence=plain(told.account.sentence),
        reasons=tuple(map(_plain, told.account.reasons)),
        places=tuple(map(plain, told.places)),
        said=said,
        versions={one.contestant: plain(one.version) for one in told.observations},
        groups=told.divergence.groups,
        recipe=told.case[:RECIPE],
        cut=len(told.case) > RECIPE,
        parts=parts,
        more=more,
        replay=plain(told.replay),
    )


def overview(report: Report) -> bytes:
    """The page."""
    chosen = sorted(report.findings, key=lambda row: (not row.news, not row.open))[:SECTIONS]
    most = max((count for line in report.matrix.counts for count in line), default=0)
    made_with = {"tarbiter": report.tarbiter}
    if report.runs:
        made_with |= {"latest run": report.runs[-1].began, **report.runs[-1].environment}
    return pages.render(
        "report.html.j2",
        made_with,
        report=report,
        source=plain(os.path.basename(os.path.abspath(report.source))),
        sections=[_section(row) for row in chosen],
        shown={row.finding.id for row in chosen},
        left_out=len(report.findings) - len(chosen),
        took=hours,
        heat=lambda count: heat(count, most),
        plot=plot(report.rate),
        size=(WIDTH, HEIGHT),
        features=report.features[:FEATURES],
        more_features=max(0, len(report.features) - FEATURES),
        runs=report.runs[::-1][:RUNS],
        more_runs=max(0, len(report.runs) - RUNS),
        still_open=sum(row.open for row in report.findings),
    ).encode()
