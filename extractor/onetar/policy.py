"""Policies: from values alone, what is to happen to a member: write it (as it is or changed), skip it, refuse it.

`compat` does what GNU tar, bsdtar and tarfile's data filter agree on; where they do not, it takes the safe reading
or refuses. `strict` accepts only archives that have one meaning: everything compat accepts, less what the rules in
`rules` refuse. A refusal is a RefusedError with a code; a change is part of the decision, and of the report.

Nothing here looks at the disk. What is already at the destination is the writer's to see, and never to follow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from . import rules
from .errors import LimitError, RefusedError
from .events import ArchiveEnd, Kind, Member
from .layout import BLOCK, OFFSETS
from .limits import Limits
from .pax import records
from .selection import Selection, clean
from .store.names import KIND, Names

NAME_MAX = 255
"""Bytes of one path component that Linux file systems hold."""

PATH_MAX = 4095
"""Bytes of a link target that symlink(2) takes."""


VOLUME = b"GNU.volume."
"""Keys of the global header by which GNU tar's further volumes begin (`tar -M --format=pax`)."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done with a member.

    `path` and `link` are clean: relative, no empty, `.` or `..` components (a symlink's target may begin with
    `..`). `mode` is None where the member has none to set.
    """

    action: str
    """`write` or `skip`."""
    kind: Kind
    path: bytes
    link: bytes = b""
    mode: int | None = None
    code: str = ""
    """Why it is skipped, or what is changed; empty: written as it is."""
    detail: str = ""


def refuse(code: str, member: Member, detail: str, field: str) -> RefusedError:
    """The refusal of an archive for a member. The offset is that of the header field, where there is one."""
    offset = member.header_offset + OFFSETS[field] if field in OFFSETS else member.offset
    return RefusedError(code, offset, detail, field, member.path)


def file_mode(mode: int) -> int:
    """The permissions that a file gets, as tarfile's data filter gives them.

    No set-id or sticky, nothing for group and others to write, x only if the owner has it, and always readable and
    writable by the owner.
    """
    mode &= 0o755
    return (mode if mode & 0o100 else mode & ~0o111) | 0o600


def directory_mode(mode: int) -> int:
    """The permissions that a directory gets: likewise, and always open to its owner."""
    return mode & 0o755 | 0o700


class Policy:
    """Decides member by member; remembers what the archive has made so far. One object for one archive."""

    name = "compat"

    def __init__(self, limits: Limits | None = None, selection: Selection | None = None) -> None:
        self.limits = limits or Limits()
        self.selection = selection or Selection()
        self.names = Names()
        """What each path that was decided to be written is, by its clean name, and all that is known of it."""

    def decide(self, member: Member) -> Decision:
        """What to do with a member. Raises RefusedError.

        A member that is not wanted is skipped unseen. The name of one that is must not climb before its leading
        components are taken off, and everything else is asked of what is left of it then.
        """
        parts = clean(member.path)
        code = detail = ""
        if self.selection.active and not self.selection.wants(parts):
            return Decision("skip", member.kind, b"", code="only.other", detail="is not among what was asked for")
        if not member.path:
            raise refuse("name.empty", member, "a member without a name", "name")
        if b".." in parts:
            raise refuse("name.climbs", member, "a name that climbs out with ..", "name")
        if not parts:
            return Decision(
                "skip", member.kind, b"", code="name.destination", detail="names the destination itself"
            )
        parts = parts[self.selection.strip :]
        if not parts:
            return Decision(
                "skip", member.kind, b"", code="strip.nothing-left", detail="no component of its name is left"
            )
        if len(parts) > self.limits.depth:
            raise refuse("limit.depth", member, f"{len(parts)} levels, and {self.limits.depth} are allowed", "name")
        if any(len(part) > NAME_MAX for part in parts):
            raise refuse("name.too-long", member, f"a component of more than {NAME_MAX} bytes", "name")
        if member.path.startswith(b"/"):
            code, detail = "name.absolute", "leading slashes were taken off"
        path = b"/".join(parts)
        decision = self._by_kind(member, path, parts, code, detail)
        if decision.action == "write":
            self._remember(self.names, path, decision.kind, member)
        return decision

    def _remember(self, names: Names, path: bytes, kind: Kind, member: Member) -> None:
        names.become(path, kind)
        if member.number + names.implied > self.limits.members:
            words = f"more than {self.limits.members} members and directories that their names imply"
            raise LimitError("limit.members", member.offset, words, "name", member.path)
        names.settle()

    def _by_kind(self, member: Member, path: bytes, parts: list[bytes], code: str, detail: str) -> Decision:
        kind = member.kind
        if kind is Kind.FILE or kind is Kind.SPARSE:
            return self._file(member, path, code, detail)
        if kind is Kind.OTHER:
            words = f"typeflag {ascii(member.header.typeflag)[1:]} is not extracted"
            return Decision("skip", kind, path, code="type.not-extracted", detail=words)
        if member.size:
            raise refuse("size.without-body", member, f"a {kind.value} with a size of {member.size}", "size")
        if kind is Kind.DIR:
            if member.header.typeflag != b"5" and not code:
                code, detail = "type.slash", "a name that ends in a slash makes it a directory"
            return Decision("write", kind, path, mode=directory_mode(member.mode), code=code, detail=detail)
        if kind is Kind.SYMLINK:
            return self._symlink(member, path, parts, code, detail)
        if kind is Kind.HARDLINK:
            return self._hardlink(member, path, code, detail)
        return Decision("skip", kind, path, code="type.special", detail=f"a {kind.value} is not made")

    def _file(self, member: Member, path: bytes, code: str, detail: str) -> Decision:
        if member.path.endswith(b"/"):
            raise refuse("type.slash-on-file", member, "a file with a body whose name ends in a slash", "name")
        if member.header.typeflag not in b"0\0007S" and not code:
            words = f"typeflag {ascii(member.header.typeflag)[1:]} is unknown: taken for a file"
            code, detail = "type.unknown", words
        return Decision("write", Kind.FILE, path, mode=file_mode(member.mode), code=code, detail=detail)

    def _symlink(self, member: Member, path: bytes, parts: list[bytes], code: str, detail: str) -> Decision:
        """A target may climb by leading `..` components only, and not above the destination.

        The directories above a member are real ones (the writer goes through no link), so leading `..` lead where
        they seem to. Behind a name they would lead wherever that name, then or later a link, leads
        (CVE-2025-4138, CVE-2025-48387): such a target is written in its lexical form, as tarfile does.
        """
        target = member.linkname
        if not target:
            raise refuse("link.empty", member, "a symlink without a target", "linkname")
        if target.startswith(b"/"):
            raise refuse("link.absolute", member, "a symlink to an absolute path", "linkname")
        if len(target) > PATH_MAX:
            raise refuse("link.too-long", member, f"a target of {len(target)} bytes", "linkname")
        climbs, rest = 0, []
        for part in clean(target):
            if part != b"..":
                rest.append(part)
            elif rest:
                rest.pop()
            else:
                climbs += 1
        if climbs > len(parts) - 1:
            raise refuse("link.climbs", member, "a symlink to something outside the destination", "linkname")
        straight = b"/".join([b".."] * climbs + rest) or b"."
        had = [part for part in target.split(b"/") if part not in (b"", b".")]
        if had != [b".."] * climbs + rest:
            code, detail = "link.straightened", f"its target was {ascii(target)[1:]}"
            target = straight
        return Decision("write", Kind.SYMLINK, path, link=target, code=code, detail=detail)

    def _hardlink(self, member: Member, path: bytes, code: str, detail: str) -> Decision:
        parts = clean(member.linkname)
        if not parts:
            raise refuse("link.empty", member, "a hard link without a target", "linkname")
        if b".." in parts:
            raise refuse("link.climbs", member, "a hard link to something outside the destination", "linkname")
        parts = parts[self.selection.strip :]
        target = b"/".join(parts)
        if self.selection.active and not self.names.get(target) & KIND:
            words = f"its target {ascii(member.linkname)[1:]} was not extracted"
            return Decision("skip", Kind.HARDLINK, path, code="link.not-extracted", detail=words)
        if self.names.kind(target) not in (Kind.FILE, Kind.HARDLINK):
            raise refuse("link.target", member, f"no earlier file is called {ascii(target)[1:]}", "linkname")
        if target == path:
            raise refuse("link.itself", member, "a hard link to itself", "linkname")
        if member.linkname.startswith(b"/") and not code:
            code, detail = "link.absolute-hardlink", "leading slashes of the target were taken off"
        return Decision("write", Kind.HARDLINK, path, link=target, code=code, detail=detail)

    def stream(self, name: str, resembled: str, oddity: str) -> None:
        """What the input is, asked when it begins and when it has ended. Raises RefusedError.

        `name`: its compression; `resembled`: the one whose magic number it begins with; `oddity`: why not every
        reader of that compression reads it.
        """

    def finish(self, end: ArchiveEnd, rest_is_zero: bool, stop: int) -> list[tuple[str, str, int]]:
        """The archive has ended. Raises RefusedError.

        `rest_is_zero`: nothing but zeros lies behind; `stop` is the first byte behind the last member.

        Returns code, detail and offset of whatever is odd about the end and accepted.
        """
        found = []
        dangling = [one.offset for one in (*end.dangling, *end.globals_) if one.offset >= stop]
        if dangling:
            found.append(("end.dangling", "an extension that no member follows", min(dangling)))
        for one in end.globals_:
            if any(key.startswith(VOLUME) for key, _ in records(one.body, one.offset + BLOCK)):
                words = "a file that began in an earlier volume: its part here is a file of its own"
                found.append(("volume.continued", words, one.offset))
        if end.blocks < 2:
            found.append(("end.blocks", f"{end.blocks} zero blocks instead of two", end.offset))
        if not rest_is_zero:
            found.append(("end.trailing", "something behind the end, not looked at", end.offset))
        found += [("only.not-found", f"no member is {ascii(name)[1:]}", -1) for name in self.selection.missing()]
        return found


class Strict(Policy):
    """One meaning only: every rule of `rules` holds, for every member and for the end."""

    name = "strict"

    def __init__(self, limits: Limits | None = None, selection: Selection | None = None) -> None:
        super().__init__(limits, selection)
        # Where every member is wanted, what is in the archive is what is made: one record is enough.
        self.names = Names(folding=not self.selection.active)
        self._archive = Names(folding=True) if self.selection.active else self.names
        self._stripped = Names(folding=True) if self.selection.strip else None
        """The same for the names that are left once leading components are off: they must not meet either."""

    def decide(self, member: Member) -> Decision:
        """What to do with a member. Raises RefusedError, with the code of the rule it breaks.

        The rules hold for every member, wanted or not: it is the archive that has one meaning, or none.
        """
        for rule in (rules.duplicates,) if rules.ordinary(member) else rules.MEMBER_RULES:
            broken = rule(member, self._archive)
            if broken is not None:
                raise RefusedError(broken.code, broken.offset, broken.detail, broken.field, member.path)
        decision = super().decide(member)
        if decision.code and decision.code not in _NOT_WANTED:
            raise refuse("strict.changed", member, f"{decision.code}: {decision.detail}", "name")
        if self._archive is not self.names:
            self._remember(self._archive, b"/".join(clean(member.path)), member.kind, member)
        if self._stripped is not None and decision.action == "write":
            left = replace(member, path=decision.path)
            broken = rules.duplicates(left, self._stripped)
            if broken is not None:
                raise RefusedError(broken.code, broken.offset, broken.detail, broken.field, member.path)
            self._remember(self._stripped, decision.path, left.kind, left)
        return decision

    def stream(self, name: str, resembled: str, oddity: str) -> None:
        """What the input is. Raises RefusedError."""
        broken = rules.stream(name, resembled, oddity)
        if broken is not None:
            raise RefusedError(broken.code, broken.offset, broken.detail, broken.field)

    def finish(self, end: ArchiveEnd, rest_is_zero: bool, stop: int) -> list[tuple[str, str, int]]:
        """The archive has ended. Raises RefusedError."""
        broken = rules.end_of_archive(end, rest_is_zero, stop)
        if broken is not None:
            raise RefusedError(broken.code, broken.offset, broken.detail, broken.field)
        return super().finish(end, rest_is_zero, stop)


_NOT_WANTED = frozenset(("name.destination", "only.other", "strip.nothing-left", "link.not-extracted"))
"""Why strict may skip a member: nothing in the archive has a second meaning by it."""

POLICIES: dict[str, type[Policy]] = {"compat": Policy, "strict": Strict}
