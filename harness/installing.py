"""The commands `tarbiter contestants install` and `check`: build contestants into the cache; try who works here."""

from __future__ import annotations

import sys
import time

import click

from .archive.encode import encode_bytes
from .archive.recipe import Member, Recipe
from .contest.building import BuildError, install
from .contest.cache import root
from .contest.observation import Job, Observation
from .contest.pool import Pool
from .contest.registry import Contestant, everyone, known

DEFAULT, ALL = "default", "all"

FAILED = 2

ORDINARY = encode_bytes(
    Recipe(parts=(Member(name=b"d/", typeflag=b"5", mode=0o755), Member(name=b"d/file", data=b"contents\n")))
)
"""What everybody can extract: a directory with a file in it."""


def _chosen(names: tuple[str, ...], *, built: bool) -> list[Contestant]:
    """The contestants that are meant, each once; `built`: groups hold only what is built into the cache.

    Raises RegistryError for a name that nobody has.
    """
    found: dict[str, Contestant] = {}
    for name in names:
        if name in (DEFAULT, ALL):
            rows = [one for one in everyone() if name == ALL or one.table.ring == 1]
            rows = [one for one in rows if one.table.build or not built]
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


def _wrong(seen: Observation) -> str:
    """What is wrong with how somebody extracted the ordinary archive; empty: nothing."""
    if seen.status != "extracted":
        return f"{seen.status}: {seen.error or seen.error_class}"
    left = [(node.path, node.type, node.data) for node in seen.tree[1:]]
    if left != [(b"d", "dir", None), (b"d/file", "file", b"contents\n")]:
        return f"it left {', '.join(ascii(path)[1:] for path, _, _ in left) or 'nothing'} instead of 'd', 'd/file'"
    return f"it changed {seen.escapes[0].path!r} outside the destination" if seen.escapes else ""


@click.command("check")
@click.argument("names", nargs=-1, required=True, metavar="NAME[@VERSION][:MODE][,NAME...]...|default|all")
def try_command(names: tuple[str, ...]) -> None:
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
            job = Job(archive=ORDINARY, contestants=tuple(one.name for one in here))
            wrong |= {seen.contestant: why for seen in pool.run(job) if (why := _wrong(seen))}
    for one in chosen:
        click.echo(f"{one.name} {one.version}: {wrong.get(one.name, 'works')}", err=one.name in wrong)
    if wrong:
        click.echo(f"tarbiter: {len(wrong)} of {len(chosen)} do not work here", err=True)
        sys.exit(FAILED)
