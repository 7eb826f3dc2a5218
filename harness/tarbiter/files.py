"""Writing files: whatever the program writes by a name that a person gave, or keeps for later, goes through here.

A regular file is replaced as a whole: the bytes go to a temporary file in the same directory, which then takes the
name. A reader, and a writer that is killed, see the old bytes or the new ones. Symbolic links are followed, and the
file they name is replaced. Everything else that has a name (a device, a FIFO, /dev/stdout, /dev/fd/3) is written
through: it stays what it is.

Temporary files are named `.tarbiter-XXXXXXXXXXXXXXXX.part`. Their writer holds a lock on them, so the next
writer in the same directory knows which ones a killed process left behind, and removes those.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping
from types import TracebackType

from .errors import UserError

_PART = re.compile(r"\.tarbiter-[0-9a-f]{16}\.part")
_LINKS = 40
"""Symbolic links that are followed, as in Linux."""

_HINTS = {
    errno.EACCES: "name another place, or run as its owner",
    errno.EPERM: "name another place, or run as its owner",
    errno.EROFS: "name another place",
    errno.ENOSPC: "free some space, or name another place",
    errno.EDQUOT: "free some space, or name another place",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f), or name another place",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENOENT: "make its directory first, or name another place",
}


class FileError(UserError):
    """A file that cannot be written: `where`, what is wrong and what to do, and the system's `reason` alone."""

    def __init__(self, path: str, detail: str, reason: str = "") -> None:
        super().__init__(path, detail)
        self.reason = reason or detail


def write(path: str, data: bytes | str, *, parents: bool = False) -> None:
    """Make `data` the content of the file at `path`; `-` is standard output. Raises FileError.

    With `parents`, directories that are missing are made.
    """
    with Output(path, parents=parents) as output:
        output.write(data)


def write_all(files: Mapping[str, bytes]) -> None:
    """Make these the contents of files, by path: of all, or of none where one cannot be written. Raises FileError.

    Directories that are missing are made. Nothing is replaced before everything is on disk.
    """
    with contextlib.ExitStack() as stack:
        outputs = {path: stack.enter_context(Output(path, parents=True)) for path in files}
        for path, output in outputs.items():
            output.write(files[path])
            output.settle()


class Output:
    """A file that is filled bit by bit, perhaps after a long run: that it can be written is known at once.

    A regular file takes its new content when the `with` block ends well, and keeps the old one when it does not, or
    when nothing was written. `-` is standard output. Raises FileError.
    """

    def __init__(self, path: str, *, parents: bool = False) -> None:
        self.path = path
        self._written = False
        self._goal = path
        self._part = ""
        """The temporary file; empty: what is written goes straight into the goal."""
        with _told(path):
            self._file = self._opened(parents)

    def _opened(self, parents: bool) -> int | None:
        """The descriptor to write to; None: standard output."""
        goal = _goal(self.path)
        if goal == 1:
            return None
        if isinstance(goal, int):
            return os.dup(goal)
        self._goal = goal
        folder, name = os.path.split(goal)
        if not name:
            raise IsADirectoryError(errno.EISDIR, "it names no file")
        if parents:
            os.makedirs(folder or ".", exist_ok=True)
        try:
            status = os.stat(goal)
        except FileNotFoundError:
            self._part, file = _new_part(folder or ".")
            return file
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, "it is a directory; name a file in it")
        if not stat.S_ISREG(status.st_mode) or goal.startswith("/proc/"):
            return os.open(goal, os.O_WRONLY | os.O_NOCTTY | os.O_CLOEXEC)
        if not os.access(goal, os.W_OK, effective_ids=True):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        try:
            self._part, file = _new_part(folder or ".")
        except PermissionError:
            # The file may be written, its directory may not: there is no other way than straight into it.
            return os.open(goal, os.O_WRONLY | os.O_CLOEXEC)
        with contextlib.suppress(PermissionError):  # only root can give a file away
            os.fchown(file, status.st_uid, status.st_gid)
        os.fchmod(file, stat.S_IMODE(status.st_mode))
        return file

    def __enter__(self) -> Output:
        return self

    def write(self, data: bytes | str) -> None:
        """Append to the new content. Raises FileError."""
        view = memoryview(data.encode() if isinstance(data, str) else data)
        if self._file is None:
            # Not told here: whoever ends the program tells of a standard output that cannot be written.
            sys.stdout.flush()
            sys.stdout.buffer.write(view)
            sys.stdout.buffer.flush()
            return
        with _told(self.path):
            if not self._written and not self._part and stat.S_ISREG(os.fstat(self._file).st_mode):
                self._emptied(self._file)
            self._written = True
            while view:
                view = view[os.write(self._file, view) :]

    def settle(self) -> None:
        """Bring what was written to the disk, so that nothing but a rename is left to do. Raises FileError."""
        if self._file is not None and self._part:
            with _told(self.path):
                os.fsync(self._file)

    def _emptied(self, file: int) -> None:
        """Empty a file that is written in place; one that came as a descriptor (`3>>log`) keeps what it holds."""
        if isinstance(_goal(self.path), str) and not self._goal.startswith("/proc/"):
            os.ftruncate(file, 0)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is None:
            return
        try:
            if kind is None and self._written and self._part:
                with _told(self.path):
                    os.fsync(self._file)
                    self._replace()
        finally:
            if self._part:
                with contextlib.suppress(OSError):
                    os.unlink(self._part)
            with contextlib.suppress(OSError):  # a full disk has been told by write
                os.close(self._file)

    def _replace(self) -> None:
        try:
            os.rename(self._part, self._goal)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            shutil.copyfile(self._part, self._goal)  # a mount point, as containers have them, keeps its place
        else:
            self._part = ""


def write_folder(where: str, files: Mapping[str, bytes]) -> None:
    """Make the directory `where` with these files: path below it, and content. Raises FileError.

    It appears as a whole. Where there is an empty directory already, it is filled; one that is not empty is an
    error.
    """
    with _told(where):
        if os.path.lexists(where):
            if os.listdir(where):
                raise FileExistsError(errno.ENOTEMPTY, "it is not empty; name another, or one that does not exist")
            _fill(where, files)
            return
        above = os.path.dirname(where.rstrip("/")) or "."
        os.makedirs(above, exist_ok=True)
        sweep(above)
        part = os.path.join(above, f".tarbiter-{secrets.token_hex(8)}.part")
        os.mkdir(part)
        lock = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _lock(lock)
            _fill(part, files)
            os.rename(part, where)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        finally:
            os.close(lock)


def _fill(folder: str, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "xb") as file:
            file.write(data)


def writable_folder(folder: str) -> None:
    """Make a directory if it is missing, and make sure that files can be written in it. Raises FileError."""
    with _told(folder):
        os.makedirs(folder, exist_ok=True)
        part, file = _new_part(folder)
        os.close(file)
        os.unlink(part)


@contextlib.contextmanager
def _told(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        hint = _HINTS.get(error.errno or 0, "")
        raise FileError(path, f"cannot be written: {reason}" + (f"; {hint}" if hint else ""), reason) from error


def _goal(path: str) -> str | int:
    """What a path names, links followed: a path, or one of our own open descriptors. Raises OSError."""
    if path == "-":
        return 1
    own = os.path.realpath("/proc/self/fd")
    for _ in range(_LINKS):
        folder, name = os.path.split(path)
        folder = os.path.realpath(folder)
        if folder == own and name.isdigit():
            descriptor = int(name)
            if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
                raise OSError(errno.EBADF, "it is open for reading only")
            return descriptor
        whole = os.path.join(folder, name)
        # Of another process's descriptors the link is only a name for people: opening it is what leads there.
        if folder.startswith("/proc/") or not os.path.islink(whole):
            return whole
        path = os.path.join(folder, os.readlink(whole))
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


# Temporary files ------------------------------------------------------------------------------------------------

_swept: set[str] = set()
"""Directories in which this process has looked for leftovers."""


def _new_part(folder: str) -> tuple[str, int]:
    """A new temporary file in `folder`, locked, and its descriptor. Raises OSError."""
    if folder not in _swept:
        _swept.add(folder)
        sweep(folder)
    while True:
        path = os.path.join(folder, f".tarbiter-{secrets.token_hex(8)}.part")
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        _lock(file)
        if os.fstat(file).st_nlink:
            return path, file
        os.close(file)  # somebody's `sweep` came between the two calls


def _lock(file: int) -> None:
    # Without locks (some network file systems) nothing can be locked by `sweep` either, and everything stays.
    with contextlib.suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX)


def sweep(folder: str) -> None:
    """Remove the temporary files that killed processes left in `folder`. What cannot be removed stays."""
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _PART.fullmatch(entry.name):
                with contextlib.suppress(OSError):
                    _remove(entry.path)


def _remove(path: str) -> None:
    """Remove a temporary file or directory when nobody holds its lock. Raises OSError."""
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        ours = os.fstat(file)
        if os.path.samestat(ours, os.stat(path, follow_symlinks=False)):  # its writer may have given it its name
            if stat.S_ISDIR(ours.st_mode):
                shutil.rmtree(path)
            else:
                os.unlink(path)
    finally:
        os.close(file)
