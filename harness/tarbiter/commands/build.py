"""The command `tarbiter build`: the archive that a case describes."""

from __future__ import annotations

import sys

import click

from ..archive.cases import Loaded, bytes_of, load, read_text
from ..archive.text import loads
from ..corpus.checking import path_of
from ..errors import UserError
from ..files import write


@click.command("build")
@click.argument("case", metavar="CASE.toml")
@click.option("-o", "--output", default="-", help="Where the archive goes; - (the default) is standard output.")
def build(case: str, output: str) -> None:
    """Build the archive that a case describes.

    \b
    tarbiter build case.toml -o x.tar
    tarbiter build case.toml | tar -tvf -
    tarbiter build links/hardlink -o x.tar             a case of the corpus
    """
    case = path_of(case)
    if not case.endswith(".toml") and case != "-":
        raise UserError(case, f"a case is a TOML file; to read an archive, say `tarbiter recipe {case}`")
    loaded = _from_stdin() if case == "-" else load(case)
    if output == "-" and sys.stdout.isatty():
        raise UserError("", "an archive is not text: name a file with -o, or pipe it on")
    write(output, loaded.data)


def _from_stdin() -> Loaded:
    case = loads(read_text("-"), filename="<stdin>")
    return Loaded(path="-", archive=bytes_of(case), case=case)
