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
