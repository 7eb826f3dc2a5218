"""Regular files are replaced as a whole, everything else is written through, and links are followed."""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tarbiter.files import FileError, Output, sweep, writable_folder, write, write_folder

ROOT = Path(__file__).resolve().parent.parent
LEFT = ".tarbiter-0123456789abcdef.part"
"""What a killed writer leaves behind."""


def python(code: str, *arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    """Run `code` in an interpreter of its own."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, text=True, check=True, **options)  # type: ignore[call-overload,no-any-return]


@pytest.fixture
def small_files() -> Iterator[int]:
    """A limit on file sizes, in bytes: it fails a write half-way, as a full disk does."""
    limit = 4096
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


# Regular files --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [None, "old", "a longer text than the new one"])
def test_the_content_is_what_was_written(tmp_path: Path, before: str | None) -> None:
    path = tmp_path / "x"
    if before is not None:
        path.write_text(before)
    write(str(path), b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["x"]


def test_a_reader_sees_the_old_or_the_new_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    with Output(str(path)) as output:
        output.write("ne")
        assert path.read_text() == "old"
        output.write(b"w")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["x"]


def test_a_new_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with Output(str(path)) as output:
        output.write("whole")
        assert not path.exists()
    assert path.read_text() == "whole"


def test_what_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")

    def interrupted() -> None:
        with Output(str(path)) as output:
            output.write("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x"]


def test_nothing_written_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    with Output(str(path)):
        pass
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_the_mode_is_kept(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    path.chmod(mode)
    write(str(path), b"new")
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_new_file_has_the_mode_that_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(str(tmp_path / "x"), b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file to somebody else")
def test_root_leaves_a_file_to_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    os.chown(path, 12345, 54321)
    write(str(path), b"new")
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 54321)


def test_directories_are_made_on_request(tmp_path: Path) -> None:
    write(str(tmp_path / "a" / "b" / "x"), b"new", parents=True)
    assert (tmp_path / "a" / "b" / "x").read_bytes() == b"new"


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    write(str(tmp_path / ("n" * 255)), b"new")
    assert os.listdir(tmp_path) == ["n" * 255]


# Links ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["there/x", "one", "{}/there/x", "there/missing"])
def test_links_are_followed_and_stay(tmp_path: Path, target: str) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "x").write_text("old")
    (tmp_path / "one").symlink_to("there/x")
    target = target.format(tmp_path)
    (tmp_path / "link").symlink_to(target)
    write(str(tmp_path / "link"), b"new")
    assert os.readlink(tmp_path / "link") == target
    assert os.readlink(tmp_path / "one") == "there/x"
    assert (tmp_path / target).read_bytes() == b"new"
    assert LEFT[:10] not in "".join([*os.listdir(tmp_path), *os.listdir(tmp_path / "there")])


def test_a_link_to_a_directory_above_counts_from_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "to").symlink_to("a/b")
    (tmp_path / "a" / "b" / "link").symlink_to("../x")
    write(str(tmp_path / "to" / "link"), b"new")
    assert (tmp_path / "a" / "x").read_bytes() == b"new"


# What is no regular file ----------------------------------------------------------------------------------------


def test_a_fifo_is_written_through(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write(str(path), b"new")
        assert os.read(reader, 100) == b"new"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert os.listdir(tmp_path) == ["pipe"]


def test_a_reader_that_goes_away_is_told(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with Output(str(path)) as output:
        os.close(reader)
        with pytest.raises(FileError, match="pipe: cannot be written: Broken pipe"):
            output.write("new")
    assert stat.S_ISFIFO(path.stat().st_mode)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make device nodes")
@pytest.mark.parametrize("through_link", [False, True])
def test_a_device_is_written_through(tmp_path: Path, through_link: bool) -> None:
    null = path = tmp_path / "null"
    try:
        os.mknod(null, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        os.close(os.open(null, os.O_WRONLY))
    except PermissionError:
        pytest.skip("no device nodes can be made or used here")
    if through_link:
        path = tmp_path / "link"
        path.symlink_to("null")
    write(str(path), b"gone")
    assert null.stat().st_rdev == os.makedev(1, 3)
    assert stat.S_ISCHR(null.stat().st_mode)


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "-"])
def test_standard_output_has_everything_in_order(tmp_path: Path, name: str) -> None:
    """Also when it is a regular file, which is then neither replaced nor written from its beginning."""
    out = tmp_path / "out"
    code = "import sys\nfrom tarbiter.files import write\nprint('a')\nwrite(sys.argv[1], 'b\\n')\nprint('c')"
    with out.open("wb") as file:
        file.write(b"0\n")
        file.flush()
        python(code, name, stdout=file)
    assert out.read_text() == "0\na\nb\nc\n"


def test_a_descriptor_is_written_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with path.open("wb") as file:
        file.write(b"before ")
        file.flush()
        write(f"/dev/fd/{file.fileno()}", b"between ")
        file.write(b"behind")
    assert path.read_bytes() == b"before between behind"


def test_a_file_in_a_directory_that_may_not_be_written_is_written_in_place(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write every directory")
    path = tmp_path / "x"
    path.write_text("a longer text than the new one")
    tmp_path.chmod(0o555)
    try:
        write(str(path), b"new")
    finally:
        tmp_path.chmod(0o755)
    assert path.read_bytes() == b"new"


# What cannot be written -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "says"),
    [
        pytest.param("", "cannot be written: it names no file", id="no-name"),
        pytest.param(".", "cannot be written: it is a directory; name a file in it", id="directory"),
        pytest.param("new/", "cannot be written: it names no file", id="slash"),
        pytest.param("no/such/x", "cannot be written: No such file or directory; make its directory", id="missing"),
        pytest.param("file/x", "cannot be written: Not a directory", id="below-a-file"),
        pytest.param("n" * 300, "cannot be written: File name too long", id="too-long"),
        pytest.param("loop", "cannot be written: Too many levels of symbolic links", id="loop"),
        pytest.param("/dev/fd/999", "cannot be written: Bad file descriptor", id="no-descriptor"),
    ],
)
def test_what_cannot_be_written_is_told_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(FileError) as caught:
        Output(name)
    assert str(caught.value).startswith(f"{name}: {says}" if name else says)
    assert sorted(os.listdir(tmp_path)) == ["file", "loop"]


def test_a_descriptor_for_reading_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.touch()
    with path.open("rb") as file, pytest.raises(FileError, match="it is open for reading only"):
        write(f"/dev/fd/{file.fileno()}", b"new")


def test_a_full_disk_leaves_the_old_file_alone(tmp_path: Path, small_files: int) -> None:
    path = tmp_path / "x"
    path.write_text("old")
    with pytest.raises(FileError) as caught:
        write(str(path), b"x" * (small_files + 1))
    assert str(caught.value).startswith(f"{path}: cannot be written: File too large; raise the limit")
    assert caught.value.reason == os.strerror(errno.EFBIG)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x"]


# Directories ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_has_its_files(tmp_path: Path, there: bool) -> None:
    where = tmp_path / "out"
    if there:
        where.mkdir()
    write_folder(str(where), {"a": b"1", "b/c": b"2"})
    assert {str(p.relative_to(where)): p.read_bytes() for p in where.rglob("*") if p.is_file()} == {
        "a": b"1",
        "b/c": b"2",
    }
    assert os.listdir(tmp_path) == ["out"]


def test_a_folder_with_something_in_it_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(FileError, match="it is not empty"):
        write_folder(str(tmp_path), {"a": b"1"})
    assert os.listdir(tmp_path) == ["x"]


def test_a_folder_that_fails_is_not_there(tmp_path: Path, small_files: int) -> None:
    with pytest.raises(FileError, match="File too large"):
        write_folder(str(tmp_path / "out"), {"a": b"1", "b": b"x" * (small_files + 1)})
    assert os.listdir(tmp_path) == []


def test_a_folder_that_can_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    writable_folder(str(tmp_path / "a" / "b"))
    assert os.listdir(tmp_path / "a" / "b") == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(FileError, match="cannot be written"):
        writable_folder(str(tmp_path / "x"))


# Leftovers ------------------------------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from tarbiter.files import Output, write_folder
class Last(dict):
    def items(self):
        yield "a", b"1"
        os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "folder":
    write_folder(sys.argv[1], Last())
with Output(sys.argv[1]) as output:
    output.write("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path, kind: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        python(KILLED, tmp_path / "x", kind)
    assert caught.value.returncode == -signal.SIGKILL
    (left,) = os.listdir(tmp_path)
    assert left.startswith(".tarbiter-")
    write(str(tmp_path / "y"), b"new")
    assert os.listdir(tmp_path) == ["y"]


def test_what_somebody_still_writes_stays(tmp_path: Path) -> None:
    with Output(str(tmp_path / "x")) as output:
        output.write("half")
        sweep(str(tmp_path))
        output.write(" and half")
    assert (tmp_path / "x").read_text() == "half and half"


@pytest.mark.parametrize("name", ["x.part", "x.12.part", ".tarbiter-12.part", f"{LEFT}.toml", f"x{LEFT}"])
def test_what_is_not_ours_stays(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    sweep(str(tmp_path))
    assert os.listdir(tmp_path) == [name]


def test_a_link_with_such_a_name_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    (tmp_path / LEFT).symlink_to("x")
    sweep(str(tmp_path))
    assert sorted(os.listdir(tmp_path)) == [LEFT, "x"]


def test_locked_by_another_it_stays(tmp_path: Path) -> None:
    with (tmp_path / LEFT).open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        sweep(str(tmp_path))
        assert os.listdir(tmp_path) == [LEFT]
    sweep(str(tmp_path))
    assert os.listdir(tmp_path) == []
