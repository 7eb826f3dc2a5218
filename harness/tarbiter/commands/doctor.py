"""The command `tarbiter doctor`: whether the cells hold."""

from __future__ import annotations

import sys

import click
from rich.table import Table
from rich.text import Text

from ..contest.doctor import checks
from ..judge.machine import page
from ..report.terminal import console
from .verdict import DIFFERS


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def doctor(as_json: bool) -> None:
    """Try to break out of each kind of cell in every way we know, and say what held.

    "lacks" is what a kind of cell is known not to keep (docs/cell.md), or that it cannot be had here.

    \b
    tarbiter doctor
    tarbiter --cell landlock doctor        that kind only

    Exit code: 0 everything else held, 1 something did not, 2 no cell can be set up here.
    """
    done = checks()
    if as_json:
        click.echo(page(done))
    else:
        table = Table(box=None, pad_edge=False)
        for column in ("cell", "check", "held", "detail"):
            table.add_column(column)
        for check in done:
            held = "[green]yes" if check.held else "[yellow]lacks" if check.known else "[bold red]NO"
            table.add_row(check.cell, check.name, held, Text(check.detail))
        console().print(table)
    sys.exit(0 if all(check.held or check.known for check in done) else DIFFERS)
