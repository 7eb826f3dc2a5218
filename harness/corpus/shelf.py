"""Reading `corpus/`: the cases by topic, and the words that they use (`flags.toml`, `dimensions.toml`)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from ..archive.case import Case
from ..archive.cases import InputError, load

FLAGS, DIMENSIONS = "flags.toml", "dimensions.toml"

NO_TOPICS = frozenset(("results", "schema"))
"""Directories of the corpus that hold no cases."""


class Flag(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is at stake in a case: what goes wrong for whom, and where one can read of it."""

    effect: str
    links: tuple[str, ...] = ()


class Shelved(msgspec.Struct, frozen=True, kw_only=True):
    """One case of the corpus: where it is, its text as it stands there, the case, and the archive's bytes."""

    path: str
    text: str
    case: Case
    archive: bytes

    @property
    def topic(self) -> str:
        """The directory it is in."""
        return os.path.basename(os.path.dirname(self.path))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(
            str(path), "no such file; is this a corpus? --corpus DIR names the directory that holds flags.toml"
        ) from None
    except OSError as error:
        raise InputError(str(path), f"cannot be read: {error.strerror}") from error


def _table(root: Path, name: str, type_: type[dict[str, Flag]] | type[dict[str, str]]) -> dict[str, object]:
    path = root / name
    try:
        return dict(msgspec.toml.decode(_read(path), type=type_))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(str(path), str(error)) from error


def flags(root: str) -> dict[str, Flag]:
    """The flags of the corpus at `root`, by name. Raises InputError for a file that is missing or wrong."""
    return {
        name: flag for name, flag in _table(Path(root), FLAGS, dict[str, Flag]).items() if isinstance(flag, Flag)
    }


def dimensions(root: str) -> dict[str, str]:
    """The dimensions of a tar archive, in order, with what each comprises. Raises InputError as `flags` does."""
    return {name: str(words) for name, words in _table(Path(root), DIMENSIONS, dict[str, str]).items()}


def paths(root: str) -> list[str]:
    """The files of all cases below `root`, sorted by their bytes: `topic/name.toml`."""
    found = []
    for topic in os.scandir(root):
        if topic.is_dir() and topic.name not in NO_TOPICS and not topic.name.startswith("."):
            found += [entry.path for entry in os.scandir(topic.path) if entry.name.endswith(".toml")]
    return sorted(found, key=os.fsencode)


def shelve(path: str) -> Shelved:
    """The case at `path`. Raises InputError or CaseError, with file and line, for what is none."""
    loaded = load(path)
    if loaded.case is None:
        raise InputError(path, "is no case: cases are TOML files")
    return Shelved(path=path, text=_read(Path(path)).decode(), case=loaded.case, archive=loaded.archive)


def cases(root: str) -> Iterator[Shelved]:
    """Every case of the corpus, in the order of `paths`."""
    return map(shelve, paths(root))
