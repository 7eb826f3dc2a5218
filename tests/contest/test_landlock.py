"""The weaker cell: what it holds against, what it leaves behind, and when it is taken."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tarbiter.archive.case import Case
from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.recipe import Member, Pax, Recipe, Record
from tarbiter.archive.text import dumps
from tarbiter.contest import doctor
from tarbiter.contest.installed.registry import available
from tarbiter.contest.observation import Job, Observation
from tarbiter.contest.pool import Pool
from tarbiter.contest.sandbox import backends, landlock
from tarbiter.contest.sandbox.namespaces import LANDLOCK, NAMESPACES, Plan, SandboxError

from . import container
from .hostile import hostile
from .narrow import LIMITS

STATUSES: list[tuple[str, str, str]] = [
    ("behave", "extracted", ""),
    ("refuse_late", "partial", "PermissionError"),
    ("loop", "hung", "time"),
    ("spin_swallowing", "hung", "time"),
    ("swallow", "hung", "asleep"),
    ("wait_for_nobody", "hung", "asleep"),
    ("block", "hung", "asleep"),
    ("eat", "over-limit", "MemoryError"),
    ("eat_together", "over-limit", "memory"),
    ("eat_held", "over-limit", "memory"),
    ("fork_what_it_has", "extracted", ""),
    ("fill", "over-limit", "disk"),
    ("fill_nameless", "over-limit", "disk"),
    ("sprawl", "over-limit", "disk"),
    ("stretch", "over-limit", "OSError"),
    ("crash", "crashed", "signal 11"),
    ("leave_as_closed", "crashed", "exit 11"),
    ("close_everything", "crashed", "exit 13"),
    ("kill_everybody", "refused", "PermissionError"),
    ("kill_parent", "refused", "PermissionError"),
]
ESCAPES: list[tuple[str, set[tuple[bytes, str]]]] = [
    ("create_beside", {(b"new", "created")}),
    ("overwrite_quietly", {(b"canary/secret.txt", "content")}),
    ("there_and_back", {(b"canary/secret.txt", "mtime")}),
    ("link_out", {(b"canary/secret.txt", "links"), (b"dest/mine", "leaked")}),
    ("remove_dest", {(b"dest", "removed")}),
    ("become_link", {(b".", "mtime"), (b"dest", "type")}),
]
MODES = sorted({mode for mode, _, _ in STATUSES} | {mode for mode, _ in ESCAPES} | {"bomb", "fork_and_return"})

try:
    landlock.abi()
    REASON = ""
except SandboxError as error:
    REASON = str(error)
pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)

plain_user = pytest.mark.skipif(
    os.geteuid() == 0 and not container.plain_python(),
    reason="no Python of this version, with these packages, that a plain user may run",
)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
WHO = [
    pytest.param(0, id="as who runs the tests"),
    pytest.param(container.UID, id="plain", marks=[as_root, plain_user]),
]


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool([hostile(mode) for mode in MODES], limits=LIMITS, kind=LANDLOCK) as opened:
        yield opened


def run(pool: Pool, *modes: str) -> tuple[Observation, ...]:
    return pool.run(Job(archive=b"not looked at", contestants=modes))


@pytest.mark.parametrize(("mode", "status", "error_class"), STATUSES)
def test_what_becomes_of_a_contestant(pool: Pool, mode: str, status: str, error_class: str) -> None:
    seen, after = run(pool, mode, "behave")
    assert (seen.status, seen.error_class) == (status, error_class)
    assert seen.escapes == ()
    assert (after.status, [node.path for node in after.tree]) == ("extracted", [b".", b"file"])
    assert (seen.cell, after.cell, pool.restarts) == (LANDLOCK, LANDLOCK, 0)


def test_a_fork_bomb(pool: Pool) -> None:
    """The kernel counts for root's cells, the supervisor for a plain user's: either comes first there."""
    seen, after = run(pool, "bomb", "behave")
    assert (seen.status, after.status, pool.restarts) == ("over-limit", "extracted", 0)


@pytest.mark.parametrize(("mode", "changes"), ESCAPES)
def test_escapes(pool: Pool, mode: str, changes: set[tuple[bytes, str]]) -> None:
    seen, after = run(pool, mode, "behave")
    assert {(change.path, change.what) for change in seen.escapes} == changes
    assert (after.escapes, after.status) == ((), "extracted")


def test_what_is_left_behind_is_ended(pool: Pool) -> None:
    before = doctor.descendants(pool.first.process.pid)[:2]
    (seen,) = run(pool, "fork_and_return")
    assert any("1 processes" in note for note in seen.notes)
    run(pool, "behave")
    assert len(doctor.descendants(pool.first.process.pid)) == 3
    assert doctor.descendants(pool.first.process.pid)[:2] == before


def test_shared_memory_of_the_host_is_left_alone(pool: Pool) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    segment = libc.shmget(0, 4096, 0o666)
    try:
        seen, after = run(pool, "crash", "behave")
        assert (seen.status, after.status, after.notes) == ("crashed", "extracted", ())
    finally:
        assert libc.shmctl(segment, 0, None) == 0  # IPC_RMID


def test_trees_and_messages_are_those_of_the_other_cell() -> None:
    recipe = Recipe(
        parts=(
            Member(kind="dir", name=b"d/", mode=0o700),
            Pax(records=(Record(b"path", b"d/" + b"n" * 150),)),
            Member(name=b"d/n", data=b"x" * 600, uid=5, gid=5),
            Member(kind="symlink", name=b"l", linkname=b"d"),
            Member(kind="hardlink", name=b"h", linkname=b"d/" + b"n" * 90),
            Member(name=b"../out", data=b"x"),
        )
    )
    names = ("extractor-compat", "tarfile-fully-trusted", "gnu-tar")
    job = Job(archive=encode_bytes(recipe), contestants=names)
    with Pool(available(names), kind=NAMESPACES) as strong, Pool(available(names), kind=LANDLOCK) as weak:
        assert [timeless(one) for one in strong.run(job)] == [timeless(one) for one in weak.run(job)]
        assert strong.arena == "tmpfs"


def timeless(seen: Observation) -> object:
    nodes = [msgspec.structs.replace(node, blocks=0) for node in seen.tree]
    return (
        seen.contestant,
        seen.status,
        nodes,
        seen.escapes,
        seen.error,
        seen.error_class,
        seen.warnings,
        seen.notes,
    )


# What is left ---------------------------------------------------------------------------------------------------

BUSY = """
from tarbiter.contest.observation import Job
from tarbiter.contest.pool import Limits, Pool
from tests.contest.hostile import hostile
with Pool([hostile("behave"), hostile("loop")], limits=Limits(time_s=600), kind="landlock") as pool:
    pool.run(Job(archive=b"", contestants=("behave",)))
    print(pool.first.process.pid, pool.first.ready.path, flush=True)
    pool.run(Job(archive=b"", contestants=("loop",)))
"""


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_of_a_killed_harness(by: signal.Signals) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", BUSY],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": os.fspath(container.ROOT)},
        # A shell starts what it puts into the background with SIGINT ignored, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  # there is one thread
    )
    assert child.stdout is not None
    pid, _, arena = child.stdout.readline().decode().strip().partition(" ")
    cell = doctor.descendants(int(pid))
    handles = [os.pidfd_open(one) for one in cell]
    child.send_signal(by)
    child.wait()
    child.stdout.close()
    gone = [bool(select.select([handle], [], [], doctor.WAIT_S)[0]) for handle in handles]
    for handle in handles:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        os.close(handle)
    assert gone == [True] * 3
    assert not os.path.exists(os.path.dirname(arena))


def test_nothing_is_left_of_a_closed_pool() -> None:
    with Pool([hostile("behave")], cells=2, limits=LIMITS, kind=LANDLOCK) as pool:
        pids = [pid for cell in pool.all_cells for pid in doctor.descendants(cell.process.pid)]
        arenas = [cell.ready.path for cell in pool.all_cells]
        assert len(set(arenas)) == 2
    assert not any(map(os.path.exists, arenas))
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.parametrize("victim", [0, 1], ids=["launcher", "supervisor"])
def test_what_a_killed_cell_leaves_is_taken_away_by_the_next(victim: int) -> None:
    with Pool([hostile("behave")], limits=LIMITS, kind=LANDLOCK) as pool:
        run(pool, "behave")
        arena = pool.first.ready.path
        everybody = doctor.descendants(pool.first.process.pid)
        handles = [os.pidfd_open(pid) for pid in everybody]
        os.kill(everybody[victim], signal.SIGKILL)
        gone = [bool(select.select([handle], [], [], doctor.WAIT_S)[0]) for handle in handles]
        for handle in handles:
            os.close(handle)
        assert gone == [True] * 3
        assert run(pool, "behave")[0].status == "extracted"
        assert pool.restarts == 1
        assert os.path.exists(pool.first.ready.path)
        assert not os.path.exists(arena)


def test_other_peoples_directories_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    mine, alien = tmp_path / f"{landlock.PREFIX}1-mine", tmp_path / f"{landlock.PREFIX}1-alien"
    plain = tmp_path / "something"
    for folder in (mine, alien, plain):
        (folder / "sub").mkdir(parents=True)
    kept = [plain]
    if os.geteuid() == 0:
        os.chown(alien, container.UID, container.UID)
        kept = sorted([alien, plain])
    with Pool([hostile("behave")], limits=LIMITS, kind=LANDLOCK) as pool:
        assert pool.first.ready.path.startswith(f"{tmp_path}/")
        assert run(pool, "behave")[0].status == "extracted"
    assert sorted(tmp_path.iterdir()) == kept


@pytest.mark.parametrize(
    ("where", "says"), [("/nonexistent", "No such file"), ("/proc", "cannot be written|MiB free")]
)
def test_where_no_arena_can_be_made(monkeypatch: pytest.MonkeyPatch, where: str, says: str) -> None:
    monkeypatch.setenv("TMPDIR", where)
    with pytest.raises(SandboxError, match=says) as caught, Pool([hostile("behave")], kind=LANDLOCK):
        pass
    assert "TMPDIR" in str(caught.value)


def test_an_arena_takes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with pytest.raises(SandboxError, match="MiB free, and a cell takes"):
        landlock.place(1 << 60)


# When it is taken -----------------------------------------------------------------------------------------------


@pytest.fixture
def case() -> Iterator[Path]:
    """A case that every user may read: what pytest makes is its own user's."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "slash.toml"
        path.write_text(dumps(Case(recipe=Recipe(parts=(Member(name=b"a/"),)))))
        path.chmod(0o644)
        yield path


COMPARE = ("compare", "--json", "--with", "extractor-compat,tarfile-fully-trusted")


@as_root
def test_root_gets_it_where_namespaces_are_refused_and_is_told(case: Path) -> None:
    done = container.run(*COMPARE, str(case))
    assert done.returncode == 1, done.stderr
    assert {one["cell"] for one in json.loads(done.stdout)[0]["observations"]} == {LANDLOCK}
    assert done.stderr.count("weaker") == 1
    assert "unshare" in done.stderr


def test_whoever_asks_for_it_gets_it(case: Path) -> None:
    done = container.run("--cell", LANDLOCK, *COMPARE, str(case))
    assert done.returncode == 1, done.stderr
    assert {one["cell"] for one in json.loads(done.stdout)[0]["observations"]} == {LANDLOCK}
    assert done.stderr == ""


@plain_user
@as_root
def test_a_plain_user_has_to_ask_for_it(case: Path) -> None:
    done = container.run(*COMPARE, str(case), uid=container.UID)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--cell landlock" in done.stderr
    assert "can be changed" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("uid", WHO)
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--no-landlock",), ("unshare", "Landlock")),
        (("--no-landlock", "--cell", LANDLOCK), ("Landlock",)),
        (("--cell", NAMESPACES), ("unshare",)),
    ],
    ids=["neither", "no Landlock", "no namespaces"],
)
def test_where_no_cell_can_be_had_nothing_runs(
    case: Path, uid: int, arguments: tuple[str, ...], says: tuple[str, ...]
) -> None:
    for command in ((*COMPARE, str(case)), ("doctor",)):
        done = container.run(*arguments, *command, uid=uid)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("tarbiter: no sandbox, so nothing was run: ")
        assert all(word in done.stderr for word in says)
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("uid", WHO)
@pytest.mark.parametrize("where", ["--namespaces", "--cell=auto"], ids=["namespaces", "none"])
def test_the_doctor(uid: int, where: str) -> None:
    done = container.run(where, "doctor", "--json", uid=uid)
    assert done.returncode == 0, (done.stdout, done.stderr)
    rows = json.loads(done.stdout)
    by_cell = {kind: [row for row in rows if row["cell"] == kind] for kind in (NAMESPACES, LANDLOCK)}
    lacking = {row["name"] for row in by_cell[LANDLOCK] if row["known"]}
    plain = uid or os.geteuid()
    assert lacking == {"see names", "see processes"} | ({"change metadata"} if plain else set())
    assert len(by_cell[LANDLOCK]) >= 25
    if where == "--namespaces":
        assert all(row["held"] and not row["known"] for row in by_cell[NAMESPACES])
        assert len(by_cell[NAMESPACES]) >= 26
    else:
        assert [(row["name"], row["known"]) for row in by_cell[NAMESPACES]] == [("set up", True)]


@pytest.mark.parametrize("wanted", ["LANDLOCK", "none", "chroot"])
def test_an_unknown_kind_is_told(monkeypatch: pytest.MonkeyPatch, wanted: str) -> None:
    monkeypatch.setenv(backends.VARIABLE, wanted)
    with pytest.raises(SandboxError, match="auto, namespaces, landlock"):
        backends.asked()


def test_what_it_lacks_is_told() -> None:
    said = " ".join(landlock.lacks(Plan(visible=())))
    assert "processes" in said
    assert ("can be changed" in said) == (os.geteuid() != 0)
