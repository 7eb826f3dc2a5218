"""For each bug of `bugs.toml`: whether a change between its two versions is that bug, from what was observed.

An oracle is the bug's observable as code, with as much of its mechanism as tells it from its neighbours: it sees
the minimised case and what the two versions did with it, never the generator.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TypeAlias

from tarbiter.archive.case import DEST, SIBLING, Case
from tarbiter.archive.recipe import BLOCK, End, Long, Member, Part, Pax
from tarbiter.archive.text import loads
from tarbiter.campaign.versus import Change
from tarbiter.contest.observation import Node, Observation
from tarbiter.judge.facets import clean

FAILED = ("partial", "refused")


class Shown:
    """A change as oracles look at it: `old` is the vulnerable version's observation, `new` the fixed one's."""

    def __init__(self, change: Change) -> None:
        self.change = change
        self.case: Case = loads(change.case)
        self.old, self.new = change.observations
        self.facet = change.aspect.facet
        self.word = change.aspect.old
        self.parts = self.case.recipe.parts

    # What was done -----------------------------------------------------------------------------------------------

    def tree(self, seen: Observation) -> dict[bytes, Node]:
        """The tree by path, the destination left out."""
        return {node.path: node for node in seen.tree if node.path != b"."}

    @property
    def extra(self) -> set[bytes]:
        """Names that only the vulnerable version wrote."""
        return self.tree(self.old).keys() - self.tree(self.new).keys()

    @property
    def missing(self) -> set[bytes]:
        """Names that only the fixed version wrote."""
        return self.tree(self.new).keys() - self.tree(self.old).keys()

    @property
    def renamed(self) -> bool:
        """Both extract it, under other names."""
        return self.both_extract and bool(self.extra or self.missing)

    @property
    def both_extract(self) -> bool:
        """Both say that all went well."""
        return self.old.status == self.new.status == "extracted"

    @property
    def now_refused(self) -> bool:
        """The vulnerable version extracts it, the fixed one fails."""
        return self.old.status == "extracted" and self.new.status in FAILED

    @property
    def now_extracted(self) -> bool:
        """The vulnerable version fails, the fixed one extracts it."""
        return self.old.status in FAILED and self.new.status == "extracted"

    def escaped(self, *what: str) -> bool:
        """Only the vulnerable version did one of these things outside (none given: anything)."""
        done = {change.what for change in self.old.escapes} - {change.what for change in self.new.escapes}
        return bool(done & set(what) if what else done)

    # What was in the archive -------------------------------------------------------------------------------------

    def members(self, *kinds: str) -> list[Member]:
        """The members of these kinds; none given: all."""
        return [part for part in self.parts if isinstance(part, Member) and (not kinds or part.kind in kinds)]

    def records(self, *keys: bytes) -> Iterator[tuple[Pax, bytes]]:
        """The pax records with one of these keys, by their header."""
        for part in self.parts:
            if isinstance(part, Pax):
                yield from ((part, record.value) for record in part.records if record.key in keys)

    def has(self, *keys: bytes) -> bool:
        """Whether some record has one of these keys."""
        return any(True for _ in self.records(*keys))

    def place(self, wanted: Callable[[Part], bool]) -> int:
        """The place of the first such part; -1 when there is none."""
        return next((index for index, part in enumerate(self.parts) if wanted(part)), -1)

    def names(self) -> Iterator[bytes]:
        """Every name that some part carries."""
        for part in self.parts:
            if isinstance(part, Long):
                yield part.text + (part.end or b"")
            elif isinstance(part, Member):
                yield part.name or b""
        yield from (value for _, value in self.records(b"path"))

    def links(self) -> Iterator[bytes]:
        """Every target that some part carries."""
        yield from (part.linkname or b"" for part in self.members())
        yield from (part.text for part in self.parts if isinstance(part, Long) and part.kind == "long-link")
        yield from (value for _, value in self.records(b"linkpath"))

    def nested(self) -> set[bytes]:
        """Names in headers inside bodies."""
        bodies = [part.data for part in self.parts if isinstance(part, Member)]
        blocks = [body[at : at + BLOCK] for body in bodies for at in range(0, len(body), BLOCK)]
        return {clean(block[:100].rstrip(b"\0")) for block in blocks}


Oracle: TypeAlias = Callable[[Shown], bool]
ORACLES: dict[str, Oracle] = {}


def _oracle(*bugs: str) -> Callable[[Oracle], Oracle]:
    def register(function: Oracle) -> Oracle:
        ORACLES.update(dict.fromkeys(bugs, function))
        return function

    return register


def confirms(bug: str, change: Change) -> bool:
    """Whether `change` is this bug. KeyError for a bug without an oracle."""
    return ORACLES[bug](Shown(change))


# Boundaries ---------------------------------------------------------------------------------------------------


@_oracle(
    "CVE-2025-62518", "https://github.com/alexcrichton/tar-rs/pull/228", "CVE-2025-62518 (aiotarfile / async-tar)"
)
def pax_size_is_not_skipped(shown: Shown) -> bool:
    """A member that is a body's content for the fixed version."""
    return shown.has(b"size") and bool(shown.extra & shown.nested())


@_oracle("GHSA-3pv8-6f4r-ffg2", "GHSA-3cv2-h65g-fgmm (uv)", "CVE-2026-53655 (advisory archive)")
def pax_size_on_an_extension(shown: Shown) -> bool:
    """A size record before a long name or another extension; names or the members behind it differ."""
    size = shown.place(lambda part: isinstance(part, Pax) and any(r.key == b"size" for r in part.records))
    behind = shown.parts[size + 1 :] if size >= 0 else ()
    extension = any(isinstance(part, Long | Pax) for part in behind)
    return extension and bool(shown.extra or shown.missing or shown.now_refused or shown.now_extracted)


@_oracle("GHSA-fp55-jw48-c537 (uv)")
def pax_size_leaks(shown: Shown) -> bool:
    """A size record that is applied to the member after its own."""
    return shown.has(b"size") and (shown.now_extracted or shown.facet in ("content", "names"))


@_oracle("https://github.com/alexcrichton/tar-rs/issues/265")
def size_overflow(shown: Shown) -> bool:
    """A size near 2^64, which the fixed version calls an overflow."""
    return any(part.size is not None for part in shown.members()) and (
        "overflow" in shown.new.error or shown.old.status == "crashed"
    )


# Leniency of astral-tokio-tar 0.6.2 ----------------------------------------------------------------------


@_oracle("astral PR 20 (NUL-version ustar)")
def nul_version(shown: Shown) -> bool:
    """A ustar header whose version is NULs."""
    headers = [part for part in shown.parts if isinstance(part, Member | Pax | Long)]
    return shown.now_refused and any(part.version == b"" for part in headers)


@_oracle("astral DIFF-023")
def partial_slot(shown: Shown) -> bool:
    """A slot of a sparse map with only one of its two fields."""
    slots = [slot for part in shown.members() for slot in part.sparse]
    return shown.now_refused and any((slot.offset == b"") != (slot.length == b"") for slot in slots)


@_oracle("astral PR 2 (pax on a GNU header)")
def pax_on_gnu(shown: Shown) -> bool:
    """An extended header under GNU magic."""
    return shown.now_refused and any(isinstance(part, Pax) and part.format == "gnu" for part in shown.parts)


@_oracle("astral DIFF-024")
def dangling(shown: Shown) -> bool:
    """An extension with the end of the archive behind it."""
    last = shown.place(lambda part: isinstance(part, End))
    before = shown.parts[: last if last >= 0 else len(shown.parts)]
    return shown.now_refused and bool(before) and isinstance(before[-1], Pax | Long)


@_oracle("astral DIFF-030")
def orphaned_sparse_record(shown: Shown) -> bool:
    """A GNU.sparse record without a map."""
    keys = {record.key for part in shown.parts if isinstance(part, Pax) for record in part.records}
    map_keys = {b"GNU.sparse.map", b"GNU.sparse.major", b"GNU.sparse.offset"}
    return shown.now_refused and any(key.startswith(b"GNU.sparse.") for key in keys) and not keys & map_keys


@_oracle("astral DIFF-034")
def nul_in_a_long_name(shown: Shown) -> bool:
    """Bytes behind a NUL in a long name that the vulnerable version keeps."""
    cut = any(
        isinstance(part, Long) and b"\0" in (part.text + (part.end or b"")).rstrip(b"\0") for part in shown.parts
    )
    return cut and bool(shown.missing or shown.now_extracted)


@_oracle("astral TAR-IS-071")
def newline_in_a_value(shown: Shown) -> bool:
    """A record whose value has a newline in it."""
    values = [r.value for part in shown.parts if isinstance(part, Pax) for r in part.records]
    return any(b"\n" in value for value in values) and (shown.now_extracted or shown.renamed)


@_oracle("astral DIFF-029")
def solaris(shown: Shown) -> bool:
    """A Solaris extended header that is extracted as a file."""
    return any(isinstance(part, Pax) and part.kind == "pax-solaris" for part in shown.parts) and bool(shown.extra)


@_oracle("astral DIFF-013")
def two_carriers(shown: Shown) -> bool:
    """A pax path and a GNU name for one member."""
    long = any(isinstance(part, Long) for part in shown.parts)
    return long and shown.has(b"path", b"linkpath") and shown.now_refused


@_oracle("astral DIFF-031")
def listed_owner(shown: Shown) -> bool:
    """The owner's name in the listing."""
    return shown.facet == "listing" and shown.word in ("uname", "gname") and shown.has(b"uname", b"gname")


@_oracle("astral DIFF-002")
def listed_size(shown: Shown) -> bool:
    """The size in the listing."""
    return shown.facet == "listing" and shown.word == "size" and shown.has(b"size")


@_oracle("uv 0.11.25 (astral-tokio-tar 0.6.3 hardening)")
def path_twice(shown: Shown) -> bool:
    """The first of two values against the last."""
    return shown.renamed and any(
        sum(record.key == b"path" for record in part.records) > 1 for part in shown.parts if isinstance(part, Pax)
    )


# Arrival ------------------------------------------------------------------------------------------------------


@_oracle("https://github.com/astral-sh/tokio-tar/pull/40")
def pause_in_an_extension(shown: Shown) -> bool:
    """With pauses the vulnerable version makes other names of an archive than without."""
    extended = any(isinstance(part, Pax | Long) for part in shown.parts)
    return extended and shown.case.schedule.pause and shown.facet in ("arrival", "names", "status", "content")


@_oracle("https://github.com/astral-sh/uv/issues/5450 (also 2235)")
def names_lost_by_chance(shown: Shown) -> bool:
    """Some of many long names are lost, and not the same ones each time."""
    many = sum(isinstance(part, Pax | Long) for part in shown.parts) >= 100
    return many and shown.facet in ("steadiness", "names", "status")


# Outside ------------------------------------------------------------------------------------------------------


@_oracle("CVE-2021-38511")
def directory_through_a_link(shown: Shown) -> bool:
    """A directory appears outside, though the file in it is refused."""
    return bool(shown.members("symlink")) and shown.escaped("created")


@_oracle("astral-tokio-tar f1fa370 (sibling of CVE-2026-33056)", "CVE-2026-33056 (fastar)")
def mode_through_a_link(shown: Shown) -> bool:
    """A directory entry over a link changes the mode of what the link points at."""
    return bool(shown.members("symlink") and shown.members("dir")) and shown.escaped("mode")


@_oracle("CVE-2018-20835")
def hardlink_climbs(shown: Shown) -> bool:
    """An outside file gets another name, and is overwritten by it."""
    targets = [part.linkname or b"" for part in shown.members("hardlink")]
    climbing = any(b".." in target.split(b"/") or target.startswith(b"/") for target in targets)
    return climbing and shown.escaped("content", "links")


@_oracle("CVE-2025-48387")
def hardlink_through_links(shown: Shown) -> bool:
    """A hard link whose target leads through a link to the outside."""
    return bool(shown.members("symlink") and shown.members("hardlink")) and shown.escaped("content", "links")


@_oracle("CVE-2026-29786")
def hardlink_behind_a_drive(shown: Shown) -> bool:
    """A hard link whose drive letter hides that it climbs."""
    return any(re.match(rb"[A-Za-z]:", target) for target in shown.links()) and shown.escaped("links", "content")


@_oracle("CVE-2026-31802")
def symlink_behind_a_drive(shown: Shown) -> bool:
    """The same for a symlink: the vulnerable version makes one that climbs out."""
    made = [node.link or b"" for path, node in shown.tree(shown.old).items() if path not in shown.tree(shown.new)]
    drive = any(re.match(rb"[A-Za-z]:", target) for target in shown.links())
    return drive and (shown.escaped() or any(b".." in link.split(b"/") for link in made))


@_oracle("CVE-2025-59343")
def sibling_through_a_link(shown: Shown) -> bool:
    """A link to a neighbour whose name begins like the destination's is followed."""
    aims = any(SIBLING in target.split(b"/") for target in shown.links())
    return aims and bool(shown.members("symlink")) and shown.escaped("content", "created", "leaked")


@_oracle("CVE-2026-39245")
def sibling_directory_through_a_link(shown: Shown) -> bool:
    """The same, and a file is made below it."""
    aims = any(SIBLING in target.split(b"/") for target in shown.links())
    return aims and bool(shown.members("symlink")) and shown.escaped("content", "created")


@_oracle("plexus-archiver sibling prefix")
def sibling_by_name(shown: Shown) -> bool:
    """A name in a neighbour whose name begins like the destination's."""
    aims = any(
        part.startswith(DEST) for name in shown.names() if name.startswith(b"../") for part in name.split(b"/")
    )
    return aims and shown.escaped("created", "content")


@_oracle("CVE-2020-12265", "CMake 4.3 (cmake -E tar path traversal)")
def climbing_name(shown: Shown) -> bool:
    """A name that climbs, or is absolute, is written where it says."""
    out = any(b".." in name.split(b"/") or name.startswith(b"/") for name in shown.names())
    return out and shown.escaped("created", "content")


@_oracle("CVE-2025-69874")
def climbing_name_is_given(shown: Shown) -> bool:
    """The parser gives a name that climbs as it is: its caller refuses it, or the listings differ."""
    out = any(b".." in name.split(b"/") or name.startswith(b"/") for name in shown.names())
    return out and (shown.now_extracted or shown.renamed or shown.facet == "listing")


@_oracle("CVE-2021-37701")
def backslash_in_the_cache(shown: Shown) -> bool:
    """A directory with a backslash that became a link is written through."""
    return any(b"\\" in name for name in shown.names()) and shown.escaped("created", "content")


@_oracle("modern-tar 0.7.2 (symlink chain)")
def chain_of_links(shown: Shown) -> bool:
    """Links that each stay inside lead out together."""
    return len(shown.members("symlink")) >= 2 and shown.escaped("created", "content", "mode")


@_oracle("tar-fs 3.1.3 (pre-existing symlink)")
def link_that_was_there(shown: Shown) -> bool:
    """A file is written through a link that was in the destination before."""
    there = [placed for placed in shown.case.world.placed if placed.kind == "symlink"]
    return bool(there) and shown.escaped("content", "created")


@_oracle("CVE-2025-8869")
def unchecked_link(shown: Shown) -> bool:
    """A file is written through a link of the archive."""
    return bool(shown.members("symlink")) and shown.escaped("created", "content")


# Modes --------------------------------------------------------------------------------------------------------


@_oracle("https://github.com/alexcrichton/tar-rs/pull/249")
def read_only_directory(shown: Shown) -> bool:
    """A directory that may not be written to gets its mode before its children are made."""
    closed = [part for part in shown.members("dir") if part.mode is not None]
    return bool(closed) and shown.now_extracted


@_oracle("tar-fs 3.1.3 (root entry)")
def root_entry(shown: Shown) -> bool:
    """An entry that names the destination changes the destination's own mode or time."""
    roots = [{node.path: node for node in seen.tree}[b"."] for seen in (shown.old, shown.new)]
    named = any(not clean(name) for name in shown.names())
    return named and (roots[0].mode, roots[0].mtime_ns) != (roots[1].mode, roots[1].mtime_ns)


@_oracle("tar-fs 3.1.3 (setuid bits)")
def high_mode_bits(shown: Shown) -> bool:
    """Bits above 0777 are kept."""
    old, new = shown.tree(shown.old), shown.tree(shown.new)
    both = [path for path in old.keys() & new.keys() if old[path].type == new[path].type == "file"]
    return any(old[path].mode & 0o7000 and not new[path].mode & 0o7000 for path in both)


# Ends and resources -------------------------------------------------------------------------------------------


@_oracle("https://github.com/mafintosh/tar-stream/pull/83")
def cut_short(shown: Shown) -> bool:
    """An archive that ends inside a body is taken for whole."""
    return shown.now_refused and "end of data" in shown.new.error


@_oracle("CVE-2026-59875")
def nul_in_a_pax_path(shown: Shown) -> bool:
    """A NUL in a path ends the process."""
    return any(b"\0" in value for _, value in shown.records(b"path", b"linkpath")) and shown.old.status == "crashed"


@_oracle("CVE-2026-59874")
def negative_size(shown: Shown) -> bool:
    """A negative size ends the process, or is read for ever."""
    sized = any(part.size is not None for part in shown.parts if isinstance(part, Member | Pax | Long))
    dies = shown.old.status in ("crashed", "hung", "over-limit") or "writing more to entry" in shown.old.error
    return (sized or shown.has(b"size")) and dies


@_oracle("CVE-2026-59873")
def bomb(shown: Shown) -> bool:
    """What grows more than a thousandfold is refused now."""
    return shown.now_refused and "ratio" in shown.new.error


@_oracle("CVE-2024-28863")
def deep_path(shown: Shown) -> bool:
    """A path of more components than the fixed version makes."""
    deep = any(name.count(b"/") >= 1000 for name in shown.names())
    return deep and (
        shown.old.status in ("hung", "over-limit", "crashed") or len(shown.old.tree) > len(shown.new.tree)
    )


@_oracle("CVE-2023-42503")
def exponent(shown: Shown) -> bool:
    """A time with an exponent takes the vulnerable version for ever."""
    times = [value for _, value in shown.records(b"mtime", b"atime", b"ctime")]
    return any(b"e" in value.lower() for value in times) and shown.old.status in ("hung", "over-limit", "crashed")


@_oracle("CVE-2021-35517")
def declared_length(shown: Shown) -> bool:
    """Memory for a record is taken as its length says."""
    memory = (
        shown.old.status in ("over-limit", "crashed") or "OutOfMemory" in shown.old.error_class + shown.old.error
    )
    return memory and any(isinstance(part, Pax) or part.typeflag in (b"x", b"g") for part in _headers(shown))


@_oracle("CVE-2026-32288")
def endless_sparse_map(shown: Shown) -> bool:
    """A sparse map of very many blocks is refused now."""
    return shown.now_refused and "sparse map too long" in shown.new.error


@_oracle("https://github.com/isaacs/node-tar/commit/e02a4e9")
def digits_only(shown: Shown) -> bool:
    """A pax path or link path of digits only: the member is missing, or the process ends."""
    digits = any(value.isdigit() for _, value in shown.records(b"path", b"linkpath"))
    return digits and (bool(shown.missing) or shown.old.status == "crashed" or shown.now_extracted)


def _headers(shown: Shown) -> list[Member | Pax | Long]:
    return [part for part in shown.parts if isinstance(part, Member | Pax | Long)]
