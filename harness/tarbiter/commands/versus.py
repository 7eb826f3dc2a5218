"""The command `tarbiter versus`: what a release does otherwise than the one before it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import click
import msgspec
from rich.console import Console
from rich.markup import escape

from ..archive.text import loads
from ..campaign.aspects import Aspect, Pair
from ..campaign.health import WITNESSES, baseline, check, on_baseline
from ..campaign.records import RunError
from ..campaign.versus import LIMITS, Change, Progress, Versus, chain, grouped
from ..contest.environment import environment
from ..contest.installed.building import BuildError, install
from ..contest.installed.registry import Contestant, RegistryError, available, known, target
from ..contest.observation import Observation
from ..contest.pool import Pool
from ..files import writable_folder, write
from ..judge.answered import verdict
from ..judge.facets import Difference, differences
from ..judge.machine import page
from ..judge.wording import plain, telling
from .options import JOBS
from .verdict import COULD_NOT_RUN, INTERRUPTED, ended

DIFFERS = 1

MINUTES = 2.0
"""Length of a run for which nothing else is said."""

REFRESH_S = 15.0
"""Seconds between two progress lines."""

SHOWN = 3
"""Differences printed for each change; `--json` has both trees."""

MOST = 8
"""Parts of a case that is printed whole."""

GRAVITY = ("escapes", "arrival", "steadiness", "status", "names", "types", "content", "links", "hardlinks")
"""The order in which changes are printed; what is not here comes behind."""


class Found(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What `tarbiter versus --json` prints."""

    contestants: dict[str, str]
    """Name to version, the oldest first."""
    seed: int
    progress: Progress
    changes: tuple[Change, ...]
    environment: dict[str, str]
    interrupted: bool = False


def sides(pair: Pair) -> tuple[str, str]:
    """What to call the two: by their versions where one contestant has two."""
    (old, _, was), (new, _, now) = pair.old.partition("@"), pair.new.partition("@")
    return (was, now) if old == new and was and now else (pair.old, pair.new)


def headline(change: Change) -> str:
    """A change in one sentence, its direction included."""
    old, new = sides(change.pair)
    return sentence(change.aspect, old, new)


def sentence(aspect: Aspect, old: str, new: str) -> str:
    """What the newer one does otherwise."""
    before, after = (words.partition(":")[0] for words in (aspect.old, aspect.new))
    match aspect.facet:
        case "status" if before == "extracted":
            return f"{new} does not extract what {old} extracted ({after})"
        case "status" if after == "extracted":
            return f"{new} extracts what {old} did not ({before})"
        case "status":
            return f"{old}: {before}; {new}: {after}"
        case "escapes":
            who, other, what = (old, new, aspect.old) if aspect.old else (new, old, aspect.new)
            return f"{who} reaches outside the destination ({what}), {other} does not"
        case "arrival":
            who, other = (old, new) if aspect.old else (new, old)
            return f"how the bytes arrive matters to {who}, and not to {other}"
        case "steadiness":
            who, other = (old, new) if aspect.old else (new, old)
            return f"{who} differs from run to run, {other} does not"
        case "names" if aspect.old != aspect.new:
            who, other = (old, new) if aspect.old else (new, old)
            return f"{old} and {new} extract it; {who} makes names that {other} does not"
        case "left behind":
            return f"both fail; {old} and {new} leave different things behind"
        case facet:
            return f"{old} and {new} extract it, and part in {facet}"


def _order(change: Change) -> tuple[int, int, int]:
    facet = change.aspect.facet
    grave = GRAVITY.index(facet) if facet in GRAVITY else len(GRAVITY) + (facet == "left behind")
    return grave, len(change.causes), change.index


def groups(changes: Sequence[Change]) -> list[list[Change]]:
    """One group for each cause, in the order in which they are told: the gravest change first."""
    return sorted((sorted(group, key=_order) for group in grouped(changes)), key=lambda group: _order(group[0]))


def evidence(change: Change) -> list[str]:
    """What each of the two did with the minimised case, in a few lines."""
    old, new = change.observations
    lines = []
    for name, seen in zip(sides(change.pair), change.observations, strict=True):
        if seen.status != "extracted":
            words = telling(seen.error) or seen.error_class
            lines.append(f"{name} {seen.status}: {plain(words)}")
        lines += [f"{name} {one.what} outside: {ascii(one.path)[1:]}" for one in seen.escapes[:SHOWN]]
    facet = change.aspect.facet
    found: Sequence[Difference] = ()
    if old.status == new.status == "extracted" and facet not in ("status", "arrival", "steadiness", "left behind"):
        found = differences(facet, old, new) if facet != "escapes" else ()
    lines += [_told(one, *sides(change.pair)) for one in found[:SHOWN]]
    if not lines:
        lines = [f"{name} wrote {_names(seen)}" for name, seen in zip(sides(change.pair), (old, new), strict=True)]
    return lines


def _names(seen: Observation) -> str:
    names = [ascii(node.path)[1:] for node in seen.tree if node.path != b"."]
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "") or "nothing"


def _told(one: Difference, old: str, new: str) -> str:
    where = f"{ascii(one.path)[1:]}: " if one.path is not None else ""
    return f"{one.facet} {where}{old} {one.left}, {new} {one.right}"


def _contestant(word: str, *, installing: bool) -> Contestant:
    """The contestant `word` stands for: a name, NAME@VERSION, or a command with {archive} and {dest}."""
    if "{archive}" in word:
        return target(word)
    one = known(word)
    if one.missing and one.table.build and installing:
        click.echo(f"installing {word}", err=True)
        try:
            install(one, lambda step: click.echo(f"    {step}", err=True))
        except BuildError as error:
            raise RegistryError(word, f"cannot be installed: {error.detail}") from error
        one = known(word)
        if one.missing:
            raise RegistryError(word, f"is installed, and still cannot take part: {one.missing}")
    return one if not one.missing else available((word,))[0]


@click.command("versus")
@click.argument("releases", nargs=-1, required=True, metavar="OLD NEW...")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help=f"How long; default: {MINUTES:g}.")
@click.option("--cases", type=click.IntRange(1), help="Stop after so many cases.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Same seed, same archives.")
@click.option("--guided", is_flag=True, help="Mutate what showed something new, as tarbiter fuzz does.")
@JOBS
@click.option("--install", "installing", is_flag=True, help="Install what is missing, with its own package client.")
@click.option("-o", "--output", metavar="DIR", help="Write each change's minimised case to DIR/ID.toml.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON: cases, causes, trees, counts.")
def versus_command(
    releases: tuple[str, ...],
    minutes: float | None,
    cases: int | None,
    seed: int,
    guided: bool,
    cells: int,
    installing: bool,
    output: str | None,
    as_json: bool,
) -> None:
    """Say what a release does otherwise than the one before it: made small, one for each cause.

    OLD and NEW are contestants (NAME or NAME@VERSION), or commands with {archive} and {dest}: two builds of your
    own. More than two: each is put beside the one before it. A change is run twice before it is believed.

    \b
    tarbiter versus astral-tokio-tar@0.6.2 astral-tokio-tar@0.6.3 --minutes 10 --install
    tarbiter versus tar-rs@0.4.44 tar-rs@0.4.45 tar-rs@0.4.46 --cases 5000 --json
    tarbiter versus './old -xf {archive} -C {dest}' './new -xf {archive} -C {dest}' -o changes

    Exit code: 0 nothing differs, 1 something does, 2 could not run, 130 Ctrl-C.
    """
    chosen = [_contestant(word, installing=installing) for word in releases]
    names = [one.name for one in chosen]
    if len(names) < 2:
        raise click.UsageError("say two releases at least: the old one and the new one")
    if len(set(names)) != len(names):
        raise click.UsageError("one release is named twice: it would be compared with itself")
    if output is not None:
        writable_folder(output)
    witnesses = [one for one in available(WITNESSES) if one.name not in names]
    with Pool((*chosen, *witnesses), cells=cells, limits=LIMITS) as pool:
        faults = [f"{one.name}: {one.fault}" for one in check(pool) if one.fault]
        if faults:
            raise RunError("versus", f"the health check failed, so nothing was run: {'; '.join(faults)}")
        unfit = on_baseline(baseline(pool, names), names)
        if not unfit.compared:
            sys.exit(ended(unfit, COULD_NOT_RUN))
        seconds = minutes * 60 if minutes is not None else None if cases is not None else MINUTES * 60
        console = Console(stderr=True, highlight=False)
        run = Versus(pool, chain(names), seed, guided=guided)
        run.tell = _Line(run, console)
        interrupted = _run(run, console, cases, seconds, output)
        found = Found(
            contestants={one.name: one.version for one in chosen},
            seed=seed,
            progress=run.state,
            changes=tuple(change for group in groups(run.changes) for change in group),
            environment=environment(pool.backend),
            interrupted=interrupted,
        )
    if as_json:
        click.echo(page(found), nl=False)
    else:
        show(Console(width=None if sys.stdout.isatty() else 120, highlight=False), found)
    answers = verdict(run.answers, named=names)
    sys.exit(INTERRUPTED if interrupted else ended(answers, DIFFERS if run.changes else 0))


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _run(run: Versus, console: Console, cases: int | None, seconds: float | None, output: str | None) -> bool:
    """Let a run go to its end; whether it was stopped before."""
    try:
        with _stopped_by_sigterm():
            for change in run.go(cases=cases, seconds=seconds):
                words = f"{change.id}  {headline(change)}: {'; '.join(change.causes)}"
                console.print(words, markup=False, soft_wrap=True)
                if output is not None:
                    write(os.path.join(output, f"{change.id}.toml"), change.case)
    except KeyboardInterrupt:
        run.state.seconds = run.seconds
        return True
    return False


class _Line:
    """Says how far a run is, every `REFRESH_S` seconds."""

    def __init__(self, run: Versus, console: Console) -> None:
        self.run, self.console, self.last = run, console, time.monotonic()

    def __call__(self) -> None:
        if time.monotonic() - self.last >= REFRESH_S:
            self.last = time.monotonic()
            state = self.run.state
            self.console.print(
                f"{self.run.doing}: {state.cases} cases, {self.run.seconds:.0f} s, {state.parted} parted, "
                f"{len(self.run.changes)} changes",
                style="dim",
            )


def show(console: Console, found: Found) -> None:
    """Print what was found, the gravest changes first."""
    state = found.progress
    who = " -> ".join(name if "@" in name else f"{name} {version}" for name, version in found.contestants.items())
    count = f"{len(found.changes)} change{'s' * (len(found.changes) != 1)}" if found.changes else "no change seen"
    console.print(
        f"[bold]{escape(who)}[/bold]: {count} in {state.cases} cases, {state.seconds:.0f} s"
        + (", stopped by hand" if found.interrupted else "")
    )
    for group in groups(found.changes):
        _cause(console, group, state.sightings)
    if state.waiting or state.left_out:
        console.print(
            f"\n{state.waiting} differences wait, not looked into for want of time, and for {state.left_out} more "
            "there was no room: --minutes for more, --cases for all",
            style="dim",
        )
    if state.vanished:
        console.print(f"\n{state.vanished} differences did not show again and are not told", style="dim")


def _cause(console: Console, group: Sequence[Change], sightings: dict[str, int]) -> None:
    """Print the changes of one cause: the simplest with its evidence and its case, the others in a line each."""
    first = min(group, key=lambda one: len(one.causes))
    console.print()
    console.print("; ".join(first.causes) or "an ordinary archive", style="bold", markup=False)
    for change in group:
        more = [why for why in change.causes if why not in first.causes]
        seen = sightings.get(change.id, 1)
        times = f"{seen} case{'s' * (seen != 1)}"
        with_more = f" (with {'; '.join(more)})" if more else ""
        console.print(f"  {change.id}  {headline(change)}{with_more}, {times}", markup=False, soft_wrap=True)
        for line in evidence(change) if change.causes == first.causes else ():
            console.print(f"      {line}", markup=False, soft_wrap=True)
    parts = len(loads(first.case).recipe.parts)
    brief = f"      a case of {parts} parts; --json or -o DIR has it"
    console.print(brief if parts > MOST else _indented(first.case), markup=False, soft_wrap=True, style="dim")


def _indented(text: str) -> str:
    rows = [row for row in text.splitlines() if row and not row.startswith(("title =", "why ="))]
    return "\n".join(f"      | {row}" for row in rows)
