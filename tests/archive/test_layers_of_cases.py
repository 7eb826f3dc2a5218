"""What is put around an archive comes off again with other people's decompressors, and is the same everywhere."""

import bz2
import gzip
import hashlib
import lzma
import zlib

import msgspec
import pytest

from tarbiter.archive.case import Case
from tarbiter.archive.cases import bytes_of
from tarbiter.archive.compressed import expand, outer
from tarbiter.archive.decode import decode
from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.layers import LAYER_KINDS, PACKED, Layer, layer_of, wrap
from tarbiter.archive.recipe import Member, Recipe
from tarbiter.archive.text import dumps, loads

SMALL = encode_bytes(Recipe((Member(name=b"a", data=b"x"),)))
LARGE = encode_bytes(Recipe((Member(name=b"a", data=bytes(range(256)) * 1100),)))


@pytest.mark.parametrize("kind", LAYER_KINDS)
@pytest.mark.parametrize("splits", [(), (100,), (512, 512), (0,)], ids=str)
@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
def test_it_comes_off_again(kind: str, splits: tuple[int, ...], data: bytes) -> None:
    layer = Layer(kind=kind, splits=splits)  # type: ignore[arg-type]  # LAYER_KINDS are LayerKinds
    assert expand(layer.kind, wrap(data, (layer,)))[0] == data


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


# Read from files ------------------------------------------------------------------------------------------------

SKIPPED = b"\x53\x2a\x4d\x18\x03\0\0\0abc"
STORED = {
    "gzip": Layer(),
    "gzip-fields": Layer(name=b"x.tar", comment=b"hello", extra=b"AB\x01\x00z", header_crc=True),
    "gzip-members": Layer(splits=(0, 100, 512), name=b"x"),
    "gzip-padded": Layer(tail=bytes(100)),
    "bzip2": Layer(kind="bzip2"),
    "bzip2-of-small-blocks": Layer(kind="bzip2", level=1),
    "bzip2-streams": Layer(kind="bzip2", splits=(512,), tail=bytes(3)),
    "xz": Layer(kind="xz"),
    "xz-streams": Layer(kind="xz", splits=(512, 512), tail=bytes(8)),
    "zstd": Layer(kind="zstd"),
    "zstd-frames": Layer(kind="zstd", splits=(1, 512)),
    "zstd-skipped-before-and-behind": Layer(kind="zstd", head=SKIPPED * 2, tail=SKIPPED + bytes(9)),
}
"""Layers that are made again from their fields."""

ZSTD_FRAME = wrap(SMALL, (Layer(kind="zstd"),))
KEPT = {
    "gzip": ("gzip", gzip.compress(SMALL, mtime=7)),
    "gzip-members": ("gzip", gzip.compress(SMALL[:700]) + gzip.compress(SMALL[700:]) + bytes(5)),
    "gzip-of-nothing": ("gzip", gzip.compress(b"")),
    "bzip2-levels": ("bzip2", bz2.compress(SMALL[:700], 1) + bz2.compress(SMALL[700:], 2)),
    "xz": ("xz", lzma.compress(SMALL) + bytes(4)),
    "lzma": ("lzma", lzma.compress(SMALL, lzma.FORMAT_ALONE)),
    "zstd-skipped-between": ("zstd", ZSTD_FRAME + SKIPPED + ZSTD_FRAME),
}
"""Files that only their own bytes give again."""


@pytest.mark.parametrize("name", STORED)
def test_a_layer_of_ours_is_read_as_it_was_put_on(name: str) -> None:
    assert layer_of(STORED[name].kind, wrap(LARGE, (STORED[name],))) == (
        STORED[name],
        f"{STORED[name].kind} kept as a layer",
    )


@pytest.mark.parametrize("name", KEPT)
def test_other_bytes_are_kept_until_what_they_hold_is_changed(name: str) -> None:
    kind, packed = KEPT[name]
    layer, told = layer_of(kind, packed)
    assert (layer.packed, f"with its {len(packed)} bytes" in told) == (packed, True)
    plain = expand(outer(packed), packed)[0]
    case = loads(dumps(Case(recipe=decode(plain), layers=(layer,))))
    assert bytes_of(case) == packed
    changed = msgspec.structs.replace(case, recipe=Recipe((Member(name=b"other"),)))
    assert bytes_of(changed) != packed
    packed = bytes_of(changed)
    assert expand(outer(packed), packed)[0] == encode_bytes(changed.recipe)


def test_frames_to_be_skipped_alone_are_kept() -> None:
    layer, told = layer_of("zstd", SKIPPED)
    assert wrap(b"", (layer,)) == SKIPPED
    assert told == "zstd kept as a layer"


def test_what_is_too_long_to_be_kept_is_told() -> None:
    noise = hashlib.shake_256(b"").digest(PACKED + 1000)
    packed = gzip.compress(noise, mtime=1)
    layer, told = layer_of("gzip", packed)
    assert layer.packed == b""
    assert f"not byte for byte: {len(packed)} bytes" in told
    assert gzip.decompress(wrap(noise, (layer,))) == noise
