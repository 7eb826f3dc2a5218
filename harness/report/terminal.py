"""The console that commands print on: as wide as the terminal, and wide enough in a pipe."""

from __future__ import annotations

import os
import sys

from rich.console import Console


def console(colour: bool | None = None) -> Console:
    """A console that wraps at the terminal's width; in a pipe at COLUMNS, or else at 160.

    `colour`: None is yes on a terminal and no in a pipe.
    """
    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit() else 160
    if colour is None:
        return Console(width=width, highlight=False)
    return Console(width=width, highlight=False, force_terminal=colour, no_color=not colour)
