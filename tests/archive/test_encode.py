"""Recipes become bytes, every byte has a span, and what has no bytes is refused with its place."""

import tarfile
from io import BytesIO

import pytest
from hypothesis import given

from tarbiter.archive import wire
from tarbiter.archive.encode import encode, encode_bytes, record_bytes
from tarbiter.archive.recipe import (
    BLOCK,
    End,
    Long,
    Member,
    Part,
    Pax,
    Raw,
    Recipe,
    RecipeError,
    Record,
    Slot,
    SparseBlock,
)

from .recipes import recipes


@pytest.mark.parametrize(
    ("part", "length"),
    [
        pytest.param(Member(), 512, id="empty-file"),
        pytest.param(Member(data=b"x"), 1024, id="padded"),
        pytest.param(Member(data=b"x" * 512), 1024, id="whole-block"),
        pytest.param(Member(data=b"x", padding=b""), 513, id="no-padding"),
        pytest.param(Member(data=b"", padding=b"\0\0"), 514, id="padding-of-nothing"),
        pytest.param(Member(format="gnu", kind="sparse", extensions=(SparseBlock(),)), 1024, id="extension"),
        pytest.param(Pax(records=(Record(b"path", b"x"),)), 1024, id="pax"),
        pytest.param(Pax(), 512, id="empty-pax"),
        pytest.param(Long(text=b"n" * 511), 1024, id="long-to-the-block"),
        pytest.param(Long(text=b"n" * 512), 1536, id="long-past-the-block"),
        pytest.param(End(3), 1536, id="end"),
        pytest.param(Raw(b"abc"), 3, id="raw"),
    ],
)
def test_length(part: Part, length: int) -> None:
    assert len(encode_bytes(Recipe((part,), end=0))) == length


@pytest.mark.parametrize(
    ("part", "field"),
    [
        pytest.param(Member(name=b"n" * 101), "name", id="name"),
        pytest.param(Member(uid=2**56), "uid", id="number"),
        pytest.param(Member(mode=b"123456789"), "mode", id="raw-number"),
        pytest.param(Member(chksum=b"123456789"), "chksum", id="chksum"),
        pytest.param(Member(atime=1), "atime", id="ustar-has-no-atime"),
        pytest.param(Member(format="gnu", prefix=b"p"), "prefix", id="gnu-has-no-prefix"),
        pytest.param(Member(format="star", prefix=b"p" * 132), "prefix", id="star-prefix"),
        pytest.param(Member(sparse=(Slot(1, 1),)), "sparse", id="ustar-has-no-map"),
        pytest.param(Member(format="gnu", sparse=(Slot(),) * 5), "sparse", id="five-slots"),
        pytest.param(Member(format="gnu", sparse=(Slot(), Slot(0, -(2**99)))), "sparse[1].length", id="slot"),
        pytest.param(
            Member(format="gnu", extensions=(SparseBlock((Slot(),) * 22),)), "extensions[0]", id="22-slots"
        ),
        pytest.param(Member(format="gnu", isextended=256), "isextended", id="byte"),
        pytest.param(End(-1), "blocks", id="blocks"),
    ],
)
def test_no_bytes(part: Part, field: str) -> None:
    with pytest.raises(RecipeError) as caught:
        encode_bytes(Recipe((Member(), part)))
    assert (caught.value.part, caught.value.field) == (1, field)


def test_negative_end() -> None:
    with pytest.raises(RecipeError) as caught:
        encode_bytes(Recipe(end=-1))
    assert (caught.value.part, caught.value.field) == (-1, "end")


@pytest.mark.parametrize(
    ("record", "want"),
    [
        pytest.param(Record(b"path", b"xy"), b"11 path=xy\n", id="10-cannot-be"),
        pytest.param(Record(b"a", b"xyz"), b"8 a=xyz\n", id="one-digit"),
        pytest.param(Record(b"a", b"x" * 93), b"99 a=" + b"x" * 93 + b"\n", id="99"),
        pytest.param(Record(b"a", b"x" * 94), b"101 a=" + b"x" * 94 + b"\n", id="100-cannot-be"),
        pytest.param(Record(b"a", b"x", length=b"7"), b"7 a=x\n", id="lies"),
        pytest.param(Record(b"a", b"x", end=b""), b"5 a=x", id="no-newline"),
    ],
)
def test_record(record: Record, want: bytes) -> None:
    assert record_bytes(record) == want


def test_checksum_repaired_unless_set() -> None:
    block = encode_bytes(Recipe((Member(name=b"\xff" * 100),), end=0))
    assert wire.lenient_int(block[148:156]) == wire.sums(block)[0]
    assert encode_bytes(Recipe((Member(chksum=b""),), end=0))[148:156] == bytes(8)


def test_python_reads_it() -> None:
    recipe = Recipe((Member(kind="dir", name=b"d/"), Long(text=b"d/" + b"n" * 200), Member(data=b"hello")))
    with tarfile.open(fileobj=BytesIO(encode_bytes(recipe))) as archive:
        assert [(one.name, one.isdir(), one.size) for one in archive] == [
            ("d", True, 0),
            ("d/" + "n" * 200, False, 5),
        ]


@given(recipes)
def test_spans_cover_every_byte_once(recipe: Recipe) -> None:
    encoded = encode(recipe)
    assert encoded.data == encode_bytes(recipe)
    at = 0
    for span in encoded.spans:
        assert span.start == at < span.stop
        at = span.stop
    assert at == len(encoded.data)


def test_spans_say_what_the_bytes_are() -> None:
    recipe = Recipe((Pax(records=(Record(b"path", b"long"),)), Member(name=b"short", data=b"body")))
    encoded = encode(recipe)
    found = {(span.part, span.field): encoded.data[span.start : span.stop] for span in encoded.spans}
    assert found[0, "records[0].value"] == b"long"
    assert found[1, "name"].rstrip(b"\0") == b"short"
    assert found[1, "data"] == b"body"
    assert found[1, "padding"] == bytes(BLOCK - 4)
    assert found[-1, "blocks"] == bytes(2 * BLOCK)
