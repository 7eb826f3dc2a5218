"""What is known of paths is the same in the table as in the dictionary; directories come out as they went in."""

import os
import random
from pathlib import Path

import pytest

from onetar import Kind, LimitError, Limits, Report, Rows, TarError, check, extract
from onetar.policy import POLICIES
from onetar.store import directory_metadata as late
from onetar.store import names, rows, spool
from onetar.store.directory_metadata import Directories, Late
from onetar.store.names import FOLDED, IMPLIED, MADE, Names, fold
from onetar.store.spool import Spool

from .archives import file, folder, hardlink, pack, symlink
from .test_express import MIXED, both_ways
from .test_report import many


@pytest.fixture
def tight(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that is kept small beyond a size, at a few members."""
    monkeypatch.setattr(names, "OFTEN", 1)
    monkeypatch.setattr(names, "FIRST", 2)
    monkeypatch.setattr(names, "LATER", 1)
    monkeypatch.setattr(late, "MANY", 2)
    monkeypatch.setattr(rows, "CHUNK", 2)
    monkeypatch.setattr(spool, "HELD", 100)


def paths(chance: random.Random) -> list[bytes]:
    found = [b"/".join(chance.choices((b"a", b"A", b"b", "\xe9".encode(), b"c" * 90), k=chance.randint(1, 5)))]
    return found * chance.randint(1, 2)


@pytest.mark.usefixtures("tight")
@pytest.mark.parametrize("folding", [False, True])
def test_the_table_knows_what_the_dictionary_knew(folding: bool) -> None:
    chance = random.Random(7)
    small, plain = Names(folding=folding), Names(folding=folding)
    seen: list[bytes] = []
    for _ in range(4000):
        for path in paths(chance):
            seen.append(path)
            kind = chance.choice(list(Kind))
            for one in (small, plain):
                one.become(path, kind)
                if kind is Kind.FILE:
                    one.add(path, MADE)
            small.settle()
    assert len(small.recent) <= 2 < len(plain.recent)
    assert small.implied == plain.implied > 0
    for path in {*seen, *map(fold, seen), b"never"}:
        assert (small.get(path), small.kind(path), small.twin(path)) == (
            plain.get(path),
            plain.kind(path),
            plain.twin(path),
        )
    assert {small.get(path) & (IMPLIED | FOLDED) for path in plain.recent} == (
        {0, IMPLIED, FOLDED, IMPLIED | FOLDED} if folding else {0, IMPLIED}
    )


def test_a_digest_that_begins_inside_another_entry_is_none() -> None:
    bucket = b"0123456789\x01" + b"cdefghijkl\x02"
    assert names._find(bucket, b"0123456789") == 0
    assert names._find(bucket, b"cdefghijkl") == 11
    assert names._find(bucket, b"123456789\x01") == -1
    assert names._find(b"aaaaaaaaaab" + b"aaaaaaaaab\x02", b"aaaaaaaaab") == 11
    assert names._find(b"", b"0123456789") == -1


def test_every_archive_has_a_key_of_its_own() -> None:
    found = set()
    for _ in range(2):
        one = Names()
        one._file()
        found.add(one._place(b"a"))
    assert len(found) == 2


def test_long_paths_are_weighed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "HELD", 0.1)
    one = Names()
    for number in range(200):
        one.become(b"%d" % number + b"p" * 300, Kind.FILE)
        one.settle()
    assert len(one.recent) < 200
    assert all(one.kind(b"%d" % number + b"p" * 300) is Kind.FILE for number in range(200))


@pytest.mark.usefixtures("tight")
@pytest.mark.parametrize("policy", POLICIES)
def test_archives_mean_the_same(policy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(8)
    archives = [pack(*chance.choices(MIXED, k=chance.randint(3, 9))) for _ in range(300)]
    told = [both_ways(archive, policy) for archive in archives]
    monkeypatch.undo()
    assert told == [both_ways(archive, policy) for archive in archives]


TREE = (
    *(file(b"d/e/%d" % number) for number in range(9)),
    folder(b"d", mode=0o700, mtime=5),
    folder(b"f/g/h", mtime=6),
    *(folder(b"f/g/%d" % number, mtime=number) for number in range(9)),
    symlink(b"l", b"d"),
    hardlink(b"h", b"d/e/1"),
    folder(b"d", mode=0o755, mtime=7),
    folder(b"f/g/3", mtime=30),
)


@pytest.mark.usefixtures("tight")
@pytest.mark.parametrize("policy", POLICIES)
def test_the_last_time_of_a_directory_counts(tmp_path: Path, policy: str) -> None:
    report = extract(pack(*TREE), tmp_path, policy=policy)
    assert report.totals()["written"] == len(TREE)
    expected = {"d": 7, "f/g/h": 6, "f/g/2": 2, "f/g/3": 30}
    assert {name: (tmp_path / name).stat().st_mtime for name in expected} == expected
    assert (tmp_path / "h").samefile(tmp_path / "d/e/1")


@pytest.mark.usefixtures("tight")
@pytest.mark.parametrize("policy", POLICIES)
def test_everything_is_taken_back(tmp_path: Path, policy: str) -> None:
    (tmp_path / "f").mkdir()
    report = Report()
    with pytest.raises(TarError):
        extract(pack(*TREE, file(b"../out")), tmp_path, policy=policy, keep_partial=False, report=report)
    assert os.listdir(tmp_path) == ["f"]
    assert os.listdir(tmp_path / "f") == []
    assert [row.outcome for row in report.members] == ["undone"] * len(TREE) + ["refused"]


def test_what_another_extraction_made_is_not_taken_back(tmp_path: Path) -> None:
    report = extract(pack(file(b"a")), tmp_path)
    with pytest.raises(TarError):
        extract(pack(file(b"b"), file(b"../out")), tmp_path, keep_partial=False, report=report)
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("policy", POLICIES)
def test_directories_that_names_imply_are_limited(policy: str) -> None:
    archive = pack(*(file(b"%d/a/b/c" % number) for number in range(5)))
    assert check(archive, policy=policy, limits=Limits(members=20)).complete
    for only in (None, ["4"]) if policy == "strict" else (None,):  # strict looks at what was not asked for, too
        with pytest.raises(LimitError, match="more than 19 members and dir") as caught:
            check(archive, policy=policy, limits=Limits(members=19), only=only)
        assert (caught.value.code, caught.value.offset, caught.value.field) == ("limit.members", 4 * 1024, "name")


# -- directories and spools ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("tight")
def test_directories_come_backwards_with_what_was_said_last() -> None:
    chance = random.Random(9)
    directories, expected = Directories(), dict[bytes, Late | None]()
    for number in range(500):
        for path in paths(chance):
            what: Late | None = None
            if chance.random() < 0.7:
                what = (0o755, number, (None, ((b"user.a", b"v" * chance.randrange(50)),)))
            directories.add(path, what)
            expected[path] = what or expected.get(path)
    assert list(directories.backwards()) == sorted(expected.items(), reverse=True)


def test_spools() -> None:
    before = set(os.listdir("/proc/self/fd"))
    one = Spool(10)
    pieces = [bytes((number,)) * number for number in range(9)]
    for piece in pieces:
        one.append(piece)
    one[1], pieces[1] = b"another" * 100, b"another" * 100
    one[8], pieces[8] = b"", b""
    assert [one[number] for number in range(len(one))] == pieces
    assert len(set(os.listdir("/proc/self/fd")) - before) == 1
    del one
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_spool_without_a_place_for_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> None:
        raise FileNotFoundError("no usable temporary directory")

    monkeypatch.setattr("tempfile.TemporaryFile", none)
    one = Spool(10)
    for number in range(9):
        one.append(b"x" * number)
    assert [len(one[number]) for number in range(9)] == list(range(9))


def test_a_file_that_lost_bytes() -> None:
    one = Spool(0)
    one.append(b"piece")
    assert one._fd is not None
    os.truncate(one._fd, 2)
    with pytest.raises(OSError, match="lost 3 of 5 bytes"):
        one[0]


def test_rows_in_a_file_are_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "HELD", 0)
    monkeypatch.setattr(rows, "HEAVY", 1000)
    plain = many(3 * rows.CHUNK)
    assert Rows(plain) == plain
    assert Rows(plain)[1500:1510] == plain[1500:1510]
