"""Snapshots: the tree below a directory as records, taken without following anything, and taken away again.

One walk looks and, when asked, removes: what was seen is unlinked on the way out. Trees are hostile: directories
without any permission, FIFOs that would block an open, depths beyond PATH_MAX, terabytes of holes, any byte in a
name. Everything is done relative to directory descriptors; nothing is called by a path.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator

from .observation import SMALL, Node, NodeType

DEPTH = 3000
"""Directories open at a time; the walk raises TooDeepError beyond. Descriptors are limited to more (Plan.files)."""

WHOLE = 16 << 20
"""Bytes up to which a file is hashed as a whole; beyond, runs of zeros are passed over, holes or not."""

CHUNK = 1 << 20
PAGE = 4096

_TYPES: tuple[tuple[int, NodeType], ...] = (
    (stat.S_IFREG, "file"),
    (stat.S_IFDIR, "dir"),
    (stat.S_IFLNK, "symlink"),
    (stat.S_IFIFO, "fifo"),
    (stat.S_IFCHR, "char"),
    (stat.S_IFBLK, "block"),
    (stat.S_IFSOCK, "socket"),
)
TYPES: dict[int, NodeType] = dict(_TYPES)

_OPEN_DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class TooDeepError(Exception):
    """A tree has more than DEPTH levels: `depth` says where the walk stopped."""

    def __init__(self, depth: int) -> None:
        super().__init__(depth)
        self.depth = depth

    def __str__(self) -> str:
        return f"the tree is deeper than {self.depth} levels"


class _Walk:
    """One walk. `since` and `until` (nanoseconds) bound what counts as "now"."""

    def __init__(self, since: int, until: int, *, remove: bool) -> None:
        self.since, self.until, self.remove = since, until, remove
        self.nodes: list[Node] = []
        self.links: dict[tuple[int, int], list[int]] = {}
        self.counts: dict[tuple[int, int], int] = {}

    def mtime(self, ns: int) -> int | None:
        return None if self.since <= ns <= self.until else ns

    def directory(self, fd: int, path: bytes) -> None:
        """Everything below the directory `fd`: a stack of what is left to do in each open directory."""
        stack: list[tuple[int, bytes, bytes, Iterator[tuple[bytes, os.stat_result]]]] = [
            (fd, b"", path, self._entries(fd, path))
        ]
        while stack:
            here, name, prefix, entries = stack[-1]
            for child, status in entries:
                if len(stack) > DEPTH:
                    self._close(stack)
                    raise TooDeepError(DEPTH)
                below = self._open_dir(child, here, status)
                inner = prefix + child + b"/"
                stack.append((below, child, inner, self._entries(below, inner)))
                break
            else:
                stack.pop()
                if stack:
                    os.close(here)
                    if self.remove:
                        os.rmdir(name, dir_fd=stack[-1][0])

    @staticmethod
    def _close(stack: list[tuple[int, bytes, bytes, Iterator[tuple[bytes, os.stat_result]]]]) -> None:
        for fd, *_ in stack[1:]:
            os.close(fd)

    def _entries(self, fd: int, prefix: bytes) -> Iterator[tuple[bytes, os.stat_result]]:
        """Record what is in a directory; yield its subdirectories, which the caller walks before the next one."""
        with os.scandir(fd) as found:
            names = sorted(os.fsencode(entry.name) for entry in found)
        for name in names:
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            kind = TYPES[stat.S_IFMT(status.st_mode)]
            if kind == "dir":
                self._add(self.plain(prefix + name, kind, status), status)
                yield name, status
                continue
            self._add(self._node(fd, name, prefix + name, kind, status), status)
            if self.remove:
                os.unlink(name, dir_fd=fd)

    def _open_dir(self, name: bytes, fd: int, status: os.stat_result) -> int:
        if status.st_mode & 0o700 != 0o700:
            os.chmod(name, 0o700, dir_fd=fd)  # it is a directory: no link to follow, and nobody else runs
        return os.open(name, _OPEN_DIR, dir_fd=fd)

    def plain(self, path: bytes, kind: NodeType, status: os.stat_result) -> Node:
        return Node(
            path=path,
            type=kind,
            mode=stat.S_IMODE(status.st_mode),
            mtime_ns=self.mtime(status.st_mtime_ns),
            uid=status.st_uid,
            gid=status.st_gid,
            rdev=status.st_rdev if kind in ("char", "block") else 0,
        )

    def _node(self, fd: int, name: bytes, path: bytes, kind: NodeType, status: os.stat_result) -> Node:
        if kind == "symlink":
            return Node(
                path=path,
                type=kind,
                mode=0o777,
                mtime_ns=self.mtime(status.st_mtime_ns),
                uid=status.st_uid,
                gid=status.st_gid,
                link=os.readlink(name, dir_fd=fd),
            )
        if kind != "file":
            return self.plain(path, kind, status)
        key = (status.st_dev, status.st_ino)
        if key in self.links:  # its mode may have been changed to read it the first time
            return _renamed(self.nodes[self.links[key][0]], path)
        data, digest, xattrs = self._content(fd, name, status)
        return Node(
            path=path,
            type=kind,
            mode=stat.S_IMODE(status.st_mode),
            size=status.st_size,
            data=data,
            digest=digest,
            mtime_ns=self.mtime(status.st_mtime_ns),
            uid=status.st_uid,
            gid=status.st_gid,
            xattrs=xattrs,
            blocks=status.st_blocks,
        )

    def _content(
        self, fd: int, name: bytes, status: os.stat_result
    ) -> tuple[bytes | None, bytes | None, tuple[tuple[bytes, bytes], ...]]:
        if not status.st_mode & 0o400:
            os.chmod(name, 0o600, dir_fd=fd)  # a regular file: nothing to follow
        file = os.open(name, _OPEN_FILE, dir_fd=fd)
        try:
            names = os.listxattr(file)
            xattrs = tuple((os.fsencode(key), os.getxattr(file, key)) for key in sorted(names)) if names else ()
            if status.st_size <= SMALL:
                return os.read(file, SMALL + 1), None, xattrs
            return None, digest_of(file, status.st_size), xattrs
        finally:
            os.close(file)

    def _add(self, node: Node, status: os.stat_result) -> None:
        key = (status.st_dev, status.st_ino)
        # A removing walk lowers the count of links as it goes: the first name tells how many there were.
        if node.type != "dir" and (status.st_nlink > 1 or key in self.links):
            self.links.setdefault(key, []).append(len(self.nodes))
            self.counts.setdefault(key, status.st_nlink)
        self.nodes.append(node)

    def finish(self) -> tuple[Node, ...]:
        """The nodes, sorted by path, with the hard-link groups filled in."""
        number = 0
        for key, places in self.links.items():
            outside = self.counts[key] > len(places)
            if len(places) > 1:
                number += 1
            for place in places:
                self.nodes[place] = _grouped(self.nodes[place], number if len(places) > 1 else 0, outside)
        return tuple(sorted(self.nodes, key=lambda node: node.path))


def _renamed(node: Node, path: bytes) -> Node:
    return Node(**{field: getattr(node, field) for field in node.__struct_fields__} | {"path": path})


def _grouped(node: Node, group: int, outside: bool) -> Node:
    values = {field: getattr(node, field) for field in node.__struct_fields__}
    return Node(**values | {"group": group, "outside_links": outside})


def digest_of(fd: int, size: int) -> bytes:
    """BLAKE2b-128 of a file's content, the same whether its zeros are written or holes.

    Files over WHOLE bytes are hashed as the pages that are not all zero, each with its offset; only the data
    between holes is read (lseek(2), SEEK_DATA).
    """
    state = hashlib.blake2b(digest_size=16)
    if size <= WHOLE:
        while chunk := os.read(fd, CHUNK):
            state.update(chunk)
        return state.digest()
    state.update(b"%d" % size)
    at = 0
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA) // PAGE * PAGE
        except OSError:  # ENXIO: nothing but holes behind `at`
            break
        stop = os.lseek(fd, start, os.SEEK_HOLE)
        for offset in range(start, stop, CHUNK):
            chunk = os.pread(fd, min(CHUNK, stop - offset), offset)
            for page in range(0, len(chunk), PAGE):
                part = chunk[page : page + PAGE].rstrip(b"\0")
                if part:
                    state.update(b"%d:%d:" % (offset + page, len(part)))
                    state.update(part)
        at = max(stop, start + 1)
    return state.digest()


def snapshot(fd: int, *, since: int = 0, until: int = -1, remove: bool = False) -> tuple[Node, ...]:
    """The tree of the directory `fd`, sorted by path, itself (`b"."`) first; emptied when `remove` is set.

    Times from `since` to `until` (nanoseconds) are "now" (None). Raises TooDeepError, with nothing removed below
    the deepest directory that was reached.
    """
    walk = _Walk(since, until, remove=remove)
    status = os.fstat(fd)
    root = walk.plain(b".", "dir", status)
    if status.st_mode & 0o700 != 0o700:
        os.fchmod(fd, 0o700)
    walk.directory(fd, b"")
    return (root, *walk.finish())
