"""The report: what became of every member, for people and for programs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field


@dataclass(slots=True)
class Row:
    """One member and its outcome.

    `outcome` is `written`, `changed` (written, but not as the archive says), `skipped` (not extracted, by its
    type), `refused` (the archive was refused because of it), or `listed` (nothing was to be written). `code` says
    why, for everything but `written` and `listed`.
    """

    path: bytes
    kind: str
    size: int
    offset: int
    outcome: str
    code: str = ""
    detail: str = ""


@dataclass(slots=True)
class Report:
    """What `extract` did. Bytes of the archive that rows and the end do not account for are errors, not silence."""

    members: list[Row] = field(default_factory=list)
    policy: str = ""
    compression: str = ""
    archive_bytes: int = 0
    """Bytes of the uncompressed archive that were read."""
    body_bytes: int = 0
    """Bytes of bodies that were written."""
    notes: list[str] = field(default_factory=list)
    """What concerns no single member: directories whose time could not be set, and the like."""

    def count(self, outcome: str) -> int:
        """How many members had this outcome."""
        return sum(row.outcome == outcome for row in self.members)

    def to_json(self) -> str:
        """The whole report; what is not UTF-8 in paths becomes surrogate escapes, as in Python's own paths."""
        rows = [asdict(row) | {"path": row.path.decode("utf-8", "surrogateescape")} for row in self.members]
        whole = {
            "policy": self.policy,
            "compression": self.compression,
            "archive_bytes": self.archive_bytes,
            "body_bytes": self.body_bytes,
            "notes": self.notes,
            "members": rows,
        }
        return json.dumps(whole, indent=1)
