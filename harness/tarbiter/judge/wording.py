"""Messages of contestants without what differs from archive to archive: two failures for one reason say the same.

A status alone does not tell one failure from another: whoever makes an archive small and only asks that it is still
refused ends with the shortest archive that is refused for any reason.
"""

from __future__ import annotations

import re

from ..contest.observation import Observation

LENGTH = 72
"""Letters of a message that count."""

LINES = 16
"""Lines of a message that are looked at."""

GENERIC = (
    "Exiting with failure status",
    "Error exit delayed",
    "Error is not recoverable",
    "Removing leading",
    "Traceback",
)
"""What is said whatever went wrong (GNU tar, bsdtar, Python)."""


_EMPTY = re.compile(
    r"""Using\ (CPython|PyPy|Python)\b          # uv: the interpreter it builds with
    | (ERRORS|WARNINGS):\s*$                  # 7-Zip: a heading
    | 7-Zip\ | Scanning\ the\ drive | Extracting\ archive: | Path\ = | Type\ = | --\s*$
    | Error\ while\ expanding\               # Apache Ant: what it was doing; the exception comes next
    | Buildfile: | BUILD\ FAILED | \[?untar\]?\ Expanding:
    | thread\ '.*'\ panicked\ at\ .*:\s*$      # Rust: the message is on the next line
    | note:\ run\ with\ `RUST_BACKTRACE
    | dpkg-deb:\ error:\ tar\ subprocess\ returned
    | \s+at\ \S                              # a frame of a stack trace: Java, Node.js
    | [-=~^\s]*$
    """,
    re.VERBOSE,
)
"""Beginnings of lines that say nothing of what went wrong: banners, progress, headings, stack frames."""

_CAUSE = re.compile(r"\s*(caused by|cause):\s*", re.IGNORECASE)
"""How a line begins that says why what the lines before it say happened."""


def telling(error: str) -> str:
    """The line of a message that says what went wrong; empty for an empty message.

    That is the exception below a Python traceback, else the innermost cause where causes are listed, else the first
    line that is no banner, progress, heading or stack frame. Where there is no such line it is the first.
    """
    lines = [line.rstrip() for line in error.splitlines() if line.strip()]
    if not lines:
        return ""
    traceback = next((place for place, line in enumerate(lines) if line.startswith("Traceback (most")), None)
    if traceback is not None:
        raised = [line for line in lines[traceback + 1 :] if not line[0].isspace()]
        if raised:
            # The first line behind the frames: an exception's own message may have several.
            return raised[0]
    causes = [line for line in lines if (match := _CAUSE.match(line)) and line[match.end() :].strip()]
    if causes:
        return _CAUSE.sub("", causes[-1], count=1).strip()
    said_much = [line for line in lines if not _EMPTY.match(line) and not any(words in line for words in GENERIC)]
    return (said_much or lines)[0].strip()


QUOTES = ".,:;()[]<>`'\"\u2018\u2019\u201c\u201d"
"""What may stand around a name in a message."""


def said(error: str) -> str:
    """A message without what is different in each archive: names, numbers, all but its first line."""
    line = next(iter(error.strip().splitlines()), "")
    line = re.sub(r"`[^`]*`|\"[^\"]*\"|'[^']*'|b'[^']*'|\{[a-z]+\}\S*|/\S+", "…", line)
    # What is no word is a name, or a number; that single letters are names, minimised cases make sure of.
    words = [word if re.fullmatch(r"\W*[A-Za-z_:-]{2,}\W*", word) else "…" for word in line.split()]
    return " ".join(
        word for word, before in zip(words, ["", *words], strict=False) if word != before or word != "…"
    )[:LENGTH]


def reasons(seen: Observation, archive: bytes) -> frozenset[str]:
    """Why a contestant failed, each reason with and without the names in `archive`; empty where it does not say.

    Both, since a name may be a word of the message ("file") that is no name of a smaller archive any more.
    A crash is told by its class alone: what it says quotes the data it stumbled over.
    """
    if seen.status == "extracted":
        return frozenset()
    if seen.status in ("crashed", "hung", "over-limit"):
        return frozenset({seen.error_class} if seen.error_class else ())
    lines = [line for line in seen.error.splitlines() if not any(words in line for words in GENERIC)]
    found = {said(words) for line in lines[:LINES] for words in (line, _unnamed(line, archive))}
    return frozenset(words for words in found if words.strip("… "))


def _unnamed(line: str, archive: bytes) -> str:
    """A line without the words that the archive has as names."""
    kept = []
    for word in line.split():
        bare = word.strip(QUOTES).encode("utf-8", "backslashreplace")
        kept.append("…" if bare and _holds(archive, bare) else word)
    return " ".join(kept)


def _holds(archive: bytes, word: bytes) -> bool:
    # Most words are nowhere in it, which `in` says thirty times sooner: a large archive is looked through for every
    # word that anyone says.
    return word in archive and bool(
        re.search(rb"(?<![A-Za-z0-9])" + re.escape(word) + rb"(?![A-Za-z0-9])", archive)
    )


def name(path: bytes) -> str:
    """A path as text, quoted and escaped, so that no control character reaches a terminal."""
    return ascii(path)[1:]


def plain(message: str) -> str:
    """A message as one line of printable text: messages may quote control characters of an archive."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in message)
