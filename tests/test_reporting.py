"""`tarbiter report`: to standard output, into files, and what it says when it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tarbiter.campaign.store import Store
from tarbiter.cli import main
from tarbiter.commands.report import FORMATS, ISSUE, ISSUE_TITLE
from tarbiter.report.sources import gather

from .report.stores import empty, filled


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["report", *(str(one) for one in arguments)])


@pytest.mark.parametrize("form", FORMATS)
def test_a_format_on_standard_output_and_in_a_file_is_the_same(tmp_path: Path, form: str) -> None:
    store = filled(tmp_path)
    shown = run(store, "--format", form)
    assert (shown.exit_code, shown.stderr) == (0, "")
    assert run(store, "--format", form, "-o", tmp_path / "below" / "file").stdout == ""
    assert (
        (tmp_path / "below" / "file").read_bytes() == shown.stdout_bytes == FORMATS[form].draw(gather(str(store)))
    )


def test_json_says_what_is_new(tmp_path: Path) -> None:
    report = json.loads(run(filled(tmp_path), "--json").stdout)
    assert report["format"] == 1
    assert [row["finding"]["invariant"] for row in report["findings"] if row["news"]] == [
        "no-smuggling",
        "disagreement",
    ]


def test_all_of_them_with_an_issue_when_something_is_new(tmp_path: Path) -> None:
    store, out = filled(tmp_path), tmp_path / "out"
    result = run(store, "--all", out)
    assert result.exit_code == 0, result.output
    wanted = {form.file for form in FORMATS.values()} | {ISSUE, ISSUE_TITLE}
    assert {path.name for path in out.iterdir()} == wanted
    assert sorted(result.stdout.splitlines()) == sorted(str(path) for path in out.iterdir())
    assert (out / ISSUE_TITLE).read_text().count("\n") == 1
    # Nothing is new any more: the issue of the night before must not be posted again.
    with Store(str(store)) as opened:
        for entry in opened.findings("new"):
            opened.mark(entry.kept.id, "dismissed", "so")
    assert run(store, "--all", out).exit_code == 0
    assert {path.name for path in out.iterdir()} == wanted - {ISSUE, ISSUE_TITLE}


def test_the_ledger_is_asked(tmp_path: Path) -> None:
    store = filled(tmp_path)
    entries = [
        f'[[accepted]]\nid = "n{number}"\nreason = "so"\ndate = 2026-01-31\nsignature = "{row.finding.id}"\n'
        for number, row in enumerate(gather(str(store)).news)
    ]
    (tmp_path / "ledger.toml").write_text("\n".join(entries))
    assert "Nothing new" in run(store, "--ledger", tmp_path / "ledger.toml").stdout


def test_the_same_store_gives_the_same_bytes(tmp_path: Path) -> None:
    store = filled(tmp_path)
    for form in FORMATS:
        assert run(store, "--format", form).stdout_bytes == run(store, "--format", form).stdout_bytes


def test_a_store_without_findings(tmp_path: Path) -> None:
    assert "Nothing new" in run(empty(tmp_path)).stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("{folder}/none",), "is neither a store nor a run"),
        (("{folder}",), "is neither a store nor a run"),
        (("{store}", "--format", "pdf"), "'pdf' is not one of"),
        (("{store}", "-o", "{store}/tarbiter.db/x"), "cannot be written"),
        (("{store}", "--all", "{store}/tarbiter.db"), "cannot be written"),
        (("{store}", "--ledger", "{folder}/none.toml"), "cannot be read"),
    ],
)
def test_what_cannot_be_reported_ends_with_2(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    names = {"{folder}": str(tmp_path), "{store}": str(filled(tmp_path))}
    given = [one.replace("{folder}", names["{folder}"]).replace("{store}", names["{store}"]) for one in arguments]
    result = run(*given)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr
    assert not (tmp_path / "none").exists()
