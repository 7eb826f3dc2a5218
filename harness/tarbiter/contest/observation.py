"""What one contestant did with one archive: records only, shared by the cell, the judge and the reports.

All names are bytes as the file system gave them. Times are nanoseconds since the epoch, sizes bytes.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from ..archive.case import WHOLE, Schedule, World
from ..archive.stored import Archive

Status: TypeAlias = Literal[
    "extracted",  # it says that all went well
    "partial",  # it reports an error and left something in the destination
    "refused",  # it reports an error and left the destination as it was
    "crashed",  # a signal, an interpreter abort, an exception the interface does not promise
    "hung",  # no answer within the time limit, and again when run alone
    "over-limit",  # memory, disk, descriptors or processes beyond the cell's limits
    "unavailable",  # it is not installed, or cannot do this (`error` says which)
    "flaky",  # two runs of the same came out differently: `both` has them, and nobody is compared with it
    "harness-fault",  # our side failed: never a finding
]

NodeType: TypeAlias = Literal["file", "dir", "symlink", "fifo", "char", "block", "socket"]

LONGEST = 16384
"""Bytes of the longest path that is recorded: four times PATH_MAX, which only openat(2) can get past."""

TOO_DEEP = "too deep to be recorded"
"""What a note says of a tree that is recorded only in part: it has directories of longer paths than `LONGEST`."""

SMALL = 256
"""Contents up to this many bytes are kept in the observation as they are, longer ones as a digest only."""


HOLES = 1024
"""Holes of one file that are recorded."""


class Node(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One name in a tree. `path` is relative to the destination; the destination itself is `b"."`."""

    path: bytes
    type: NodeType
    mode: int = 0
    """Permission bits with setuid, setgid and sticky: 12 bits."""
    size: int = 0
    """Length of a regular file's content; 0 for everything else."""
    data: bytes | None = None
    """A regular file's content when it is at most SMALL bytes."""
    digest: bytes | None = None
    """BLAKE2b-128 of a longer content."""
    link: bytes | None = None
    """A symlink's target."""
    group: int = 0
    """Hard-link group within this tree (1, 2, ...), 0 for a file with one name in the tree."""
    outside_links: bool = False
    """The inode has more names than this tree holds: it is linked to something outside."""
    mtime_ns: int | None = None
    """None: "now", a time within the run itself (it was not set by the contestant). What does not fit 64 bits
    (before 1677, after 2262) is the nearest that does."""
    uid: int = 0
    gid: int = 0
    rdev: int = 0
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    blocks: int = 0
    """512-byte units the file occupies: fewer than `size` needs when it has holes."""
    holes: tuple[tuple[int, int], ...] = ()
    """Where its holes are: first byte and the one behind the last, in order, at most HOLES of them."""


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something outside the destination that is not as it was: an escape."""

    path: bytes
    """Relative to the directory that holds the destination and its neighbours."""
    what: Literal["created", "removed", "content", "mode", "mtime", "owner", "links", "type", "leaked"]
    """`links`: an outside file got another name; `leaked`: an outside file's content is in the tree."""
    before: str = ""
    after: str = ""


class Listed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One row of a contestant's own listing or report."""

    path: bytes
    type: str = ""
    size: int | None = None
    outcome: str = ""
    """For contestants with a report per member: written, skipped, refused, changed and so on."""
    code: str = ""
    detail: str = ""
    """What else its library says of the member, in the driver's words: size, mode, owner.

    Of worth between two versions of one contestant: two contestants have not the same words."""


class Observation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One run of one contestant on one archive."""

    contestant: str
    version: str = ""
    family: str = ""
    cell: str = ""
    """The kind of cell it ran in: `namespaces` or `landlock`."""
    status: Status
    tree: tuple[Node, ...] = ()
    """Sorted by path; the destination itself comes first."""
    escapes: tuple[Change, ...] = ()
    listing: tuple[Listed, ...] | None = None
    """None: this contestant does not list in this way of calling it."""
    error: str = ""
    """The message as printed; at most 4 KiB. The cell's own paths are replaced: {dest}, {archive}, {tmp}, {home}
    (where the contestant is installed). What the contestant says anew each time is `{...}` (`Table.volatile`)."""
    error_class: str = ""
    """Exception class or exit code and signal: `ReadError`, `exit 2`, `signal 11`."""
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What the harness did that the reader must know: a retry, a restart, a schedule that was not applied."""
    wall_ns: int = 0
    """The extraction itself, without preparing, snapshot and clean-up."""
    cpu_ns: int = 0
    overhead_ns: int = 0
    """Preparing the destination, snapshot, canaries, clean-up."""
    peak_kib: int = 0
    """The most memory it had at a time (resident, KiB). Of a process that lives on: 0 when it had more before."""
    disk_kib: int = 0
    """What the files of the tree occupy, KiB: whole pages of a tmpfs, holes not counted."""
    reached: str = ""
    """The set of blocks of its parser that it ran through, as a hash. Empty: not counted, or it did not end."""
    both: tuple[Observation, ...] = ()
    """flaky: the two observations that differ, the first one first."""


class Job(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One archive for a list of contestants, run one after another, each in a fresh destination."""

    archive: Archive
    """A file has to be in the directory that the pool shows its cells (`Pool.shared`)."""
    contestants: tuple[str, ...]
    world: World = World()
    schedule: Schedule = WHOLE
    listing: bool = False
    """Also ask for the members' names: of commands by a second call. (Drivers in the worker list anyway.)"""
    twice: bool = False
    """Run every contestant a second time, and call those flaky that do something else then."""
    hasty: bool = False
    """A quarter of the time, awake or asleep, and no second chance for who crashes, hangs or runs over a limit: for
    what is confirmed afterwards, as the probes of a minimiser are."""
