"""From one night to the next: what the search has learned and the suspects that wait, kept in the project's store.

A campaign that begins empty each night finds again what it found the night before, and never comes to what waited.
So the store keeps what the last night had learned (`learned.json`), and the next night begins with that. While a
night runs the store names its directory, whose checkpoints are newer: after a night that was killed those count.
The same seed with the same kept state gives the same cases.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from importlib.metadata import version

import msgspec

from ..archive.case import Case
from ..files import FileError, write
from ..generate.recipes import Generated
from .checkpoint import Learned
from .packing import unpack
from .records import RunError
from .runs import Run, learned_in
from .store import StoreError
from .suspects import Suspect, folded, unfolded

FILE = "learned.json"

FORMAT = 1
"""The version of this file's form; it grows when a field changes its meaning or goes."""


class _Carried(msgspec.Struct, frozen=True, kw_only=True):
    """What the file holds."""

    format: int
    tarbiter: str
    run: str
    """The directory of the run that began or ended last."""
    facets: tuple[str, ...]
    learned: Learned


class _Head(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked at before all the rest is read."""

    format: int
    tarbiter: str


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What a night begins with, and what a person is told of that; nothing is told of a first night."""

    learned: Learned
    words: str = ""


def take(store: str, contestants: Sequence[str], facets: Sequence[str]) -> Taken:
    """What the last night left in the store, as far as these contestants can go on with it.

    What is damaged, of another version or about other facets is told, and the night begins anew.
    """
    path = os.path.join(store, FILE)
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return Taken(learned=Learned())
    except OSError as error:
        return _anew(f"{path} cannot be read: {error.strerror}")
    try:
        head = msgspec.json.decode(data, type=_Head)
        if (head.format, head.tarbiter) != (FORMAT, version("tarbiter")):
            return _anew(f"{path} is of another version (tarbiter {head.tarbiter}, format {head.format})")
        carried = msgspec.json.decode(data, type=_Carried)
        if set(carried.facets) != set(facets):
            return _anew(f"{carried.run} was about other facets ({','.join(carried.facets)})")
        newest, note = _newest(carried)
        kept = _sound(newest)
    except (msgspec.DecodeError, zlib.error) as error:
        return _anew(f"{path} is damaged: {error}")
    here = set(contestants)
    waiting = [one for one in kept.waiting if set(one.target.contestants) <= here]
    left_out = len(kept.waiting) - len(waiting)
    kept.waiting = folded(waiting)
    counts = f"{len(kept.parents)} cases in the pool and {len(waiting)} waiting suspects"
    told = f"went on with {counts} of {carried.run}{note}"
    if left_out:
        told += f"; {left_out} suspects are about contestants that take no part now, and were left out"
    return Taken(learned=kept, words=told)


def _anew(why: str) -> Taken:
    return Taken(learned=Learned(), words=f"begins anew: {why}")


def _newest(carried: _Carried) -> tuple[Learned, str]:
    """What the run itself wrote down, if it is there: a killed night left nothing else. And a note."""
    try:
        return learned_in(carried.run) or carried.learned, ""
    except RunError as error:
        return carried.learned, f"; as the store has it, since {error}"


def _sound(learned: Learned) -> Learned:
    """The same, with the bytes of its case in each suspect. Raises msgspec.DecodeError or zlib.error."""
    waiting: list[Suspect] = unfolded(learned.waiting)
    for packed in {one.packed for one in waiting}:
        unpack(packed, Generated)
    for parent in learned.parents:
        unpack(parent.packed, Case)
    learned.waiting = waiting
    return learned


def put(store: str, run: Run) -> None:
    """Keep what a run has learned for the next night. Raises StoreError; what was kept before is whole then."""
    carried = _Carried(
        format=FORMAT,
        tarbiter=version("tarbiter"),
        run=os.path.abspath(run.path),
        facets=run.asked.facets,
        learned=run.learned,
    )
    try:
        write(os.path.join(store, FILE), msgspec.json.encode(carried))
    except FileError as error:
        raise StoreError(store, f"what the run learned cannot be kept: {error.reason}") from error
