"""The lock: one version, with its sums, of everything that `make` installs, for every supported Python."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
BOTH = {
    one["project"]["name"]: one for one in (PROJECT, tomllib.loads((ROOT / "extractor/pyproject.toml").read_text()))
}
"""Both distributions of this checkout, by name. The lock has what they need, and not themselves."""
TEXT = (ROOT / "requirements.lock").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
WHERE = [(python, machine) for python in PYTHONS for machine in ("x86_64", "aarch64")]
AGAIN = "the lock is not of this pyproject.toml: make upgrade"


def environment(python: str, machine: str) -> dict[str, str]:
    """The markers of one Python on Linux."""
    return {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "implementation_version": f"{python}.0",
        "platform_machine": machine,
        "platform_system": "Linux",
        "sys_platform": "linux",
        "os_name": "posix",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
        "extra": "",
    }


def entries(text: str) -> list[str]:
    """The logical lines of a requirements file, without comments."""
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return [line for line in "\n".join(lines).replace("\\\n", " ").splitlines() if line.strip()]


LOCKED = [Requirement(line.split("--hash")[0]) for line in entries(TEXT)]


def applies(one: Requirement, around: dict[str, str]) -> bool:
    return one.marker is None or one.marker.evaluate(around)


def asked() -> Iterator[Requirement]:
    """What both distributions ask for: to run, to build, and in the extras, through those they name."""
    waiting = [Requirement("tarbiter[dev]"), Requirement("onetar[speed]")]
    for project in BOTH.values():
        yield from map(Requirement, project["build-system"]["requires"])
    while waiting:
        one = waiting.pop()
        if one.name not in BOTH:
            yield one
            continue
        project = BOTH[one.name]["project"]
        waiting += map(Requirement, () if one.extras else project["dependencies"])
        for extra in sorted(one.extras):
            waiting += map(Requirement, project["dependencies"] + project["optional-dependencies"][extra])


@pytest.mark.parametrize(("python", "machine"), WHERE)
def test_it_has_what_is_asked_for(python: str, machine: str) -> None:
    around = environment(python, machine)
    locked = {canonicalize_name(one.name): one for one in LOCKED if applies(one, around)}
    missing = []
    for one in filter(lambda one: applies(one, around), asked()):
        found = locked.get(canonicalize_name(one.name))
        versions = [] if found is None else [spec.version for spec in found.specifier]
        if not any(one.specifier.contains(version, prereleases=True) for version in versions):
            missing.append(str(one))
    assert missing == [], AGAIN


@pytest.mark.parametrize(("python", "machine"), WHERE)
def test_it_has_one_version_of_each(python: str, machine: str) -> None:
    around = environment(python, machine)
    names = [canonicalize_name(one.name) for one in LOCKED if applies(one, around)]
    assert sorted(names) == sorted(set(names))


def test_it_has_nothing_that_nobody_asks_for() -> None:
    direct = re.findall(
        r"^([\w.-]+)==(?:(?!^\S).*\n)*?(?: +# via (?:tarbiter|onetar)|(?: +#.*\n)* +#   (?:tarbiter|onetar))",
        TEXT,
        re.MULTILINE,
    )
    wanted = {canonicalize_name(one.name) for one in asked()}
    assert {canonicalize_name(name) for name in direct} == wanted, AGAIN


def test_every_entry_is_one_version_with_its_sums() -> None:
    for line, one in zip(entries(TEXT), LOCKED, strict=True):
        assert ([spec.operator for spec in one.specifier], one.url) == (["=="], None), line
        assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}\b", line)) == line.count("--hash") >= 1, line


def test_it_names_no_place() -> None:
    assert re.findall(r"^ *(?:--?(?!hash)\w.*|.*(?:://|[ (]/).*)$", TEXT, re.MULTILINE) == []


def test_make_asks_for_a_wheel_on_each_of_these_pythons() -> None:
    assert f"for python in {' '.join(PYTHONS)};" in MAKEFILE
    assert PROJECT["project"]["requires-python"] == f">={PYTHONS[0]}"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        pytest.param("", 0, id="of the lock"),
        pytest.param('"no-such-project-is-locked>=1",', 2, id="a dependency more"),
        pytest.param('"click>=999",', 2, id="a newer one"),
    ],
)
def test_make_says_that_the_lock_is_behind(tmp_path: Path, more: str, code: int) -> None:
    for name in ("Makefile", "requirements.lock", "README.md", "LICENSE", "harness", "extractor", "corpus"):
        (tmp_path / name).symlink_to(ROOT / name)
    project = (ROOT / "pyproject.toml").read_text()
    (tmp_path / "pyproject.toml").write_text(
        project.replace("\ndependencies = [\n", f"\ndependencies = [\n{more}\n")
    )
    binaries = tmp_path / "venv" / "bin"
    binaries.mkdir(parents=True)
    # The environment of these tests stands in for one that make has filled from the lock, and must not be changed.
    (binaries / "python").write_text(
        f'#!/bin/sh\ncase "$*" in *--require-hashes*) exit 0 ;; esac\nexec {sys.executable} "$@" --dry-run\n'
    )
    (binaries / "python").chmod(0o755)
    around = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "PIP_"))}
    command = ["make", "VENV=venv", f"PYTHON={sys.executable}", "venv/.installed"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env=around)
    assert (done.returncode, "make upgrade" in done.stderr) == (code, code != 0), done.stderr
    assert (binaries.parent / ".installed").exists() == (code == 0)


@pytest.mark.parametrize("newer", ["pyproject.toml", "extractor/pyproject.toml", "requirements.lock"])
def test_make_installs_again_what_has_changed(tmp_path: Path, newer: str) -> None:
    (tmp_path / "extractor").mkdir()
    for name in ("Makefile", "pyproject.toml", "extractor/pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path / name)
        os.utime(tmp_path / name, (1, 1))
    (tmp_path / ".installed").touch()
    os.utime(tmp_path / ".installed", (2, 2))
    command = ["make", "--question", "VENV=.", ".installed", "STAMP=.installed"]
    around = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    before = subprocess.run(command, cwd=tmp_path, check=False, env=around).returncode
    os.utime(tmp_path / newer, (3, 3))
    after = subprocess.run(command, cwd=tmp_path, check=False, env=around).returncode
    assert (before, after) == (0, 1)
