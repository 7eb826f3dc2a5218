"""Who can take part: contestants as tables in TOML files, their versions, and what is missing here.

A contestant is data. `contestants.toml` beside this module holds those that tarbiter knows, `tarbiter.toml` in the
working directory, or the nearest one above that has it, those of a user; both have the same form.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import os
import platform
import re
import shutil
import subprocess
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any

import msgspec

from ...exit_codes import exhausted
from .cache import home, record, versions
from .interpreters import interpreters, named
from .table import KINDS, YOURS, Build, Contestant, RegistryError, Table, called, placed_from

__all__ = [
    "ALL",
    "DEFAULT",
    "YOURS",
    "Contestant",
    "RegistryError",
    "Table",
    "available",
    "everyone",
    "group",
    "known",
    "target",
]

OWN = Path(__file__).with_name("contestants.toml")
USERS = "tarbiter.toml"
MODES = ("safe", "unsafe", "preserve")
"""Other ways of calling a contestant: with every check it has, without those it can leave out, with what the
archive says of permissions. Which of them there are, and how they are asked for, its table says."""

DEFAULT, ALL = "default", "all"
"""Groups that can be named like contestants: those of the first ring, and everybody who is written down."""

PROBES = 8
"""Programs that are asked at a time."""

PROBE_S = 20.0
"""Seconds that asking a program for its version may take."""


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
        for pattern in (*found[name].volatile, found[name].version.pattern, found[name].row):
            try:
                re.compile(pattern)
            except re.error as error:
                raise RegistryError(f"{path}, [{name}]", f"{pattern!r} is no regular expression: {error}") from None
        if found[name].row and not {"name", "raw"} & re.compile(found[name].row).groupindex.keys():
            raise RegistryError(f"{path}, [{name}]", f"row {found[name].row!r}: it has no group `name` or `raw`")
        if sum(map(bool, (found[name].driver, found[name].argv, found[name].serve))) != 1:
            raise RegistryError(
                f"{path}, [{name}]", "a contestant has a driver, an argv or a serve, one of the three"
            )
        if found[name].counted and not found[name].driver:
            raise RegistryError(f"{path}, [{name}]", "`counted` is for a driver in the worker, and there is none")
        unknown = found[name].lacks.keys() - KINDS.keys()
        if unknown:
            raise RegistryError(
                f"{path}, [{name}]", f"lacks {min(unknown)!r}: the kinds are {', '.join(sorted(KINDS))}"
            )
        unknown = found[name].modes.keys() - set(MODES)
        if unknown:
            raise RegistryError(f"{path}, [{name}]", f"mode {min(unknown)!r}: the modes are {', '.join(MODES)}")
    return found


def target(command: str, *, name: str = "") -> Contestant:
    """A contestant from a command line, as `Contestant.from_command`. Raises RegistryError.

    One that does not say how it lists is asked as the known contestant whose program has the same name (tar,
    bsdtar, ...), if there is one.
    """
    one = Contestant.from_command(command, name=name)
    program = os.path.basename(one.table.argv[0])
    for table in () if one.table.list else _tables(OWN).values():
        if table.list and table.argv[0] == program == table.list[0]:
            like = msgspec.structs.replace(one.table, list=table.list, row=table.row)
            return msgspec.structs.replace(one, table=like)
    return one


def _built(name: str, table: Table, build: Build, version: str) -> Contestant:
    """A contestant that is installed into the cache, at a version, under `name`."""
    folder = home(name.partition("@")[0], version, build)
    there = record(folder)
    if there is None:
        return Contestant(name=name, table=table, missing="not installed")
    found = called(name, table, str(folder))
    gone = [path for path in there.visible if not os.path.exists(path)]
    if gone or found.missing:
        why = found.missing or f"{gone[0]} is gone, with which it was installed"
        return Contestant(name=name, table=table, missing=why)
    return msgspec.structs.replace(found, version=there.version, shows=there.visible)


def _printed(found: Contestant) -> Contestant:
    how = found.table.version
    if not how.argv:
        return found
    own = how.argv[0] == (found.table.argv or found.table.serve)[0]
    program = found.program if own else shutil.which(how.argv[0])
    if program is None:
        return msgspec.structs.replace(found, missing=f"no program {how.argv[0]} on PATH, which tells its version")
    try:
        done = subprocess.run(  # noqa: S603  # the program's own --version, from a table; nothing hostile is read
            [program, *how.argv[1:]],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=PROBE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        if exhausted(error):
            raise  # it says nothing of this contestant
        return msgspec.structs.replace(found, missing=f"{' '.join(how.argv)}: {error}")
    said = (done.stdout + done.stderr).decode("utf-8", "replace")
    match = re.search(how.pattern, said)
    if match is None:
        return msgspec.structs.replace(found, missing=f"{' '.join(how.argv)} names no version: {said[:80]!r}")
    return msgspec.structs.replace(found, version=match[1])


def _probe(name: str, table: Table) -> Contestant:
    if table.build:
        return _built(name, table, table.build, table.build.version)
    if table.argv or table.serve:
        found = called(name, table)
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
def _of_user(users: str) -> frozenset[str]:
    """The names of the tables in the user's file."""
    return frozenset(_tables(Path(users))) if os.path.isfile(users) else frozenset()


@functools.cache
def _written(users: str) -> dict[str, Table]:
    """All tables, by name: ours and the user's."""
    tables = _tables(OWN)
    path = Path(users)
    if path.is_file():
        own = _tables(path)
        for name in own.keys() & (tables.keys() | {DEFAULT, ALL}):
            raise RegistryError(
                f"{path}, [{name}]", "is the name of a contestant or a group that tarbiter has; choose another"
            )
        folder = os.path.dirname(os.path.abspath(path))
        tables |= {name: placed_from(folder, table) for name, table in own.items()}
    return tables


@functools.cache
def _probed(users: str, name: str) -> Contestant:
    """The contestant of one table. A program is started only to ask for the version of who is named."""
    return _probe(name, _written(users)[name])


@functools.cache
def _others(users: str, name: str) -> tuple[Contestant, ...]:
    """The contestants of one table at other versions that are installed."""
    table = _written(users)[name]
    return tuple(_other(name, table, one) for one in versions(name, table.build)) if table.build else ()


def _all(users: str, names: Sequence[str]) -> list[Contestant]:
    """The contestants of these tables."""
    with ThreadPoolExecutor(PROBES) as threads:
        return list(threads.map(lambda name: _probed(users, name), names))


def _other(name: str, table: Table, version: str) -> Contestant:
    """A contestant of that table at another version than its own. It takes part when it is named."""
    assert table.build
    return _built(
        f"{name}@{version}",
        msgspec.structs.replace(table, ring=2, family=table.family or name),
        table.build,
        version,
    )


def _elsewhere(name: str, table: Table, version: str) -> Contestant:
    """The same contestant in another Python of this machine, as `name`."""
    lacking = f"has no {table.needs}" if table.needs else ""
    table = msgspec.structs.replace(
        table,
        driver="",
        counted=(),
        serve=table.elsewhere,
        elsewhere=(),
        schedule="chunks" if table.mode == "stream" else "",
        threads=1,
        needs="",
        install="",
        ring=2,
        family=table.family or name.partition("@")[0],
    )
    found = named(version)
    if found is None:
        there = ", ".join(one.version for one in interpreters()) or "no other"
        why = f"no CPython {version} (3.7 or newer) was found; there are {there}; or name one by its path"
        return Contestant(name=name, table=table, missing=why)
    if lacking and not found.filters:
        return Contestant(name=name, table=table, missing=f"Python {found.version} {lacking}")
    return Contestant(
        name=name,
        table=msgspec.structs.replace(table, serve=(found.program, *table.serve[1:])),
        version=found.version,
        program=found.program,
        shows=found.prefixes,
    )


def _users() -> str:
    """The user's file: here, or in the nearest directory above."""
    here = Path.cwd()
    return str(next((one / USERS for one in (here, *here.parents) if (one / USERS).is_file()), here / USERS))


def everyone() -> tuple[Contestant, ...]:
    """All contestants that are written down, with their version or what they miss. Raises RegistryError."""
    users = _users()
    names = list(_written(users))
    return tuple(one for first in _all(users, names) for one in (first, *_others(users, first.name)))


def known(name: str) -> Contestant:
    """The contestant `NAME[@VERSION][:MODE]`, here or missing. Raises RegistryError for one that nobody has."""
    plain, _, mode = name.rpartition(":")
    if plain and mode.isalpha():
        return _in_mode(_known(plain), mode)
    return _known(name)


def _in_mode(one: Contestant, mode: str) -> Contestant:
    table = one.table
    if mode not in table.modes:
        there = ", ".join(table.modes) or "none"
        raise RegistryError(f"{one.name}:{mode}", f"it has no mode {mode!r}; those that it has: {there}")
    words = table.modes[mode]
    commands = {name: (*argv, *words) for name in ("argv", "stdin", "serve") if (argv := getattr(table, name))}
    changed = msgspec.structs.replace(table, **commands, ring=2, family=one.family, modes={})
    return msgspec.structs.replace(one, name=f"{one.name}:{mode}", table=changed)


def _known(name: str) -> Contestant:
    users = _users()
    tables = _written(users)
    if name in tables:
        return _probed(users, name)
    base, _, version = name.partition("@")
    if version and base in tables:
        if tables[base].build:
            return _other(base, tables[base], version)
        if tables[base].elsewhere:
            return _elsewhere(name, tables[base], version)
    near = difflib.get_close_matches(base, [DEFAULT, ALL, *tables], n=3)
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    raise RegistryError(name, f"is no contestant; {meant}`tarbiter contestants` lists them")


def group(name: str) -> tuple[Contestant, ...]:
    """Everybody in the group `name` (DEFAULT or ALL), here or missing. Empty for the name of a contestant."""
    if name == ALL:
        return everyone()
    users = _users()
    first = [one for one, table in _written(users).items() if table.ring == 1]
    return tuple(_all(users, first)) if name == DEFAULT else ()


def available(names: Sequence[str] | None = None) -> tuple[Contestant, ...]:
    """Contestants by name, each once; none named: the first ring. Of a group, those that are here.

    Raises RegistryError for one that is unknown, or named itself and missing.
    """
    found: dict[str, Contestant] = {}
    for name in (DEFAULT,) if names is None else names:
        members = group(name)
        if members:
            found |= {one.name: one for one in members if not one.missing}
            continue
        one = known(name)
        if one.missing:
            help_ = f"; install it: {one.install}" if one.install else ""
            raise RegistryError(name, f"unavailable: {one.missing}{help_}")
        found[one.name] = one
    return tuple(map(_with_folder, found.values()))


def _with_folder(one: Contestant) -> Contestant:
    """The same contestant; one of the user's file means something below the directory of that file alone."""
    users = _users()
    base = one.name.partition(":")[0].partition("@")[0]
    return msgspec.structs.replace(one, folder=os.path.dirname(users)) if base in _of_user(users) else one
