"""The express way is the ordinary way, faster: whichever a member goes, the same comes of it."""

import contextlib
import errno
import os
import random
from pathlib import Path
from typing import Any

import pytest

from onetar import Extraction, Report, Row, TarError
from onetar.fast_path import Express
from onetar.limits import Limits
from onetar.policy import POLICIES
from tarbiter.archive.cases import load
from tarbiter.archive.recipe import Member, Part, Pax
from tarbiter.generate.features import FEATURES

from .archives import common, file, folder, hardlink, long_name, pack, pax, symlink
from .test_arrival import CASES
from .test_dimensions import described, drafts

ORDINARY: dict[str, tuple[Part, ...]] = {
    "file": (file(b"a"),),
    "empty": (file(b"a", b""),),
    "several-blocks": (file(b"a", b"x" * 1500),),
    "directory": (folder(b"d/"), file(b"d/a")),
    "directory-without-slash": (folder(b"d"), folder(b"d/e"), file(b"d/e/a")),
    "implied": (file(b"d/e/a"), file(b"d/b"), folder(b"d/")),
    "dot-slash": (file(b"./d/a"), folder(b"./e/")),
    "prefix": (file(b"b", prefix=b"d/" + b"p" * 100),),
    "hundred-bytes": (file(b"n" * 100),),
    "gnu": (file(b"a", format="gnu"),),
    "upper-case": (file(b"A/B"), file(b"A/c")),
    "pax-time": (pax((b"mtime", b"1700000000.25")), file(b"a")),
    "pax-time-whole": (pax((b"mtime", b"1700000000")), file(b"a")),
    "comment": (common((b"comment", b"x" * 40)), file(b"first"), file(b"a"), file(b"b")),
    "mode-with-a-type": (file(b"a", mode=0o100755),),
    "no-owner": (file(b"a", uid=bytes(8), gid=bytes(8)),),
}

LEFT_ALONE: dict[str, tuple[Part, ...]] = {
    "absolute": (file(b"/a"),),
    "climbing": (file(b"d/../a"),),
    "idle": (file(b"d/./a"),),
    "doubled-slash": (file(b"d//a"),),
    "destination": (folder(b"./"),),
    "no-name": (file(b""),),
    "behind-the-name": (file(b"a\0b"),),
    "slash-on-a-file": (file(b"a/", b""),),
    "size-on-a-directory": (folder(b"d/", size=5),),
    "set-id": (file(b"a", mode=0o4755),),
    "symlink": (symlink(b"l", b"a"),),
    "hard-link": (hardlink(b"h", b"a"),),
    "link-name-on-a-file": (file(b"a", linkname=b"b"),),
    "fifo": (file(b"f", b"", kind="fifo"),),
    "long-name": (long_name(b"n" * 200), file(b"n" * 100)),
    "pax-path": (pax((b"path", b"p")), file(b"a")),
    "two-times": (pax((b"mtime", b"1"), (b"mtime", b"2")), file(b"a")),
    "pax-time-before-1970": (pax((b"mtime", b"-1")), file(b"a")),
    "two-pax-headers": (pax((b"mtime", b"1")), pax((b"mtime", b"2")), file(b"a")),
    "version": (file(b"a", version=b"\0\0"),),
    "checksum": (file(b"a", chksum=b"0000001\0"),),
    "base256-size": (file(b"a", b"", size=b"\x80" + bytes(11)),),
    "global-path": (common((b"path", b"p")), file(b"a"), file(b"b")),
}


def taken(policy: str, archive: bytes) -> int:
    """How many members of an archive go the express way, the rest being given to the ordinary one."""
    count = 0

    class Counting(Express):
        def run(self, buffer: bytes, at: int, base: int, most: int) -> tuple[int, int]:
            nonlocal count
            end, number = super().run(buffer, at, base, most)
            count += number
            return end, number

    extraction = Extraction(None, policy=policy)
    extraction._express = Counting(extraction._policy, None, extraction.report, None)
    with contextlib.suppress(TarError):
        extraction.feed(archive)
        extraction.finish()
    return count


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("parts", ORDINARY.values(), ids=ORDINARY)
def test_taken(parts: tuple[Part, ...], policy: str) -> None:
    members = sum(isinstance(part, Member) for part in parts)
    commented = sum(
        isinstance(part, Pax) and part.kind == "pax-global" for part in parts
    )  # what such a header lies in front of
    assert taken(policy, pack(*parts)) == members - commented


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("parts", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_left_alone(parts: tuple[Part, ...], policy: str) -> None:
    assert taken(policy, pack(*parts)) == 0


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param((file(b"a"), file(b"a")), id="again"),
        pytest.param((file(b"a"), file(b"A")), id="twin"),
        pytest.param((file(b"A"), file(b"a")), id="twin-of-a-capital"),
        pytest.param((file(b"d/a"), file(b"d")), id="implied"),
        pytest.param((file(b"d"), file(b"d/a")), id="below-a-file"),
        pytest.param((file(b"d/a"), file(b"D/b")), id="below-a-twin"),
        pytest.param((file(b"k"), file("\u212a".encode())), id="kelvin"),
        pytest.param((file(b"k"), file("\xc9/Y".encode()), file("\xc9/y".encode())), id="twin-below-no-ascii"),
        pytest.param((file(b"k"), file(b"c:d")), id="drive"),
        pytest.param((file(b"k"), file(b"c:d/e")), id="drive-above"),
        pytest.param((file(b"k"), file(b"a\\b")), id="backslash"),
        pytest.param((file(b"k"), file(b"a\x7f")), id="control"),
    ],
)
def test_the_second_is_left_to_the_rules(parts: tuple[Part, ...]) -> None:
    assert taken("strict", pack(*parts)) == 1


@pytest.mark.parametrize("limits", [Limits(path=100), Limits(extension=10), Limits(depth=3)])
def test_small_limits_are_left_to_the_parser(limits: Limits) -> None:
    assert not Express.able(limits)
    assert Express.able(Limits())


# -- the same comes of it ------------------------------------------------------------------------------------------


def told(archive: bytes, policy: str, dest: int | None, express: bool) -> tuple[str, Report]:
    """What is said of an archive, by the express way where it can or by the ordinary one."""
    report = Report()
    try:
        with Extraction(dest, policy=policy, report=report) as extraction:
            if not express:
                extraction._express = None
            extraction.feed(archive)
            extraction.finish()
    except TarError as error:
        return str(error), report
    return "", report


def both_ways(archive: bytes, policy: str) -> tuple[str, Report]:
    said = told(archive, policy, None, True)
    assert said == told(archive, policy, None, False)
    return said


@pytest.mark.parametrize("policy", POLICIES)
def test_of_the_corpus_and_of_every_feature(policy: str) -> None:
    for path in CASES:
        both_ways(load(str(path)).data, policy)
    for name in sorted(FEATURES):
        for archive in drafts(name):
            both_ways(archive, policy)


MIXED = [part for parts in (*ORDINARY.values(), *LEFT_ALONE.values()) for part in parts]
INTERESTING = (
    *(bytes((byte,)) for byte in (0, 1, 32, 45, 46, 47, 48, 49, 53, 55, 56, 58, 65, 92, 120, 127, 128, 255)),
)


def spoilt(archive: bytes, chance: random.Random) -> bytes:
    """A few bytes of headers replaced, the checksums repaired more often than not."""
    found = bytearray(archive)
    for _ in range(chance.randint(1, 3)):
        block = chance.randrange(len(found) // 512) * 512
        place = block + chance.choice(
            (
                0,
                1,
                99,
                100,
                106,
                107,
                123,
                124,
                134,
                135,
                136,
                147,
                148,
                154,
                155,
                156,
                157,
                257,
                262,
                263,
                264,
                265,
                329,
                336,
                344,
                345,
                346,
                475,
                500,
                508,
                511,
            )
        )
        found[place : place + 1] = chance.choice(INTERESTING)
        if chance.random() < 0.8 and found[block + 257 : block + 262] == b"ustar":
            found[block + 148 : block + 156] = b" " * 8
            found[block + 148 : block + 156] = b"%06o\0 " % sum(found[block : block + 512])
    return bytes(found)


@pytest.mark.parametrize("policy", POLICIES)
def test_of_spoilt_archives(policy: str) -> None:
    chance = random.Random(4)
    for _ in range(3000):
        both_ways(spoilt(pack(*chance.choices(MIXED, k=chance.randint(1, 4))), chance), policy)


@pytest.mark.parametrize("policy", POLICIES)
def test_of_trees(tmp_path: Path, policy: str) -> None:
    chance = random.Random(5)
    for number in range(150):
        archive = pack(*chance.choices(MIXED, k=chance.randint(2, 6)))
        found: list[Any] = []
        for express in (True, False):
            (dest := tmp_path / f"{number}-{express}").mkdir()
            fd = os.open(dest, os.O_RDONLY)
            try:
                said = told(archive, policy, fd, express)
            finally:
                os.close(fd)
            tree = described(dest)
            # Implied directories have the time of the run.
            found.append(
                (said, {name: entry for name, entry in tree.items() if name in _members(said[1])}, set(tree))
            )
        assert found[0] == found[1]


def _members(report: Report) -> set[str]:
    return {os.fsdecode(row.path) for row in report.members if row.outcome == "written"}


# -- in the middle -------------------------------------------------------------------------------------------------


def test_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is closed, its row says that it is not whole, and compat keeps what there is."""

    def full(_fd: int, _data: memoryview) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    fd = os.open(tmp_path, os.O_RDONLY)
    before = set(os.listdir("/proc/self/fd"))
    report = Report()
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space"), Extraction(fd, report=report) as extraction:
            extraction.feed(pack(file(b"e", b""), file(b"a")))
    assert set(os.listdir("/proc/self/fd")) == before
    os.close(fd)
    assert [(row.path, row.outcome, row.code, row.stop) for row in report.members] == [
        (b"e", "written", "", 512),
        (b"a", "partial", "body.incomplete", 1024),
    ]
    assert sorted(os.listdir(tmp_path)) == ["a", "e"]


def test_writes_that_take_only_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.write
    fd = os.open(tmp_path, os.O_RDONLY)
    with monkeypatch.context() as patched, Extraction(fd) as extraction:
        patched.setattr(os, "write", lambda to, data: whole(to, bytes(data[:7])))
        extraction.feed(pack(file(b"a", bytes(range(200)))))
        extraction.finish()
    os.close(fd)
    assert (tmp_path / "a").read_bytes() == bytes(range(200))


def test_progress_is_told_of_every_row(tmp_path: Path) -> None:
    seen: list[Row] = []
    fd = os.open(tmp_path, os.O_RDONLY)
    with Extraction(fd, progress=seen.append) as extraction:
        extraction.feed(pack(folder(b"d"), file(b"d/a"), symlink(b"l", b"d")))
        report = extraction.finish()
    os.close(fd)
    assert seen == list(report.members)
    assert len(seen) == 3
