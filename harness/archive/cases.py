"""Reading what a person names on the command line: a case in TOML, or an archive, compressed or not."""

from __future__ import annotations

import os
import stat
import sys

import msgspec

from .case import Case
from .compressed import open_archive
from .encode import encode_bytes
from .layers import wrap
from .recipe import RecipeError
from .text import loads

LARGEST = 4 * 1024**3
"""Bytes of input that are read into memory at most; contestants are given the archive as a whole."""


class InputError(Exception):
    """An input that cannot be used: `path`, what is wrong with it, and what to do."""

    def __init__(self, path: str, detail: str) -> None:
        super().__init__(path, detail)
        self.path, self.detail = path, detail

    def __str__(self) -> str:
        return f"{self.path}: {self.detail}"


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """One input: the bytes an extractor is given, and the case where the input was one.

    The compression of an archive is taken off; the layers of a case stay on, they are what it is about.
    """

    path: str
    archive: bytes
    case: Case | None = None
    notes: tuple[str, ...] = ()
    """What was done to the input: which compression was taken off."""

    @property
    def plain(self) -> bytes:
        """The archive itself: without the layers of a case."""
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

    Raises InputError for a file that cannot be read, is empty, or is damaged below the tar level (compression),
    CaseError for TOML that is no case (with file and line).
    """
    data = read(path)
    if not data:
        raise InputError(path, "is empty: not even the two zero blocks of an archive without members")
    if path.endswith(".toml"):
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
    try:
        archive, notes = open_archive(data)
    except ValueError as error:
        raise InputError(path, str(error)) from error
    return Loaded(path=path, archive=archive, notes=notes)
