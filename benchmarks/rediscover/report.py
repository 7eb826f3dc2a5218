"""The tables and the plot: which bug was found by how many seeds, after how many cases, and with which words."""

from __future__ import annotations

import math
import statistics
from pathlib import Path

import msgspec
from jinja2 import Environment

from tarbiter.archive.text import loads
from tarbiter.campaign.versus import Change

from .bugs import Bug
from .campaigns import Campaign, Hit

LIMIT = 100_000
"""Cases within which nine bugs of ten are to be found."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one bug."""

    bug: Bug
    campaigns: tuple[Campaign, ...] = ()
    """One for each seed, with guidance and without."""
    why_not: str = ""
    """Why it was not looked for; empty: it was."""

    @property
    def hits(self) -> tuple[Hit, ...]:
        """The first hit of each seed that has one."""
        return tuple(hit for one in self.campaigns for hit in one.hits if hit.bug == self.bug.id)

    @property
    def verdict(self) -> str:
        """In a word."""
        if self.why_not:
            return "not looked for"
        return "all seeds" if len(self.hits) == len(self.campaigns) else "some seeds" if self.hits else "not found"

    @property
    def cases(self) -> str:
        """Median cases until it was found."""
        return f"{statistics.median(hit.cases for hit in self.hits):.0f}" if self.hits else ""

    @property
    def seconds(self) -> str:
        """Median seconds until it was found."""
        return f"{statistics.median(hit.seconds for hit in self.hits):.0f}" if self.hits else ""

    @property
    def change(self) -> Change | None:
        """The finding of the first seed that has one."""
        for one in self.campaigns:
            for hit in one.hits:
                if hit.bug == self.bug.id:
                    return next(change for change in one.changes if change.id == hit.change)
        return None

    @property
    def named(self) -> str:
        """By how many of its findings the field is named."""
        return f"{sum(hit.named for hit in self.hits)} of {len(self.hits)}" if self.hits else ""

    @property
    def causes(self) -> str:
        """What `explain` says."""
        return "; ".join(self.change.causes) if self.change else ""

    @property
    def recipe(self) -> str:
        """The minimised recipe, shortened."""
        if self.change is None:
            return ""
        rows = [row for row in self.change.case.splitlines() if row and not row.startswith(("title =", "why ="))]
        parts = len(loads(self.change.case).recipe.parts)
        return "\n".join(rows) if parts <= SHOWN else f"# a case of {parts} parts"


SHOWN = 12
"""Parts of a recipe that is printed."""


def curve(results: list[Result], *, guided: bool) -> list[tuple[int, float]]:
    """Points (cases, bugs found by then: each counts by its share of seeds), of the campaigns of one kind."""
    times = []
    for result in results:
        ran = [one for one in result.campaigns if one.guided == guided]
        times += [(hit.cases, 1 / len(ran)) for one in ran for hit in one.hits if hit.bug == result.bug.id]
    found, points = 0.0, []
    for cases, share in sorted(times):
        found += share
        points.append((cases, found))
    return points


KINDS = (("without", False), ("with", True))

WIDE, HIGH, EDGE = 640, 260, 44


def plot(results: list[Result]) -> str:
    """Bugs found over cases, as SVG, with guidance and without; cases on a scale of powers of ten."""
    curves = {kind: points for kind, guided in KINDS if (points := curve(results, guided=guided))}
    total = sum(not result.why_not for result in results)
    if not curves or not total:
        return ""
    most = max(cases for points in curves.values() for cases, _ in points)
    decades = max(1, math.ceil(math.log10(max(LIMIT, most))))

    def at(cases: float, found: float) -> tuple[float, float]:
        across = math.log10(max(cases, 1)) / decades
        return EDGE + across * (WIDE - 2 * EDGE), HIGH - EDGE - found / total * (HIGH - 2 * EDGE)

    lines = []
    for power in range(decades + 1):
        x, _ = at(10**power, 0)
        lines.append(f'<line x1="{x:.1f}" y1="{EDGE}" x2="{x:.1f}" y2="{HIGH - EDGE}"/>')
        lines.append(f'<text x="{x:.1f}" y="{HIGH - EDGE + 18}" text-anchor="middle">{10**power:,}</text>')
    for share in (0.0, 0.5, 0.9, 1.0):
        _, y = at(1, share * total)
        lines.append(f'<line x1="{EDGE}" y1="{y:.1f}" x2="{WIDE - EDGE}" y2="{y:.1f}"/>')
        lines.append(f'<text x="{EDGE - 6}" y="{y + 4:.1f}" text-anchor="end">{share * total:.0f}</text>')
    for number, (kind, points) in enumerate(curves.items()):
        steps, last = [f"M{EDGE},{HIGH - EDGE}"], 0.0
        for cases, found in [*points, (10**decades, points[-1][1])]:
            for height in (last, found):
                x, y = at(cases, height)
                steps.append(f"L{x:.1f},{y:.1f}")
            last = found
        y = EDGE + 14 + 16 * number
        lines.append(f'<path class="{kind}" d="{" ".join(steps)}"/>')
        lines.append(f'<path class="{kind}" d="M{EDGE + 10},{y - 4} h24"/>')
        lines.append(f'<text x="{EDGE + 40}" y="{y}">{kind} guidance</text>')
    return (
        f'<svg viewBox="0 0 {WIDE} {HIGH}" role="img" aria-label="bugs found over cases">{"".join(lines)}'
        f'<text x="{WIDE / 2}" y="{HIGH - 6}" text-anchor="middle">cases, of one seed</text></svg>'
    )


PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Rediscovery</title>
<style>
:root { color-scheme: light dark; --ink: light-dark(#1a1a1a, #e6e6e6); --dim: light-dark(#666, #999);
  --line: light-dark(#ddd, #444); --good: light-dark(#176b2c, #6fcf85); --bad: light-dark(#a11, #f77); }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: light-dark(#fff, #161616);
  margin: 2rem auto; max-width: 1100px; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; } .wide { overflow-x: auto; }
td, th { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid var(--line); }
pre { font-size: 12px; overflow-x: auto; margin: .3rem 0; } .dim { color: var(--dim); }
.all-seeds, .some-seeds { color: var(--good); } .not-found { color: var(--bad); }
svg { max-width: 720px; width: 100%; } svg line { stroke: var(--line); }
svg text { font-size: 11px; fill: var(--dim); }
svg path { fill: none; stroke: var(--good); stroke-width: 2; } svg path.with { stroke: var(--bad);
  stroke-dasharray: 6 3; }
</style>
<h1>Rediscovery</h1>
<p>{{ summary }}</p>
{{ plot | safe }}
<div class="wide"><table><tr><th>bug<th>releases<th>found by<th>cases<th>seconds<th>field named</tr>
{% for row in results %}<tr><td>{{ row.bug.id }}<td>{{ row.bug.vulnerable or row.bug.package }}<br>{{
row.bug.fixed or row.bug.versions }}<td class="{{ row.verdict | replace(' ', '-') }}">{{ row.verdict }}<td>{{
row.cases }}<td>{{ row.seconds }}<td>{{ row.named }}</tr>
{% endfor %}</table></div>
<h2>One by one</h2>
{% for row in results %}<h3>{{ row.bug.id }}</h3>
<p>{{ row.bug.mechanism }}</p>
{% if row.why_not %}<p class="dim">Not looked for: {{ row.why_not }}.</p>{% elif row.change %}
<p>Causes: {{ row.causes }}</p><pre>{{ row.recipe }}</pre>{% else %}<p class="not-found">Not found.</p>{% endif %}
{% endfor %}
<h2>What was run</h2>
<div class="wide"><table><tr><th>campaign<th>seed<th>guidance<th>cases<th>seconds<th>changes
<th>crashed, hung, over limit<th>retried<th>cells replaced</tr>
{% for one in campaigns %}<tr><td>{{ one.group }}<td>{{ one.seed }}<td>{{ guidance(one)
}}<td>{{ one.progress.cases }}<td>{{
"%.0f" | format(one.progress.seconds) }}<td>{{ one.changes | length }}<td>{{ ends(one) }}<td>{{ one.progress.retried
}}<td>{{ one.restarts }}</tr>
{% endfor %}</table></div></html>
"""


def summary(results: list[Result]) -> str:
    """All of it in a sentence."""
    looked = [result for result in results if not result.why_not]
    found = [result for result in looked if result.hits]
    early = [result for result in looked if any(hit.cases <= LIMIT for hit in result.hits)]
    every = [result for result in looked if result.verdict == "all seeds"]
    named = sum(hit.named for result in looked for hit in result.hits)
    hits = sum(len(result.hits) for result in looked)
    return (
        f"{len(found)} of {len(looked)} bugs found "
        f"({len(early)} within {LIMIT:,} cases, {len(every)} by every seed); "
        f"{len(results) - len(looked)} more are not looked for. The causes name the right field in {named} of "
        f"{hits} findings."
    )


def guidance(campaign: Campaign) -> str:
    """Whether it had guidance."""
    return "on" if campaign.guided else "off"


def ends(campaign: Campaign) -> str:
    """How often contestants were killed or died, by what happened."""
    counts = {
        status: sum(row.get(status, 0) for row in campaign.progress.statuses.values())
        for status in ("crashed", "hung", "over-limit")
    }
    return ", ".join(str(count) for count in counts.values())


def markdown(results: list[Result]) -> str:
    """The tables as Markdown."""
    rows = ["# Rediscovery", "", summary(results), ""]
    rows += ["| bug | releases | found by | cases | seconds | field named | causes |", "| --- |" + " --- |" * 6]
    for one in results:
        where = (
            f"{one.bug.vulnerable}, {one.bug.fixed}"
            if one.bug.vulnerable
            else f"{one.bug.package} {one.bug.versions}"
        )
        said = one.why_not or one.causes
        cells = (one.bug.id, where, one.verdict, one.cases, one.seconds, one.named, said)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    counts = "cases | seconds | changes | crashed, hung, over limit | retried | cells replaced"
    rows += ["", f"| campaign | seed | guidance | {counts} |"]
    rows.append("| --- |" + " --- |" * 8)
    for run in campaigns(results):
        state = run.progress
        numbers = (
            run.seed,
            guidance(run),
            state.cases,
            f"{state.seconds:.0f}",
            len(run.changes),
            ends(run),
            state.retried,
            run.restarts,
        )
        rows.append(f"| {run.group} | " + " | ".join(map(str, numbers)) + " |")
    for one in results:
        if one.change is not None:
            rows += ["", f"## {one.bug.id}", "", one.bug.mechanism, "", f"Causes: {one.causes}", ""]
            rows += ["```toml", one.recipe, "```"]
    return "\n".join(rows) + "\n"


def campaigns(results: list[Result]) -> list[Campaign]:
    """Every campaign once."""
    found = {(one.group, one.seed, one.guided): one for result in results for one in result.campaigns}
    return list(found.values())


def write_report(folder: Path, results: list[Result]) -> None:
    """Write report.md and report.html."""
    (folder / "report.md").write_text(markdown(results), encoding="utf-8")
    template = Environment(autoescape=True).from_string(PAGE)
    page = template.render(
        results=results,
        summary=summary(results),
        plot=plot(results),
        campaigns=campaigns(results),
        ends=ends,
        guidance=guidance,
    )
    (folder / "report.html").write_text(page, encoding="utf-8")
