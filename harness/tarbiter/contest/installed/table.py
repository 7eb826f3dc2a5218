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

from ...archive.compressed import outer
from ...archive.recipe import BLOCK
from ...archive.stored import Archive, Stored, pieces_of
from ...errors import UserError

SOURCES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "drivers")
"""The directory of the drivers' sources."""

YOURS = "yours"
"""The ecosystem of a command that was named on the command line."""

LISTS = "::"
"""The word of such a command behind which stands the command that lists."""

VISIBLE = "visible="
"""How the words in front of such a command begin that say what else the cell shows."""

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


class RegistryError(UserError):
    """A contestant that cannot be used, or a table that is none: `where` (file or name) and what is wrong."""


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
    """The command that lists the members. A member that it lists and that is not in the tree is a silent loss."""
    row: str = ""
    """A regular expression for one row of what `list` prints, its newline included. Its groups: `name` (backslashes
    and newlines escaped as in C) or `raw` (as it is); where there are such, `type` (a letter as `ls -l` prints it),
    `size`, `symlink` and `hardlink` (any text says that it is one), and `unsure` (any text says that the name may
    be another one: the row is not looked at). Empty: one name a line."""
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
    through: dict[str, tuple[str, ...]] = {}
    """Compressions that it takes off with another program, and what that may be called: one has to be here."""
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

    def lacking(self, archive: Archive) -> str:
        """Why it cannot be given this archive; empty: it can. One in a compression is judged by that alone.

        Every block that looks like a header with such a type counts, also inside a body: better one row too few.
        Raises OSError for a file that cannot be read.
        """
        compression = outer(archive.read(0, BLOCK) if isinstance(archive, Stored) else archive)
        if compression:
            return "" if self.reads is None else self.taking_off(compression)
        for piece in pieces_of(archive) if self.lacks else ():
            types = piece[TYPEFLAG : len(piece) // BLOCK * BLOCK : BLOCK]
            for kind, why in self.lacks.items():
                place = types.find(KINDS[kind])
                while place >= 0:
                    if _is_header(piece[place * BLOCK : (place + 1) * BLOCK]):
                        return f"it cannot extract a {kind}: {why}"
                    place = types.find(KINDS[kind], place + 1)
        return ""

    def taking_off(self, compression: str) -> str:
        """Why it does not take this compression off; empty: it does. Asked where `reads` says something."""
        if compression not in (self.reads or ()):
            return f"it does not take {compression} off"
        programs = self.through.get(compression, ())
        if programs and not any(map(shutil.which, programs)):
            return f"it takes {compression} off with the program {' or '.join(programs)}, which is not here"
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
    command: str = ""
    """The command line that it was given as (`--target`); empty: it is named."""
    folder: str = ""
    """The directory in which its command or its name means this contestant; empty: any."""

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
        words = (self.program, *self.table.argv[1:], *self.table.stdin[1:], *self.table.list, *self.serve[1:])
        # Files only, never the directory they are in: that may be somebody's home.
        files = [path for word in words if word.startswith("/") for path in (word, os.path.realpath(word))]
        folders = (*self.table.visible, *self.shows, *filter(None, [self.home]))
        return (*folders, *dict.fromkeys(path for path in files if os.path.isfile(path)))

    @classmethod
    def from_command(cls, command: str, *, name: str = "") -> Contestant:
        """A contestant from a command line with {archive} and {dest}. Raises RegistryError.

        Words that name files from here are made absolute, and those files can be seen in the cell; words in front
        of the form `visible=PATH,PATH` name what else can be seen. Behind `LISTS` may come the command that lists
        {archive}, one name a line. The name is the program's and four digits of the
        command's hash, so that several ways of calling one program can be compared.
        """
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise RegistryError(command, f"is no command line: {error}") from None
        shown: list[str] = []
        while words and words[0].startswith(VISIBLE):
            shown += filter(None, words.pop(0).removeprefix(VISIBLE).split(","))
        gone = next((path for path in shown if not os.path.exists(path)), None)
        if gone is not None:
            raise RegistryError(command, f"{gone} is to be visible, and there is no such file or directory")
        at = words.index(LISTS) if LISTS in words else len(words)
        argv, lists = (_absolute(part, os.getcwd()) for part in (words[:at], words[at + 1 :]))
        if at < len(words) and not any("{archive}" in word for word in lists):
            raise RegistryError(command, f"must say behind {LISTS} how {{archive}} is listed, or end before it")
        if not any("{archive}" in word for word in argv) or not any("{dest}" in word for word in argv):
            raise RegistryError(command, "must say where the archive and the destination go: {archive} and {dest}")
        program = os.path.basename(argv[0])
        if not name:
            name = f"{program}-{hashlib.blake2b(command.encode(), digest_size=2).hexdigest()}"
        visible = tuple(map(os.path.abspath, shown))
        if lists:
            lister = shutil.which(lists[0])
            if lister is None:
                raise RegistryError(command, f"{_no_program(lists[0])}, which is to list (behind {LISTS})")
            lists = (os.path.abspath(lister), *lists[1:])
        found = called(name, Table(family=program, ecosystem=YOURS, argv=argv, list=lists, visible=visible))
        if found.missing:
            raise RegistryError(command, found.missing)
        folder = "" if list(argv) == shlex.split(command) else os.getcwd()
        return msgspec.structs.replace(found, command=command, folder=folder)


def _placed(word: str, home: str) -> str:
    return word.replace("{home}", home).replace("{drivers}", SOURCES)


def _absolute(command: Sequence[str], here: str) -> tuple[str, ...]:
    """A command with the words that name a file or a directory from `here` as absolute paths.

    A word without a slash and a dot is never one: the `x` of `tar x` names no file, also where one is called so.
    A program without a slash is looked up on PATH, and a directory is meant only where a slash says so.
    """
    found = []
    for place, word in enumerate(command):
        path = os.path.normpath(os.path.join(here, word))
        named = "/" in word or ("." in word and place > 0)
        there = os.path.isfile(path) or ("/" in word and os.path.isdir(path))
        found.append(path if named and there and not word.startswith(("-", "{")) else word)
    return tuple(found)


def placed_from(folder: str, table: Table) -> Table:
    """A table of a user's file, with its relative paths taken from the directory of that file."""
    commands = {name: _absolute(getattr(table, name), folder) for name in ("argv", "stdin", "list", "serve")}
    asked = _absolute(table.version.argv, folder)
    return msgspec.structs.replace(
        table,
        **commands,
        version=msgspec.structs.replace(table.version, argv=asked),
        visible=tuple(os.path.normpath(os.path.join(folder, path)) for path in table.visible),
    )


def called(name: str, table: Table, home: str = "") -> Contestant:
    """The contestant that runs the command of its table, installed in `home`, or what it misses here."""
    wanted = _placed((table.argv or table.serve)[0], home)
    program = shutil.which(wanted)
    if program is None:
        return Contestant(name=name, table=table, missing=_no_program(wanted))
    return Contestant(name=name, table=table, program=os.path.abspath(program), home=home)


def _no_program(wanted: str) -> str:
    """Why a program cannot be called that `shutil.which` does not find."""
    if os.path.isdir(wanted) and "/" in wanted:
        return f"{wanted} is a directory and no program"
    if os.path.isfile(wanted):
        place = wanted if "/" in wanted else f"./{wanted}"
        if os.access(place, os.X_OK):
            return f"no program {wanted} on PATH; for the file that is here say {place}"
        return f"{wanted} has no execute bit: chmod +x {shlex.quote(wanted)}, or name its interpreter in front"
    return f"no program {wanted}" + ("" if "/" in wanted else " on PATH")
