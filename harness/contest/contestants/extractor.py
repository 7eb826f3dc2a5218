"""The project's own extractor, in one of its two policies. The only module of the harness that imports it."""

from __future__ import annotations

from extractor import TarError, extract

from ..observation import Listed
from . import Order, Outcome

EXPECTED: tuple[type[Exception], ...] = (OSError,)
"""OSError is the caller's to handle (a full disk); everything the archive is to blame for is a TarError."""


def run(order: Order) -> Outcome:
    """Extract. A refusal is an outcome, not an exception: it has a code, an offset and a report."""
    try:
        report = extract(order.chunks(), order.dest, policy=order.mode)
    except TarError as error:
        return Outcome(error=str(error), error_class=error.code)
    listing = tuple(
        Listed(
            path=row.path,
            type=row.kind,
            size=row.size if row.kind == "file" else None,
            outcome=row.outcome,
            code=row.code,
        )
        for row in report.members
    )
    notes = ("pauses are not applied: extract() is not asynchronous",) if order.schedule.pause else ()
    return Outcome(listing=listing, notes=notes)
