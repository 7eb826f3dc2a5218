"""What a report says is what the store or the run holds."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import msgspec
import pytest

from tarbiter.campaign.records import RunError
from tarbiter.judge.ledger import Entry, Ledger
from tarbiter.report.record import Row
from tarbiter.report.sources import gather

from .stores import empty, filled


def by_name(rows: tuple[Row, ...]) -> dict[str, Row]:
    return {row.finding.causes[0]: row for row in rows}


def test_new_is_what_the_latest_run_was_the_first_to_see(tmp_path: Path) -> None:
    report = gather(str(filled(tmp_path)))
    rows = by_name(report.findings)
    assert len(rows) == 5
    assert {row.finding.causes[0]: (row.fresh, row.open, row.news) for row in report.findings} == {
        "'a'": (False, True, False),
        "'b'": (False, False, False),
        "'refused'": (False, True, False),
        "'c'": (True, True, True),
        next(name for name in rows if "script" in name): (True, True, True),
    }
    assert rows["'a'"].runs == 2
    assert rows["'b'"].standing == "dismissed: seen often, <b>really</b>"
    assert [row.finding.rank for row in report.findings] == sorted(row.finding.rank for row in report.findings)


def test_runs_in_order_with_what_they_found(tmp_path: Path) -> None:
    report = gather(str(filled(tmp_path)))
    assert [(run.number, run.seed, run.cases, run.findings) for run in report.runs] == [
        (1, 7, 100, 3),
        (2, 8, 50, 2),
    ]
    assert (report.cases, report.seconds) == (150, 15.0)
    assert report.runs[0].contestants == {"one": "1.0", "two": "2.0"}


def test_findings_by_invariant_and_by_pair_of_families(tmp_path: Path) -> None:
    report = gather(str(filled(tmp_path)))
    counts = {row.invariant: (row.news, row.open, row.total) for row in report.invariants}
    assert counts["no-smuggling"] == (1, 2, 3)
    assert counts["disagreement"] == (1, 2, 2)
    assert counts["contained"] == (0, 0, 0)
    assert report.matrix.families == ("family one", "family two")
    assert report.matrix.counts == ((0, 4), (4, 0))


def test_the_rate_grows_to_all_findings_over_all_cases(tmp_path: Path) -> None:
    report = gather(str(filled(tmp_path)))
    assert [(point.cases, point.findings) for point in report.rate] == [
        (0, 0), (4, 1), (6, 2), (91, 3), (100, 3), (111, 4), (121, 5), (150, 5),
    ]  # fmt: skip
    assert report.rate[-1].seconds == 15.0
    assert report.rate[1].seconds == 0.4


def test_features_are_told_with_how_often_they_are_drawn(tmp_path: Path) -> None:
    report = gather(str(filled(tmp_path)))
    found = {name for row in report.findings for name in row.finding.features}
    rows = {row.feature: row for row in report.features}
    assert found <= rows.keys()
    assert all(0 < row.drawn < 1 for row in report.features if row.pays is not None)
    best = report.features[0]
    assert best.findings == max(row.findings for row in report.features)
    assert best.pays == pytest.approx(best.share / best.drawn, rel=0.01)


def test_what_the_ledger_accepts_is_not_new(tmp_path: Path) -> None:
    store = filled(tmp_path)
    name = gather(str(store)).news[0].finding.id
    today = datetime.date(2026, 1, 31)
    ledger = Ledger("ledger.toml", [Entry(id="so", reason="it is", date=today, signature=name)])
    report = gather(str(store), ledger)
    row = next(row for row in report.findings if row.finding.id == name)
    assert (row.accepted_by, row.open, row.news) == ("so", False, False)
    assert row.standing == "accepted by the ledger: so"
    assert report.stale == ()
    old = Ledger("ledger.toml", [Entry(id="old", reason="it was", date=today, signature="0000000000")])
    assert gather(str(store), old).stale == ("old",)


def test_in_a_run_without_a_store_all_is_new(tmp_path: Path) -> None:
    filled(tmp_path)
    run = tmp_path / "first"
    report = gather(str(run))
    assert len(report.news) == len(report.findings) == 3
    assert {row.recipe for row in report.findings} == {
        str(path) for path in (run / "findings").iterdir() if ".original" not in path.name
    }
    with (run / "findings.jsonl").open("ab") as log:
        log.write(b'{"id": "torn')
    assert len(gather(str(run)).findings) == 3


def test_a_store_and_its_run_tell_a_finding_alike(tmp_path: Path) -> None:
    store = {row.finding.id: row for row in gather(str(filled(tmp_path))).findings}
    for row in gather(str(tmp_path / "first")).findings:
        other = store[row.finding.id]
        # Each says where the case is.
        replay = other.finding.replay.replace(other.recipe, row.recipe)
        assert row.finding == msgspec.structs.replace(other.finding, replay=replay)


def test_who_was_asked_is_told_by_what_they_do(tmp_path: Path) -> None:
    rows = gather(str(filled(tmp_path))).findings
    (row,) = [row for row in rows if row.asked]
    assert row.finding.causes == ("'a'",)
    assert [group.contestants[0] for group in row.asked] == ["two 2.0", "one 1.0"]
    assert row.asked[0].contestants[2:] == ("four 4.0", "five")
    assert row.asked[0].contestants[1].startswith("three ")
    assert row.asked[0].contestants[1].isprintable()


def test_nothing_found_is_a_report_too(tmp_path: Path) -> None:
    report = gather(str(empty(tmp_path)))
    assert (report.findings, report.matrix.families, report.rate[-1].findings) == ((), (), 0)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        pytest.param({}, "is neither a store nor a run", id="nothing"),
        pytest.param({"run.json": "{"}, "damaged", id="torn"),
        pytest.param({"run.json": json.dumps({"seed": 1})}, "damaged", id="half"),
        pytest.param({"tarbiter.db": "no database, whatever it is called" * 99}, "tarbiter.db", id="database"),
    ],
)
def test_what_is_no_source_is_told(tmp_path: Path, damage: dict[str, str], says: str) -> None:
    for name, content in damage.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(RunError, match=says):
        gather(str(tmp_path))
