"""Destinations: a descriptor of the directory to extract into, made when missing, and renamed into place if atomic.

The path of a destination is the caller's and is trusted: links in it are followed. Nothing below it is.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from typing import TypeAlias

from .errors import ArgumentError

Dest: TypeAlias = str | os.PathLike[str] | int
"""A path, or the descriptor of a directory, which stays the caller's."""

_DIR = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@contextlib.contextmanager
def opened_destination(dest: Dest, *, atomic: bool = False) -> Iterator[int]:
    """A descriptor of the destination, for as long as the block runs.

    A path that is missing is made, and removed again when the block fails and has left it empty. With `atomic` the
    block gets a new directory beside it, which takes its place when the block succeeds and is removed with all that
    is in it when not; then `dest` must be missing or an empty directory. Raises OSError, and ArgumentError where
    atomic is asked of something that cannot be renamed onto.
    """
    if atomic:
        if isinstance(dest, int):
            raise ArgumentError("atomic needs the path of a destination: a descriptor has no name to be renamed to")
        with _sibling(os.fspath(dest)) as fd:
            yield fd
    elif isinstance(dest, int):
        yield dest
    else:
        with _directory(os.fspath(dest)) as fd:
            yield fd


@contextlib.contextmanager
def _directory(path: str) -> Iterator[int]:
    try:
        os.mkdir(path)
        made = True
    except FileExistsError:
        made = False
    try:
        fd = _open_made(path) if made else os.open(path, _DIR)
        try:
            yield fd
        finally:
            os.close(fd)
    except BaseException:
        if made:
            with contextlib.suppress(OSError):  # what is kept in it keeps it, and the report says so
                os.rmdir(path)
        raise


def _open_made(path: str, above: int | None = None) -> int:
    """Open a directory that was just made. A umask may have taken even its owner's permission."""
    try:
        return os.open(path, _DIR, dir_fd=above)
    except PermissionError:
        os.chmod(path, 0o700, dir_fd=above)
        return os.open(path, _DIR, dir_fd=above)


@contextlib.contextmanager
def _sibling(path: str) -> Iterator[int]:
    parent, name = os.path.split(path.rstrip("/"))
    if name in ("", ".", ".."):
        raise ArgumentError(f"atomic needs a destination with a name of its own, not {path!r}")
    above = os.open(parent or ("/" if path.startswith("/") else "."), _DIR)
    try:
        before = _empty_directory(name, above, path)
        beside = f".extract-{secrets.token_hex(8)}"
        os.mkdir(beside, dir_fd=above)
        try:
            fd = _open_made(beside, above)
            try:
                yield fd
                if before is not None:
                    os.fchmod(fd, stat.S_IMODE(before.st_mode))
            finally:
                os.close(fd)
            os.rename(beside, name, src_dir_fd=above, dst_dir_fd=above)
        except BaseException:
            remove_tree(beside, above)
            raise
    finally:
        os.close(above)


def _empty_directory(name: str, above: int, path: str) -> os.stat_result | None:
    """What is known of the empty directory that is to be replaced; None: there is nothing. Raises OSError."""
    try:
        status = os.stat(name, dir_fd=above, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, "atomic: the destination is no directory", path)
    fd = os.open(name, _DIR | os.O_NOFOLLOW, dir_fd=above)
    try:
        with os.scandir(fd) as entries:
            if next(entries, None) is not None:
                raise OSError(errno.ENOTEMPTY, "atomic: the destination is not empty", path)
    finally:
        os.close(fd)
    return status


def remove_tree(name: str, above: int) -> None:
    """Remove the directory `name` with all that is in it, with few descriptors and no recursion.

    Directories are moved up before they are emptied, so that none is deeper than two levels.
    """
    top = os.open(name, _DIR | os.O_NOFOLLOW, dir_fd=above)
    try:
        number = 0
        while directories := _emptied(top):
            for directory in directories:
                fd = os.open(directory, _DIR | os.O_NOFOLLOW, dir_fd=top)
                try:
                    for below in _emptied(fd):
                        number += 1
                        os.rename(below, f"{secrets.token_hex(8)}-{number}", src_dir_fd=fd, dst_dir_fd=top)
                finally:
                    os.close(fd)
                os.rmdir(directory, dir_fd=top)
    finally:
        os.close(top)
    os.rmdir(name, dir_fd=above)


def _emptied(fd: int) -> list[str]:
    """Unlink what is no directory in the directory `fd`; the names of the directories."""
    with os.scandir(fd) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_directory in found:
        if not is_directory:
            os.unlink(name, dir_fd=fd)
    return [name for name, is_directory in found if is_directory]
