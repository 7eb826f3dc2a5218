"""The rules of strict mode: what an archive must be to have one meaning.

Each rule is a function with one code. Its docstring says what parts ways over it. Together they accepted every one
of several thousand real sdists, npm packages and crates, and refuse what extractors read in two ways. A rule gets a
member (with its raw headers) and the names of the archive so far, and returns what is broken, or None.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from .events import ArchiveEnd, Extension, Kind, Member
from .layout import BLOCK, GNU, OFFSETS, V7, Header
from .pax import records
from .store.names import IMPLIED, Names


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that does not hold: where, and why."""

    code: str
    offset: int
    detail: str
    field: str = ""


_OCTAL = re.compile(rb" *[0-7]+[ \0]*\Z")
_OCTAL_OR_NUL = re.compile(rb" *[0-7]+[ \0]*\Z|\0+\Z")
_OWNER = re.compile(rb" *[0-7]+[ \0]*\Z|\0+\Z|\x80.*\Z", re.DOTALL)
_NUMBERS: tuple[tuple[str, re.Pattern[bytes]], ...] = (
    ("mode", _OCTAL),
    ("uid", _OWNER),
    ("gid", _OWNER),
    ("size", _OCTAL),
    ("mtime", _OCTAL_OR_NUL),
    ("devmajor", _OWNER),
    ("devminor", _OWNER),
)


def _headers(member: Member) -> list[tuple[Header, int, str]]:
    found = [(one.header, one.offset, one.dialect) for one in member.extensions]
    found.append((member.header, member.header_offset, member.dialect))
    return found


def _at(offset: int, name: str) -> int:
    return offset + OFFSETS[name]


def numbers(member: Member, _known: Names) -> Broken | None:
    """`strict.number`: numbers are octal: spaces, digits, then spaces or NULs.

    Owner and device numbers may also be empty or base-256, the time may be empty; real archives have both. Signs,
    junk behind a NUL, digits 8 and 9, base-256 in sizes: GNU tar, tarfile, node-tar and tar-rs read each otherwise.
    """
    for header, offset, layout in _headers(member):
        for name, form in _NUMBERS:
            value: bytes = getattr(header, name)
            if layout == V7 and name.startswith("dev"):
                continue  # behind the end of a v7 header; `layout` looks at it
            if form.match(value) is None:
                return Broken("strict.number", _at(offset, name), f"{value!r} in {name}", name)
    return None


_CHECKSUM = re.compile(rb" *[0-7]{1,7}[ \0]+\Z")


def checksum(member: Member, _known: Names) -> Broken | None:
    """`strict.checksum`: the sum is the unsigned one, in at most seven octal digits with a NUL or space behind.

    node-tar drops a file whose checksum has eight digits; signed sums are accepted by some and refused by others.
    """
    for header, offset, _ in _headers(member):
        total = sum(b"".join(header)) - sum(header.chksum) + 256
        if _CHECKSUM.match(header.chksum) is None or int(header.chksum.strip(b" \0"), 8) != total:
            return Broken("strict.checksum", _at(offset, "chksum"), f"{header.chksum!r}, sum {total:#o}", "chksum")
    return None


def layout(member: Member, _known: Names) -> Broken | None:
    """`strict.layout`: a header is ustar (version 00), GNU, or v7 with nothing behind the link name.

    GNU headers have times where ustar's have the prefix (`tar --format=gnu -g`), and tarfile takes them for one:
    `input.txt` becomes `13375561762/input.txt`; Go tries both. tar-rs ignores a prefix under a NUL version,
    libarchive reads pax headers with v7 magic otherwise than others.
    """
    for header, offset, dialect in _headers(member):
        typeflag = header.typeflag
        if dialect == V7:
            behind = b"".join(header[OFFSETS_INDEX["magic"] :])
            if behind.strip(b"\0"):
                return Broken("strict.layout", _at(offset, "magic"), "no known magic", "magic")
            if typeflag in (b"x", b"g", b"X", b"L", b"K"):
                return Broken("strict.layout", _at(offset, "magic"), "an extension under a v7 header", "magic")
        elif dialect == GNU:
            if typeflag not in (b"L", b"K", b"S") and header.prefix.strip(b"\0"):
                return Broken(
                    "strict.layout", _at(offset, "prefix"), "bytes in the prefix of a GNU header", "prefix"
                )
        elif header.version != b"00":
            return Broken("strict.layout", _at(offset, "version"), f"version {header.version!r}", "version")
        elif header.reserved.endswith(b"tar\0") and header.prefix[130]:
            # star's layout, where the prefix has 131 bytes and times follow: Go reads it, others read on.
            return Broken("strict.layout", _at(offset, "prefix") + 130, "a prefix of star that runs on", "prefix")
        for name in ("name", "linkname"):
            value: bytes = getattr(header, name)
            if value.partition(b"\0")[2].strip(b"\0"):
                return Broken("strict.layout", _at(offset, name), f"bytes behind the NUL in {name}", name)
    return None


OFFSETS_INDEX = {name: index for index, name in enumerate(Header._fields)}

_KNOWN_KEYS = re.compile(
    rb"(path|linkpath|size|mtime|atime|ctime|uid|gid|uname|gname|comment|charset|hdrcharset"
    rb"|SCHILY\..+|LIBARCHIVE\..+|NODETAR\..+)\Z",
    re.DOTALL,
)
_MEANING = frozenset((b"path", b"linkpath", b"size", b"mtime", b"uid", b"gid"))


def pax_records(member: Member, _known: Names) -> Broken | None:
    """`strict.pax`: each key once and known, its value clean, a size that is the header's.

    Clean is UTF-8 without NUL, and not empty where it means something.
    Extractors take the first or the last of two values, cut at a NUL or crash on it (CVE-2026-59875), and use
    the header's size or the record's (CVE-2025-62518).
    """
    for extension in member.extensions:
        if extension.typeflag not in (b"x", b"X"):
            continue
        seen = set()
        at = extension.offset + BLOCK
        for key, value in records(extension.body, at):
            name = key.decode("utf-8", "replace")
            why = ""
            if key in seen:
                why = f"{name} twice"
            elif _KNOWN_KEYS.match(key) is None:
                why = f"unknown key {name!r}"
            elif b"\0" in value and not key.startswith((b"SCHILY.xattr.", b"LIBARCHIVE.xattr.")):
                why = f"a NUL in {name}"
            elif not value and key in _MEANING:
                why = f"{name} is empty"
            elif not key.startswith((b"SCHILY.xattr.", b"LIBARCHIVE.xattr.")) and not _utf8(value):
                why = f"{name} is not UTF-8"
            elif key == b"hdrcharset" and value not in (b"ISO-IR 10646 2000 UTF-8", b"BINARY"):
                why = f"unknown character set {value!r}"
            if why:
                return Broken("strict.pax", at, why, name)
            seen.add(key)
        if b"size" in seen and int(member.pax[b"size"]) != _octal(member.header.size):
            return Broken("strict.pax", at, "a size that is not the header's", "size")
    return None


def _utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _octal(value: bytes) -> int:
    digits = value.strip(b" \0")
    return int(digits, 8) if digits.isdigit() else -1


def extensions(member: Member, _known: Names) -> Broken | None:
    """`strict.extension`: one pax header, or one L and one K, before a member; a global header is a comment.

    Which of two extensions wins differs (tar-rs applied the pax size to the long name behind it,
    GHSA-3pv8-6f4r-ffg2), libarchive ignored global headers, Go refuses some of their keys.
    """
    flags = [one.typeflag for one in member.extensions]
    if len(set(flags)) < len(flags) or len(flags) > 2 or ((b"x" in flags or b"X" in flags) and len(flags) > 1):
        kinds = " ".join(flag.decode("latin-1") for flag in flags)
        return Broken("strict.extension", member.offset, f"{kinds} before one member", "typeflag")
    if b"X" in flags:
        return Broken("strict.extension", member.offset, "a Solaris extended header", "typeflag")
    follows = member.extensions[0].offset if member.extensions else member.header_offset
    for one in member.extensions:
        if one.offset != follows:
            return Broken("strict.extension", follows, "a global header between two extensions", "typeflag")
        follows += BLOCK + len(one.body) + -len(one.body) % BLOCK
        if one.typeflag in (b"L", b"K"):
            broken = _long_name(one, member)
            if broken is not None:
                return broken
    if follows != member.header_offset:
        return Broken(
            "strict.extension", follows, "a global header between an extension and its member", "typeflag"
        )
    own = {key for one in member.extensions for key in _keys(one)}  # once: a header may hold 50,000 records
    for key in member.pax:
        if key != b"comment" and key not in own:
            return Broken(
                "strict.extension", member.offset, f"a global {key.decode('utf-8', 'replace')}", "typeflag"
            )
    return None


def _keys(extension: Extension) -> list[bytes]:
    if extension.typeflag not in (b"x", b"X"):
        return []
    return [key for key, _ in records(extension.body, extension.offset + BLOCK)]


def _long_name(extension: Extension, member: Member) -> Broken | None:
    text, _, behind = extension.body.partition(b"\0")
    at = extension.offset + BLOCK
    if behind:
        return Broken("strict.extension", at, "bytes behind the NUL of a long name", "name")
    short = member.header.name if extension.typeflag == b"L" else member.header.linkname
    if not text.startswith(short.partition(b"\0")[0].rstrip(b"/")):
        return Broken("strict.extension", at, "a long name that does not begin like the header's", "name")
    return None


LONGEST = 2048
"""Bytes of a name: half of PATH_MAX, so that the destination has as much."""
_DRIVE = re.compile(rb"(?:\./)?[A-Za-z]:")


def names(member: Member, _known: Names) -> Broken | None:
    """`strict.name`: a name is relative, straight, printable UTF-8; only a directory's ends in a slash.

    Straight is without `..`, empty or inner `.` components. It has no drive letter and no more than 2048 bytes.
    Absolute names are stripped, refused or followed; node-tar took backslashes for slashes and drops drive letters,
    bsdtar refuses those, tarfile makes a file of `0` with a slash where GNU tar makes a directory. Who works by
    whole paths can make none beyond PATH_MAX: tarfile and node-tar say nothing of it.
    """
    path = member.path
    why = ""
    body = path[2:] if path.startswith(b"./") else path
    inner = body[:-1] if body.endswith(b"/") else body
    if not path:
        why = "empty"
    elif path.startswith(b"/"):
        why = "absolute"
    elif any(byte < 32 or byte == 127 for byte in path):
        why = "a control character"
    elif b"\\" in path:
        why = "a backslash"
    elif _DRIVE.match(path):
        why = "a drive letter"
    elif len(path) > LONGEST:
        why = f"more than {LONGEST} bytes"
    elif not _utf8(path):
        why = "not UTF-8"
    elif inner and any(part in (b"", b".", b"..") for part in inner.split(b"/")):
        why = "an idle or climbing component"
    elif path.endswith(b"/") and member.header.typeflag != b"5":
        why = "a slash at the end of what is no directory"
    return Broken("strict.name", _at(member.header_offset, "name"), why, "name") if why else None


def duplicates(member: Member, known: Names) -> Broken | None:
    """`strict.duplicate`: a path comes once, a directory again as a directory; nothing is below a file or link.

    Nor are two paths one on a file system that folds case or normalises.
    First or last wins, links are followed or replaced, and a cache of directories may not notice (CVE-2021-37701).
    """
    # `names` was asked before: nothing but these two can be in the way.
    path = member.path.removeprefix(b"./").removesuffix(b"/")
    at = _at(member.header_offset, "name")
    before = known.kind(path)
    if before is not None and not (before is Kind.DIR and member.kind is Kind.DIR):
        return Broken("strict.duplicate", at, f"a {member.kind.value} where a {before.value} is already", "name")
    broken = below(path.rpartition(b"/")[0], known, at)
    if broken is not None:
        return broken
    if before is None:
        if member.kind is not Kind.DIR and known.get(path) & IMPLIED:
            return Broken("strict.duplicate", at, f"a {member.kind.value} where a directory is implied", "name")
        twin = known.twin(path)
        if twin is not None:
            return Broken("strict.duplicate", at, f"another is {ascii(twin)[1:]} too where case is folded", "name")
    return None


def below(parent: bytes, known: Names, at: int) -> Broken | None:
    """What is in the way of something in the directory `parent`: a file or link, or a twin, there or above it."""
    while parent and not known.get(parent) & IMPLIED:  # what is in there was looked at, and all above it
        kind = known.kind(parent)
        if kind is not None and kind is not Kind.DIR:
            return Broken("strict.duplicate", at, f"below {ascii(parent)[1:]}, which is a {kind.value}", "name")
        twin = known.twin(parent)
        if twin is not None:
            words = f"another than the one it is below is {ascii(twin)[1:]} too where case is folded"
            return Broken("strict.duplicate", at, words, "name")
        parent = parent.rpartition(b"/")[0]
    return None


def links(member: Member, known: Names) -> Broken | None:
    """`strict.link`: a symlink leads straight to something inside, a hard link to an earlier file.

    Nothing else has a link name.
    node-tar dropped files with a link name, npm's tar and tar-fs were led out by chains of links (CVE-2025-48387),
    tarfile by targets that became links later (CVE-2025-4138).
    """
    at = _at(member.header_offset, "linkname")
    if member.kind not in (Kind.SYMLINK, Kind.HARDLINK):
        return Broken("strict.link", at, "a link name on what is no link", "linkname") if member.linkname else None
    target = member.linkname
    why = ""
    if not target or target.startswith(b"/"):
        why = "no target" if not target else "an absolute target"
    elif any(byte < 32 or byte == 127 for byte in target) or b"\\" in target or not _utf8(target):
        why = "a control character, a backslash, or not UTF-8"
    elif target[1:2] == b":" and target[:1].isalpha():
        why = "a drive letter"
    elif member.kind is Kind.HARDLINK and known.kind(b"/".join(_straight(target))) is not Kind.FILE:
        why = "no earlier file of that name"
    return Broken("strict.link", at, why, "linkname") if why else None


def _straight(path: bytes) -> list[bytes]:
    return [part for part in path.split(b"/") if part not in (b"", b".")]


def sizes(member: Member, _known: Names) -> Broken | None:
    """`strict.size`: only files have a size.

    A directory's or a link's body is skipped, read as headers, or refused (libarchive before 3.6.0 lost a member).
    """
    declared = _octal(member.header.size)
    if member.kind is not Kind.FILE and (member.size or declared):
        at = _at(member.header_offset, "size")
        return Broken("strict.size", at, f"a {member.kind.value} of {declared} bytes", "size")
    return None


def types(member: Member, _known: Names) -> Broken | None:
    """`strict.type`: files, directories and links, by the typeflags 0, NUL, 1, 2 and 5.

    Devices and FIFOs are made, skipped or refused; contiguous and unknown types are files or nothing; sparse
    files have five encodings that few read alike.
    """
    if member.header.typeflag not in b"0\000125" or member.kind is Kind.SPARSE:
        at = _at(member.header_offset, "typeflag")
        return Broken("strict.type", at, f"typeflag {member.header.typeflag!r}", "typeflag")
    return None


_FORMATS = {Kind.FILE: 0o100000, Kind.DIR: 0o040000, Kind.SYMLINK: 0o120000, Kind.HARDLINK: 0o100000}


def modes(member: Member, _known: Names) -> Broken | None:
    """`strict.mode`: no set-id or sticky bits on files, no type bits against the type, a time from 1970 to 2242.

    tar-fs kept set-id bits; negative and huge times wrap, are refused, or become now.
    """
    mode = _octal(member.header.mode)
    kind = mode & 0o170000
    at = _at(member.header_offset, "mode")
    if mode > 0o177777 or (kind and kind != _FORMATS.get(member.kind)):
        return Broken("strict.mode", at, f"mode {mode:#o} on a {member.kind.value}", "mode")
    if member.kind is Kind.FILE and mode & 0o7000:
        return Broken("strict.mode", at, f"mode {mode:#o} has set-id or sticky bits", "mode")
    if not 0 <= member.mtime_ns // 10**9 < 1 << 33:
        at = _at(member.header_offset, "mtime")
        return Broken("strict.mode", at, f"a time of {member.mtime_ns // 10**9} seconds", "mtime")
    return None


def end_of_archive(end: ArchiveEnd, rest_is_zero: bool, stop: int) -> Broken | None:
    """`strict.end`: two zero blocks end the archive, nothing but zeros follows, no extension waits for a member.

    What lies behind the end is ignored, read as more members, or an error. A global comment may come last, as in
    what git makes of an empty tree. `stop` is the first byte behind the last member.
    """
    for one in end.globals_:
        if one.offset >= stop and any(key != b"comment" for key, _ in records(one.body, one.offset + BLOCK)):
            return Broken("strict.end", one.offset, "a global header that no member follows", "typeflag")
    if end.dangling:
        return Broken("strict.end", end.dangling[0].offset, "an extension that no member follows", "typeflag")
    if end.blocks < 2:
        return Broken("strict.end", end.offset, f"{end.blocks} zero blocks instead of two")
    if not rest_is_zero:
        return Broken("strict.end", end.offset, "something behind the end of the archive")
    return None


def stream(name: str, resembled: str, oddity: str) -> Broken | None:
    """`strict.stream`: compressed data is one stream, and what is not compressed begins like no compression.

    Readers such as uv and PharData stop behind the first stream. Zeros may follow where the own program of the
    compression reads over them: behind gzip and bzip2, behind xz in multiples of four. GNU tar does
    not know a zstd frame that is to be skipped for the beginning of one. Format detectors look for magic numbers
    before they look for a tar header: PharData and node-tar refuse a tar whose first name begins with one.
    """
    if not name and resembled:
        return Broken(
            "strict.stream",
            0,
            f"the first name begins like {resembled} data: format detectors take it for that",
            "name",
        )
    return Broken("strict.stream", 0, oddity) if oddity else None


_DEVICE = rb"(?:[0-7]{7}[ \0]|\0{8})"
_ORDINARY = re.compile(
    rb"(?:0000[0-7]{3}|0100[0-7]{3}(?=.{49}[0\0]))[ \0]"  # mode: no bits of a type, or those of a file on a file
    rb"[0-7]{7}[ \0][0-7]{7}[ \0][0-7]{11}[ \0][0-7]{11}[ \0]"  # uid, gid, size, mtime
    rb"(?:[0-7]{6}(?:\0 | \0)|[0-7]{7}[ \0])[05\0]\0{100}"  # checksum, typeflag, linkname
    rb"(?:ustar\x0000.{64}" + _DEVICE * 2 + rb".{155}|ustar  \0.{64}" + _DEVICE * 2 + rb"\0{155})"
    rb"(?!.{8}tar\0).{12}\Z",  # not star's
    re.DOTALL,
)
_STRAIGHT = re.compile(rb"(?:\./)?(?![A-Za-z]:)(?:(?!\.\.?/)[ -.0-\[\]-~]+/)*(?!\.\.?\Z)[ -.0-\[\]-~]+\Z")


def ordinary(member: Member) -> bool:
    """Whether a member plainly keeps every rule but `duplicates`: a file or directory as most archives have them.

    Two expressions answer for ten rules. Where this is false, nothing is said, and the rules themselves are asked.
    """
    header = member.header
    if member.extensions or member.pax or (member.size and member.kind is not Kind.FILE):
        return False
    rest = b"".join(header[1:])
    path = member.path
    return (
        rest.isascii()  # then the signed sum, which the parser takes too, is the unsigned one
        and b"\0" not in header.name.rstrip(b"\0")
        and _ORDINARY.match(rest) is not None
        and len(path) <= LONGEST
        and _STRAIGHT.match(path[:-1] if header.typeflag == b"5" and path.endswith(b"/") else path) is not None
    )


Rule = Callable[[Member, Names], Broken | None]
MEMBER_RULES: tuple[Rule, ...] = (
    numbers,
    checksum,
    layout,
    extensions,
    pax_records,
    names,
    types,
    sizes,
    links,
    modes,
    duplicates,
)
"""In the order they are asked: what is wrong with a header comes before what is wrong with its place."""
