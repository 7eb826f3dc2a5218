"""The command `tarbiter versus`: what it prints, and with which exit code it ends."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from tarbiter.archive.text import loads
from tarbiter.campaign.aspects import Aspect
from tarbiter.campaign.versus import Progress
from tarbiter.cli import main
from tarbiter.commands.versus import Found, sentence, show

PAIR = ("tarfile-fully-trusted", "extractor-compat")
UNPACK = """tar -xf "$1" -C "$2" 2>/dev/null
test -e "$2/ordinary" || echo > "$2/{more}"
"""
"""Unpacks the baseline as it should, leaves a file more of every other archive, and says that all went well."""


def run(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(main, ["versus", *map(str, arguments)])


@pytest.mark.parametrize(
    ("aspect", "want"),
    [
        (Aspect("status", "extracted", "refused: x"), "2 does not extract what 1 extracted (refused)"),
        (Aspect("status", "hung", "extracted"), "2 extracts what 1 did not (hung)"),
        (Aspect("status", "crashed: x", "refused: y"), "1: crashed; 2: refused"),
        (Aspect("escapes", "content", ""), "1 reaches outside the destination (content), 2 does not"),
        (Aspect("escapes", "", "mode"), "2 reaches outside the destination (mode), 1 does not"),
        (Aspect("names", "more", ""), "1 and 2 extract it; 1 makes names that 2 does not"),
        (Aspect("names", "", "more"), "1 and 2 extract it; 2 makes names that 1 does not"),
        (Aspect("names", "more", "more"), "1 and 2 extract it, and part in names"),
        (Aspect("arrival", "names", ""), "how the bytes arrive matters to 1, and not to 2"),
        (Aspect("steadiness", "", "differs"), "2 differs from run to run, 1 does not"),
        (Aspect("left behind"), "both fail; 1 and 2 leave different things behind"),
        (Aspect("mode"), "1 and 2 extract it, and part in mode"),
    ],
)
def test_a_change_in_one_sentence(aspect: Aspect, want: str) -> None:
    assert sentence(aspect, "1", "2") == want


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        pytest.param(("tarfile-fully-trusted",), "two releases at least", id="one"),
        pytest.param(("tarfile-fully-trusted", "tarfile-fully-trusted"), "named twice", id="twice"),
        pytest.param(("tarfile-fully-trusted", "nobody"), "is no contestant", id="unknown"),
        pytest.param(
            ("tarfile-fully-trusted", "tar-rs@0.0.0"), "install it: tarbiter contestants install", id="missing"
        ),
        pytest.param(("tarfile-fully-trusted", "no-such-program {archive} {dest}"), "no program", id="no-program"),
    ],
)
def test_what_cannot_be_compared(arguments: tuple[str, ...], says: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert says in done.output


def test_an_output_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run(*PAIR, "-o", tmp_path / "file" / "below")
    assert done.exit_code == 2
    assert "cannot be written" in done.output


def unpacks(folder: Path, name: str, more: str) -> str:
    """The command of a program that leaves a file `more` of every archive but the baseline."""
    script = folder / name
    script.write_text(UNPACK.format(more=more))
    return f"sh {script} {{archive}} {{dest}}"


def test_the_same_program_twice_differs_in_nothing(tmp_path: Path) -> None:
    done = run(unpacks(tmp_path, "old", "a"), unpacks(tmp_path, "new", "a"), "--cases", "30")
    assert done.exit_code == 0, done.output
    assert "no change seen in 30 cases" in done.output


def test_programs_that_differ_are_told_apart_by_an_ordinary_archive(tmp_path: Path) -> None:
    done = run(unpacks(tmp_path, "old", "a"), unpacks(tmp_path, "new", "b"), "--cases", "12")
    assert done.exit_code == 1, done.output
    assert "an ordinary archive" in done.output
    assert "part in names" in done.output


SEEDED = (*PAIR, "--cases", "16", "--seed", "11", "--json")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the changes of `seeded` are."""
    return tmp_path_factory.mktemp("versus") / "changes"


@pytest.fixture(scope="module")
def seeded(files: Path) -> dict[str, Any]:
    """What a run with a seed prints."""
    done = run(*SEEDED, "-o", files)
    assert done.exit_code == 1
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_as_json_and_as_files(seeded: dict[str, Any], files: Path) -> None:
    assert seeded["progress"]["cases"] == 16
    assert list(seeded["contestants"]) == list(PAIR)
    assert {change["id"] for change in seeded["changes"]} == {path.stem for path in files.iterdir()}
    for change in seeded["changes"]:
        assert loads(change["case"]).recipe == loads((files / f"{change['id']}.toml").read_text()).recipe


def test_the_same_seed_says_the_same(seeded: dict[str, Any]) -> None:
    again = json.loads(run(*SEEDED).stdout)
    assert [one["id"] for one in again["changes"]] == [one["id"] for one in seeded["changes"]] != []


@pytest.mark.parametrize(
    ("progress", "says"),
    [
        pytest.param(Progress(cases=1), "", id="nothing"),
        pytest.param(Progress(cases=1, waiting=3, left_out=2), "3 differences wait", id="waiting"),
        pytest.param(Progress(cases=1, vanished=4), "4 differences did not show again", id="vanished"),
    ],
)
def test_what_is_not_told_is_counted(progress: Progress, says: str) -> None:
    console = Console(file=io.StringIO(), width=120)
    found = Found(contestants={"a": "1", "b": "2"}, seed=1, progress=progress, changes=(), environment={})
    show(console, found)
    assert isinstance(console.file, io.StringIO)
    told = console.file.getvalue()
    assert says in told
    assert ("difference" in told) == bool(says)
