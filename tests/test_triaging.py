"""`tarbiter triage` on a store that a real campaign filled."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tarbiter.archive.cases import load
from tarbiter.campaign.store import Store
from tarbiter.cli import main
from tarbiter.contest.installed.registry import everyone
from tarbiter.judge.ledger import Ledger

RING = "extractor-compat,tarfile-fully-trusted,gnu-tar"
CASES, SEED = "30", "12"
"""A short campaign that finds three smuggled names and an escape."""


def run(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, [str(one) for one in arguments])


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the findings of a short campaign."""
    if any(one.missing for one in everyone() if one.name == "gnu-tar"):
        pytest.skip("GNU tar is not here")
    folder = tmp_path_factory.mktemp("triage")
    store = folder / "store"
    done = run("fuzz", "--cases", CASES, "--seed", SEED, "--with", RING, "-o", folder / "run", "--store", store)
    assert done.exit_code == 1, done.output
    return store


@pytest.fixture
def store(filled: Path, tmp_path: Path) -> Path:
    shutil.copytree(filled, tmp_path / "store")
    return tmp_path / "store"


def ids(store: Path, *options: str) -> list[str]:
    result = run("triage", "list", "--store", store, "--json", *options)
    assert result.exit_code == 0, result.output
    return [row["id"] for row in json.loads(result.stdout)]


def first(store: Path, invariant: str = "no-smuggling") -> str:
    return ids(store, "--invariant", invariant)[0]


def test_the_list_is_ranked(store: Path) -> None:
    rows = json.loads(run("triage", "list", "--store", store, "--json").stdout)
    assert [(row["rank"], row["size"]) for row in rows] == sorted((row["rank"], row["size"]) for row in rows)
    table = run("triage", "list", "--store", store).stdout
    assert all(row["id"] in table for row in rows)
    assert f"{len(rows)} shown" in table


def test_the_list_may_be_narrowed(store: Path) -> None:
    everything = ids(store)
    smuggled = ids(store, "--invariant", "no-smuggling")
    assert 0 < len(smuggled) < len(everything)
    assert ids(store, "--family", "gnu-tar") != everything
    assert ids(store, "--family", "nobody") == []
    assert ids(store, "--status", "dismissed") == []


def test_show_has_all_that_is_needed(store: Path) -> None:
    one = first(store)
    text = run("triage", "show", one[:6], "--store", store)
    assert text.exit_code == 0
    for wanted in ("causes:", "part = [", "0x00000000  part 0", "again: tarbiter compare", "broken no-smuggling"):
        assert wanted in text.stdout
    record = json.loads(run("triage", "show", one, "--store", store, "--json").stdout)
    account = record["kept"]["account"]
    assert account["sentence"] in text.stdout.replace("\n", "")
    assert any(reason["clauses"] and reason["readers"] and reason["where"] for reason in account["reasons"])
    assert all(reason["where"] in text.stdout and reason["readers"] in text.stdout for reason in account["reasons"])
    why = record["kept"]["why"]
    assert [cause["words"] for cause in why if cause["verdict"] != "idle"] == record["kept"]["causes"]
    assert all(f"{cause['words']}: {cause['verdict']}" in text.stdout for cause in why)
    assert record["kept"]["id"] == one
    again = text.stdout.rpartition("again: tarbiter ")[2].split()
    assert run(*again).exit_code == 1


def test_an_accepted_finding_is_in_the_ledger_and_no_longer_new(store: Path, tmp_path: Path) -> None:
    one, ledger = first(store), tmp_path / "below" / "ledger.toml"
    accept = ("triage", "accept", one, "--store", store, "--ledger", ledger, "--reason", 'it is "so"')
    assert run(*accept).exit_code == 0
    (entry,) = Ledger.load(str(ledger)).entries
    assert (entry.signature, entry.reason) == (one, 'it is "so"')
    assert set(entry.contestants) <= set(RING.split(","))
    assert one not in ids(store)
    assert one in ids(store, "--status", "accepted")
    again = run(*accept)
    assert (again.exit_code, "has an entry" in again.stderr) == (2, True)
    assert run("triage", "stale", "--store", store, "--ledger", ledger).exit_code == 0
    other = next(other for other in ids(store) if other != one)
    assert run("triage", "accept", other, "--store", store, "--ledger", ledger, "--reason", "so").exit_code == 0
    assert len(Ledger.load(str(ledger)).entries) == 2


def test_a_campaign_with_this_ledger_finds_it_accepted(store: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.toml"
    for one in ids(store):
        run("triage", "accept", one, "--store", store, "--ledger", ledger, "--reason", "so")
    same = ("--cases", CASES, "--seed", SEED, "--with", RING, "--ledger", ledger)
    done = run("fuzz", *same, "-o", tmp_path / "run")
    assert done.exit_code == 0, done.output
    assert "accepted by the ledger" in done.stdout


def test_what_nothing_matches_is_stale(store: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.toml"
    ledger.write_text('[[accepted]]\nid = "old"\nreason = "it was"\ndate = 2026-01-31\nsignature = "0000000000"\n')
    result = run("triage", "stale", "--store", store, "--ledger", ledger)
    assert (result.exit_code, result.stdout) == (1, "old: it was\n")
    assert json.loads(run("triage", "stale", "--store", store, "--ledger", ledger, "--json").stdout) == ["old"]


def test_a_promoted_finding_is_a_case(store: Path, tmp_path: Path) -> None:
    one = first(store)
    promote = ("triage", "promote", one, "--store", store, "--topic", "names", "--corpus", tmp_path / "corpus")
    result = run(*promote, "--title", "A title of its own")
    assert result.exit_code == 0, result.output
    loaded = load(result.stdout.strip())
    assert loaded.case is not None
    assert loaded.case.title == "A title of its own"
    with Store(str(store)) as opened:
        entry = opened.get(one)
        assert loaded.archive == load(entry.recipe).archive
        assert (entry.status, entry.reason) == ("promoted", result.stdout.strip())
    again = run(*promote)
    assert (again.exit_code, "exists already" in again.stderr) == (2, True)


def test_an_escape_is_not_published_by_accident(store: Path, tmp_path: Path) -> None:
    one = first(store, "contained")
    promote = ("triage", "promote", one, "--store", store, "--topic", "links", "--corpus", tmp_path / "corpus")
    refused = run(*promote)
    assert (refused.exit_code, "maintainers" in refused.stderr) == (2, True)
    assert not (tmp_path / "corpus").exists()
    assert run(*promote, "--fixed").exit_code == 0


def test_a_dismissed_finding_is_still_known(store: Path, tmp_path: Path) -> None:
    one = first(store)
    assert run("triage", "dismiss", one, "--store", store, "--reason", "seen often").exit_code == 0
    assert one not in ids(store)
    assert one in ids(store, "--status", "dismissed")
    done = run("fuzz", "--cases", CASES, "--seed", SEED, "--with", RING, "-o", tmp_path / "r", "--store", store)
    assert done.exit_code == 0, done.output


def test_an_export_needs_no_tarbiter(store: Path, tmp_path: Path) -> None:
    one = next(
        row["id"]
        for row in json.loads(run("triage", "list", "--store", store, "--json").stdout)
        if row["invariant"] == "no-smuggling" and {"tarfile", "gnu-tar"} <= set(row["families"])
    )
    result = run("triage", "export", one, "--store", store, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"archive.tar", "case.toml", "README.md", "reproduce-gnu-tar.sh"} <= files
    assert "reproduce-tarfile-fully-trusted.sh" in files
    assert (tmp_path / "out" / "archive.tar").read_bytes() == load(str(tmp_path / "out" / "case.toml")).archive
    for script in (tmp_path / "out").glob("*.sh"):
        assert subprocess.run(["sh", "-n", script], check=False).returncode == 0
        assert script.name in (tmp_path / "out" / "README.md").read_text()
    again = run("triage", "export", one, "--store", store, "-o", tmp_path / "out")
    assert (again.exit_code, "exists already" in again.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("list",), "is neither a store nor a run"),
        (("show", "abc"), "is neither a store nor a run"),
        (("accept", "abc", "--reason", "so"), "is neither a store nor a run"),
        (("stale",), "cannot be read"),
    ],
)
def test_without_a_store(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    more = ("--ledger", tmp_path / "ledger.toml") if arguments[0] in ("accept", "stale") else ()
    result = run("triage", *arguments, "--store", tmp_path / "none", *more)
    assert (result.exit_code, says in result.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("show", "zz"), "no finding begins with zz"),
        (("show", ""), "is no id"),
        (("dismiss", "zz", "--reason", "so"), "no finding begins with zz"),
        (("dismiss", "zz"), "Missing option '--reason'"),
        (("list", "--invariant", "peace"), "'peace' is not one of"),
    ],
)
def test_what_cannot_run_ends_with_2(store: Path, arguments: tuple[str, ...], says: str) -> None:
    result = run("triage", *arguments, "--store", store)
    assert (result.exit_code, says in result.stderr) == (2, True)


@pytest.mark.parametrize("topic", ["../names", "Names", "na mes", ""])
def test_a_topic_is_a_plain_word(store: Path, tmp_path: Path, topic: str) -> None:
    result = run("triage", "promote", first(store), "--store", store, "--topic", topic, "--corpus", tmp_path / "c")
    assert (result.exit_code, "small letters" in result.stderr) == (2, True)
    assert not (tmp_path / "c").exists()


def test_every_verb_says_what_it_did_as_json(store: Path, tmp_path: Path) -> None:
    one, other, third = ids(store, "--invariant", "no-smuggling")[:3]

    def done(*arguments: str | Path) -> dict[str, Any]:
        result = run("triage", *arguments, "--store", store, "--json")
        assert result.exit_code == 0, result.output
        record: dict[str, Any] = json.loads(result.stdout)
        return record

    ledger, corpus = tmp_path / "ledger.toml", tmp_path / "corpus"
    assert done("accept", one, "--reason", "so", "--ledger", ledger) == {
        "id": one,
        "status": "accepted",
        "entry": one,
        "path": str(ledger),
    }
    promoted = done("promote", other, "--topic", "names", "--corpus", corpus)
    assert (promoted["id"], promoted["status"]) == (other, "promoted")
    assert Path(promoted["path"]).parent == corpus / "names"
    exported = done("export", third, "-o", tmp_path / "out")
    assert (exported["id"], exported["status"], exported["path"]) == (third, "new", str(tmp_path / "out"))
    assert all(one.get("line") or one["why_not"] for one in exported["scripts"])
    assert done("dismiss", third, "--reason", "so") == {"id": third, "status": "dismissed"}


def test_the_library_example_of_the_page_runs(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[1] / "docs" / "triage.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert len([line for line in example.splitlines() if line]) == 3
    (store.parent / ".tarbiter").symlink_to(store)
    monkeypatch.chdir(store.parent)
    said = subprocess.run([sys.executable, "-c", example], check=True, capture_output=True, text=True).stdout
    found = ast.literal_eval(said)
    assert [name for name, _ in found] == ids(store)
    assert all(sentence.endswith(".") for _, sentence in found)


def test_everybody_is_asked(store: Path) -> None:
    one, other = ids(store, "--invariant", "no-smuggling")[:2]
    ring = "extractor-compat,extractor-strict,tarfile-fully-trusted,gnu-tar"
    result = run("triage", "ask", one, other, "--store", store, "--with", ring, "--json")
    assert result.exit_code == 0, result.output
    answers = json.loads(result.stdout)
    assert [answer["id"] for answer in answers] == [one, other]
    for answer in answers:
        assert {name for group in answer["groups"] for name in group} == set(ring.split(","))
        assert len(answer["groups"]) > 1
    text = run("triage", "show", one, "--store", store).stdout
    assert "everybody who was asked" in text
    assert "extractor-strict" in text.partition("everybody who was asked")[2]
    kept = json.loads(run("triage", "show", one, "--store", store, "--json").stdout)
    assert [seen["contestant"] for seen in kept["asked"]] == ring.split(",")
    lines = run("triage", "ask", one, "--store", store, "--with", ring).stdout
    assert lines.startswith(f"{one}: ")


def test_who_was_asked_is_not_asked_again_unless_a_finding_is_named(store: Path) -> None:
    one, *others = ids(store, "--status", "new")
    ring = ("--store", store, "--with", "extractor-compat,tarfile-fully-trusted")
    run("triage", "ask", one, *ring)
    rest = json.loads(run("triage", "ask", *ring, "--json").stdout)
    assert {answer["id"] for answer in rest} == set(others)
    assert json.loads(run("triage", "ask", *ring, "--json").stdout) == []
    again = json.loads(run("triage", "ask", one, *ring, "--json").stdout)
    assert [answer["id"] for answer in again] == [one]
