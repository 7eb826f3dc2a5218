"""Who can take part: contestants as tables in TOML files, their versions, and what is missing here.

A contestant is data. `contestants.toml` beside this module holds those that tarbiter knows, `tarbiter.toml` in the
working directory those of a user; both have the same form.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

import msgspec

OWN = Path(__file__).with_name("contestants.toml")
USERS = "tarbiter.toml"
PROBE_S = 20.0
"""Seconds that asking a program for its version may take."""


class RegistryError(Exception):
    """A contestant that cannot be used, or a table that is none: `where` (file or name) and what is wrong."""

    def __init__(self, where: str, detail: str) -> None:
        super().__init__(where, detail)
        self.where, self.detail = where, detail

    def __str__(self) -> str:
        return f"{self.where}: {self.detail}"


class Version(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How a version is found: of a Python package, of this Python, or in what a program prints."""

    package: str = ""
    python: bool = False
    argv: tuple[str, ...] = ()
    pattern: str = r"(\d+(?:\.\d+)+\S*)"


class Table(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One contestant as it is written down."""

    family: str = ""
    ecosystem: str = ""
    driver: str = ""
    """The module in `contestants` that runs it in the cell's worker; empty: a command."""
    mode: str = ""
    """What the driver is to do: a filter, a policy."""
    argv: tuple[str, ...] = ()
    """The command that extracts {archive} into {dest}."""
    stdin: tuple[str, ...] = ()
    """The same for an archive on standard input; empty: it cannot, so schedules are not applied."""
    list: tuple[str, ...] = ()
    """The command that prints the members' names, one a line, with backslashes and newlines escaped as in C."""
    version: Version = Version()
    env: dict[str, str] = {}
    refuses_with: tuple[int, ...] = ()
    """Exit codes that mean "refused"; empty: every code but 0."""
    volatile: tuple[str, ...] = ()
    """Regular expressions for what its messages say anew each time: `{...}` is put in its place."""
    address_space: int = 0
    """Bytes of RLIMIT_AS; 0: none but the cell's limits."""
    visible: tuple[str, ...] = ()
    """More directories it must see, read-only."""
    install: str = ""
    """The command that installs it."""
    needs: str = ""
    """`module.name` that this Python's standard library must have."""
    ring: int = 1
    """1: takes part unless others are named; 2: when it is named (near duplicates, slow ones)."""


class Contestant(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One extractor at one version, in one way of calling it."""

    name: str
    table: Table
    version: str = ""
    program: str = ""
    """The file that a command contestant runs, looked up on PATH."""
    missing: str = ""
    """Why it cannot take part here; empty: it can."""

    @property
    def family(self) -> str:
        """Contestants of one family share an implementation."""
        return self.table.family or self.name

    @property
    def ecosystem(self) -> str:
        """Where it comes from."""
        return self.table.ecosystem

    @property
    def install(self) -> str:
        """The command that installs it; empty: unknown."""
        return self.table.install

    @property
    def visible(self) -> tuple[str, ...]:
        """What the cell must show for it to run, besides the system and this Python."""
        words = (self.program, *self.table.argv[1:], *self.table.stdin[1:], *self.table.list[1:])
        # Files only, never the directory they are in: that may be somebody's home.
        files = [path for word in words if word.startswith("/") for path in (word, os.path.realpath(word))]
        return (*self.table.visible, *dict.fromkeys(path for path in files if os.path.isfile(path)))

    @classmethod
    def from_command(cls, command: str, *, name: str = "") -> Contestant:
        """A contestant from a command line with {archive} and {dest}. Raises RegistryError.

        Words that name files are made absolute, and those files can be seen in the cell. The name is the program's
        and four digits of the command's hash, so that several ways of calling one program can be compared.
        """
        try:
            argv = tuple(_absolute(word) for word in shlex.split(command))
        except ValueError as error:
            raise RegistryError(command, f"is no command line: {error}") from None
        if not any("{archive}" in word for word in argv) or not any("{dest}" in word for word in argv):
            raise RegistryError(command, "must say where the archive and the destination go: {archive} and {dest}")
        program = os.path.basename(argv[0])
        if not name:
            name = f"{program}-{hashlib.blake2b(command.encode(), digest_size=2).hexdigest()}"
        found = _command(name, Table(family=program, ecosystem="yours", argv=argv))
        if found.missing:
            raise RegistryError(command, found.missing)
        return found


def _absolute(word: str) -> str:
    """`word` as an absolute path when it names a file from here; a bare program name is looked up on PATH."""
    return os.path.abspath(word) if "/" in word and os.path.isfile(word) else word


def _tables(path: Path) -> dict[str, Table]:
    try:
        document: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise RegistryError(str(path), f"not TOML: {error}") from None
    except UnicodeDecodeError as error:
        raise RegistryError(str(path), f"not UTF-8 at byte {error.start:#x}") from None
    found = {}
    for name, table in document.items():
        try:
            found[name] = msgspec.convert(table, Table)
        except msgspec.ValidationError as error:
            raise RegistryError(f"{path}, [{name}]", str(error)) from None
        for pattern in (*found[name].volatile, found[name].version.pattern):
            try:
                re.compile(pattern)
            except re.error as error:
                raise RegistryError(f"{path}, [{name}]", f"{pattern!r} is no regular expression: {error}") from None
        if bool(found[name].driver) == bool(found[name].argv):
            raise RegistryError(f"{path}, [{name}]", "a contestant has a driver or an argv, one of the two")
    return found


def _command(name: str, table: Table) -> Contestant:
    program = shutil.which(table.argv[0])
    if program is None:
        return Contestant(name=name, table=table, missing=f"no program {table.argv[0]} on PATH")
    return Contestant(name=name, table=table, program=os.path.abspath(program))


def _printed(found: Contestant) -> Contestant:
    how = found.table.version
    if not how.argv:
        return found
    try:
        done = subprocess.run(  # noqa: S603  # the program's own --version, from a table; nothing hostile is read
            [found.program, *how.argv[1:]],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=PROBE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return msgspec.structs.replace(found, missing=f"{' '.join(how.argv)}: {error}")
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    match = re.search(how.pattern, said)
    if match is None:
        return msgspec.structs.replace(found, missing=f"{' '.join(how.argv)} names no version: {said[:80]!r}")
    return msgspec.structs.replace(found, version=match[1])


def _probe(name: str, table: Table) -> Contestant:
    if table.argv:
        found = _command(name, table)
        return found if found.missing else _printed(found)
    if table.needs:
        module, _, wanted = table.needs.rpartition(".")
        if not hasattr(importlib.import_module(module), wanted):
            return Contestant(
                name=name, table=table, missing=f"Python {platform.python_version()} has no {table.needs}"
            )
    if table.version.python:
        return Contestant(name=name, table=table, version=platform.python_version())
    try:
        return Contestant(name=name, table=table, version=package_version(table.version.package))
    except PackageNotFoundError:
        return Contestant(name=name, table=table, missing=f"no Python package {table.version.package} is installed")


@functools.cache
def _everyone(users: str) -> tuple[Contestant, ...]:
    tables = _tables(OWN)
    path = Path(users)
    if path.is_file():
        own = _tables(path)
        for name in own.keys() & tables.keys():
            raise RegistryError(
                f"{path}, [{name}]", "is the name of a contestant that tarbiter has; choose another"
            )
        tables |= own
    return tuple(_probe(name, table) for name, table in tables.items())


def everyone() -> tuple[Contestant, ...]:
    """All contestants that are written down, with their version or what they miss. Raises RegistryError."""
    return _everyone(os.path.abspath(USERS))


def available(names: Sequence[str] | None = None) -> tuple[Contestant, ...]:
    """Contestants by name, or all of the first ring that are here.

    Raises RegistryError for one that is unknown or missing.
    """
    known = {one.name: one for one in everyone()}
    if names is None:
        return tuple(one for one in known.values() if not one.missing and one.table.ring == 1)
    found = []
    for name in dict.fromkeys(names):
        if name not in known:
            raise RegistryError(name, f"is no contestant; there are {', '.join(known)}")
        one = known[name]
        if one.missing:
            help_ = f"; install it: {one.install}" if one.install else ""
            raise RegistryError(name, f"unavailable: {one.missing}{help_}")
        found.append(one)
    return tuple(found)
