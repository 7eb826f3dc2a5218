"""Would tarbiter have found the bugs that are history? Old releases and those that mended them, side by side.

    python -m benchmarks.rediscover --verify [--only PACKAGE|BUG ...]
    python -m benchmarks.rediscover --reach [--cases 20000] [--minutes 3] [--only PACKAGE|BUG ...]
    python -m benchmarks.rediscover [--seeds 3] [--minutes 10] [--only PACKAGE|BUG ...] [--install] [-o DIR]
    python -m benchmarks.rediscover --guidance both

For every bug of `bugs.toml` the release that has it and the first one that has not are contestants of one
campaign, with the default generator, no seed from the corpus, the same for all; bugs of one package share one.
A bug is found by a change (`tarbiter versus`) between its two releases that its oracle (`oracles.py`) confirms.
`--verify` gives each oracle the archive that shows its bug: it has to find it there.

`--reach` minimises nothing: it counts the cases that show each bug. What is done is kept in DIR, so that a stopped
run goes on; DIR/report.md and DIR/report.html have the tables.

Exit code: 0 all that was looked for was found by some seed, 1 not all, 2 nothing could be run.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from pathlib import Path

import msgspec

from tarbiter.campaign.health import WITNESSES, check
from tarbiter.campaign.versus import LIMITS
from tarbiter.contest.installed.registry import Contestant, available
from tarbiter.contest.pool import Pool
from tarbiter.exit_codes import verdicts_kept

from .bugs import Bug, groups, load, present
from .campaigns import Campaign, advance, loaded, path_of, save
from .reach import reach
from .report import Result, write_report
from .verify import verify

GUIDANCE = {"off": (False,), "on": (True,), "both": (False, True)}

DEFAULT = Path("runs") / "rediscover"


def parser() -> argparse.ArgumentParser:
    """The options."""
    found = argparse.ArgumentParser(
        prog="python -m benchmarks.rediscover", description=(__doc__ or "").split("\n")[0]
    )
    found.add_argument("--seeds", type=int, default=3, help="how many seeds (3)")
    found.add_argument("--minutes", type=float, default=10.0, help="budget of each campaign and seed (10)")
    found.add_argument("--cases", type=int, help="and no more cases than these")
    found.add_argument(
        "--guidance",
        choices=GUIDANCE,
        default="off",
        help="off (each case from the seed alone), on (what showed something new is mutated), or both in turn",
    )
    found.add_argument("--only", action="append", default=[], help="a package's contestant, or a bug's id")
    found.add_argument("--jobs", type=int, default=1, help="cells of each campaign (1)")
    found.add_argument("--install", action="store_true", help="install the releases that are missing")
    found.add_argument("-o", "--output", type=Path, default=DEFAULT, help=f"directory of the results ({DEFAULT})")
    found.add_argument("--report", action="store_true", help="run nothing: only write the report anew")
    found.add_argument("--verify", action="store_true", help="check the oracles against what shows their bugs")
    found.add_argument("--reach", action="store_true", help="count the cases that show each bug; minimise nothing")
    return found


def say(text: str) -> None:
    """A line of progress."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def wanted(bugs: tuple[Bug, ...], only: list[str]) -> tuple[Bug, ...]:
    """The bugs that were asked for."""
    return tuple(bug for bug in bugs if not only or bug.group in only or bug.id in only)


def kept(path: Path) -> Campaign | None:
    """A campaign as it was left; None, and a line about it, when it cannot be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Campaign)
    except (OSError, msgspec.DecodeError) as error:
        say(f"{path} is left out: {error}")
        return None


def run_group(
    bugs: tuple[Bug, ...], here: dict[str, Contestant], arguments: argparse.Namespace, seeds: range
) -> list[Campaign]:
    """The campaigns of one package, one for each seed and kind of guidance."""
    named = {name: here[name] for bug in bugs for name in (bug.vulnerable, bug.fixed)}
    asked = list(itertools.product(GUIDANCE[arguments.guidance], seeds))
    group = bugs[0].group
    if arguments.report:
        paths = [path_of(arguments.output, group, seed, guided=guided) for guided, seed in asked]
        return [one for path in paths if path.exists() and (one := kept(path)) is not None]
    done = []
    witnesses = [one for one in available(WITNESSES) if one.name not in named]
    with Pool((*named.values(), *witnesses), cells=arguments.jobs, limits=LIMITS) as pool:
        faults = [f"{one.name}: {one.fault}" for one in check(pool) if one.fault]
        if faults:
            raise SystemExit(f"the health check failed: {'; '.join(faults)}")
        for guided, seed in asked:
            path = path_of(arguments.output, group, seed, guided=guided)
            fresh = Campaign(
                group=group,
                seed=seed,
                guided=guided,
                budget_s=arguments.minutes * 60,
                bugs=tuple(bug.id for bug in bugs),
                contestants={name: one.version for name, one in named.items()},
            )
            campaign = loaded(path, fresh)
            done.append(campaign)
            if campaign.done:
                continue
            how = "guided" if guided else "unguided"
            say(f"{campaign.group} seed {seed}, {how}: {len(bugs)} bugs, {len(named)} releases")
            keep = lambda campaign=campaign, path=path: save(path, campaign)  # noqa: E731
            advance(pool, campaign, bugs, save=keep, tell=say, most=arguments.cases)
            state = campaign.progress
            say(
                f"{campaign.group} seed {seed}: {len(campaign.hits)} of {len(bugs)} found, "
                f"{state.cases} cases in {state.seconds:.0f} s"
            )
    return done


def verify_all(bugs: tuple[Bug, ...], *, missing_too: bool) -> int:
    """Check the oracles of these bugs; the exit code."""
    verdicts = []
    for rows in groups(bugs).values():
        here, missing = present(rows, say if missing_too else None)
        for bug in rows:
            verdicts.append(verify(bug, here, missing))
            print(verdicts[-1], flush=True)
    ran = [one for one in verdicts if not one.why]
    right = [one for one in ran if one.right]
    print(f"{len(right)} of {len(ran)} oracles are right, {len(verdicts) - len(ran)} could not be checked")
    return 2 if not ran else 0 if len(right) == len(ran) else 1


def reach_all(bugs: tuple[Bug, ...], arguments: argparse.Namespace) -> int:
    """Count the cases that show each of these bugs; the exit code."""
    ran = shown = 0
    for rows in groups(bugs).values():
        here, _ = present(rows, say if arguments.install else None)
        runnable = [bug for bug in rows if bug.vulnerable in here and bug.fixed in here]
        for seed in range(1, arguments.seeds + 1) if runnable else ():
            count, seconds = arguments.cases or sys.maxsize, arguments.minutes * 60
            for one in reach(runnable, here, seed=seed, count=count, seconds=seconds, tell=say):
                ran, shown = ran + 1, shown + bool(one.first)
                said = f"shown by {one.shown} of {one.cases} cases, first by number {one.first}"
                print(
                    f"seed {seed} {one.bug}: {said if one.first else f'not shown by {one.cases} cases'}", flush=True
                )
    print(f"{shown} of {ran} shown")
    return 2 if not ran else 0 if shown == ran else 1


def main() -> int:
    """Run what was asked for and write the report."""
    arguments = parser().parse_args()
    everything = load()
    bugs = wanted(everything, arguments.only)
    if not bugs:
        print(f"no bug and no contestant is called {', '.join(arguments.only)}", file=sys.stderr)
        return 2
    if arguments.verify:
        return verify_all(bugs, missing_too=arguments.install)
    if arguments.reach:
        return reach_all(bugs, arguments)
    arguments.output.mkdir(parents=True, exist_ok=True)
    results: list[Result] = [Result(bug=bug, why_not=bug.absent) for bug in bugs if bug.absent]
    seeds = range(1, arguments.seeds + 1)
    for group, rows in groups(bugs).items():
        here, missing = present(rows, say if arguments.install else None)
        runnable = tuple(bug for bug in rows if bug.vulnerable in here and bug.fixed in here)
        for bug in rows:
            if bug not in runnable:
                gone = next(name for name in (bug.vulnerable, bug.fixed) if name not in here)
                results.append(Result(bug=bug, why_not=f"{gone}: {missing[gone]}"))
        if not runnable:
            say(f"{group}: nothing can be run: {'; '.join(missing.values())}")
            continue
        campaigns = run_group(runnable, here, arguments, seeds)
        unknown = "" if campaigns else "no campaign of it was run"
        results += [Result(bug=bug, campaigns=tuple(campaigns), why_not=unknown) for bug in runnable]
        write_report(arguments.output, results)
    order = {bug.id: number for number, bug in enumerate(everything)}
    results.sort(key=lambda result: order[result.bug.id])
    write_report(arguments.output, results)
    looked = [result for result in results if not result.why_not]
    found = [result for result in looked if result.hits]
    print(f"{len(found)} of {len(looked)} found, {len(results) - len(looked)} not looked for")
    print(f"{arguments.output}/report.md, {arguments.output}/report.html")
    return 2 if not looked else 0 if len(found) == len(looked) else 1


if __name__ == "__main__":
    with verdicts_kept():
        sys.exit(main())
