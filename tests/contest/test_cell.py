"""What a contestant does costs one case: each way to misbehave has its status, and the next case is fine."""

from __future__ import annotations

import contextlib
import mmap
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tarbiter.archive.case import Schedule
from tarbiter.contest import doctor
from tarbiter.contest.installed.registry import available
from tarbiter.contest.observation import Job, Observation
from tarbiter.contest.pool import Pool
from tarbiter.contest.sandbox.namespaces import NAMESPACES
from tarbiter.contest.worker import supervisor as cell
from tarbiter.contest.worker.watch import Watch

from . import hostile as hostile_driver
from .hostile import hostile
from .narrow import LIMITS

ARCHIVE = b"not looked at"
MODES = tuple(
    name
    for name, action in vars(hostile_driver).items()
    if getattr(action, "__module__", "") == hostile_driver.__name__
    and name[0] != "_"
    and name not in ("hostile", "run")
)


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool([hostile(mode) for mode in MODES], limits=LIMITS) as opened:
        yield opened


def run(pool: Pool, *modes: str) -> tuple[Observation, ...]:
    return pool.run(Job(archive=ARCHIVE, contestants=modes))


@pytest.mark.parametrize(
    ("mode", "status", "error_class"),
    [
        ("behave", "extracted", ""),
        ("nothing", "extracted", ""),
        ("refuse", "refused", "PermissionError"),
        ("refuse_late", "partial", "PermissionError"),
        pytest.param("loop", "hung", "time", id="a loop that the alarm ends"),
        pytest.param("spin_swallowing", "hung", "time", id="a loop that swallows the alarm"),
        pytest.param("swallow", "hung", "asleep", id="sleep without end"),
        pytest.param("wait_for_nobody", "hung", "asleep", id="a FIFO that nobody reads"),
        pytest.param("block", "hung", "asleep", id="a system call with all signals blocked"),
        ("eat", "over-limit", "MemoryError"),
        pytest.param("eat_shared", "over-limit", "OSError", id="memory that RLIMIT_DATA does not count"),
        pytest.param("eat_together", "over-limit", "memory", id="many processes with a little memory each"),
        pytest.param("eat_held", "over-limit", "memory", id="memory that nobody has mapped"),
        pytest.param("eat_detached", "over-limit", "memory", id="memory that is left to the cell"),
        pytest.param("fork_what_it_has", "extracted", "", id="the same memory in many processes"),
        pytest.param("fill", "over-limit", "OSError", id="a full disk"),
        pytest.param("fill_nameless", "over-limit", "OSError", id="files without a name"),
        pytest.param("sprawl", "over-limit", "OSError", id="no inode left"),
        pytest.param("stretch", "over-limit", "OSError", id="a file of 32 TiB"),
        pytest.param("bomb", "over-limit", "BlockingIOError", id="a fork bomb"),
        pytest.param("crash", "crashed", "signal 11", id="a segmentation fault"),
        pytest.param("abort", "crashed", "signal 6", id="abort"),
        pytest.param("leave", "crashed", "exit 0", id="exit without an answer"),
        pytest.param("leave_as_spent", "crashed", "exit 10", id="exit with a code of the worker's own"),
        pytest.param("leave_as_closed", "crashed", "exit 11", id="exit as if the harness had gone"),
        pytest.param("leave_as_torn", "crashed", "exit 12", id="exit as if the worker were broken"),
        pytest.param("raise_unspeakable", "refused", "PermissionError", id="a message that UTF-8 cannot hold"),
        pytest.param("kill_everybody", "crashed", "signal 9", id="kill all processes there are"),
        pytest.param("kill_parent", "extracted", "", id="kill the cell's first process"),
        pytest.param("close_everything", "crashed", "exit 13", id="close all descriptors"),
        pytest.param("raise_value", "crashed", "ValueError", id="an exception nobody promised"),
        pytest.param("raise_exit", "crashed", "SystemExit", id="sys.exit"),
        pytest.param("recurse", "crashed", "RecursionError", id="endless recursion"),
    ],
)
def test_what_becomes_of_a_contestant(pool: Pool, mode: str, status: str, error_class: str) -> None:
    seen, after = run(pool, mode, "behave")
    assert (seen.status, seen.error_class) == (status, error_class)
    assert seen.escapes == ()
    assert (after.status, [node.path for node in after.tree]) == ("extracted", [b".", b"file"])
    assert pool.restarts == 0


def test_a_partial_tree_is_kept(pool: Pool) -> None:
    (seen,) = run(pool, "refuse_late")
    assert [node.path for node in seen.tree] == [b".", b"file"]


@pytest.mark.parametrize("mode", ["crash", "loop", "eat", "bomb", "raise_value"])
def test_what_looks_bad_is_run_twice(pool: Pool, mode: str) -> None:
    (seen,) = run(pool, mode)
    assert any(note.startswith("run twice: ") for note in seen.notes)


def test_the_second_run_alone_is_the_one_that_counts(pool: Pool) -> None:
    (seen,) = run(pool, "dawdle")
    assert seen.status == "extracted"
    assert "run twice: hung first (time)" in seen.notes


@pytest.mark.parametrize(
    ("mode", "left"),
    [
        ("fork_and_return", "1 processes"),
        ("start_thread", "1 threads"),
        ("leave_segment", "1 segments"),
        ("keep_open", "descriptors"),
        ("close_standard", "descriptors"),
    ],
)
def test_what_is_left_behind_is_told(pool: Pool, mode: str, left: str) -> None:
    seen, after = run(pool, mode, "behave")
    assert seen.status == "extracted"
    assert any(left in note for note in seen.notes)
    assert (after.status, after.notes) == ("extracted", ())


def test_working_directory_and_umask_are_put_back(pool: Pool) -> None:
    _, after = run(pool, "wander", "behave")
    assert [node.mode for node in after.tree] == [0o755, 0o644]


@pytest.mark.parametrize(
    ("mode", "changes"),
    [
        ("create_beside", {(b"new", "created")}),
        ("create_in_canary", {(b"canary/new", "created")}),
        ("create_above", {(b"../../new", "created")}),
        ("overwrite", {(b"dest-evil/secret.txt", "content")}),
        pytest.param("overwrite_quietly", {(b"canary/secret.txt", "content")}, id="same length, old time"),
        ("chmod", {(b"canary/secret.txt", "mode")}),
        ("chmod_folder", {(b"canary", "mode")}),
        pytest.param("chmod_holder", {(b".", "mode"), (b"canary", "mode")}, id="what hides the rest"),
        ("touch", {(b"canary", "mtime")}),
        pytest.param("there_and_back", {(b"canary/secret.txt", "mtime")}, id="changed and changed back"),
        ("link_out", {(b"canary/secret.txt", "links"), (b"dest/mine", "leaked")}),
        ("copy_in", {(b"dest/copy", "leaked")}),
        ("remove", {(b"canary/secret.txt", "removed")}),
        ("remove_folder", {(b"canary", "removed"), (b"canary/secret.txt", "removed")}),
        ("replace", {(b"canary", "mtime"), (b"canary/secret.txt", "content")}),
        ("become_link", {(b".", "mtime"), (b"dest", "type")}),
        ("remove_dest", {(b"dest", "removed")}),
        ("spoil_archive", {(b"../../../../../in/archive.tar", "content")}),
    ],
)
def test_escapes(pool: Pool, mode: str, changes: set[tuple[bytes, str]]) -> None:
    seen, after = run(pool, mode, "behave")
    assert {(change.path, change.what) for change in seen.escapes} == changes
    assert after.escapes == ()
    assert after.status == "extracted"


def test_a_secret_that_the_archive_brings_is_no_leak(pool: Pool) -> None:
    archive = b"nobody outside the destination may read or change this\n"
    (seen,) = pool.run(Job(archive=archive, contestants=("copy_in",)))
    assert seen.escapes == ()


@pytest.mark.parametrize("mode", [mode for mode in MODES if mode.startswith(("create", "chmod", "link", "re"))])
def test_two_runs_see_the_same(pool: Pool, mode: str) -> None:
    first, second = run(pool, mode), run(pool, mode)
    assert [timeless(one) for one in first] == [timeless(one) for one in second]


def timeless(seen: Observation) -> tuple[object, ...]:
    return (seen.status, seen.tree, seen.escapes, seen.error, seen.error_class, seen.notes)


def test_breaking_out(doctors_checks: tuple[doctor.Check, ...]) -> None:
    assert [check for check in doctors_checks if not (check.held or check.known)] == []
    assert [check for check in doctors_checks if check.cell == NAMESPACES and not check.held] == []
    assert len({(check.cell, check.name) for check in doctors_checks}) == len(doctors_checks) >= 26


@pytest.fixture(scope="module")
def doctors_checks() -> tuple[doctor.Check, ...]:
    return doctor.checks()


ROOT = Path(__file__).parents[2]

BUSY = """
from tarbiter.contest.observation import Job
from tarbiter.contest.pool import Limits, Pool
from tests.contest.hostile import hostile
with Pool([hostile("behave"), hostile("loop")], limits=Limits(time_s=600)) as pool:
    pool.run(Job(archive=b"", contestants=("behave",)))
    print(pool.first.process.pid, flush=True)
    pool.run(Job(archive=b"", contestants=("loop",)))
"""


def test_a_busy_cell_goes_with_its_harness() -> None:
    """Nobody in the cell listens while a contestant runs: only the kernel can end it."""
    child = subprocess.Popen(
        [sys.executable, "-c", BUSY], stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": os.fspath(ROOT)}
    )
    assert child.stdout is not None
    cell = doctor.descendants(int(child.stdout.readline()))
    handles = [os.pidfd_open(pid) for pid in cell]
    child.kill()
    child.wait()
    child.stdout.close()
    gone = [bool(select.select([handle], [], [], doctor.WAIT_S)[0]) for handle in handles]
    for handle in handles:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        os.close(handle)
    assert gone == [True] * 3


def test_it_works_where_the_current_directory_is_gone(tmp_path: Path) -> None:
    program = (
        "import os, sys; sys.path.insert(0, sys.argv[1])\n"
        "from tests.contest.hostile import hostile; from tarbiter.contest.pool import Pool\n"
        "from tarbiter.contest.observation import Job\n"
        "os.rmdir(os.getcwd())\n"
        "with Pool([hostile('behave')]) as pool:\n"
        "    print(pool.run(Job(archive=b'', contestants=('behave',)))[0].status)\n"
    )
    folder = tmp_path / "gone"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", program, os.fspath(ROOT)],
        stdout=subprocess.PIPE,
        cwd=folder,
        check=True,
    )
    assert done.stdout == b"extracted\n"


@pytest.mark.parametrize("mode", ["wait_for_nobody", "crash"])
def test_the_archive_that_the_worker_wrote_is_no_escape(mode: str) -> None:
    """A command comes first, so the worker writes a file; the supervisor, who did not, looks after the crash."""
    (command,) = available(("gnu-tar",))
    with Pool([hostile(mode), command], limits=LIMITS) as pool:
        _, seen = pool.run(Job(archive=ARCHIVE, contestants=("gnu-tar", mode)))
    assert seen.status in ("hung", "crashed")
    assert seen.escapes == ()


def test_a_schedule_is_given_to_the_driver(pool: Pool) -> None:
    (seen,) = pool.run(Job(archive=ARCHIVE, contestants=("behave",), schedule=Schedule(chunks=(1,))))
    assert seen.status == "extracted"


class _Answering(cell._Supervisor):
    """A supervisor that does nothing but answer for workers that have ended."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel, self.watch = channel, Watch(mmap.mmap(-1, mmap.PAGESIZE))


def test_what_was_answered_is_not_answered_again() -> None:
    # The worker had said everything by the time it was killed for its silence. The pool has no work left by then,
    # and a second answer would be about nothing.
    ours, theirs = socket.socketpair()
    with ours, theirs:
        answering = _Answering(theirs)
        answering.watch.set(0.0, 0, 0)
        answering._answer_for(answering.watch.get(), -signal.SIGKILL, "time")
        ours.setblocking(False)
        with pytest.raises(BlockingIOError):
            ours.recv(1)


def test_attributes_of_a_closed_directory_are_seen(pool: Pool) -> None:
    seen, after = run(pool, "close_noted", "behave")
    assert (seen.status, after.status) == ("extracted", "extracted"), seen.error
    nodes = {node.path: node for node in seen.tree}
    assert nodes[b"closed"].mode == 0
    assert nodes[b"closed"].xattrs == (((b"user.n", b"1"),) if b"noted" in nodes else ())
