"""Who can take part: contestants as tables in TOML files, their versions, and what is missing here.

A contestant is data. `contestants.toml` beside this module holds those that tarbiter knows, `tarbiter.toml` in the
working directory, or the nearest one above that has it, those of a user; both have the same form.
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
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Any, Literal

import msgspec

from ..archive.compressed import outer
from ..archive.recipe import BLOCK
from .cache import DRIVERS, Build, home, record, versions
from .interpreters import interpreters, named

OWN = Path(__file__).with_name("contestants.toml")
USERS = "tarbiter.toml"
KINDS = {"hardlink": b"1", "symlink": b"2"}
"""Kinds of member that a contestant may lack, and their typeflags."""

MODES = ("safe", "unsafe", "preserve")
"""Other ways of calling a contestant: with every check it has, without those it can leave out, with what the
archive says of permissions. Which of them there are, and how they are asked for, its table says."""

PROBES = 8
"""Programs that are asked at a time."""

CHKSUM, TYPEFLAG, MAGIC = 148, 156, 257
"""Where a header has them (POSIX.1-2017 pax, "ustar Interchange Format")."""

PROBE_S = 20.0
"""Seconds that asking a program for its version may take."""


def _is_header(block: bytes) -> bool:
    """Whether a block passes for a header: by its magic, or, as in the oldest format, by its checksum alone."""
    if block[MAGIC : MAGIC + 5] == b"ustar":
        return True
    said = block[CHKSUM:TYPEFLAG].strip(b" \0")
    if not said or said.strip(b"01234567"):
        return False
    return sum(block) - sum(block[CHKSUM:TYPEFLAG]) + 8 * ord(" ") == int(said, 8)


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
    """The module in `contestants` that runs it in the cell's worker."""
    mode: str = ""
    """What the driver is to do: a filter, a policy."""
    counted: tuple[str, ...] = ()
    """Modules of its parser, or `module:Class`: a campaign looks at which of their blocks are run through."""
    argv: tuple[str, ...] = ()
    """The command that extracts {archive} into {dest}."""
    stdin: tuple[str, ...] = ()
    """The same for an archive on standard input; empty: it cannot, so schedules are not applied."""
    list: tuple[str, ...] = ()
    """The command that prints the members' names, one a line, with backslashes and newlines escaped as in C."""
    serve: tuple[str, ...] = ()
    """The command of its persistent driver; {home} is where it is installed, {drivers} where the drivers are."""
    elsewhere: tuple[str, ...] = ()
    """The command of the persistent driver that does the same as `driver`, in another Python: `{python}`."""
    build: Build | None = None
    """How `tarbiter contestants install` makes it; none: it is there or not."""
    schedule: Literal["", "chunks", "pauses"] = ""
    """What its persistent driver makes of a schedule: nothing, pieces, or pieces and pauses."""
    umask: bool = True
    """Whether its persistent driver sets the umask itself; otherwise it is started anew for another one."""
    threads: int = 0
    """Threads and processes that its persistent driver keeps: the cell's limit is raised by as many."""
    cwd: str = ""
    """The directory in which a command is started: `{dest}`, or empty for one that is emptied."""
    modes: dict[str, tuple[str, ...]] = {}
    """Words behind its command (and that of its driver) for another of MODES: `NAME:MODE` is then a contestant."""
    lacks: dict[str, str] = {}
    """Kinds of member (`symlink`, `hardlink`) that it cannot extract, and why: it gets no archive with them."""
    reads: tuple[str, ...] | None = None
    """Compressions that it takes off by itself (names of `archive.compressed`): it gets no archive in another one.
    None: nobody has said, so it gets them all."""
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

    def steady(self, text: str) -> str:
        """A message without what it says anew each time."""
        for pattern in self.volatile:
            text = re.sub(pattern, "{...}", text)
        return text

    def lacking(self, archive: bytes) -> str:
        """Why it cannot be given this archive; empty: it can. One in a compression is judged by that alone.

        Every block that looks like a header with such a type counts, also inside a body: better one row too few.
        """
        compression = outer(archive)
        if compression:
            given = self.reads is None or compression in self.reads
            return "" if given else f"it does not take {compression} off"
        for kind, why in self.lacks.items():
            flag = KINDS[kind][0]
            for at in range(0, len(archive) - BLOCK + 1, BLOCK):
                if archive[at + TYPEFLAG] == flag and _is_header(archive[at : at + BLOCK]):
                    return f"it cannot extract a {kind}: {why}"
        return ""


class Contestant(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One extractor at one version, in one way of calling it."""

    name: str
    table: Table
    version: str = ""
    program: str = ""
    """The file that a command contestant runs, looked up on PATH."""
    home: str = ""
    """The folder where it is installed; empty: it comes with its program."""
    shows: tuple[str, ...] = ()
    """More directories that it must see, as was found when it was installed."""
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
        return self.table.install or (f"tarbiter contestants install {self.name}" if self.table.build else "")

    def words(self, argv: Sequence[str]) -> tuple[str, ...]:
        """A command of its table with the places of its driver filled in."""
        return tuple(_placed(word, self.home) for word in argv)

    @property
    def serve(self) -> tuple[str, ...]:
        """The command of its persistent driver."""
        return self.words(self.table.serve)

    @property
    def visible(self) -> tuple[str, ...]:
        """What the cell must show for it to run, besides the system and this Python."""
        words = (self.program, *self.table.argv[1:], *self.table.stdin[1:], *self.table.list[1:], *self.serve[1:])
        # Files only, never the directory they are in: that may be somebody's home.
        files = [path for word in words if word.startswith("/") for path in (word, os.path.realpath(word))]
        folders = (*self.table.visible, *self.shows, *filter(None, [self.home]))
        return (*folders, *dict.fromkeys(path for path in files if os.path.isfile(path)))

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


def _placed(word: str, home: str) -> str:
    return word.replace("{home}", home).replace("{drivers}", str(DRIVERS))


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


def _command(name: str, table: Table, installed: Path | None = None) -> Contestant:
    home = str(installed or "")
    wanted = _placed((table.argv or table.serve)[0], home)
    program = shutil.which(wanted)
    if program is None:
        where = "" if "/" in wanted else " on PATH"
        return Contestant(name=name, table=table, missing=f"no program {wanted}{where}")
    return Contestant(name=name, table=table, program=os.path.abspath(program), home=home)


def _built(name: str, table: Table, build: Build, version: str) -> Contestant:
    """A contestant that is installed into the cache, at a version, under `name`."""
    folder = home(name.partition("@")[0], version, build)
    there = record(folder)
    if there is None:
        return Contestant(name=name, table=table, missing="not installed")
    found = _command(name, table, folder)
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
    found = []
    with ThreadPoolExecutor(PROBES) as threads:
        probed = list(threads.map(lambda row: _probe(*row), tables.items()))
    for one, (name, table) in zip(probed, tables.items(), strict=True):
        found.append(one)
        if table.build:
            found += [_other(name, table, version) for version in versions(name, table.build)]
    return tuple(found)


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
    return _everyone(_users())


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
    here = {one.name: one for one in everyone()}
    if name in here:
        return here[name]
    base, _, version = name.partition("@")
    if version and base in here and here[base].table.build:
        return _other(base, here[base].table, version)
    if version and base in here and here[base].table.elsewhere:
        return _elsewhere(name, here[base].table, version)
    raise RegistryError(name, f"is no contestant; there are {', '.join(here)}")


def available(names: Sequence[str] | None = None) -> tuple[Contestant, ...]:
    """Contestants by name, or all of the first ring that are here.

    Raises RegistryError for one that is unknown or missing.
    """
    if names is None:
        return tuple(one for one in everyone() if not one.missing and one.table.ring == 1)
    found = []
    for name in dict.fromkeys(names):
        one = known(name)
        if one.missing:
            help_ = f"; install it: {one.install}" if one.install else ""
            raise RegistryError(name, f"unavailable: {one.missing}{help_}")
        found.append(one)
    return tuple(found)
