"""Section 5, sparse files in all of GNU's forms, and what only GNU and star know."""

from __future__ import annotations

from ...archive.recipe import BLOCK, Member, Number, Pax, Record, Slot, SparseBlock
from ..draft import Draft, body
from . import WHERE, feature


def _sparse(size: int) -> tuple[bytes, bytes]:
    """Map and data of a file of `size` bytes that has 5 bytes at its beginning and 5 at its end."""
    data = b"start" + b"end.\n"
    return b"2\n0\n5\n%d\n5\n" % (size - 5), data


@feature(
    "5 sparse pax",
    5,
    version=("1.0", "0.1", "0.0"),
    form=(
        "right",
        "pax-size",
        "short-map",
        "bad-digits",
        "beyond",
        "no-name",
        "no-newline",
        "long-map",
        "overlap",
        "unordered",
        "negative",
        "zero-length",
        "larger",
        "no-map",
        "huge-count",
        "minor-9",
        "many",
    ),
    where=WHERE,
)
def sparse__pax(draft: Draft, version: str, form: str, where: int) -> None:
    """A sparse file in one of GNU's three pax forms, right or with a broken map."""
    size = 4096
    table, data = _sparse(size)
    real = b"%d" % ({"beyond": size // 2, "larger": size * 4}.get(form, size))
    table = {
        "short-map": table[:4],
        "bad-digits": b"2\nx\n5\n9\n5\n",
        "no-newline": table[:-1],
        "long-map": b"9\n" + table[2:],
        "overlap": b"2\n0\n5\n3\n5\n",
        "unordered": b"2\n%d\n5\n0\n5\n" % (size - 5),
        "negative": b"2\n-5\n5\n9\n5\n",
        "zero-length": b"3\n0\n5\n7\n0\n%d\n5\n" % (size - 5),
        "no-map": b"",
        "huge-count": b"99999999999999999999\n" + table[2:],
    }.get(form, table)
    if form == "many":
        slots = 300_000 if version == "1.0" else 2000  # more map than the MiB that Go takes (CVE-2025-58183)
        table = b"%d\n" % slots + b"0\n0\n" * slots
    numbers = table.split(b"\n")[1:-1]
    name = () if form == "no-name" else (Record(b"GNU.sparse.name", b"sparse.bin"),)
    if version == "1.0":
        stored = table.ljust(-(-len(table) // BLOCK) * BLOCK or BLOCK, b"\0") + data
        records = (
            Record(b"GNU.sparse.major", b"1"),
            Record(b"GNU.sparse.minor", b"9" if form == "minor-9" else b"0"),
            *name,
            Record(b"GNU.sparse.realsize", real),
        )
    elif version == "0.1":
        stored = data
        records = (
            Record(b"GNU.sparse.size", real),
            Record(b"GNU.sparse.numblocks", b"2"),
            *name,
            Record(b"GNU.sparse.map", b",".join(numbers)),
        )
    else:
        stored = data
        pairs = [
            Record(b"GNU.sparse.offset" if number % 2 == 0 else b"GNU.sparse.numbytes", value)
            for number, value in enumerate(numbers)
        ]
        records = (Record(b"GNU.sparse.size", real), Record(b"GNU.sparse.numblocks", b"2"), *pairs)
    if form == "pax-size":
        records = (*records, Record(b"size", b"%d" % len(stored)))
    draft.before(
        draft.place(where),
        Pax(records=records),
        Member(name=b"GNUSparseFile.0/sparse.bin", data=stored),
        Member(name=b"after.txt", data=b"after\n"),
    )


@feature(
    "5 sparse old",
    5,
    form=(
        "right",
        "extended",
        "overlap",
        "unordered",
        "beyond",
        "partial-slot",
        "negative",
        "empty",
        "no-end",
        "zero-length",
        "larger",
        "smaller",
        "one-slot",
        "four-slots",
        "no-length",
        "many",
        "huge",
        "size-0",
    ),
    typeflag=(None, b"0", b"7"),
    stored=("both", "first"),
)
def sparse__old(draft: Draft, form: str, typeflag: bytes | None, stored: str) -> None:
    """A sparse file in old GNU form: slots in the header, extension blocks, right or broken.

    `stored`: whether the body and the real size are those of the whole map, or of its first slot alone: whoever
    takes the second one for the end then sees nothing wrong.
    """
    slots = {
        "overlap": (Slot(0, 5), Slot(3, 5)),
        "unordered": (Slot(4091, 5), Slot(0, 5)),
        "beyond": (Slot(0, 5), Slot(9000, 5)),
        "partial-slot": (Slot(0, 5), Slot(b"", b"1")),
        "negative": (Slot(0, 5), Slot(-512, 5)),
        "empty": (),
        "zero-length": (Slot(0, 5), Slot(7, 0), Slot(4091, 5)),
        "one-slot": (Slot(0, 10),),
        "four-slots": (Slot(0, 1), Slot(1, 1), Slot(2, 3), Slot(4091, 5)),
        "no-length": (Slot(0, 5), Slot(4091, b"")),
        "huge": (Slot(0, 5), Slot(2**62, 2**62)),
    }.get(form, (Slot(0, 5), Slot(4091, 5)))
    extensions: tuple[SparseBlock, ...] = ()
    if form == "extended":
        slots, extensions = (Slot(0, 1), Slot(1, 1), Slot(2, 1), Slot(3, 2)), (SparseBlock((Slot(4091, 5),)),)
    elif form == "many":
        extensions = tuple(SparseBlock(tuple(Slot(6 + 2 * n, 0) for n in range(21))) for _ in range(3))
    real: dict[str, Number] = {"larger": 1 << 20, "smaller": 7}
    member = Member(
        kind="sparse",
        typeflag=typeflag,
        size=0 if form == "size-0" else None,
        format="gnu",
        name=b"old-sparse",
        data=b"startend.\n"[: 0 if form == "empty" else 5 if stored == "first" else 10],
        sparse=slots,
        extensions=extensions,
        isextended=1 if form == "no-end" else None,
        realsize=real.get(form, 5 if stored == "first" else 4096),
    )
    draft.parts += [member, Member(name=b"after.txt", data=b"after\n")]


SLOT_FIELDS = (None, b"", b" ", b"1", b"9x", -1, 2**63 - 1)
"""What an offset or a length of a slot can be: as it should (None), text, or a number by itself."""


@feature(
    "5 sparse old",
    5,
    offset=SLOT_FIELDS,
    length=SLOT_FIELDS,
    at=("first", "second", "fourth", "extension"),
    counted=(True, False),
)
def sparse__slot(draft: Draft, offset: Number, length: Number, at: str, counted: bool) -> None:
    """A sparse map with a slot whose offset or length is empty, odd, or out of range, and right ones around it.

    `counted`: whether body and real size are as if it were right, or end before it: whoever takes it for the end of
    the map then sees nothing wrong.
    """
    # All but the last one whole blocks, as GNU tar writes them and some readers demand.
    right = [*((2 * BLOCK * number, BLOCK) for number in range(4)), (8 * BLOCK, 5)]
    place = {"first": 0, "second": 1, "fourth": 3, "extension": 4}[at]
    # Where all four slots of a header are taken, an extension goes on; otherwise the map ends with that slot.
    used = right if place > 2 else right[: place + 1]
    stored = used if counted else right[:place]
    slots = [Slot(*pair) for pair in used]
    slots[place] = Slot(
        slots[place].offset if offset is None else offset, slots[place].length if length is None else length
    )
    member = Member(
        kind="sparse",
        format="gnu",
        name=b"slots",
        data=body(sum(size for _, size in stored), 1),
        sparse=tuple(slots[:4]),
        extensions=(SparseBlock(tuple(slots[4:])),) if len(slots) > 4 else (),
        realsize=sum(stored[-1]) if stored else 0,
    )
    draft.parts += [member, Member(name=b"after.txt", data=b"after\n")]


@feature("5 GNU specials", 3, typeflag=(b"V", b"M", b"N", b"D"), size=(None, 0, -512, 5), where=WHERE)
def gnu__special(draft: Draft, typeflag: bytes, size: int | None, where: int) -> None:
    """A volume label, continuation, old long-names file or dump directory, also with a negative size."""
    data = b"Yfile\0Nother\0\0" if typeflag == b"D" else b"" if size is not None and size <= 0 else b"body\n"
    draft.before(
        draft.place(where),
        Member(kind="file", format="gnu", typeflag=typeflag, name=b"special", size=size, data=data),
    )


@feature("5 sparse old", 1, blocks=(2, 22, 300, 3000), slots=(1, 0, 21))
def sparse__blocks(draft: Draft, blocks: int, slots: int) -> None:
    """A sparse map of very many extension blocks (CVE-2026-32288)."""
    extensions = tuple(
        SparseBlock(tuple(Slot(512 * (21 * block + slot), 0) for slot in range(slots))) for block in range(blocks)
    )
    draft.parts += [
        Member(
            kind="sparse", format="gnu", name=b"map", sparse=(Slot(0, 0),), extensions=extensions, realsize=4096
        ),
        Member(name=b"after.txt", data=b"after\n"),
    ]


@feature("5 multi-volume", 3, part=("first", "last", "only"), offset=(0, 5, 512, 2**33, -1), where=WHERE)
def gnu__volume(draft: Draft, part: str, offset: int, where: int) -> None:
    """The first or last archive of several volumes: a file that ends too early, or goes on from before."""
    if part == "first":
        draft.parts.append(
            Member(format="gnu", name=b"volumes", size=4096, realsize=8192, data=b"begin", padding=b"")
        )
        draft.end = 0
        return
    rest = Member(format="gnu", typeflag=b"M", name=b"volumes", offset=offset, realsize=8192, data=b"the rest\n")
    draft.before(
        0 if part == "last" else draft.place(where), Member(format="gnu", typeflag=b"V", name=b"Volume 2"), rest
    )
