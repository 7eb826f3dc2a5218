"""Strict mode: for every rule archives that trip it, each beside a neighbour that does not."""

import bz2
import contextlib
import gzip
import inspect
import lzma
import re
import sys

import pytest
from hypothesis import given

from onetar import RefusedError, TarError, check, members, rules
from onetar.store.names import Names
from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.recipe import Member, Part, Pax, Recipe, Record, Slot
from tarbiter.generate.strategies import recipes, trees

from .archives import common, file, folder, hardlink, long_link, long_name, pack, pax, symlink

A = file(b"a")
LONG = b"n" * 120


def summed(digits: int) -> Member:
    """A file whose checksum, the right one, has so many digits, and a NUL behind them if there is room."""
    block = encode_bytes(Recipe((A,), end=0))
    return file(b"a", chksum=b"%0*o" % (digits, int(block[148:154], 8)))


def of_length(size: int) -> tuple[Part, ...]:
    return pax((b"path", (b"n" * 127 + b"/") * 15 + b"n" * (size - 15 * 128))), A


PAIRS: dict[str, tuple[str, int, tuple[Part, ...], tuple[Part, ...]]] = {
    # id: code, offset of what is wrong, an archive that is refused, a neighbour that is not
    "number-base256-mode": (
        "strict.number",
        100,
        (file(b"a", mode=b"\x80" + b"\0" * 5 + b"\1\xa4"),),
        (file(b"a", mode=b"   644"),),
    ),
    "number-behind-nul": ("strict.number", 136, (file(b"a", mtime=b"17\0x"),), (file(b"a", mtime=b"17\0"),)),
    "number-digits-behind-space": ("strict.number", 136, (file(b"a", mtime=b"1 7"),), (file(b"a", mtime=b" 17 "),)),
    "number-empty-mode": (
        "strict.number",
        100,
        (file(b"a", mode=b""),),
        (file(b"a", uid=b"", gid=b"", mtime=b""),),
    ),
    "number-spaces": ("strict.number", 108, (file(b"a", uid=b" " * 8),), (file(b"a", uid=b"\0" * 8),)),
    "number-base256-size": (
        "strict.number",
        124,
        (file(b"a", b"", size=b"\x80" + b"\0" * 11),),
        (file(b"a", b"", size=b"0" * 11),),
    ),
    "number-base256-mtime": (
        "strict.number",
        136,
        (file(b"a", mtime=b"\x80" + b"\0" * 10 + b"\1"),),
        (file(b"a", mtime=1),),
    ),
    "number-negative-owner": ("strict.number", 116, (file(b"a", gid=-1),), (file(b"a", gid=2**40),)),
    "number-of-an-extension": (
        "strict.number",
        108,
        (pax((b"comment", b"x"), uid=b"x"), A),
        (pax((b"comment", b"x"), uid=b""), A),
    ),
    "checksum-eight-digits": (
        "strict.checksum",
        148,
        (summed(8),),
        (summed(7),),
    ),
    "layout-star-prefix": (
        "strict.layout",
        475,
        (file(b"a", prefix=b"p" * 131, reserved=b"\0" * 8 + b"tar"),),
        (file(b"a", prefix=b"p" * 130, reserved=b"\0" * 8 + b"tar"),),
    ),
    "layout-unknown-magic": (
        "strict.layout",
        257,
        (file(b"a", magic=b"ustax"),),
        (file(b"a", format="v7"),),
    ),
    "layout-version": ("strict.layout", 263, (file(b"a", version=b"  "),), (file(b"a", version=b"00"),)),
    "layout-behind-v7": (
        "strict.layout",
        257,
        (file(b"a", format="v7", prefix=b"p"),),
        (file(b"a", format="ustar", prefix=b"p"),),
    ),
    "layout-extension-under-v7": (
        "strict.layout",
        257,
        (pax((b"comment", b"x"), format="v7"), A),
        (pax((b"comment", b"x")), file(b"a", format="v7")),
    ),
    "layout-gnu-times": ("strict.layout", 345, (file(b"a", format="gnu", atime=1),), (file(b"a", format="gnu"),)),
    "layout-gnu-zero-time": (
        "strict.layout",
        345,
        (file(b"a", format="gnu", atime=0),),
        (file(b"a", format="gnu", atime=b""),),
    ),
    "layout-behind-name": ("strict.layout", 0, (file(b"a\0b"),), (file(b"a", prefix=b"p\0q"),)),
    "layout-behind-linkname": ("strict.layout", 157, (symlink(b"l", b"a\0b"),), (symlink(b"l", b"a"),)),
    "extension-stacked": (
        "strict.extension",
        0,
        (pax((b"path", b"b")), pax((b"mtime", b"1")), A),
        (pax((b"path", b"b"), (b"mtime", b"1")), A),
    ),
    "extension-mixed": (
        "strict.extension",
        0,
        (long_name(b"a"), pax((b"mtime", b"1")), A),
        (long_name(b"a"), A),
    ),
    "extension-two-long-names": (
        "strict.extension",
        0,
        (long_name(b"a"), long_name(b"a"), A),
        (long_name(b"a"), long_link(b"b"), symlink(b"a", b"b")),
    ),
    "extension-solaris": (
        "strict.extension",
        0,
        (pax((b"mtime", b"1"), kind="pax-solaris"), A),
        (pax((b"mtime", b"1")), A),
    ),
    "extension-behind-nul": (
        "strict.extension",
        512,
        (long_name(b"a\0b"), A),
        (long_name(b"a"), A),
    ),
    "extension-another-name": (
        "strict.extension",
        512,
        (long_name(LONG), file(b"other")),
        (long_name(LONG), file(LONG[:100])),
    ),
    "extension-another-link": (
        "strict.extension",
        512,
        (long_link(LONG), symlink(b"l", b"other")),
        (long_link(LONG), symlink(b"l", LONG[:100])),
    ),
    "extension-global-path": (
        "strict.extension",
        0,
        (common((b"path", b"b")), A),
        (common((b"comment", b"0123abcd")), A),
    ),
    "extension-global-mtime": (
        "strict.extension",
        0,
        (common((b"mtime", b"1")), A),
        (common((b"comment", b"x")), A),
    ),
    "extension-global-in-between": (
        "strict.extension",
        1024,
        (pax((b"mtime", b"1")), common((b"comment", b"x")), A),
        (common((b"comment", b"x")), pax((b"mtime", b"1")), A),
    ),
    "extension-global-between-two": (
        "strict.extension",
        1024,
        (long_name(b"l"), common((b"comment", b"x")), long_link(b"b"), symlink(b"l", b"b")),
        (common((b"comment", b"x")), long_name(b"l"), long_link(b"b"), symlink(b"l", b"b")),
    ),
    "pax-twice": (
        "strict.pax",
        512,
        (pax((b"path", b"b"), (b"path", b"c")), A),
        (pax((b"path", b"b"), (b"linkpath", b"c")), symlink(b"a", b"c")),
    ),
    "pax-unknown-key": ("strict.pax", 512, (pax((b"GNU.x", b"1")), A), (pax((b"SCHILY.x", b"1")), A)),
    "pax-nul": ("strict.pax", 512, (pax((b"comment", b"a\0b")), A), (pax((b"SCHILY.xattr.user.x", b"a\0b")), A)),
    "pax-empty": ("strict.pax", 512, (pax((b"path", b"")), A), (pax((b"uname", b"")), A)),
    "pax-not-utf-8": ("strict.pax", 512, (pax((b"uname", b"\xff")), A), (pax((b"uname", b"\xc3\xbc")), A)),
    "pax-charset": (
        "strict.pax",
        512,
        (pax((b"hdrcharset", b"ISO-IR 8859 1 1998")), A),
        (pax((b"hdrcharset", b"ISO-IR 10646 2000 UTF-8")), A),
    ),
    "pax-other-size": ("strict.pax", 512, (pax((b"size", b"3")), A), (pax((b"size", b"4")), A)),
    "name-empty": ("strict.name", 0, (file(b""),), (file(b"-"),)),
    "name-absolute": ("strict.name", 0, (file(b"/a"),), (file(b"a/a"),)),
    "name-control": ("strict.name", 0, (file(b"a\x1b"),), (file(b"a "),)),
    "name-delete": ("strict.name", 0, (file(b"a\x7f"),), (file(b"a~"),)),
    "name-backslash": ("strict.name", 0, (file(b"a\\b"),), (file(b"a|b"),)),
    "name-not-utf-8": ("strict.name", 0, (file(b"\xff"),), (file(b"\xc3\xbf"),)),
    "name-climbs": ("strict.name", 0, (file(b"a/../b"),), (file(b"a/..b"),)),
    "name-double-slash": ("strict.name", 0, (file(b"a//b"),), (file(b"./a"),)),
    "name-dot": ("strict.name", 0, (file(b"a/./b"),), (file(b"a/.b"),)),
    "name-drive": ("strict.name", 0, (file(b"c:"),), (file(b"cc:"),)),
    "name-drive-colons": ("strict.name", 0, (file(b"B::Foo"),), (file(b"d/B::Foo"),)),
    "name-drive-below": ("strict.name", 0, (file(b"./c:/a"),), (file(b"d/c:"),)),
    "name-beyond-paths": ("strict.name", 512 * 6, of_length(2049), of_length(2048)),
    "name-two-slashes-behind": ("strict.name", 0, (folder(b"a//"),), (folder(b"a/"),)),
    "name-slash-on-file": ("strict.name", 0, (file(b"a/", b""),), (folder(b"a"),)),
    "type-unknown": ("strict.type", 156, (file(b"a", typeflag=b"Z"),), (file(b"a", typeflag=b"\0"),)),
    "type-contiguous": ("strict.type", 156, (file(b"a", kind="contiguous"),), (A,)),
    "type-fifo": ("strict.type", 156, (file(b"a", b"", kind="fifo"),), (file(b"a", b""),)),
    "type-device": ("strict.type", 156, (file(b"a", b"", kind="char"),), (file(b"a", b""),)),
    "type-sparse": (
        "strict.type",
        156,
        (file(b"a", b"", format="gnu", kind="sparse"),),
        (file(b"a", format="gnu"),),
    ),
    "type-sparse-with-a-map": (
        "strict.type",
        156,
        (file(b"a", format="gnu", kind="sparse", sparse=(Slot(0, 4),), realsize=4),),
        (file(b"a", format="gnu"),),
    ),
    "size-of-a-directory": ("strict.size", 124, (folder(b"d", data=b"x"),), (folder(b"d", size=0),)),
    "size-of-a-symlink": ("strict.size", 124, (symlink(b"l", b"a", size=1, data=b"x"),), (symlink(b"l", b"a"),)),
    "link-name-on-file": ("strict.link", 157, (file(b"a", linkname=b"b"),), (file(b"a", linkname=b""),)),
    "link-no-target": ("strict.link", 157, (symlink(b"l", b""),), (symlink(b"l", b"x"),)),
    "link-absolute": ("strict.link", 157, (symlink(b"l", b"/a"),), (symlink(b"l", b"a/"),)),
    "link-control": ("strict.link", 157, (symlink(b"l", b"a\n"),), (symlink(b"l", b"a"),)),
    "link-backslash": ("strict.link", 157, (symlink(b"l", b"..\\a"),), (symlink(b"d/l", b"../a"),)),
    "link-drive": ("strict.link", 157, (symlink(b"l", b"c:a"),), (symlink(b"l", b"cc:a"),)),
    "link-not-utf-8": ("strict.link", 157, (symlink(b"l", b"\xff"),), (symlink(b"l", b"\xc3\xbf"),)),
    "link-to-nothing": ("strict.link", 157, (hardlink(b"l", b"a"),), (symlink(b"l", b"a"),)),
    "link-to-later": ("strict.link", 157, (hardlink(b"l", b"a"), A), (symlink(b"l", b"a"), A)),
    "link-to-link": (
        "strict.link",
        2048 - 512 + 157,
        (A, hardlink(b"b", b"a"), hardlink(b"c", b"b")),
        (A, hardlink(b"b", b"a"), hardlink(b"c", b"a")),
    ),
    "mode-of-another-type": ("strict.mode", 100, (file(b"a", mode=0o040644),), (file(b"a", mode=0o100644),)),
    "mode-set-uid": ("strict.mode", 100, (file(b"a", mode=0o4755),), (folder(b"d", mode=0o4755),)),
    "mode-sticky": ("strict.mode", 100, (file(b"a", mode=0o1644),), (folder(b"d", mode=0o1755),)),
    "mode-too-large": ("strict.mode", 100, (file(b"a", mode=0o300644),), (file(b"a", mode=0o100644),)),
    "mode-negative-time": (
        "strict.mode",
        512 * 2 + 136,
        (pax((b"mtime", b"-1")), A),
        (pax((b"mtime", b"0.5")), A),
    ),
    "mode-far-future": (
        "strict.mode",
        512 * 2 + 136,
        (pax((b"mtime", b"8589934592")), A),
        (pax((b"mtime", b"8589934591")), A),
    ),
    "duplicate-file": ("strict.duplicate", 1024, (A, A), (A, file(b"b"))),
    "duplicate-spelt-otherwise": ("strict.duplicate", 1024, (A, file(b"./a")), (folder(b"d"), folder(b"./d/"))),
    "duplicate-file-over-directory": ("strict.duplicate", 512, (folder(b"a"), A), (folder(b"a"), folder(b"a/"))),
    "duplicate-directory-over-file": ("strict.duplicate", 1024, (A, folder(b"a")), (A, folder(b"b"))),
    "duplicate-below-file": ("strict.duplicate", 1024, (A, file(b"a/b")), (A, file(b"b/a"))),
    "duplicate-below-symlink": (
        "strict.duplicate",
        1024,
        (folder(b"d"), symlink(b"l", b"d"), file(b"l/a")),
        (folder(b"d"), symlink(b"l", b"d"), file(b"d/a")),
    ),
    "duplicate-implied-directory": (
        "strict.duplicate",
        1024,
        (file(b"a/b"), A),
        (file(b"a/b"), folder(b"a")),
    ),
    "duplicate-case": ("strict.duplicate", 1024, (A, file(b"A")), (A, file(b"B"))),
    "duplicate-normal-form": (
        "strict.duplicate",
        1024,
        (file(b"\xc3\xa9"), file(b"e\xcc\x81")),
        (file(b"\xc3\xa9"), file(b"e")),
    ),
    "duplicate-folded-implied-directory": (
        "strict.duplicate",
        1024,
        (file(b"d/a"), file(b"D/b")),
        (file(b"d/a"), file(b"d/b")),
    ),
    "changed-target": ("strict.changed", 0, (symlink(b"l", b"a/../b"),), (symlink(b"d/l", b"../b"),)),
    "end-dangling": ("strict.end", 1024, (A, pax((b"path", b"b"))), (A,)),
    "end-dangling-global": ("strict.end", 1024, (A, common((b"mtime", b"1"))), (A, common((b"comment", b"b")))),
    "end-global-only": ("strict.end", 0, (common((b"mtime", b"1")),), (common((b"comment", b"b")),)),
}


@pytest.mark.parametrize(("code", "offset", "parts"), [row[:3] for row in PAIRS.values()], ids=PAIRS)
def test_refused(code: str, offset: int, parts: tuple[Part, ...]) -> None:
    with pytest.raises(RefusedError) as caught:
        check(pack(*parts), policy="strict")
    assert (caught.value.code, caught.value.offset) == (code, offset)
    assert caught.value.detail


@pytest.mark.parametrize("parts", [row[3] for row in PAIRS.values()], ids=PAIRS)
def test_neighbour_is_accepted(parts: tuple[Part, ...]) -> None:
    assert check(pack(*parts), policy="strict").complete


@pytest.mark.parametrize(
    ("archive", "code"),
    [
        pytest.param(pack(A, end=1), "strict.end", id="one-zero-block"),
        pytest.param(pack(A, end=0), "strict.end", id="no-zero-block"),
        pytest.param(pack(A) + b"junk", "strict.end", id="junk-behind"),
        pytest.param(pack(A) + pack(A), "strict.end", id="another-archive-behind"),
    ],
)
@pytest.mark.parametrize("size", [1, 512, 1 << 20])
def test_end_refused(archive: bytes, code: str, size: int) -> None:
    with pytest.raises(RefusedError) as caught:
        check((archive[at : at + size] for at in range(0, len(archive), size)), policy="strict")
    assert (caught.value.code, caught.value.offset) == (code, 1024)


def test_several_streams_in_one_file() -> None:
    archive = pack(A, file(b"b"))
    several = gzip.compress(archive[:700]) + gzip.compress(archive[700:])
    assert check(several).complete
    assert check(gzip.compress(archive) + bytes(100), policy="strict").complete
    with pytest.raises(RefusedError, match=r"strict\.stream"):
        check(several, policy="strict")


def frame(size: int) -> bytes:
    """A zstd frame that is to be skipped."""
    return b"\x50\x2a\x4d\x18" + size.to_bytes(4, "little") + bytes(size)


try:
    from compression import zstd  # type: ignore[import-not-found,unused-ignore]
except ImportError:
    zstd = pytest.importorskip("backports.zstd") if sys.version_info < (3, 14) else None

PACKED = pack(A, file(b"b"))


STRICT_TOO = {
    "gzip-padded": gzip.compress(PACKED) + bytes(3),
    "bzip2-padded": bz2.compress(PACKED) + bytes(3),
    "xz-padded": lzma.compress(PACKED) + bytes(4),
    "zstd": zstd.compress(PACKED),
    "zstd-skipped-behind": zstd.compress(PACKED) + frame(9),
    "a-name-like-nothing": pack(file(b"LZI")),
}
"""What is around an archive that every reader of the compression reads."""

COMPAT_ONLY = {
    "xz-padded-oddly": lzma.compress(PACKED) + bytes(3),
    "lzma-padded": lzma.compress(PACKED, lzma.FORMAT_ALONE) + bytes(4),
    "zstd-padded": zstd.compress(PACKED) + bytes(4),
    "zstd-skipped-behind-and-padded": zstd.compress(PACKED) + frame(9) + bytes(1),
    "zstd-skipped-before": frame(4) + zstd.compress(PACKED),
    "zstd-two-skipped-before": frame(4) + frame(0) + zstd.compress(PACKED),
    "zstd-frames": zstd.compress(PACKED[:700]) + zstd.compress(PACKED[700:]),
    "a-name-like-bzip2": pack(file(b"BZh9")),
    "a-name-like-gzip": pack(file(b"\x1f\x8b")),
    "a-name-like-lzip": pack(file(b"LZIP")),
}
"""What some reader of the compression refuses, or reads less of."""


def in_pieces(archive: bytes, size: int) -> list[bytes]:
    return [archive[at : at + size] for at in range(0, len(archive), size)]


@pytest.mark.parametrize("size", [1, 4096])
@pytest.mark.parametrize("name", STRICT_TOO)
def test_what_strict_takes_around_an_archive(name: str, size: int) -> None:
    assert check(in_pieces(STRICT_TOO[name], size), policy="strict").complete


@pytest.mark.parametrize("size", [1, 4096])
@pytest.mark.parametrize("name", COMPAT_ONLY)
def test_what_only_compat_takes_around_an_archive(name: str, size: int) -> None:
    assert check(in_pieces(COMPAT_ONLY[name], size), policy="compat").complete
    with pytest.raises(RefusedError, match=r"strict\.stream"):
        check(in_pieces(COMPAT_ONLY[name], size), policy="strict")


@pytest.mark.parametrize(
    ("archive", "codes"),
    [
        pytest.param(
            pack(common((b"GNU.volume.filename", b"a"), (b"GNU.volume.offset", b"512")), A),
            ["volume.continued"],
            id="further-volume",
        ),
        pytest.param(pack(A, end=1), ["end.blocks"], id="one-zero-block"),
        pytest.param(pack(A, end=0), ["end.blocks"], id="no-zero-block"),
        pytest.param(pack(A) + b"junk", ["end.trailing"], id="junk-behind"),
        pytest.param(pack(A, pax((b"path", b"b")), end=0), ["end.dangling", "end.blocks"], id="dangling"),
        pytest.param(pack(A, common((b"mtime", b"1"))), ["end.dangling"], id="dangling-global"),
        pytest.param(pack(A, end=20), [], id="more-zero-blocks"),
    ],
)
def test_what_is_odd_about_an_end_is_noted_by_compat(archive: bytes, codes: list[str]) -> None:
    assert [note.code for note in check(archive).notes] == codes


def plainly_ordinary(archive: bytes) -> list[bool]:
    """For each member whether it is ordinary at a glance; fails where a rule that is not asked then is broken."""
    found = []
    with contextlib.suppress(TarError):
        for member in members(archive):
            found.append(rules.ordinary(member))
            others = (rule for rule in rules.MEMBER_RULES if rule is not rules.duplicates)
            assert not found[-1] or all(rule(member, Names()) is None for rule in others)
    return found


@given(recipes())
def test_what_is_ordinary_at_a_glance_breaks_no_rule(recipe: Recipe) -> None:
    plainly_ordinary(encode_bytes(recipe))


@pytest.mark.parametrize("parts", [row[2] for row in PAIRS.values()], ids=PAIRS)
def test_what_is_refused_is_not_ordinary_at_a_glance(parts: tuple[Part, ...]) -> None:
    plainly_ordinary(pack(*parts))


@pytest.mark.parametrize(
    ("part", "want"),
    [
        pytest.param(A, True, id="file"),
        pytest.param(folder(b"d/"), True, id="directory"),
        pytest.param(folder(b"./d"), True, id="dot"),
        pytest.param(file(b"a", format="gnu"), True, id="gnu"),
        pytest.param(file(b"a", mode=0o100644), True, id="type-bits"),
        pytest.param(file(b"b", prefix=b"a"), True, id="prefix"),
        pytest.param(file(b"..a/.b/c..d"), True, id="dots-in-names"),
        pytest.param(folder(b"d", mode=0o100755), False, id="type-bits-of-a-file"),
        pytest.param(symlink(b"l", b"a"), False, id="symlink"),
        pytest.param(file(b"a/"), False, id="slash"),
        pytest.param(folder(b"./"), False, id="destination"),
    ],
)
def test_what_is_ordinary_at_a_glance(part: Part, want: bool) -> None:
    assert plainly_ordinary(pack(part)) == [want]


def test_signed_checksum() -> None:
    part = file(b"\xc3\xbf")
    block = encode_bytes(Recipe((part,), end=0))[:512]
    unsigned = sum(block[:148]) + sum(block[156:]) + 8 * 32
    signed = pack(file(b"\xc3\xbf", chksum=unsigned - 512))
    assert check(signed).complete
    with pytest.raises(RefusedError, match=r"strict\.checksum"):
        check(signed, policy="strict")


def test_every_code_has_a_row() -> None:
    codes = set(re.findall(r'Broken\(\s*"([a-z.-]+)"', inspect.getsource(rules)))
    # strict.stream is about what is around an archive: COMPAT_ONLY has its rows.
    assert codes | {"strict.changed"} == {row[0] for row in PAIRS.values()} | {"strict.stream"}


@pytest.mark.parametrize(
    "rule", [*rules.MEMBER_RULES, rules.end_of_archive, rules.stream], ids=lambda rule: rule.__name__
)
def test_every_rule_says_its_code_and_what_parts_ways(rule: rules.Rule) -> None:
    source, words = inspect.getsource(rule), inspect.getdoc(rule) or ""
    codes = set(re.findall(r'Broken\(\s*"([a-z.-]+)"', source))
    assert len(codes) == 1
    assert words.startswith(f"`{codes.pop()}`: ")
    assert len(words.splitlines()) > 2


@given(trees())
def test_ordinary_archives_with_different_names_are_accepted(parts: list[Part]) -> None:
    """Ordinary members, each below a directory of its own, so that none meets another."""
    apart: list[Part] = []
    for number, part in enumerate(
        part for part in parts if isinstance(part, Member) and part.kind in ("file", "dir")
    ):
        name = part.name or b""
        apart += [
            Pax(records=(Record(b"comment", b"x"),)),
            file(b"%d/" % number + name.strip(b"/")[:90], part.data),
        ]
    assert check(pack(*apart), policy="strict").complete
