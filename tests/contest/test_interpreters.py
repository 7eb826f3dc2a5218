"""Other Pythons: found as programs, never as scripts, and meant by a version, the start of one, or a path."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tarbiter.contest.installed import interpreters, registry
from tarbiter.contest.installed.interpreters import Interpreter, ask, named


def fake(version: str, *, filters: bool = True) -> Interpreter:
    return Interpreter(program=sys.executable, version=version, prefixes=(sys.base_prefix,), filters=filters)


@pytest.fixture
def some(monkeypatch: pytest.MonkeyPatch) -> None:
    found = (fake("3.13.10"), fake("3.13.2"), fake("3.8.1", filters=False))
    for module in (interpreters, registry):
        monkeypatch.setattr(module, "interpreters", lambda: found)


def test_this_python_says_who_it_is() -> None:
    said = ask(sys.executable)
    assert said is not None
    assert said.version == sys.version.split()[0]
    assert sys.base_prefix in said.prefixes


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 0\n", "", None])
def test_what_is_no_program_is_not_asked(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "python3.12"
    if text is not None:
        path.write_text(text)
        path.chmod(0o755)
    assert ask(str(path)) is None


def test_another_program_is_no_python() -> None:
    assert ask("/bin/true") is None


@pytest.mark.usefixtures("some")
@pytest.mark.parametrize(
    ("wanted", "version"),
    [("3.13", "3.13.10"), ("3.13.2", "3.13.2"), ("3.1", ""), ("3", "3.13.10"), ("4", ""), ("3.8.1", "3.8.1")],
)
def test_a_version_means_the_newest_of_its_kind(wanted: str, version: str) -> None:
    found = named(wanted)
    assert (found.version if found else "") == version


def test_a_path_is_enough() -> None:
    found = registry.known(f"tarfile-fully-trusted@{sys.executable}")
    assert (found.version, found.missing) == (sys.version.split()[0], "")


@pytest.mark.usefixtures("some")
@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("tarfile-data@3.13", ""),
        ("tarfile-data@3.9", "no CPython 3.9 (3.7 or newer) was found; there are 3.13.10, 3.13.2, 3.8.1"),
        ("tarfile-data@3.8", "Python 3.8.1 has no tarfile.data_filter"),
        ("tarfile-fully-trusted@3.8", ""),
    ],
)
def test_what_is_missing_is_said(name: str, missing: str) -> None:
    found = registry.known(name)
    assert (found.missing[: len(missing)], bool(found.missing)) == (missing, bool(missing))
    assert found.family == "tarfile"
