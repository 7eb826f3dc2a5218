"""The command `tarbiter contestants install`: build contestants into the cache and say what came of each."""

from __future__ import annotations

import sys
import time

import click

from .contest.building import BuildError, install
from .contest.cache import root
from .contest.registry import Contestant, everyone, known

DEFAULT, ALL = "default", "all"

FAILED = 2


def _chosen(names: tuple[str, ...]) -> list[Contestant]:
    """The contestants that are meant, each once. Raises RegistryError for a name that nobody has."""
    found: dict[str, Contestant] = {}
    for name in names:
        if name in (DEFAULT, ALL):
            rows = [one for one in everyone() if one.table.build and (name == ALL or one.table.ring == 1)]
        else:
            rows = [known(name)]
        found |= {one.name: one for one in rows}
    return list(found.values())


@click.command("install")
@click.argument("names", nargs=-1, required=True, metavar="NAME[@VERSION]...|default|all")
def install_command(names: tuple[str, ...]) -> None:
    """Build contestants into the cache, with the package clients that are here (go, cargo, npm, mvn, pip).

    What is installed already stays; what was interrupted begins again. Several versions stand side by side.

    \b
    tarbiter contestants install default                    everybody of the first ring
    tarbiter contestants install astral-tokio-tar@0.5.0     one, at another version

    Exit code: 0 all are installed, 2 at least one is not; the others are.
    """
    chosen = _chosen(names)
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
