"""The pool answers every job once, in order, whatever happens to its cells."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tarbiter.contest import doctor
from tarbiter.contest.installed.registry import RegistryError
from tarbiter.contest.observation import Job
from tarbiter.contest.pool import BATCH, MANY, EndedError, Limits, Pool
from tarbiter.contest.sandbox.namespaces import SandboxError
from tarbiter.judge.compare import compare

from .hostile import TIME_S, hostile

CONTESTANTS = [hostile(mode) for mode in ("behave", "nothing", "crash", "create_beside", "raise_value", "waver")]
LIMITS = Limits(time_s=TIME_S)


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    """One for all tests that only ask it: cells that an abandoned call leaves are replaced by the next."""
    with Pool(CONTESTANTS, cells=2, limits=LIMITS) as opened:
        yield opened


def jobs(count: int, *contestants: str) -> Iterator[Job]:
    for number in range(count):
        yield Job(archive=b"%d" % number, contestants=contestants)


@pytest.mark.parametrize(
    "contestants",
    [
        ("behave",),
        ("behave", "nothing"),
        pytest.param(("crash", "behave"), id="a crash in front"),
        pytest.param(("behave", "crash", "create_beside", "behave"), id="the same one twice"),
        pytest.param((), id="nobody"),
    ],
)
@pytest.mark.parametrize("count", [0, 1, 2, 3 * BATCH + 1])
def test_every_job_once_and_in_order(pool: Pool, contestants: tuple[str, ...], count: int) -> None:
    results = list(pool.map(jobs(count, *contestants)))
    assert [job.archive for job, _ in results] == [b"%d" % number for number in range(count)]
    for job, seen in results:
        assert tuple(one.contestant for one in seen) == contestants
        trees = {one.tree[1].data for one in seen if one.contestant == "behave"}
        assert trees <= {job.archive}


def test_who_answers_is_who_was_asked(pool: Pool) -> None:
    for _, (one, other) in pool.map(jobs(50, "behave", "crash")):
        assert (one.contestant, one.status) == ("behave", "extracted")
        assert (other.contestant, other.status, other.family, other.version) == ("crash", "crashed", "hostile", "1")


def test_jobs_are_pulled_when_they_are_needed(pool: Pool) -> None:
    endless = (Job(archive=b"%d" % number, contestants=("behave",)) for number in iter(int, 1))
    results = pool.map(endless)
    assert [next(results)[1][0].status for _ in range(5)] == ["extracted"] * 5
    results.close()
    assert pool.run(Job(archive=b"after", contestants=("behave",)))[0].tree[1].data == b"after"


def test_archives_larger_than_any_buffer(pool: Pool) -> None:
    large = [Job(archive=bytes([number]) * (4 << 20), contestants=("behave", "nothing")) for number in range(12)]
    assert [seen[0].tree[1].data for _, seen in pool.map(large)] == [bytes([n]) * 10 for n in range(12)]


def test_answers_that_nobody_waits_for_are_dropped_and_counted() -> None:
    with Pool([hostile("answer_late"), hostile("behave")], limits=LIMITS) as pool:
        seen = [one for _, one in pool.map(jobs(30, "answer_late", "behave"))]
        assert [[one.tree[1].data for one in each] for each in seen] == [[b"%d" % n] * 2 for n in range(30)]
        assert pool.late >= 30 * 41 * 4
        assert pool.restarts == 0


def test_what_does_not_fit_the_worker_is_told_and_nothing_else_suffers() -> None:
    with Pool([hostile("behave"), hostile("nothing")], limits=Limits(time_s=TIME_S, memory=96 << 20)) as pool:
        mixed = [*jobs(3, "behave", "nothing"), Job(archive=bytes(64 << 20), contestants=("behave",))]
        seen = [[one.status for one in each] for _, each in pool.map([*mixed, *jobs(3, "nothing", "behave")])]
        assert seen == [["extracted"] * 2] * 3 + [["harness-fault"]] + [["extracted"] * 2] * 3


def test_large_trees_that_are_equal_are_in_memory_once() -> None:
    with Pool([hostile("spread"), hostile("spread_wide")], limits=LIMITS) as pool:
        one, other = pool.run(Job(archive=b"%d" % MANY, contestants=("spread", "spread_wide")))
        assert len(one.tree) == len(other.tree) - 1 == MANY + 1
        same = sum(mine is theirs for mine, theirs in zip(one.tree, other.tree, strict=False))
        assert same >= MANY
        small = pool.run(Job(archive=b"2", contestants=("spread", "spread_wide")))
        assert [len(each.tree) for each in small] == [3, 4]


@pytest.mark.parametrize("victim", ["launcher", "inside"])
def test_a_cell_that_is_killed_is_replaced(victim: str) -> None:
    with Pool(CONTESTANTS, limits=LIMITS) as pool:
        results = pool.map(jobs(200, "behave"))
        next(results)
        launcher, inside = doctor.descendants(pool.first.process.pid)[:2]
        os.kill({"launcher": launcher, "inside": inside}[victim], signal.SIGKILL)
        rest = [seen[0] for _, seen in results]
        assert len(rest) == 199
        assert {one.status for one in rest} == {"extracted"}
        assert pool.restarts == 1


def test_nothing_is_left_of_a_closed_pool() -> None:
    with Pool(CONTESTANTS, cells=2, limits=LIMITS) as pool:
        list(pool.map(jobs(10, "behave")))
        processes = [pid for cell in pool.all_cells for pid in doctor.descendants(cell.process.pid)]
        assert len(processes) == 6
    for pid in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_nothing_is_left_of_an_interrupted_pool() -> None:
    processes: list[int] = []

    def interrupted() -> Iterator[Job]:
        yield from jobs(5, "behave")
        processes.extend(pid for cell in opened.all_cells for pid in doctor.descendants(cell.process.pid))
        raise KeyboardInterrupt

    opened = Pool(CONTESTANTS, cells=2, limits=LIMITS)
    with pytest.raises(KeyboardInterrupt), opened:
        list(opened.map(interrupted()))
    assert len(processes) >= 4
    for pid in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


INTERRUPTED = """
import os, signal, sys, threading, time
from tarbiter.contest.sandbox import landlock, processes
from tarbiter.contest.pool import Pool
from tests.contest.hostile import hostile

# A shell starts what it puts into the background with SIGINT ignored, and that is inherited.
signal.signal(signal.SIGINT, signal.default_int_handler)

def children():
    return processes.below(os.getpid())[1:]

def interrupt():
    while not children():
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=interrupt).start()
try:
    with Pool([hostile("behave")], kind=sys.argv[1]):
        print("it was ready before that")
except KeyboardInterrupt:
    print("interrupted")
deadline = time.monotonic() + 10
while children() and time.monotonic() < deadline:
    processes.collect()
print(len(children()), [one for one in os.listdir(os.environ["TMPDIR"]) if one.startswith(landlock.PREFIX)])
"""


@pytest.mark.parametrize("kind", ["namespaces", "landlock"])
def test_nothing_is_left_when_it_is_interrupted_while_a_cell_starts(kind: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, kind],
        env=os.environ | {"PYTHONPATH": os.fspath(Path(__file__).parents[2]), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "interrupted\n0 []\n"


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("behave", "extracted"),
        ("nothing", "extracted"),
        ("crash", "crashed"),
        ("create_beside", "extracted"),
        ("raise_value", "crashed"),
    ],
)
def test_what_is_the_same_twice_is_told_once(pool: Pool, name: str, status: str) -> None:
    (seen,) = pool.run(Job(archive=b"0123456789", contestants=(name,), twice=True))
    assert (seen.status, seen.both) == (status, ())


def test_what_is_not_the_same_twice_is_flaky(pool: Pool) -> None:
    asked = [
        Job(archive=b"%d" % number, contestants=("behave", "waver", "behave"), twice=True) for number in range(30)
    ]
    for _, (steady, flaky, other) in pool.map(asked):
        assert (steady.status, other.status) == ("extracted", "extracted")
        assert (flaky.status, flaky.family, flaky.tree) == ("flaky", "hostile", ())
        assert [one.status for one in flaky.both] == ["extracted", "extracted"]
        assert flaky.both[0].tree[1].data != flaky.both[1].tree[1].data
        divergence = compare((steady, flaky, other), facets=("content",))
        assert divergence.agreed
        assert divergence.left_out == (("waver", "flaky: extracted both times, but not with the same outcome"),)


def test_once_is_enough_when_nobody_asks(pool: Pool) -> None:
    (seen,) = pool.run(Job(archive=b"", contestants=("waver",)))
    assert seen.status == "extracted"


def test_a_job_for_somebody_unknown(pool: Pool) -> None:
    with pytest.raises(ValueError, match="nobody: not among the contestants"):
        pool.run(Job(archive=b"", contestants=("behave", "nobody")))
    assert pool.run(Job(archive=b"1", contestants=("behave",)))[0].status == "extracted"


def test_cells_are_not_started_in_a_thread_that_may_end() -> None:
    caught: list[BaseException] = []

    def start() -> None:
        try:
            with Pool(CONTESTANTS):
                pass
        except SandboxError as error:
            caught.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert len(caught) == 1


def test_two_contestants_of_one_name() -> None:
    with pytest.raises(RegistryError):
        Pool([hostile("behave"), hostile("behave")])


def test_a_driver_that_cannot_be_loaded() -> None:
    broken = hostile("behave")
    broken = msgspec.structs.replace(broken, table=msgspec.structs.replace(broken.table, driver="no.such.module"))
    with pytest.raises(SandboxError), Pool([broken]):
        pass


def test_observations_do_not_depend_on_who_runs_them() -> None:
    with Pool(CONTESTANTS, cells=1, limits=LIMITS) as one, Pool(CONTESTANTS, cells=2, limits=LIMITS) as two:
        first = [seen[0].tree for _, seen in one.map(jobs(30, "behave"))]
        second = [seen[0].tree for _, seen in two.map(jobs(30, "behave"))]
    assert first == second


def test_when_the_time_is_over_what_is_in_flight_is_given_up(pool: Pool) -> None:
    answered: list[Job] = []
    answers = pool.map(jobs(20 * BATCH, "behave"), ended=lambda: len(answered) >= 3)
    with pytest.raises(EndedError):
        answered.extend(job for job, _ in answers)
    assert 3 <= len(answered) < 20 * BATCH
    assert [seen[0].status for _, seen in pool.map(jobs(3, "behave"))] == ["extracted"] * 3


def test_who_hangs_does_not_hold_up_the_end() -> None:
    # Nothing but `ended` could end this: the limit is an hour, and the contestant never answers.
    with Pool([hostile("spin")], limits=Limits(time_s=3600)) as pool, pytest.raises(EndedError):
        list(pool.map(jobs(1, "spin"), ended=lambda: True))
