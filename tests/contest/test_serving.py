"""Persistent drivers that misbehave cost one case: they are told from each other, and replaced."""

from __future__ import annotations

import gzip
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tarbiter.archive.case import WHOLE, Schedule, World
from tarbiter.contest import doctor
from tarbiter.contest.installed.registry import Contestant, Table
from tarbiter.contest.observation import Job, Observation
from tarbiter.contest.pool import Limits, Pool
from tarbiter.contest.worker import serving
from tarbiter.contest.worker.listing import UNUSED

from .hostile import TIME_S, hostile

HERE = Path(__file__).with_name("hostile_driver.py")


def serving_one(mode: str, **table: object) -> Contestant:
    """The contestant whose persistent driver does `mode`, under that name."""
    words = (sys.executable, "-I", "-S", str(HERE), mode)
    made = Table(family="hostile", serve=words, threads=2, **table)  # type: ignore[arg-type]  # as the test says
    return Contestant(name=mode, table=made, program=sys.executable, version="1")


MODES = (
    "lists_for_ever",
    "behave",
    "crash",
    "leave",
    "spin",
    "sleep",
    "babble",
    "bad_name",
    "bad_status",
    "no_status",
    "bad_field",
    "twice",
    "shout",
    "eat",
    "eat_together",
    "full",
    "limit",
    "bug",
    "newer",
    "dumb",
    "once",
    "hog",
)


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    everybody = [*map(serving_one, MODES), hostile("nothing"), hostile("kill_everybody"), hostile("create_beside")]
    with Pool(everybody, limits=Limits(time_s=TIME_S, together=224 << 20)) as opened:
        yield opened


def run(pool: Pool, name: str, schedule: Schedule = WHOLE, world: World | None = None) -> Observation:
    return pool.run(Job(archive=b"0123456789", contestants=(name,), schedule=schedule, world=world or World()))[0]


def test_one_that_behaves(pool: Pool) -> None:
    seen = run(pool, "behave")
    assert (seen.status, seen.error, seen.version, seen.family) == ("extracted", "", "1", "hostile")
    assert [(node.path, node.data) for node in seen.tree[1:]] == [(b"file", b"0123456789")]
    assert [row.path for row in seen.listing or ()] == [b"file"]
    assert seen.wall_ns > 0
    assert seen.cpu_ns > 0


@pytest.mark.parametrize(
    ("mode", "status", "error_class", "error"),
    [
        ("crash", "crashed", "signal 11", "no more"),
        ("leave", "crashed", "exit 3", ""),
        ("spin", "hung", "time", "no answer in its time: killed"),
        ("sleep", "hung", "asleep", "it sleeps, and nothing can wake it: killed"),
        ("babble", "crashed", "protocol", "JSON is malformed: invalid character (byte 0); it said: I am no JSON"),
        ("bad_name", "crashed", "protocol", "`$.names[0]` is not hexadecimal"),
        ("bad_status", "crashed", "protocol", "Invalid enum value 'fine' - at `$.status`"),
        ("no_status", "crashed", "protocol", "Object missing required field `status`"),
        ("bad_field", "crashed", "protocol", "Expected `str`, got `int` - at `$.error`"),
        ("eat", "over-limit", "exit 1", "Cannot allocate memory"),
        ("eat_together", "over-limit", "memory", "all of its processes together"),
        ("full", "over-limit", "refused", "ENOSPC"),
        ("limit", "over-limit", "limit", "OutOfMemoryError"),
        ("bug", "crashed", "TypeError", "x is not a function"),
        ("newer", "unavailable", "driver", "does not speak version 1"),
        ("dumb", "unavailable", "driver", "I cannot start"),
    ],
)
def test_one_that_does_not(pool: Pool, mode: str, status: str, error_class: str, error: str) -> None:
    seen = run(pool, mode)
    assert (seen.status, seen.error_class) == (status, error_class)
    assert error in seen.error
    assert run(pool, "behave").status == "extracted"
    assert pool.restarts == 0


@pytest.mark.parametrize("mode", ["twice", "shout"])
def test_oddities_that_are_borne(pool: Pool, mode: str) -> None:
    for _ in range(3):
        seen = run(pool, mode)
        assert (seen.status, seen.error) == ("extracted", "")


def test_what_only_a_used_process_does_is_not_believed(pool: Pool) -> None:
    first, second = run(pool, "once"), run(pool, "once")
    assert (first.status, second.status) == ("extracted", "extracted")
    assert first.notes == ()
    assert second.notes == ("run twice: crashed first (sticky)",)


def test_drivers_outlive_a_worker(pool: Pool) -> None:
    run(pool, "behave")
    before = pids(pool)
    assert run(pool, "create_beside").escapes
    assert run(pool, "behave").status == "extracted"
    assert before <= pids(pool)


def pids(pool: Pool) -> set[int]:
    """The persistent drivers of a pool, as they are seen from outside."""
    inside = doctor.descendants(pool.first.process.pid)
    return {pid for pid in inside if b"hostile_driver" in Path(f"/proc/{pid}/cmdline").read_bytes()}


@pytest.mark.parametrize("again", range(2))
def test_a_contestant_that_kills_everybody(pool: Pool, again: int) -> None:
    assert run(pool, "kill_everybody").status == "crashed", again
    assert run(pool, "behave").status == "extracted"
    assert pool.restarts == 0


def test_a_driver_that_dies_idle_is_replaced(pool: Pool) -> None:
    run(pool, "behave")
    for pid in pids(pool):
        os.kill(pid, signal.SIGKILL)
    seen = run(pool, "behave")
    assert seen.status == "extracted"
    assert seen.notes == ("run twice: crashed first (signal 9)",)
    assert run(pool, "behave").notes == ()


def test_what_hangs_as_it_lists_has_extracted(pool: Pool) -> None:
    job = Job(archive=b"0123456789", contestants=("lists_for_ever",), listing=True)
    (seen,) = pool.run(job)
    assert (seen.status, seen.listing) == ("extracted", None)
    assert any(note.startswith(UNUSED) for note in seen.notes)
    assert any(note.startswith("run twice: ") for note in seen.notes), seen.notes


def test_nothing_is_left_of_drivers() -> None:
    with Pool([serving_one("behave")]) as opened:
        run(opened, "behave")
        left = pids(opened)
        assert len(left) == 1
    for pid in left:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.parametrize(
    ("table", "schedule", "notes"),
    [
        ("", WHOLE, ()),
        ("", Schedule(chunks=(1,)), ("the schedule was not applied: it takes the archive as a whole",)),
        ("chunks", Schedule(chunks=(1,)), ()),
        ("chunks", Schedule(chunks=(1,), pause=True), ("pauses are not applied: it has no way to wait",)),
        ("pauses", Schedule(chunks=(1,), pause=True), ()),
    ],
)
def test_what_it_cannot_do_is_told(table: str, schedule: Schedule, notes: tuple[str, ...]) -> None:
    with Pool([serving_one("behave", schedule=table)]) as opened:
        assert run(opened, "behave", schedule).notes == notes


@pytest.mark.parametrize(
    ("mode", "sets"), [pytest.param("umask", True, id="by the driver"), pytest.param("behave", False, id="anew")]
)
def test_the_umask_is_the_worlds(mode: str, sets: bool) -> None:
    with Pool([serving_one(mode, umask=sets)]) as opened:
        modes = [run(opened, mode, world=World(umask=mask)).tree[1].mode for mask in (0o022, 0o077, 0, 0o022)]
    assert modes == [0o644, 0o600, 0o666, 0o644]


def test_a_locale_takes_a_process_of_its_own(pool: Pool) -> None:
    before = run(pool, "once", world=World(locale="C"))
    assert (before.status, before.notes) == ("extracted", ())


@pytest.mark.parametrize(
    ("flag", "magic", "status"),
    [
        (b"2", b"ustar\0", "unavailable"),
        (b"2", b"ustar  ", "unavailable"),
        (b"0", b"ustar\0", "extracted"),
        (b"2", b"\0" * 6, "unavailable"),
        (b"0", b"\0" * 6, "extracted"),
    ],
)
def test_what_it_lacks_it_is_not_given(flag: bytes, magic: bytes, status: str) -> None:
    checksum = b"%06o\0 " % (sum(flag) + sum(magic) + 8 * ord(" "))
    archive = (bytes(512) + bytes(148) + checksum + flag + bytes(100) + magic).ljust(1024, b"\0")
    with Pool([serving_one("behave", lacks={"symlink": "it has none"})]) as opened:
        (seen,) = opened.run(Job(archive=archive, contestants=("behave",)))
    assert seen.status == status
    assert (seen.error == "it cannot extract a symlink: it has none") == (status == "unavailable")


@pytest.mark.parametrize(
    ("reads", "status"),
    [(None, "refused"), (("gzip",), "refused"), (("xz",), "unavailable"), ((), "unavailable")],
    ids=["unknown", "read", "another", "none"],
)
def test_a_compression_that_it_does_not_read(reads: tuple[str, ...] | None, status: str) -> None:
    lacking = Table(reads=reads).lacking(gzip.compress(bytes(1024)))
    assert lacking == ("it does not take gzip off" if status == "unavailable" else "")


def test_a_member_called_like_a_compressed_file_is_no_compression() -> None:
    header = b"BZh.txt".ljust(100, b"\0") + b"0000644\0" + bytes(16) + b"00000000000\0"
    header = (header.ljust(257, b"\0") + b"ustar\0").ljust(512, b"\0")
    assert Table(reads=()).lacking(header) == ""


def test_what_no_checksum_says_to_be_a_header_is_none() -> None:
    body = (bytes(512) + bytes(156) + b"2").ljust(1024, b"\0")
    assert not Table(lacks={"symlink": "it has none"}).lacking(body)


def test_requests_are_spelt_one_way() -> None:
    """Drivers without JSON cut requests by their text."""
    line = serving.request(7, "/a", "/d", umask=0o22, chunks=(1, 512), pause=True, listing=False)
    want = b'{"id":7,"archive":"/a","dest":"/d","umask":18,"chunks":[1,512],"pause":true,"list":false}\n'
    assert line == want


def test_what_a_run_used(pool: Pool) -> None:
    """Memory of a process that lives on is told when it grew."""
    first = run(pool, "hog")
    assert (first.status, first.peak_kib > 40 << 10, first.disk_kib) == ("extracted", True, 4)
    assert run(pool, "hog").peak_kib == 0
    assert "{tmp}" in first.warnings[0]
