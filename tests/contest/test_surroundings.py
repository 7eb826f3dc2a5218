"""Where a contestant is called, and as whom, is part of a case: for every kind of them, and only for that case."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

import msgspec
import pytest

from tarbiter.archive.case import CWDS, Cwd, Uid, World
from tarbiter.contest import doctor
from tarbiter.contest.installed.registry import Contestant
from tarbiter.contest.observation import Job, Observation
from tarbiter.contest.pool import NO_ROOT, Limits, Pool
from tarbiter.contest.sandbox import landlock
from tarbiter.contest.sandbox.namespaces import LANDLOCK, NAMESPACES, SandboxError

from .hostile import TIME_S, hostile
from .test_serving import serving_one

CODE = "open('here', 'w').close()"
COMMAND = Contestant.from_command(f'{sys.executable} -I -S -c "{CODE}" {{archive}} {{dest}}', name="command")
SERVING = serving_one("here")
DRIVER = msgspec.structs.replace(hostile("here"), name="driver")
OWN = msgspec.structs.replace(COMMAND, name="own", table=msgspec.structs.replace(COMMAND.table, cwd="{dest}"))


@pytest.fixture(scope="module", params=[NAMESPACES, LANDLOCK])
def pool(request: pytest.FixtureRequest) -> Iterator[Pool]:
    if request.param == LANDLOCK:
        try:
            landlock.abi()
        except SandboxError as error:
            pytest.skip(str(error))
    with Pool([COMMAND, SERVING, DRIVER, OWN], kind=request.param) as opened:
        yield opened


def run(pool: Pool, name: str, cwd: Cwd) -> Observation:
    return pool.run(Job(archive=b"x", contestants=(name,), world=World(cwd=cwd)))[0]


def where(seen: Observation) -> str:
    """Where it wrote its file: `elsewhere` is a place that is not looked at, or one that cannot be written."""
    if seen.status != "extracted":
        return seen.status
    if [(change.path, change.what) for change in seen.escapes] == [(b"here", "created")]:
        return "parent"
    return "dest" if [node.path for node in seen.tree[1:]] == [b"here"] else "elsewhere"


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("command", ["elsewhere", "dest", "parent"]),
        ("here", ["refused", "dest", "parent"]),
        ("driver", ["refused", "dest", "parent"]),
        pytest.param("own", ["dest", "dest", "dest"], id="one that is called in the destination whatever is said"),
    ],
)
def test_it_is_called_where_the_world_says(pool: Pool, name: str, places: list[str]) -> None:
    assert [where(run(pool, name, cwd)) for cwd in (*CWDS, "tmp")] == [*places, places[0]]


def test_what_cannot_be_done_is_told(pool: Pool) -> None:
    assert run(pool, "own", "dest").notes == ()
    assert run(pool, "own", "parent").notes == (
        "it is called in its own directory, not in the one that the case names",
    )


# As whom ---------------------------------------------------------------------------------------------------------

WHO = "import os, sys; open(sys.argv[2] + '/who', 'w').write(str(os.geteuid()))"
ROOT, USER = World(uid="root"), World()
RING = (
    *map(hostile, ("whoami", "give_away", "create_beside", "crash", "loop", "behave")),
    msgspec.structs.replace(serving_one("whoami"), name="serving"),
    Contestant.from_command(f'{sys.executable} -I -S -c "{WHO}" {{archive}} {{dest}}', name="command"),
)


@pytest.fixture(scope="module")
def both() -> Iterator[Pool]:
    with Pool(RING, limits=Limits(time_s=TIME_S), kind=NAMESPACES) as opened:
        yield opened


def one(pool: Pool, name: str, world: World) -> Observation:
    return pool.run(Job(archive=b"x", contestants=(name,), world=world))[0]


@pytest.mark.parametrize(("uid", "number"), [("user", 1000), ("root", 0)])
@pytest.mark.parametrize("name", ["whoami", "serving", "command"])
def test_it_is_who_the_world_says(both: Pool, name: str, uid: Uid, number: int) -> None:
    seen = one(both, name, World(uid=uid))
    (who,) = (node for node in seen.tree if node.path == b"who")
    assert (who.data, who.uid, who.gid, seen.tree[0].uid) == (b"%d" % number, number, number, number)


@pytest.mark.parametrize(
    ("name", "world", "status", "error_class"),
    [
        pytest.param("whoami", USER, "partial", "PermissionError", id="permissions stop a user"),
        pytest.param("whoami", ROOT, "extracted", "", id="and not root"),
        pytest.param("give_away", USER, "partial", "OSError", id="nobody else is known to a user"),
        pytest.param("give_away", ROOT, "partial", "OSError", id="nor to root"),
        pytest.param("create_beside", ROOT, "extracted", "", id="an escape"),
        pytest.param("crash", ROOT, "crashed", "signal 11", id="a crash"),
        pytest.param("loop", ROOT, "hung", "time", id="a loop"),
    ],
)
def test_what_becomes_of_root(both: Pool, name: str, world: World, status: str, error_class: str) -> None:
    seen = one(both, name, world)
    assert (seen.status, seen.error_class) == (status, error_class)
    assert [change.path for change in seen.escapes] == ([b"new"] if name == "create_beside" else [])
    after = one(both, "behave", world)
    assert (after.status, after.escapes, after.tree[1].uid) == ("extracted", (), 0 if world == ROOT else 1000)


def mixed(count: int) -> Iterator[Job]:
    for number in range(count):
        world = ROOT if number % 3 == 1 or number > count // 2 else USER
        yield Job(archive=b"%d" % number, contestants=("behave", "command"), world=world)


def test_users_and_root_come_back_in_order() -> None:
    with Pool(RING, cells=2, kind=NAMESPACES) as pool:
        assert [cell.root for cell in pool.all_cells] == [False, False]
        for job, seen in pool.map(mixed(100)):
            assert seen[0].tree[1].data == job.archive
            assert {one.tree[1].uid for one in seen} == {0 if job.world == ROOT else 1000}
        assert [cell.root for cell in pool.all_cells] == [False, False, True]
        assert pool.restarts == 0


def test_a_cell_of_roots_that_is_killed_is_replaced() -> None:
    with Pool(RING, kind=NAMESPACES) as pool:
        results = pool.map(Job(archive=b"x", contestants=("behave",), world=ROOT) for _ in range(100))
        next(results)
        os.kill(doctor.descendants(pool.rooted().process.pid)[1], signal.SIGKILL)
        assert [seen[0].tree[1].uid for _, seen in results] == [0] * 99
        assert [cell.root for cell in pool.all_cells] == [False, True]
        assert pool.restarts == 1


def test_where_nobody_can_be_root_it_is_said() -> None:
    try:
        landlock.abi()
    except SandboxError as error:
        pytest.skip(str(error))
    with Pool(RING, kind=LANDLOCK) as pool:
        seen = list(pool.map(mixed(40)))
        alone = one(pool, "behave", ROOT)
    assert (alone.status, alone.error, alone.contestant, alone.cell) == ("unavailable", NO_ROOT, "behave", LANDLOCK)
    for job, made in seen:
        assert {one.status for one in made} == {"unavailable" if job.world == ROOT else "extracted"}
