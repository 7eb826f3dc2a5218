"""Who takes a compression off by itself, so that a compressed file can be given to it as it is."""

from __future__ import annotations

import lzma
from collections.abc import Sequence

import msgspec

from ..archive.encode import encode_bytes
from ..archive.layers import LAYER_KINDS, Layer, wrap
from ..archive.recipe import Member, Recipe
from .installed.registry import Contestant
from .observation import Job, Observation
from .pool import Pool

ORDINARY = Member(name=b"ordinary", data=b"as everybody reads it\n")
"""The one member of the archive that is given to contestants of which nobody has said what they read."""


def _ordinary(compression: str) -> bytes | None:
    """An archive that everybody extracts, in this compression; None: it cannot be made here."""
    data = encode_bytes(Recipe((ORDINARY,)))
    if compression in LAYER_KINDS:
        return wrap(data, (msgspec.convert({"kind": compression}, Layer),))
    return lzma.compress(data, lzma.FORMAT_ALONE) if compression == "lzma" else None


def unable(pool: Pool, contestants: Sequence[Contestant], compression: str) -> dict[str, str]:
    """Who does not take `compression` off, and how that is known: its table says so, or it was tried.

    A contestant whose table has no `reads` is given an ordinary archive in that compression.
    """
    said: dict[str, str] = {}
    unsaid = []
    for one in contestants:
        if one.table.reads is None:
            unsaid.append(one.name)
        elif why := one.table.taking_off(compression):
            said[one.name] = why
    archive = _ordinary(compression) if unsaid else None
    if archive is None:
        how = f"whether it takes {compression} off is not known; `reads` in its table of tarbiter.toml would say so"
        return said | dict.fromkeys(unsaid, how)
    for seen in pool.run(Job(archive=archive, contestants=tuple(unsaid))):
        if why := _failed(seen):
            said[seen.contestant] = f"it does not take {compression} off: of an ordinary archive in it, {why}"
    return said


def _failed(seen: Observation) -> str:
    """Why an observation of the ordinary archive is none of an extraction; empty: it is one."""
    if any(node.path == ORDINARY.name and node.data == ORDINARY.data for node in seen.tree):
        return ""
    lines = seen.error.strip().splitlines()
    return f"{seen.status}: {lines[0]}" if lines else f"{seen.status}, and the member is missing"


def left_out(contestant: Contestant, why: str) -> Observation:
    """The observation of a contestant that is not given a file because it cannot read its compression."""
    return Observation(
        contestant=contestant.name,
        version=contestant.version,
        family=contestant.family,
        status="unavailable",
        error=why,
        error_class="lacks",
    )
