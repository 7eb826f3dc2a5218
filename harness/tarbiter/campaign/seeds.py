"""Seeds: archives and cases that a campaign begins with. Each is run as it is, and mutated from then on.

Without them nothing but the generator is in a campaign: who asks whether a bug would have been found gives none.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence

import msgspec

from ..archive.case import Case
from ..archive.cases import InputError, bytes_of, load
from ..archive.decode import decode
from ..archive.stored import in_memory
from ..archive.text import CaseError
from .packing import pack
from .search import LARGEST, SEED_WORTH, Parent

MOST = 512
"""Seeds that are taken: half of the pool."""


class Seeds(msgspec.Struct, frozen=True, kw_only=True):
    """What was read: the parents for the pool, their names with digests, and what was left out."""

    parents: tuple[Parent, ...]
    names: tuple[str, ...]
    left_out: tuple[str, ...]
    unread: tuple[str, ...] = ()
    """What was named itself and cannot be read, with the reasons."""


def files(paths: Sequence[str]) -> list[str]:
    """The files that are named, and those anywhere below a directory, in order. Raises InputError."""
    found: list[str] = []
    for path in paths:
        if os.path.isdir(path):
            inside = [os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names]
            if not inside:
                raise InputError(path, "is an empty directory; name one with archives or cases in it")
            found += sorted(inside)
        else:
            found.append(path)
    return found


def gather(paths: Sequence[str]) -> Seeds:
    """The seeds at `paths`. What cannot be read below a directory is left out, and told.

    A file that is named itself and cannot be read is told apart. Raises its InputError or CaseError where nothing
    is left to begin with.
    Compression of an archive is taken off; a case keeps its layers, its world and its schedule.
    """
    parents: list[Parent] = []
    names: list[str] = []
    left_out: list[str] = []
    unread: list[InputError | CaseError] = []
    taken: set[bytes] = set()
    for file in files(paths):
        try:
            case = _case(file)
        except (InputError, CaseError) as error:
            if file in paths:
                unread.append(error)
            else:
                left_out.append(str(error))
            continue
        data, kept = bytes_of(case), pack(case.identity())
        reason = _reason(len(data), kept in taken, len(parents))
        if reason:
            left_out.append(f"{file}: {reason}")
            continue
        taken.add(kept)
        name = f"{file} {hashlib.blake2b(data, digest_size=16).hexdigest()}"
        names.append(name)
        parents.append(Parent(packed=kept, label=f"seed:{file}", worth=SEED_WORTH))
    if unread and not parents:
        raise unread[0]
    return Seeds(
        parents=tuple(parents), names=tuple(names), left_out=tuple(left_out), unread=tuple(map(str, unread))
    )


def _case(file: str) -> Case:
    loaded = load(file)
    if loaded.case is None:
        plain = in_memory(loaded.plain)
        if loaded.foreign:
            raise InputError(file, loaded.foreign)
        return Case(recipe=decode(plain))
    return Case(
        recipe=loaded.case.recipe,
        layers=loaded.case.layers,
        world=loaded.case.world,
        schedule=loaded.case.schedule,
    )


def _reason(size: int, there: bool, count: int) -> str:
    if size > LARGEST:
        return f"{size} bytes; a seed may have {LARGEST}, since each of its children costs as much"
    if there:
        return "the same as one before"
    return f"only {MOST} seeds are taken" if count >= MOST else ""


def told(left_out: Iterable[str], most: int = 8) -> list[str]:
    """What was left out, in at most so many lines and one more."""
    lines = list(left_out)
    more = [f"and {len(lines) - most} more"] if len(lines) > most else []
    return lines[:most] + more
