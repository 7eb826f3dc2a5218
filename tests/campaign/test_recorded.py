"""Reading a store or a run: both tell the same of a finding, and nothing is made or changed by looking."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from tarbiter.campaign.recorded import findings_at, store_at
from tarbiter.campaign.records import Kept, RunError, told
from tarbiter.campaign.runs import Run
from tarbiter.campaign.store import DATABASE, Store, StoreError
from tarbiter.cli import main
from tarbiter.generate.recipes import case_at
from tarbiter.judge.machine import plain, restored

from ..report.stores import NASTY, filled
from .findings import ASKED, finding


def run(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, list(map(str, arguments)))


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a directory, but those that SQLite has beside a database that is open."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    }


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two runs, `first` and `second`, that are beside it."""
    return filled(tmp_path_factory.mktemp("filled"))


@pytest.mark.parametrize("name", [b"a", b"\xff\\x00\n\\", NASTY], ids=["plain", "escapes", "nasty"])
def test_a_finding_is_the_same_after_it_was_json(tmp_path: Path, name: bytes) -> None:
    run = Run.create(str(tmp_path / "run"), ASKED)
    kept = run.keep(finding(name), case_at(7, 3), ("one",))
    run.close()
    assert restored(plain(kept), Kept) == kept
    assert restored(json.loads(json.dumps(told(kept))), Kept) == kept


def test_what_is_no_such_record_is_an_error() -> None:
    with pytest.raises(msgspec.ValidationError):
        restored({"id": 1}, Kept)
    with pytest.raises(msgspec.ValidationError, match="escape"):
        restored({"tree": [{"path": "a\\q", "type": "file"}]}, type_of_tree)


class type_of_tree(msgspec.Struct):  # noqa: N801  # a type, named for what it is in the test above
    tree: tuple[dict[str, bytes], ...]


def test_a_run_tells_of_a_finding_what_the_store_tells(store: Path) -> None:
    with findings_at(str(store)) as kept:
        known = {entry.kept.id: entry.kept for entry in kept.findings()}
    with findings_at(str(store.parent / "first")) as recorded:
        entries = list(recorded.findings())
        assert len(entries) == 3
        assert [entry.kept.rank for entry in entries] == sorted(entry.kept.rank for entry in entries)
        for entry in entries:
            assert entry.kept.at("x") == known[entry.kept.id].at("x")
            assert Path(entry.recipe).is_file()
            assert recorded.get(entry.kept.id[:8]) == entry
        assert recorded.counts() == {"new": 3}
        assert list(recorded.findings("dismissed")) == []
        with pytest.raises(StoreError, match="no finding begins with zz"):
            recorded.get("zz")


READ = ("list", "show", "export", "stale")
CHANGE = ("accept", "promote", "dismiss", "ask", "recheck")


def words(verb: str, name: str, store: Path, folder: Path) -> list[str | Path]:
    """A verb of triage on the finding `name`."""
    more: dict[str, list[str | Path]] = {
        "list": [],
        "show": [name],
        "export": [name, "-o", folder / "export"],
        "stale": ["--ledger", folder / "ledger.toml"],
        "accept": [name, "--reason", "so", "--ledger", folder / "ledger.toml"],
        "promote": [name, "--topic", "names", "--corpus", folder / "corpus"],
        "dismiss": [name, "--reason", "so"],
        "ask": [name],
        "recheck": [name],
    }
    return ["triage", verb, *more[verb], "--store", store]


@pytest.mark.parametrize("verb", READ)
@pytest.mark.parametrize("kind", ["store", "first"])
def test_looking_changes_nothing(store: Path, tmp_path: Path, verb: str, kind: str) -> None:
    (tmp_path / "ledger.toml").write_text("")
    source = store.parent / kind
    with findings_at(str(source)) as opened:
        name = next(opened.findings()).kept.id
    before = files(source)
    done = run(*words(verb, name, source, tmp_path))
    assert done.exit_code == 0, done.output
    assert files(source) == before
    assert name in done.stdout or verb in ("stale", "export")


@pytest.mark.parametrize("verb", CHANGE)
def test_a_run_says_that_it_keeps_no_decisions(store: Path, tmp_path: Path, verb: str) -> None:
    source = store.parent / "first"
    with findings_at(str(source)) as opened:
        name = next(opened.findings()).kept.id
    before = files(source)
    done = run(*words(verb, name, source, tmp_path))
    assert (done.exit_code, "is a run, which keeps no decisions" in done.stderr) == (2, True), done.output
    assert files(source) == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        *(("triage", verb) for verb in (*READ, *CHANGE)),
        ("report",),
        ("features", "--store"),
        ("triage", "bisect", "abc", "--contestant", "tar-rs", "--store"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("there", [False, True], ids=["nothing", "an empty directory"])
def test_a_wrong_path_is_told_and_not_made(tmp_path: Path, arguments: tuple[str, ...], there: bool) -> None:
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / "ledger.toml").write_text("")
    where = tmp_path / "wrong"
    if there:
        where.mkdir()
    line: list[str | Path] = [*arguments, where]
    if arguments[:1] == ("triage",) and len(arguments) == 2:
        line = words(arguments[1], "abc", where, tmp_path / "ledger")
    done = run(*line)
    assert (done.exit_code, f"{where}: is neither a store nor a run" in done.stderr) == (2, True), done.output
    assert where.exists() == there
    assert not there or list(where.iterdir()) == []


def test_a_store_of_an_older_schema_can_be_read(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with sqlite3.connect(path / DATABASE) as db:
        db.execute("ALTER TABLE findings DROP COLUMN answers")
        db.execute("PRAGMA user_version = 1")
    db.close()
    with findings_at(str(path)) as opened:
        assert [entry.asked for entry in opened.findings()] == [()] * 5
    with sqlite3.connect(path / DATABASE) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
    db.close()


def test_a_store_of_a_newer_schema_is_told(tmp_path: Path) -> None:
    path = filled(tmp_path)
    with sqlite3.connect(path / DATABASE) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreError, match="newer tarbiter"):
        findings_at(str(path))


def test_reading_goes_on_while_a_campaign_writes(store: Path) -> None:
    with Store(str(store)) as writing, Store(str(store), reading=True) as reading:
        one = next(reading.findings())
        writing.mark(one.kept.id, one.status, "looked at")
        assert reading.get(one.kept.id).reason == "looked at"
        with pytest.raises(StoreError, match="readonly"):
            reading.mark(one.kept.id, one.status, "")


def test_an_empty_database_is_no_store(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / DATABASE).execute("VACUUM").connection.close()
    for opening in (findings_at, store_at):
        with pytest.raises(RunError, match="holds no store"):
            opening(str(tmp_path))
