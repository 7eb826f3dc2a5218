"""The commands `tarbiter triage ask` and `export`: everybody else's view, and a bug report."""

from __future__ import annotations

import sys

import click
import msgspec

from ...campaign.export import export
from ...campaign.full_field import everybody, job_of, unasked
from ...campaign.recorded import findings_at, store_at
from ...campaign.store import NEW
from ...contest.pool import Pool
from ...judge.machine import page
from ...triage.trial import trials
from ..options import JOBS, WITH, choose
from ..verdict import unread
from .options import JSON, SOURCE, STORE, Done, say


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """Who agrees with whom on a finding's case, as `triage ask --json` prints it; the largest group first."""

    id: str
    groups: tuple[tuple[str, ...], ...]


@click.command("export")
@click.argument("finding", metavar="ID")
@SOURCE
@JSON
@click.option("-o", "--output", default="", metavar="DIR", help="The new directory; default: finding-ID.")
def export_command(finding: str, store: str, as_json: bool, output: str) -> None:
    """Write a directory for a bug report: archive, case, words, and a script that needs no tarbiter.

    Each script is run in a cell before it is offered.
    """
    with findings_at(store) as opened:
        entry = opened.get(finding)
    where = output or f"finding-{entry.kept.id}"
    scripts = export(entry.kept, where)
    lines = [
        f"{where}/reproduce-{one.contestant}.sh" if one.line else f"{one.contestant}: no script: {one.why_not}"
        for one in scripts
    ]
    say(as_json, Done(id=entry.kept.id, status=entry.status, path=where, scripts=scripts), *lines, where)


@click.command("ask")
@click.argument("findings", nargs=-1, metavar="[ID...]")
@STORE
@JSON
@WITH
@JOBS
def ask(findings: tuple[str, ...], store: str, as_json: bool, names: tuple[str, ...], cells: int) -> None:
    """Ask everybody who is installed what they make of findings: of new ones not asked about yet, if none is named.

    A campaign runs a ring of contestants, and a finding may be about many more. What they do with its minimised
    case (twice, so that chance is told) is kept in the store, and `tarbiter triage show` and the reports have it.
    Everybody is who is installed, in one release each; former releases are asked when --with names them.

    \b
    tarbiter triage ask
    tarbiter triage ask 9f3a --json

    Exit code: 0 asked (also when there was nothing to ask), 2 could not run, or some could not be read.
    """
    contestants = choose(names, ()) if names else everybody(choose((), ()))
    with store_at(store) as opened:
        entries = [opened.get(one) for one in findings] if findings else unasked(opened.findings(NEW), contestants)
        jobs = [job_of(entry.kept, contestants) for entry in entries]
        done = []
        if entries:
            with Pool(contestants, cells=min(cells, len(entries))) as pool:
                for entry, trial in zip(entries, trials(pool, jobs), strict=True):
                    opened.answered(entry.kept.id, trial.observations)
                    divergence = trial.divergence(weak=False)
                    groups = tuple(group.contestants for group in divergence.groups)
                    done.append(Answered(id=entry.kept.id, groups=groups))
    code = unread(store, opened.damaged.values())
    if as_json:
        click.echo(page(done))
        sys.exit(code)
    for one in done:
        click.echo(f"{one.id}: {len(one.groups)} readings among {sum(map(len, one.groups))} contestants")
        for group in one.groups:
            click.echo(f"  {', '.join(group)}")
    sys.exit(code)
