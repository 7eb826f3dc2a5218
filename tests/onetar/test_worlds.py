"""Destinations that hold something already: nothing outside changes, and what is in the way is told."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from onetar import RefusedError, Report, TarError, extract

from .archives import file, folder, hardlink, pack, symlink

ARCHIVE = pack(folder(b"d"), file(b"d/f"), file(b"f"), symlink(b"d/s", b"f"), hardlink(b"h", b"f"))


def snapshot(root: Path) -> dict[str, tuple[object, ...]]:
    """All there is to know of a tree: types, modes, owners, times, links, contents."""
    found: dict[str, tuple[object, ...]] = {}
    for path in (root, *sorted(root.rglob("*"))):
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found[str(path)] = (status.st_mode, status.st_uid, status.st_mtime_ns, status.st_ctime_ns, content)
    return found


def link_at(name: str, target: str) -> Callable[[Path], None]:
    return lambda dest: os.symlink(target, dest / name)


def fifo_at(name: str) -> Callable[[Path], None]:
    return lambda dest: os.mkfifo(dest / name)


def directory_at(name: str) -> Callable[[Path], None]:
    return lambda dest: (dest / name).mkdir(parents=True)


def file_at(name: str) -> Callable[[Path], None]:
    def make(dest: Path) -> None:
        (dest / name).write_text("mine")

    return make


WORLDS: dict[str, tuple[str, Callable[[Path], None]]] = {
    # id: code of the refusal, or of the member that is in the way (empty: none), what is there
    "symlink-outside-for-a-directory": ("path.replaces", link_at("d", "../outside")),
    "absolute-symlink-for-a-directory": ("path.replaces", link_at("d", "/")),
    "symlink-inside-for-a-directory": ("path.replaces", link_at("d", ".")),
    "dangling-symlink-for-a-directory": ("path.replaces", link_at("d", "nowhere")),
    "file-for-a-directory": ("path.replaces", file_at("d")),
    "fifo-for-a-directory": ("path.replaces", fifo_at("d")),
    "directory-for-a-file": ("path.directory-there", directory_at("f/x")),
    "empty-directory-for-a-file": ("path.directory-there", directory_at("f")),
    "directory-for-a-symlink": ("path.directory-there", directory_at("d/s")),
    "directory-for-a-hard-link": ("path.directory-there", directory_at("h")),
    "symlink-outside-for-a-file": ("", link_at("f", "../outside/f")),
    "symlink-to-an-outside-directory-for-a-file": ("", link_at("f", "../outside")),
    "dangling-symlink-for-a-file": ("", link_at("f", "../outside/new")),
    "symlink-outside-for-a-hard-link": ("", link_at("h", "../outside/f")),
    "fifo-for-a-file": ("", fifo_at("f")),
    "file-for-a-file": ("", file_at("f")),
    "directory-for-a-directory": ("", directory_at("d/x")),
}


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "f").write_text("mine")
    (tmp_path / "dest").mkdir()
    (tmp_path / "dest-sibling").mkdir()
    (tmp_path / "dest-sibling" / "f").write_text("mine")
    return outside


@pytest.mark.parametrize("policy", ["strict", "compat"])
@pytest.mark.parametrize(("code", "world"), WORLDS.values(), ids=WORLDS)
def test_worlds(tmp_path: Path, outside: Path, policy: str, code: str, world: Callable[[Path], None]) -> None:
    dest = tmp_path / "dest"
    world(dest)
    around = [snapshot(outside), snapshot(tmp_path / "dest-sibling")]
    report, seen = Report(), ""
    try:
        extract(ARCHIVE, dest, policy=policy, report=report)
    except RefusedError as error:
        seen = error.code
    assert seen == code
    assert around == [snapshot(outside), snapshot(tmp_path / "dest-sibling")]
    assert report.complete == (not code)


@pytest.mark.parametrize("existing", ["replace", "keep", "refuse"])
@pytest.mark.parametrize("world", [row[1] for row in WORLDS.values()], ids=WORLDS)
def test_nothing_outside_changes_whatever_is_to_happen_to_existing_files(
    tmp_path: Path, outside: Path, existing: str, world: Callable[[Path], None]
) -> None:
    dest = tmp_path / "dest"
    world(dest)
    around = snapshot(outside)
    report = Report()
    try:
        extract(ARCHIVE, dest, existing=existing, report=report)
    except TarError as error:
        assert error.code.startswith(("path.", "link."))  # noqa: PT017  either may happen; if, then for that
    assert around == snapshot(outside)


@pytest.mark.parametrize(
    "name", [b"dest", b"with space", b"-rf", "\u00e4\u2603".encode(), b"\xff\xfe", b"new\nline"], ids=ascii
)
def test_names_of_destinations(tmp_path: Path, name: bytes) -> None:
    dest = tmp_path / os.fsdecode(name)
    assert extract(ARCHIVE, dest).complete
    assert (dest / "d/f").read_text() == "text"


def test_a_destination_that_is_a_symlink_is_the_callers_choice(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    os.symlink("real", tmp_path / "dest")
    assert extract(ARCHIVE, tmp_path / "dest").complete
    assert (tmp_path / "real/f").exists()


def test_a_long_path_to_the_destination(tmp_path: Path) -> None:
    dest = tmp_path
    while len(str(dest)) < 3500:
        dest = dest / ("x" * 200)
    dest.mkdir(parents=True)
    deep = pack(file(b"y" * 90 + b"/f", prefix=b"/".join([b"z" * 70] * 2)))
    assert extract(deep, dest).members[0].outcome == "written"


AS_NOBODY = """
import ctypes, os, sys
sys.path[:0] = [sys.argv[1]]
from onetar import Report, extract
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    ctypes.CDLL(None).prctl(4, 1)  # PR_SET_DUMPABLE: as a process that was started by this user
os.umask(int(sys.argv[2], 8))
report = Report()
try:
    extract("archive", "dest", report=report)
except OSError as error:
    print(type(error).__name__, [row.outcome for row in report.members])
else:
    print("complete" if report.complete else report)
"""


def as_nobody(here: Path, umask: str) -> str:
    """What becomes of `archive` and `dest` in a directory for a user who is not root.

    By way of the current directory, because those above it may be root's alone.
    """
    for path in (here, *here.rglob("*")):
        os.chown(path, *((65534, 65534) if os.geteuid() == 0 else (-1, -1)))
    root = str(Path(__file__).parents[2])
    run = subprocess.run(
        [sys.executable, "-I", "-c", AS_NOBODY, root, umask], cwd=here, capture_output=True, text=True, check=False
    )
    return run.stdout + run.stderr


@pytest.mark.parametrize("mode", [0o555, 0o000], ids=["read-only", "closed"])
def test_a_directory_without_permission(tmp_path: Path, mode: int) -> None:
    (tmp_path / "dest/d").mkdir(parents=True)
    (tmp_path / "dest/d").chmod(mode)
    (tmp_path / "archive").write_bytes(ARCHIVE)
    assert as_nobody(tmp_path, "022") == "PermissionError ['written']\n"


@pytest.mark.parametrize("umask", ["0777", "0700", "077", "0"])
def test_umasks_that_close_what_is_made(tmp_path: Path, umask: str) -> None:
    (tmp_path / "archive").write_bytes(ARCHIVE)
    assert as_nobody(tmp_path, umask) == "complete\n"
    subprocess.run(["chmod", "-R", "u+rwx", tmp_path / "dest"], check=True)
    assert {path.name for path in (tmp_path / "dest").rglob("*")} == {"d", "f", "s", "h"}
