"""Does guidance help? Distinct signatures over equal time: with guidance, without, and with Hypothesis alone.

    python -m benchmarks.search [--seeds 5] [--seconds 90] [--with NAME,...] [--modes MODE,...] [--json FILE]
                                [--svg FILE]

The same campaign several times over each seed, with the same contestants, one after another; only where the
cases come from differs: `guided` (what was new is mutated), `outcomes` (the same, but coverage of the parsers does
not count), `unguided` (each case afresh from the seed), `hypothesis` (native strategies over the same features, no
feedback). Investigations are part of the time, and so is making the cases. A signature counts when its finding is
kept. Medians over the seeds, and the range; the plot has one line for each run. FILE.json keeps every run as it
ends: called again, what is there is not run again.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from hypothesis import HealthCheck, Phase, given, seed, settings

from tarbiter.archive.case import Case
from tarbiter.campaign.loop import Bounds, Campaign
from tarbiter.campaign.records import Asked
from tarbiter.campaign.runs import Run
from tarbiter.campaign.search import Search
from tarbiter.contest.installed.registry import available
from tarbiter.contest.pool import Pool
from tarbiter.files import write
from tarbiter.generate.recipes import Generated
from tarbiter.generate.strategies import cases
from tarbiter.judge.facets import STRONG

RING = "extractor-compat,tarfile-fully-trusted,gnu-tar,bsdtar,busybox"
MODES = ("guided", "outcomes", "unguided", "hypothesis")
COLOURS = ("#1b7837", "#2166ac", "#b35806", "#542788")
"""Of the lines, one for each mode."""


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """One campaign. `points` are seconds, cases and signatures, whenever there was one more, and at the end."""

    mode: str
    seed: int
    budget_s: float
    contestants: dict[str, str]
    points: list[tuple[float, int, int]]
    investigated: int

    def at(self, seconds: float) -> int:
        """Signatures that were there after so many seconds."""
        return max((found for when, _, found in self.points if when <= seconds), default=0)

    def after(self, count: int) -> int:
        """Signatures that were there after so many cases."""
        return max((found for _, done, found in self.points if done <= count), default=0)


class Drawn(Search):
    """Cases that Hypothesis draws, a slice at a time; nothing is learned."""

    def __init__(self, number: int) -> None:
        super().__init__(number, guided=False)

    def propose(self, start: int, count: int) -> list[Generated]:
        """The next `count` cases. Hypothesis calls back: what it draws is gathered first."""
        drawn: list[Case] = []

        @seed(self.seed * 1_000_003 + start)
        @settings(
            max_examples=count,
            database=None,
            deadline=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        )
        @given(cases())
        def gather(case: Case) -> None:
            drawn.append(case)

        while len(drawn) < count:  # a small space ends before that many
            before = len(drawn)
            gather()
            if len(drawn) == before:
                break
        return [
            Generated(case=case, seed=self.seed, index=start + number, features=())
            for number, case in enumerate(drawn[:count])
        ]


def run(pool: Pool, names: Sequence[str], versions: dict[str, str], mode: str, number: int, budget_s: float) -> Ran:
    """One campaign of one mode."""
    points: list[tuple[float, int, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        asked = Asked(seed=number, contestants=versions, facets=STRONG, environment={})
        opened = Run.create(f"{folder}/run", asked)

        def note() -> None:
            found = len(opened.known)
            if not points or points[-1][2] != found:
                points.append((round(campaign.seconds, 3), opened.state.cases, found))

        source = Drawn(number) if mode == "hypothesis" else Search(number, guided=mode != "unguided")
        campaign = Campaign(pool, opened, names, Bounds(seconds=budget_s), note, search=source)
        try:
            campaign.go()
        finally:
            opened.close()
        points.append((round(campaign.seconds, 3), opened.state.cases, len(opened.known)))
        return Ran(
            mode=mode,
            seed=number,
            budget_s=budget_s,
            contestants=versions,
            points=points,
            investigated=opened.state.investigated,
        )


def told(runs: Sequence[Ran]) -> str:
    """The table, in Markdown."""
    budget = min(one.points[-1][0] for one in runs)
    fewest = min(one.points[-1][1] for one in runs)
    lines = [
        f"| | signatures in {budget:.0f} s | in half of it | after {fewest} cases | cases | investigated |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for mode in MODES:
        mine = [one for one in runs if one.mode == mode]
        if not mine:
            continue
        cells = [
            [one.at(budget) for one in mine],
            [one.at(budget / 2) for one in mine],
            [one.after(fewest) for one in mine],
            [one.points[-1][1] for one in mine],
            [one.investigated for one in mine],
        ]
        words = [f"{statistics.median(row):g} ({min(row)} to {max(row)})" for row in cells]
        lines.append(f"| {mode} | {' | '.join(words)} |")
    seeds = sorted({one.seed for one in runs})
    lines += ["", f"Medians over seeds {', '.join(map(str, seeds))}; {', '.join(runs[0].contestants)}."]
    return "\n".join(lines)


WIDTH, HEIGHT, LEFT, BELOW = 640, 320, 48, 36


def drawing(runs: Sequence[Ran]) -> str:
    """Signatures over seconds as SVG, a line for each run."""
    longest = max(one.points[-1][0] for one in runs)
    most = max(one.points[-1][2] for one in runs) or 1
    parts = []
    for step in range(5):
        x, y = LEFT + WIDTH * step / 4, HEIGHT * (1 - step / 4) + 10
        parts.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y:.0f}" y2="{y:.0f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.0f}" text-anchor="end">{most * step / 4:.0f}</text>')
        parts.append(f'<text x="{x:.0f}" y="{HEIGHT + 26}" text-anchor="middle">{longest * step / 4:.0f} s</text>')
    for one in runs:
        height = float(HEIGHT)
        corners = []
        for seconds, _, found in one.points:
            x = LEFT + WIDTH * seconds / longest
            corners.append(f"{x:.1f},{height + 10:.1f}")
            height = HEIGHT * (1 - found / most)
            corners.append(f"{x:.1f},{height + 10:.1f}")
        colour = COLOURS[MODES.index(one.mode)]
        parts.append(f'<polyline points="{" ".join(corners)}" fill="none" stroke="{colour}" opacity="0.7"/>')
    for number, (mode, colour) in enumerate(zip(MODES, COLOURS, strict=True)):
        parts.append(f'<text x="{LEFT + 12}" y="{28 + 16 * number}" fill="{colour}">{mode}</text>')
    size = f'width="{LEFT + WIDTH + 24}" height="{HEIGHT + BELOW + 10}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">'
    return f'{head}<rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n'


def main() -> int:
    """Run what is missing, print the table, draw the plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=90.0, help="of each campaign (90)")
    parser.add_argument("--with", dest="names", default=RING, metavar="NAME,...")
    parser.add_argument("--modes", default=",".join(MODES), metavar="MODE,...", help=f"of {', '.join(MODES)}")
    parser.add_argument("--json", type=Path, default=Path("runs") / "search.json", help="where the runs are kept")
    parser.add_argument("--svg", type=Path, help="draw the runs here")
    options = parser.parse_args()
    modes = tuple(options.modes.split(","))
    if unknown := sorted(set(modes) - set(MODES)):
        parser.error(f"--modes: there is no {', '.join(unknown)}; there are {', '.join(MODES)}")
    contestants = available(tuple(options.names.split(",")))
    names = tuple(one.name for one in contestants)
    versions = {one.name: one.version for one in contestants}
    runs: list[Ran] = []
    if options.json.exists():
        kept = msgspec.json.decode(options.json.read_bytes(), type=list[Ran])
        runs = [one for one in kept if (one.budget_s, one.contestants) == (options.seconds, versions)]
    options.json.parent.mkdir(parents=True, exist_ok=True)
    done = {(one.mode, one.seed) for one in runs}
    with Pool(contestants, cells=2, coverage=True) as counting, Pool(contestants, cells=2) as plain:
        for number in range(1, options.seeds + 1):
            for mode in modes:  # in turn, so that what else the machine does meets all of them
                if (mode, number) in done:
                    continue
                pool = counting if mode == "guided" else plain
                runs.append(run(pool, names, versions, mode, number, options.seconds))
                write(str(options.json), msgspec.json.encode(runs))
                last = runs[-1].points[-1]
                print(f"{time.strftime('%H:%M:%S')} {mode} seed {number}: {last}", file=sys.stderr, flush=True)
    print(told(runs))
    if options.svg:
        options.svg.write_text(drawing(runs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
