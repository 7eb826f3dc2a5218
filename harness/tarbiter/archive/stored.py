"""Archives that stay in their files: what is too large for memory is read where it lies, in bounded pieces.

A `Spool` is the directory that such files are in while a command runs. Cells see it, and cannot write to it: a
large archive gets to contestants as a file, and through nobody's memory.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import BinaryIO, TypeAlias

import msgspec

from ..errors import UserError

LARGE = 4 << 20
"""Bytes up to which an archive is kept in memory; a larger one stays in a file."""

TOGETHER = 64 << 20
"""Bytes that all the archives of one call may have in memory; those that follow stay in files."""

MEMORY = 32 << 20
"""Bytes of the largest archive for those who need it in memory: recipes, and what is made of them."""

CHUNK = 1 << 20
"""Bytes that are read at a time."""

PREFIX = "tarbiter-files-"
"""What the directories of spools are called."""

NAME = "archive.tar"
"""What every file in a spool is called: some contestants go by the end of a name."""


class InputError(UserError):
    """An input that cannot be used: `where`, what is wrong with it, and what to do."""


class Stored(msgspec.Struct, frozen=True):
    """An archive of `size` bytes in the file `path` (absolute), which nobody changes while it is used."""

    path: str
    size: int

    def __len__(self) -> int:
        return self.size

    def open(self) -> BinaryIO:
        """The file, at its beginning. Raises OSError."""
        return open(self.path, "rb")

    def read(self, at: int, size: int) -> bytes:
        """`size` bytes from offset `at` on; fewer where it ends. Raises OSError."""
        with self.open() as file:
            return os.pread(file.fileno(), max(0, min(size, self.size - at)), at)

    def pieces(self, size: int = CHUNK) -> Iterator[bytes]:
        """All of it, at most `size` bytes at a time. Raises OSError, InputError when it has become shorter."""
        left = self.size
        with self.open() as file:
            while left:
                piece = file.read(min(size, left))
                if not piece:
                    raise InputError(self.path, f"has become {left} bytes shorter while it was read")
                left -= len(piece)
                yield piece


Archive: TypeAlias = bytes | Stored
"""The bytes of an archive, or the file that has them."""


WINDOW = 1 << 16
"""Bytes of a file that are read ahead."""


class Window:
    """A stored archive to be read like bytes, by slices and by `len`, without being in memory.

    Neither end of a slice is negative. Raises OSError, InputError as `Stored.pieces`.
    """

    def __init__(self, stored: Stored, file: BinaryIO) -> None:
        self._stored, self._file = stored, file
        self._at, self._held = 0, b""

    def __len__(self) -> int:
        return self._stored.size

    def __getitem__(self, span: slice) -> bytes:
        size = self._stored.size
        start, stop = span.start or 0, size if span.stop is None else min(span.stop, size)
        if self._at <= start and stop <= self._at + len(self._held):
            return self._held[start - self._at : max(stop - self._at, 0)]
        if stop <= start:
            return b""
        if stop - start > WINDOW:
            return self._read(start, stop - start)
        self._at, self._held = start, self._read(start, min(WINDOW, size - start))
        return self._held[: stop - start]

    def _read(self, at: int, size: int) -> bytes:
        self._file.seek(at)
        found = self._file.read(size)
        if len(found) < size:
            raise InputError(self._stored.path, "has become shorter while it was read")
        return found


@contextlib.contextmanager
def readable(archive: Archive) -> Iterator[bytes | Window]:
    """An archive to be read by slices, wherever it is. Raises OSError."""
    if isinstance(archive, bytes):
        yield archive
        return
    with archive.open() as file:
        yield Window(archive, file)


def keep_in_memory(pieces: Iterable[bytes], name: str) -> bytes:
    """What `pieces` come to. Raises InputError for more than MEMORY bytes."""
    kept, size = [], 0
    for piece in pieces:
        kept.append(piece)
        size += len(piece)
        if size > MEMORY:
            detail = (
                f"more than the {MEMORY >> 20} MiB that can be taken here; `tarbiter inspect` shows larger archives"
            )
            raise InputError(name, f"{detail}, `tarbiter compare` runs them")
    return b"".join(kept)


def in_memory(archive: Archive) -> bytes:
    """The bytes of an archive; none where it stays in a file."""
    return archive if isinstance(archive, bytes) else b""


def pieces_of(archive: Archive, size: int = CHUNK) -> Iterator[bytes]:
    """An archive, at most `size` bytes at a time. Errors as `Stored.pieces`."""
    if isinstance(archive, Stored):
        yield from archive.pieces(size)
        return
    for at in range(0, len(archive), size):
        yield archive[at : at + size]


def contains(archive: Archive, wanted: bytes) -> bool:
    """Whether `wanted` (not empty) is anywhere in an archive. Errors as `Stored.pieces`."""
    if isinstance(archive, bytes):
        return wanted in archive
    kept = b""
    for piece in archive.pieces():
        kept += piece
        if wanted in kept:
            return True
        kept = kept[max(0, len(kept) - len(wanted) + 1) :]
    return False


def directory() -> str:
    """Where spools are made: TMPDIR, or /var/tmp, which is a disk where /tmp may be memory, or /tmp."""
    import tempfile  # noqa: PLC0415  # cells import this module, make no spools, and start sooner without

    asked = os.environ.get("TMPDIR")
    usual = [path for path in ("/var/tmp",) if os.access(path, os.W_OK | os.X_OK)]  # noqa: S108  # made private below
    return os.path.realpath(asked or (usual[0] if usual else tempfile.gettempdir()))


class Spool:
    """A directory for archives that stay in files: made when one is, removed at the end. A context manager.

    `above`: bytes from which on an archive stays in a file. `together`: bytes that those in memory may have.
    `shown`: contestants are run on the archives, so all of them have to be in `path`, which goes to the pool; what
    is elsewhere is copied then.
    """

    def __init__(self, above: int = LARGE, together: int = TOGETHER, *, shown: bool = False) -> None:
        self.above, self.together, self.shown = above, together, shown
        self.path = ""
        """The directory that cells are shown; empty: nothing is in a file."""
        self._holder = ""
        self._lock = -1
        self._count = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._holder:
            shutil.rmtree(self._holder, ignore_errors=True)
            os.close(self._lock)
            self._holder = self.path = ""

    def keep(self, pieces: Iterable[bytes], name: str) -> Archive:
        """What `pieces` come to: bytes, or a file once there are more than `above`.

        `name` is what the input is called in errors. Raises InputError where no file can be written.
        """
        kept, size = [], 0
        rest = iter(pieces)
        for piece in rest:
            kept.append(piece)
            size += len(piece)
            if size > min(self.above, self.together):
                return self._write(kept, rest, name)
        self.together -= size
        return b"".join(kept)

    def _write(self, kept: list[bytes], rest: Iterator[bytes], name: str) -> Stored:
        try:
            folder = os.path.join(self._made(), str(self._count))
            self._count += 1
            os.mkdir(folder, 0o755)
            path = os.path.join(folder, NAME)
            with open(path, "xb") as file:
                os.fchmod(file.fileno(), 0o444)
                while kept:
                    file.write(kept.pop(0))
                file.writelines(rest)
                return Stored(path, file.tell())
        except OSError as error:
            where = self._holder or directory()
            detail = f"it is large, and is kept in a file while it is looked at, but {where} takes none: "
            raise InputError(name, f"{detail}{error.strerror}; TMPDIR names another place") from error

    def _made(self) -> str:
        if not self.path:
            import tempfile  # noqa: PLC0415  # as above

            above = directory()
            _remove_left_behind(above)
            self._holder = tempfile.mkdtemp(prefix=PREFIX, dir=above)
            self._lock = os.open(self._holder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            if os.geteuid() == 0:
                os.chmod(self._holder, 0o711)  # noqa: S103  # cells have another uid; the name below is a secret
            path = os.path.join(self._holder, os.urandom(16).hex())
            os.mkdir(path, 0o755)
            self.path = path
        return self.path


def _remove_left_behind(above: str) -> None:
    """Remove the spools of this user whose processes are gone: they were killed before they could."""
    for name in os.listdir(above):
        if not name.startswith(PREFIX):
            continue
        path = os.path.join(above, name)
        with contextlib.suppress(OSError):
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                if os.fstat(fd).st_uid == os.geteuid():
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(fd)
