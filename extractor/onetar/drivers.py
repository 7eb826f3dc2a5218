"""Drivers: who reads the archive: a path, a file or pipe, an iterable, an asynchronous stream. The rest is one."""

from __future__ import annotations

import contextlib
import io
import itertools
import os
from collections.abc import AsyncIterable, Iterable, Iterator
from typing import IO, TypeAlias, Unpack

from .compression import START, opened
from .destination import Dest, opened_destination
from .errors import ArgumentError, FormatError
from .events import ArchiveEnd, Data, Member
from .extraction import Extraction, Options
from .limits import Limits
from .parser import Parser
from .report import Report

Source: TypeAlias = (
    str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | io.RawIOBase | Iterable[bytes]
)
"""A path, a binary file or pipe (it needs `read`, nothing else), or the archive's bytes, whole or in pieces of any
size."""

CHUNK = 1 << 18
"""Bytes that are read at a time."""


@contextlib.contextmanager
def _chunks(source: Source) -> Iterator[Iterator[bytes]]:
    """The bytes of a source, piece by piece. An empty piece says nothing."""
    if isinstance(source, str | os.PathLike):
        with open(source, "rb", buffering=0) as file:
            yield _read(file)
    elif isinstance(source, bytes | bytearray | memoryview):
        yield iter((bytes(source),))
    elif hasattr(source, "read"):
        yield _read(source)  # type: ignore[arg-type]  # it has read(): a file
    else:
        yield iter(source)


def _read(file: IO[bytes] | io.RawIOBase) -> Iterator[bytes]:
    while piece := file.read(CHUNK):
        yield piece


def extract(source: Source, dest: Dest, *, atomic: bool = False, **options: Unpack[Options]) -> Report:
    """Extract an archive below `dest` (a path, made when missing, or a directory descriptor).

    `atomic`: all or nothing. The archive goes into a new directory beside `dest`, which then is renamed to `dest`;
    that must be missing or empty. `options` are those of `Extraction`: policy, limits, only, strip_components,
    existing, permissions, mtime, owner, xattrs, keep_partial, progress, report.

    Raises TarError for a bad archive (its `report` says what had been done), OSError for the destination or the
    source, ArgumentError (a ValueError) for an argument. Never writes outside `dest`, never follows a link there.
    """
    _check(atomic, options)
    with (
        _chunks(source) as chunks,
        opened_destination(dest, atomic=atomic) as fd,
        Extraction(fd, **options) as extraction,
    ):
        for chunk in chunks:
            extraction.feed(chunk)
        return extraction.finish()


async def extract_async(
    source: AsyncIterable[bytes], dest: Dest, *, atomic: bool = False, **options: Unpack[Options]
) -> Report:
    """The same as `extract` for an asynchronous source, under any event loop. Writing blocks, as files do."""
    _check(atomic, options)
    with opened_destination(dest, atomic=atomic) as fd, Extraction(fd, **options) as extraction:
        async for chunk in source:
            extraction.feed(chunk)
        return extraction.finish()


def _check(atomic: bool, options: Options) -> None:
    if not atomic:
        return
    if options.get("keep_partial"):
        raise ArgumentError("keep_partial and atomic exclude each other: all or nothing keeps nothing")
    options["keep_partial"] = False


def check(source: Source, **options: Unpack[Options]) -> Report:
    """What `extract` would do with an archive, without writing anything: the report, with members `listed`.

    Raises TarError (with its `report`) for an archive that would be refused, OSError for the source. What is at a
    destination plays no part.
    """
    with _chunks(source) as chunks, Extraction(None, **options) as extraction:
        for chunk in chunks:
            extraction.feed(chunk)
        return extraction.finish()


def members(source: Source, *, limits: Limits | None = None) -> Iterator[Member]:
    """The members of an archive, in order, without writing anything. Raises TarError.

    Bodies are read over. Paths are as stored; no policy is asked.
    """
    limits = limits or Limits()
    parser = Parser(limits)
    empty = True
    with _chunks(source) as chunks:
        start, unpacker = b"", None
        for chunk in chunks:
            start += chunk
            if unpacker is None:
                if len(start) < START:
                    continue
                unpacker = opened(start, limits)
            fed, start = start, b""
            for piece in unpacker.feed(fed):
                empty = False
                parser.feed(piece)
                yield from _listed(parser)
                if isinstance(parser.next_event(), ArchiveEnd):
                    return
        if unpacker is None:
            unpacker = opened(start, limits)
        else:
            start = b""
        for piece in itertools.chain(unpacker.feed(start), unpacker.finish()):
            empty = False
            parser.feed(piece)
            yield from _listed(parser)
            if isinstance(parser.next_event(), ArchiveEnd):
                return
    if empty:
        raise FormatError("archive.empty", 0, "there is not a single byte of archive")
    parser.feed(b"")
    yield from _listed(parser)


def _listed(parser: Parser) -> Iterator[Member]:
    while True:
        event = parser.next_event()
        if isinstance(event, Member):
            yield event
        elif not isinstance(event, Data):
            return
