"""The corpus's own rules: every case in canonical form, complete, in words that are defined, and like no other.

`check` looks at cases one by one and against each other; `check_words` at what is defined and not used, for which
the whole corpus has to be there. Both only say what is wrong: `tarbiter corpus lint` writes what it can set right.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from ..archive.text import dumps
from .shelf import Dimensions, Flag, Shelved

SUMS = "SHA256SUMS"
"""The file that holds the sum of every archive: each case builds to the same bytes everywhere."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is against the rules: in which file, what, and what to do. `fixable`: formatting does it."""

    path: str
    detail: str
    fixable: bool = False

    def __str__(self) -> str:
        return f"{self.path}: {self.detail}"


def canonical(one: Shelved) -> str:
    """The text that a case has to have. A case without an id gets that of its place."""
    return dumps(msgspec.structs.replace(one.case, id=one.case.id or one.place))


def _unknown(kind: str, words: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    defined = tuple(known)
    for word in words:
        if word not in defined:
            near = difflib.get_close_matches(word, defined, n=1)
            yield f"{word!r} is no {kind}" + (f"; did you mean {near[0]}?" if near else "")


def _words(one: Shelved, flags: dict[str, Flag], dimensions: Dimensions) -> Iterator[str]:
    case = one.case
    if case.id and case.id != one.place:
        yield f"its id is {case.id!r}, and its place says {one.place!r}"
    if not case.title or case.title.endswith(".") or "\n" in case.title:
        yield "title: one sentence, on one line, without a full stop"
    if not case.why.endswith((".", ")")):
        yield "why: what the documents say and what extractors do, in whole sentences"
    for field in ("source", "flags", "covers"):
        values = getattr(case, field)
        if not values:
            yield f"{field}: at least one"
        if len(set(values)) != len(values):
            yield f"{field}: the same one twice"
    yield from _unknown("flag (flags.toml)", case.flags, flags)
    yield from _unknown("dimension that a case can show (dimensions.toml)", case.covers, dimensions.shown)


def _expectation(one: Shelved) -> Iterator[str]:
    expect = one.case.expect
    for reading in expect.may:
        if not reading.why:
            yield f"reading {reading.name!r}: why, in a sentence: on what ground is it defensible?"
    trees = [reading.tree for reading in expect.may if reading.tree != "refuse"]
    if expect.may and not trees:
        yield "every reading is a refusal: that is a must"
    for index, reading in enumerate(expect.may):
        if any(reading.tree == other.tree for other in expect.may[:index]):
            yield f"reading {reading.name!r} is the same as one before it"
    for tree in [*trees, *([expect.must] if isinstance(expect.must, tuple) else [])]:
        named = {entry.name for entry in tree}
        for entry in tree:
            if entry.same is not None and entry.same not in named:
                yield f"{entry.name!r} is said to be the same as {entry.same!r}, which is not in its tree"
            if entry.name in expect.absent:
                yield f"{entry.name!r} is in a tree, and absent"


def check(shelved: Sequence[Shelved], flags: dict[str, Flag], dimensions: Dimensions) -> Iterator[Problem]:
    """What is wrong with these cases, file by file."""
    bytes_of: dict[bytes, str] = {}
    titles: dict[str, str] = {}
    for one in shelved:
        for detail in (*_words(one, flags, dimensions), *_expectation(one)):
            yield Problem(path=one.path, detail=detail)
        if canonical(one) != one.text:
            yield Problem(
                path=one.path, detail="is not in canonical form: tarbiter corpus lint --fix", fixable=True
            )
        key = hashlib.sha256(one.archive + msgspec.msgpack.encode((one.case.world, one.case.schedule))).digest()
        if key in bytes_of:
            yield Problem(path=one.path, detail=f"is the same archive as {bytes_of[key]}, in the same world")
        bytes_of.setdefault(key, one.path)
        if one.case.title in titles:
            yield Problem(path=one.path, detail=f"has the title of {titles[one.case.title]}")
        titles.setdefault(one.case.title, one.path)


def check_words(
    root: str, shelved: Sequence[Shelved], flags: dict[str, Flag], dimensions: Dimensions
) -> Iterator[Problem]:
    """What is defined, and no case of the whole corpus uses; a word with two definitions."""
    used = {flag for one in shelved for flag in one.case.flags}
    shown = {name for one in shelved for name in one.case.covers}
    for name in flags.keys() - used:
        yield Problem(path=f"{root}/flags.toml", detail=f"no case has the flag {name!r}")
    for name in dimensions.shown.keys() - shown:
        yield Problem(path=f"{root}/dimensions.toml", detail=f"no case shows {name!r}")
    for name in dimensions.shown.keys() & dimensions.elsewhere.keys():
        yield Problem(path=f"{root}/dimensions.toml", detail=f"{name!r} is shown, and elsewhere")


def sums(shelved: Sequence[Shelved]) -> str:
    """The sums of all archives, in the form of sha256sum."""
    return "".join(f"{hashlib.sha256(one.archive).hexdigest()}  {one.place}.tar\n" for one in shelved)
