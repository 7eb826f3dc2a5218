"""Where no sandbox can be had, nothing runs and the reason is told; what is shown is shown once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tarbiter.contest import cell_handle as outside
from tarbiter.contest.sandbox import namespaces as sandbox
from tarbiter.contest.sandbox.namespaces import Plan, SandboxError

ROOT = Path(__file__).parents[2]

REFUSED = """
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x10000000) < 0:  # CLONE_NEWUSER: a user without ids, who may make nothing more
    sys.exit("this test needs user namespaces, like all of the cell")
from tarbiter.contest.pool import Pool
from tarbiter.contest.sandbox.namespaces import SandboxError
from tests.contest.hostile import hostile
try:
    Pool([hostile("behave")]).__enter__()
except SandboxError as error:
    print(error.step, error.detail, sep="\\n")
"""


def test_where_namespaces_are_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-c", REFUSED],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    step, detail = done.stdout.splitlines()
    assert step == "unshare"
    assert "seccomp" in detail
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("paths", "outermost"),
    [
        ((), ()),
        (("/b", "/a"), ("/a", "/b")),
        (("/a/b", "/a", "/a/"), ("/a",)),
        pytest.param(("/a", "/a-b", "/a/c"), ("/a", "/a-b"), id="a name that sorts in between"),
        (("/a/../b/c", "/b"), ("/b",)),
    ],
)
def test_what_is_inside_another_is_shown_once(paths: tuple[str, ...], outermost: tuple[str, ...]) -> None:
    everything = sandbox.shown(Plan(visible=paths))
    assert tuple(path for path in everything if path[1] in "ab" and not path.startswith("/bin")) == outermost


def test_the_system_is_shown_and_nothing_of_people() -> None:
    everything = sandbox.shown(Plan(visible=()))
    assert "/usr" in everything
    assert not any(path.startswith(("/home", "/root", "/tmp", "/var")) for path in everything)
    assert [path for path in everything if path.startswith("/etc")] == ["/etc/alternatives"]


def test_an_error_says_step_and_reason() -> None:
    error = SandboxError("a step", "a reason")
    assert (error.step, error.detail) == ("a step", "a reason")
    assert "nothing was run" in str(error)


IMPORTED = """
import json, sys
sys.path[:0] = json.loads(sys.argv[1])
import tarbiter.contest.worker.supervisor
print(*sys.modules)
"""


def test_a_cell_starts_without_what_only_its_maker_needs() -> None:
    command = [sys.executable, "-I", "-S", "-c", IMPORTED, json.dumps([str(ROOT), *sys.path])]
    imported = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert "tarbiter.contest.worker.worker" in imported
    makers = {
        "tarbiter.contest.installed.registry",
        "tarbiter.contest.sandbox.landlock",
        "importlib.metadata",
        "subprocess",
        "tempfile",
    }
    assert makers.isdisjoint(imported)


@pytest.mark.parametrize(
    ("forbidden", "prefix", "said"),
    [(True, None, "True None"), (False, None, "False None"), (False, "/tmp/of mine", "False /tmp/of mine")],
)
def test_a_cell_keeps_compiled_files_as_its_maker_does(
    monkeypatch: pytest.MonkeyPatch, forbidden: bool, prefix: str | None, said: str
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", forbidden)
    monkeypatch.setattr(sys, "pycache_prefix", prefix)
    says = "import sys; print(sys.dont_write_bytecode, sys.pycache_prefix)"
    command = [sys.executable, "-I", "-S", *outside.bytecode(), "-c", says]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == said
