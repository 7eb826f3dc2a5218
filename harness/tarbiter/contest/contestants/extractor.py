"""The project's own extractor, in one of its two policies. The only module of the harness that imports it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Generator

from onetar import Report, TarError, extract, extract_async

from ..observation import Listed
from . import Order, Outcome, listed_size

EXPECTED: dict[type[Exception], str] = {
    OSError: "extract() says so: the destination's fault, for the caller to handle",
}
"""Everything that the archive is to blame for is a TarError, which `run` turns into an outcome."""


def run(order: Order) -> Outcome:
    """Extract. A refusal is an outcome, not an exception: it has a code, an offset and a report.

    A schedule with pauses goes through `extract_async`, and every pause is a real suspension.
    """
    try:
        if order.schedule.pause:
            report = _driven(extract_async(_pausing(order), order.dest, policy=order.mode))
        else:
            report = extract(order.chunks(), order.dest, policy=order.mode)
    except TarError as error:
        partial: Report | None = getattr(error, "report", None)
        return Outcome(
            error=str(error),
            error_class=error.code,
            listing=None if partial is None else _listing(partial),
            warnings=() if partial is None else tuple(map(str, partial.notes)),
        )
    return Outcome(listing=_listing(report), warnings=tuple(map(str, report.notes)))


def _listing(report: Report) -> tuple[Listed, ...]:
    rows = []
    for row in report.members:
        size, code = listed_size(row.size) if row.kind == "file" else (None, "")
        rows.append(Listed(path=row.path, type=row.kind, size=size, outcome=row.outcome, code=row.code or code))
    return tuple(rows)


class _Pause:
    """Awaiting this suspends the coroutine once."""

    def __await__(self) -> Generator[None, None, None]:
        yield


async def _pausing(order: Order) -> AsyncIterator[bytes]:
    for chunk in order.chunks():
        await _Pause()
        yield chunk


def _driven(coroutine: Coroutine[None, None, Report]) -> Report:
    """Resume a coroutine until it ends: all that an event loop would do for it."""
    try:
        while True:
            coroutine.send(None)
    except StopIteration as end:
        report: Report = end.value
        return report
    finally:
        coroutine.close()
