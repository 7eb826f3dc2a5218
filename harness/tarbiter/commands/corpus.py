"""The command `tarbiter corpus`: check and format the cases, measure what contestants make of them, export them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from ..archive.cases import InputError
from ..archive.text import CaseError
from ..contest.installed.registry import available
from ..contest.pool import Pool
from ..corpus import checking, export, lint, results, shelf
from ..corpus.shelf import Shelved
from ..files import write, write_folder
from .options import JOBS, WITH

WRONG = 1

ROOT = click.option(
    "--corpus",
    "root",
    default="",
    metavar="DIR",
    help="The corpus; default: corpus/ here, or the one tarbiter brings.",
)


@click.group("corpus")
def corpus() -> None:
    """Keep the corpus: check its cases, measure them, hand them to others.

    \b
    tarbiter corpus lint --fix                         set right what can be
    tarbiter corpus measure corpus/names/my-case.toml  what contestants make of it
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
    # What an installation brings is never rewritten: --fix is for the corpus here, or the one that is named.
    root = (root or "corpus") if fix else checking.place(root)
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
@WITH
@JOBS
@ROOT
def measure_command(files: tuple[str, ...], names: tuple[str, ...], cells: int, root: str) -> None:
    """Run cases through the contestants, and print which outcome each has. Nothing is written.

    `tarbiter check --record` writes results into corpus/results. Who touched anything outside the destination is
    told first: a case that shows that of somebody's newest release stays out of the corpus until that is mended.

    \b
    tarbiter corpus measure corpus/names/my-case.toml
    tarbiter corpus measure --with gnu-tar,bsdtar corpus/links/*.toml

    Exit code: 0 measured, 1 somebody touched something outside, 2 could not run.
    """
    contestants = available(names or None)
    shelved, broken = _shelved(root, files)
    if broken:
        raise InputError(broken[0].path, broken[0].detail)
    outside = 0
    with Pool(contestants, cells=min(cells, max(len(shelved), 1))) as pool:
        made = checking.run(pool, contestants, shelved)
        found = [checking.results(pool, one, made[one.name]) for one in contestants]
    for path, case in ((one.path, checking.identity(one)) for one in shelved):
        escaped = [one for one in found if "escape" in one.cases[case].never]
        for one in escaped:
            click.echo(f"{path}: {one.contestant} {one.version}: {one.cases[case].detail[0]}", err=True)
        outside += bool(escaped)
    recorded = results.seen(found, {checking.identity(one): checking.digest(one) for one in shelved})
    for case, outcomes in recorded.items():
        click.echo(case)
        for words, who in outcomes.items():
            click.echo(f"  {words}: {', '.join(who)}")
    click.echo(
        f"{len(shelved)} cases, {len(contestants)} contestants, {outside} cases in which somebody got out", err=True
    )
    sys.exit(WRONG if outside else 0)


@corpus.command("export")
@click.argument("target", metavar="DIR")
@ROOT
def export_command(target: str, root: str) -> None:
    """Write every case as an archive and a JSON document into DIR, with an index and a README.

    The same corpus gives the same files. DIR must be missing or empty.
    """
    root = checking.place(root)
    shelved, broken = _shelved(root, ())
    if broken:
        raise InputError(broken[0].path, broken[0].detail)
    keys = {checking.identity(one): checking.digest(one) for one in shelved}
    recorded = results.seen(results.everything(os.path.join(root, "results")), keys)
    out = export.files(shelf.flags(root), shelved, recorded)
    write_folder(target, out)
    click.echo(f"{len(shelved)} cases in {target}", err=True)
