"""Reading what a person names on the command line: a case in TOML, or an archive, compressed or not."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

import msgspec

from .case import Case
from .compressed import foreign, outer, taken_off
from .encode import encode_bytes
from .layers import wrap
from .recipe import RecipeError
from .stored import CHUNK, Archive, InputError, Spool, Stored, keep_in_memory, readable
from .text import loads

__all__ = ["AS_IT_IS", "InputError", "Loaded", "bytes_of", "load", "read_text"]

AS_IT_IS = "as it is"
"""The form of a compressed file with its compression on."""


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """One input: the bytes an extractor is given, and the case where the input was one.

    The compression of an archive is taken off where it can be; the layers of a case stay on, they are what it is
    about.
    """

    path: str
    archive: Archive
    case: Case | None = None
    packed: Archive | None = None
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
    def forms(self) -> tuple[tuple[str, Archive], ...]:
        """What is compared: the bytes, and in words which of the file's they are (empty: there is but one form)."""
        if self.packed is not None:
            return ((f"{self.compression} taken off", self.archive), (AS_IT_IS, self.packed))
        return ((AS_IT_IS if self.compression else "", self.archive),)

    @property
    def data(self) -> bytes:
        """The bytes an extractor is given. They are in memory where `load` was not given a spool."""
        assert isinstance(self.archive, bytes)
        return self.archive

    @property
    def plain(self) -> Archive:
        """The archive itself: without compression, without the layers of a case.

        Raises InputError where the compression could not be taken off.
        """
        if self.fault:
            raise InputError(self.path, self.fault)
        return encode_bytes(self.case.recipe) if self.case else self.archive


def bytes_of(case: Case) -> bytes:
    """The bytes that an extractor is given for this case: its archive, in its layers. Raises RecipeError."""
    return wrap(encode_bytes(case.recipe), case.layers)


@contextlib.contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    """The file at `path`; `-` is standard input. Raises InputError: it says why not, and what to do."""
    try:
        with open(path, "rb") if path != "-" else contextlib.nullcontext(sys.stdin.buffer) as file:
            yield file
    except FileNotFoundError:
        raise InputError(path, "no such file; name an archive or a case (.toml), or - for standard input") from None
    except IsADirectoryError:
        raise InputError(path, "is a directory; name the files in it, for instance with a shell pattern") from None
    except PermissionError:
        raise InputError(path, "may not be read by this user; change its mode or run as its owner") from None
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}") from error


def _pieces(file: BinaryIO, path: str) -> Iterator[bytes]:
    while True:
        try:
            piece = file.read(CHUNK)
        except OSError as error:
            raise InputError(path, f"cannot be read: {error.strerror}") from error
        if not piece:
            return
        yield piece


TEXT = 64 << 20
"""Bytes of the longest case. What it takes to read one is several times its length."""


def read_text(path: str) -> str:
    """The text of the case at `path`; `-` is standard input. Raises InputError."""
    data = bytearray()
    with _opened(path) as file:
        for piece in _pieces(file, path):
            data += piece
            if len(data) > TEXT:
                raise InputError(path, f"a case of more than {TEXT >> 20} MiB; leave out what it does not need")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(path, f"line {line}: not UTF-8 (byte {error.start:#x}); TOML is UTF-8") from None


def load(path: str, spool: Spool | None = None) -> Loaded:
    """The archive or case at `path`: a name that ends in `.toml` is a case, everything else is an archive.

    What is no archive at all is taken as it is, and `Loaded` says what is wrong with it. With a `spool`, what is
    large stays in a file; without one it is refused (`stored.MEMORY`). Raises InputError for a file that cannot be
    read, CaseError for TOML that is no case (with file and line).
    """
    if not path.endswith(".toml"):
        return _archive(path, spool)
    case = loads(read_text(path), filename=path)
    try:
        return Loaded(path=path, archive=bytes_of(case), case=case)
    except RecipeError as error:
        raise InputError(path, str(error)) from error


def _archive(path: str, spool: Spool | None) -> Loaded:
    keep = keep_in_memory if spool is None else spool.keep
    data = _file(path, spool, keep)
    with readable(data) as source:
        name = outer(source)
        try:
            archive = keep(taken_off(name, source), path) if name else data
        except ValueError as error:
            return Loaded(path=path, archive=data, compression=name, fault=str(error))
    with readable(archive) as source:
        wrong = foreign(source)
    return Loaded(path=path, archive=archive, packed=data if name else None, compression=name, foreign=wrong)


def _file(path: str, spool: Spool | None, keep: Callable[[Iterable[bytes], str], Archive]) -> Archive:
    """The bytes of a file, whatever they are."""
    with _opened(path) as file:
        status = os.fstat(file.fileno()) if path != "-" else None
        regular = status is not None and stat.S_ISREG(status.st_mode)
        if (
            spool is not None
            and not spool.shown
            and status is not None
            and regular
            and status.st_size > spool.above
        ):
            return Stored(os.path.abspath(path), status.st_size)
        return keep(_pieces(file, path), path)
