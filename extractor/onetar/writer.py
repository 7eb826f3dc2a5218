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
from collections.abc import Iterable
from itertools import chain
from typing import TypeAlias

from . import metadata
from .errors import ArgumentError, RefusedError, TarError
from .events import Kind, Member
from .policy import Decision
from .report import Note
from .sparse import SparseMap
from .store.directory_metadata import Asked, Directories
from .store.names import MADE, Names

_DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

CACHED = 48
"""Directories that are kept open; an archive goes through its tree more or less in order."""

EXISTING = ("replace", "keep", "refuse")
XATTRS = ("user", "all", "none")


class Writer:
    """Makes what is decided, below the directory `dest`. Close it, or use `abort`, in any case.

    What is made is told to `names`, which it shares with the policy.
    `existing` says what happens to a file or link that is in a member's place before: `replace` it, `keep` it (the
    member is skipped), or `refuse` the archive. Directories are never replaced. Modes, times, owners (by number)
    and extended attributes (`user`: those of the user namespace) are set or left as the system makes them. What the
    system does not let us set of owners and attributes is a change, not an error.
    """

    def __init__(
        self,
        dest: int,
        names: Names,
        *,
        existing: str = "replace",
        times: bool = True,
        modes: bool = True,
        owner: bool = False,
        xattrs: str = "user",
    ) -> None:
        if existing not in EXISTING:
            raise ArgumentError(f"existing is one of {', '.join(EXISTING)}, not {existing!r}")
        if xattrs not in XATTRS:
            raise ArgumentError(f"xattrs is one of {', '.join(XATTRS)}, not {xattrs!r}")
        self._dest, self._names = dest, names
        self._existing, self.times, self.modes = existing, times, modes
        self._owner, self._xattrs = owner, xattrs
        self._open: OrderedDict[bytes, int] = OrderedDict()
        self._directories = Directories()
        self.file = -1
        self._file_times: tuple[int, int] | None = None
        self._holes: _Holes | None = None
        self.made = 0
        """Paths that were made here."""
        self._latest: bytes | None = None
        """The latest of them that is no directory: it may not have its row yet."""
        self.replaced: list[bytes] = []
        """Every path that held something before, which is gone."""
        self.changes: list[tuple[str, str]] = []
        """Code and detail of what could not be set of the latest member; for the caller to take."""
        self.notes: list[Note] = []
        self._umask = _umask()
        self._final = not self._umask & 0o700
        """Whether the mode that a directory is made with stays: its owner can always open it."""

    def _made(self, path: bytes) -> bool:
        return bool(self._names.get(path) & MADE)

    def _make_known(self, path: bytes) -> None:
        known = self._names.get(path)
        if not known & MADE:
            self.made += 1
            self._names.recent[path] = known | MADE

    # -- directories -----------------------------------------------------------------------------------------------

    def directory(self, path: bytes, where: Where | None) -> int:
        """A descriptor of the directory `path`, walked to without following anything. Owned by the cache.

        `where` is the offset and name of a member: directories are made where they are missing, and what is in the
        way is a RefusedError. For None they must be there: OSError.
        """
        if not path:
            return self._dest
        fd = self._open.get(path)
        if fd is not None:
            self._open.move_to_end(path)
            return fd
        missing, above = [path], self._dest
        while parent := missing[-1].rpartition(b"/")[0]:
            fd = self._open.get(parent)
            if fd is not None:
                above = fd
                break
            missing.append(parent)
        for here in reversed(missing):
            self._open[here] = above = self._enter(above, here.rpartition(b"/")[2], here, where)
            while len(self._open) > CACHED:
                _, old = self._open.popitem(last=False)
                os.close(old)
        return above

    def _enter(self, above: int, name: bytes, path: bytes, where: Where | None) -> int:
        if where is None:
            return self._open_again(name, above, path)
        try:
            return self._open_again(name, above, path)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise _in_the_way(error, path, where) from None
        try:
            os.mkdir(name, 0o777, dir_fd=above)
            self._make_known(path)
            self._directories.add(path, None)
        except FileExistsError:
            pass  # somebody was quicker: opening it tells what it is
        try:
            return self._open_again(name, above, path)
        except OSError as error:
            raise _in_the_way(error, path, where) from None

    def _open_again(self, name: bytes, above: int, path: bytes) -> int:
        """Open a directory. If it was made here, a umask may have taken even its owner's permission."""
        try:
            return os.open(name, _DIR, dir_fd=above)
        except PermissionError as error:
            if not self._made(path):
                raise
            # Linux changes modes without following links only by way of a descriptor.
            fd = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
            try:
                os.chmod(f"/proc/self/fd/{fd}", 0o700)
            except FileNotFoundError:
                raise error from None  # no /proc, as in some containers
            finally:
                os.close(fd)
            return os.open(name, _DIR, dir_fd=above)

    def _place(self, decision: Decision, member: Member) -> tuple[int, bytes]:
        parent, _, name = decision.path.rpartition(b"/")
        return self.directory(parent, (member.header_offset, member.path)), name

    # -- members ---------------------------------------------------------------------------------------------------

    def write(self, decision: Decision, member: Member) -> bool:
        """Begin, and for everything but a file also finish, a member. False: it was kept as it was.

        Raises RefusedError for what is in the way, OSError as the system says.
        """
        fd, name = self._place(decision, member)
        if decision.kind is Kind.DIR:
            return self._make_directory(fd, name, decision, member)
        if decision.kind is Kind.FILE:
            mode = decision.mode if self.modes and decision.mode is not None else 0o666
            try:
                self.file = os.open(name, FILE, mode, dir_fd=fd)
            except FileExistsError:
                if not self._clear(fd, name, decision, member):
                    return False
                self.file = os.open(name, FILE, mode, dir_fd=fd)
            self._latest = decision.path
            self._make_known(decision.path)
            self._file_times = (member.mtime_ns, member.mtime_ns) if self.times else None
            if self._owner or (member.pax and self._xattrs != "none"):
                self.changes += self._set(self.file, self._asked(member))
            if member.sparse is not None:
                self._holes = _Holes(self.file, member.sparse)
            if not member.size:
                self.finish_file()
            return True
        return self._make(decision, member, fd, name)

    def _asked(self, member: Member) -> Asked:
        """What is to be set of a member's owner and attributes. Raises FormatError."""
        owner = metadata.owner(member) if self._owner else None
        return owner, metadata.xattrs(member) if self._xattrs != "none" and member.pax else ()

    def _set(self, fd: int, asked: Asked) -> list[tuple[str, str]]:
        """Set owner and attributes of what is open; code and detail of what could not be set."""
        owner, attributes = asked
        changes = []
        if owner is not None:
            try:
                os.fchown(fd, *owner)
            except (OSError, OverflowError) as error:
                changes.append(("owner.not-set", f"{owner[0]}:{owner[1]}: {error}"))
        for name, value in attributes:
            shown = ascii(name)[2:-1]
            if self._xattrs == "user" and not name.startswith(b"user."):
                changes.append(("xattr.not-set", f"{shown} is outside the user namespace"))
                continue
            try:
                os.setxattr(fd, name, value)
            except OSError as error:
                changes.append(("xattr.not-set", f"{shown}: {error.strerror}"))
        return changes

    def _make(self, decision: Decision, member: Member, fd: int, name: bytes) -> bool:
        try:
            self._link(decision, member, fd, name)
        except FileExistsError:
            if not self._clear(fd, name, decision, member):
                return False
            self._link(decision, member, fd, name)
        self._latest = decision.path
        self._make_known(decision.path)
        if decision.kind is Kind.SYMLINK:
            self._dress_link(decision.path, member)
        return True

    def _dress_link(self, path: bytes, member: Member) -> None:
        """Owner and time of a symlink. Linux knows no attributes of links in the user namespace."""
        parent, _, name = path.rpartition(b"/")
        fd = self.directory(parent, (member.header_offset, member.path))
        owner, attributes = self._asked(member)
        if owner is not None:
            try:
                os.chown(name, *owner, dir_fd=fd, follow_symlinks=False)
            except (OSError, OverflowError) as error:
                self.changes.append(("owner.not-set", f"{owner[0]}:{owner[1]}: {error}"))
        self.changes += [("xattr.not-set", f"{ascii(key)[2:-1]}: on a symlink") for key, _ in attributes]
        if self.times:
            os.utime(name, ns=(member.mtime_ns, member.mtime_ns), dir_fd=fd, follow_symlinks=False)

    def _link(self, decision: Decision, member: Member, fd: int, name: bytes) -> None:
        if decision.kind is Kind.SYMLINK:
            os.symlink(decision.link, name, dir_fd=fd)
            return
        parent, _, target = decision.link.rpartition(b"/")
        where = (member.header_offset, member.path)
        source = self.directory(parent, where)
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
        fd = self.directory(decision.path.rpartition(b"/")[0], where)
        os.link(target, name, src_dir_fd=source, dst_dir_fd=fd, follow_symlinks=False)

    def _clear(self, fd: int, name: bytes, decision: Decision, member: Member) -> bool:
        """Make room for a member. False: what is there is to be kept."""
        offset = member.header_offset
        try:
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            return True  # somebody else made room
        if stat.S_ISDIR(status.st_mode):
            raise RefusedError("path.directory-there", offset, "a directory is in its place", "name", member.path)
        if not self._made(decision.path):
            if self._existing == "refuse":
                raise RefusedError("path.exists", offset, "something is in its place already", "name", member.path)
            if self._existing == "keep":
                return False
            self.replaced.append(decision.path)
        os.unlink(name, dir_fd=fd)
        return True

    def _make_directory(self, fd: int, name: bytes, decision: Decision, member: Member) -> bool:
        mode = 0o700 | (decision.mode or 0)
        if self._owner or member.pax or not self.make_directory(fd, name, decision.path, mode, member.mtime_ns):
            self._dress_later(fd, name, decision, member)
        return True

    def make_directory(self, fd: int, name: bytes, path: bytes, mode: int, mtime_ns: int) -> bool:
        """Make a directory that has nothing but a mode and a time. False: something is in its place."""
        try:
            os.mkdir(name, mode if self.modes else 0o777, dir_fd=fd)
        except FileExistsError:
            return False
        self._make_known(path)
        self._directories.add(path, (None if self._final or not self.modes else mode, mtime_ns, _NOTHING))
        return True

    def _dress_later(self, fd: int, name: bytes, decision: Decision, member: Member) -> None:
        """Make a directory with more than that, or take the one that is there."""
        try:
            os.mkdir(name, 0o700 | (decision.mode or 0) if self.modes else 0o777, dir_fd=fd)
            self._make_known(decision.path)
        except FileExistsError:
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if not stat.S_ISDIR(status.st_mode):
                what = "a link" if stat.S_ISLNK(status.st_mode) else "a file"
                raise RefusedError(
                    "path.replaces", member.header_offset, f"{what} is in a directory's place", "name", member.path
                ) from None
        asked = self._asked(member) if self._owner or member.pax else _NOTHING
        self._directories.add(decision.path, (decision.mode if self.modes else None, member.mtime_ns, asked))

    def data(self, piece: memoryview) -> None:
        """More of the file that was begun. Raises OSError."""
        if self._holes is not None:
            self._holes.write(piece)
            return
        while piece:
            piece = piece[os.write(self.file, piece) :]

    def finish_file(self) -> None:
        """The file is complete: set its time and close it."""
        fd, self.file = self.file, -1
        holes, self._holes = self._holes, None
        try:
            if holes is not None:
                os.ftruncate(fd, holes.realsize)
            if self._file_times is not None:
                os.utime(fd, ns=self._file_times)
        finally:
            os.close(fd)

    # -- the end ---------------------------------------------------------------------------------------------------

    def finish(self) -> None:
        """Set owner, attributes, mode and time of directories, those below before those above.

        What has been replaced meanwhile is noted. A directory that was there before loses permissions that the
        archive does not give it, and gains none.
        """
        umask = self._umask
        for path, late in self._directories.backwards():
            if late is None:
                continue
            mode, mtime_ns, asked = late
            try:
                if mode is None and asked == _NOTHING:
                    # Not by its own descriptor: if it was swapped for a link meanwhile, that has the time now.
                    if self.times:
                        parent, _, name = path.rpartition(b"/")
                        above = self.directory(parent, None)
                        os.utime(name, ns=(mtime_ns, mtime_ns), dir_fd=above, follow_symlinks=False)
                    continue
                fd = self.directory(path, None)
            except OSError as error:
                detail = f"{ascii(path)[1:]}: mode and time not set: {error.strerror}"
                self.notes.append(Note("directory.not-set", detail))
                continue
            self.notes += [Note(code, f"{ascii(path)[1:]}: {detail}") for code, detail in self._set(fd, asked)]
            if mode is not None:
                had = stat.S_IMODE(os.fstat(fd).st_mode)
                want = mode & ~umask if self._made(path) else mode & had
                if want != had & 0o777:
                    os.fchmod(fd, want | had & 0o7000)
            if self.times:
                os.utime(fd, ns=(mtime_ns, mtime_ns))

    def abort(self, files: Iterable[bytes]) -> list[bytes]:
        """Take back everything that was made. Returns what could not be removed.

        `files` are the paths of all files and links that may have been made; the latest need not be among them.
        """
        left = []
        latest = () if self._latest is None else (self._latest,)
        directories = ((path, True) for path, _ in self._directories.backwards())
        for path, is_directory in chain(((path, False) for path in chain(files, latest)), directories):
            if not self._made(path):
                continue
            parent, _, name = path.rpartition(b"/")
            try:
                fd = self.directory(parent, None)
                if is_directory:
                    os.rmdir(name, dir_fd=fd)
                else:
                    os.unlink(name, dir_fd=fd)
            except FileNotFoundError:
                pass  # somebody else was quicker
            except OSError:
                left.append(path)
        self.close()
        return left

    def close(self) -> None:
        """Give every descriptor back."""
        if self.file >= 0:
            os.close(self.file)
            self.file = -1
        while self._open:
            os.close(self._open.popitem()[1])


class _Holes:
    """Stored bytes on their way to their places in a sparse file."""

    def __init__(self, fd: int, sparse: SparseMap) -> None:
        self._fd, self._pieces, self.realsize = fd, sparse.pieces, sparse.realsize
        self._next = 0
        self._at = self._left = 0

    def write(self, data: memoryview) -> None:
        """The next stored bytes; there are as many as the map has. Raises OSError."""
        while data:
            while not self._left:
                self._at, self._left = self._pieces[self._next : self._next + 2]
                self._next += 2
            done = os.pwrite(self._fd, data[: self._left], self._at)
            self._at += done
            self._left -= done
            data = data[done:]


Where: TypeAlias = tuple[int, bytes]
"""Offset of a member's header, and its path as stored."""

_NOTHING: Asked = (None, ())


def _umask() -> int:
    """The umask of this process; where the kernel tells it, without setting it for a moment."""
    try:
        with open("/proc/self/status", "rb") as status:
            for line in status:
                if line.startswith(b"Umask:"):
                    return int(line.split()[1], 8)
    except OSError:
        pass  # no /proc, as in some containers
    umask = os.umask(0o077)  # whatever another thread makes meanwhile is at least private
    os.umask(umask)
    return umask


def _in_the_way(error: OSError, path: bytes, where: Where) -> TarError | OSError:
    """A component of a path that is no directory: the archive's fault, or what was at the destination."""
    if error.errno == errno.ELOOP:
        return RefusedError("path.through-link", where[0], f"{ascii(path)[1:]} is a link", "name", where[1])
    if error.errno == errno.ENOTDIR:
        # O_NOFOLLOW with O_DIRECTORY gives ENOTDIR for a link too.
        return RefusedError(
            "path.through-link", where[0], f"{ascii(path)[1:]} is a link or a file", "name", where[1]
        )
    return error
