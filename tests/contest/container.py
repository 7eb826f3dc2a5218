"""Plays a container for tests: under a seccomp filter that refuses namespaces, as whom it is told, run a command.

    python -m tests.contest.container [--uid N] [--no-landlock] [--namespaces] COMMAND...

The command is what `tarbiter` is called with. `--namespaces`: refuse nothing.
"""

from __future__ import annotations

import errno
import os
import platform
import resource
import shutil
import subprocess
import sys
from pathlib import Path

from tarbiter.contest.sandbox import seccomp
from tarbiter.contest.sandbox.namespaces import keep_capabilities
from tarbiter.contest.sandbox.seccomp import Code

ROOT = Path(__file__).resolve().parents[2]
UID = 12345

UNSHARE, CLONE, CLONE3, MOUNT = ("unshare", "clone", "clone3", "mount")


def _refuse(number: int, code: int) -> list[Code]:
    return [(0x15, 0, 1, number), (0x06, 0, 0, 0x00050000 | code)]


def container(*, landlock: bool) -> list[Code]:
    """Namespaces and mounts are refused, as by the default profile of container engines; Landlock where asked."""
    place = ("x86_64", "aarch64").index(platform.machine())
    numbers = {name: seccomp._NUMBERS[name][place] for name in (UNSHARE, CLONE, CLONE3, MOUNT)}
    codes: list[Code] = [(0x20, 0, 0, 0)]
    for name in (UNSHARE, MOUNT):
        codes += _refuse(numbers[name] or 0, errno.EPERM)
    codes += _refuse(numbers[CLONE3] or 0, errno.ENOSYS)
    if not landlock:
        for number in (444, 445, 446):
            codes += _refuse(number, errno.ENOSYS)
    block: list[Code] = [
        (0x20, 0, 0, 16),
        (0x45, 0, 1, 0x7E020000),
        (0x06, 0, 0, 0x00050000 | errno.EPERM),
        (0x06, 0, 0, 0x7FFF0000),
    ]
    return [*codes, (0x15, 0, len(block), numbers[CLONE] or 0), *block, (0x06, 0, 0, 0x7FFF0000)]


def reachable(path: str) -> bool:
    """Whether somebody who is nobody in particular may pass to `path` and read it."""
    real = Path(os.path.realpath(path))
    return all(one.stat().st_mode & 0o001 for one in real.parents) and bool(real.stat().st_mode & 0o004)


def plain_python() -> str:
    """A Python of this version that a plain user may run; empty: there is none."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for path in (sys.executable, shutil.which(version, path="/usr/local/bin:/usr/bin") or ""):
        if (
            path
            and reachable(path)
            and all(reachable(one) for one in sys.path if os.path.isdir(one) and "-packages" in one)
        ):
            return path
    return ""


def _kept(uid: int) -> Path:
    """Where compiled files are kept: never in the tree, and where that user may write."""
    kept = ROOT / ".pytest_cache" / f"bytecode-{uid}"
    kept.mkdir(parents=True, exist_ok=True)
    if uid and os.geteuid() == 0:
        os.chown(kept, uid, uid)
    return kept


def run(*arguments: str, uid: int = 0, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Call tarbiter in the container. `uid` 0 is whoever runs the tests."""
    python = sys.executable
    variables = {name: value for name, value in os.environ.items() if name != "TARBITER_CELL"}
    variables["PYTHONPATH"] = str(ROOT)
    if uid:
        python = plain_python()
        packages = [one for one in sys.path if "-packages" in one]
        variables = {
            "PATH": os.defpath,
            "HOME": "/nonexistent",
            "PYTHONPATH": os.pathsep.join([*map(str, (ROOT, ROOT / "harness", ROOT / "extractor")), *packages]),
        }
    variables |= {"PYTHONPYCACHEPREFIX": str(_kept(uid)), "COLUMNS": "200", "PYTHONWARNINGS": "error"}
    command = [python, "-m", "tests.contest.container", *(["--uid", str(uid)] if uid else []), *arguments]
    return subprocess.run(command, cwd=cwd, env=variables, capture_output=True, text=True, check=False, timeout=300)


def main() -> None:
    arguments = sys.argv[1:]
    landlock, namespaces = True, False
    while arguments[0] in ("--uid", "--no-landlock", "--namespaces"):
        match arguments.pop(0):
            case "--uid":
                uid = int(arguments.pop(0))
                os.setgroups([])
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
                keep_capabilities()
            case "--no-landlock":
                landlock = False
            case "--namespaces":
                namespaces = True
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if not namespaces:
        seccomp.install(container(landlock=landlock))
    os.execv(sys.executable, [sys.executable, "-m", "tarbiter", *arguments])


if __name__ == "__main__":
    main()
