"""Metadata that is set only when it is asked for: numeric owners and extended attributes, read from a member."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import unquote_to_bytes

from .errors import FormatError
from .events import Member
from .layout import OFFSETS, NumberError, number
from .pax import integer

SCHILY, LIBARCHIVE = b"SCHILY.xattr.", b"LIBARCHIVE.xattr."
"""Prefixes of pax keys (star(5), libarchive's tar(5)): the first is followed by the name and has the raw value, the
second by the name with %-escapes and has the value in base64. bsdtar writes both for one attribute."""

Xattrs = tuple[tuple[bytes, bytes], ...]
"""Name and value of each attribute."""


def owner(member: Member) -> tuple[int, int]:
    """Its user and group by number: of the pax records, or else of the header. Names are not looked at.

    Raises FormatError (`header.number`, `pax.number`).
    """
    found = []
    for key, field in (("uid", member.header.uid), ("gid", member.header.gid)):
        record = member.pax.get(key.encode())
        if record is not None:
            found.append(integer(record, key.encode(), member.offset))
            continue
        try:
            found.append(number(field))
        except NumberError as error:
            offset = member.header_offset + OFFSETS[key]
            raise FormatError("header.number", offset, str(error), key, member.path) from None
    return found[0], found[1]


def xattrs(member: Member) -> Xattrs:
    """Its extended attributes, in the order of the records; where a name has both kinds, the SCHILY one.

    Raises FormatError (`pax.xattr`) for a name that is empty or has a NUL, and for a value that is no base64.
    """
    found: dict[bytes, bytes] = {}
    for key, value in member.pax.items():
        if key.startswith(SCHILY):
            found[_name(key[len(SCHILY) :], member)] = value
        elif key.startswith(LIBARCHIVE):
            name = _name(unquote_to_bytes(key[len(LIBARCHIVE) :]), member)
            if SCHILY + name in member.pax:
                continue
            try:
                found[name] = base64.b64decode(value + b"=" * (-len(value) % 4), validate=True)
            except binascii.Error as error:
                raise _damaged(member, f"{ascii(name)[1:]}: {error}") from None
    return tuple(found.items())


def _name(name: bytes, member: Member) -> bytes:
    if not name or b"\0" in name:
        raise _damaged(member, f"{ascii(name)[1:]} is no name of an attribute")
    return name


def _damaged(member: Member, detail: str) -> FormatError:
    return FormatError("pax.xattr", member.offset, detail, "xattr", member.path)
