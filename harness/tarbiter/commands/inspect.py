"""The command `tarbiter inspect`: an archive field by field."""

from __future__ import annotations

import click

from ..archive.cases import load
from ..archive.inspect import annotate, lines
from ..archive.stored import Spool
from ..corpus.checking import path_of
from ..report.terminal import console, print_lines


@click.command("inspect")
@click.argument("archive")
@click.option("--all", "everything", is_flag=True, help="Show every field, also those with nothing to say.")
@click.option("--colour/--no-colour", default=None, help="Colours; the default is yes on a terminal, no in a pipe.")
def inspect(archive: str, everything: bool, colour: bool | None) -> None:
    """Show an archive field by field: offset, raw bytes, meaning, and what is odd about it.

    \b
    tarbiter inspect x.tar
    tarbiter inspect --all links/write-through-symlink          a case of the corpus
    """
    with Spool() as spool:
        loaded = load(path_of(archive), spool)
        plain = loaded.plain
        out = console(colour)
        for note in loaded.notes:
            out.print(f"{archive}: {note}", style="dim")
        print_lines(out, lines(annotate(plain), everything=everything))
