"""Where installed contestants are: one folder for each contestant, version and driver source, in the user's cache.

A folder's name ends in a hash of everything that went into it, so a changed driver is another folder, and several
versions of one contestant stand side by side. A folder that has its record is complete: it was moved there at once.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import msgspec

from .table import SOURCES, Build

DRIVERS = Path(SOURCES)
"""The drivers' sources."""

RECORD = "installed.json"


class Installed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was built: the record in an installed contestant's folder."""

    name: str
    version: str
    """As the package client's own records have it."""
    visible: tuple[str, ...] = ()
    """More directories that it must see."""


def root() -> Path:
    """The folder of all that is installed."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The base directory specification: a relative path is to be taken for none.
    return Path(base if os.path.isabs(base) else os.path.expanduser("~/.cache")) / "tarbiter" / "contestants"


def home(name: str, version: str, build: Build) -> Path:
    """The folder of `name` at `version`, there or not. Raises OSError when a driver's source cannot be read."""
    digest = hashlib.blake2b(digest_size=6)
    for part in (build.tool, build.package, version):
        digest.update(part.encode() + b"\0")
    for file in build.files:
        digest.update(file.encode() + b"\0")
        digest.update((DRIVERS / file).read_bytes() + b"\0")
    label = f"{name}@{version}" if version else name
    return root() / f"{re.sub(r'[^A-Za-z0-9@._+-]', '_', label)}-{digest.hexdigest()}"


def record(folder: Path) -> Installed | None:
    """What is installed in a folder; None: nothing, or nothing complete."""
    try:
        return msgspec.json.decode((folder / RECORD).read_bytes(), type=Installed)
    except (FileNotFoundError, NotADirectoryError, msgspec.DecodeError):
        return None


def versions(name: str, build: Build) -> list[str]:
    """The versions of `name` that are installed with the present driver, besides its own."""
    found = []
    for folder in sorted(root().glob(f"{name}@*-*")):
        version = folder.name.removeprefix(f"{name}@").rpartition("-")[0]
        if version != build.version and folder == home(name, version, build) and record(folder):
            found.append(version)
    return found
