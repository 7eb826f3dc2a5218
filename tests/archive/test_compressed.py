"""Inputs lose their compression by content, never more than the limit, never in silence."""

import bz2
import gzip
import lzma
from collections.abc import Callable

import pytest

from tarbiter.archive import compressed
from tarbiter.archive.compressed import expand, expanded, foreign, outer
from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.recipe import Member, Recipe
from tarbiter.archive.stored import CHUNK

PLAIN = encode_bytes(Recipe((Member(name=b"a", data=b"x" * 3000),)))
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
}


def open_archive(data: bytes) -> tuple[bytes, str]:
    name = outer(data)
    return (expand(name, data)[0], name) if name else (data, "")


@pytest.mark.parametrize("name", PACKERS)
def test_taken_off(name: str) -> None:
    assert outer(PACKERS[name](PLAIN)[:512]) == name
    assert open_archive(PACKERS[name](PLAIN)) == (PLAIN, name)


def test_zstd_taken_off() -> None:
    zstd = pytest.importorskip("backports.zstd")
    assert open_archive(zstd.compress(PLAIN)) == (PLAIN, "zstd")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(gzip.compress(PLAIN[:700]) + gzip.compress(PLAIN[700:]), id="two-members"),
        pytest.param(gzip.compress(PLAIN) + bytes(100), id="zeros-behind"),
        pytest.param(bz2.compress(PLAIN[:700]) + bz2.compress(PLAIN[700:]), id="two-bzip2-streams"),
    ],
)
def test_several_members(data: bytes) -> None:
    assert open_archive(data)[0] == PLAIN


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(gzip.compress(PLAIN)[:-9], "cut short", id="cut"),
        pytest.param(gzip.compress(PLAIN) + b"junk", "4 bytes that are no gzip", id="junk-behind"),
        pytest.param(gzip.compress(PLAIN)[:-8] + bytes(8), "damaged gzip", id="crc"),
    ],
)
def test_refused(data: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        open_archive(data)


@pytest.mark.parametrize("name", PACKERS)
def test_limit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressed, "LARGEST", 1 << 20)
    with pytest.raises(ValueError, match="expands to more than"):
        open_archive(PACKERS[name](bytes(2 << 20)))


@pytest.mark.parametrize("name", PACKERS)
def test_pieces_are_small(name: str) -> None:
    pieces = list(expanded(name, PACKERS[name](bytes(8 << 20)), []))
    assert sum(map(len, pieces)) == 8 << 20
    assert max(map(len, pieces)) <= CHUNK


def test_a_name_that_begins_like_gzip_is_no_compression() -> None:
    data = encode_bytes(Recipe((Member(name=b"\x1f\x8b"),)))
    assert open_archive(data) == (data, "")
    assert foreign(data) == ""
