"""Snapshots: the tree below a directory as records, taken without following anything, and taken away again.

One walk looks and, when asked, removes: what was seen is unlinked on the way. Trees are hostile: directories
without any permission, FIFOs that would block an open, depths beyond PATH_MAX, terabytes of holes, any byte in a
name. The walk changes into each directory by descriptor and goes back by `..`, so no name has more than one
component and no more than one descriptor is open, however deep the tree is. That asks for a tree that nobody else
changes meanwhile, and for a process whose working directory nobody else needs.
"""

from __future__ import annotations

import hashlib
import os
import stat

from ..observation import HOLES, LONGEST, SMALL, Node, NodeType

WHOLE = 16 << 20
"""Bytes up to which a file is hashed as a whole; beyond, runs of zeros are passed over, holes or not."""

EARLIEST, LATEST = -(1 << 63), (1 << 63) - 1
"""Nanoseconds that fit 64 bits: September 1677 to April 2262. File systems hold more, records do not."""

CHUNK = 1 << 20
PAGE = 4096
ZEROS = bytes(CHUNK)

TYPES: dict[int, NodeType] = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "dir",
    stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "fifo",
    stat.S_IFCHR: "char",
    stat.S_IFBLK: "block",
    stat.S_IFSOCK: "socket",
}

_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FORMAT = 0o170000
_REGULAR, _FOLDER = stat.S_IFREG, stat.S_IFDIR

_Xattrs = tuple[tuple[bytes, bytes], ...]


class _Walk:
    """One walk. `since` and `until` (nanoseconds) bound what counts as "now"."""

    def __init__(self, since: int, until: int, *, remove: bool) -> None:
        self.since, self.until, self.remove = since, until, remove
        self.nodes: list[Node] = []
        self.links: dict[int, list[Node]] = {}
        """Inode to the nodes that name it, for inodes that have, or once had, more than one name."""
        self.counts: dict[int, int] = {}
        """How many names those inodes have in all. A removing walk lowers it as it goes: the first look counts."""
        self.cut: list[bytes] = []
        """Directories whose content was not recorded."""

    def below(self) -> None:
        """Everything below the working directory, which is the same one afterwards."""
        todo = [self._here(b"")]
        trail: list[tuple[bytes, bytes | None]] = [(b"", b"")]
        while True:
            if todo[-1]:
                name = todo[-1].pop()
                above = trail[-1][1]
                prefix = None if above is None or len(above) > LONGEST else above + name + b"/"
                if prefix is None and above is not None:
                    self.cut.append(above + name)
                trail.append((name, prefix))
                os.chdir(name)
                todo.append(self._here(prefix))
                continue
            todo.pop()
            name, _ = trail.pop()
            if not todo:
                return
            os.chdir(b"..")
            if self.remove:
                os.rmdir(name)

    def _here(self, prefix: bytes | None) -> list[bytes]:
        """Record what is in the working directory. Returns its subdirectories, which are to be walked next.

        Without a prefix nothing is recorded: the tree is too deep there, and only removed.
        """
        if prefix is None:
            return self._unrecorded()
        folders = []
        remove, nodes = self.remove, self.nodes
        for name in os.listdir(b"."):
            status = os.lstat(name)
            mode = status.st_mode
            kind = mode & _FORMAT
            if kind == _FOLDER:
                if mode & 0o700 != 0o700:
                    os.chmod(name, 0o700)  # also to read its extended attributes
                nodes.append(self.plain(name, prefix + name, status))
                folders.append(name)
                continue
            if status.st_nlink > 1 or status.st_ino in self.links:
                self._linked(name, prefix + name, status)
            elif kind == _REGULAR:
                nodes.append(self._file(name, prefix + name, status))
            else:
                nodes.append(self.plain(name, prefix + name, status))
            if remove:
                os.unlink(name)
        return folders

    def _unrecorded(self) -> list[bytes]:
        folders = []
        with os.scandir(b".") as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for name, folder in found:
            if folder:
                os.chmod(name, 0o700)
                folders.append(name)
            elif self.remove:
                os.unlink(name)
        return folders

    def when(self, ns: int) -> int | None:
        """A time as it is recorded: None when it lies within the run, never beyond 64 bits."""
        if self.since <= ns <= self.until:
            return None
        return min(max(ns, EARLIEST), LATEST)

    def plain(self, name: bytes, path: bytes, status: os.stat_result) -> Node:
        """A node of a name that is no regular file."""
        mode = status.st_mode
        kind = TYPES[mode & _FORMAT]
        device = kind in ("char", "block")
        return Node(
            path=path,
            type=kind,
            mode=mode & 0o7777,
            mtime_ns=self.when(status.st_mtime_ns),
            uid=status.st_uid,
            gid=status.st_gid,
            link=os.readlink(name) if kind == "symlink" else None,
            rdev=status.st_rdev if device else 0,
            xattrs=_xattrs(name, os.listxattr(name, follow_symlinks=False)) if kind == "dir" else (),
        )

    def _file(self, name: bytes, path: bytes, status: os.stat_result) -> Node:
        mode, size = status.st_mode, status.st_size
        if not mode & 0o400:
            os.chmod(name, 0o600)  # a regular file: nothing to follow
        data: bytes | None = b""
        digest = None
        xattrs: _Xattrs = ()
        file = os.open(name, _OPEN_FILE)
        try:
            names = os.listxattr(file)
            if names:
                xattrs = _xattrs(file, names)
            if size > SMALL:
                data, digest = None, digest_of(file, size)
            elif size:
                data = os.read(file, SMALL)
            holes = holes_of(file, size) if status.st_blocks * 512 < size else ()
        finally:
            os.close(file)
        return Node(
            path=path,
            type="file",
            mode=mode & 0o7777,
            size=size,
            data=data,
            digest=digest,
            mtime_ns=self.when(status.st_mtime_ns),
            uid=status.st_uid,
            gid=status.st_gid,
            xattrs=xattrs,
            blocks=status.st_blocks,
            holes=holes,
        )

    def _linked(self, name: bytes, path: bytes, status: os.stat_result) -> None:
        known = self.links.get(status.st_ino)
        if known is None:
            self.counts[status.st_ino] = status.st_nlink
            regular = status.st_mode & _FORMAT == _REGULAR
            node = self._file(name, path, status) if regular else self.plain(name, path, status)
            self.links[status.st_ino] = [node]
            return
        # Its mode may have been changed to read it the first time, so the first node speaks for all names.
        known.append(_changed(known[0], path=path))

    def finish(self) -> list[Node]:
        """The nodes, sorted by path, with the hard-link groups filled in, numbered by their first path."""
        number = 0
        for inode, nodes in sorted(self.links.items(), key=lambda item: min(node.path for node in item[1])):
            outside = self.counts[inode] > len(nodes)
            number += len(nodes) > 1
            group = number if len(nodes) > 1 else 0
            self.nodes += [_changed(node, group=group, outside_links=outside) for node in nodes]
        self.nodes.sort(key=lambda node: node.path)
        return self.nodes


def _xattrs(where: bytes | int, names: list[str]) -> _Xattrs:
    follow = isinstance(where, int)
    return tuple(sorted((os.fsencode(name), os.getxattr(where, name, follow_symlinks=follow)) for name in names))


def _changed(node: Node, **changes: object) -> Node:
    values = {field: getattr(node, field) for field in node.__struct_fields__}
    return Node(**values | changes)


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
            if chunk == ZEROS[: len(chunk)]:  # a bomb is nothing else, and page by page it takes ten times as long
                continue
            for page in range(0, len(chunk), PAGE):
                part = chunk[page : page + PAGE].rstrip(b"\0")
                if part:
                    state.update(b"%d:%d:" % (offset + page, len(part)))
                    state.update(part)
        at = max(stop, start + 1)
    return state.digest()


def holes_of(fd: int, size: int) -> tuple[tuple[int, int], ...]:
    """The first HOLES holes of a file (lseek(2), SEEK_HOLE); the one that every file has at its end is none."""
    found: list[tuple[int, int]] = []
    start = os.lseek(fd, 0, os.SEEK_HOLE)
    while start < size and len(found) < HOLES:
        try:
            end = os.lseek(fd, start, os.SEEK_DATA)
        except OSError:  # ENXIO: no data behind it
            end = size
        found.append((start, end))
        start = os.lseek(fd, end, os.SEEK_HOLE) if end < size else size
    return tuple(found)


def snapshot(
    fd: int, *, since: int = 0, until: int = -1, remove: bool = False, cut: list[bytes] | None = None
) -> tuple[Node, ...]:
    """The tree of the directory `fd`, sorted by path, itself (`b"."`) first; emptied when `remove` is set.

    Times from `since` to `until` (nanoseconds) are "now" (None). Directories and files that their owner could not
    read get permissions that let him, unless they are removed anyway. The working directory is `/` afterwards.
    Directories whose paths are longer than LONGEST are removed without being recorded; `cut` collects their names.
    Raises OSError when somebody else changes the tree at the same time.
    """
    walk = _Walk(since, until, remove=remove)
    status = os.fstat(fd)
    if status.st_mode & 0o700 != 0o700:
        os.fchmod(fd, 0o700)
    os.fchdir(fd)
    try:
        root = walk.plain(b".", b".", status)
        walk.below()
    finally:
        os.chdir("/")
    if cut is not None:
        cut += walk.cut
    return (root, *walk.finish())


def disk_kib(tree: tuple[Node, ...]) -> int:
    """What the files of a tree occupy, those with several names once."""
    seen: set[int] = set()
    blocks = 0
    for node in tree:
        if node.blocks and (not node.group or node.group not in seen):
            blocks += node.blocks
            seen.add(node.group)
    return blocks * 512 >> 10
