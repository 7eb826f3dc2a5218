"""The command `tarbiter nightly`: a campaign with a store, then every report on it, for a job nobody watches."""

from __future__ import annotations

import os
import sys
import time

import click

from ..campaign import session
from ..files import FileError, writable_folder
from ..judge.facets import STRONG
from ..judge.ledger import Ledger
from ..report.sources import gather
from .options import JOBS, TARGET, WITH, choose, named
from .report import ISSUE, ISSUE_TITLE, save_all
from .verdict import INTERRUPTED, ended, unread

NEWS = 1


def _emptied(folder: str) -> None:
    """Make the folder of the reports, and take away last night's issue: a night that fails must not post it again.

    Raises FileError now, not after hours.
    """
    writable_folder(folder)
    try:
        for name in (ISSUE, ISSUE_TITLE):
            if os.path.lexists(os.path.join(folder, name)):
                os.unlink(os.path.join(folder, name))
    except OSError as error:
        raise FileError(folder, f"cannot be written: {error.strerror}") from error


@click.command("nightly")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), required=True, help="The whole budget.")
@click.option("--cases", type=click.IntRange(1), help="Stop after so many cases, if the time has not ended before.")
@click.option("--seed", type=click.IntRange(0), default=None, help="Same seed, same archives; default: a new one.")
@click.option("--store", default=".tarbiter", show_default=True, metavar="DIR", help="The project's store.")
@click.option("--ledger", default="", metavar="FILE", help="What this ledger (TOML) accepts is not new.")
@click.option("--reports", default="reports", show_default=True, metavar="DIR", help="Where the reports go.")
@click.option("--run", "path", metavar="DIR", help="Directory of the run; default: runs/DATE-seedN.")
@WITH
@TARGET
@JOBS
def nightly_command(
    minutes: float,
    cases: int | None,
    seed: int | None,
    store: str,
    ledger: str,
    reports: str,
    path: str | None,
    names: tuple[str, ...],
    targets: tuple[str, ...],
    cells: int,
) -> None:
    """Fuzz for so many minutes, remember findings in the store, and write every report on it.

    A night begins with the pool and the waiting suspects that the last one left in the store.
    issue.md is in the reports only when something is new: what no earlier run saw and nobody has settled. Ctrl-C
    and SIGTERM end the campaign early; the reports are written all the same.

    \b
    tarbiter nightly --minutes 240
    tarbiter nightly --minutes 240 --ledger corpus/ledger.toml --reports /srv/www/tarbiter

    Exit code: 0 nothing new, 1 new findings, 2 could not run, not enough answered, or the store could not be read
    whole, 130 stopped.
    """
    began = time.monotonic()
    accepted = Ledger.load(ledger) if ledger else None
    _emptied(reports)
    chosen = choose(names, targets)
    chosen_seed = seed if seed is not None else int.from_bytes(os.urandom(4))
    where = path or os.path.join("runs", f"{time.strftime('%Y-%m-%dT%H-%M-%S')}-seed{chosen_seed}")
    options = session.Options(
        cases=cases,
        seconds=max(minutes * 60 - (time.monotonic() - began), 1.0),
        jobs=cells,
        facets=STRONG,
        store=store,
        ledger=accepted,
        sample=1 if names else session.SAMPLE,
        ask=not names,
        carry=True,
        named=named(chosen, names),
    )
    outcome = session.start(where, chosen_seed, chosen, options)
    report = gather(store, Ledger.load(ledger) if ledger else None)
    for file in save_all(report, reports):
        click.echo(file)
    news = len(report.news)
    if news or outcome.answers.compared:
        click.echo(f"{news} new findings: {reports}/report.html" if news else "nothing new")
    code = max(unread(store, report.damaged), ended(outcome.answers, NEWS if news else 0))
    sys.exit(INTERRUPTED if outcome.interrupted else code)
