"""A large archive gets to every kind of contestant as a file that nobody in the cell can change."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tarbiter.archive.case import WHOLE, Schedule
from tarbiter.archive.stored import CHUNK, Spool, Stored
from tarbiter.contest.installed.registry import Contestant, Table
from tarbiter.contest.observation import Job, Observation
from tarbiter.contest.pool import Limits, Pool

from .hostile import hostile
from .test_serving import serving_one

COPY = "import shutil, sys; shutil.copyfileobj(open(sys.argv[1], 'rb'), open(sys.argv[2] + '/copy', 'wb'))"
STDIN = "import shutil, sys; shutil.copyfileobj(sys.stdin.buffer, open(sys.argv[1] + '/copy', 'wb'))"
ARCHIVE = bytes(range(256)) * (3 * CHUNK // 512) + b"end."
"""A chunk and a half, and a bit."""

COMMAND = Contestant(
    name="command",
    table=Table(
        argv=(sys.executable, "-c", COPY, "{archive}", "{dest}"),
        stdin=(sys.executable, "-c", STDIN, "{dest}"),
        lacks={"symlink": "a test says so"},
    ),
    program=sys.executable,
)


@pytest.fixture(scope="module", params=["namespaces", "landlock"])
def cells(request: pytest.FixtureRequest) -> Iterator[tuple[Pool, Spool, Stored]]:
    everybody = [COMMAND, serving_one("behave"), hostile("measure"), hostile("spoil"), hostile("create_beside")]
    with Spool(above=1) as spool:
        archive = spool.keep([ARCHIVE[:10], ARCHIVE[10:]], "x.tar")
        assert isinstance(archive, Stored)
        # Less disk than the archive has bytes twice: it takes none of it.
        limits = Limits(time_s=5, disk=len(ARCHIVE) * 3 // 2)
        with Pool(everybody, kind=request.param, limits=limits, shared=spool.path) as pool:
            yield pool, spool, archive


def run(pool: Pool, archive: Stored, *names: str, schedule: Schedule = WHOLE) -> list[Observation]:
    return list(pool.run(Job(archive=archive, contestants=names, schedule=schedule)))


def test_every_kind_of_contestant_gets_it(cells: tuple[Pool, Spool, Stored]) -> None:
    pool, _, archive = cells
    command, served, inside = run(pool, archive, "command", "behave", "measure")
    assert [one.status for one in (command, served, inside)] == ["extracted"] * 3, (command, served, inside)
    assert command.tree[1].size == len(ARCHIVE)
    assert served.tree[1].data == ARCHIVE[:10]
    assert inside.tree[1].data == b"%d 2 end." % len(ARCHIVE)
    (small,) = pool.run(Job(archive=ARCHIVE[: CHUNK + 7], contestants=("command",)))
    assert small.tree[1].size == CHUNK + 7
    assert [one.escapes for one in (command, served, inside, small)] == [()] * 4


def test_schedules_apply(cells: tuple[Pool, Spool, Stored]) -> None:
    pool, _, archive = cells
    command, inside = run(pool, archive, "command", "measure", schedule=Schedule(chunks=(CHUNK // 4, CHUNK * 9)))
    assert (command.tree[1].size, command.notes) == (len(ARCHIVE), ("read from a pipe",))
    assert inside.tree[1].data == b"%d 4 end." % len(ARCHIVE)


def test_nobody_can_change_it(cells: tuple[Pool, Spool, Stored]) -> None:
    pool, _, archive = cells
    spoiler, after = run(pool, archive, "spoil", "command")
    worked = {node.path for node in spoiler.tree} - {b"."}
    # Landlock decides about neither modes nor times of files that belong to this user; a change is told.
    assert worked <= (set() if pool.kind == "namespaces" else {b"chmod", b"utime"})
    assert [change.what for change in spoiler.escapes] == (["content"] if worked else [])
    assert after.tree[1].size == len(ARCHIVE)
    assert Path(archive.path).read_bytes() == ARCHIVE


def test_what_a_contestant_lacks_is_looked_for_in_pieces(cells: tuple[Pool, Spool, Stored]) -> None:
    pool, spool, _ = cells
    block = bytearray(512)
    block[156:157], block[257:262] = b"2", b"ustar"
    archive = spool.keep([bytes(2 * CHUNK), bytes(block)], "x.tar")
    assert isinstance(archive, Stored)
    (one,) = run(pool, archive, "command")
    assert (one.status, one.error) == ("unavailable", "it cannot extract a symlink: a test says so")


def test_a_file_that_cells_do_not_see_is_refused(cells: tuple[Pool, Spool, Stored], tmp_path: Path) -> None:
    pool, _, _ = cells
    other = Stored(str(tmp_path / "x.tar"), 1)
    with pytest.raises(ValueError, match="not in the directory that this pool shows"):
        run(pool, other, "measure")


def test_a_file_that_has_gone_is_our_own_fault(cells: tuple[Pool, Spool, Stored]) -> None:
    pool, spool, _ = cells
    gone = Stored(f"{spool.path}/none/archive.tar", 1)
    assert {one.status for one in run(pool, gone, "command", "measure", "behave")} == {"harness-fault"}
