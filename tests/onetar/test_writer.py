"""Writing: below a descriptor, through no link, with the archive's modes, times and attributes."""

import contextlib
import ctypes
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from onetar import RefusedError, Report, TarError, extract
from onetar.writer import CACHED

from .archives import file, folder, hardlink, pack, pax, symlink


@pytest.fixture
def umask() -> Iterator[Callable[[int], int]]:
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def modes(root: Path) -> dict[str, int]:
    """The permissions of everything below a directory."""
    return {str(one.relative_to(root)): stat.S_IMODE(one.lstat().st_mode) for one in root.rglob("*")}


TREE = pack(
    folder(b"d", mode=0o755),
    file(b"d/plain", mode=0o644),
    file(b"d/run", mode=0o755),
    folder(b"private", mode=0o700),
    file(b"implied/a", mode=0o600),
)


@pytest.mark.parametrize(
    ("mask", "want"),
    [
        pytest.param(
            0o000, {"d": 0o755, "d/plain": 0o644, "d/run": 0o755, "private": 0o700, "implied": 0o777}, id="000"
        ),
        pytest.param(
            0o022, {"d": 0o755, "d/plain": 0o644, "d/run": 0o755, "private": 0o700, "implied": 0o755}, id="022"
        ),
        pytest.param(
            0o077, {"d": 0o700, "d/plain": 0o600, "d/run": 0o700, "private": 0o700, "implied": 0o700}, id="077"
        ),
    ],
)
def test_the_umask_is_honoured(
    tmp_path: Path, umask: Callable[[int], int], mask: int, want: dict[str, int]
) -> None:
    umask(mask)
    extract(TREE, tmp_path / "dest")
    assert modes(tmp_path / "dest") == {**want, "implied/a": 0o600}


def test_modes_that_are_not_kept_are_those_of_the_umask(tmp_path: Path, umask: Callable[[int], int]) -> None:
    umask(0o027)
    extract(TREE, tmp_path, permissions=False)
    files = {"d/plain": 0o640, "d/run": 0o640, "implied/a": 0o640}
    assert modes(tmp_path) == {**files, "d": 0o750, "private": 0o750, "implied": 0o750}


def test_a_directory_that_was_there_gains_no_permissions(tmp_path: Path) -> None:
    for name, mode in (("private", 0o700), ("open", 0o777)):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(mode)
    extract(pack(folder(b"private", mode=0o755), folder(b"open", mode=0o755)), tmp_path)
    assert modes(tmp_path) == {"private": 0o700, "open": 0o755}


def test_set_group_id_that_a_directory_inherits_stays(tmp_path: Path) -> None:
    tmp_path.chmod(0o2755)
    extract(pack(folder(b"d", mode=0o700), folder(b"d", mode=0o755)), tmp_path)
    assert modes(tmp_path) == {"d": 0o2755}


@pytest.mark.parametrize(
    ("parts", "want_ns"),
    [
        pytest.param((file(b"a", mtime=7),), 7_000_000_000, id="file"),
        pytest.param((file(b"a", b"", mtime=7),), 7_000_000_000, id="empty-file"),
        pytest.param((folder(b"a", mtime=7), file(b"a/b"), file(b"a/c")), 7_000_000_000, id="directory-last"),
        pytest.param((symlink(b"a", b"b", mtime=7),), 7_000_000_000, id="symlink"),
        pytest.param((pax((b"mtime", b"1.5")), file(b"a")), 1_500_000_000, id="fraction"),
        pytest.param((pax((b"mtime", b"-1.5")), file(b"a")), -1_500_000_000, id="negative"),
        pytest.param((file(b"a", mtime=0),), 0, id="zero"),
        pytest.param(
            (file(b"b", mtime=3), hardlink(b"a", b"b", mtime=7)), 3_000_000_000, id="hard-link-keeps-the-files"
        ),
    ],
)
def test_times(tmp_path: Path, parts: tuple[object, ...], want_ns: int) -> None:
    extract(pack(*parts), tmp_path)  # type: ignore[arg-type]  # every row is parts
    assert (tmp_path / "a").lstat().st_mtime_ns == want_ns


def test_times_that_are_not_kept_are_of_now(tmp_path: Path) -> None:
    extract(pack(file(b"a"), folder(b"d"), symlink(b"l", b"a")), tmp_path, mtime=False)
    after = tmp_path.stat().st_mtime_ns
    assert all(abs(one.lstat().st_mtime_ns - after) < 60 * 10**9 for one in tmp_path.iterdir())


def test_hard_links_are_one_file(tmp_path: Path) -> None:
    extract(pack(file(b"d/a"), hardlink(b"e/b", b"d/a"), hardlink(b"c", b"e/b")), tmp_path)
    assert len({(tmp_path / name).stat().st_ino for name in ("d/a", "e/b", "c")}) == 1


def test_a_file_in_a_place_is_unlinked_not_written_into(tmp_path: Path) -> None:
    outside, dest = tmp_path / "outside", tmp_path / "dest"
    dest.mkdir()
    outside.write_text("mine")
    os.link(outside, dest / "a")
    extract(pack(file(b"a")), dest)
    assert (outside.read_text(), (dest / "a").read_text()) == ("mine", "text")


@pytest.mark.parametrize("kind", ["file", "symlink", "hardlink"])
@pytest.mark.parametrize(
    ("existing", "there"), [("replace", "the archive's"), ("keep", "mine"), ("refuse", "mine")]
)
def test_existing(tmp_path: Path, existing: str, there: str, kind: str) -> None:
    (tmp_path / "a").write_text("mine")
    members = {
        "file": file(b"a", b"the archive's"),
        "symlink": symlink(b"a", b"b"),
        "hardlink": hardlink(b"a", b"b"),
    }
    archive = pack(file(b"b", b"the archive's"), members[kind])
    codes = {"replace": "", "keep": "path.kept", "refuse": "path.exists"}
    report = Report()
    with contextlib.suppress(RefusedError):
        extract(archive, tmp_path, existing=existing, report=report)
    assert report.members[1].code == codes[existing]
    assert (tmp_path / "a").read_text() == there


def test_a_hard_link_to_a_symlink_that_was_kept(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("mine")
    with pytest.raises(RefusedError, match=r"link\.target"):
        extract(pack(file(b"a"), hardlink(b"h", b"a")), tmp_path, existing="keep")
    assert os.listdir(tmp_path) == ["a"]


def test_what_was_replaced_before_a_refusal_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("mine")
    with pytest.raises(RefusedError) as caught:
        extract(pack(file(b"a"), file(b"../b")), tmp_path, keep_partial=False)
    assert caught.value.report is not None
    assert [note.code for note in caught.value.report.notes] == ["path.replaced"]
    assert list(tmp_path.iterdir()) == []


def test_more_directories_than_are_kept_open(tmp_path: Path) -> None:
    names = [b"%03d/%03d/f" % (number, number) for number in range(2 * CACHED)]
    before = len(os.listdir("/proc/self/fd"))
    seen = set()
    extract(
        pack(*(file(name) for name in (*names, *(name + b"2" for name in names)))),
        tmp_path,
        progress=lambda _: seen.add(len(os.listdir("/proc/self/fd"))),
    )
    assert max(seen) <= before + CACHED + 3
    assert len(list(tmp_path.rglob("f*"))) == 4 * CACHED


def test_a_deep_tree_is_made_and_taken_back_without_recursion(deep_path: Path) -> None:
    deep = b"d/" * 1000 + b"f"
    archive = pack(pax((b"path", deep)), file(b"f"), file(b"../x"))
    with pytest.raises(RefusedError):
        extract(archive, deep_path / "dest", keep_partial=False)
    assert list(deep_path.iterdir()) == []


# -- owners and attributes -----------------------------------------------------------------------------------------


def takes_xattrs(where: Path) -> bool:
    try:
        os.setxattr(where, b"user.probe", b"x")
    except OSError:
        return False
    return True


XATTRS = (
    (b"SCHILY.xattr.user.raw", b"a\0\xff"),
    (b"LIBARCHIVE.xattr.user.with%20space", b"YmFzZTY0"),
    (b"LIBARCHIVE.xattr.user.raw", b"bm90IHRoaXM"),
)


@pytest.mark.parametrize("member", [file(b"a"), file(b"a", b""), folder(b"a")], ids=["file", "empty", "directory"])
def test_xattrs(tmp_path: Path, member: object) -> None:
    if not takes_xattrs(tmp_path):
        pytest.skip("this file system has no attributes in the user namespace")
    report = extract(pack(pax(*XATTRS), member), tmp_path)  # type: ignore[arg-type]  # every row is a part
    found = {name: os.getxattr(tmp_path / "a", name) for name in os.listxattr(tmp_path / "a")}
    assert found == {"user.raw": b"a\0\xff", "user.with space": b"base64"}
    assert report.members[0].outcome == "written"


def test_xattrs_that_are_not_asked_for_are_not_set(tmp_path: Path) -> None:
    report = extract(pack(pax(*XATTRS), file(b"a")), tmp_path, xattrs="none")
    assert os.listxattr(tmp_path / "a") == []
    assert report.members[0].outcome == "written"


@pytest.mark.parametrize("policy", ["strict", "compat"])
def test_xattrs_of_other_namespaces_are_told_not_set(tmp_path: Path, policy: str) -> None:
    archive = pack(pax((b"SCHILY.xattr.security.selinux", b"x")), file(b"a"))
    row = extract(archive, tmp_path, policy=policy).members[0]
    assert (row.outcome, row.code) == ("changed", "xattr.not-set")
    assert "security.selinux" in row.detail


def test_xattrs_of_a_symlink_are_told_not_set(tmp_path: Path) -> None:
    row = extract(pack(pax((b"SCHILY.xattr.user.x", b"x")), symlink(b"l", b"a")), tmp_path).members[0]
    assert (row.outcome, row.code) == ("changed", "xattr.not-set")


@pytest.mark.parametrize(
    "record",
    [
        pytest.param((b"SCHILY.xattr.", b"x"), id="no-name"),
        pytest.param((b"SCHILY.xattr.user.a\0b", b"x"), id="nul"),
        pytest.param((b"LIBARCHIVE.xattr.user.a%00b", b"x"), id="escaped-nul"),
        pytest.param((b"LIBARCHIVE.xattr.user.a", b"?"), id="no-base64"),
    ],
)
def test_xattrs_that_mean_nothing_are_refused(tmp_path: Path, record: tuple[bytes, bytes]) -> None:
    with pytest.raises(TarError) as caught:
        extract(pack(pax(record), file(b"a")), tmp_path)
    assert (caught.value.code, caught.value.offset) == ("pax.xattr", 0)


@pytest.mark.parametrize(
    ("parts", "want"),
    [
        pytest.param((file(b"a", uid=12345, gid=54321),), (12345, 54321), id="header"),
        pytest.param((pax((b"uid", b"7")), file(b"a", uid=12345, gid=2**31)), (7, 2**31), id="pax-and-base256"),
        pytest.param((folder(b"a", uid=12345, gid=54321),), (12345, 54321), id="directory"),
        pytest.param((symlink(b"a", b"b", uid=12345, gid=54321),), (12345, 54321), id="symlink"),
    ],
)
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_owner(tmp_path: Path, parts: tuple[object, ...], want: tuple[int, int]) -> None:
    extract(pack(*parts), tmp_path, owner=True)  # type: ignore[arg-type]  # every row is parts
    status = (tmp_path / "a").lstat()
    assert (status.st_uid, status.st_gid) == want


def test_owners_are_not_set_unless_asked_for(tmp_path: Path) -> None:
    extract(pack(file(b"a", uid=12345, gid=54321)), tmp_path)
    assert (tmp_path / "a").stat().st_uid == os.geteuid()


def test_an_owner_that_no_system_has_is_told(tmp_path: Path) -> None:
    row = extract(pack(file(b"a", uid=2**40, gid=0)), tmp_path, owner=True).members[0]
    assert (row.outcome, row.code) == ("changed", "owner.not-set")


# -- another process -----------------------------------------------------------------------------------------------


def test_directories_swapped_for_links_meanwhile(tmp_path: Path) -> None:
    """A thread swaps a directory and a link to the outside, to and fro, while extraction goes on."""
    outside, dest = tmp_path / "outside", tmp_path / "dest"
    outside.mkdir()
    (outside / "f").write_text("mine")
    (dest / "a/d").mkdir(parents=True)
    os.symlink(outside, dest / "a/link")
    want = (outside.stat(), (outside / "f").stat())
    done = threading.Event()
    libc, failed = ctypes.CDLL(None, use_errno=True), set[int]()

    def swap() -> None:
        fd = os.open(dest / "a", os.O_RDONLY | os.O_DIRECTORY)
        try:
            for _ in range(10_000):
                failed.add(libc.renameat2(fd, b"d", fd, b"link", 2))  # RENAME_EXCHANGE
        finally:
            os.close(fd)
            done.set()

    archive = pack(
        folder(b"a/d", mtime=5, mode=0o700),
        file(b"a/d/f"),
        symlink(b"a/d/s", b"f"),
        hardlink(b"a/d/h", b"a/d/f"),
        file(b"a/d/e/f"),
    )
    thread = threading.Thread(target=swap)
    thread.start()
    seen = set()
    while not done.is_set():
        for keep in (True, False):
            try:
                extract(archive, dest, keep_partial=keep)
            except TarError as error:
                seen.add(error.code)
            except OSError as error:
                seen.add(type(error).__name__)
    thread.join()
    assert failed == {0}
    assert seen <= {
        "path.through-link",
        "path.replaces",
        "path.directory-there",
        "link.target",
        "FileNotFoundError",
        "FileExistsError",
    }
    assert os.listdir(outside) == ["f"]
    now = (outside.stat(), (outside / "f").stat())
    assert [(one.st_mode, one.st_uid, one.st_mtime_ns, one.st_ctime_ns, one.st_nlink) for one in now] == [
        (one.st_mode, one.st_uid, one.st_mtime_ns, one.st_ctime_ns, one.st_nlink) for one in want
    ]
