"""The store keeps what it was given, whoever else writes to it and however its writers end."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from tarbiter.archive.text import loads
from tarbiter.campaign.known_findings import Memory
from tarbiter.campaign.records import Kept
from tarbiter.campaign.runs import Run
from tarbiter.campaign.store import MIGRATIONS, Store, StoreError
from tarbiter.generate.recipes import case_at
from tarbiter.judge.ledger import Ledger

from .findings import ASKED, CASE, finding


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    opened = Run.create(str(tmp_path / "run"), ASKED)
    yield opened
    opened.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(str(tmp_path / "store")) as opened:
        yield opened


@pytest.fixture
def kept(run: Run) -> Callable[[bytes], Kept]:
    return lambda name: run.keep(finding(name), case_at(7, 3), ())


def test_a_finding_comes_back_as_it_was(store: Store, run: Run, kept: Callable[[bytes], Kept]) -> None:
    one = kept(b"a\xff")
    assert store.add(one, store.begin(run.path, ASKED))
    (entry,) = store.findings()
    assert entry.kept == one.at(entry.recipe)
    assert (entry.status, entry.reason, entry.changed, entry.runs) == ("new", "", "", 1)
    assert loads(Path(entry.recipe).read_text()).recipe == CASE.recipe
    assert entry.size == Path(entry.recipe).stat().st_size


def test_the_second_run_that_sees_it_is_not_the_first(store: Store, kept: Callable[[bytes], Kept]) -> None:
    first, second = store.begin("one", ASKED), store.begin("two", ASKED)
    assert [store.add(kept(b"a"), number) for number in (first, first, second, first)] == [True, True, False, True]
    assert store.get(kept(b"a").id).runs == 2


def test_a_resumed_run_is_the_same_run(store: Store) -> None:
    assert store.begin("one", ASKED) == store.begin(os.path.abspath("one"), ASKED) != store.begin("two", ASKED)


def test_the_gravest_come_first(store: Store, run: Run, kept: Callable[[bytes], Kept]) -> None:
    number = store.begin(run.path, ASKED)
    for name in (b"a", b"b", b"c"):
        store.add(kept(name), number)
    ids = [entry.kept.id for entry in store.findings()]
    assert ids == sorted(ids)
    assert len(ids) == 3


def test_findings_by_status(store: Store, run: Run, kept: Callable[[bytes], Kept]) -> None:
    number = store.begin(run.path, ASKED)
    one, other = kept(b"a"), kept(b"b")
    store.add(one, number)
    store.add(other, number)
    store.mark(one.id, "dismissed", "a test says so")
    assert [entry.kept.id for entry in store.findings("new", "accepted")] == [other.id]
    (entry,) = store.findings("dismissed")
    assert (entry.kept.id, entry.reason, entry.changed != "") == (one.id, "a test says so", True)
    assert store.counts() == {"dismissed": 1, "new": 1}


def test_an_id_may_be_shortened(store: Store, run: Run, kept: Callable[[bytes], Kept]) -> None:
    number = store.begin(run.path, ASKED)
    names = [kept(b"%d" % name) for name in range(40)]
    for one in names:
        store.add(one, number)
    assert store.get(names[0].id[:8]).kept.case == names[0].case
    assert store.get(names[0].id[:8]).kept.id == names[0].id
    common = next(one.id[0] for one in names if sum(other.id[0] == one.id[0] for other in names) > 1)
    with pytest.raises(StoreError, match="is not enough"):
        store.get(common)


@pytest.mark.parametrize("prefix", ["", "zzzz", "*", "a?", "'"])
def test_an_id_that_nobody_has(store: Store, prefix: str) -> None:
    with pytest.raises(StoreError):
        store.get(prefix)


def test_what_a_run_saw_again(store: Store, kept: Callable[[bytes], Kept]) -> None:
    one = kept(b"a")
    first, second = store.begin("one", ASKED), store.begin("two", ASKED)
    assert not store.seen(one.id, second)
    store.add(one, first)
    assert store.seen(one.id, second)
    entry = store.get(one.id)
    assert (entry.runs, entry.first_run, entry.last_run) == (2, first, second)


def test_runs_come_back_in_the_order_they_began(store: Store) -> None:
    first, second = store.begin("one", ASKED), store.begin("two", ASKED)
    store.progress(second, 12, 1.5)
    runs = store.runs()
    assert [(ran.number, ran.path, ran.cases, ran.seconds) for ran in runs] == [
        (first, os.path.abspath("one"), 0, 0.0),
        (second, os.path.abspath("two"), 12, 1.5),
    ]
    assert all(ran.asked == ASKED and ran.began for ran in runs)


def test_two_writers_at_once(tmp_path: Path, kept: Callable[[bytes], Kept]) -> None:
    findings = [kept(b"%d" % name) for name in range(30)]
    fresh: list[bool] = []

    def write(name: str) -> None:
        with Store(str(tmp_path / "store")) as store:
            number = store.begin(name, ASKED)
            fresh.extend(store.add(one, number) for one in findings)

    writers = [threading.Thread(target=write, args=(name,)) for name in ("one", "two", "three")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    with Store(str(tmp_path / "store")) as store:
        assert len(fresh) == 90
        assert sum(fresh) == 30
        assert [entry.runs for entry in store.findings()] == [3] * 30


KILLED = """
import os, signal, sys
from tarbiter.campaign.store import Store
from tests.campaign.findings import ASKED, finding
from tarbiter.campaign.runs import Run
from tarbiter.generate.recipes import case_at
run = Run.create(sys.argv[2], ASKED)
store = Store(sys.argv[1])
number = store.begin(sys.argv[2], ASKED)
for name in (b"a", b"b"):
    store.add(run.keep(finding(name), case_at(7, 3), ()), number)
store._db.execute("BEGIN IMMEDIATE")
store._db.execute("UPDATE findings SET status = 'dismissed'")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_writer_loses_only_what_it_was_writing(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path / "store"), str(tmp_path / "killed")]
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run(command, check=False, cwd=root).returncode == -signal.SIGKILL
    with Store(str(tmp_path / "store")) as store:
        assert [entry.status for entry in store.findings()] == ["new", "new"]


def test_a_store_of_an_older_schema_is_brought_up(tmp_path: Path, kept: Callable[[bytes], Kept]) -> None:
    with Store(str(tmp_path / "store")) as store:
        store.add(kept(b"a"), store.begin("run", ASKED))
    with sqlite3.connect(tmp_path / "store" / "tarbiter.db") as db:
        db.execute("ALTER TABLE findings DROP COLUMN answers")
        db.execute("ALTER TABLE runs DROP COLUMN tallies")
        db.execute("DROP INDEX runs_by_key")
        db.execute("ALTER TABLE runs DROP COLUMN key")
        db.execute("CREATE UNIQUE INDEX runs_by_path ON runs (path)")
        db.execute("PRAGMA user_version = 1")
    db.close()
    with Store(str(tmp_path / "store")) as store:
        assert store.begin("run", ASKED) == 1
        (entry,) = store.findings()
        assert entry.asked == ()
        store.answered(entry.kept.id, entry.kept.observations)
        assert store.get(entry.kept.id).asked == entry.kept.observations


def test_a_run_in_the_place_of_a_deleted_one_is_another_one(store: Store, tmp_path: Path) -> None:
    path = str(tmp_path / "run")
    numbers = []
    for seed in (7, 8):
        run = Run.create(path, msgspec.structs.replace(ASKED, seed=seed))
        run.close()
        numbers += [store.begin(path, run.asked), store.begin(path, Run.resume(path).asked)]
        store.progress(numbers[-1], cases=seed, seconds=1.0)
        shutil.rmtree(path)
    assert numbers == [1, 1, 2, 2]
    assert [(ran.number, ran.asked.seed, ran.cases, ran.path) for ran in store.runs()] == [
        (1, 7, 7, path),
        (2, 8, 8, path),
    ]


def test_a_run_that_was_moved_is_the_same(store: Store, tmp_path: Path) -> None:
    run = Run.create(str(tmp_path / "one"), ASKED)
    run.close()
    assert store.begin(str(tmp_path / "one"), run.asked) == store.begin(str(tmp_path / "two"), run.asked)
    assert [ran.path for ran in store.runs()] == [str(tmp_path / "two")]


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "store" / "recipes" / "ab"
    folder.mkdir(parents=True)
    (folder / ".tarbiter-0123456789abcdef.part").write_bytes(b"half")
    with Store(str(tmp_path / "store")):
        assert list(folder.iterdir()) == []


# Damage ---------------------------------------------------------------------------------------------------------


def torn(store: Path, what: str, table: str = "findings", value: object = b"torn") -> None:
    """Damage a record of a store behind its back: the first row of a table."""
    with sqlite3.connect(store / "tarbiter.db") as db:
        db.execute(f"UPDATE {table} SET {what} = ? WHERE id = (SELECT min(id) FROM {table})", (value,))
    db.close()


@pytest.mark.parametrize(
    "value", [b"", b"torn", zlib.compress(b"torn"), zlib.compress(b"\x80"), "text", 7], ids=repr
)
def test_one_damaged_finding_does_not_hide_the_others(
    tmp_path: Path, kept: Callable[[bytes], Kept], value: object
) -> None:
    path = tmp_path / "store"
    one, other = sorted((kept(b"a"), kept(b"b")), key=lambda finding: finding.id)
    with Store(str(path)) as store:
        number = store.begin("run", ASKED)
        assert store.add(one, number)
        assert store.add(other, number)
        torn(path, "kept", value=value)
        assert [entry.kept.id for entry in store.findings()] == [other.id]
        assert list(store.damaged) == [one.id]
        words = store.damaged[one.id]
        assert words.startswith(f"the record of finding {one.id} is damaged (")
        assert f"tarbiter triage remove {one.id} --store {path}" in words
        recipe = next(word for word in words.split() if word.endswith(".toml"))
        assert Path(recipe).read_text() == one.case
        with pytest.raises(StoreError, match="is damaged"):
            store.get(one.id)
        # Found again, it is whole again, and as known as it was.
        assert store.add(one, number)
        assert not store.add(one, store.begin("later", ASKED))
        assert {entry.kept.id for entry in store.findings()} == {one.id, other.id}


def test_a_finding_can_be_removed(store: Store, kept: Callable[[bytes], Kept]) -> None:
    one, number = kept(b"a"), store.begin("run", ASKED)
    store.add(one, number)
    store.remove(one.id)
    assert list(store.findings()) == []
    assert store.add(one, store.begin("later", ASKED))
    with pytest.raises(StoreError, match="has no finding 0123"):
        store.remove("0123")


def test_damaged_answers_are_told_and_the_finding_is_there(tmp_path: Path, kept: Callable[[bytes], Kept]) -> None:
    path, one = tmp_path / "store", kept(b"a")
    with Store(str(path)) as store:
        store.add(one, store.begin("run", ASKED))
        store.answered(one.id, one.observations)
        torn(path, "answers")
        (entry,) = store.findings()
        assert (entry.kept.id, entry.asked) == (one.id, ())
        (words,) = store.damaged.values()
        assert f"tarbiter triage ask {one.id}" in words


def test_a_damaged_run_keeps_its_seed_and_counts(tmp_path: Path) -> None:
    path = tmp_path / "store"
    with Store(str(path)) as store:
        store.progress(store.begin("run", ASKED), cases=12, seconds=1.5)
        torn(path, "asked", table="runs")
        (ran,) = store.runs()
        assert (ran.asked.seed, ran.cases, ran.asked.contestants) == (ASKED.seed, 12, {})
        assert "the record of run 1 is damaged" in store.damaged["run 1"]


def no_database(path: Path) -> None:
    path.mkdir()
    (path / "tarbiter.db").write_bytes(b"this is no database" * 100)


def newer(path: Path) -> None:
    with Store(str(path)):
        pass
    with sqlite3.connect(path / "tarbiter.db") as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    db.close()


def a_file(path: Path) -> None:
    path.write_text("")


@pytest.mark.parametrize(
    ("prepare", "says"), [(no_database, "not a database"), (newer, "newer tarbiter"), (a_file, "cannot be made")]
)
def test_a_store_that_cannot_be_used_is_told(tmp_path: Path, prepare: Callable[[Path], None], says: str) -> None:
    prepare(tmp_path / "store")
    with pytest.raises(StoreError, match=says) as caught:
        Store(str(tmp_path / "store"))
    assert caught.value.where == str(tmp_path / "store")


def fill(store: Store, number: int, kept: Callable[[bytes], Kept]) -> None:
    for name in range(200):
        store.add(kept(b"%d" % name), number)


def test_a_full_database_is_told_and_keeps_what_it_has(
    store: Store, run: Run, kept: Callable[[bytes], Kept]
) -> None:
    number = store.begin(run.path, ASKED)
    store.add(kept(b"a"), number)
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="full"):
        fill(store, number, kept)
    with Store(store.path) as again:
        assert kept(b"a").id in [entry.kept.id for entry in again.findings()]


def test_a_status_that_does_not_exist(store: Store) -> None:
    with pytest.raises(ValueError, match="'seen' is no status"):
        store.mark("x", "seen", "")


def test_new_known_accepted(tmp_path: Path, store: Store, run: Run, kept: Callable[[bytes], Kept]) -> None:
    (tmp_path / "ledger.toml").write_text(
        f'[[accepted]]\nid = "b"\nreason = "so"\ndate = 2026-01-31\nsignature = "{kept(b"b").id}"\n'
        f'[[accepted]]\nid = "c"\nreason = "so"\ndate = 2026-01-31\nsignature = "{kept(b"c").id}"\n'
        'contestants = { two = "<2" }\n'
    )
    ledger = Ledger.load(str(tmp_path / "ledger.toml"))
    store.add(kept(b"a"), store.begin("an earlier run", ASKED))
    memory = Memory(run, store, ledger)
    assert [memory.remember(kept(name)) for name in (b"a", b"b", b"c", b"d")] == ["known", "accepted", "new", "new"]
    assert memory.counts == {"known": 1, "accepted": 1, "new": 2}
    assert memory.reopened == [f"c: {kept(b'c').id} with two 2"]


def test_without_a_store_all_is_new(run: Run, kept: Callable[[bytes], Kept]) -> None:
    assert [Memory(run).remember(kept(b"a")) for _ in range(2)] == ["new", "new"]
