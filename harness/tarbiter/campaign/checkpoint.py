"""What a run has learned, as one record: written whole at each checkpoint, read when the run is resumed."""

from __future__ import annotations

import msgspec

from .packing import UnpackError, check
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

    def check(self) -> None:
        """Make sure that the cases in it can be used. Raises UnpackError."""
        # Of suspects that wait for one case only the first has its bytes (`suspects.folded`).
        for packed in (*(one.packed for one in self.parents), *(one.packed for one in self.waiting)):
            if packed:
                check(packed)
        if self.waiting and not self.waiting[0].packed:
            raise UnpackError("the first suspect has no case")
        if not all(parent.packed for parent in self.parents):
            raise UnpackError("a case of the pool is empty")
