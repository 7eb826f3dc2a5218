"""Section 1, the fields of one header block: numbers, checksum, magic, padding."""

from __future__ import annotations

from ...archive.encode import encode_bytes
from ...archive.recipe import BLOCK, HeaderPart, Member, Recipe
from ...archive.wire import sums
from ..draft import Draft
from . import WHERE, feature

NUMBER_FIELDS = ("mtime", "mode", "uid", "gid", "size", "devmajor", "devminor")

NUMBER_FORMS = (
    "space-end",  # V7 tar ended numbers with a space
    "space-nul",  # 4.3BSD: a space and a NUL
    "no-end",  # POSIX: "one or more spaces or NULs"; GNU fills the field when it must
    "leading-spaces",
    "empty",
    "spaces",
    "digit-8",  # strtol(base 8) stops there, other parsers refuse
    "digit-9",
    "zero",
    "largest-octal",  # every digit a 7
    "plus",
    "minus",
    "junk-behind-nul",
    "hex",
    "base256",
    "base256-negative",
    "base256-wide",  # beyond 63 bits
    "base64",  # old GNU: a sign and digits of base 64
)
"""How a number can be written other than zero-padded octal and NUL (GNU tar, from_header; POSIX ustar)."""


def number_bytes(form: str, value: int, width: int) -> bytes:
    """`value` in one of NUMBER_FORMS, in a field of `width` bytes."""
    digits = b"%o" % value
    negative = (256**width - 1 - value).to_bytes(width, "big")
    forms: dict[str, bytes] = {
        "space-end": digits.rjust(width - 1, b"0") + b" ",
        "space-nul": digits.rjust(width - 2, b"0")[-(width - 2) :] + b" \0",
        "no-end": digits.rjust(width, b"0"),
        "leading-spaces": digits.rjust(width - 1) + b"\0",
        "empty": b"",
        "spaces": b" " * width,
        "digit-8": b"8".rjust(width - 1, b"0"),
        "digit-9": b"19".rjust(width - 1, b"0"),
        "zero": b"0" * (width - 1),
        "largest-octal": b"7" * (width - 1),
        "plus": (b"+" + digits)[: width - 1],
        "minus": (b"-" + digits)[: width - 1],
        "junk-behind-nul": (digits + b"\0" + b"7" * width)[:width],
        "hex": (b"0x" + digits)[: width - 1],
        "base256": b"\x80" + value.to_bytes(width - 1, "big"),
        "base256-negative": negative,
        "base256-wide": b"\x80" + b"\x01" + bytes(width - 3) + b"\x05",
        "base64": (b"+" + b"A" * (width - 2) + b"F")[:width],
    }
    return forms[form]


@feature("1 numbers", 8, field=NUMBER_FIELDS, form=NUMBER_FORMS, where=WHERE)
def header__number(draft: Draft, field: str, form: str, where: int) -> None:
    """A number written in another form."""
    place = draft.place(where)
    member = draft.member(place)
    width = 12 if field in ("size", "mtime") else 8
    value = {"size": len(member.data), "mtime": 1_000_000_001, "mode": 0o640}.get(field, 1)
    raw = number_bytes(form, value, width)
    if field == "size" and form == "junk-behind-nul":
        raw = raw[: len(b"%o" % value)] + b"\0" + b"7"
    draft.change(place, **{field: raw})


EXTREMES = (
    ("mtime", 0),
    ("mtime", -1),
    ("mtime", -(2**31) - 1),  # before 1901, where 32-bit time_t ends
    ("mtime", 2**31),
    ("mtime", 8**11 - 1),  # largest in 11 octal digits: year 2242
    ("mtime", 8**11),
    ("mtime", 2**62),
    ("uid", 8**7 - 1),
    ("uid", 8**7),
    ("uid", 2**31),
    ("uid", 2**32),
    ("gid", 2**32 - 1),  # (gid_t)-1: "do not change" for chown
    ("mode", 0),
    ("mode", 0o200),
    ("mode", 0o7777),
    ("mode", 0o4755),
    ("mode", 0o2755),
    ("mode", 0o1777),
    ("mode", 0o100644),
    ("mode", 0o177777),
    ("mode", -1),
)
"""Values at the edge of what a field, a C type or a calendar holds."""


@feature("1 mode, mtime, owner", 6, extreme=EXTREMES, where=WHERE)
def header__extreme(draft: Draft, extreme: tuple[str, int], where: int) -> None:
    """A value at the edge of what its field holds."""
    field, value = extreme
    draft.change(draft.place(where), **{field: value})


CHECKSUMS = ("seven-digits", "spaces", "no-end", "signed", "off-by-one", "empty", "base256", "field-as-zeros")


def checksum_bytes(form: str, part: HeaderPart) -> bytes:
    """The checksum field of a part in one of CHECKSUMS."""
    unsigned, signed = sums(encode_bytes(Recipe((part,)))[:BLOCK])
    return {
        "seven-digits": b"%07o" % unsigned,
        "spaces": (b"%o" % unsigned).rjust(6) + b"\0 ",
        "no-end": b"%08o" % unsigned,
        "signed": b"%06o\0 " % (signed & 0o777777),
        "off-by-one": b"%06o\0 " % (unsigned + 1),
        "empty": b"",
        "base256": b"\x80" + unsigned.to_bytes(7, "big"),
        "field-as-zeros": b"%06o\0 " % (unsigned - 8 * 32),
    }[form]


@feature("1 checksum", 3, form=CHECKSUMS, where=WHERE)
def header__checksum(draft: Draft, form: str, where: int) -> None:
    """A checksum in another form, of another sum, or wrong."""
    place = draft.place(where)
    if form == "signed":
        draft.change(place, gname=b"\xe9\xff")  # without a high byte both sums are the same
    draft.change(place, chksum=checksum_bytes(form, draft.member(place)))


MAGICS = (
    (b"ustar\0", b""),  # NUL version: astral-tokio-tar read it as v7
    (b"ustar\0", b"  "),
    (b"ustar\0", b"99"),
    (b"ustar ", b"00"),
    (b"ustar ", b" \0"),
    (b"", b""),
    (b"uSTAR\0", b"00"),
    (b"ustar\0", b"0"),
    (b"xstar\0", b"00"),
)
"""Magic and version, none of them the usual pair for a ustar layout."""


@feature("1 magic", 7, magic=MAGICS, prefix=(False, True), where=WHERE)
def header__magic(draft: Draft, magic: tuple[bytes, bytes], prefix: bool, where: int) -> None:
    """Another magic or version, with or without a prefix that it makes valid or not."""
    place = draft.place(where)
    draft.change(place, format="ustar", magic=magic[0], version=magic[1])
    if prefix:
        draft.change(place, prefix=b"pfx")


@feature("1 magic", 4, layout=("gnu", "v7", "star"), where=WHERE)
def header__format(draft: Draft, layout: str, where: int) -> None:
    """One member in another format than the rest."""
    draft.change(draft.place(where), format=layout, prefix=None)


PADDED = ("name", "linkname", "uname", "gname", "prefix", "reserved")


@feature("1 padding", 3, field=PADDED, where=WHERE)
def header__padding(draft: Draft, field: str, where: int) -> None:
    """Bytes behind the NUL of a text field, or in the reserved ones."""
    place = draft.place(where)
    member: Member = draft.member(place)
    if field == "reserved":
        draft.change(place, reserved=b"reserved!")
        return
    value = getattr(member, field) or b""
    room = 100 if field in ("name", "linkname") else 32
    draft.change(place, **{field: value[: room - 8] + b"\0behind"})


@feature("1 padding", 2, where=WHERE, field=("atime", "ctime", "offset", "realsize", "longnames"))
def header__gnu_area(draft: Draft, where: int, field: str) -> None:
    """A GNU header with its own fields filled, where others have the prefix."""
    place = draft.place(where)
    value: object = b"abcd" if field == "longnames" else 1_000_000_002
    draft.change(place, format="gnu", prefix=None, **{field: value})


@feature("1 padding", 3, layout=("ustar", "v7"), lead=(0, 1, 130), where=WHERE)
def header__times_in_prefix(draft: Draft, layout: str, lead: int, where: int) -> None:
    """A ustar or v7 header with times where GNU and star have them: a prefix for who looks only at the magic."""
    area = bytes(lead) + b"07346545001\0" + b"07346545002\0"
    draft.change(draft.place(where), format=layout, prefix=area)


@feature("1 owner", 2, form=("unknown", "full", "latin-1", "empty", "root"), where=WHERE)
def header__owner_name(draft: Draft, form: str, where: int) -> None:
    """Owner names that are unknown, fill their field, are not ASCII, or contradict the number."""
    value = {"unknown": b"nosuchuser", "full": b"u" * 32, "latin-1": b"m\xfcller", "empty": b"", "root": b"root"}[
        form
    ]
    draft.change(draft.place(where), uname=value, gname=value, uid=1000, gid=1000)
