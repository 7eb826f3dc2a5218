"""What is put around an archive comes off again with other people's decompressors, and is the same everywhere."""

import bz2
import gzip
import hashlib
import lzma
import zlib

import pytest

from harness.archive.compressed import open_archive
from harness.archive.encode import encode_bytes
from harness.archive.layers import LAYER_KINDS, Layer, wrap
from harness.archive.recipe import Member, Recipe

SMALL = encode_bytes(Recipe((Member(name=b"a", data=b"x"),)))
LARGE = encode_bytes(Recipe((Member(name=b"a", data=bytes(range(256)) * 1100),)))


@pytest.mark.parametrize("kind", LAYER_KINDS)
@pytest.mark.parametrize("splits", [(), (100,), (512, 512), (0,)], ids=str)
@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
def test_it_comes_off_again(kind: str, splits: tuple[int, ...], data: bytes) -> None:
    layer = Layer(kind=kind, splits=splits)  # type: ignore[arg-type]  # LAYER_KINDS are LayerKinds
    assert open_archive(wrap(data, (layer,)))[0] == data


def test_nothing_can_be_wrapped() -> None:
    assert gzip.decompress(wrap(b"", (Layer(),))) == b""
    assert bz2.decompress(wrap(b"", (Layer(kind="bzip2"),))) == b""


def test_every_field_of_gzip_is_there() -> None:
    layer = Layer(name=b"x.tar", comment=b"hello", extra=b"AB\x01\x00z", header_crc=True)
    data = wrap(SMALL, (layer,))
    assert gzip.decompress(data) == SMALL
    assert data[3] == 2 + 4 + 8 + 16
    assert b"x.tar\0hello\0" in data
    wrong = bytearray(data)
    wrong[12] ^= 1  # a byte of FEXTRA: the header's CRC says so
    with pytest.raises(zlib.error):
        zlib.decompressobj(wbits=31).decompress(bytes(wrong))


@pytest.mark.parametrize("layer", [Layer(crc=1), Layer(length=1)], ids=["crc", "length"])
def test_a_wrong_trailer_is_wrong(layer: Layer) -> None:
    with pytest.raises(gzip.BadGzipFile):
        gzip.decompress(wrap(SMALL, (layer,)))


def test_the_last_member_has_the_wrong_trailer() -> None:
    data = wrap(SMALL, (Layer(splits=(512,), crc=1),))
    first = zlib.decompressobj(wbits=31)
    assert first.decompress(data) == SMALL[:512]
    with pytest.raises(zlib.error):
        zlib.decompressobj(wbits=31).decompress(first.unused_data)


def test_layers_go_outwards() -> None:
    data = wrap(SMALL, (Layer(kind="xz"), Layer(kind="gzip")))
    assert lzma.decompress(gzip.decompress(data)) == SMALL


def test_cut_and_tail() -> None:
    whole = wrap(SMALL, (Layer(),))
    assert wrap(SMALL, (Layer(cut=8, tail=b"end"),)) == whole[:-8] + b"end"
    assert wrap(SMALL, (Layer(cut=len(whole) + 1),)) == b""


@pytest.mark.parametrize(
    ("kind", "want"),
    [
        pytest.param("gzip", "c236514018e164f7", id="gzip"),
        pytest.param("bzip2", "88c819522b8834bc", id="bzip2"),
        pytest.param("xz", "8748cf5372ad1063", id="xz"),
        pytest.param("zstd", "f0d77e81bba331b7", id="zstd"),
    ],
)
def test_the_bytes_are_the_same_everywhere(kind: str, want: str) -> None:
    layer = Layer(kind=kind)  # type: ignore[arg-type]
    assert hashlib.sha256(wrap(LARGE, (layer,))).hexdigest()[:16] == want


@pytest.mark.parametrize("zeros", [1, 258, 259, 260, 100_000])
def test_zeros_are_compressed_as_well_as_can_be(zeros: int) -> None:
    data = wrap(SMALL, (Layer(zeros=zeros, splits=(512,)),))
    assert gzip.decompress(data) == SMALL + bytes(zeros)
    assert len(data) < len(SMALL) + 200 + zeros // 1000
