"""Section 2, names: directories without a slash, long names by every carrier, what a name can be made of."""

from __future__ import annotations

from ...archive.case import CANARY, HOLDER, SECRET, SIBLING
from ...archive.recipe import Long, Member, MemberKind, Part, Pax, Record
from ..draft import CARRIERS, Draft, ordinary
from . import WHERE, feature

LENGTHS = (98, 99, 100, 101, 154, 155, 156, 255, 256, 257, 1023, 1024, 4095, 4096)
"""Bytes of a whole path: around the name field (100), prefix and both (155, 256), NAME_MAX and PATH_MAX."""


def path(length: int, component: int = 40) -> bytes:
    """A path of exactly `length` bytes, of components of at most `component` bytes."""
    text = b"/".join([b"n" * component] * (length // component + 1))[:length]
    return text[:-1] + b"n" if text.endswith(b"/") else text


@feature(
    "2 directories", 10, form=("short", "exact", "cut", "prefix", "pax", "gnu", "pax-file", "gnu-file"), where=WHERE
)
def dir__no_slash(draft: Draft, form: str, where: int) -> None:
    """A directory entry that lacks its trailing slash, in every way that can come about."""
    place = draft.place(where, "dir")
    if form == "short":
        draft.change(place, name=b"d")
    elif form == "exact":
        draft.change(place, name=path(100))
    elif form == "cut":
        draft.change(place, name=(path(100) + b"/")[:100])
        draft.before(
            place + 1, Pax(records=(Record(b"path", path(100) + b"/below"),)), ordinary("file", b"below", 5)
        )
    elif form == "prefix":
        draft.change(place, name=b"d", prefix=b"pkg/sub")
    elif form in ("pax", "gnu"):
        draft.carry(place, path(120), form)
    else:
        # The header's name ends in a slash, the long one does not: a directory for who looks at the header.
        draft.change(place, kind="file", typeflag=b"" if form == "gnu-file" else None, data=b"")
        draft.carry(place, path(120), form.partition("-")[0])
        draft.change(place + 1, name=path(99) + b"/")


@feature(
    "2 directories",
    5,
    typeflag=(b"0", b"", b"5", b"7"),
    carrier=CARRIERS,
    slash=("header", "long", "both"),
    where=WHERE,
)
def dir__slash_decides(draft: Draft, typeflag: bytes, carrier: str, slash: str, where: int) -> None:
    """A slash at the end of the header's name, of the long name, or both, whatever the typeflag says."""
    place = draft.place(where)
    long = path(120) if carrier != "name" else b"short"
    draft.change(place, kind="file", typeflag=typeflag, data=b"", linkname=None)
    draft.carry(place, long + (b"/" if slash != "header" else b""), carrier)
    place = draft.place(where) if carrier in ("name", "prefix") else place + 1
    if carrier in ("pax", "gnu"):
        draft.change(place, name=path(99) + (b"/" if slash != "long" else b""))
    elif slash != "long":
        draft.change(place, name=(draft.member(place).name or b"")[:99].rstrip(b"/") + b"/")


@feature("2 lengths", 10, length=LENGTHS, carrier=CARRIERS, component=(40, 98, 255), where=WHERE)
def name__length(draft: Draft, length: int, carrier: str, component: int, where: int) -> None:
    """A name of a boundary length, by one carrier."""
    draft.carry(draft.place(where), path(length, component), carrier)


@feature("2 lengths", 2, length=(255, 256, 300), carrier=CARRIERS, where=WHERE)
def name__component(draft: Draft, length: int, carrier: str, where: int) -> None:
    """One component as long as NAME_MAX, or longer."""
    draft.carry(draft.place(where), b"c" * length, carrier)


@feature("2 lengths", 1, depth=(17, 65, 129, 257, 513, 1030), carrier=("pax", "gnu"), where=WHERE)
def name__depth(draft: Draft, depth: int, carrier: str, where: int) -> None:
    """A path of very many components (CVE-2024-28863): beyond 1,000 calls deep, and 1,024, where node-tar stops.

    Who opens each directory anew by its whole path takes time by the square of the depth: two thousand components
    took four fifths of a campaign's time.
    """
    draft.carry(draft.place(where), b"/".join([b"d"] * depth), carrier)


@feature("2 lengths", 1, length=(16_384, 65_536), carrier=("pax", "gnu"), where=WHERE)
def name__huge(draft: Draft, length: int, carrier: str, where: int) -> None:
    """A path far beyond PATH_MAX."""
    draft.carry(draft.place(where), path(length), carrier)


ORDERS = ("pax-gnu", "gnu-pax", "pax-pax", "gnu-gnu", "pax-prefix", "gnu-prefix")


@feature("2 carriers", 8, order=ORDERS, agree=(True, False), where=WHERE)
def name__two_carriers(draft: Draft, order: str, agree: bool, where: int) -> None:
    """Two carriers of one name that agree or disagree."""
    place = draft.place(where)
    first, second = order.split("-")
    name = path(110)
    other = name if agree else b"other/" + path(108)
    draft.change(place, name=name[:100])
    if second == "prefix":
        draft.change(place, format="ustar", prefix=b"pfx/sub")
    parts: list[Part] = []
    for carrier, value in ((first, name), (second, other)):
        if carrier == "pax":
            parts.append(Pax(records=(Record(b"path", value),)))
        elif carrier == "gnu":
            parts.append(Long(text=value))
    draft.before(place, *parts)


@feature(
    "2 carriers", 5, carrier=("pax", "gnu"), kind=("dangling", "before-zero-block", "before-global", "link-on-file")
)
def name__lost_carrier(draft: Draft, carrier: str, kind: str) -> None:
    """A carrier of a name with no member behind it, or for the wrong one."""
    part = Pax(records=(Record(b"path", b"lost"),)) if carrier == "pax" else Long(text=b"lost")
    if kind == "dangling":
        draft.parts.append(part)
    elif kind == "before-zero-block":
        draft.parts.append(part)
        draft.tail = bytes(512)
    elif kind == "before-global":
        draft.before(0, part, Pax(kind="pax-global", records=(Record(b"comment", b"between"),)))
    else:
        link = Pax(records=(Record(b"linkpath", b"a"),)) if carrier == "pax" else Long(kind="long-link", text=b"a")
        draft.before(draft.place(0, "file"), link)


GNU_BODIES = (
    (b"gnu-" + b"n" * 507, b"\0"),  # text and NUL fill a block
    (b"gnu-" + b"n" * 508, b""),  # the text alone does
    (b"gnu-" + b"n" * 508, b"\0"),  # one byte into the next block
    (b"gnu-name", b""),  # not terminated
    (b"gnu-name", b"\0\0\0"),
    (b"gnu-name", b"\0hidden/../x\0"),
    (b"gnu/\0name", b"\0"),
    (b"", b"\0"),
)
"""Bodies of an L header: text, and what stands behind it."""


@feature("2 GNU", 5, text=GNU_BODIES, size=(None, "smaller", "larger"), where=WHERE)
def gnu__body(draft: Draft, text: tuple[bytes, bytes], size: str | None, where: int) -> None:
    """A GNU long name that is not terminated, has more behind its NUL, or a size that is not its own."""
    place = draft.place(where)
    total = len(text[0]) + len(text[1])
    number = {None: None, "smaller": max(total - 4, 0), "larger": total + 9}[size]
    padding = b"-more".ljust(-total % 512, b"\0") if size == "larger" and -total % 512 >= 9 else None
    draft.before(place, Long(text=text[0], end=None if text[1] == b"\0" else text[1], size=number, padding=padding))
    draft.change(place, format="gnu", prefix=None)


PREFIXES = (
    (b"pfx", b"name"),
    (b"pfx/", b"name"),
    (b"pfx", b"/name"),
    (b"", b"/name"),
    (b"/", b"name"),
    (b"/pfx", b"name"),
    (b"..", b"name"),
    (b"pfx", b".."),
    (b"pfx", b""),
    (b"pfx/sub", b"name/"),
    (b"p" * 155, b"name"),
    (b"p" * 131, b"n" * 100),
    (b"./pfx/.", b"./name"),
)
"""Prefix and name, the slash between them wherever it can be (POSIX ustar: one slash joins them)."""


@feature("2 carriers", 5, split=PREFIXES, layout=("ustar", "star", "gnu-magic", "v7"), where=WHERE)
def name__prefix(draft: Draft, split: tuple[bytes, bytes], layout: str, where: int) -> None:
    """A prefix: empty, with slashes, full, in star's shorter field, under GNU's magic, without any."""
    place = draft.place(where)
    prefix, name = split
    if layout == "gnu-magic":
        draft.change(place, format="ustar", magic=b"ustar ", version=b" ", name=name, prefix=prefix)
    else:
        draft.change(place, name=name, prefix=None)
        draft.change(place, format=layout)
        draft.change(place, prefix=prefix[: 131 if layout == "star" else 155])


@feature(
    "2 carriers",
    5,
    kind=("symlink", "hardlink"),
    carrier=("pax", "gnu", "pax-gnu", "gnu-pax"),
    length=(1, 100, 101, 255, 1024, 4095, 4096),
    agree=(True, False),
    where=WHERE,
)
def name__link_carrier(draft: Draft, kind: str, carrier: str, length: int, agree: bool, where: int) -> None:
    """A link name of a boundary length by pax, by GNU or by both, like the header's or not."""
    place = draft.place(where)
    target = b"a" if length == 1 else path(length)
    draft.change(place, kind=kind, typeflag=None, data=b"", linkname=target[:100] if agree else b"other")
    parts: list[Part] = []
    for number, one in enumerate(carrier.split("-")):
        text = target if agree or not number else b"a"
        record = Record(b"linkpath", text)
        parts.append(Pax(records=(record,)) if one == "pax" else Long(kind="long-link", text=text))
    draft.before(place, *parts)


CONTENTS = (
    b"./a", b"a/./b", b"a//b", b"a/", b"a//", b"a/.", b"a/..", b"a/../b", b".", b"./", b"..", b"/", b"//", b"",
    b"/abs", b"//abs/b", b"../up", b"dir/../../up", b"../" + CANARY + b"/new", b"../" + CANARY + b"/" + SECRET,
    b"../" + SIBLING + b"/new", HOLDER + b"/" + CANARY + b"/new",
    b"a\\b", b"..\\up", b"C:", b"c:..", b"c:../" + CANARY + b"/new", b"C:/x", b"\\\\?\\x", b"a:b",
    b"new\nline", b"esc\x1b[2J", b"del\x7f", b"tab\t", b"cr\r", b"dot.", b"space ", b" lead", b"CON", b"aux.txt",
    b"*?[x]", b"-rf", b"--help", b"@x", b"~", b"12345", b"0",
    "\u00e9".encode(), b"\xe9", "e\u0301".encode(), b"\xc0\xaf", b"\xed\xa0\x80", b"\xff\xfe", "\u00df".encode(),
    "\ufb01".encode(), "\u202egpj.exe".encode(), b"A", b".wh.a", b"._a", b"PaxHeaders/a", b".tar",
    b"NUL.txt", b"a/...", b"...", b"dir/ /f", b"\x01\x02", b"a\x1fb", b"%2e%2e/up", b"..%00", b"a;b", b"$HOME",
    b"`x`", b"\xef\xbb\xbfbom", b"\xf4\x90\x80\x80", b"dest", b"dest-evil", b"-", b"//?/c:/x", b"a/b/",
    b"//" + HOLDER[1:] + b"/" + CANARY + b"/new", b"/" * 40 + b"abs", b"file:///x", b"phar://x",
    b"./../dest/a", HOLDER + b"/dest/a", b"x" * 99 + b"/",
)  # fmt: skip
"""Names as they come from other systems, from attackers, and from encodings."""


@feature("2 content", 14, content=CONTENTS, carrier=CARRIERS, where=WHERE)
def name__content(draft: Draft, content: bytes, carrier: str, where: int) -> None:
    """A name made of something else than ordinary components."""
    draft.carry(draft.place(where), content, carrier)


@feature(
    "2 content",
    5,
    content=tuple(one for one in CONTENTS if one.strip(b"/")),
    kinds=("dir-file", "symlink-file", "file-hardlink", "dir-symlink"),
)
def name__content_related(draft: Draft, content: bytes, kinds: str) -> None:
    """An odd name for a parent and for what is below it, for a link, and for a link's target."""
    first, second = kinds.split("-")
    if first == "symlink":
        draft.parts.append(Member(kind="symlink", name=content, linkname=b"../" + CANARY))
    else:
        draft.parts.append(ordinary("dir" if first == "dir" else "file", content[:99], 5))
    if second == "hardlink":
        draft.parts.append(Member(kind="hardlink", name=b"hard", linkname=content))
    elif second == "symlink":
        draft.parts.append(Member(kind="symlink", name=b"soft", linkname=content))
        draft.parts.append(Member(name=b"soft/below", data=b"below\n"))
    else:
        draft.parts.append(Member(name=content.rstrip(b"/")[:90] + b"/below", data=b"below\n"))


WAYS = (
    b"../", b"./../", b"dir/../../", b"a/b/../../../", b".//..//", b"../dest/../", b"/../", HOLDER + b"/",
    b"/" + HOLDER + b"/", b"//" + HOLDER + b"/", b"/." + HOLDER + b"/", b"/dest/.." + HOLDER + b"/", b"c:../",
    b"c:/../", b"c:" + HOLDER + b"/", b"/c:" + HOLDER + b"/", b"..\\", b"dir\\..\\..\\", b"dir/..\\../", b"\\",
)  # fmt: skip
"""Ways from the destination to the directory that holds it, as whoever cleans names misses one or the other."""

AIMS = (CANARY + b"/new", CANARY + b"/" + SECRET, SIBLING + b"/new", SIBLING + b"/" + SECRET, b"new")
"""Where they lead then: a new file, one that is there, both in a neighbour that begins like the destination."""

USES = ("file", "dir", "symlink-below", "hardlink-over", "symlink-over")
"""A name that leads out, or a link that does and what is written through it."""


@feature("2 content", 8, way=WAYS, aim=AIMS, use=USES, carrier=("name", "pax", "gnu"), inside=(b"", b"dir/"))
def name__out(draft: Draft, way: bytes, aim: bytes, use: str, carrier: str, inside: bytes) -> None:
    """A name or a link that leads out of the destination, and what is written there."""
    out = way + aim
    if use in ("file", "dir"):
        draft.parts.append(ordinary("dir" if use == "dir" else "file", b"in", 5))
        draft.carry(len(draft.parts) - 1, out, carrier)
        return
    link = inside + b"way-out"
    kind: MemberKind = "hardlink" if use == "hardlink-over" else "symlink"
    below = use == "symlink-below"
    target = out.rpartition(b"/")[0] if below else out
    if carrier == "pax":
        draft.parts.append(Pax(records=(Record(b"linkpath", target),)))
    elif carrier == "gnu":
        draft.parts.append(Long(kind="long-link", text=target))
    draft.parts += [
        Member(kind=kind, name=link, linkname=target[:100]),
        Member(name=link + b"/below" if below else link, data=b"written through\n"),
    ]


ROOTS = (b".", b"./", b"", b"/", b"dir/..", b"./.")


@feature("2 content", 3, name=ROOTS, kind=("dir", "file", "symlink"), mode=(0o700, 0o555, 0))
def name__root(draft: Draft, name: bytes, kind: str, mode: int) -> None:
    """An entry for the destination itself, with a mode of its own."""
    link = b"dir" if kind == "symlink" else None
    draft.parts.insert(0, Member(kind=kind, name=name, mode=mode, linkname=link))  # type: ignore[arg-type]  # a MemberKind


@feature("2 content", 3, carrier=("pax", "name", "gnu"), where=WHERE)
def name__nul(draft: Draft, carrier: str, where: int) -> None:
    """A NUL inside a name (CVE-2026-59875)."""
    draft.carry(draft.place(where), b"nul\0hidden", carrier)
