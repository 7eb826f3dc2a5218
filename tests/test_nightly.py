"""`tarbiter nightly` and `make nightly`: what they end with, what they leave, and the files that start them."""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result
from ruamel.yaml import YAML

from tarbiter.campaign.carrying import FILE
from tarbiter.cli import main
from tarbiter.commands.report import FORMATS, ISSUE, ISSUE_TITLE

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs" / "nightly"
WORKFLOW = DOCS / "tarbiter-nightly.yml"
WEEKLY = ROOT / ".github" / "workflows" / "weekly.yml"
SAME = ("--seed", "3", "--with", "extractor-compat,tarfile-fully-trusted")


def options(folder: Path, night: int) -> list[str]:
    where = ("--store", folder / "store", "--reports", folder / "reports", "--run", folder / f"run{night}")
    return ["--cases", "30", *SAME, *map(str, where)]


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["nightly", *map(str, arguments)])


def test_a_night_with_news_and_one_without(tmp_path: Path) -> None:
    first = run("--minutes", "9", *options(tmp_path, 1))
    assert first.exit_code == 1, first.output
    reports = tmp_path / "reports"
    wanted = {form.file for form in FORMATS.values()}
    assert {path.name for path in reports.iterdir()} == wanted | {ISSUE, ISSUE_TITLE}
    told = json.loads((reports / "report.json").read_text())
    news = [row["finding"]["id"] for row in told["findings"] if row["news"]]
    assert f"{len(news)} new findings" in first.stdout
    assert all(name in (reports / ISSUE).read_text() for name in news)
    # Begun with what was learned, the same seed would give other cases.
    (tmp_path / "store" / FILE).unlink()
    second = run("--minutes", "9", *options(tmp_path, 2))
    assert second.exit_code == 0, second.output
    assert "went on" not in second.stderr
    assert second.stdout.endswith("nothing new\n")
    assert "went on" not in first.stderr
    assert {path.name for path in reports.iterdir()} == wanted


def test_with_one_run_nothing_is_since_another(tmp_path: Path) -> None:
    run("--minutes", "9", *options(tmp_path, 1))
    for name in ("summary.md", "report.html"):
        assert "since the run before" not in (tmp_path / "reports" / name).read_text()


def test_a_night_goes_on_and_replaces_all_reports_or_none(tmp_path: Path) -> None:
    run("--minutes", "9", *options(tmp_path, 1))
    reports = tmp_path / "reports"
    before = {path.name: path.read_bytes() for path in reports.iterdir() if path.name not in (ISSUE, ISSUE_TITLE)}
    limit = max(map(len, before.values())) - 1
    line = [sys.executable, "-m", "tarbiter", "nightly", "--minutes", "9", *options(tmp_path, 2)]
    done = subprocess.run(
        ["sh", "-c", f"trap '' XFSZ; exec prlimit --fsize={limit} \"$@\"", "sh", *line],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "cannot be written: File too large" in done.stderr) == (2, True), done.stderr
    assert {path.name: path.read_bytes() for path in reports.iterdir()} == before
    (went_on,) = re.findall(r"went on with (\d+) cases in the pool and \d+ waiting suspects of (\S+)", done.stderr)
    pool = json.loads((tmp_path / "run1" / "state.json").read_text())["pool"]
    assert (int(went_on[0]), went_on[1]) == (pool, str(tmp_path / "run1"))
    assert pool > 0


def test_what_the_ledger_accepts_is_no_news(tmp_path: Path) -> None:
    run("--minutes", "9", *options(tmp_path, 1))
    told = json.loads((tmp_path / "reports" / "report.json").read_text())
    ledger = tmp_path / "ledger.toml"
    names = [row["finding"]["id"] for row in told["findings"]]
    entry = '[[accepted]]\nid = "{0}"\nreason = "so"\ndate = 2026-01-31\nsignature = "{0}"\n'
    ledger.write_text("\n".join(entry.format(name) for name in names))
    shutil.rmtree(tmp_path / "store")
    assert run("--minutes", "9", "--ledger", ledger, *options(tmp_path, 2)).exit_code == 0


def test_a_night_that_cannot_run_leaves_no_issue_of_the_night_before(tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    reports.mkdir()
    (reports / ISSUE).write_text("last night's")
    result = run("--minutes", "9", *options(tmp_path, 1), "--with", "nobody")
    assert (result.exit_code, "nobody" in result.stderr) == (2, True)
    assert list(reports.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "Missing option '--minutes'"),
        (("--minutes", "0"), "--minutes"),
        (("--minutes", "1", "--reports", "/proc/none"), "cannot be written"),
        (("--minutes", "1", "--ledger", "/none.toml"), "cannot be read"),
    ],
)
def test_what_cannot_run_ends_with_2(arguments: tuple[str, ...], says: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, says in result.stderr) == (2, True)


# make ---------------------------------------------------------------------------------------------------------


def made(tmp_path: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`make nightly` with a stand-in for the virtual environment, whose tarbiter ends as `program` says."""
    venv = tmp_path / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "tarbiter").write_text(f'#!/bin/sh\necho "$@"\n{program}\n')
    (venv / "bin" / "tarbiter").chmod(0o755)
    (venv / ".installed").touch()
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "extractor").mkdir()
    for name in ("pyproject.toml", "extractor/pyproject.toml", "requirements.lock"):
        (tmp_path / name).touch()
    (venv / ".installed").touch()
    command = ["make", "nightly", f"VENV={venv}", *arguments]
    # A make that runs these tests would tell this one how to behave.
    around = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=around)


@pytest.mark.parametrize(("code", "wanted"), [(0, 0), (1, 2), (2, 2), (130, 2), (139, 2)])
def test_make_fails_when_the_night_does(tmp_path: Path, code: int, wanted: int) -> None:
    done = made(tmp_path, f"exit {code}", "MINUTES=7", "ARGS=--seed 5")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (wanted, "nightly --minutes 7 --seed 5"), done.stderr


def test_make_that_cannot_install_ends_with_2(tmp_path: Path) -> None:
    done = made(tmp_path, "exit 0", "PYTHON=/no/python", "STAMP=stamp")
    assert done.returncode == 2, done.stdout


def test_make_only_says_what_it_would_do(tmp_path: Path) -> None:
    done = made(tmp_path, "touch ran", "--dry-run")
    assert (done.returncode, "tarbiter nightly --minutes 240" in done.stdout) == (0, True)
    assert not (tmp_path / "ran").exists()


# files that start it ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def workflow() -> Any:
    return YAML(typ="safe").load(WORKFLOW.read_text())


@pytest.mark.parametrize("path", [WORKFLOW, WEEKLY], ids=lambda path: path.name)
def test_the_workflow_is_one(path: Path) -> None:
    workflow = YAML(typ="safe").load(path.read_text())
    vendored = files("check_jsonschema").joinpath("builtin_schemas/vendor/github-workflows.json")
    schema = jsonschema.Draft7Validator(json.loads(vendored.read_text(encoding="utf-8")))
    assert [error.message for error in schema.iter_errors(json.loads(json.dumps(workflow)))] == []


def steps(workflow: Any) -> list[dict[str, Any]]:
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def test_the_scripts_of_the_workflow_are_scripts(workflow: Any) -> None:
    scripts = [step["run"] for step in steps(workflow) if "run" in step]
    assert len(scripts) >= 4
    for script in scripts:
        done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


def test_the_workflow_names_what_is_there(workflow: Any) -> None:
    text = WORKFLOW.read_text()
    there = {form.file for form in FORMATS.values()} | {ISSUE, ISSUE_TITLE}
    assert set(re.findall(r"reports/([\w.-]+)", text)) <= there
    ids = {step["id"] for step in steps(workflow) if "id" in step}
    assert set(re.findall(r"steps\.(\w+)\.", text)) == ids
    assert int(workflow["jobs"]["fuzz"]["timeout-minutes"]) > int(workflow[True if True in workflow else "on"]
        ["workflow_dispatch"]["inputs"]["minutes"]["default"]) + 30  # fmt: skip


def test_the_weekly_workflow_asks_make_for_what_it_has() -> None:
    weekly = YAML(typ="safe").load(WEEKLY.read_text())
    job = weekly["jobs"]["tests"]
    assert job["steps"][-1]["run"] == 'make "check-$VERSIONS" PYTHON=python'
    versions = job["strategy"]["matrix"]["versions"]
    makefile = (ROOT / "Makefile").read_text()
    assert sorted(re.findall(r"^check-(\w+): ##", makefile, re.MULTILINE)) == sorted(versions)
    classified = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text())
    assert job["strategy"]["matrix"]["python"] == classified
    for script in (step["run"] for step in job["steps"] if "run" in step):
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


@pytest.mark.parametrize("name", ["tarbiter-nightly.service", "tarbiter-nightly.timer"])
def test_the_units_are_units(name: str) -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string((DOCS / name).read_text())
    assert "Unit" in unit
    if "Service" in unit:
        assert unit["Service"]["ExecStartPre"] == "/usr/bin/make .venv/.installed"
        assert "exec .venv/bin/tarbiter nightly --minutes" in unit["Service"]["ExecStart"]
    else:
        assert unit["Install"]["WantedBy"] == "timers.target"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for unit in DOCS.glob("*.[st][ei][rm]*"):
        shutil.copy(unit, tmp_path)
    done = subprocess.run(
        ["systemd-analyze", "verify", *map(str, tmp_path.glob("tarbiter-nightly.*"))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "tarbiter-nightly" not in done.stderr


@pytest.mark.parametrize(
    "name", re.findall(r"\]\((nightly/[^)]+|\.\./[^)]+)\)", (ROOT / "docs" / "nightly.md").read_text())
)
def test_the_docs_lead_somewhere(name: str) -> None:
    assert (ROOT / "docs" / name).is_file()


def test_help_tells_the_exit_codes() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tarbiter", "nightly", "--help"], capture_output=True, text=True, check=True
    )
    assert "0 nothing new, 1 new findings, 2 could not run" in " ".join(done.stdout.split())
