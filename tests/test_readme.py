"""What the README prints is true: its commands are run, or asked of make, and their output compared."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tarbiter.contest.installed.registry import everyone

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text()
VERSION = re.compile(r"(?<=\s)\d+\.\d+(\.\d+)?\b")
WIDTH = "100"


def sessions() -> list[tuple[str, str]]:
    """Each command in a console block, with the output printed below it."""
    blocks = re.findall(r"^```console\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
    return [
        (command, output)
        for block in blocks
        for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    ]


def plain(output: str) -> list[str]:
    """The words, without what depends on the machine: versions, and where rich breaks a line and pads a column."""
    return VERSION.sub("VERSION", output).split()


TARBITER = [one for one in sessions() if one[0].startswith("tarbiter ")]
MAKE = [one[0] for one in sessions() if one[0].startswith("make ")]


def test_every_command_is_known_here() -> None:
    assert len(TARBITER) + len(MAKE) == len(sessions())
    assert MAKE == ["make fuzz", "make test"]


@pytest.mark.parametrize(("command", "output"), TARBITER, ids=[one[0] for one in TARBITER])
def test_a_command_prints_what_the_readme_says(command: str, output: str) -> None:
    missing = [one.name for one in everyone() if one.missing and one.name in command]
    if missing:
        pytest.skip(f"{', '.join(missing)}: not here")
    done = subprocess.run(
        [sys.executable, "-m", "tarbiter", *shlex.split(command)[1:]],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": WIDTH},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stderr, done.returncode in (0, 1)) == ("", True)
    assert plain(done.stdout) == plain(output)


@pytest.mark.parametrize("command", [*MAKE, 'make fuzz ARGS="--minutes 30 --seed 7"', "make"])
def test_make_knows_the_target(command: str) -> None:
    done = subprocess.run(
        [*shlex.split(command), "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#]+)", TEXT))))
def test_every_link_leads_somewhere(target: str) -> None:
    assert (ROOT / target).exists()


def test_every_folder_is_there() -> None:
    rows = re.findall(r"^\| (`[^|]*/`) \|", TEXT, re.MULTILINE)
    folders = [folder for row in rows for folder in re.findall(r"`([^`]+)/`", row)]
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []
    top = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    assert top <= {folder.split("/")[0] for folder in folders}


def test_every_command_named_in_the_table_exists() -> None:
    named = set(re.findall(r"`tarbiter (\w+)", TEXT))
    done = subprocess.run([sys.executable, "-m", "tarbiter", "--help"], capture_output=True, text=True, check=True)
    there = set(re.findall(r"^  (\w+) ", done.stdout.split("Commands:")[1], re.MULTILINE))
    assert named - there == set()
