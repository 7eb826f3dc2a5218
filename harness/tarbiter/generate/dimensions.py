"""The list of everything about an archive that can vary, and which features reach each line of it.

A dimension is one line of the list: what it is, and its reaches. A reach is a feature, perhaps with some values of
its parameters only. `count` says how often each came up in cases that were made; a test and the benchmark hold that
every one does. What no generator reaches stands in `OUTSIDE`, with the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import msgspec

from .features import FEATURES
from .recipes import Applied


class Reach(msgspec.Struct, frozen=True):
    """A feature, and the values of its parameters that count; a parameter that is not named may be anything."""

    feature: str
    values: tuple[tuple[str, tuple[Any, ...]], ...] = ()

    @classmethod
    def of(cls, feature: str, **values: tuple[Any, ...]) -> Reach:
        """A feature with these values. Raises KeyError and ValueError for what does not exist."""
        table = FEATURES[feature].parameters
        for key, wanted in values.items():
            missing = [value for value in wanted if value not in table[key]]
            if missing:
                raise ValueError(f"{feature} has no {key} {missing}")
        return cls(feature, tuple(values.items()))

    def matches(self, applied: Applied) -> bool:
        """Whether a feature that was applied is meant."""
        return applied.name == self.feature and all(applied.values[key] in wanted for key, wanted in self.values)

    def __str__(self) -> str:
        return " ".join([self.feature, *(f"{key}={'|'.join(map(str, wanted))}" for key, wanted in self.values)])


class Dimension(msgspec.Struct, frozen=True):
    """One line of the list."""

    section: int
    line: str
    reaches: tuple[Reach, ...]

    @property
    def name(self) -> str:
        """Section and line."""
        return f"{self.section} {self.line}"


R = Reach.of


def _numbers(*forms: str) -> Reach:
    return R("header.number", form=forms)


def _names(*contents: bytes) -> Reach:
    return R("name.content", content=contents)


_LINES: tuple[tuple[int, str, tuple[Reach, ...]], ...] = (
    (1, "magic and version: POSIX, GNU, v7, star", (R("header.format"), R("header.format", layout=("star",)))),
    (1, "magic and version: other version bytes, one byte off", (R("header.magic"),)),
    (1, "checksum: space-padded, seven digits, no terminator", (
        R("header.checksum", form=("spaces",)), R("header.checksum", form=("seven-digits",)),
        R("header.checksum", form=("no-end",)),
    )),
    (1, "checksum: signed, off by one, empty, base-256, field as zeros", (
        R("header.checksum", form=("signed",)), R("header.checksum", form=("off-by-one",)),
        R("header.checksum", form=("empty",)), R("header.checksum", form=("base256",)),
        R("header.checksum", form=("field-as-zeros",)),
    )),
    (1, "numbers: octal with NUL, space, both, none, leading spaces", (
        _numbers("space-end"), _numbers("space-nul"), _numbers("no-end"), _numbers("leading-spaces"),
    )),
    (1, "numbers: empty, all spaces, digits 8 and 9, a sign, junk behind a NUL", (
        _numbers("empty"), _numbers("spaces"), _numbers("digit-8"), _numbers("digit-9"), _numbers("plus", "minus"),
        _numbers("junk-behind-nul"), _numbers("hex"),
    )),
    (1, "numbers: base-256 positive, negative, wide, not minimal; base-64; zero, largest octal", (
        _numbers("base256"), _numbers("base256-negative"), _numbers("base256-wide"), _numbers("base64"),
        _numbers("zero"), _numbers("largest-octal"),
    )),
    (1, "mode: 0, special bits, file type bits, above 07777", (
        R("header.extreme", extreme=(("mode", 0),)), R("header.extreme", extreme=(("mode", 0o7777),)),
        R("header.extreme", extreme=(("mode", 0o4755), ("mode", 0o2755), ("mode", 0o1777))), R("type.mode-bits"),
    )),
    (1, "mode: directories that cannot be written, read or entered", (
        R("members.directory-mode", mode=(0o555,)), R("members.directory-mode", mode=(0o200, 0o444, 0o400)),
        R("members.directory-mode", mode=(0o000, 0o111)),
    )),
    (1, "mtime: 0, negative, before 1901, after 2038, after 2242", (
        R("header.extreme", extreme=(("mtime", 0),)), R("header.extreme", extreme=(("mtime", -1),)),
        R("header.extreme", extreme=(("mtime", -(2**31) - 1),)),
        R("header.extreme", extreme=(("mtime", 2**31), ("mtime", 8**11 - 1), ("mtime", 8**11))),
    )),
    (1, "mtime: pax with a fraction, many digits, exponent, nan, inf", (
        R("pax.record", record=((b"mtime", b"1000000000.5"), (b"mtime", b"1000000000.123456789012"))),
        R("pax.record", record=((b"mtime", b"1e9"), (b"mtime", b"1e10000000"))),
        R("pax.record", record=((b"mtime", b"nan"), (b"mtime", b"inf"))),
    )),
    (1, "owner: 0 and beyond 2^21, 2^31, 2^32", (
        R("header.extreme", extreme=(("uid", 8**7), ("uid", 2**31), ("uid", 2**32), ("gid", 2**32 - 1))),
    )),
    (1, "owner: names empty, unknown, without NUL, not ASCII, unlike the number", (R("header.owner-name"),)),
    (1, "typeflag: NUL, the usual, GNU's, star's and Solaris's, any byte", (
        R("type.nul"), R("type.unknown", typeflag=(b"D", b"M", b"N", b"V", b"S")),
        R("type.unknown", typeflag=(b"A", b"E", b"I", b"X")),
        R("type.unknown", typeflag=(b"\x01", b"\x7f", b"\x80", b"\xff")),
    )),
    (1, "typeflag against the rest: size and body on what has none", (
        R("type.size-without-body", kind=("dir",)), R("type.size-without-body", kind=("symlink", "hardlink")),
        R("type.size-without-body", kind=("char", "block", "fifo")), R("type.headers-as-body"),
    )),
    (1, "typeflag against the rest: link names, slashes, mode, devices", (
        R("type.link-name"), R("type.empty-link"), R("type.file-with-slash"), R("type.v7-directory"),
        R("type.mode-bits"),
        R("type.device"), R("type.rare"), R("dir.no-slash"),
    )),
    (1, "padding: behind a NUL, in reserved bytes, in the area of GNU and star", (
        R("header.padding", field=("name", "linkname", "prefix", "uname", "gname")),
        R("header.padding", field=("reserved",)),
        R("header.gnu-area"), R("header.times-in-prefix"),
    )),
    (2, "lengths: around every field, NAME_MAX and PATH_MAX, far beyond", (
        R("name.length", length=(99, 100, 101)), R("name.length", length=(154, 155, 156, 255, 256, 257)),
        R("name.length", length=(1023, 1024, 4095, 4096)), R("name.huge"), R("name.component"),
    )),
    (2, "lengths: depth", (R("name.depth"),)),
    (2, "carriers: name, prefix, pax, GNU", (
        R("name.length", carrier=("prefix",)), R("name.length", carrier=("pax",)),
        R("name.length", carrier=("gnu",)),
        R("name.prefix"),
    )),
    (2, "carriers: a prefix under GNU magic, v7 and star", (
        R("name.prefix", layout=("gnu-magic",)), R("name.prefix", layout=("v7",)),
        R("name.prefix", layout=("star",)),
    )),
    (2, "carriers: of link names", (
        R("name.link-carrier", carrier=("pax",)), R("name.link-carrier", carrier=("gnu",)),
    )),
    (2, "carriers: two that agree or not, for the wrong member, for none", (
        R("name.two-carriers", agree=(True,)), R("name.two-carriers", agree=(False,)), R("name.lost-carrier"),
        R("name.link-carrier", carrier=("pax-gnu", "gnu-pax")),
    )),
    (2, "carriers: GNU text without NUL, with several, with more behind, of another size", (
        R("gnu.body"), R("gnu.body", size=("smaller",)), R("gnu.body", size=("larger",)),
    )),
    (2, "directories without a slash: short, 100 bytes, cut, prefix, pax, GNU", (
        R("dir.no-slash", form=("short",)), R("dir.no-slash", form=("exact",)), R("dir.no-slash", form=("cut",)),
        R("dir.no-slash", form=("prefix",)), R("dir.no-slash", form=("pax",)), R("dir.no-slash", form=("gnu",)),
    )),
    (2, "directories without a slash: the header says another thing than the long name", (
        R("dir.slash-decides", slash=("header",)), R("dir.slash-decides", slash=("long",)),
        R("dir.no-slash", form=("pax-file", "gnu-file")),
    )),
    (2, "content: absolute, climbing, dots, slashes", (
        _names(b"/abs", b"//abs/b", b"/", b"//"), _names(b"../up", b"dir/../../up", b".."),
        _names(b"a/../b", b"a/./b", b"a//b"),
        _names(b".", b"./", b"a/.", b"a//"), R("name.root"), R("name.out", use=("file", "dir")),
        R("name.out", use=("symlink-below", "symlink-over")), R("name.out", use=("hardlink-over",)),
    )),
    (2, "content: backslash, drives, colon", (
        _names(b"a\\b", b"..\\up"), _names(b"C:", b"c:..", b"C:/x"), _names(b"\\\\?\\x", b"a:b"),
    )),
    (2, "content: NUL, control bytes, spaces, dots, device names, wildcards, options", (
        R("name.nul"), _names(b"new\nline", b"esc\x1b[2J", b"del\x7f", b"tab\t"), _names(b"dot.", b"space "),
        _names(b"CON", b"aux.txt", b"NUL.txt"), _names(b"*?[x]", b"-rf", b"--help", b"@x"),
    )),
    (2, "content: UTF-8, Latin-1, surrogates, overlong, composed and decomposed, ligatures, right-to-left", (
        _names(b"\xc3\xa9", b"e\xcc\x81"), _names(b"\xe9", b"\xff\xfe"), _names(b"\xed\xa0\x80", b"\xc0\xaf"),
        _names("\u00df".encode(), "\ufb01".encode()), _names("\u202egpj.exe".encode()),
    )),
    (2, "content: of a parent, a link and a link's target", (R("name.content-related"),)),
    (3, "the same name twice: files, directories, links, in each order", (
        R("members.twice", kinds=("file-file",)), R("members.twice", kinds=("file-dir", "dir-file")),
        R("members.twice", kinds=("dir-dir",)), R("members.twice", kinds=("symlink-file", "file-symlink")),
        R("members.twice", kinds=("symlink-dir", "dir-symlink")), R("members.twice", kinds=("hardlink-file",)),
        R("members.twice", kinds=("long-file",)),
    )),
    (3, "the same name twice: other spellings, other carriers", (
        R("members.twice", same=(False,), spelling=("slash",)),
        R("members.twice", same=(False,), spelling=("dot",)),
        R("members.twice", carrier=("pax", "gnu")), R("members.twice", then=("child",)),
    )),
    (3, "the same name twice: case pairs and normalisation pairs", (
        R("members.fold"), R("members.twice", same=(False,), spelling=("upper",)),
    )),
    (3, "parents: missing, late, a file, a link, a loop, a chain", (
        R("members.parent", parent=("missing",)), R("members.parent", parent=("after",)),
        R("members.parent", parent=("file", "fifo", "hardlink")), R("members.parent", parent=("symlink",)),
        R("members.parent", parent=("dangling",)), R("members.parent", parent=("loop",)),
        R("members.link-chain", kind=("directory",)),
    )),
    (3, "parents: not writable, replaced after a child", (
        R("members.parent", parent=("unwritable", "no-mode")), R("members.parent", parent=("replaced",)),
        R("members.parent-replaced"),
    )),
    (3, "symlinks: relative, absolute, empty, to the destination, to its sibling", (
        R("members.symlink", target=(b"a", b"dir/../a")), R("members.symlink", target=(b"/", b"/etc/hostname")),
        R("members.symlink", target=(b"",)), R("members.symlink", target=(b"../dest", b"../dest/a")),
        R("members.symlink", target=(b"../dest-evil", b"../dest-evil/secret.txt")),
    )),
    (3, "symlinks: very long, beyond PATH_MAX once resolved", (
        R("members.long-way"), R("members.symlink", target=(b"n/" * 2048,)),
    )),
    (3, "symlinks: through other links, inside by name and outside once resolved", (
        R("members.chain"), R("members.symlink", target=(b"x/../../a", b"link/link/../../canary")),
        R("members.link-chain", kind=("name",)), R("members.symlink", through=("late",)),
    )),
    (3, "hard links: to an earlier file, a later one, itself, a directory, a symlink, through one", (
        R("members.hardlink", target=(b"target",)), R("members.hardlink", target=(b"later",)),
        R("members.hardlink", target=(b"hard",)), R("members.hardlink", target=(b"dir",)),
        R("members.hardlink", target=(b"soft", b"softdir")), R("members.hardlink", target=(b"softdir/inner",)),
        R("members.hard-to-soft"),
    )),
    (3, "hard links: to something outside, to something placed, with body, with mode, chains, to a carried name", (
        R("members.hardlink", target=(b"../canary/secret.txt", b"../dest-evil/secret.txt")),
        R("members.hardlink", target=(b"already-there",)), R("members.hardlink", then=("body",)),
        R("members.hardlink", then=("mode",)), R("members.hardlink", then=("chain",)), R("members.link-to-carried"),
        R("members.link-chain", kind=("hard",)),
    )),
    (3, "delayed metadata of a path that became something else", (R("members.late-directory"),)),
    (3, "FIFOs and devices; whiteouts, AppleDouble, PaxHeaders", (
        R("type.rare"), R("type.device"), R("members.reserved-name"),
    )),
    (4, "keys: POSIX, GNU sparse, SCHILY, LIBARCHIVE, vendors, empty, with NUL, long", (
        R("pax.record", record=((b"atime", b"1"), (b"ctime", b"1"), (b"comment", b"x" * 600))),
        R("pax.record", record=((b"hdrcharset", b"BINARY"), (b"charset", b"ISO-IR 8859 1 1998"))),
        R("pax.record", record=((b"GNU.sparse.name", b"renamed"), (b"GNU.sparse.size", b"5"))),
        R("pax.record", record=((b"SCHILY.xattr.user.n", b"a\nb"), (b"SCHILY.dev", b"1"))),
        R("pax.record", record=((b"SCHILY.filetype", b"dir"), (b"SCHILY.ino", b"7"))),
        R("pax.record", record=((b"LIBARCHIVE.xattr.user.n", b"YQ=="), (b"VENDOR.key", b"v"))),
        R("pax.record", record=((b"", b"v"), (b"k" * 300, b"v"), (b"path\0x", b"v"))),
    )),
    (4, "length: 0, 1, off by one, past the block and the body", (
        R("pax.length", length=(b"0", b"1")), R("pax.length", length=(b"12", b"14")),
        R("pax.length", length=(b"99", b"520", b"4096")), R("pax.length", length=(b"99999999999999999999",)),
    )),
    (4, "length: leading zeros, sign, spaces, missing, no space, no newline", (
        R("pax.length", length=(b"013",)), R("pax.length", length=(b"+13", b"-13")),
        R("pax.length", length=(b" 13", b"")),
        R("pax.body"),
    )),
    (4, "length: newline or equals sign in a value, record at the edge of a block", (
        R("pax.record", record=((b"path", b"a\nb"), (b"path", b"a=b"))), R("pax.edge"),
    )),
    (4, "value: empty, NUL, not UTF-8, digits only, negative, plus, zeros, exponent, huge", (
        R("pax.record", record=((b"path", b""), (b"linkpath", b""))), R("pax.record", record=((b"path", b"a\0b"),)),
        R("pax.record", record=((b"path", b"\xff\xfe"),)),
        R("pax.record", record=((b"path", b"12345"), (b"linkpath", b"12345"))),
        R("pax.record", record=((b"uid", b"-1"), (b"gid", b"+5"), (b"gid", b"007"))),
        R("pax.record", record=((b"mtime", b"99999999999999999999"), (b"size", b"18446744073709551615"))),
    )),
    (4, "the same key twice, other case, path against GNU.sparse.name", (
        R("pax.twice"), R("pax.together"), R("pax.record", record=((b"PATH", b"up"),)),
    )),
    (4, "size: unlike the header's, with headers as body; on links and directories", (
        R("pax.size", form=("smaller", "larger", "by-one")), R("pax.size", form=("header-0",)),
        R("pax.size", form=("header-huge",)), R("pax.size", inner=(True,)), R("pax.size-on-others"),
    )),
    (4, "global headers: for the rest, twice, overridden, deleted, last, between x and its member", (
        R("pax.global", form=("once",)), R("pax.global", form=("twice",)), R("pax.global", form=("overridden",)),
        R("pax.global", form=("deleted", "emptied")), R("pax.global", form=("last",)),
        R("pax.global", form=("between",)),
        R("pax.global", key=(b"path", b"linkpath", b"size")),
    )),
    (4, "order and stacking", (
        R("pax.stack", stack=("x-x", "x-x-x")), R("pax.stack", stack=("x-L", "L-x")),
        R("pax.stack", stack=("L-K", "K-L")),
        R("pax.stack", stack=("L-L",)), R("pax.stack", stack=("x-g", "g-x", "L-g", "g-L")),
    )),
    (4, "extensions before the end, a zero block, another extension; empty, large, declared", (
        R("pax.of-extension", end=("end",)), R("pax.of-extension", end=("zero-block",)), R("pax.of-extension"),
        R("pax.body", body=(b"",)), R("pax.large"), R("pax.large", kind=("key", "records")), R("pax.declared"),
        R("pax.declared", size=(-1, -512, -1024, -(2**63))),
    )),
    (4, "headers of extensions: GNU and v7 magic, X, long names; BINARY", (
        R("pax.header", form=("gnu-magic",)), R("pax.header", form=("v7",)), R("pax.header", form=("long-name",)),
        R("pax.record", kind=("pax-solaris",)),
        R("pax.together", records=(((b"hdrcharset", b"BINARY"), (b"path", b"\xff\xfe")),)),
    )),
    (5, "sparse, old form: slots, extension blocks, overlapping, unordered, beyond, negative, partial", (
        R("sparse.old", form=("right",)), R("sparse.old", form=("extended", "many")),
        R("sparse.old", form=("overlap", "unordered")), R("sparse.old", form=("beyond", "huge", "negative")),
        R("sparse.old", form=("partial-slot", "no-length")), R("sparse.slot"), R("sparse.old", form=("no-end",)),
        R("sparse.old", form=("smaller", "larger")), R("sparse.blocks"),
    )),
    (5, "sparse, pax forms: 0.0, 0.1, 1.0, broken digits, missing newline, map longer than the body", (
        R("sparse.pax", version=("0.0",)), R("sparse.pax", version=("0.1",)), R("sparse.pax", version=("1.0",)),
        R("sparse.pax", form=("bad-digits",)), R("sparse.pax", form=("no-newline",)),
        R("sparse.pax", form=("long-map",)),
        R("sparse.pax", form=("pax-size",)),
    )),
    (5, "dump directories, continuations, labels, negative sizes, S of size 0, volumes", (
        R("gnu.special", typeflag=(b"D",)), R("gnu.special", typeflag=(b"M",)), R("gnu.special", typeflag=(b"V",)),
        R("gnu.special", typeflag=(b"N",)), R("gnu.special", size=(-512,)),
        R("sparse.old", form=("size-0", "empty")),
        R("gnu.volume", part=("first",)), R("gnu.volume", part=("last",)),
    )),
    (6, "the end: none, one, more zero blocks, records", (
        R("end.form", form=("none",)), R("end.form", form=("one",)),
        R("end.form", form=("three", "record", "two-records")),
    )),
    (6, "the end: zero blocks inside, members behind them", (
        R("end.in-the-middle"), R("end.form", form=("member-behind",)),
    )),
    (6, "the end: inside a header, an extension, a body, its padding", (
        R("end.cut", place=("header", "one-byte")), R("end.cut", place=("extension", "long-name")),
        R("end.cut", place=("body", "empty-body")), R("end.cut", place=("padding", "last-byte")),
    )),
    (6, "padding that is not zero; junk behind the end; a second archive", (
        R("body.padding"), R("end.form", form=("junk", "junk-without-end")), R("stream.junk"),
        R("end.form", form=("second-archive", "second-directly")),
    )),
    (6, "compression: gzip members, fields, damage, what stands behind; other formats; twice; bombs", (
        R("compressed.gzip", form=("members", "split-header", "empty-member")),
        R("compressed.gzip", form=("name", "comment", "extra", "crc16", "all-fields")),
        R("compressed.gzip", form=("wrong-crc", "wrong-size", "second-member-damaged")),
        R("compressed.gzip", form=("zeros-behind", "junk-behind")),
        R("compressed.gzip", form=("cut", "cut-trailer")),
        R("compressed.gzip", form=("twice",)), R("compressed.zeros", at=("behind",)),
        R("compressed.zeros", at=("body", "alone")), R("compressed.other"),
        R("compressed.other", form=("bomb",)),
    )),
    (6, "an archive as a file's body", (R("body.nested", aligned=(True,)), R("body.nested", aligned=(False,)))),
    (7, "schedules: byte by byte, fixed, around blocks, at and past every field", (
        R("schedule.chunks", chunks=((1,),)), R("schedule.chunks", chunks=((511,), (512,), (513,))),
        R("schedule.edge"),
    )),
    (7, "schedules: pauses, in long names and pax bodies too", (
        R("schedule.chunks", pause=(True,)), R("schedule.in-a-name", pause=(True,)),
    )),
    (7, "scale: many members; an extension at every buffer's edge", (R("scale.many"), R("scale.edge"))),
    (8, "worlds: something at a member's name, its parent's, below it", (
        R("world.placed"), R("world.at-member", at=("name",)), R("world.at-member", at=("parent",)),
        R("world.at-member", at=("below",)), R("world.at-member", kind=("hardlink",)),
        R("world.at-member", kind=("symlink-out", "symlink-in", "dangling")),
        R("world.at-member", kind=("symlink-to-secret", "dangling-out")),
    )),
    (8, "worlds: umask, locale, mode of the destination", (
        R("world.umask"), R("world.locale"), R("world.destination-mode"),
    )),
    (8, "worlds: root or not, called in the destination or elsewhere", (R("world.root"), R("world.cwd"))),
    (9, "twice into the same place", (R("world.extracted-before"),)),
)  # fmt: skip

DIMENSIONS = tuple(Dimension(section, line, reaches) for section, line, reaches in _LINES)
"""Every line that generators reach, in the order of the list."""

OUTSIDE = {
    "6 lzip, lz4, lzma and compress as whole streams": "no writer here whose bytes are the same everywhere",
    "7 an end that comes late, an error in the middle of reading": "a schedule has sizes and pauses only",
    "7 100,000 members": "large cases have up to 20,000; `benchmarks/extract.py` has the larger ones",
    "8 a destination that is absent, a symlink, or oddly named": "a world is inside a destination that is there",
    "8 little disk, few descriptors, a long destination": "the cell decides them, for a whole run",
    "9 listing, one member, pipes, stripping, owners, unsafe modes": "ways of calling, which contestants have",
}
"""What belongs to the list and is not part of a case."""


def count(made: Iterable[Iterable[Applied]]) -> Counter[str]:
    """In how many cases each dimension and each reach came up. A case is given as the features it was made with."""
    by_feature: dict[str, list[tuple[str, Reach]]] = {}
    for dimension in DIMENSIONS:
        for reach in dimension.reaches:
            by_feature.setdefault(reach.feature, []).append((dimension.name, reach))
    found: Counter[str] = Counter()
    for used in made:
        seen: set[str] = set()
        for applied in used:
            for name, reach in by_feature.get(applied.name, ()):
                if reach.matches(applied):
                    seen |= {name, f"{name}: {reach}"}
        found.update(seen)
    return found
