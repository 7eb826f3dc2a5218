"""The arena: a destination deep inside the cell's tmpfs, canaries around it, and what a world puts there.

    /arena/in/archive.tar            the archive, for contestants that want a file; a large one stays outside
    /arena/tmp                       HOME, TMPDIR and working directory of commands; emptied, not watched
    /arena/out/1/2/3/4/dest          the destination, empty or as the world says
    /arena/out/1/2/3/4/canary/       what must not change: a directory and `secret.txt` in it
    /arena/out/1/2/3/4/dest-evil/    the same, sharing the destination's prefix

Everything outside `dest` is held by open descriptors and compared by fstat, ctime included: what a contestant does
there and undoes again is seen all the same. An escape is told, then the arena is built anew.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from typing import Literal

import msgspec

from ...archive.case import DEST, HOLDER, NEIGHBOURS, PLACED_MTIME, SECRET, SECRET_DATA, Placed, World
from ...archive.stored import Archive, Stored, contains
from ..observation import Change, Node
from . import processes
from .namespaces import INSIDE_ID
from .snapshot import TYPES, snapshot

IN = "in"
ARCHIVE = "archive.tar"
SCRATCH = "tmp"
LEVELS = tuple(os.fsdecode(HOLDER).split("/")[2:])
"""Directories between the arena and the destination's parent: a name that climbs less than that far is seen."""

CANARY_MTIME_NS = 1_200_000_000_000_000_000
"""2008-01-10: the time of everything that must not change."""

WORLDS = 256
"""Worlds whose tree is remembered."""

CLOCK_SLACK_NS = 20_000_000
"""File times come from a coarse clock that may be a tick or two behind `time.time_ns`."""

_PLACED_NS = (PLACED_MTIME * 10**9, PLACED_MTIME * 10**9)
_DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FileState = tuple[tuple[int, ...], int, int]


def _state(fd: int) -> _FileState:
    """Mode, inode, device, links, uid, gid and size as one tuple, then the times of content and of inode."""
    return _state_of(os.fstat(fd))


def _state_of(status: os.stat_result) -> _FileState:
    return (status[:7], status.st_mtime_ns, status.st_ctime_ns)


class WorldError(Exception):
    """A world that cannot be built: `name` is what was to be placed, `detail` what is wrong with it."""

    def __init__(self, name: bytes, detail: str) -> None:
        super().__init__(name, detail)
        self.name, self.detail = name, detail

    def __str__(self) -> str:
        return f"world, {ascii(self.name)[1:]}: {self.detail}"


class Arena:
    """The writable part of a cell. `root` is an existing directory, `/arena` in a cell; it is emptied first."""

    def __init__(self, root: str, inside: int = INSIDE_ID) -> None:
        self.root, self.inside = root, inside
        """Where it is, and the uid and gid that trees have for its own."""
        self._own_path = self.archive_path = os.path.join(root, IN, ARCHIVE)
        """Where a small archive is written, and where the one at hand is."""
        self.scratch_path = os.path.join(root, SCRATCH)
        self.base = os.path.join(root, *LEVELS)
        """What holds the destination."""
        self.dest_path = os.path.join(self.base, os.fsdecode(DEST))
        self.archive_name = self._relative(self.archive_path)
        """The archive, as `Change.path` has it."""
        self._worlds: dict[World, tuple[Node, ...]] = {}
        self._watched: list[tuple[str, int, _FileState]] = []
        self._expected: dict[str, frozenset[str]] = {}
        self.dest = self._archive = -1
        self._uid, self._gid = os.geteuid(), os.getegid()
        self.rebuild()

    # -- building ------------------------------------------------------------------------------------------------

    def rebuild(self) -> None:
        """Empty the arena and build it anew."""
        self.close()
        _empty(self.root)
        os.mkdir(os.path.join(self.root, IN), 0o755)
        os.mkdir(self.scratch_path, 0o755)
        self.archive_path = self._own_path
        self._archive = os.open(self._own_path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._archive_state = _state(self._archive)
        self._archive_inode = os.fstat(self._archive).st_ino
        path = self.root
        for level in LEVELS:
            path = os.path.join(path, level)
            os.mkdir(path, 0o755)
        os.mkdir(self.dest_path, 0o755)
        for neighbour in NEIGHBOURS:
            folder = os.path.join(self.base, os.fsdecode(neighbour))
            os.mkdir(folder, 0o755)
            secret = os.path.join(folder, os.fsdecode(SECRET))
            with open(secret, "wb") as file:
                file.write(SECRET_DATA)
            os.utime(secret, ns=(CANARY_MTIME_NS, CANARY_MTIME_NS))
            os.utime(folder, ns=(CANARY_MTIME_NS, CANARY_MTIME_NS))
        while path != os.path.dirname(self.root):
            os.utime(path, ns=(CANARY_MTIME_NS, CANARY_MTIME_NS))
            path = os.path.dirname(path)
        os.utime(os.path.dirname(self._own_path), ns=(CANARY_MTIME_NS, CANARY_MTIME_NS))
        self._built_ns = time.time_ns()
        status = os.statvfs(self.root)
        self._free = (status.f_bfree, status.f_ffree)
        self.dest = os.open(self.dest_path, _DIR)
        self._watch()

    def _watch(self) -> None:
        paths = [self.root, os.path.join(self.root, IN)]
        paths += [os.path.join(self.root, *LEVELS[:count]) for count in range(1, len(LEVELS) + 1)]
        for neighbour in NEIGHBOURS:
            folder = os.path.join(self.base, os.fsdecode(neighbour))
            paths += [folder, os.path.join(folder, os.fsdecode(SECRET))]
        for path in paths:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            self._watched.append((path, fd, _state(fd)))
            if os.path.isdir(path):
                self._expected[path] = frozenset(os.listdir(path))
        self._dest_inode = os.fstat(self.dest).st_ino

    def close(self) -> None:
        """Give every descriptor back."""
        for _, fd, _ in self._watched:
            os.close(fd)
        self._watched.clear()
        for fd in (self.dest, self._archive):
            if fd >= 0:
                os.close(fd)
        self.dest = self._archive = -1

    def put_archive(self, archive: Archive) -> None:
        """Have the archive where contestants that want a file find it: `archive_path`. Raises OSError.

        One that stays in a file is used where it is: nothing in the cell can write to it, and it takes none of the
        cell's disk. A cell by Landlock cannot keep its mode from being changed, so that is set right.
        """
        os.ftruncate(self._archive, 0)
        if isinstance(archive, Stored):
            self.archive_path = archive.path
            if os.stat(archive.path).st_mode & 0o444 != 0o444:
                os.chmod(archive.path, 0o444)
            with open(archive.path, "rb"):  # whoever cannot read it now is not to blame a contestant
                pass
        else:
            self.archive_path = self._own_path
            view = memoryview(archive)
            at = 0
            while at < len(view):
                at += os.pwrite(self._archive, view[at:], at)
        self._archive_state = self._archive_now()

    def _archive_now(self) -> _FileState:
        """The state of the archive at hand. Raises OSError where it has gone."""
        return (
            _state(self._archive) if self.archive_path == self._own_path else _state_of(os.stat(self.archive_path))
        )

    def _archive_changed(self) -> bool:
        try:
            return self._archive_now() != self._archive_state
        except OSError:
            return True

    def intact(self) -> bool:
        """Whether the descriptors are still those that were opened. Raises OSError when one is not open."""
        return (
            os.fstat(self.dest).st_ino == self._dest_inode and os.fstat(self._archive).st_ino == self._archive_inode
        )

    # -- worlds --------------------------------------------------------------------------------------------------

    def prepare(self, world: World) -> tuple[Node, ...]:
        """Make the empty destination what `world` says. Returns the tree that is there now. Raises WorldError."""
        self._place_all(world.placed)
        before = self._worlds.get(world)
        if before is None:
            if len(self._worlds) >= WORLDS:
                self._worlds.clear()
            before = self._plain(snapshot(self.dest))
            if world.placed:
                # Looking at what cannot be read changes its mode: put it there once more.
                snapshot(self.dest, remove=True)
                self._place_all(world.placed)
            self._worlds[world] = before
        if world.dest_mode != 0o755:
            os.fchmod(self.dest, world.dest_mode)
        os.utime(self.dest, ns=_PLACED_NS)
        if relinks(world):
            self._watched = [(path, fd, _state(fd)) for path, fd, _ in self._watched]
        return before

    def _place_all(self, everything: tuple[Placed, ...]) -> None:
        folders: dict[bytes, int] = {}
        for placed in everything:
            try:
                self._place(placed, folders)
            except OSError as error:
                raise WorldError(placed.name, error.strerror or str(error)) from error
        # Last: writing below a directory changes its time, and a mode may forbid writing at all.
        for path, mode in sorted(folders.items(), reverse=True):
            os.chmod(path, mode)
            os.utime(path, ns=_PLACED_NS)

    def _place(self, placed: Placed, folders: dict[bytes, int]) -> None:
        parts = placed.name.split(b"/")
        if not all(parts) or b".." in parts or b"." in parts:
            raise WorldError(placed.name, "is not relative, or leaves the destination")
        path = os.fsencode(self.dest_path)
        for part in parts[:-1]:
            path += b"/" + part
            if path not in folders:
                os.mkdir(path, 0o755)
                folders[path] = 0o755
        path += b"/" + parts[-1]
        if placed.kind == "dir":
            if path not in folders:
                os.mkdir(path, 0o755)
            folders[path] = 0o755 if placed.mode is None else placed.mode
            return
        if placed.kind == "hardlink":
            os.link(os.path.join(os.fsencode(self.dest_path), placed.link), path, follow_symlinks=False)
            return  # its inode is another name's: mode and time are not this one's to set
        if placed.kind == "symlink":
            os.symlink(placed.link, path)
        else:
            if placed.kind == "fifo":
                os.mkfifo(path)
            else:
                with open(path, "xb") as file:
                    file.write(placed.data)
            os.chmod(path, 0o644 if placed.mode is None else placed.mode)
        os.utime(path, ns=_PLACED_NS, follow_symlinks=False)

    # -- looking -------------------------------------------------------------------------------------------------

    def escapes(self) -> tuple[Change, ...]:
        """What changed outside the destination since the arena was built. Empty: nothing at all did."""
        changed = [(*one, now) for one in self._watched if (now := _state(one[1])) != one[2]]
        for _, fd, before, now in changed:
            if now[0][0] != before[0][0]:
                # A directory that cannot be searched would hide what else happened below it.
                os.fchmod(fd, stat.S_IMODE(before[0][0]))
        found: dict[tuple[bytes, str], Change] = {}
        for path, fd, before, now in changed:
            for change in self._differences(path, fd, before, now):
                found.setdefault((change.path, change.what), change)
        if self._archive_changed():
            name = self.archive_name
            found[(name, "content")] = Change(path=name, what="content", before="the archive", after="changed")
        if not self._dest_is_ours():
            kind = self._dest_now()
            what: Literal["removed", "type"] = "removed" if kind == "absent" else "type"
            found.pop((DEST, "removed"), None)
            found[(DEST, what)] = Change(path=DEST, what=what, before="our directory", after=kind)
        return tuple(found[key] for key in sorted(found))

    def _dest_is_ours(self) -> bool:
        try:
            status = os.stat(self.dest_path, follow_symlinks=False)
        except OSError:
            return False
        return status.st_ino == self._dest_inode and stat.S_ISDIR(status.st_mode)

    def _dest_now(self) -> str:
        try:
            return TYPES[stat.S_IFMT(os.stat(self.dest_path, follow_symlinks=False).st_mode)]
        except OSError:
            return "absent"

    def _relative(self, path: str) -> bytes:
        return os.fsencode(os.path.relpath(path, self.base))

    def _differences(self, path: str, fd: int, before: _FileState, after: _FileState) -> list[Change]:
        (mode, _, _, links, uid, gid, size), mtime, _ = before
        (now_mode, _, _, now_links, now_uid, now_gid, now_size), now_mtime, _ = after
        name = self._relative(path)
        found, unlinked = [], False
        if path in self._expected:
            there = frozenset(os.listdir(fd))
            more, fewer = sorted(there - self._expected[path]), sorted(self._expected[path] - there)
            found += [Change(path=self._relative(os.path.join(path, one)), what="created") for one in more]
            found += [Change(path=self._relative(os.path.join(path, one)), what="removed") for one in fewer]
        elif now_links == 0:
            # Its directory tells when it is gone; here it has been replaced.
            return (
                [Change(path=name, what="content", after=self._replacement(path))] if os.path.lexists(path) else []
            )
        else:
            # A name fewer is the world's own, taken out of the destination: had it been the one outside, the
            # directory would tell. To replace a file that is linked elsewhere is what an extractor is to do.
            unlinked = now_links < links
            if now_links > links:
                found.append(Change(path=name, what="links", before=str(links), after=str(now_links)))
            os.lseek(fd, 0, os.SEEK_SET)
            if now_size != size or os.read(fd, size + 1) != SECRET_DATA:
                found.append(Change(path=name, what="content", before=f"{size} bytes", after=f"{now_size} bytes"))
        if now_mode != mode:
            found.append(
                Change(path=name, what="mode", before=f"{mode & 0o7777:o}", after=f"{now_mode & 0o7777:o}")
            )
        if (now_uid, now_gid) != (uid, gid):
            found.append(Change(path=name, what="owner", before=f"{uid}:{gid}", after=f"{now_uid}:{now_gid}"))
        if now_mtime != mtime and not found:
            found.append(Change(path=name, what="mtime", before=str(mtime), after=self._when(now_mtime)))
        if not found and not unlinked:
            found.append(Change(path=name, what="mtime", before="untouched", after="changed and changed back"))
        return found

    def _when(self, ns: int) -> str:
        """A time as text; one since the arena was built says nothing but that."""
        return str(ns) if ns < self._built_ns - CLOCK_SLACK_NS else "now"

    @staticmethod
    def _replacement(path: str) -> str:
        return f"another {TYPES[stat.S_IFMT(os.lstat(path).st_mode)]}"

    def leaks(self, tree: tuple[Node, ...], before: tuple[Node, ...], archive: Archive) -> tuple[Change, ...]:
        """Files of a tree that hold what only a file outside held, and that neither world nor archive brought.

        `path` is the file in the tree, relative like all others to what holds the destination.
        """
        found = [node.path for node in tree if node.data is not None and SECRET_DATA in node.data]
        if not found or contains(archive, SECRET_DATA):
            return ()
        brought = {node.path for node in before if node.data is not None and SECRET_DATA in node.data}
        return tuple(
            Change(path=DEST + b"/" + path, what="leaked", after="the content of a neighbour's secret")
            for path in found
            if path not in brought
        )

    def clear(self, *, since: int, cut: list[bytes]) -> tuple[Node, ...]:
        """The tree in the destination, which is empty afterwards, with its mode as at the beginning.

        `since`: when the contestant began, nanoseconds. `cut` collects directories too deep to be recorded.
        """
        until = time.time_ns() + CLOCK_SLACK_NS
        tree = snapshot(self.dest, since=since - CLOCK_SLACK_NS, until=until, remove=True, cut=cut)
        os.fchmod(self.dest, 0o755)
        if tree[0].xattrs:
            for name, _ in tree[0].xattrs:
                os.removexattr(self.dest, name)
        return self._plain(tree)

    def _plain(self, tree: tuple[Node, ...]) -> tuple[Node, ...]:
        """The tree with the cell's own ids as every tree has them: without a user namespace they are others."""
        if (self._uid, self._gid) == (self.inside, self.inside):
            return tree
        return tuple(
            msgspec.structs.replace(
                node,
                uid=self.inside if node.uid == self._uid else node.uid,
                gid=self.inside if node.gid == self._gid else node.gid,
            )
            for node in tree
        )

    def full(self) -> bool:
        """Whether nothing more can be written here, no byte or no name."""
        status = os.statvfs(self.root)
        return status.f_bavail == 0 or status.f_favail == 0

    # -- disk ----------------------------------------------------------------------------------------------------

    def overrun(self, size: int, inodes: int) -> bool:
        """Whether the arena holds more than `size` bytes or `inodes` names: no file system of its own bounds it.

        The file system tells at once, but others use it too: when it says so, the tree is looked through, and with
        it the files without a name that a process of the cell has open.
        """
        status = os.fstatvfs(self.dest)
        used = (self._free[0] - status.f_bfree) * status.f_frsize
        names = self._free[1] - status.f_ffree
        if used <= size and names <= inodes:
            return False
        nameless = processes.nameless(os.fstat(self.dest).st_dev)
        return _exceeds(self._watched[0][1], size - sum(nameless.values()), inodes - len(nameless))

    def sweep(self) -> None:
        """Empty the scratch directory."""
        _empty(self.scratch_path)


def relinks(world: World) -> bool:
    """Whether a world may link something outside the destination into it, and so changes what is watched."""
    return any(placed.kind == "hardlink" for placed in world.placed)


def _empty(root: str) -> None:
    """Remove everything in `root`."""
    fd = os.open(root, _DIR)
    try:
        os.fchmod(fd, 0o755)
        snapshot(fd, remove=True)
    finally:
        os.close(fd)


def _exceeds(fd: int, size: int, inodes: int) -> bool:
    """Whether a tree that somebody is at work in holds more than that. What cannot be seen counts as nothing."""
    os.fchdir(fd)
    try:
        todo: list[list[bytes]] = [[]]
        fresh = True
        while todo:
            if fresh:
                with contextlib.suppress(OSError), os.scandir(b".") as entries:
                    for entry in entries:
                        status = entry.stat(follow_symlinks=False)
                        size -= status.st_blocks * 512
                        inodes -= 1
                        if size < 0 or inodes < 0:
                            return True
                        if stat.S_ISDIR(status.st_mode):
                            todo[-1].append(entry.name)
            fresh = False
            if todo[-1]:
                name = todo[-1].pop()
                with contextlib.suppress(OSError):
                    below = os.open(name, _DIR)
                    try:
                        os.fchdir(below)
                    finally:
                        os.close(below)
                    todo.append([])
                    fresh = True
                continue
            todo.pop()
            if todo:
                os.chdir(b"..")
    except OSError:
        pass  # a directory was taken from under our feet: the next look begins anew
    finally:
        os.chdir("/")
    return False
