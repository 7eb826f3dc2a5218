"""The command `tarbiter triage recheck`: what newer versions of contestants do with the findings that are known."""

from __future__ import annotations

import sys

import click

from ...campaign.recorded import store_at
from ...campaign.reopening import due, recheck
from ...contest.pool import Pool
from ...judge.machine import page
from ..options import JOBS, WITH, choose
from ..verdict import unread
from .options import JSON, STORE


@click.command("recheck")
@click.argument("findings", nargs=-1, metavar="[ID...]")
@STORE
@JSON
@WITH
@JOBS
def recheck_command(
    findings: tuple[str, ...], store: str, as_json: bool, names: tuple[str, ...], cells: int
) -> None:
    """Run the cases of known findings again, where a contestant has another version than it was seen in.

    A newer version that does something else reopens a finding (its status is `new` again, with the reason), unless
    nothing of it shows any more. What was done is kept, so that it is told once. `tarbiter fuzz --store` and
    `tarbiter nightly` begin with the same.

    \b
    tarbiter triage recheck
    tarbiter triage recheck 9f3a --with gnu-tar,bsdtar --json

    Exit code: 0 nothing changed, 1 something did, 2 could not run, or some could not be read.
    """
    contestants = choose(names, ())
    with store_at(store) as opened:
        entries = [opened.get(one) for one in findings] if findings else list(opened.findings())
        waiting = due(entries, contestants)
        done = []
        if waiting:
            with Pool(contestants, cells=min(cells, len(waiting))) as pool:
                done = list(recheck(pool, opened, entries, contestants))
    code = unread(store, opened.damaged.values())
    if as_json:
        click.echo(page(done))
    else:
        for one in done:
            click.echo(str(one))
        click.echo(f"{len(done)} of {len(entries)} findings were due: {sum(one.reopened for one in done)} reopened")
    sys.exit(code or (1 if any(one.moved or one.shows is False for one in done) else 0))
