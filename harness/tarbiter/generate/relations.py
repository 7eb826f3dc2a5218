"""How names have to do with each other: spellings of one name, names that fold into one, ways between members."""

from __future__ import annotations

from .choices import Choices, pick

FOLDED = (
    ("a", "A"),
    ("stra\u00dfe", "strasse"),  # full case folding: sharp s is two letters (Unicode CaseFolding.txt, status F)
    ("\ufb01le", "file"),  # a ligature: compatibility decomposition
    ("caf\u00e9", "cafe\u0301"),  # NFC and NFD: one name on HFS+ and APFS
    ("\u212aey", "key"),  # the Kelvin sign folds to k
    ("\u017fo", "so"),  # long s folds to s
    ("\u0130x", "ix"),  # dotted capital I: folds differently per locale
    ("\uff41", "a"),  # a full-width letter: compatibility decomposition
    ("\u1e9e", "\u00df"),  # capital sharp s
    ("x\u200d", "x"),  # HFS+ ignored zero-width characters in comparisons
    ("CON", "con"),  # a device on Windows
    ("dot.", "dot"),  # Windows drops trailing dots and spaces
    ("longfilename.txt", "LONGFI~1.TXT"),  # a short name of FAT and NTFS
)
"""Pairs of names that are two on Linux and one elsewhere, or for an extractor that folds them itself."""


def variants(choices: Choices, below: bytes) -> tuple[bytes, bytes]:
    """Two names below a directory that fold into one, in either order."""
    one, two = pick(choices, FOLDED)
    first, second = below + one.encode(), below + two.encode()
    return (first, second) if pick(choices, (False, True)) else (second, first)


def spellings(name: bytes) -> tuple[bytes, ...]:
    """Ways to write a name that may mean the same: by POSIX, by who cleans names, by who folds case."""
    bare = name.rstrip(b"/") or b"a"
    head, slash, leaf = bare.rpartition(b"/")
    return (
        bare,
        bare + b"/",
        b"./" + bare,
        bare + b"//",
        bare + b"/.",
        b"/" + bare,
        head + slash + b"./" + leaf,
        head + slash + b"x/../" + leaf,
        bare.replace(b"/", b"//"),
        bare.replace(b"/", b"\\"),
        bare.upper(),
        bare.swapcase(),
        bare + b"\0hidden",
        bare + b" ",
        bare + b".",
    )


def spelled(choices: Choices, name: bytes) -> bytes:
    """A name in one of its spellings, every other time as it is."""
    return pick(choices, (name, *spellings(name))) if pick(choices, (False, True)) else name


def towards(name: bytes, goal: bytes) -> bytes:
    """The relative way from the symlink `name` to the member `goal`."""
    here = [part for part in name.rstrip(b"/").split(b"/")[:-1] if part not in (b"", b".")]
    there = [part for part in goal.split(b"/") if part not in (b"", b".")]
    while here and there and here[0] == there[0]:
        here.pop(0)
        there.pop(0)
    return b"/".join([b".."] * len(here) + there) or b"."
