"""One contestant: how it is called, as its table says, and where it was found.

Of this module every cell takes part, so it imports little: what looks for programs and versions is `registry`.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
from collections.abc import Sequence
from typing import Literal

import msgspec

from ..archive.compressed import outer
from ..archive.recipe import BLOCK

SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "drivers")
"""The directory of the drivers' sources."""

KINDS = {"hardlink": b"1", "symlink": b"2"}
"""Kinds of member that a contestant may lack, and their typeflags."""

CHKSUM, TYPEFLAG, MAGIC = 148, 156, 257
"""Where a header has them (POSIX.1-2017 pax, "ustar Interchange Format")."""


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


class Build(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """How a contestant is built: with which tools, from which package, at which version if none is said.

    `files` are its driver's sources and manifests below `drivers/`; the first folder of each is left out in the
    place where it is built. The version may be empty where it is the toolchain's own. `former` are the newest
    versions of dependencies that other versions than the pinned one can be built with.
    """

    tool: str
    package: str = ""
    version: str = ""
    files: tuple[str, ...] = ()
    former: dict[str, str] = {}


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
        found = called(name, Table(family=program, ecosystem="yours", argv=argv))
        if found.missing:
            raise RegistryError(command, found.missing)
        return found


def _placed(word: str, home: str) -> str:
    return word.replace("{home}", home).replace("{drivers}", SOURCES)


def _absolute(word: str) -> str:
    """`word` as an absolute path when it names a file from here; a bare program name is looked up on PATH."""
    return os.path.abspath(word) if "/" in word and os.path.isfile(word) else word


def called(name: str, table: Table, home: str = "") -> Contestant:
    """The contestant that runs the command of its table, installed in `home`, or what it misses here."""
    wanted = _placed((table.argv or table.serve)[0], home)
    program = shutil.which(wanted)
    if program is None:
        where = "" if "/" in wanted else " on PATH"
        return Contestant(name=name, table=table, missing=f"no program {wanted}{where}")
    return Contestant(name=name, table=table, program=os.path.abspath(program), home=home)
