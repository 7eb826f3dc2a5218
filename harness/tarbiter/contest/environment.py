"""The machine and the programs that observations were made with, as records name them."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import version


def environment(backend: str, arena: str = "tmpfs") -> dict[str, str]:
    """What of this machine may show in an observation. `backend` is the cell's kind, `arena` its file system."""
    return {
        "tarbiter": version("tarbiter"),
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "kernel": f"{platform.system()} {platform.release()}",
        "machine": platform.machine(),
        "cell": backend,
        "arena": arena,
    }
