"""The health check sees what it must, and a harness that sees nothing is found out."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import pytest

from tarbiter.campaign.health import WITNESSES, check
from tarbiter.contest.installed.registry import available
from tarbiter.contest.observation import Job, Node, Observation
from tarbiter.contest.pool import Pool


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(available(WITNESSES), cells=1) as opened:
        yield opened


class Blind:
    """A pool whose observations were tampered with on the way."""

    def __init__(self, pool: Pool, tamper: Callable[[Observation], Observation]) -> None:
        self.pool, self.tamper = pool, tamper

    def run(self, job: Job) -> tuple[Observation, ...]:
        return tuple(self.tamper(one) for one in self.pool.run(job))


def change(**fields: object) -> Callable[[Observation], Observation]:
    return lambda one: msgspec.structs.replace(one, **fields)


def other_mode(one: Observation) -> Observation:
    tree = tuple(msgspec.structs.replace(node, mode=0o644) if node.path == b"d/f" else node for node in one.tree)
    return msgspec.structs.replace(one, tree=tree)


def trusting_differs(one: Observation) -> Observation:
    more = (*one.tree, Node(path=b"z", type="file"))
    return one if one.contestant == WITNESSES[0] else msgspec.structs.replace(one, tree=more)


def test_all_is_well(pool: Pool) -> None:
    assert [(one.name, one.fault) for one in check(pool)] == [
        ("agreement", ""),
        ("disagreement", ""),
        ("escape", ""),
    ]


@pytest.mark.parametrize(
    ("tamper", "found_by"),
    [
        pytest.param(change(tree=()), {"agreement"}, id="no tree"),
        pytest.param(change(escapes=()), {"escape"}, id="no canary"),
        pytest.param(change(status="extracted"), {"disagreement"}, id="everything succeeds"),
        pytest.param(change(status="refused"), {"agreement", "disagreement"}, id="everything is refused"),
        pytest.param(
            change(status="harness-fault"), {"agreement", "disagreement", "escape"}, id="the cell does not work"
        ),
        pytest.param(other_mode, {"agreement"}, id="wrong modes"),
        pytest.param(trusting_differs, {"agreement"}, id="trees that differ"),
    ],
)
def test_a_harness_that_does_not_see_is_found_out(
    pool: Pool, tamper: Callable[[Observation], Observation], found_by: set[str]
) -> None:
    faults = {one.name for one in check(Blind(pool, tamper)) if one.fault}  # type: ignore[arg-type]  # only run() is used
    assert faults == found_by
