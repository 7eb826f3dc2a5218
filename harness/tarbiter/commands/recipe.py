"""The command `tarbiter recipe`: an archive as TOML that `tarbiter build` turns into the same bytes."""

from __future__ import annotations

import io

import click
import msgspec

from ..archive.case import Case
from ..archive.cases import TEXT, load
from ..archive.decode import decode
from ..archive.layers import layer_of
from ..archive.stored import in_memory
from ..archive.text import about, dump_pieces
from ..corpus.checking import path_of
from ..errors import UserError
from ..files import Output

_PIECE = 1 << 20
"""Characters of a recipe that are written at a time."""


@click.command("recipe")
@click.argument("archive")
@click.option("-o", "--output", default="-", help="Where the recipe goes; - (the default) is standard output.")
@click.option("--plain", is_flag=True, help="Leave the compression out: the recipe of the archive alone.")
def recipe(archive: str, output: str, plain: bool) -> None:
    """Print the recipe of an archive: TOML that `tarbiter build` turns into the same bytes.

    \b
    tarbiter recipe x.tar > case.toml
    tarbiter recipe release.tar.gz | less      the compression is a layer of the case
    tarbiter recipe --plain release.tar.gz     without it

    Compressors give other bytes in other versions. What cannot be made again is in the layer as it is, and holds
    for as long as nothing in the recipe is changed.
    """
    loaded = load(path_of(archive))
    made = Case(
        recipe=decode(in_memory(loaded.plain)), layers=loaded.case.layers if loaded.case and not plain else ()
    )
    notes = loaded.notes
    if loaded.packed is not None and not plain:
        layer, told = layer_of(loaded.compression, in_memory(loaded.packed))
        made = msgspec.structs.replace(made, layers=(layer,))
        notes = (told, *loaded.faults)
    for note in notes:
        click.echo(f"tarbiter: {archive}: {note}", err=True)
    size = about(made.recipe)
    if size > TEXT:
        raise UserError(
            archive,
            f"its recipe would have some {size >> 20} MiB of text, and `tarbiter build` takes "
            f"{TEXT >> 20}; `tarbiter inspect` shows the archive, `tarbiter compare` runs it",
        )
    with Output(output) as out:
        kept = io.StringIO()
        for piece in dump_pieces(made):
            kept.write(piece)
            if kept.tell() > _PIECE:
                out.write(kept.getvalue())
                kept = io.StringIO()
        out.write(kept.getvalue())
