"""The command `tarbiter compare`: files through the contestants, and who agrees with whom."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext

import click
import msgspec
from rich.console import Console

from ..archive.case import Case, Cwd, Schedule, Uid, World, surroundings
from ..archive.cases import AS_IT_IS, InputError, Loaded, load
from ..archive.stored import Archive, Spool
from ..archive.text import CaseError
from ..campaign.health import baseline, on_baseline
from ..contest.decompressing import left_out, unable
from ..contest.environment import environment
from ..contest.installed.registry import YOURS, Contestant
from ..contest.observation import Job, Observation
from ..contest.pool import Pool
from ..contest.replay import Called
from ..corpus.checking import path_of, paths_of
from ..files import Output
from ..judge.answered import Verdict, count, tallies
from ..judge.answered import verdict as answers
from ..judge.compare import Divergence
from ..judge.facets import STRONG
from ..judge.machine import page
from ..report import comparison
from ..report.console import verdict as told
from ..report.terminal import console
from ..triage.trial import Trial, trials
from .options import CWD, DISK, FACET, JOBS, MEMORY, TARGET, UID, WITH, around, choose, limited, named
from .verdict import ended

DIFFERS = 1


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One form of one input, and the world it lands in."""

    loaded: Loaded
    form: str
    archive: Archive
    world: World


class Compared(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What `tarbiter compare` found out about one form of one input; `--json` prints a list of these."""

    file: str
    form: str = ""
    """Of a compressed file: `as it is`, or the compression that was taken off."""
    size: int
    """Bytes that contestants were given."""
    notes: tuple[str, ...] = ()
    divergence: Divergence
    observations: tuple[Observation, ...]
    whole: tuple[Observation, ...] = ()
    """The same, when the archive arrived whole; empty where it did so anyway."""


def _parse_schedule(text: str | None) -> Schedule | None:
    """`whole`, or sizes like `1`, `511,1,512`, with `+pause` behind them for a pause before every read."""
    if text is None:
        return None
    sizes, _, pause = text.partition("+")
    numbers = [] if sizes == "whole" else sizes.split(",")
    if pause not in ("", "pause") or not all(
        number.isascii() and number.isdigit() and int(number) for number in numbers
    ):
        raise click.BadParameter(
            f"{text!r} is no schedule: say whole, or sizes such as 1 or 511,1,512, and +pause behind them",
            param_hint="--schedule",
        )
    chunks = tuple(map(int, numbers))
    return Schedule(chunks=chunks, pause=bool(pause))


@click.command("compare")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@WITH
@TARGET
@FACET
@click.option(
    "--world", "world_file", metavar="CASE.toml", help="Take the world (what is there before) of this case."
)
@click.option("--schedule", metavar="SIZES[+pause]", help="How bytes arrive: whole, 1, 511,1,512, 100+pause, ...")
@CWD
@UID
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON: groups, trees, errors, times.")
@click.option(
    "--html", metavar="FILE", help="Also write it as a page with trees and annotated bytes; - prints that."
)
@DISK
@MEMORY
@JOBS
def compare_command(
    files: tuple[str, ...],
    names: tuple[str, ...],
    targets: tuple[str, ...],
    facets: tuple[str, ...],
    world_file: str | None,
    schedule: str | None,
    cwd: Cwd | None,
    uid: Uid | None,
    as_json: bool,
    html: str | None,
    disk: int | None,
    memory: int | None,
    cells: int,
) -> None:
    """Run each FILE (archive or case) through the contestants and tell who agrees with whom.

    A compressed archive is compared twice: with the compression taken off, by everybody, and as it is, by those who
    read that compression. What is no archive at all is run like any other file. A FILE that cannot be read is told,
    and the others are compared. Nothing is extracted outside the sandbox.
    With a schedule (from the case or --schedule), each archive also arrives whole, and both must come out alike.

    \b
    tarbiter compare sdist.tar.gz
    tarbiter compare types/file-with-trailing-slash             a case of the corpus; a topic is all of its cases
    tarbiter compare --with gnu-tar,bsdtar --facet all x.tar
    tarbiter compare --target 'mytar -xf {archive} -C {dest}' corpus/*/*.toml
    tarbiter compare --schedule 1 x.tar            byte by byte
    tarbiter compare --html x.html x.tar           a page to send around
    tarbiter compare --disk 6G --memory 4G x.tar   for what unpacks to more than 512 MiB

    Exit code: 0 all agree, 1 something differs, 2 could not run, or some FILE was not compared (docs/judge.md).
    """
    given = _parse_schedule(schedule)
    world = None
    if world_file is not None:
        case = load(path_of(world_file)).case
        if case is None:
            raise InputError(world_file, "a world comes from a case (.toml), and this is an archive")
        world = case.world
    contestants = choose(names, targets)
    spool = click.get_current_context().with_resource(Spool(shown=True))
    inputs, unread = _loaded(files, spool)
    entries = [
        _Entry(loaded=one, form=form, archive=archive, world=around(world or (one.case or Case()).world, cwd, uid))
        for one in inputs
        for form, archive in one.forms
    ]
    results: list[Compared] = []
    counts = tallies(one.name for one in contestants)
    out = console()
    if as_json and html == "-":
        raise click.UsageError("--json and --html - both want standard output: name a file for the page")
    with (
        Output(html) if html is not None else nullcontext() as output,
        Pool(
            contestants,
            cells=min(cells, len(entries)),
            limits=limited(disk, memory),
            shared=spool.path,
        ) as pool,
    ):
        packed = dict.fromkeys(entry.loaded.compression for entry in entries if entry.form == AS_IT_IS)
        apart = {compression: unable(pool, contestants, compression) for compression in packed}
        jobs = [_job(entry, contestants, apart, given) for entry in entries]
        for entry, done in zip(entries, trials(pool, jobs), strict=True):
            trial = _with_others(done, contestants, apart.get(entry.loaded.compression, {}))
            compared = Compared(
                file=entry.loaded.path,
                form=entry.form,
                size=len(entry.archive),
                notes=(*entry.loaded.faults, *surroundings(trial.job.world)),
                divergence=trial.divergence(facets),
                observations=trial.observations,
                whole=trial.whole,
            )
            results.append(compared)
            count(counts, done.observations)
            if not as_json and html != "-":
                _show(out, entry.loaded, compared)
        if output is not None:
            again = Called.of(contestants, backend=pool.backend)
            words = _options(facets, world_file, schedule, cwd, uid, disk, memory)
            replays = [_replay(again, one.loaded.path, words) for one in entries]
            views = list(map(_input, entries, results, replays))
            output.write(comparison.page(views, environment(pool.backend, pool.arena)))
        asked = named(contestants, names)
        # A command that nobody knows may be wrong altogether, and who extracted nothing unable to: then neither its
        # refusals nor what it left is a reading of these archives.
        doubtful = [
            one.name
            for one in contestants
            if one.name in asked
            and counts[one.name].answered
            and (one.ecosystem == YOURS or not counts[one.name].statuses.get("extracted"))
        ]
        verdict = answers(counts, named=asked) & on_baseline(baseline(pool, doubtful), asked)
    if as_json:
        click.echo(page(results))
    _tell_limits(results)
    parted = any(one.divergence.parted for one in results)
    sys.exit(ended(verdict & _uncompared(results) & unread, DIFFERS if parted else 0))


def _tell_limits(results: Sequence[Compared]) -> None:
    """Tell how many runs ended at a limit of the cell, and how it is raised."""
    over = [one for compared in results for one in compared.observations if one.status == "over-limit"]
    if over:
        who = ", ".join(dict.fromkeys(one.contestant for one in over))
        words = f"{len(over)} runs went over a limit of the cell ({who})"
        click.echo(f"tarbiter: {words}: --disk 6G and --memory 4G, for instance, raise them", err=True)


def _uncompared(results: Sequence[Compared]) -> Verdict:
    """The verdict on files by themselves: each has to be compared, in one of its forms at least."""
    compared = {one.file for one in results if not one.divergence.uncompared}
    reasons = {
        one.file: f"{one.file}: not compared: {one.divergence.uncompared}"
        for one in results
        if one.file not in compared
    }
    return Verdict(reasons=tuple(reasons.values()))


def _replay(called: Called, path: str, words: Sequence[str]) -> str:
    """The line that compares an input again; empty for standard input, which is gone then."""
    return "" if path == "-" else called.line("compare", os.path.abspath(path), *words)


def _options(
    facets: tuple[str, ...],
    world_file: str | None,
    schedule: str | None,
    cwd: Cwd | None,
    uid: Uid | None,
    disk: int | None,
    memory: int | None,
) -> list[str]:
    """The words of a command line for those options of `compare` that matter to what it says."""
    options = {
        "--facet": ",".join(facets) if facets != STRONG else None,
        "--world": None if world_file is None else os.path.abspath(path_of(world_file)),
        "--schedule": schedule,
        "--cwd": cwd,
        "--uid": uid,
        "--disk": None if disk is None else str(disk),
        "--memory": None if memory is None else str(memory),
    }
    return [word for name, value in options.items() if value is not None for word in (name, value)]


def _loaded(words: Sequence[str], spool: Spool) -> tuple[list[Loaded], Verdict]:
    """The inputs that can be read, and the verdict on those that cannot. Raises where there is none."""
    inputs: list[Loaded] = []
    unread: list[InputError | CaseError] = []
    for word in words:
        try:
            paths = paths_of((word,))
        except InputError as error:
            unread.append(error)
            continue
        for path in paths:
            try:
                inputs.append(load(path, spool))
            except (InputError, CaseError) as error:
                unread.append(error)
    if not inputs:
        *others, last = unread
        for one in others:
            click.echo(f"tarbiter: {one}", err=True)
        raise last
    return inputs, Verdict(reasons=tuple(map(str, unread)))


def _with_others(trial: Trial, contestants: Sequence[Contestant], apart: dict[str, str]) -> Trial:
    """A trial with those who were not given the file because they do not read its compression."""
    here = set(trial.job.contestants)
    others = tuple(left_out(one, apart[one.name]) for one in contestants if one.name not in here)
    return Trial(trial.job, trial.observations + others, trial.whole + others if trial.whole else ())


def _job(
    entry: _Entry, contestants: Sequence[Contestant], apart: dict[str, dict[str, str]], schedule: Schedule | None
) -> Job:
    case = entry.loaded.case or Case()
    without = apart[entry.loaded.compression] if entry.form == AS_IT_IS else {}
    return Job(
        archive=entry.archive,
        contestants=tuple(one.name for one in contestants if one.name not in without),
        world=entry.world,
        schedule=schedule or case.schedule,
        listing=True,
        twice=True,
    )


def _input(entry: _Entry, compared: Compared, replay: str) -> comparison.Input:
    return comparison.Input(
        file=entry.loaded.path,
        form=entry.form,
        size=compared.size,
        archive=entry.loaded.archive,
        case=entry.loaded.case,
        notes=compared.notes,
        divergence=compared.divergence,
        observations=compared.observations,
        replay=replay,
    )


def _show(out: Console, loaded: Loaded, compared: Compared) -> None:
    index = None
    if not compared.divergence.agreed:
        index = comparison.index_of(loaded.case, loaded.archive, compared.divergence)
    words = (*filter(None, [compared.form]), *compared.notes)
    notes = f" ({'; '.join(words)})" if words else ""
    out.print(told(f"{loaded.path}{notes}", compared.divergence, compared.observations, index))
