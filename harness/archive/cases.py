"""Reading what a person names on the command line: a case in TOML, or an archive, compressed or not."""

from __future__ import annotations

import os
import stat
import sys

import msgspec

from .case import Case
from .compressed import foreign, open_archive, outer
from .encode import encode_bytes
from .layers import wrap
from .recipe import RecipeError
from .text import loads

LARGEST = 4 * 1024**3
"""Bytes of input that are read into memory at most; contestants are given the archive as a whole."""


AS_IT_IS = "as it is"
"""The form of a compressed file with its compression on."""


class InputError(Exception):
    """An input that cannot be used: `path`, what is wrong with it, and what to do."""

    def __init__(self, path: str, detail: str) -> None:
        super().__init__(path, detail)
        self.path, self.detail = path, detail

    def __str__(self) -> str:
        return f"{self.path}: {self.detail}"


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """One input: the bytes an extractor is given, and the case where the input was one.

    The compression of an archive is taken off where it can be; the layers of a case stay on, they are what it is
    about.
    """

    path: str
    archive: bytes
    case: Case | None = None
    packed: bytes | None = None
    """The file as it is, where `compression` was taken off."""
    compression: str = ""
    """The compression that the file has (a name of `compressed.NAMES`), taken off or not."""
    fault: str = ""
    """Why that could not be taken off, and what to do; `archive` is the file as it is then."""
    foreign: str = ""
    """Why this is no tar archive, as far as its first block shows; empty: it looks like one."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done to the input and what is wrong with it, in words to be read behind its name."""
        done = (f"{self.compression} taken off",) if self.packed is not None else ()
        return (*done, *self.faults)

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong with the input, in words to be read behind its name."""
        return tuple(filter(None, (self.fault, self.foreign)))

    @property
    def forms(self) -> tuple[tuple[str, bytes], ...]:
        """What is compared: the bytes, and in words which of the file's they are (empty: there is but one form)."""
        if self.packed is not None:
            return ((f"{self.compression} taken off", self.archive), (AS_IT_IS, self.packed))
        return ((AS_IT_IS if self.compression else "", self.archive),)

    @property
    def plain(self) -> bytes:
        """The archive itself: without compression, without the layers of a case.

        Raises InputError where the compression could not be taken off.
        """
        if self.fault:
            raise InputError(self.path, self.fault)
        return encode_bytes(self.case.recipe) if self.case else self.archive


def bare(case: Case) -> Case:
    """What is run, without the words about it: two cases that differ in nothing else are one."""
    return msgspec.structs.replace(case, id="", title="", why="", source=(), flags=())


def bytes_of(case: Case) -> bytes:
    """The bytes that an extractor is given for this case: its archive, in its layers. Raises RecipeError."""
    return wrap(encode_bytes(case.recipe), case.layers)


def read(path: str) -> bytes:
    """The bytes of the regular file or pipe at `path`; `-` is standard input.

    Raises InputError for what cannot be read: it says why and what to do.
    """
    if path == "-":
        return sys.stdin.buffer.read()
    try:
        with open(path, "rb") as file:
            status = os.fstat(file.fileno())
            if stat.S_ISREG(status.st_mode) and status.st_size > LARGEST:
                raise InputError(path, f"{status.st_size} bytes are more than the {LARGEST} that fit in memory")
            return file.read()
    except FileNotFoundError:
        raise InputError(path, "no such file; name an archive or a case (.toml), or - for standard input") from None
    except IsADirectoryError:
        raise InputError(path, "is a directory; name the files in it, for instance with a shell pattern") from None
    except PermissionError:
        raise InputError(path, "may not be read by this user; change its mode or run as its owner") from None
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}") from error


def load(path: str) -> Loaded:
    """The archive or case at `path`: a name that ends in `.toml` is a case, everything else is an archive.

    What is no archive at all is taken as it is, and `Loaded` says what is wrong with it. Raises InputError for a
    file that cannot be read, CaseError for TOML that is no case (with file and line).
    """
    data = read(path)
    if not path.endswith(".toml"):
        return _archive(path, data)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(path, f"line {line}: not UTF-8 (byte {error.start:#x}); TOML is UTF-8") from None
    case = loads(text, filename=path)
    try:
        return Loaded(path=path, archive=bytes_of(case), case=case)
    except RecipeError as error:
        raise InputError(path, str(error)) from error


def _archive(path: str, data: bytes) -> Loaded:
    name = outer(data)
    try:
        archive, taken_off = open_archive(data)
    except ValueError as error:
        return Loaded(path=path, archive=data, compression=name, fault=str(error))
    return Loaded(
        path=path,
        archive=archive,
        packed=data if taken_off else None,
        compression=name,
        foreign=foreign(archive),
    )
