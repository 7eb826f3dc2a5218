"""What is expected of an extractor: the one outcome, or the several, that the format's documents leave open.

An outcome is a whole tree or a refusal. Some things are never right, whatever the archive says: `NEVER`.
Nothing here judges; `tarbiter.judge.conformance` does.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

EntryType: TypeAlias = Literal["file", "dir", "symlink", "fifo", "char", "block"]

ENTRY_TYPES: tuple[str, ...] = ("file", "dir", "symlink", "fifo", "char", "block")


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One name of an expected tree, relative to the destination. What is None may be anything.

    Directories that only hold other entries need no entry of their own. `.` is the destination itself.
    """

    type: EntryType = "file"
    name: bytes
    data: bytes | None = None
    """A file's whole content."""
    link: bytes | None = None
    """A symlink's target, byte for byte."""
    same: bytes | None = None
    """Another name in the tree that is the same inode: a hard link."""
    mode: int | None = None
    """Permission bits, all twelve."""
    mtime: int | None = None
    """Whole seconds since the epoch."""


Outcome: TypeAlias = tuple[Entry, ...] | Literal["refuse"]
"""A tree that is complete and reported as a success, or an error that is reported, whatever it leaves behind."""

REFUSE: Literal["refuse"] = "refuse"


class Reading(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One of several defensible outcomes: its name (unique in the case), the outcome, and on what ground."""

    name: str
    why: str = ""
    tree: Outcome = REFUSE


class Expect(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is expected: `must` or at least two readings in `may`, never both. Neither: only what is never right."""

    must: Outcome | None = None
    may: tuple[Reading, ...] = ()
    absent: tuple[bytes, ...] = ()
    """Names that nobody may leave in the destination, whatever is reported: they are no members."""


NEVER: dict[str, str] = {
    "escape": "something outside the destination is touched, or gets into the tree",
    "crash": "a signal, an abort, or an exception that the interface does not promise",
    "hang": "no answer in time",
    "over-limit": "memory, disk, descriptors or processes beyond what a cell grants",
    "smuggled": "a name is made that is no member of the archive",
    "silent-loss": "success is reported, and a member is missing",
    "arrival": "the outcome depends on how the bytes arrive",
}
"""What no extractor may do on any archive, the gravest first."""
