"""The extractor's header table against the harness's: two people's knowledge of the same block."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetar import layout
from tarbiter.archive import wire
from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.recipe import BLOCK, Member, Recipe
from tarbiter.generate.strategies import recipes


def test_fields_stand_where_the_encoder_writes_them() -> None:
    theirs = {field.name: (field.start, field.width) for field in wire.FORMATS["ustar"]}
    ours = {name: (layout.OFFSETS[name], width) for name, width in layout.FIELDS}
    assert ours == theirs
    assert tuple(theirs) == layout.Header._fields


def test_a_block_is_a_block() -> None:
    assert layout.BLOCK == BLOCK == sum(width for _, width in layout.FIELDS)
    assert len(layout.ZERO) == BLOCK


@pytest.mark.parametrize("name", sorted(wire.MAGIC))
def test_magics_have_the_dialect_of_their_format(name: str) -> None:
    want = {"ustar": layout.USTAR, "star": layout.USTAR, "gnu": layout.GNU, "v7": layout.V7}
    block = encode_bytes(Recipe((Member(format=name, name=b"a"),), end=0))  # type: ignore[arg-type]  # keys are formats
    assert layout.dialect(layout.unpack(block, 0)) == want[name]


@given(st.sampled_from([8, 12]), st.data())
def test_numbers_that_the_encoder_writes_are_read_back(width: int, data: st.DataObject) -> None:
    limit = 1 << (8 * width - 8)
    value = data.draw(st.integers(-limit, limit - 1) | st.integers(-9, 8**width))
    assert layout.number(wire.octal(value, width)) == value


@given(st.binary(min_size=8, max_size=8) | st.text("01234567 \0", min_size=8, max_size=8).map(str.encode))
def test_numbers_that_both_read_are_the_same(field: bytes) -> None:
    theirs = wire.lenient_int(field)
    try:
        ours = layout.number(field)
    except layout.NumberError:
        return
    assert theirs is None or ours == theirs


@pytest.mark.parametrize(
    ("field", "want"),
    [
        pytest.param(b"0000644\0", 0o644, id="octal"),
        pytest.param(b"00000644", 0o644, id="full-width"),
        pytest.param(b"    644 ", 0o644, id="leading-spaces"),
        pytest.param(b"644\0junk", 0o644, id="junk-behind-nul"),
        pytest.param(b"644 junk", 0o644, id="junk-behind-space"),
        pytest.param(b"\0" * 8, 0, id="empty"),
        pytest.param(b" " * 8, 0, id="spaces"),
        pytest.param(b"77777777", 0o77777777, id="largest-octal"),
        pytest.param(b"\x80" + b"\0" * 6 + b"\5", 5, id="base256"),
        pytest.param(b"\x80" + b"\xff" * 7, (1 << 56) - 1, id="largest-base256"),
        pytest.param(b"\xff" * 8, -1, id="base256-negative"),
        pytest.param(b"\xff" + b"\0" * 7, -(1 << 56), id="smallest-base256"),
    ],
)
def test_number(field: bytes, want: int) -> None:
    assert layout.number(field) == want


@pytest.mark.parametrize(
    "field",
    [
        pytest.param(b"-0000644", id="minus"),
        pytest.param(b"+0000644", id="plus"),
        pytest.param(b"00000648", id="digit-8"),
        pytest.param(b"0x000644", id="hexadecimal"),
        pytest.param(b"000_0644", id="underscore"),
        pytest.param(b"\x81" + b"\0" * 7, id="neither-0x80-nor-0xff"),
        pytest.param("٠٠٠٦٤٤".encode()[:8], id="digits-of-another-script"),
    ],
)
def test_no_number(field: bytes) -> None:
    with pytest.raises(layout.NumberError):
        layout.number(field)


@given(st.binary(min_size=BLOCK, max_size=BLOCK), st.integers(0, 3))
def test_checksums_are_the_harness_s(block: bytes, before: int) -> None:
    buffer = bytes(before) + block + b"x"
    assert (layout.checksum(buffer, before), layout.signed_checksum(buffer, before)) == wire.sums(block)


@given(recipes(fewest=0, most=0))
def test_headers_that_the_encoder_writes_have_the_right_sum(recipe: Recipe) -> None:
    block = encode_bytes(recipe)[:BLOCK]
    assert layout.number(layout.unpack(block, 0).chksum) == layout.checksum(block, 0)
