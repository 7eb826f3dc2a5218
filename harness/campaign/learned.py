"""What a run has learned, as one record: written whole at each checkpoint, read when the run is resumed."""

from __future__ import annotations

import msgspec

from .search import Parent
from .suspects import Known, Suspect


class Learned(msgspec.Struct, kw_only=True):
    """Features seen, the pool, what findings explain, and the suspects that wait.

    All of it is bounded but `known`, which grows with the findings, never with the cases.
    """

    young: list[int] = msgspec.field(default_factory=list)
    old: list[int] = msgspec.field(default_factory=list)
    """The two generations of `Novelty`."""
    parents: list[Parent] = msgspec.field(default_factory=list)
    known: list[Known] = msgspec.field(default_factory=list)
    waiting: list[Suspect] = msgspec.field(default_factory=list)
