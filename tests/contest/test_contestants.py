"""The contestants that tarbiter knows, on archives whose outcome is known; in a cell, as always."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from tarbiter.archive.case import WHOLE, Placed, Schedule, World
from tarbiter.contest.contestants import Order
from tarbiter.contest.installed.registry import Contestant, everyone
from tarbiter.contest.observation import Job, Node, Observation
from tarbiter.contest.pool import Pool
from tarbiter.contest.worker.listing import OTHER, UNUSED

from .archives import ABSOLUTE, CLIMBING, CUT, EMPTY, FAR_TIME, LONG, NOT_TAR, ODD_NAME, PLAIN

HERE: tuple[Contestant, ...] = tuple(
    one for one in everyone() if not one.missing and not one.table.serve and "@" not in one.name
)
"""Without persistent drivers, which have tests of their own, and without what somebody installed besides."""
NAMES = tuple(one.name for one in HERE)
STREAMING = tuple(
    one.name for one in HERE if one.table.stdin or one.name.startswith(("extractor", "tarfile-stream"))
)
IMPATIENT = {"toybox"}
"""Those that take the first bytes that arrive for all of the first header."""
SCHEDULES = {
    "byte by byte": Schedule(chunks=(1,)),
    "off by one": Schedule(chunks=(511, 1, 513)),
    "with pauses": Schedule(chunks=(100,), pause=True),
    "whole, after a pause": Schedule(pause=True),
    "pieces of nothing": Schedule(chunks=(0, 7)),
}


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(HERE) as opened:
        yield opened


def run(
    pool: Pool, name: str, archive: bytes, schedule: Schedule = WHOLE, world: World | None = None
) -> Observation:
    job = Job(archive=archive, contestants=(name,), schedule=schedule, world=world or World())
    return pool.run(job)[0]


def test_the_ones_that_need_nothing_are_here() -> None:
    assert {"extractor-strict", "extractor-compat", "tarfile-fully-trusted"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_ordinary_archive(pool: Pool, name: str) -> None:
    seen = run(pool, name, PLAIN)
    assert (seen.status, seen.error, seen.escapes) == ("extracted", "", ())
    assert [(n.path, n.type, n.data, n.link) for n in seen.tree] == [
        (b".", "dir", None, None),
        (b"d", "dir", None, None),
        (b"d/f", "file", b"contents\n", None),
        (b"d/l", "symlink", None, b"f"),
        (b"h", "file", b"contents\n", None),
    ]
    by_path = {node.path: node for node in seen.tree}
    assert by_path[b"h"].group == by_path[b"d/f"].group == 1
    assert (by_path[b"d"].mode, by_path[b"d/f"].mode) == (0o755, 0o640)
    assert by_path[b"d/f"].mtime_ns == 1_000_000_001_000_000_000
    assert {(node.uid, node.gid) for node in seen.tree} == {(1000, 1000)}
    assert seen.wall_ns > 0
    assert seen.overhead_ns > 0
    assert seen.version


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("archive", "statuses"),
    [
        pytest.param(CUT, {"refused", "partial"}, id="cut short"),
        pytest.param(NOT_TAR, {"refused", "partial"}, id="not a tar"),
        # GNU tar takes nothing at all for an empty archive; bsdtar and busybox do as well.
        pytest.param(EMPTY, {"refused", "extracted"}, id="empty"),
    ],
)
def test_a_bad_archive(pool: Pool, name: str, archive: bytes, statuses: set[str]) -> None:
    seen = run(pool, name, archive)
    assert seen.status in statuses
    assert (seen.status == "extracted") == (seen.error_class == "")


@pytest.mark.parametrize(
    ("name", "archive", "status"),
    [
        ("tarfile-fully-trusted", CLIMBING, "extracted"),
        ("extractor-strict", CLIMBING, "refused"),
        ("tarfile-fully-trusted", ABSOLUTE, "extracted"),
        ("extractor-strict", ABSOLUTE, "refused"),
    ],
)
def test_who_trusts_whom(pool: Pool, name: str, archive: bytes, status: str) -> None:
    assert run(pool, name, archive).status == status


def test_an_escape_is_seen_and_healed(pool: Pool) -> None:
    seen = run(pool, "tarfile-fully-trusted", CLIMBING)
    assert [(change.path, change.what) for change in seen.escapes] == [(b"canary/new", "created")]
    assert run(pool, "tarfile-fully-trusted", PLAIN).escapes == ()


@pytest.mark.parametrize("name", sorted(set(STREAMING) - IMPATIENT))
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_arrival_does_not_matter(pool: Pool, name: str, schedule: Schedule) -> None:
    whole, pieces = run(pool, name, LONG), run(pool, name, LONG, schedule)
    assert pieces.status == whole.status == "extracted"
    assert meaning(pieces.tree) == meaning(whole.tree)
    assert not any("not applied" in note and "schedule" in note for note in pieces.notes)


def meaning(tree: tuple[Node, ...]) -> list[tuple[object, ...]]:
    return [(n.path, n.type, n.mode, n.data, n.digest, n.mtime_ns) for n in tree]


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(STREAMING)))
def test_a_schedule_that_is_not_applied_is_told(pool: Pool, name: str) -> None:
    seen = run(pool, name, PLAIN, Schedule(chunks=(100,)))
    assert any("the schedule was not applied" in note for note in seen.notes)


@pytest.mark.parametrize("name", NAMES)
def test_two_runs_see_the_same(pool: Pool, name: str) -> None:
    first, second = run(pool, name, PLAIN), run(pool, name, PLAIN)
    timeless = [
        msgspec.structs.replace(one, wall_ns=0, cpu_ns=0, overhead_ns=0, peak_kib=0) for one in (first, second)
    ]
    assert timeless[0] == timeless[1]


@pytest.mark.parametrize("name", NAMES)
def test_times_beyond_64_bits(pool: Pool, name: str) -> None:
    seen = run(pool, name, FAR_TIME)
    assert seen.status in ("extracted", "partial", "refused", "crashed")
    assert pool.restarts == 0


@pytest.mark.parametrize("name", NAMES)
def test_the_world_is_there(pool: Pool, name: str) -> None:
    world = World(placed=(Placed(kind="file", name=b"old", data=b"stays"),), umask=0o077)
    seen = run(pool, name, PLAIN, world=world)
    assert seen.status == "extracted"
    assert {node.path: node.data for node in seen.tree}[b"old"] == b"stays"


@pytest.mark.parametrize("name", NAMES)
def test_a_refusal_leaves_the_world_as_it_was(pool: Pool, name: str) -> None:
    world = World(placed=(Placed(kind="dir", name=b"d", mode=0),), dest_mode=0o755)
    assert run(pool, name, NOT_TAR, world=world).status == "refused"


def test_a_world_that_cannot_be_is_our_fault(pool: Pool) -> None:
    seen = run(pool, "tarfile-fully-trusted", PLAIN, world=World(placed=(Placed(kind="file", name=b"/x"),)))
    assert (seen.status, seen.error_class) == ("harness-fault", "WorldError")


AMBIGUOUS = ("busybox", "7zip")
"""Their listings print a newline in a name as it is, or as something else."""


@pytest.mark.parametrize(
    "name", [one.name for one in HERE if (one.table.driver or one.table.list) and one.name not in AMBIGUOUS]
)
def test_listings(pool: Pool, name: str) -> None:
    job = Job(archive=ODD_NAME, contestants=(name,), listing=True)
    (seen,) = pool.run(job)
    assert seen.listing is not None or seen.status != "extracted"
    assert [row.path for row in seen.listing or ()] == [b"a\\b\nc\xc3\xa9"]


def test_a_listing_with_a_newline_in_a_name_is_not_used(pool: Pool) -> None:
    if "busybox" not in NAMES:
        pytest.skip("busybox is not installed")
    (seen,) = pool.run(Job(archive=ODD_NAME, contestants=("busybox",), listing=True))
    assert (seen.status, seen.listing) == ("extracted", None)
    assert any(UNUSED in note for note in seen.notes)


def test_a_row_whose_name_may_be_another_names_nothing(pool: Pool) -> None:
    if "7zip" not in NAMES:
        pytest.skip("7zip is not installed")
    (seen,) = pool.run(Job(archive=ODD_NAME, contestants=("7zip",), listing=True))
    assert [(row.path, row.type) for row in seen.listing or ()] == [(b"a\\b_c\xc3\xa9", OTHER)]


def test_the_extractors_report_has_outcomes_and_codes(pool: Pool) -> None:
    good, bad = run(pool, "extractor-strict", PLAIN), run(pool, "extractor-strict", CLIMBING)
    assert [row.outcome for row in good.listing or ()] == ["written"] * 4
    assert bad.error_class
    assert [(row.outcome, bool(row.code)) for row in bad.listing or ()] == [("refused", True)]


@pytest.mark.parametrize(
    ("chunks", "pieces"),
    [((), [b"abcdefg"]), ((3,), [b"abc", b"def", b"g"]), ((1, 5), [b"a", b"bcdef", b"g"]), ((0,), [b"abcdefg"])],
)
def test_pieces(chunks: tuple[int, ...], pieces: list[bytes]) -> None:
    order = Order(archive=b"abcdefg", dest="", mode="", schedule=Schedule(chunks=chunks))
    assert list(order.chunks()) == pieces
