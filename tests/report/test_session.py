"""A session as a person sees it: how it starts, what stops it, and what stays when it was stopped."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = [
    sys.executable,
    "-m",
    "tarbiter",
    "fuzz",
    "--seed",
    "1",
    "--with",
    "extractor-compat,tarfile-fully-trusted",
]
ENDLESS = ["--cases", "100000000"]


def until(descriptor: int, wanted: bytes) -> bytes:
    """What comes from `descriptor` up to and with `wanted`, or to its end."""
    seen = b""
    while wanted not in seen:
        try:
            piece = os.read(descriptor, 4096)
        except OSError:  # a terminal whose other end was closed
            return seen
        if not piece:
            return seen
        seen += piece
    return seen


def heed() -> None:
    """Heed SIGINT: a shell starts what it puts into the background with it ignored, and that is inherited."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def take_over(terminal: int) -> None:
    """Make it the terminal of this process."""
    os.close(os.open(os.ttyname(terminal), os.O_RDWR))
    heed()


def on_a_terminal(where: Path, stop: bytes | int) -> tuple[int, str]:
    """Start an endless campaign on a terminal, stop it by a key or a signal; exit code and all that was shown."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*PROGRAM, *ENDLESS, "-o", str(where)],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: take_over(theirs),  # noqa: PLW1509  # there is one thread
        env={**os.environ, "TERM": "xterm", "COLUMNS": "150"},
    ) as process:
        os.close(theirs)
        shown = until(ours, b" cases,")
        if isinstance(stop, int):
            process.send_signal(stop)
        else:
            os.write(ours, stop)
        shown += until(ours, b"\0 never")
        os.close(ours)
        return process.wait(), re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())


@pytest.mark.parametrize("stop", [b"\x03", signal.SIGTERM, signal.SIGINT], ids=["Ctrl-C", "SIGTERM", "SIGINT"])
def test_a_stopped_campaign_ends_with_its_summary(tmp_path: Path, stop: bytes | int) -> None:
    code, shown = on_a_terminal(tmp_path / "run", stop)
    assert code == 130, shown
    assert "stopped: " in shown
    assert "Traceback" not in shown
    assert (tmp_path / "run" / "run.json").exists()


def test_a_campaign_that_was_stopped_goes_on(tmp_path: Path) -> None:
    on_a_terminal(tmp_path / "run", signal.SIGTERM)
    done = subprocess.run(
        [*PROGRAM[:4], "--resume", str(tmp_path / "run"), *PROGRAM[6:], "--cases", "4"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "done: " in done.stdout


def descendants(pid: int) -> list[int]:
    """Every process that came from `pid`, as /proc shows it now."""
    parents: dict[int, list[int]] = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            after_name = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2]
            parents.setdefault(int(after_name.split()[1]), []).append(int(entry))
    found, todo = [], [pid]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += children
    return found


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_a_campaign(tmp_path: Path, stop: signal.Signals) -> None:
    with subprocess.Popen(
        [*PROGRAM, *ENDLESS, "-o", str(tmp_path / "run")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=heed,  # noqa: PLW1509  # there is one thread
    ) as process:
        assert process.stderr is not None
        process.stderr.readline()
        watched = []
        for pid in descendants(process.pid):
            with contextlib.suppress(ProcessLookupError):  # workers come and go
                watched.append(os.pidfd_open(pid))
        assert len(watched) >= 2
        process.send_signal(stop)
        process.wait()
        for descriptor in watched:
            assert select.select([descriptor], [], [], 30)[0], "it is still there"
            os.close(descriptor)


def test_two_sessions_of_one_seed_write_the_same_findings(tmp_path: Path) -> None:
    rows = []
    for name in ("one", "two"):
        subprocess.run([*PROGRAM, "--cases", "6", "-o", str(tmp_path / name)], capture_output=True, check=False)
        text = (tmp_path / name / "findings.jsonl").read_text()
        rows.append([(row["id"], row["case"], row["index"]) for row in map(json.loads, text.splitlines())])
    assert rows[0] == rows[1] != []


FULL = """
mount -t tmpfs -o size=100k tmpfs "$0" || exit 77
"$@" --seed 1 --cases 400 -o "$0/run"
echo "first $?"
mount -o remount,size=100m "$0"
"$@" --cases 6 --resume "$0/run" >/dev/null
echo "second $?"
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_full_disk_ends_a_campaign_with_2_and_resume_goes_on(tmp_path: Path) -> None:
    disk = str(tmp_path)
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", FULL, disk, *PROGRAM[:4], *PROGRAM[6:]],  # of util-linux
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 77 or "unshare failed" in done.stderr:
        pytest.skip(f"a file system cannot be mounted here: {done.stderr.strip()}")
    assert done.stdout.split("\n")[:2] == ["first 2", "second 1"], done.stderr
    assert "No space left on device; nothing before it is lost" in done.stderr
    assert f"--resume {disk}/run" in done.stderr
    assert "Traceback" not in done.stderr


def test_where_our_own_side_failed_is_told(tmp_path: Path) -> None:
    seed = tmp_path / "impossible.toml"
    seed.write_text('part = [{ kind = "file", name = "a" }]\n[world]\nplaced = [{ kind = "file", name = "/x" }]\n')
    options = ["--cases", "1", "--seeds", str(seed), "-o", str(tmp_path / "run")]
    done = subprocess.run([*PROGRAM, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "nothing was compared: nobody ran" in done.stderr
    (line,) = [line for line in done.stdout.splitlines() if "our own side failed" in line]
    assert "extractor-compat: WorldError: world, '/x'" in line
    assert line.endswith(f"{tmp_path}/run/faults/0.toml")
    assert (tmp_path / "run" / "faults" / "0.toml").exists()
