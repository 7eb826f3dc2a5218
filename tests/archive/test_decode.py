"""Any bytes become a recipe that gives them back, in normal form, read as most readers would."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tarbiter.archive import wire
from tarbiter.archive.decode import decode, format_of, normal, parse_records
from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.recipe import BLOCK, End, Format, Long, Member, Pax, Raw, Recipe, Record, Slot, SparseBlock

from .recipes import archives, recipes

SAMPLES = os.path.join(os.path.dirname(__file__), "..", "..", "..", "shared", "samples")
HEADER = Member(name=b"inner")
INNER = encode_bytes(Recipe((HEADER,), end=0))

NORMAL = [
    pytest.param(Recipe(), id="nothing"),
    pytest.param(Recipe(end=0), id="no-bytes"),
    pytest.param(Recipe((Member(name=b"a", data=b"x"),)), id="file"),
    pytest.param(Recipe((Member(name=b"a", data=b"x", padding=b"junk"),), end=0), id="odd-padding"),
    pytest.param(Recipe((Member(name=b"a", data=b"abc", size=9, padding=b""),), end=0), id="cut-body"),
    pytest.param(Recipe((Member(name=b"a"), End(1), Member(name=b"b")), end=1), id="zero-block-between"),
    pytest.param(Recipe((Member(name=b"a"), End(2), Raw(b"junk")), end=0), id="junk-behind"),
    pytest.param(Recipe((Member(kind="symlink", linkname=b"b", size=512), HEADER)), id="link-size-no-body"),
    pytest.param(Recipe((Member(kind="dir", data=b"x" * 512),)), id="directory-with-body"),
    pytest.param(Recipe((Member(name=b"a", size=99999), HEADER)), id="size-beyond-the-end"),
    pytest.param(Recipe((Member(name=b"a", typeflag=b""),)), id="nul-typeflag"),
    pytest.param(Recipe((Member(name=b"a", typeflag=b"Z", data=b"x"),)), id="unknown-typeflag"),
    pytest.param(Recipe((Member(name=b"a", mode=b"644 ", uid=-1),)), id="numbers"),
    pytest.param(Recipe((Member(name=b"a", chksum=b"  12345"),)), id="wrong-checksum"),
    pytest.param(Recipe((Member(name=b"a", data=INNER),)), id="archive-inside"),
    pytest.param(Recipe((Pax(records=(Record(b"size", b"3"),)), Member(data=b"abc", size=0))), id="pax-size"),
    pytest.param(Recipe((Pax(records=(Record(b"a", b"b"),), data=b"junk"),)), id="pax-junk"),
    pytest.param(Recipe((Long(text=b"n" * 600), Member())), id="long-name"),
    pytest.param(Recipe((Long(kind="long-link", text=b"n", end=b""), Member(kind="symlink"))), id="long-no-nul"),
    pytest.param(Recipe((Member(format="v7", name=b"a"),)), id="v7"),
    pytest.param(Recipe((Member(format="star", name=b"a", prefix=b"p", atime=5),)), id="star"),
    pytest.param(
        Recipe(
            (
                Member(
                    format="gnu",
                    kind="sparse",
                    sparse=(Slot(0, 1), Slot(b"x", None)),
                    extensions=(SparseBlock((Slot(5, 6),)), SparseBlock((Slot(7, 8),), reserved=b"r")),
                    realsize=99,
                    data=b"x",
                ),
            )
        ),
        id="sparse",
    ),
]


@pytest.mark.parametrize("recipe", NORMAL)
def test_normal_forms(recipe: Recipe) -> None:
    assert decode(encode_bytes(recipe)) == recipe


@pytest.mark.parametrize(
    ("recipe", "want"),
    [
        pytest.param(Recipe((Raw(b"a"), Raw(b"b")), 0), Recipe((Raw(b"ab"),), 0), id="raw-merged"),
        pytest.param(
            Recipe((Raw(b"x"),), 3),
            Recipe((Raw(b"x" + bytes(511)), End(2), Raw(b"\0")), 0),
            id="zero-blocks-stand-on-blocks",
        ),
        pytest.param(Recipe((End(1), End(1))), Recipe(end=4), id="end-merged"),
        pytest.param(Recipe((Member(name=b"a", mode=0o644),)), Recipe((Member(name=b"a"),)), id="canonical"),
        pytest.param(Recipe((Member(name=b"a\0\0"),)), Recipe((Member(name=b"a"),)), id="nuls-at-the-end"),
        pytest.param(Recipe((Raw(INNER),)), Recipe((HEADER,)), id="raw-that-is-a-header"),
    ],
)
def test_other_forms(recipe: Recipe, want: Recipe) -> None:
    assert normal(recipe) == want


@pytest.mark.parametrize(
    ("magic", "tail", "want"),
    [
        (b"ustar\x0000", b"", "ustar"),
        (b"ustar\x0000", b"tar\0", "star"),
        (b"ustar  \0", b"", "gnu"),
        (b"ustarX00", b"", "ustar"),
        (bytes(8), b"", "v7"),
        (b"USTAR\x0000", b"", "v7"),
    ],
)
def test_format(magic: bytes, tail: bytes, want: Format) -> None:
    assert format_of((bytes(257) + magic).ljust(508, b"\0") + tail.ljust(4, b"\0")) == want


@pytest.mark.parametrize(
    ("body", "records", "rest"),
    [
        pytest.param(b"", (), b"", id="empty"),
        pytest.param(b"6 a=b\n6 c=d\n", (Record(b"a", b"b"), Record(b"c", b"d")), b"", id="two"),
        pytest.param(b"8 a=b\nc\n", (Record(b"a", b"b\nc"),), b"", id="newline-inside"),
        pytest.param(b"8 a=b=c\n", (Record(b"a", b"b=c"),), b"", id="equals-inside"),
        pytest.param(b"5 a=\n", (Record(b"a", b""),), b"", id="empty-value"),
        pytest.param(b"9 a=b\n", (Record(b"a", b"b", length=b"9"),), b"", id="length-past-the-body"),
        pytest.param(b"4 a=b\n", (Record(b"a", b"b", length=b"4"),), b"", id="length-short"),
        pytest.param(b"06 a=b\n", (Record(b"a", b"b", length=b"06"),), b"", id="leading-zero"),
        pytest.param(b"+6 a=b\n", (Record(b"a", b"b", length=b"+6"),), b"", id="sign"),
        pytest.param(b"6 a=b\njunk", (Record(b"a", b"b"),), b"junk", id="junk"),
        pytest.param(b"6 a=bc", (), b"6 a=bc", id="no-newline"),
        pytest.param(b"6 abc\n", (), b"6 abc\n", id="no-equals"),
    ],
)
def test_records(body: bytes, records: tuple[Record, ...], rest: bytes) -> None:
    assert parse_records(body) == (records, rest)


def test_signed_checksum_is_a_header() -> None:
    # v7: no magic could make a header of it
    block = encode_bytes(Recipe((Member(format="v7", name=b"\xff"),), end=0))
    raw = wire.checksum_form(wire.sums(block)[1])
    want = Recipe((Member(format="v7", name=b"\xff", chksum=raw),), end=0)
    assert decode(block[:148] + raw + block[156:]) == want


def test_a_header_is_what_looks_like_one_whatever_its_checksum() -> None:
    for checksum in (1, b" " * 8, b""):
        recipe = Recipe((Member(format="v7", name=b"a", chksum=checksum),), end=0)
        assert decode(encode_bytes(recipe)) == recipe


def test_wrong_checksum_without_magic_and_numbers_is_no_header() -> None:
    block = encode_bytes(Recipe((Member(format="v7", name=b"a", chksum=1, mtime=b"now"),), end=0))
    assert decode(block) == Recipe((Raw(block),), end=0)


@given(st.binary(max_size=2000) | archives | archives.map(lambda data: data[:-200]))
def test_any_bytes_come_back(data: bytes) -> None:
    assert encode_bytes(decode(data)) == data


@given(recipes)
def test_every_recipe_has_a_normal_form(recipe: Recipe) -> None:
    data = encode_bytes(recipe)
    found = decode(data)
    assert encode_bytes(found) == data
    assert normal(found) == found


@given(recipes, st.integers(0, 4000), st.binary(max_size=4))
def test_damage_comes_back(recipe: Recipe, at: int, junk: bytes) -> None:
    data = encode_bytes(recipe)
    data = data[:at] + junk + data[at + len(junk) :]
    assert encode_bytes(decode(data)) == data


def test_many_parts_do_not_recurse() -> None:
    data = encode_bytes(Recipe((Pax(), Raw(b"x" * BLOCK)) * 3000))
    assert len(decode(data).parts) == 6000


@pytest.mark.skipif(not os.path.isdir(SAMPLES), reason="no samples beside the checkout")
def test_samples_come_back() -> None:
    paths = [os.path.join(top, name) for top, _, names in os.walk(SAMPLES) for name in names]
    tars = sorted(path for path in paths if path.endswith(".tar"))
    assert tars
    for path in tars:
        with open(path, "rb") as file:
            data = file.read()
        assert encode_bytes(decode(data)) == data, path
        assert any(isinstance(part, Member) for part in decode(data).parts), path
