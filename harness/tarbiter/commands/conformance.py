"""The command `tarbiter conformance`: a scorecard of contestants on the corpus: a table, JSON, pages to share."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Sequence
from importlib.metadata import version

import click
from rich.table import Table
from rich.text import Text

from ..archive.cases import InputError
from ..campaign.health import baseline, on_baseline
from ..contest.pool import Pool
from ..corpus import checking
from ..corpus.results import Results, base, everything
from ..corpus.scorecard import Card, Score
from ..files import write
from ..judge.answered import Tally, Verdict, verdict
from ..judge.machine import page
from ..report.site import Site, render, site
from ..report.terminal import console
from .check import CORPUS, RESULTS
from .options import JOBS, TARGET, WITH, choose, named
from .verdict import COULD_NOT_RUN, ended


def save_site(whole: Site, folder: str) -> int:
    """Write every page below `folder`, and say how many. Raises FileError."""
    days = sorted({one.date for one in whole.results})
    made_with = {"tarbiter": version("tarbiter"), "recorded": " to ".join(dict.fromkeys((days[0], days[-1])))}
    pages = render(whole, made_with)
    for path, data in pages.items():
        where = os.path.join(folder, path)
        write(where, data, parents=True)
    return len(pages)


def _cell(score: Score | None) -> Text:
    if score is None:
        return Text("-", style="dim")
    text = Text(f"{score.must_passed}/{score.must}")
    if score.broken:
        text.append(f" {score.broken}!", style="bold red")
    return text


def table(cards: Sequence[Card], topics: Sequence[str]) -> Table:
    """Contestants by topics: passed of those with one outcome, and with a `!` what nobody may do."""
    made = Table(box=None, pad_edge=False)
    for column in ("contestant", "version", "all", *topics):
        made.add_column(column, overflow="fold")
    for one in cards:
        cells = [_cell(one.topics.get(topic)) for topic in topics]
        made.add_row(one.contestant, one.version, _cell(one.total), *cells)
    return made


def _recorded(root: str, names: Sequence[str]) -> list[Results]:
    wanted = {base(name) for name in names}
    found = [one for one in everything(root) if not wanted or base(one.contestant) in wanted]
    if not found:
        raise InputError(root, "holds no results of these; `tarbiter check --record` writes them")
    return found


def _scored(found: Sequence[Results], named: Collection[str]) -> Verdict:
    """Whether each contestant was scored on some case."""
    counts = {one.contestant: Tally(version=one.version) for one in found}
    for one in found:
        for case in one.cases.values():
            status = "unavailable" if case.mark == "not-run" else case.status
            counts[one.contestant].count(status, said="\n".join(case.detail))
    return verdict(counts, named=named, least=1)


@click.command("conformance")
@WITH
@TARGET
@CORPUS
@RESULTS
@click.option("--recorded", is_flag=True, help="Run nothing: draw what is recorded, every version of it.")
@click.option("--html", "folder", metavar="DIR", help="Write pages into DIR: index.html and all it leads to.")
@click.option("--json", "as_json", is_flag=True, help="The scorecards as JSON.")
@JOBS
def conformance_command(
    names: tuple[str, ...],
    targets: tuple[str, ...],
    corpus: str,
    root: str,
    recorded: bool,
    folder: str | None,
    as_json: bool,
    cells: int,
) -> None:
    """Score contestants on the corpus: per topic how many `must` pass, what breaks `never`, which `may` they take.

    In the table, 12/14 is passed of those cases in which the documents leave one outcome, and 2! how often it did
    what no extractor may do. Versions of one contestant that stand side by side get a page with what changed.

    \b
    tarbiter conformance
    tarbiter conformance --with tar-fs@3.1.1,tar-fs --html scorecard
    tarbiter conformance --recorded --html scorecard        from corpus/results, nothing is run

    Exit code: 0 scored, 2 could not run, or somebody could not be scored (told, and left out).
    """
    corpus = checking.place(corpus)
    root = root or os.path.join(corpus, "results")
    shelved = checking.choose(corpus, ())
    came = Verdict()
    if recorded:
        if targets:
            raise click.UsageError("--recorded runs nothing: leave out --target")
        found = _recorded(root, names)
    else:
        contestants = choose(names, targets, least=1)
        with Pool(contestants, cells=min(cells, len(shelved))) as pool:
            unfit = baseline(pool, (one.name for one in contestants))
            fit = tuple(one for one in contestants if one.name not in unfit)
            came = on_baseline(unfit, named(contestants, names))
            if not fit:
                sys.exit(ended(came, COULD_NOT_RUN))
            made = checking.run(pool, fit, shelved)
            found = [checking.results(pool, one, made[one.name]) for one in fit]
        came &= _scored(found, named(contestants, names))
    whole = site(found, shelved)
    if folder is not None:
        count = save_site(whole, folder)
        click.echo(f"{count} pages: {os.path.join(folder, 'index.html')}", err=True)
    if as_json:
        click.echo(page(whole.cards))
    else:
        topics = sorted({topic for one in whole.cards for topic in one.topics})
        console().print(table(whole.cards, topics))
    sys.exit(ended(came, 0))
