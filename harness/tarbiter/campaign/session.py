"""A fuzz session as a person sees it: health check, progress line, Ctrl-C, summary."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Sequence
from types import FrameType

import msgspec
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ..contest.environment import environment
from ..contest.installed.registry import Contestant, available, target
from ..contest.pool import Pool
from ..contest.replay import Called, command
from ..judge.answered import Verdict, verdict
from ..judge.facets import STRONG
from ..judge.ledger import Ledger
from ..judge.wording import plain
from . import carrying
from .full_field import Asking, everybody
from .health import WITNESSES, baseline, check, on_baseline
from .known_findings import ACCEPTED, KNOWN, Memory
from .loop import Bounds, Campaign
from .records import Asked, Kept, RunError
from .runs import Run
from .seeds import gather, told
from .store import Store

REFRESH_S = 0.2
"""Seconds between two redrawings of the progress line on a terminal."""

PLAIN_S = 15.0
"""Seconds between two progress lines where the output is no terminal."""

SAMPLE = 4
"""With the default ring, one case in so many goes to everybody even when it showed nothing new."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How long, how wide, and what must agree."""

    cases: int | None = None
    seconds: float | None = None
    jobs: int = 1
    facets: tuple[str, ...] = STRONG
    store: str = ""
    """Directory of the project's store; empty: this run knows nothing of other runs."""
    ledger: Ledger | None = None
    """The divergences that are accepted."""
    sample: int = 1
    """Contestants outside the worker see what is new to those inside it, and one case in so many."""
    guided: bool = True
    """Whether what was new is mutated."""
    ask: bool = False
    """Whether everybody who is installed is asked about what is new; the store keeps the answers."""
    seeds: tuple[str, ...] = ()
    """Files and directories whose archives and cases are the pool to begin with."""
    carry: bool = False
    """Whether to begin with what the last such run left in the store, and to leave there what this one learned."""
    named: frozenset[str] = frozenset()
    """Contestants that were asked for themselves: without one of them a run says nothing."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a session ended. `findings` counts those that are neither known nor accepted, and those reopened."""

    findings: int
    interrupted: bool
    unread: int = 0
    """Seeds that were named and could not be read."""
    answers: Verdict
    """Whether enough of the contestants answered that the findings, or that there are none, mean something."""


class UnhealthyError(RunError):
    """The health check did not see what it must: no campaign could be believed."""


def start(path: str, seed: int, contestants: Sequence[Contestant], options: Options) -> Outcome:
    """Begin a run in the new directory `path`. Raises RunError, SandboxError, InputError (a seed)."""
    seeds = gather(options.seeds)
    for line in told(seeds.left_out):
        Console(stderr=True, highlight=False).print(f"no seed: {line}", style="dim", markup=False)
    for line in seeds.unread:
        Console(stderr=True, highlight=False).print(f"tarbiter: {line}", markup=False, soft_wrap=True)
    with _pool(contestants, options) as pool:
        _healthy(pool, path)
        contestants = _fit(pool, path, contestants, options)
        asked = Asked(
            seed=seed,
            contestants={one.name: one.version for one in contestants},
            facets=options.facets,
            environment=environment(pool.backend, pool.arena),
            seeds=seeds.names,
            called=Called.of(contestants, backend=pool.backend),
            sample=options.sample,
            ask=options.ask,
            named=tuple(sorted(options.named)),
        )
        run = Run.create(path, asked)
        run.learned.parents = list(seeds.parents)
        if options.carry:
            _go_on(run, contestants, options)
        run.checkpoint()  # so that a run that is killed now is resumed with what it began with
        outcome = _session(pool, run, contestants, options)
        return msgspec.structs.replace(outcome, unread=len(seeds.unread))


def _go_on(run: Run, contestants: Sequence[Contestant], options: Options) -> None:
    """Begin a run with what the night before learned, behind its own seeds. Raises StoreError."""
    taken = carrying.take(options.store, tuple(one.name for one in contestants), options.facets)
    given = {one.packed for one in run.learned.parents}
    seeds = run.learned.parents
    run.learned = taken.learned
    run.learned.parents = [*seeds, *(one for one in taken.learned.parents if one.packed not in given)]
    if taken.words:
        Console(stderr=True, highlight=False).print(taken.words, markup=False, soft_wrap=True)


def _again(asked: Asked) -> tuple[Contestant, ...]:
    """The contestants that a run began with, as they are today. Raises RegistryError for one that is gone.

    Raises OSError when the directory is gone in which they were named.
    """
    commands, folder = asked.called.targets, asked.called.folder
    with contextlib.chdir(folder) if folder else contextlib.nullcontext():
        return tuple(
            target(commands[name], name=name) if name in commands else available((name,))[0]
            for name in asked.contestants
        )


def resume(path: str, given: Sequence[Contestant], options: Options) -> Outcome:
    """Go on with the run in `path`, with the contestants and the sample it began with.

    `given`: the contestants that were named, empty for none. Raises RunError when they are other ones, or when
    those of the run have other versions today; RegistryError when one is gone.
    """
    run = Run.resume(path)
    with contextlib.ExitStack() as unless_begun:
        unless_begun.callback(run.close)
        try:
            contestants = _same(run, tuple(given) or _again(run.asked))
        except OSError as error:
            raise RunError(
                path,
                f"its contestants were named in {run.asked.called.folder}, which cannot be entered "
                f"({error.strerror}); name them by --with and --target",
            ) from error
        sample = options.sample or run.asked.sample or 1
        if options.facets != run.asked.facets:
            if options.facets != STRONG:
                raise RunError(path, f"was begun with --facet {','.join(run.asked.facets)}: leave out --facet")
            options = msgspec.structs.replace(options, facets=run.asked.facets)
        options = msgspec.structs.replace(options, sample=sample, ask=run.asked.ask)
        unless_begun.pop_all()
    with _pool(contestants, options) as pool:
        kind = run.asked.environment.get("cell", pool.backend)
        if kind != pool.backend:
            run.close()
            raise RunError(
                path,
                f"was begun in cells of another kind ({kind}, and now {pool.backend}), where refusals have other "
                f"errors; say --cell {kind}, or begin a new run",
            )
        _healthy(pool, path)
        begun = msgspec.structs.replace(options, named=frozenset(run.asked.contestants))
        _fit(pool, path, contestants, begun)
        return _session(pool, run, contestants, options)


def _same(run: Run, contestants: tuple[Contestant, ...]) -> tuple[Contestant, ...]:
    """These, if they are those of the run. Raises RunError."""
    now = {one.name: one.version for one in contestants}
    if now != run.asked.contestants:
        changed = sorted(set(now.items()) ^ set(run.asked.contestants.items()))
        differ = ", ".join(f"{name} {version}".strip() for name, version in changed)
        raise RunError(
            run.path,
            f"was begun with other contestants (not the same: {differ}); leave out --with and --target to go on "
            f"with {', '.join(run.asked.contestants)}, or begin a new run",
        )
    return contestants


def _pool(contestants: Sequence[Contestant], options: Options) -> Pool:
    """A pool that also holds the witnesses of the health check."""
    named = {one.name for one in contestants}
    witnesses = [one for one in available(WITNESSES) if one.name not in named]
    return Pool((*contestants, *witnesses), cells=options.jobs, coverage=True)


def _healthy(pool: Pool, path: str) -> None:
    faults = [f"{one.name}: {one.fault}" for one in check(pool) if one.fault]
    if faults:
        raise UnhealthyError(path, f"the health check failed, so nothing was run: {'; '.join(faults)}")


def _fit(pool: Pool, path: str, contestants: Sequence[Contestant], options: Options) -> tuple[Contestant, ...]:
    """Those who extract an ordinary archive. Who does not is told and left out, or ends the run if it was named."""
    found = baseline(pool, (one.name for one in contestants))
    fit = tuple(one for one in contestants if one.name not in found)
    came = on_baseline(found, options.named)
    reasons = came.reasons or (() if len(fit) > 1 else ("comparing takes two contestants that extract it",))
    lines = [plain(line) for line in (*reasons, *came.absent)]
    if reasons:
        raise UnhealthyError(path, "nothing was run: " + "\n  ".join(lines))
    for line in lines:
        Console(stderr=True, highlight=False).print(f"left out: {line}", markup=False, soft_wrap=True)
    return fit


def _session(pool: Pool, run: Run, contestants: Sequence[Contestant], options: Options) -> Outcome:
    with contextlib.ExitStack() as opened:
        opened.callback(run.close)
        store = opened.enter_context(Store(options.store)) if options.store else None
        asking = None
        if store is not None and options.ask:
            asking = opened.enter_context(Asking(store, everybody(contestants)))
        campaign = Campaign(
            pool,
            run,
            tuple(one.name for one in contestants),
            Bounds(cases=options.cases, seconds=options.seconds),
            lambda: None,
            Memory(run, store, options.ledger),
            scouts=tuple(one.name for one in contestants if one.table.driver and not one.table.serve),
            sample=options.sample,
            guided=options.guided,
            asking=asking,
        )
        if options.carry:
            carrying.put(options.store, run)  # from now on its checkpoints count
        outcome = _watch(campaign, contestants, options)
        if options.carry:
            carrying.put(options.store, run)
        return outcome


def _watch(campaign: Campaign, contestants: Sequence[Contestant], options: Options) -> Outcome:
    """Let a campaign go, with its progress on stderr and its summary on stdout."""
    run = campaign.run
    console = Console(stderr=True, highlight=False)
    console.print(
        f"{run.path}: seed {run.asked.seed}, {len(contestants)} contestants, {options.jobs} cells", style="dim"
    )
    interrupted = False
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        _look_again(campaign, contestants, console)
        if console.is_terminal:
            with Live(console=console, refresh_per_second=1 / REFRESH_S, get_renderable=lambda: _line(campaign)):
                campaign.go()
        else:
            campaign.progress = _Plain(console, campaign)
            campaign.go()
    except KeyboardInterrupt:
        interrupted = True
    finally:
        signal.signal(signal.SIGTERM, previous)
    out = console if sys.stdout.isatty() else Console(width=160, highlight=False)
    _summary(
        out,
        campaign,
        interrupted,
        "the next night goes on with them" if options.carry else "--resume goes on with them",
    )
    reopened = sum(one.reopened for one in campaign.memory.rechecked)
    return Outcome(
        findings=len(campaign.new) + reopened,
        interrupted=interrupted,
        answers=verdict(run.state.answers, named=run.asked.named),
    )


def _look_again(campaign: Campaign, contestants: Sequence[Contestant], console: Console) -> None:
    """Known findings first, where a contestant has another version by now: that is why some nights are run."""
    if not campaign.memory.recheck(campaign.pool, contestants, campaign.late):
        console.print("known findings of newer versions: not all were looked at again in this time", style="dim")
    for words in campaign.memory.damaged:
        console.print(f"store: {words}", markup=False, soft_wrap=True)
    for one in campaign.memory.rechecked:
        if one.moved or one.untold:
            console.print(f"known finding {one}", style="dim", markup=False, soft_wrap=True)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


class _Plain:
    """One progress line every `PLAIN_S` seconds, for logs."""

    def __init__(self, console: Console, campaign: Campaign) -> None:
        self.console, self.campaign, self.last = console, campaign, time.monotonic()

    def __call__(self) -> None:
        if time.monotonic() - self.last >= PLAIN_S:
            self.last = time.monotonic()
            self.console.print(_line(self.campaign))


def _line(campaign: Campaign) -> Text:
    state, bounds = campaign.state, campaign.bounds
    left = ""
    if bounds.seconds is not None:
        left = f", {max(0.0, bounds.seconds - campaign.seconds) / 60:.1f} min left"
    statuses = " ".join(f"{name} {count}" for name, count in sorted(campaign.statuses.items()))
    return Text(
        f"{campaign.doing}: {state.cases} cases, {campaign.rate:.0f}/s, {len(campaign.run.known)} signatures "
        f"({len(campaign.new)} new){left}; {statuses}"
    )


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "-"


def _summary(console: Console, campaign: Campaign, interrupted: bool, wait: str) -> None:
    """`wait`: when those suspects are looked at that wait."""
    state = campaign.state
    head = "stopped" if interrupted else "done"
    campaign.doing = head
    line = _line(campaign)
    line.stylize("bold", 0, len(head))
    console.print(line)
    console.print(
        f"extracted by some contestant {_share(state.extracted_by_some, state.cases)}, "
        f"by all {_share(state.extracted_by_all, state.cases)}; "
        f"cases that known findings explain {state.repeats}; pool of {state.pool} cases"
    )
    console.print(
        f"investigated {state.investigated} suspects: vanished {state.vanished}, flaky {state.flaky}; "
        f"{state.waiting} wait ({wait}), no room for {state.left_out}; "
        f"looked at {state.peeked} explained ones without what explains them: {state.unveiled} showed all the same"
    )
    console.print(
        f"listings asked for on {state.listed} cases that showed something new"
        + (f", and for lack of time not on {state.unlisted}" if state.unlisted else "")
    )
    spent = state.extracting_s + state.around_s
    console.print(
        f"time in contestants {state.extracting_s:.1f} s, around them {state.around_s:.1f} s "
        f"({_share(state.around_s, spent)} of both), generating {state.generating_s:.1f} s, "
        f"comparing {state.comparing_s:.1f} s, investigating {state.investigating_s:.1f} s"
    )
    counts = campaign.memory.counts
    if counts[KNOWN] or counts[ACCEPTED]:
        console.print(
            f"findings known from earlier runs {counts[KNOWN]}, accepted by the ledger {counts[ACCEPTED]}"
        )
    if again := campaign.memory.rechecked:
        reopened, gone = sum(one.reopened for one in again), sum(one.shows is False for one in again)
        console.print(
            f"{len(again)} known findings were looked at again with other versions: {reopened} reopened, "
            f"{gone} do not show any more"
        )
    for fault in state.faults:
        where = f"{campaign.run.path}/faults/{fault.index}.toml"
        words = f"our own side failed (harness-fault), {fault.contestant}: {plain(fault.words)}; {where}"
        console.print(words, style="bold magenta", markup=False, soft_wrap=True)
    asking = campaign.asking
    if asking is not None and (asking.asked or asking.left):
        console.print(
            f"{len(asking.contestants)} contestants were asked about {asking.asked} new findings; "
            f"for {asking.left} there was no time "
            f"({command('triage', 'ask', '--store', os.path.abspath(asking.store.path))} goes on with them)"
        )
    for uncovered in campaign.memory.reopened:
        console.print(f"the ledger does not cover this version: {uncovered}", markup=False)
    if campaign.new:
        console.print(_table(campaign.new))
        console.print(f"all of it: {campaign.run.path}/findings.jsonl", markup=False)
        console.print(f"to see one again: {campaign.new[0].replay}", markup=False, soft_wrap=True)


SHOWN = 15


def _table(findings: Sequence[Kept]) -> Table:
    table = Table(title=f"{len(findings)} new findings, the gravest first", box=None, title_justify="left")
    for column in ("id", "breaks", "causes", "who parts from whom"):
        table.add_column(column, overflow="fold")
    ranked = sorted(findings, key=lambda one: (one.rank, one.index))
    for finding in ranked[:SHOWN]:
        table.add_row(finding.id, finding.invariant, "; ".join(finding.causes), "; ".join(finding.split[:2]))
    if len(ranked) > SHOWN:
        table.add_row("...", "", "", f"and {len(ranked) - SHOWN} more in findings.jsonl")
    return table
