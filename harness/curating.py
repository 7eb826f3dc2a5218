"""The command `tarbiter corpus`: check and format the cases, measure what contestants make of them, export them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from itertools import islice

import click
import msgspec

from .archive.cases import InputError
from .archive.text import CaseError, dumps
from .contest.observation import Job, Observation
from .contest.pool import Pool
from .contest.registry import available
from .corpus import export, lint, measure, shelf
from .corpus.shelf import Shelved
from .files import write, write_folder

WRONG = 1

ROOT = click.option(
    "--corpus", "root", default="corpus", show_default=True, metavar="DIR", help="Where the corpus is."
)


@click.group("corpus")
def corpus() -> None:
    """Keep the corpus: check its cases, measure them, hand them to others.

    \b
    tarbiter corpus lint --fix                         set right what can be
    tarbiter corpus measure corpus/names/my-case.toml  write down what contestants make of it
    tarbiter corpus export tar-cases                   an archive and a JSON document for each case
    """


def _shelved(root: str, files: Sequence[str]) -> tuple[list[Shelved], list[lint.Problem]]:
    """The cases that can be read, and a problem for each that cannot."""
    found, broken = [], []
    for path in files or shelf.paths(root):
        try:
            found.append(shelf.shelve(path))
        except (CaseError, InputError) as error:
            text = str(error)
            broken.append(lint.Problem(path=path, detail=text.removeprefix(path).lstrip(": ")))
    return found, broken


def _current(path: str, text: str) -> bool:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read() == text
    except FileNotFoundError:
        return False


def _made(root: str, shelved: Sequence[Shelved]) -> dict[str, str]:
    """What is made of the cases and the code, and checked in: its path and its text."""
    return {
        os.path.join(root, lint.SUMS): lint.sums(shelved),
        os.path.join(root, "schema", "case.schema.json"): export.schema(),
    }


@corpus.command("lint")
@click.argument("files", nargs=-1, metavar="[CASE.toml]...")
@click.option("--fix", is_flag=True, help="Write cases in canonical form, and the sums and the schema anew.")
@ROOT
def lint_command(files: tuple[str, ...], fix: bool, root: str) -> None:
    """Check cases, one by one and against each other; without names the whole corpus.

    A case is in canonical form, its id is its place, its words are defined, it has a source, a reason and an
    expectation that does not contradict itself, and no other case is the same archive in the same world. Of the
    whole corpus every flag and every dimension is used, and its sums and schema are those of its cases.

    Exit code: 0 all is well, 1 something is wrong, 2 could not run.
    """
    flags, dimensions = shelf.flags(root), shelf.dimensions(root)
    shelved, problems = _shelved(root, files)
    problems += lint.check(shelved, flags, dimensions)
    if not files:
        problems += lint.check_words(root, shelved, flags, dimensions)
        problems += [
            lint.Problem(path=path, detail="is not what the cases make: tarbiter corpus lint --fix", fixable=True)
            for path, text in _made(root, shelved).items()
            if not _current(path, text)
        ]
    if fix:
        _fix(root, shelved, problems, whole=not files)
    left = [one for one in problems if not (fix and one.fixable)]
    for one in left:
        click.echo(str(one))
    click.echo(f"{len(shelved)} cases, {len(left)} problems, {len(problems) - len(left)} set right", err=True)
    sys.exit(WRONG if left else 0)


def _fix(root: str, shelved: Sequence[Shelved], problems: Sequence[lint.Problem], *, whole: bool) -> None:
    wrong = {one.path for one in problems if one.fixable}
    for case in shelved:
        if case.path in wrong:
            write(case.path, lint.canonical(case))
    for path, text in _made(root, shelved).items() if whole else ():
        if path in wrong:
            write(path, text, parents=True)


@corpus.command("measure")
@click.argument("files", nargs=-1, metavar="[CASE.toml]...")
@click.option(
    "--with", "names", multiple=True, metavar="NAME,...", help="Which contestants; default: the first ring."
)
@click.option(
    "--jobs", "cells", type=click.IntRange(1, 256), default=None, help="Cells at a time; default: one a core."
)
@ROOT
def measure_command(files: tuple[str, ...], names: tuple[str, ...], cells: int | None, root: str) -> None:
    """Run cases through the contestants, and write what was seen into their `[seen]`.

    Contestants that are named replace their own lines and leave those of others. Who touched anything outside the
    destination is not written down but told: a case that shows that of somebody's newest release stays out of the
    corpus until it is mended there.

    Exit code: 0 measured, 1 somebody touched something outside, 2 could not run.
    """
    chosen = tuple(name.strip() for value in names for name in value.split(",") if name.strip())
    contestants = available(chosen or None)
    shelved, broken = _shelved(root, files)
    if broken:
        raise InputError(broken[0].path, broken[0].detail)
    rings = [one.name for one in contestants]
    work = [measure.jobs(one.case, rings) for one in shelved]
    outside = 0
    with Pool(contestants, cells=min(cells or os.cpu_count() or 1, max(len(work), 1))) as pool:
        runs = _grouped(pool, work)
        for one, observed in zip(shelved, runs, strict=True):
            found = measure.verdicts(one.case, observed)
            escaped = [verdict for verdict in found if "escape" in verdict.never]
            for verdict in escaped:
                click.echo(f"{one.path}: {verdict.contestant} {verdict.version}: {verdict.detail[0]}", err=True)
            outside += bool(escaped)
            seen = measure.seen(found, observed[0])
            if chosen:
                seen = measure.merged(one.case.seen, seen, rings)
            text = dumps(msgspec.structs.replace(one.case, seen=seen))
            if text != one.text:
                write(one.path, text)
    click.echo(
        f"{len(shelved)} cases, {len(rings)} contestants, {outside} cases in which somebody got out", err=True
    )
    sys.exit(WRONG if outside else 0)


def _grouped(pool: Pool, work: Sequence[Sequence[Job]]) -> Iterator[list[tuple[Observation, ...]]]:
    """The observations of each case's jobs, case by case."""
    results = pool.map(job for jobs in work for job in jobs)
    for jobs in work:
        yield [observations for _, observations in islice(results, len(jobs))]


@corpus.command("export")
@click.argument("target", metavar="DIR")
@ROOT
def export_command(target: str, root: str) -> None:
    """Write every case as an archive and a JSON document into DIR, with an index and a README.

    The same corpus gives the same files. DIR must be missing or empty.
    """
    shelved, broken = _shelved(root, ())
    if broken:
        raise InputError(broken[0].path, broken[0].detail)
    out = export.files(shelf.flags(root), shelved)
    write_folder(target, out)
    click.echo(f"{len(shelved)} cases in {target}", err=True)
