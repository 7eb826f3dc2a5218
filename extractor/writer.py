"""The writer: carries decisions out, relative to open directory descriptors, following no link, ever.

A path is walked component by component with O_NOFOLLOW from the destination's own descriptor; a directory that was
reached so stays open in a small cache. Whatever somebody swaps for a link meanwhile, an open descriptor still means
the directory it meant. Files are made with O_EXCL: what was there is unlinked, never opened. Times and modes of
directories are set last, when nothing more is written into them.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import OrderedDict

from .errors import RefusedError, TarError
from .events import Kind, Member
from .policy import Decision

_DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

CACHED = 48
"""Directories that are kept open; an archive goes through its tree more or less in order."""

EXISTING = ("replace", "keep", "refuse")


class Writer:
    """Makes what is decided, below the directory `dest`. Close it, or use `abort`, in any case.

    `existing` says what happens to a file or link that is in a member's place before: `replace` it, `keep` it (the
    member is skipped), or `refuse` the archive. Directories are never replaced.
    """

    def __init__(self, dest: int, *, existing: str = "replace", times: bool = True, modes: bool = True) -> None:
        if existing not in EXISTING:
            raise ValueError(f"existing is one of {', '.join(EXISTING)}, not {existing!r}")
        self._dest = dest
        self._existing, self._times, self._modes = existing, times, modes
        self._open: OrderedDict[bytes, int] = OrderedDict()
        self._late: dict[bytes, tuple[int | None, int]] = {}
        self._file = -1
        self._file_times: tuple[int, int] | None = None
        self.made: list[tuple[bytes, bool]] = []
        """Every path that was made here, and whether it is a directory, in order."""
        self.notes: list[str] = []

    # -- directories -----------------------------------------------------------------------------------------------

    def _directory(self, path: bytes, member: Member) -> int:
        """A descriptor of the directory `path`, made where it is missing. Owned by the cache."""
        if not path:
            return self._dest
        fd = self._open.get(path)
        if fd is not None:
            self._open.move_to_end(path)
            return fd
        parts = path.split(b"/")
        depth = len(parts) - 1
        while depth and b"/".join(parts[:depth]) not in self._open:
            depth -= 1
        above = self._open[b"/".join(parts[:depth])] if depth else self._dest
        for level in range(depth, len(parts)):
            here = b"/".join(parts[: level + 1])
            fd = self._enter(above, parts[level], here, member)
            self._open[here] = above = fd
            while len(self._open) > CACHED:
                _, old = self._open.popitem(last=False)
                os.close(old)
        return above

    def _enter(self, above: int, name: bytes, path: bytes, member: Member) -> int:
        try:
            return os.open(name, _DIR, dir_fd=above)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise _in_the_way(error, path, member) from None
        try:
            os.mkdir(name, 0o777, dir_fd=above)
            self.made.append((path, True))
        except FileExistsError:
            pass  # somebody was quicker: opening it tells what it is
        try:
            return os.open(name, _DIR, dir_fd=above)
        except OSError as error:
            raise _in_the_way(error, path, member) from None

    def _place(self, decision: Decision, member: Member) -> tuple[int, bytes]:
        parent, _, name = decision.path.rpartition(b"/")
        return self._directory(parent, member), name

    # -- members ---------------------------------------------------------------------------------------------------

    def write(self, decision: Decision, member: Member) -> bool:
        """Begin, and for everything but a file also finish, a member. False: it was kept as it was.

        Raises RefusedError for what is in the way, OSError as the system says.
        """
        fd, name = self._place(decision, member)
        if decision.kind is Kind.DIR:
            return self._make_directory(fd, name, decision, member)
        if decision.kind is Kind.FILE:
            try:
                self._file = os.open(name, _FILE, decision.mode or 0o600, dir_fd=fd)
            except FileExistsError:
                if not self._clear(fd, name, decision, member):
                    return False
                self._file = os.open(name, _FILE, decision.mode or 0o600, dir_fd=fd)
            self.made.append((decision.path, False))
            self._file_times = (member.mtime_ns, member.mtime_ns) if self._times else None
            if not member.size:
                self.finish_file()
            return True
        return self._make(decision, member, fd, name)

    def _make(self, decision: Decision, member: Member, fd: int, name: bytes) -> bool:
        try:
            self._link(decision, member, fd, name)
        except FileExistsError:
            if not self._clear(fd, name, decision, member):
                return False
            self._link(decision, member, fd, name)
        self.made.append((decision.path, False))
        if decision.kind is Kind.SYMLINK and self._times:
            os.utime(name, ns=(member.mtime_ns, member.mtime_ns), dir_fd=fd, follow_symlinks=False)
        return True

    def _link(self, decision: Decision, member: Member, fd: int, name: bytes) -> None:
        if decision.kind is Kind.SYMLINK:
            os.symlink(decision.link, name, dir_fd=fd)
            return
        parent, _, target = decision.link.rpartition(b"/")
        source = self._directory(parent, member)
        try:
            status = os.stat(target, dir_fd=source, follow_symlinks=False)
        except FileNotFoundError:
            raise RefusedError(
                "link.target", member.header_offset + 157, "its target is gone", "linkname", member.path
            ) from None
        if not stat.S_ISREG(status.st_mode):
            raise RefusedError(
                "link.target", member.header_offset + 157, "its target is no file any more", "linkname", member.path
            )
        # The path's directory may have left the cache while the target's was opened.
        fd = self._directory(decision.path.rpartition(b"/")[0], member)
        os.link(target, name, src_dir_fd=source, dst_dir_fd=fd, follow_symlinks=False)

    def _clear(self, fd: int, name: bytes, decision: Decision, member: Member) -> bool:
        """Make room for a member. False: what is there is to be kept."""
        status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        offset = member.header_offset
        if stat.S_ISDIR(status.st_mode):
            raise RefusedError("path.directory-there", offset, "a directory is in its place", "name", member.path)
        if self._existing == "refuse":
            raise RefusedError("path.exists", offset, "something is in its place already", "name", member.path)
        if self._existing == "keep" and (decision.path, False) not in self.made:
            return False
        os.unlink(name, dir_fd=fd)
        return True

    def _make_directory(self, fd: int, name: bytes, decision: Decision, member: Member) -> bool:
        try:
            os.mkdir(name, 0o700 | (decision.mode or 0), dir_fd=fd)
            self.made.append((decision.path, True))
        except FileExistsError:
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if not stat.S_ISDIR(status.st_mode):
                what = "a link" if stat.S_ISLNK(status.st_mode) else "a file"
                raise RefusedError(
                    "path.replaces", member.header_offset, f"{what} is in a directory's place", "name", member.path
                ) from None
        self._late[decision.path] = (decision.mode if self._modes else None, member.mtime_ns)
        return True

    def data(self, piece: memoryview) -> None:
        """More of the file that was begun. Raises OSError."""
        while piece:
            piece = piece[os.write(self._file, piece) :]

    def finish_file(self) -> None:
        """The file is complete: set its time and close it."""
        fd, self._file = self._file, -1
        try:
            if self._file_times is not None:
                os.utime(fd, ns=self._file_times)
        finally:
            os.close(fd)

    # -- the end ---------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Set modes and times of directories, the deepest first. What has been replaced meanwhile is noted."""
        for path in sorted(self._late, key=lambda one: -one.count(b"/")):
            mode, mtime_ns = self._late[path]
            try:
                fd = self._reopen(path)
            except OSError as error:
                self.notes.append(f"{ascii(path)[1:]}: mode and time not set: {error.strerror}")
                continue
            try:
                if mode is not None and stat.S_IMODE(os.fstat(fd).st_mode) & ~mode & 0o777:
                    os.fchmod(fd, mode & stat.S_IMODE(os.fstat(fd).st_mode))
                if self._times:
                    os.utime(fd, ns=(mtime_ns, mtime_ns))
            finally:
                os.close(fd)

    def _reopen(self, path: bytes) -> int:
        """A descriptor of a directory that was made, walked to anew without following anything. The caller's."""
        known = self._open.get(path)
        if known is not None:
            return os.dup(known)
        parent, _, name = path.rpartition(b"/")
        at = self._open.get(parent) if parent else self._dest
        if at is not None:
            return os.open(name, _DIR, dir_fd=at)
        here = os.dup(self._dest)
        for part in path.split(b"/"):
            try:
                below = os.open(part, _DIR, dir_fd=here)
            finally:
                os.close(here)
            here = below
        return here

    def abort(self) -> list[bytes]:
        """Take back everything that was made, the latest first. Returns what could not be removed."""
        left = []
        for path, is_directory in reversed(self.made):
            parent, _, name = path.rpartition(b"/")
            try:
                fd = self._reopen(parent) if parent else os.dup(self._dest)
            except OSError:
                left.append(path)
                continue
            try:
                if is_directory:
                    os.rmdir(name, dir_fd=fd)
                else:
                    os.unlink(name, dir_fd=fd)
            except FileNotFoundError:
                pass  # a later member replaced it, and that one is gone already
            except OSError as error:
                if error.errno != errno.ENOTEMPTY:
                    left.append(path)
            finally:
                os.close(fd)
        return left

    def close(self) -> None:
        """Give every descriptor back."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        for fd in self._open.values():
            os.close(fd)
        self._open.clear()


def _in_the_way(error: OSError, path: bytes, member: Member) -> TarError | OSError:
    """A component of a path that is no directory: the archive's fault, or what was at the destination."""
    if error.errno == errno.ELOOP:
        return RefusedError(
            "path.through-link", member.header_offset, f"{ascii(path)[1:]} is a link", "name", member.path
        )
    if error.errno == errno.ENOTDIR:
        # O_NOFOLLOW with O_DIRECTORY gives ENOTDIR for a link too.
        return RefusedError(
            "path.through-link", member.header_offset, f"{ascii(path)[1:]} is a link or a file", "name", member.path
        )
    return error
