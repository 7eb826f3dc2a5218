"""Where a contestant is called is part of a case: for every kind of contestant, and only for that case."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import msgspec
import pytest

from harness.archive.case import CWDS, Cwd, World
from harness.contest import landlock
from harness.contest.observation import Job, Observation
from harness.contest.pool import Pool
from harness.contest.registry import Contestant
from harness.contest.sandbox import LANDLOCK, NAMESPACES, SandboxError

from .hostile import hostile
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
