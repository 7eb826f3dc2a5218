"""What CI and a cron job see where the program cannot go on: the real program, its exit code and its words.

2 and one line that says what to do, or the extractor's own codes: never 1, which says that something differs, and
never the words that are for bugs.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.recipe import Member, Recipe

from .report.stores import filled

ROOT = Path(__file__).resolve().parent.parent
CLOSED = "standard output is closed: send it to a file or to /dev/null"
FULL = "standard output cannot be written: No space left on device; not everything was printed"
GONE = "standard output has no reader any more: not everything was printed"
MEMORY = "no memory is left: raise the limit (ulimit -v"
FILES = "no more files can be opened: raise the limit (ulimit -n)"
PROCESSES = "no process can be started: raise the limit on processes (ulimit -u"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with `case.toml`, `short.tar` and `long.tar`, whose rows are more than a pipe holds."""
    path = tmp_path_factory.mktemp("ends")
    (path / "case.toml").write_text('[[part]]\nname = "a"\n')
    (path / "short.tar").write_bytes(encode_bytes(Recipe(parts=(Member(name=b"a"),))))
    (path / "long.tar").write_bytes(encode_bytes(Recipe(parts=(Member(name=b"a"),) * 2000)))
    return path


def shell(folder: Path, line: str, *before: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash, in which $T is the program and $X the extractor; `before` are words that run it."""
    return subprocess.run(
        [*before, "bash", "-o", "pipefail", "-c", line],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "T": f"{sys.executable} -m tarbiter",
            "X": f"{sys.executable} -m onetar",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("line", "says"),
    [
        pytest.param("$T inspect short.tar >&-", CLOSED, id="closed-rich"),
        pytest.param("$T recipe short.tar >&-", CLOSED, id="closed-bytes"),
        pytest.param("$T contestants --json --help >&-", CLOSED, id="closed-help"),
        pytest.param("$T inspect short.tar >/dev/full", FULL, id="full-rich"),
        pytest.param("$T recipe short.tar >/dev/full", FULL, id="full-bytes"),
        pytest.param("$T completion bash >/dev/full", FULL, id="full-text"),
        pytest.param("$T --version >/dev/full", FULL, id="full-version"),
        pytest.param("$T features >/dev/full", FULL, id="full-table"),
        pytest.param("$T recipe short.tar -o /dev/full", "/dev/full: cannot be written: No space", id="full-o"),
        pytest.param("$T inspect long.tar | head -1 >&2", GONE, id="no-reader"),
        pytest.param("$T recipe - <&-", "standard input is closed: name a file, or pipe something", id="no-input"),
        pytest.param("ulimit -v 28000; $T inspect short.tar", MEMORY, id="no-memory-to-begin"),
        pytest.param("ulimit -n 8; $T compare short.tar --with gnu-tar,tarfile-data", FILES, id="no-descriptors"),
        pytest.param(
            "ulimit -n 14; $T compare short.tar --with extractor-compat,tarfile-fully-trusted",
            FILES,
            id="none-in-cell",
        ),
    ],
)
def test_it_ends_with_2_and_says_what_to_do(folder: Path, line: str, says: str) -> None:
    done = shell(folder, line)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count(says) == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "bug" not in done.stderr


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        pytest.param("$X t short.tar >&-", 2, "onetar: ", id="closed"),
        pytest.param("$X t short.tar >/dev/full", 2, "No space left on device", id="full"),
        pytest.param(
            "$X x --json short.tar full >/dev/full", 2, "standard output: No space left on device", id="full-report"
        ),
        pytest.param("$X x --json short.tar shut >&-", 2, "output: Bad file descriptor", id="closed-report"),
        pytest.param("$X x short.tar out >&-", 0, "", id="closed-and-not-needed"),
        pytest.param("$X x short.tar quiet <&- >&- 2>&-", 0, "", id="all-closed-and-not-needed"),
        pytest.param("$X t - <&-", 2, "onetar: ", id="no-input"),
        pytest.param("ulimit -n 5; $X x short.tar none", 2, "a: Too many open files", id="no-descriptors"),
    ],
)
def test_the_extractor_ends_with_its_own_codes(folder: Path, line: str, code: int, says: str) -> None:
    done = shell(folder, line)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == bool(says)


def test_with_nobody_to_tell_the_code_is_2(folder: Path) -> None:
    assert shell(folder, "$T inspect short.tar >&- 2>&-").returncode == 2


@pytest.mark.parametrize(
    "line", ["$T build case.toml -o new.tar >&-", "$T build case.toml -o new.tar <&- >&- 2>&-"]
)
def test_a_stream_that_nobody_needs_may_be_closed(folder: Path, line: str) -> None:
    """A file that is opened next has the number of the closed stream, and must not get what is printed."""
    done = shell(folder, line)
    assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "new.tar").read_bytes() == (folder / "short.tar").read_bytes()


@pytest.mark.parametrize("messages", ["2>&-", "2>/dev/full"])
def test_messages_that_nobody_gets_change_no_code(folder: Path, messages: str) -> None:
    done = shell(folder, f"$T recipe missing.tar {messages}; echo $?; $T recipe short.tar {messages}")
    assert done.stdout.startswith("2\npart = [")
    assert done.returncode == 0


def test_no_processes_left(folder: Path) -> None:
    """Root is bound by no limit on processes, so it becomes another user that may still read everything."""
    before: list[str] = []
    if os.geteuid() == 0:
        keeps = "-all,+dac_read_search,+dac_override"
        before = ["setpriv", "--reuid=54321", "--clear-groups", f"--inh-caps={keeps}", f"--ambient-caps={keeps}"]
        tried = shutil.which("setpriv") and subprocess.run([*before, "true"], check=False).returncode == 0
        if not tried:
            pytest.skip("root is bound by no limit on processes, and setpriv cannot make it another user here")
    done = shell(folder, "ulimit -u 1; exec $T compare short.tar --with extractor-compat,gnu-tar", *before)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count(PROCESSES) == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "bug" not in done.stderr


# Damage ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def torn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of five findings, of which one cannot be read: the one with the smallest id."""
    store = filled(tmp_path_factory.mktemp("torn"))
    with sqlite3.connect(store / "tarbiter.db") as db:
        db.execute("UPDATE findings SET kept = x'00' WHERE id = (SELECT min(id) FROM findings)")
    db.close()
    return store


@pytest.mark.parametrize(
    ("line", "shows"),
    [
        pytest.param("$T report {store}", "4 in all", id="report"),
        pytest.param("$T report {store} --format html", "These records are damaged", id="html"),
        pytest.param("$T report {store} --all {store}/reports", "summary.md", id="all"),
        pytest.param("$T triage list --store {store} --status all", "4 shown", id="list"),
        pytest.param("$T triage list --store {store} --status all --json", '"invariant"', id="list-json"),
    ],
)
def test_one_damaged_finding_is_told_and_the_others_are_there(
    torn: Path, folder: Path, line: str, shows: str
) -> None:
    done = shell(folder, line.format(store=torn))
    assert done.returncode == 2
    assert shows in done.stdout
    assert done.stderr.count(" is damaged (") == 1
    assert "triage remove " in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_damaged_can_be_removed(torn: Path, folder: Path, tmp_path: Path) -> None:
    store = shutil.copytree(torn, tmp_path / "store")
    told = shell(folder, f"$T triage list --store {store}").stderr
    name = told.split("the record of finding ")[1].split()[0]
    assert shell(folder, f"$T triage remove {name} --store {store}").returncode == 0
    done = shell(folder, f"$T triage list --store {store} --status all --json")
    assert (done.returncode, len(json.loads(done.stdout)), done.stderr) == (0, 4, "")
    whole = json.loads(done.stdout)[0]["id"]
    refused = shell(folder, f"$T triage remove {whole} --store {store}")
    assert refused.returncode == 2
    assert f"{whole} can be read; `tarbiter triage dismiss {whole}" in refused.stderr


def test_a_damaged_line_of_a_run_is_told_and_the_others_are_there(torn: Path, folder: Path, tmp_path: Path) -> None:
    run = shutil.copytree(torn.parent / "first", tmp_path / "run")
    lines = (run / "findings.jsonl").read_bytes().splitlines(keepends=True)
    (run / "findings.jsonl").write_bytes(b"".join([lines[0][:50] + b"\n", *lines[1:]]))
    done = shell(folder, f"$T report {run} --json")
    assert done.returncode == 2
    assert len(json.loads(done.stdout)["findings"]) == len(lines) - 1 > 0
    assert "findings.jsonl, line 1 is damaged (" in done.stderr
    assert json.loads(done.stdout)["damaged"][0] in done.stderr
