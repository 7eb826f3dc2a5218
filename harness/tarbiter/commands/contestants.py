"""The commands `tarbiter contestants`, `install` and `check`: list contestants, build them, and try them here."""

from __future__ import annotations

import sys
import time

import click
import msgspec
from rich.table import Table

from ..campaign.health import baseline
from ..contest.installed.building import BuildError, install
from ..contest.installed.cache import root
from ..contest.installed.registry import Contestant, everyone, group, known
from ..contest.pool import Pool
from ..judge.machine import page
from ..report.console import STYLES
from ..report.terminal import console

FAILED = 2


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One contestant as `tarbiter contestants --json` prints it; `missing` is empty where it can take part."""

    name: str
    version: str
    family: str
    ecosystem: str
    ring: int
    program: str
    missing: str
    install: str

    @classmethod
    def of(cls, one: Contestant) -> Row:
        """The row of a contestant."""
        return cls(
            name=one.name,
            version=one.version,
            family=one.family,
            ecosystem=one.ecosystem,
            ring=one.table.ring,
            program=one.program,
            missing=one.missing,
            install=one.install,
        )


@click.group("contestants", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
@click.pass_context
def contestants(ctx: click.Context, as_json: bool) -> None:
    """List the contestants: version, family, whether they are here, and how to install those that are not."""
    if ctx.invoked_subcommand is not None:
        return
    rows = everyone()
    if as_json:
        click.echo(page([Row.of(row) for row in rows]))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("contestant", "version", "family", "ecosystem", "status"):
        table.add_column(column, overflow="fold")
    for row in rows:
        status = "[green]here" if not row.missing else f"[{STYLES['unavailable']}]unavailable: {row.missing}"
        if row.missing and row.install:
            status += f"; install: {row.install}"
        table.add_row(row.name, row.version, row.family, row.ecosystem, status)
    console().print(table)


def _chosen(names: tuple[str, ...], *, built: bool) -> list[Contestant]:
    """The contestants that are meant, each once; `built`: groups hold only what is built into the cache.

    Raises RegistryError for a name that nobody has.
    """
    found: dict[str, Contestant] = {}
    for name in names:
        rows = [one for one in group(name) if one.table.build or not built] if group(name) else [known(name)]
        found |= {one.name: one for one in rows}
    return list(found.values())


@contestants.command("install")
@click.argument("names", nargs=-1, required=True, metavar="NAME[@VERSION]...|default|all")
def install_contestants(names: tuple[str, ...]) -> None:
    """Build contestants into the cache, with the package clients that are here (go, cargo, npm, mvn, pip).

    What is installed already stays; what was interrupted begins again. Several versions stand side by side.

    \b
    tarbiter contestants install default                    everybody of the first ring
    tarbiter contestants install astral-tokio-tar@0.5.0     one, at another version

    Exit code: 0 all are installed, 2 at least one is not; the others are.
    """
    chosen = _chosen(names, built=True)
    click.echo(f"into {root()}")
    failed = 0
    for number, one in enumerate(chosen, 1):
        began = time.monotonic()
        click.echo(f"[{number}/{len(chosen)}] {one.name}")
        try:
            done = install(one, lambda step: click.echo(f"    {step}"))
        except BuildError as error:
            failed += 1
            click.echo(f"    failed: {error.detail}", err=True)
        else:
            click.echo(f"    {done.version}, {time.monotonic() - began:.1f} s")
    if failed:
        click.echo(f"tarbiter: {failed} of {len(chosen)} are not installed", err=True)
        sys.exit(FAILED)


@contestants.command("check")
@click.argument("names", nargs=-1, required=True, metavar="NAME[@VERSION][:MODE][,NAME...]...|default|all")
def check_contestants(names: tuple[str, ...]) -> None:
    """Try contestants: each extracts an ordinary archive in a cell, and says so in the way that its table promises.

    \b
    tarbiter contestants check all                          everybody that is known
    tarbiter contestants check gnu-tar,go-tar,mytar         some, one of them from tarbiter.toml

    Exit code: 0 all of them work here, 2 at least one does not.
    """
    chosen = _chosen(tuple(name for word in names for name in word.split(",") if name), built=False)
    here = tuple(one for one in chosen if not one.missing)
    wrong = {one.name: f"{one.missing}; install it: {one.install}" for one in chosen if one.missing}
    if here:
        with Pool(here) as pool:
            found = baseline(pool, (one.name for one in here))
            wrong |= {
                name: ": ".join(filter(None, (one.what, " | ".join(one.said)))) for name, one in found.items()
            }
    for one in chosen:
        click.echo(f"{one.name} {one.version}: {wrong.get(one.name, 'works')}", err=one.name in wrong)
    if wrong:
        click.echo(f"tarbiter: {len(wrong)} of {len(chosen)} do not work here", err=True)
        sys.exit(FAILED)
