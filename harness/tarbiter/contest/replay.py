"""Command lines to run again: every line that a command, a report or a test prints for that is made here.

A line must work later, in any directory, for somebody who only has the line. So paths in it are absolute, a
`--target` is given as its command (its generated name means nothing later), and where contestants depend on a
directory (a relative path in a command, a `tarbiter.toml`) the line goes there first.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable

import msgspec

from .installed.registry import Contestant
from .sandbox.namespaces import LANDLOCK


def quoted(word: str) -> str:
    """`word` for a POSIX shell, in printable characters only: others could not be copied from a page."""
    if word.isprintable():
        return shlex.quote(word)
    octal = "".join(f"\\{byte:03o}" for byte in os.fsencode(word))
    return f"\"$(printf '{octal}')\""


class Called(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a command line names contestants."""

    names: tuple[str, ...] = ()
    """All of them, in order."""
    targets: dict[str, str] = {}
    """Those that were given by `--target`: name to command."""
    folder: str = ""
    """The directory in which the commands and names mean the same contestants; empty: any."""
    cell: str = ""
    """The kind of cell to ask for; empty: what works there."""

    @classmethod
    def of(cls, contestants: Iterable[Contestant], *, backend: str = "") -> Called:
        """How these are named; `backend` is the kind of cell they ran in."""
        everyone = tuple(contestants)
        folders = [one.folder for one in everyone]
        return cls(
            names=tuple(one.name for one in everyone),
            targets={one.name: one.command for one in everyone if one.command},
            # A directory below that of `tarbiter.toml` finds it too.
            folder=max(folders, key=len, default=""),
            cell=LANDLOCK if backend == LANDLOCK else "",
        )

    def only(self, names: Iterable[str]) -> Called:
        """How these of them are named."""
        kept = tuple(names)
        targets = {name: command for name, command in self.targets.items() if name in kept}
        return msgspec.structs.replace(self, names=kept, targets=targets)

    def line(self, *words: str) -> str:
        """The line of shell that runs `tarbiter WORD...` with these contestants."""
        argv = ["tarbiter", *(("--cell", self.cell) if self.cell else ()), *words]
        named = [name for name in self.names if name not in self.targets]
        argv += ["--with", ",".join(named)] if named else []
        for command in self.targets.values():
            argv += ["--target", command]
        return self._there(argv)

    def _there(self, argv: Iterable[str]) -> str:
        line = " ".join(map(quoted, argv))
        return f"cd {quoted(self.folder)} && {line}" if self.folder else line


def command(*words: str) -> str:
    """The line of shell that runs `tarbiter WORD...`, where no contestant has to be named."""
    return " ".join(map(quoted, ("tarbiter", *words)))
