"""What contestants list, as rows: lines that commands print, and words that persistent drivers say of a member.

All of it is hostile input: a name may hold newlines, escapes, and text that looks like another row. A listing that
is not understood as a whole is not used at all, and the observation says why.
"""

from __future__ import annotations

import functools
import re

from ..observation import Listed

LARGEST = 4 << 20
"""Bytes of a listing that are read. A longer one is not used: its last row would be a part of a name."""

UNUSED = "its listing is not used"
"""How the note begins that says so, and why."""

NAMES = r"(?P<name>[^\n]*)\n"
"""One name a line, with backslashes and newlines escaped as in C: `Table.row` where a table leaves it out."""

KINDS = {
    "-": "file",
    "C": "file",
    "d": "dir",
    "D": "dir",
    "l": "symlink",
    "h": "hardlink",
    "p": "fifo",
    "c": "char",
    "b": "block",
}
"""The letter of a type, as `ls -l` and tar print it, to `Listed.type`. Another
letter is of something that makes no name: a volume label, the rest of a file of another volume."""

OTHER = "other"
"""`Listed.type` of what makes no name, of a kind that nobody here knows, and of a row whose name may be cut."""

_WORDS = {
    "dir": "dir",
    "directory": "dir",
    "file": "file",
    "oldfile": "file",
    "regular": "file",
    "continuous": "file",
    "contiguousfile": "file",
    "gnusparse": "file",
    "link": "hardlink",
    "symlink": "symlink",
    "symboliclink": "symlink",
    "fifo": "fifo",
    "char": "char",
    "characterdevice": "char",
    "block": "block",
    "blockdevice": "block",
}
"""The words of libraries for a type (node-tar, the Rust crates), in lower case, to `Listed.type`."""

_ESCAPES = {
    b"a": b"\a",
    b"b": b"\b",
    b"f": b"\f",
    b"n": b"\n",
    b"r": b"\r",
    b"t": b"\t",
    b"v": b"\v",
}


class ListingError(ValueError):
    """A listing that is not understood: which line of it, escaped."""


def unescaped(row: bytes) -> bytes:
    """A name as GNU tar (`--quoting-style=escape`) and bsdtar print it, without its escapes."""
    return re.sub(rb"\\([0-7]{3}|.)", _unescape, row, flags=re.DOTALL)


def _unescape(match: re.Match[bytes]) -> bytes:
    text = match[1]
    if len(text) == 3:
        return bytes([int(text, 8) & 0xFF])
    return _ESCAPES.get(text, text)


@functools.cache
def _pattern(row: str) -> re.Pattern[bytes]:
    return re.compile((row or NAMES).encode())


def rows(printed: bytes, row: str = "") -> tuple[Listed, ...]:
    """The rows of a listing, each in the form of the regular expression `row` (see `Table.row`).

    The rows must follow each other without a gap. Raises ListingError for one that does not match, and for a
    listing of `LARGEST` bytes or more.
    """
    if len(printed) >= LARGEST:
        raise ListingError(f"it is longer than {LARGEST} bytes")
    if printed and not printed.endswith(b"\n"):
        printed += b"\n"
    pattern, at, found = _pattern(row), 0, []
    while at < len(printed):
        match = pattern.match(printed, at)
        if match is None or match.end() == at:
            line = printed[at : at + 80].partition(b"\n")[0]
            raise ListingError(f"this line of it is not understood: {ascii(line)[1:]}")
        found.append(_row(match.groupdict()))
        at = match.end()
    return tuple(found)


def _row(group: dict[str, bytes | None]) -> Listed:
    raw = group.get("raw")
    path = unescaped(group.get("name") or b"") if raw is None else raw
    letter = (group.get("type") or b"").decode("ascii", "replace")
    kind = KINDS.get(letter, OTHER) if letter else ""
    if kind in ("file", "hardlink") and group.get("symlink"):
        kind = "symlink"
    elif kind == "file" and group.get("hardlink"):
        kind = "hardlink"
    if group.get("unsure"):
        kind = OTHER
    size = group.get("size") or b""
    number = int(size) if kind == "file" and size.isdigit() and len(size) < 20 else None
    return Listed(path=path, type=kind, size=number)


def of_words(path: bytes, detail: str) -> Listed:
    """The row of a member for which a driver has only words: its type, where they begin with one that is known.

    A size is not taken from them: most libraries give the field of the header, and a pax record may replace it.
    """
    match = re.match(r'\{?"?type"?[ :]+"?([\w-]+)', detail)
    kind = _WORDS.get(match[1].lower().replace("-", ""), OTHER) if match else ""
    return Listed(path=path, type=kind, detail=detail)
