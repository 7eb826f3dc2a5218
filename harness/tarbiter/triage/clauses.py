"""What the documents say about the causes of a divergence: from a cause in words to the clause that speaks of it.

The table goes by the words of `explain.causes`. `says` is a paraphrase, short enough for one line; whoever needs
the wording follows `url`. A cause without a row is one that no document speaks of (a NUL inside a name, a name
that Windows would read in another way), or one that follows from others (`pax` beside `pax size`).
"""

from __future__ import annotations

import functools
import re

import msgspec

_PAX = "POSIX.1-2017, pax"
_PAX_URL = "https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html"
_USTAR, _HEADER, _EXTENDED = (
    f"{_PAX_URL}#tag_20_92_13_06",
    f"{_PAX_URL}#tag_20_92_13_02",
    f"{_PAX_URL}#tag_20_92_13_03",
)
_PRECEDENCE, _TIMES = f"{_PAX_URL}#tag_20_92_13_04", f"{_PAX_URL}#tag_20_92_13_05"
_GNU = "GNU tar manual"
_GNU_URL = "https://www.gnu.org/software/tar/manual/html_node"
_LIBARCHIVE = "libarchive, tar(5)"
_LIBARCHIVE_URL = "https://man.freebsd.org/cgi/man.cgi?query=tar&sektion=5"


class Clause(msgspec.Struct, frozen=True):
    """One place in one document, and what it says, in our words."""

    document: str
    section: str
    url: str
    says: str

    def __str__(self) -> str:
        return f"{self.document}, {self.section}: {self.says}"


def _ustar(section: str, says: str) -> Clause:
    return Clause(_PAX, f"ustar Interchange Format, {section}", _USTAR, says)


def _keyword(name: str, says: str) -> Clause:
    return Clause(_PAX, f"pax Extended Header, {name}", _EXTENDED, says)


def _extended(says: str) -> Clause:
    return Clause(_PAX, "pax Extended Header", _EXTENDED, says)


def _block(says: str) -> Clause:
    return Clause(_PAX, "pax Header Block", _HEADER, says)


def _gnu(section: str, page: str, says: str) -> Clause:
    return Clause(_GNU, section, f"{_GNU_URL}/{page}.html", says)


_RESOLUTION = Clause(
    "POSIX.1-2017, Base Definitions",
    "4.13 Pathname Resolution",
    "https://pubs.opengroup.org/onlinepubs/9699919799/basedefs/V1_chap04.html#tag_04_13",
    "a symbolic link among the directories of a pathname is followed; dot-dot is the parent of what it led to",
)
_SLASHES = Clause(
    "POSIX.1-2017, Base Definitions",
    "4.13 Pathname Resolution",
    "https://pubs.opengroup.org/onlinepubs/9699919799/basedefs/V1_chap04.html#tag_04_13",
    "a pathname that ends in a slash resolves to a directory, and to nothing else",
)
_COMPONENT = msgspec.structs.replace(_SLASHES, says="each component is looked up in the directory before it")
_NO_BODY = _ustar("size", "no data is stored for types 1, 2 and 5; the size of a link shall be zero")
_DIRECTORY = _ustar(
    "typeflag 5", "the size says how much the directory may hold; systems without such limits should ignore it"
)
_SPECIAL = _ustar("size", "the size of a device or FIFO is unspecified, and no data is stored")
_NUMBER = _ustar("numeric fields", "zero-filled octal digits, ended by one or more spaces or NULs")
_BASE256 = Clause(
    _LIBARCHIVE,
    "Numeric Extensions",
    _LIBARCHIVE_URL,
    "the high bit of the first byte says that a number is binary",
)
_NAMES = _ustar(
    "name, prefix", "prefix, slash and name make the pathname; both end at their first NUL, or are full"
)
_LINKNAME = _ustar("linkname", "what a link (type 1 or 2) leads to; prefix has no part in it")
_HARD = _ustar("typeflag 1", "a file linked to another one, of any type, that was archived before")
_UNKNOWN = _ustar("typeflag", "an unknown type is extracted as a regular file, with an error that says so")
_RESERVED = _ustar("typeflag A-Z", "the letters A to Z are reserved for custom implementations")
_MAGIC = _ustar("magic, version", "`ustar` and NUL, then two zeros, say that an archive is in this format")
_MODE = _ustar("mode", "twelve bits: permissions, and set-user-id and set-group-id; others may be ignored")
_OWNER = _ustar("magic", "uname and gname, where the system knows them, are used rather than uid and gid")
_CHECKSUM = _ustar("chksum", "the sum of all octets of the header as unsigned values, its own field as spaces")
_DEVICE = _ustar("typeflag 3, 4", "devmajor and devminor define the device in a format that is unspecified")
_END = _ustar("end of the archive", "two records of zeros end an archive; what follows may be undefined data")
_TWICE = _gnu(
    "Multiple Members with the Same Name", "multiple", "a member that comes later replaces one of the same name"
)
_OLD_FILES = _gnu(
    "Dealing with Old Files", "Dealing-with-Old-Files", "what is in the way is removed first, and no link followed"
)
_ABSOLUTE = _gnu("Absolute File Names", "absolute", "leading slashes are stripped when a member is extracted")
_DOTDOT = _gnu("Absolute File Names", "absolute", "names with a .. component are refused")
_RECORD = _extended(
    "a record is its length in decimal, a space, keyword, equals sign, value, and a newline that counts"
)
_EMPTY = _extended("an empty value deletes the header's field and earlier values of that name")
_NO_LIMIT = _extended("NULs do not end a value, and the header's limits of length do not apply")
_LAST = Clause(
    _PAX, "pax Extended Header Keyword Precedence", _PRECEDENCE, "of records that conflict the last one counts"
)
_GLOBAL = _block("a g header is for all files that follow, until its value is overridden")
_LOCAL = _block("an x header is for the following file, which has its own header")
_HEADER_FIELDS = _block("its size is that of the records; other fields of the block have no meaning")
_TIME = Clause(
    _PAX, "pax Extended Header File Times", _TIMES, "seconds since the Epoch in decimal, with a fraction"
)
_LONG = _gnu(
    "Basic Tar Format", "Standard", "L and K: the next member has a long name, or a long link name, in this body"
)
_SPARSE_OLD = _gnu(
    "Storing Sparse Files", "Sparse-Formats", "type S: a map in the header, more of it in blocks behind"
)
_SPARSE_0 = _gnu("PAX Format, Versions 0.0 and 0.1", "PAX-0", "the map of a sparse file is in pax records")
_SPARSE_1 = _gnu("PAX Format, Version 1.0", "PAX-1", "the map of a sparse file stands at the start of its body")
_GNU_TYPES = _gnu(
    "GNU Extensions to the Archive Format", "Extensions", "D, M, N and V: dumps, volumes, old long names"
)
_OLD_GNU = _gnu("Basic Tar Format", "Standard", "in the old GNU header other fields stand where ustar has prefix")
_SOLARIS = Clause(_LIBARCHIVE, "Solaris Tar", _LIBARCHIVE_URL, "Solaris writes X where pax writes x")
_STAR = Clause(_LIBARCHIVE, "Pax Interchange Format", _LIBARCHIVE_URL, "SCHILY.* are the keys of star")
_OWN_KEYS = Clause(_LIBARCHIVE, "Pax Interchange Format", _LIBARCHIVE_URL, "LIBARCHIVE.* are its own keys")
_KEYS = _keyword("keywords", "others are extensions of an implementation; small letters alone are reserved")
_UTF8 = _keyword("records", "keywords and values are UTF-8, unless hdrcharset says something else of names")
_SYMLINK = Clause(
    "Linux man-pages",
    "link(2)",
    "https://man7.org/linux/man-pages/man2/link.2.html",
    "Linux makes a new name of the symbolic link itself, where POSIX.1-2001 follows it",
)
_NAME_MAX = Clause(
    "GNU C Library manual",
    "File Name Errors",
    "https://sourceware.org/glibc/manual/latest/html_node/File-Name-Errors.html",
    "ENAMETOOLONG: the whole is longer than PATH_MAX, or a component longer than NAME_MAX",
)
_GZIP = Clause(
    "RFC 1952",
    "2.2 File format",
    "https://www.rfc-editor.org/rfc/rfc1952#section-2.2",
    "a file is a series of members",
)

_KIND = r"(?:file|dir|symlink|hardlink|char|block|fifo|contiguous|sparse|other)"
_EXTENSION = r"(?:pax(?:-global|-solaris)?)"

_TABLE: tuple[tuple[str, Clause], ...] = (
    # sizes and bodies
    (r"dir (size|with a body)", _DIRECTORY),
    (r"(dir|symlink|hardlink) (size|with a body)", _NO_BODY),
    (
        r"hardlink (size|with a body)",
        _block("in pax a hard link may have data, and so a size above zero"),
    ),
    (r"(char|block|fifo) (size|with a body)", _SPECIAL),
    (rf"({_KIND}|long-\w+) (size|mode|uid|gid|mtime|devmajor|devminor)", _NUMBER),
    (rf"{_KIND} (size|uid|gid|mtime)", _BASE256),
    # one header
    (rf"{_KIND} mode", _MODE),
    (rf"{_KIND} (uname|gname)", _OWNER),
    (rf"({_KIND}|{_EXTENSION} header|long-\w+) chksum", _CHECKSUM),
    (rf"{_KIND} (dev(major|minor))", _DEVICE),
    (rf"({_KIND}|{_EXTENSION} header|{_EXTENSION}|long-\w+) (magic|version|format \w+)", _MAGIC),
    (rf"{_KIND} (format gnu|atime|ctime|offset|longnames|unused|isextended|realsize)", _OLD_GNU),
    (rf"{_KIND} prefix", _NAMES),
    (rf"{_KIND} name: .*", _NAMES),
    (rf"{_KIND} linkname.*", _LINKNAME),
    (rf"{_KIND} typeflag '[DMNV]'", _GNU_TYPES),
    (rf"{_KIND} typeflag '[A-Z]'", _RESERVED),
    (rf"{_KIND} typeflag '(?![0-7LKSxgX]').*", _UNKNOWN),
    (rf"{_KIND} typeflag ''", _ustar("typeflag 0", "a binary zero means a regular file, for old archives")),
    (r"dir|file typeflag '5'", _ustar("typeflag 5", "a directory or subdirectory")),
    (r"symlink", _ustar("typeflag 2", "a symbolic link; its contents are in linkname")),
    (r"fifo", _ustar("typeflag 6", "the existence of a FIFO is archived, not its contents")),
    (
        r"contiguous|file typeflag '7'",
        _ustar("typeflag 7", "a file with a high-performance attribute; else as a regular file"),
    ),
    (r"hardlink", _HARD),
    (r"char|block", _DEVICE),
    # names
    (r".*: slash at the end", _SLASHES),
    (r".*: absolute", _ABSOLUTE),
    (rf"({_KIND} name|{_EXTENSION} path|long-name): climbing", _DOTDOT),
    (r".*: (a component over 255 bytes|over 4095 bytes)", _NAME_MAX),
    # sequences
    (rf"{_KIND}, then {_KIND} of the same name", _TWICE),
    (rf"(symlink, then {_KIND}|{_KIND}, then symlink) of the same name", _OLD_FILES),
    (rf"{_KIND} below a symlink", _RESOLUTION),
    (rf"{_KIND} below a (?!symlink){_KIND}", _COMPONENT),
    (r"hardlink to an earlier symlink", _SYMLINK),
    (rf"hardlink to an earlier {_KIND}", _HARD),
    # pax
    (rf"{_EXTENSION} path", _keyword("path", "it overrides name and prefix of the following header")),
    (rf"{_EXTENSION} linkpath", _keyword("linkpath", "it overrides linkname; the header's type says which link")),
    (rf"{_EXTENSION} size", _keyword("size", "it overrides the size of the following header")),
    (rf"{_EXTENSION} uid", _keyword("uid", "a decimal number; it overrides the uid of the following header")),
    (rf"{_EXTENSION} gid", _keyword("gid", "a decimal number; it overrides the gid of the following header")),
    (rf"{_EXTENSION} uname", _keyword("uname", "it overrides uid and uname of the header, and any uid record")),
    (rf"{_EXTENSION} gname", _keyword("gname", "it overrides gid and gname of the header, and any gid record")),
    (rf"{_EXTENSION} [amc]time.*", _TIME),
    (
        rf"{_EXTENSION} hdrcharset",
        _keyword("hdrcharset", "the encoding of gname, linkpath, path and uname records"),
    ),
    (rf"{_EXTENSION} charset", _keyword("charset", "for information only: data is not translated")),
    (rf"{_EXTENSION} comment", _keyword("comment", "its value is ignored")),
    (rf"{_EXTENSION} GNU\.sparse\.(major|minor|name|realsize).*", _SPARSE_1),
    (rf"{_EXTENSION} GNU\.sparse\.(size|numblocks|offset|numbytes|map).*", _SPARSE_0),
    (
        rf"{_EXTENSION} GNU\.dumpdir.*",
        _gnu("Dumpdir", "Dumpdir", "the names that a directory held when it was archived, for incremental backups"),
    ),
    (rf"{_EXTENSION} SCHILY\..*", _STAR),
    (rf"{_EXTENSION} LIBARCHIVE\..*", _OWN_KEYS),
    (rf"{_EXTENSION} (?!GNU|SCHILY|LIBARCHIVE)[A-Z][A-Za-z.]*", _KEYS),
    (rf"{_EXTENSION} .* twice", _LAST),
    (rf"{_EXTENSION} [\w.]+: empty", _EMPTY),
    (rf"{_EXTENSION} [\w.]+: (NUL|newline or NUL inside|over \d+ bytes)", _NO_LIMIT),
    (rf"{_EXTENSION} [\w.]+: not UTF-8", _UTF8),
    (rf"{_EXTENSION} ([\w.]+: record (length|end)|body that is no records)", _RECORD),
    (rf"{_EXTENSION} header .*", _HEADER_FIELDS),
    (r"pax-global.*", _GLOBAL),
    (r"pax", _LOCAL),
    (r"pax-solaris.*", _SOLARIS),
    # GNU's own
    (r"long-(name|link).*", _LONG),
    (r"sparse|\w+ sparse map|sparse (isextended|realsize)", _SPARSE_OLD),
    # the end, and what is around it
    (r"end of archive: .*|.*zero blocks? in the middle", _END),
    (r"compressed: gzip, odd", _GZIP),
    (r"world (symlink|hardlink|file|fifo|dir)", _OLD_FILES),
)
"""A pattern for the whole of a cause's words, and the clause. A cause may have several, told in this order."""

_ROWS = tuple((re.compile(pattern), clause) for pattern, clause in _TABLE)


@functools.cache
def clauses(words: str) -> tuple[Clause, ...]:
    """The clauses that speak of a cause, each once; none where no document does."""
    return tuple(dict.fromkeys(clause for pattern, clause in _ROWS if pattern.fullmatch(words)))
