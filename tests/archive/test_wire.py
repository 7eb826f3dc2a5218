"""Number forms and the field table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tarbiter.archive import wire
from tarbiter.archive.recipe import BLOCK


@pytest.mark.parametrize("fields", wire.FORMATS.values(), ids=wire.FORMATS)
def test_fields_cover_the_block_once(fields: tuple[wire.Field, ...]) -> None:
    assert [field.start for field in fields] == [0, *(field.stop for field in fields[:-1])]
    assert fields[-1].stop == BLOCK


@pytest.mark.parametrize(
    ("value", "width", "want"),
    [
        pytest.param(0o644, 8, b"0000644\0", id="octal"),
        pytest.param(0o7777777, 8, b"7777777\0", id="largest-octal"),
        pytest.param(0o10000000, 8, b"\x80\0\0\0\0\x20\0\0", id="smallest-base256"),
        pytest.param(-1, 8, b"\xff" * 8, id="negative"),
        pytest.param(2**56 - 1, 8, b"\x80" + b"\xff" * 7, id="widest"),
        pytest.param(255, 1, b"\xff", id="one-byte"),
    ],
)
def test_canonical(value: int, width: int, want: bytes) -> None:
    assert wire.octal(value, width) == want
    assert wire.canonical_int(want) == value


@pytest.mark.parametrize(
    ("value", "width"), [(2**56, 8), (-(2**56) - 1, 8), (256, 1), (-1, 1)], ids=["wide", "low", "byte", "below"]
)
def test_too_wide(value: int, width: int) -> None:
    with pytest.raises(ValueError, match="fit"):
        wire.octal(value, width)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"000644 \0", id="space"),
        pytest.param(b"00000644", id="full"),
        pytest.param(b"0000648\0", id="digit-8"),
        pytest.param(b"\x80\0\0\0\0\0\0\x05", id="needless-base256"),
        pytest.param(b"\0" * 8, id="nul"),
        pytest.param(b"-000001\0", id="sign"),
    ],
)
def test_not_canonical(raw: bytes) -> None:
    assert wire.canonical_int(raw) is None


@pytest.mark.parametrize(
    ("raw", "want"),
    [
        pytest.param(b"   644 \0", 0o644, id="spaces"),
        pytest.param(b"00000644", 0o644, id="full"),
        pytest.param(b"644\0junk", 0o644, id="behind-nul"),
        pytest.param(b"\x80\0\0\0\0\0\0\x05", 5, id="base256"),
        pytest.param(b"\xff" * 8, -1, id="base256-negative"),
        pytest.param(b"\0" * 8, None, id="empty"),
        pytest.param(b"0000648\0", None, id="digit-8"),
    ],
)
def test_lenient(raw: bytes, want: int | None) -> None:
    assert wire.lenient_int(raw) == want


def test_signed_and_unsigned_sums_part_at_0x80() -> None:
    block = b"\x7f\x80" + bytes(510)
    assert wire.sums(block) == (256 + 0x7F + 0x80, 256 + 0x7F - 0x80)


@given(st.integers(-(2**56), 2**56 - 1))
def test_every_number_comes_back(value: int) -> None:
    raw = wire.octal(value, 8)
    assert wire.canonical_int(raw) == value == wire.lenient_int(raw)
