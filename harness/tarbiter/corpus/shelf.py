"""Reading `corpus/`: the cases by topic, and the words that they use (`flags.toml`, `dimensions.toml`)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from ..archive.case import Case
from ..archive.cases import InputError, load

FLAGS, DIMENSIONS = "flags.toml", "dimensions.toml"

NO_TOPICS = frozenset(("results", "schema"))
"""Directories of the corpus that hold no cases."""

T = TypeVar("T")


class Flag(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is at stake in a case: what goes wrong for whom, and where one can read of it."""

    effect: str
    links: tuple[str, ...] = ()


class Dimensions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can vary in an archive: what cases show, and what none can show and is looked at elsewhere."""

    shown: dict[str, str]
    elsewhere: dict[str, str]


class Shelved(msgspec.Struct, frozen=True, kw_only=True):
    """One case of the corpus: where it is, its text as it stands there, the case, and the archive's bytes."""

    path: str
    text: str
    case: Case
    archive: bytes

    @property
    def topic(self) -> str:
        """The directory it is in."""
        return os.path.basename(os.path.dirname(os.path.abspath(self.path)))

    @property
    def place(self) -> str:
        """What its id has to be: its topic and its name."""
        return f"{self.topic}/{os.path.basename(self.path).removesuffix('.toml')}"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(
            str(path), "no such file; is this a corpus? --corpus DIR names the directory that holds flags.toml"
        ) from None
    except OSError as error:
        raise InputError(str(path), f"cannot be read: {error.strerror}") from error


def _table(root: str, name: str, type_: type[T]) -> T:
    path = Path(root) / name
    try:
        return msgspec.toml.decode(_read(path), type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(str(path), str(error)) from error


def flags(root: str) -> dict[str, Flag]:
    """The flags of the corpus at `root`, by name. Raises InputError for a file that is missing or wrong."""
    return _table(root, FLAGS, dict[str, Flag])


def dimensions(root: str) -> Dimensions:
    """The dimensions of a tar archive, in order. Raises InputError as `flags` does."""
    return _table(root, DIMENSIONS, Dimensions)


def paths(root: str) -> list[str]:
    """The files of all cases below `root`, sorted by their bytes: `topic/name.toml`. Raises InputError for none."""
    found: list[str] = []
    try:
        for topic in os.scandir(root):
            if topic.is_dir() and topic.name not in NO_TOPICS and not topic.name.startswith("."):
                found += [entry.path for entry in os.scandir(topic.path) if entry.name.endswith(".toml")]
    except OSError as error:
        raise InputError(root, f"cannot be read: {error.strerror}; name the directory of a corpus") from error
    return sorted(found, key=os.fsencode)


def shelve(path: str) -> Shelved:
    """The case at `path`. Raises InputError or CaseError, with file and line, for what is none."""
    loaded = load(path)
    if loaded.case is None:
        raise InputError(path, "is no case: cases are TOML files")
    return Shelved(path=path, text=_read(Path(path)).decode(), case=loaded.case, archive=loaded.data)


def cases(root: str) -> Iterator[Shelved]:
    """Every case of the corpus, in the order of `paths`."""
    return map(shelve, paths(root))
