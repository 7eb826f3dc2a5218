"""The report: what became of every member and every byte, for people and for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import TypeAlias

from .store.rows import Row, Rows

OUTCOMES = ("written", "changed", "skipped", "refused", "listed", "partial", "undone")
"""Everything that may become of a member; `Row` says what each means."""

ASKED = frozenset(("name.destination", "only.other", "strip.nothing-left", "path.kept"))
"""Codes of skipped members that the caller asked to have skipped, or of which there is nothing to make (`./`)."""


Progress: TypeAlias = Callable[[Row], object]
"""Called with each row when its member is complete."""

INCOMPLETE = ("body.incomplete", "the extraction ended before its body was complete")
"""Code and detail of a `partial` row."""


@dataclass(frozen=True, slots=True)
class Note:
    """What concerns no single member: a code, what it is about in words, and a byte of the archive (-1: none)."""

    code: str
    detail: str
    offset: int = -1

    def __str__(self) -> str:
        return f"{self.code}{f' at byte {self.offset:#x}' if self.offset >= 0 else ''}: {self.detail}"


@dataclass(slots=True)
class Report:
    """What `extract` did. Bytes of the archive that rows and the end do not account for are errors, not silence.

    The rows follow each other without gaps: each begins where the one before stopped. What lies from `end` up to
    `archive_bytes` is the end of the archive: extensions without a member, zero blocks, what is behind them.
    """

    members: Rows = field(default_factory=Rows)
    """A sequence of Row, kept small: see `Rows`."""
    policy: str = ""
    compression: str = ""
    archive_bytes: int = 0
    """Bytes of the uncompressed archive that were read."""
    body_bytes: int = 0
    """Bytes of bodies that were written."""
    end: int = -1
    """First byte behind the last member; -1 when the archive was not read to its end."""
    notes: list[Note] = field(default_factory=list)
    """What concerns no single member: directories whose time could not be set, and the like."""

    def count(self, outcome: str) -> int:
        """How many members had this outcome."""
        return sum(row.outcome == outcome for row in self.members)

    def totals(self) -> dict[str, int]:
        """How many members had each outcome: every one of `OUTCOMES`, zeros included."""
        found = Counter(row.outcome for row in self.members)
        return {outcome: found[outcome] for outcome in OUTCOMES}

    @property
    def complete(self) -> bool:
        """Whether the archive was read to its end, and every member that was asked for was made."""
        made = ("written", "changed", "listed")
        return (
            self.end >= 0
            and all(row.outcome in made or (row.outcome == "skipped" and row.code in ASKED) for row in self.members)
            and not any(note.code == "only.not-found" for note in self.notes)
        )

    def json_pieces(self, **head: object) -> Iterator[str]:
        """The text of `to_json` piece by piece, so that a million members need not be one string."""
        whole = {
            **head,
            "policy": self.policy,
            "compression": self.compression,
            "archive_bytes": self.archive_bytes,
            "body_bytes": self.body_bytes,
            "end": self.end,
            "complete": self.complete,
            "totals": self.totals(),
            "notes": [asdict(note) for note in self.notes],
        }
        yield json.dumps(whole, indent=1)[:-2] + ',\n "members": ['
        comma = ""
        for row in self.members:
            path = row.path.decode("utf-8", "surrogateescape")
            yield f"{comma}\n  {json.dumps(asdict(row) | {'path': path})}"
            comma = ","
        yield "\n ]\n}"

    def to_json(self, **head: object) -> str:
        """The whole report, with the keys of `head` in front.

        What is not UTF-8 in paths becomes surrogate escapes, as in Python's own paths.
        """
        return "".join(self.json_pieces(**head))
