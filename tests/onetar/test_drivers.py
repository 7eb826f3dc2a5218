"""Whoever reads, and however the bytes come: the same report, the same tree, and every descriptor given back."""

import asyncio
import bz2
import gzip
import io
import itertools
import lzma
import os
import random
import resource
import sys
import threading
import tracemalloc
import zlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetar import (
    CompressionError,
    FormatError,
    LimitError,
    Limits,
    Report,
    Row,
    TarError,
    check,
    extract,
    extract_async,
    members,
)
from onetar.compression import TAKEN
from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.recipe import Recipe
from tarbiter.generate.strategies import recipes

from .archives import file, folder, hardlink, long_name, pack, pax, symlink
from .test_policy import tree

ARCHIVE = pack(
    folder(b"d"),
    long_name(b"d/" + b"n" * 150),
    file(b"d/" + b"n" * 98, b"long" * 1000),
    pax((b"path", b"p/q"), (b"mtime", b"1.5")),
    file(b"p"),
    symlink(b"l", b"p/q"),
    hardlink(b"h", b"p/q"),
)
WANT = {
    "d/": "",
    "d/" + "n" * 150: "long" * 1000,
    "p/": "",
    "p/q": "text",
    "l": "-> p/q",
    "h": "text",
}


class OneByte(io.RawIOBase):
    """A file that gives a byte at a time, as a slow pipe does, and has nothing but `read`."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._data.read(min(size, 1))


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]
        yield b""  # nothing has come: not the end


@pytest.fixture
def descriptors() -> Iterator[None]:
    before = set(os.listdir("/proc/self/fd"))
    yield
    assert set(os.listdir("/proc/self/fd")) == before


try:
    from compression import zstd  # type: ignore[import-not-found,unused-ignore]
except ImportError:
    zstd = pytest.importorskip("backports.zstd") if sys.version_info < (3, 14) else None


@pytest.fixture(params=["", "gzip", "bzip2", "xz", "lzma", "zstd"])
def compressed(request: pytest.FixtureRequest) -> bytes:
    packers: dict[str, Callable[[bytes], bytes]] = {
        "": bytes,
        "gzip": gzip.compress,
        "bzip2": bz2.compress,
        "xz": lzma.compress,
        "lzma": partial(lzma.compress, format=lzma.FORMAT_ALONE),
        "zstd": zstd.compress,
    }
    return packers[request.param](ARCHIVE)


@pytest.mark.usefixtures("descriptors")
@pytest.mark.parametrize("policy", ["strict", "compat"])
def test_sources(tmp_path: Path, compressed: bytes, policy: str) -> None:
    path = tmp_path / "archive"
    path.write_bytes(compressed)
    with path.open("rb") as file:
        sources: dict[str, object] = {
            "path": path,
            "text": str(path),
            "file": file,
            "bytes": compressed,
            "view": memoryview(compressed),
            "slow": OneByte(compressed),
            "iterable": pieces(compressed, 7),
            "list": [compressed[:100], compressed[100:]],
        }
        reports = [
            extract(source, tmp_path / name, policy=policy)  # type: ignore[arg-type]  # each is a Source
            for name, source in sources.items()
        ]
    assert all(report == reports[0] and report.complete for report in reports)
    assert all(tree(tmp_path / name) == WANT for name in sources)


@pytest.mark.usefixtures("descriptors")
def test_a_pipe(tmp_path: Path) -> None:
    reading, writing = os.pipe()

    def write() -> None:
        with open(writing, "wb") as file:
            file.write(ARCHIVE)

    thread = threading.Thread(target=write)
    thread.start()
    with open(reading, "rb", buffering=0) as source:
        extract(source, tmp_path)
    thread.join()
    assert tree(tmp_path) == WANT


async def paused(data: bytes, size: int) -> AsyncIterator[bytes]:
    for piece in pieces(data, size):
        await asyncio.sleep(0)  # nothing but a pause: another task may run
        yield piece


@pytest.mark.usefixtures("descriptors")
@pytest.mark.parametrize("size", [1, 511, 512, 513, 1 << 20])
def test_async_with_pauses(tmp_path: Path, compressed: bytes, size: int) -> None:
    report = asyncio.run(extract_async(paused(compressed, size), tmp_path))
    assert report == check_written(compressed)
    assert tree(tmp_path) == WANT


def check_written(archive: bytes) -> Report:
    """What `check` says, in the words of an extraction."""
    report = check(archive)
    for row in report.members:
        row.outcome, row.path = "written", row.path.rstrip(b"/")
    report.body_bytes = sum(row.size for row in report.members)
    return report


@pytest.mark.usefixtures("descriptors")
def test_async_errors_take_back(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"archive\.truncated"):
        asyncio.run(extract_async(paused(ARCHIVE[:3000], 100), tmp_path / "dest", policy="strict"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("descriptors")
def test_async_cancelled(tmp_path: Path) -> None:
    report = Report()

    async def cancelled() -> None:
        async def stuck() -> AsyncIterator[bytes]:
            yield ARCHIVE[:3000]
            await asyncio.Event().wait()

        task = asyncio.create_task(extract_async(stuck(), tmp_path / "dest", keep_partial=False, report=report))
        while not report.members:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert list(tmp_path.iterdir()) == []
    assert {row.outcome for row in report.members} == {"undone"}


@given(recipes(), st.integers(1, 1500))
def test_the_cut_of_the_input_does_not_matter(recipe: Recipe, size: int) -> None:
    archive = encode_bytes(recipe)
    assert verdict(archive) == verdict(pieces(archive, size)) == verdict(OneByte(archive))


def verdict(source: bytes | Iterable[bytes] | io.RawIOBase) -> object:
    report = Report()
    try:
        return check(source, report=report)
    except TarError as error:
        return str(error), report.members, report.notes


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """An archive with some bytes changed, cut short, and its first checksum repaired."""
    changed = bytearray(data)
    for at, byte in draw(
        st.lists(st.tuples(st.integers(0, max(len(data) - 1, 0)), st.integers(0, 255)), max_size=4)
    ):
        changed[at : at + 1] = bytes((byte,))
    changed = changed[: draw(st.integers(0, len(changed)))]
    if len(changed) >= 512:
        changed[148:156] = b" " * 8
        changed[148:156] = b"%06o\0 " % sum(changed[:512])
    return bytes(changed)


@given(st.binary(max_size=3000) | recipes().map(encode_bytes).flatmap(damaged))
def test_nothing_but_its_own_errors_escapes(archive: bytes) -> None:
    for policy in ("strict", "compat"):
        report = Report()
        error = failure(partial(check, archive, policy=policy, report=report))
        assert error is None or (error.code and error.report is report)
        assert error is None or 0 <= error.offset <= len(archive)
    error = failure(lambda: deque(members(archive), maxlen=0))
    assert error is None or 0 <= error.offset <= len(archive)


def failure(call: Callable[[], object]) -> TarError | None:
    """The archive's fault, where there is one."""
    try:
        call()
    except TarError as error:
        return error
    return None


# -- listing -------------------------------------------------------------------------------------------------------


def test_members(compressed: bytes) -> None:
    found = [(member.path, member.kind.value, member.number) for member in members(pieces(compressed, 100))]
    assert found == [
        (b"d", "dir", 1),
        (b"d/" + b"n" * 150, "file", 2),
        (b"p/q", "file", 3),
        (b"l", "symlink", 4),
        (b"h", "hardlink", 5),
    ]


@pytest.mark.parametrize("archive", [b"", b"\x1f", gzip.compress(b"")], ids=["nothing", "a-byte", "empty-gzip"])
def test_members_of_what_is_no_archive(archive: bytes) -> None:
    with pytest.raises(TarError) as caught:
        list(members(archive))
    assert caught.value.code in ("archive.empty", "archive.truncated")


@pytest.mark.usefixtures("descriptors")
def test_listing_closes_its_file_when_it_is_left(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(ARCHIVE)
    listing = members(path)
    assert next(listing).path == b"d"
    listing.close()  # type: ignore[attr-defined]  # an iterator that is a generator


def test_check_says_what_extract_would_do() -> None:
    report = check(pack(folder(b"d"), file(b"f", b"", kind="fifo"), file(b"/a")))
    assert [(row.outcome, row.code) for row in report.members] == [
        ("listed", ""),
        ("skipped", "type.special"),
        ("listed", "name.absolute"),
    ]


# -- interrupted ---------------------------------------------------------------------------------------------------


def outcomes(report: Report) -> list[tuple[str, str]]:
    return [(row.path.decode()[:5], row.outcome) for row in report.members]


def stopping(at: bytes, error: BaseException) -> object:
    def progress(row: Row) -> None:
        if row.path == at:
            raise error

    return progress


@pytest.mark.usefixtures("descriptors")
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")], ids=type)
@pytest.mark.parametrize(
    ("policy", "want"),
    [("strict", [("d", "undone"), ("p/q", "undone")]), ("compat", [("d", "written"), ("p/q", "written")])],
)
def test_interrupted(tmp_path: Path, policy: str, want: list[tuple[str, str]], error: BaseException) -> None:
    report = Report()
    archive = pack(folder(b"d"), file(b"p/q"), symlink(b"l", b"d"))
    with pytest.raises(type(error)):
        extract(
            archive,
            tmp_path / "dest",
            policy=policy,
            progress=stopping(b"p/q", error),  # type: ignore[arg-type]  # a function of a row
            report=report,
        )
    assert outcomes(report) == want
    assert (tmp_path / "dest").exists() == (policy == "compat")


@pytest.mark.usefixtures("descriptors")
@pytest.mark.parametrize(("policy", "want"), [("strict", "undone"), ("compat", "partial")])
def test_interrupted_in_a_body(tmp_path: Path, policy: str, want: str) -> None:
    def source() -> Iterator[bytes]:
        yield pack(file(b"a", b"x" * 5000))[:3000]
        raise KeyboardInterrupt

    report = Report()
    with pytest.raises(KeyboardInterrupt):
        extract(source(), tmp_path / "dest", policy=policy, report=report)
    assert outcomes(report) == [("a", want)]
    assert report.members[0].code == "body.incomplete"


@pytest.fixture
def limited() -> Iterator[None]:
    """Files may have 4096 bytes, as if the disk were full then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("descriptors", "limited")
@pytest.mark.parametrize(("policy", "want"), [("strict", "undone"), ("compat", "partial")])
def test_no_more_can_be_written(tmp_path: Path, policy: str, want: str) -> None:
    report = Report()
    with pytest.raises(OSError, match="File too large"):
        extract(pack(file(b"a"), file(b"b", b"x" * 5000)), tmp_path / "dest", policy=policy, report=report)
    assert outcomes(report)[1] == ("b", want)


@pytest.mark.usefixtures("descriptors")
@pytest.mark.parametrize("room", range(8))
def test_few_descriptors(tmp_path: Path, room: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    report = Report()
    archive = pack(*(file(b"%d/%d/f" % (number, number)) for number in range(10)), symlink(b"l", b"f"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) - 1 + room, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            extract(archive, tmp_path / "dest", policy="strict", report=report)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert {row.outcome for row in report.members} <= {"undone"} or report.notes


LZMA = lzma.compress(ARCHIVE, format=lzma.FORMAT_ALONE)
WIDE = b"\x28\xb5\x2f\xfd\x00\x88" + zstd.compress(ARCHIVE)[6:]
"""A frame that asks for a window of 128 MiB (RFC 8878, 3.1.1.1)."""


@pytest.mark.parametrize(
    ("archive", "error", "code"),
    [
        pytest.param(b"", FormatError, "archive.empty", id="empty"),
        pytest.param(gzip.compress(b""), FormatError, "archive.empty", id="empty-inside"),
        pytest.param(b"x" * 511, FormatError, "archive.truncated", id="less-than-a-block"),
        pytest.param(b"x" * 512, FormatError, "header.checksum", id="no-archive"),
        pytest.param(gzip.compress(ARCHIVE)[:100], CompressionError, "compression.truncated", id="cut-short"),
        pytest.param(
            gzip.compress(ARCHIVE)[:-8] + b"\0" * 8, CompressionError, "compression.damaged", id="wrong-sum"
        ),
        pytest.param(gzip.compress(ARCHIVE) + b"x", CompressionError, "compression.trailing", id="junk-behind"),
        pytest.param(LZMA + LZMA, CompressionError, "compression.trailing", id="two-lzma-streams"),
        pytest.param(LZMA[:50], CompressionError, "compression.truncated", id="lzma-cut-short"),
        pytest.param(lzma.compress(ARCHIVE, preset=9), LimitError, "limit.memory", id="xz-window"),
        pytest.param(WIDE, LimitError, "limit.memory", id="zstd-window"),
        pytest.param(WIDE[:-1], LimitError, "limit.memory", id="zstd-window-cut-short"),
        pytest.param(zstd.compress(ARCHIVE)[:-1], CompressionError, "compression.truncated", id="zstd-cut-short"),
        pytest.param(zstd.compress(ARCHIVE) + b"PK", CompressionError, "compression.trailing", id="zstd-and-junk"),
    ],
)
def test_bad_input(tmp_path: Path, archive: bytes, error: type[TarError], code: str) -> None:
    with pytest.raises(error) as caught:
        extract(archive, tmp_path / "dest", policy="strict")
    assert caught.value.code == code
    assert list(tmp_path.iterdir()) == []


def zeros(size: int) -> Iterator[bytes]:
    """A file of so many bytes, and the end."""
    yield pack(file(b"a", b"", size=size), end=0)
    for _ in range(size >> 18):
        yield bytes(1 << 18)
    yield bytes(1024)


def gzipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(9, wbits=31)
    yield from map(packer.compress, pieces)
    yield packer.flush()


def in_one_piece(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Made when it is asked for: collecting the tests need not wait."""
    yield b"".join(pieces)


def extensions(number: int) -> Iterator[bytes]:
    for _ in range(number):
        yield pack(pax((b"comment", b"x" * 1_000_000)), end=0)
    yield pack(file(b"a"))


@pytest.mark.parametrize(
    ("source", "most"),
    [
        pytest.param(zeros(1 << 26), 2, id="large-file"),
        pytest.param(gzipped(zeros(1 << 26)), 4, id="gzip"),
        pytest.param(in_one_piece(gzipped(zeros(1 << 26))), 4, id="gzip-in-one-piece"),
        pytest.param(extensions(16), 32, id="extensions"),
        pytest.param([pack(pax((b"path", b"x"), size=1 << 40))], 1, id="declared-only"),
        pytest.param([pack(file(b"a", b"", size=1 << 40))], 1, id="declared-size"),
        pytest.param([pack(pax((b"path", b"d/" * 1023 + b"f")), file(b"f"))], 4, id="deep"),
    ],
)
def test_memory_does_not_grow_with_what_an_archive_claims(
    deep_path: Path, source: Iterable[bytes], most: int
) -> None:
    tracemalloc.start()
    try:
        failure(lambda: extract(source, deep_path / "dest", keep_partial=False))
        assert tracemalloc.get_traced_memory()[1] < most << 20
    finally:
        tracemalloc.stop()


def compressible(chance: random.Random) -> bytes:
    """Files of noise, of which nothing can be made smaller, and then empty ones."""
    noise = (file(b"%04d" % number, chance.randbytes(3000)) for number in range(150))
    return pack(*noise, *(file(b"e%05d" % number, b"") for number in range(3000)))


@pytest.mark.parametrize("pack_up", [gzip.compress, bz2.compress, lzma.compress, zstd.compress])
def test_what_came_before_an_error_does_not_depend_on_arrival(pack_up: Callable[[bytes], bytes]) -> None:
    chance = random.Random(3)
    whole = pack_up(compressible(chance))
    limits = Limits(ratio=2, ratio_from=1 << 18)
    at = len(whole) * 3 // 5
    spoilt = whole[:at] + bytes(byte ^ 255 for byte in whole[at : at + 20]) + whole[at + 20 :]
    for archive, code in ((whole, "limit.ratio"), (spoilt, "."), (whole[:at], "truncated")):
        told = set()
        for size in (1, 1000, TAKEN - 1, TAKEN, 3 * TAKEN + 1, len(whole)):
            report = Report()
            if size == 1:
                source: Iterable[bytes] = itertools.chain(pieces(archive[:2000], 1), pieces(archive[2000:], 777))
            else:
                source = pieces(archive, size)
            with pytest.raises(TarError, match=code) as caught:
                check(source, policy="compat", report=report, limits=limits)
            told.add((str(caught.value), len(report.members), report.archive_bytes))
        assert len(told) == 1


SKIPPED = b"\x5a\x2a\x4d\x18\x03\0\0\0abc"


@pytest.mark.parametrize("size", [1, 3, 1 << 20])
def test_frames_and_streams_one_behind_the_other(tmp_path: Path, size: int) -> None:
    halves = (ARCHIVE[:1000], ARCHIVE[1000:])
    for name, packed in {
        "gzip": b"".join(map(gzip.compress, halves)),
        "xz": b"".join(map(lzma.compress, halves)) + bytes(8),
        "bzip2": b"".join(map(bz2.compress, halves)),
        "zstd": SKIPPED.join(map(zstd.compress, halves)) + SKIPPED,
    }.items():
        report = extract(pieces(packed, size), tmp_path / name)
        assert (report.compression, tree(tmp_path / name)) == (name, WANT)


def test_a_name_that_looks_like_lzma(tmp_path: Path) -> None:
    extract(pack(file(b"]"), file(b"]\x80")), tmp_path)
    assert {entry.name for entry in tmp_path.iterdir()} == {"]", os.fsdecode(b"]\x80")}


def test_limits_reach_everything(tmp_path: Path) -> None:
    for limits in (Limits(members=2), Limits(output=1000), Limits(extension=100), Limits(path=20)):
        with pytest.raises(LimitError):
            extract(gzip.compress(ARCHIVE), tmp_path / "dest", limits=limits, keep_partial=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("descriptors")
def test_a_descriptor_as_destination_stays_the_callers(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        extract(ARCHIVE, fd)
        assert os.fstat(fd).st_ino == tmp_path.stat().st_ino
    finally:
        os.close(fd)
    assert tree(tmp_path) == WANT


def test_progress_sees_every_row_when_it_is_complete(tmp_path: Path) -> None:
    seen: list[Row] = []
    report = extract(pieces(ARCHIVE, 100), tmp_path, progress=seen.append)
    assert seen == report.members


def gzip_framed(flags: int, fields: bytes, *, wrong_sum: bool = False, wrong_size: bool = False) -> bytes:
    """ARCHIVE as a gzip member with these flags and fields in its header (RFC 1952, 2.3)."""
    plain = gzip.compress(ARCHIVE, mtime=0)
    header = b"\x1f\x8b\x08" + bytes([flags]) + bytes(6) + fields
    if flags & 2:
        header += (zlib.crc32(header) & 0xFFFF).to_bytes(2, "little")
    total, size = plain[-8:-4], plain[-4:]
    return header + plain[10:-8] + (bytes(4) if wrong_sum else total) + (bytes(4) if wrong_size else size)


FRAMES = {
    "all-fields": (gzip_framed(0x1E, b"\x05\0extra" + b"name\0" + b"comment\0"), "", -1),
    "name-only": (gzip_framed(0x08, b"name\0"), "", -1),
    "extra-only": (gzip_framed(0x04, b"\0\0"), "", -1),
    "wrong-sum": (gzip_framed(0, b"", wrong_sum=True), "compression.damaged", 0),
    "wrong-size": (gzip_framed(0, b"", wrong_size=True), "compression.damaged", 0),
    "wrong-sum-of-the-header": (gzip_framed(0, b"")[:3] + b"\x02" + bytes(8) + b"x", "compression.damaged", 0),
    "reserved-flag": (gzip_framed(0x20, b""), "compression.damaged", 0),
    "other-method": (b"\x1f\x8b\x07" + bytes(20), "compression.damaged", 0),
    "endless-name": (b"\x1f\x8b\x08\x08" + b"n" * (1 << 18), "compression.damaged", 0),
    "junk-behind-zeros": (gzip.compress(ARCHIVE) + bytes(5) + b"x", "compression.trailing", 5),
    "junk-in-a-second-one": (gzip.compress(ARCHIVE) + b"\x1f\x8b\x07", "compression.damaged", 0),
}
"""A gzip file, the code of its error, and the error's offset behind the first member (or from the start, below)."""


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
@pytest.mark.parametrize("name", FRAMES)
def test_a_gzip_frame_arrives_in_pieces(tmp_path: Path, name: str, step: int) -> None:
    data, code, offset = FRAMES[name]
    step = max(step, len(data) // 10_000)
    pieces = (data[at : at + step] for at in range(0, len(data), step))
    report = Report()
    said, where = "", -1
    try:
        extract(pieces, tmp_path / "dest", report=report)
    except CompressionError as error:
        said, where = error.code, error.offset
    behind = len(gzip.compress(ARCHIVE)) if name.startswith("junk") else 0
    assert (said, where) == (code, offset + behind if code else -1)
    # The sums come last: what was read before them is there, however it arrived.
    whole = code == "" or (name.startswith(("junk", "wrong-sum", "wrong-size")) and not name.endswith("header"))
    assert [row.path for row in report.members] == ([row.path for row in check(ARCHIVE).members] if whole else [])
