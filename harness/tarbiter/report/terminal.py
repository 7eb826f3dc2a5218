"""The console that commands print on: as wide as the terminal, and wide enough in a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from rich.console import Console
from rich.text import Text


def console(colour: bool | None = None) -> Console:
    """A console that wraps at the terminal's width; in a pipe at COLUMNS, or else at 160.

    `colour`: None is yes on a terminal and no in a pipe.
    """
    width = None if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdigit() else 160
    if colour is None:
        return Console(width=width, highlight=False)
    return Console(width=width, highlight=False, force_terminal=colour, no_color=not colour)


def print_lines(console: Console, lines: Iterable[Iterable[tuple[str, str]]]) -> None:
    """Print lines, each of them pieces of printable text with a style, whatever the width.

    Rich's own way takes ten times as long, and these are hundreds of thousands.
    """
    around = {"": ("", "")}
    for line in lines:
        whole = ""
        for text, style in line:
            if style not in around:
                with console.capture() as captured:
                    console.print(Text("x", style=style), end="")
                before, _, behind = captured.get().partition("x")
                around[style] = before, behind
            whole += text.join(around[style])
        console.file.write(f"{whole}\n")
    console.file.flush()
