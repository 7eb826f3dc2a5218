"""pax records: `length SP key = value LF`, and what their values mean (POSIX.1-2017 pax, "pax Header Block")."""

from __future__ import annotations

import re

from .errors import FormatError

_DECIMAL = re.compile(rb"(-?)(\d{1,20})(?:\.(\d+))?\Z")


def records(body: bytes, offset: int) -> list[tuple[bytes, bytes]]:
    """The records of an extended header whose body begins at byte `offset` of the archive, in order.

    Raises FormatError (`pax.length`, `pax.record`) where a record's stated length is wrong: extractors part ways
    over such a header, so none of it can be believed.
    """
    found = []
    at = 0
    while at < len(body):
        space = body.find(b" ", at, at + 21)
        if space < 0 or not body[at:space].isdigit():
            if not body[at:].strip(b"\0"):
                break  # NULs to the end: padding that was counted into the size
            raise FormatError("pax.length", offset + at, "a record begins with no decimal length")
        stop = at + int(body[at:space])
        if stop > len(body) or stop <= space + 1 or body[stop - 1] != 10:
            raise FormatError("pax.length", offset + at, f"the stated length {body[at:space]!r} ends no record")
        key, equals, value = body[space + 1 : stop - 1].partition(b"=")
        if not equals or not key:
            raise FormatError("pax.record", offset + at, "a record has no key, or no = behind it")
        found.append((key, value))
        at = stop
    return found


def integer(value: bytes, key: bytes, offset: int) -> int:
    """A decimal number that is not negative. Raises FormatError (`pax.number`)."""
    if not value.isdigit() or len(value) > 20:
        raise FormatError(
            "pax.number", offset, f"{key!r} is no decimal number: {value[:40]!r}", key.decode("ascii", "replace")
        )
    return int(value)


def timestamp_ns(value: bytes, key: bytes, offset: int) -> int:
    """A time in nanoseconds since the epoch, digits beyond them cut off. Raises FormatError (`pax.time`)."""
    match = _DECIMAL.match(value)
    if match is None:
        raise FormatError("pax.time", offset, f"{key!r} is no time: {value[:40]!r}", key.decode("ascii", "replace"))
    sign, whole, fraction = match.groups()
    nanoseconds = int(whole) * 10**9 + int(((fraction or b"") + b"000000000")[:9])
    return -nanoseconds if sign else nanoseconds
