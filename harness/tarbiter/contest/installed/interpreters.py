"""Other Pythons on this machine, whose own tarfile can take part beside the one that runs tarbiter.

They are looked for on PATH and where pyenv and uv put theirs; others can be named by their path. Only programs are
asked, never scripts: a shim starts something else each time, and would not run in a cell.
"""

from __future__ import annotations

import functools
import glob
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import msgspec

from ...exit_codes import exhausted

_ASKS = (
    "import json, os, platform, sys, tarfile; print(json.dumps(dict(version=platform.python_version(), "
    "cpython=platform.python_implementation() == 'CPython', filters=hasattr(tarfile, 'data_filter'), "
    "prefixes=[sys.prefix, sys.base_prefix, os.path.dirname(os.__file__)])))"
)

ASK_S = 20.0
"""Seconds that asking one of them may take."""

AT_ONCE = 4

OLDEST = (3, 7)
"""Of those that the driver runs on."""

FOLDERS = ("~/.pyenv/versions/*/bin", "~/.local/share/uv/python/*/bin", "/opt/python/*/bin")


class Interpreter(msgspec.Struct, frozen=True, kw_only=True):
    """A CPython: its program, its version, and the directories that it needs to see."""

    program: str
    version: str
    prefixes: tuple[str, ...]
    filters: bool
    """Whether its tarfile has extraction filters."""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))


def ask(program: str) -> Interpreter | None:
    """What a program says about itself; None: it is no CPython that the driver runs on."""
    try:
        with open(program, "rb") as file:
            if file.read(4) != b"\x7fELF":
                return None
        done = subprocess.run(  # noqa: S603  # a Python of this machine, which is asked who it is
            [program, "-I", "-S", "-c", _ASKS],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=ASK_S,
            check=True,
        )
        said = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        if exhausted(error):
            raise  # it says nothing of this program
        return None
    if not said["cpython"] or _numbers(said["version"])[:2] < OLDEST:
        return None
    prefixes = tuple(dict.fromkeys(said["prefixes"]))
    return Interpreter(program=program, version=said["version"], prefixes=prefixes, filters=said["filters"])


@functools.cache
def interpreters() -> tuple[Interpreter, ...]:
    """Those that were found, one for each version but this one's, the newest first."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    folders += [one for pattern in FOLDERS for one in sorted(glob.glob(os.path.expanduser(pattern)))]
    programs: dict[str, str] = {}
    for folder in folders:
        for path in sorted(glob.glob(os.path.join(glob.escape(folder), "python3*"))):
            if re.fullmatch(r"python3(\.\d+)?t?", os.path.basename(path)):
                programs.setdefault(os.path.realpath(path), path)
    programs.pop(os.path.realpath(sys.executable), None)
    with ThreadPoolExecutor(AT_ONCE) as threads:
        found = [one for one in threads.map(ask, programs) if one is not None]
    by_version = {one.version: one for one in reversed(found)}
    return tuple(sorted(by_version.values(), key=lambda one: _numbers(one.version), reverse=True))


def named(wanted: str) -> Interpreter | None:
    """The interpreter that `wanted` means: a path, a version, or the start of one (3.12; then the newest)."""
    if "/" in wanted:
        return ask(os.path.abspath(os.path.expanduser(wanted)))
    parts = wanted.split(".")
    return next((one for one in interpreters() if one.version.split(".")[: len(parts)] == parts), None)
