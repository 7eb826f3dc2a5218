"""Building contestants into the cache with the ordinary package clients: go, cargo, npm, mvn and javac, pip.

Each is built beside its folder and moved there when it is complete, so whatever is stopped is not half installed,
and what is installed is not built again. Two that build the same one wait for each other, and the second finds it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from ...errors import UserError
from .cache import DRIVERS, RECORD, Installed, home, record, root
from .table import Build, Contestant

PACKAGES = {
    "go": "golang-go",
    "cargo": "cargo",
    "npm": "npm",
    "node": "nodejs",
    "mvn": "maven",
    "javac": "default-jdk-headless",
    "java": "default-jre-headless",
}
"""The Debian and Ubuntu package of each tool."""

TAIL = 30
"""Lines of a failed tool's output that are told."""


class BuildError(UserError):
    """A contestant that could not be built: `where`, and what went wrong with what to do about it."""


Say = Callable[[str], None]
"""Is told each step as it begins."""


def install(one: Contestant, say: Say) -> Installed:
    """Install a contestant at the version of its table; at once when it is there already. Raises BuildError."""
    build = one.table.build
    if build is None:
        raise BuildError(one.name, f"is not built here; {one.install or 'it comes with tarbiter'}")
    plain, _, mode = one.name.rpartition(":")
    name, _, version = (plain if plain and mode.isalpha() else one.name).partition("@")
    version = version or build.version
    folder = home(name, version, build)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder.parent)
        with _locked(folder.parent / f".{folder.name}.lock", say):
            there = record(folder)
            if there:
                return there
            part = folder.with_name(f".{folder.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            done = _Builder(one.name, build, version, part, say).run()
            (part / RECORD).write_bytes(msgspec.json.encode(done))
            shutil.rmtree(folder, ignore_errors=True)  # without a record, so nothing that anybody uses
            part.rename(folder)
            return done
    except OSError as error:
        raise BuildError(one.name, f"{error.filename or root()}: {error.strerror or error}") from error


def _sweep(above: Path) -> None:
    """Remove what killed installations left: the parts whose lock nobody holds."""
    for part in above.glob(".*.part"):
        with contextlib.suppress(OSError), part.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(part)


@contextlib.contextmanager
def _locked(path: Path, say: Say) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another installation")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield  # closing the file gives the lock back, and so does being killed


class _Builder:
    """One build in `part`. `run` ends with everything in its place, so that `part` can be moved."""

    def __init__(self, name: str, build: Build, version: str, part: Path, say: Say) -> None:
        self.name, self.build, self.version, self.part, self.say = name, build, version, part, say

    def run(self) -> Installed:
        tools: Mapping[str, Callable[[], tuple[str, Sequence[str]]]] = {
            "go": self._go,
            "cargo": self._cargo,
            "npm": self._npm,
            "maven": self._maven,
            "pip": self._pip,
        }
        if self.build.tool not in tools:
            raise BuildError(self.name, f"no tool {self.build.tool!r}: there are {', '.join(tools)}")
        version, visible = tools[self.build.tool]()
        return Installed(name=self.name, version=version, visible=tuple(visible))

    # -- helpers ---------------------------------------------------------------------------------------------------

    def _copy(self) -> None:
        """The driver's files, without the first folder of their names."""
        for file in self.build.files:
            target = self.part / file.partition("/")[2]
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(DRIVERS / file, target)

    def _manifests(self) -> Path:
        """Where the files that lie in a folder of their own have been copied: the manifests."""
        folders = (Path(file).parent.parts[1:] for file in self.build.files)
        return self.part.joinpath(*next((parts for parts in folders if parts), ()))

    def _lifted(self) -> None:
        """Move the manifests out of their folder, to the top."""
        folder = self._manifests()
        if folder != self.part:
            for path in list(folder.iterdir()):
                path.rename(self.part / path.name)
            folder.rmdir()

    @property
    def _pinned(self) -> bool:
        """Whether the version is the one of the manifests."""
        return self.version == self.build.version

    def _tool(self, program: str) -> str:
        found = shutil.which(program)
        if found is None:
            package = PACKAGES.get(program, program)
            raise BuildError(self.name, f"needs {program}, which is not on PATH: apt install {package}")
        return found

    def _call(self, *argv: str, cwd: Path, env: Mapping[str, str] | None = None) -> str:
        """Run a tool and return what it printed. Raises BuildError with the end of what it said."""
        program = self._tool(argv[0])
        shown = " ".join([os.path.basename(program), *(word for word in argv[1:3] if " " not in word)])
        self.say(shown)
        done = subprocess.run(  # noqa: S603  # package clients, with the arguments of a table
            [program, *argv[1:]],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            said = (done.stdout + done.stderr).decode("utf-8", "replace").strip().splitlines()
            raise BuildError(self.name, f"{shown} ended with {done.returncode}:\n" + "\n".join(said[-TAIL:]))
        return done.stdout.decode("utf-8", "replace")

    def _replace(self, path: Path, old: str, new: str) -> None:
        text = path.read_text(encoding="utf-8")
        if old not in text:
            raise BuildError(self.name, f"{path.name} does not have {old!r}, so no other version can be asked for")
        path.write_text(text.replace(old, new), encoding="utf-8")

    # -- one for each ecosystem ------------------------------------------------------------------------------------

    def _go(self) -> tuple[str, Sequence[str]]:
        """Without a package the version is the toolchain's, which go fetches itself when it is another one."""
        self._copy()
        self._lifted()
        env = {}
        if self.build.package and not self._pinned:
            self._call("go", "get", f"{self.build.package}@v{self.version}", cwd=self.part)
            env = {"GOFLAGS": "-mod=mod"}
        elif not self.build.package and self.version:
            env = {"GOTOOLCHAIN": f"go{self.version}"}
        self._call("go", "build", "-trimpath", "-buildvcs=false", "-o", "driver", ".", cwd=self.part, env=env)
        said = self._call("go", "version", "-m", "driver", cwd=self.part)
        wanted = rf"\bdep\s+{re.escape(self.build.package)}\s+v(\S+)" if self.build.package else r"\bgo(\d\S*)"
        match = re.search(wanted, said)
        if not match:
            raise BuildError(self.name, f"go names no version: {said!r}")
        return match[1], ()

    def _cargo(self) -> tuple[str, Sequence[str]]:
        self._tool("cargo")
        self._copy()
        crate = self._manifests()
        lock = crate / "Cargo.lock"
        if not self._pinned:
            self._replace(crate / "Cargo.toml", f'"={self.build.version}"', f'"={self.version}"')
            lock.unlink()
            for package, newest in self.build.former.items():
                # Refused where this version needs a newer one, which it can then be built with.
                with contextlib.suppress(BuildError):
                    self._call("cargo", "update", package, "--precise", newest, cwd=crate)
        target = root() / ".cargo-target"
        target.mkdir(exist_ok=True)
        # What several crates need is compiled once; the finished file has the same name for all, hence the lock.
        with _locked(target / ".tarbiter.lock", self.say):
            flags = ["--locked"] if self._pinned else []
            env = {"CARGO_TARGET_DIR": str(target), "CARGO_BUILD_JOBS": os.environ.get("CARGO_BUILD_JOBS", "1")}
            self._call("cargo", "build", "--release", *flags, cwd=crate, env=env)
            shutil.copy2(target / "release" / "driver", self.part / "driver")
        packages = tomllib.loads(lock.read_text(encoding="utf-8"))["package"]
        version = next((one["version"] for one in packages if one["name"] == self.build.package), "")
        return version, ()

    def _npm(self) -> tuple[str, Sequence[str]]:
        self._copy()
        self._lifted()
        flags = ["--no-audit", "--no-fund", "--ignore-scripts", "--omit=dev"]
        if self._pinned:
            self._call("npm", "ci", *flags, cwd=self.part)
        else:
            (self.part / "package-lock.json").unlink()
            self._replace(self.part / "package.json", f'{self.build.version}"', f'{self.version}"')
            self._call("npm", "install", *flags, cwd=self.part)
        manifest = self.part / "node_modules" / self.build.package / "package.json"
        node = os.path.realpath(self._tool("node"))
        return str(json.loads(manifest.read_bytes())["version"]), _outside_usr([node])

    def _maven(self) -> tuple[str, Sequence[str]]:
        self._copy()
        self._lifted()
        if not self._pinned:
            self._replace(self.part / "pom.xml", f"<version>{self.build.version}<", f"<version>{self.version}<")
        jars = f"-DoutputDirectory={self.part / 'jars'}"
        self._call("mvn", "-B", "-q", "dependency:copy-dependencies", jars, cwd=self.part)
        sources = [Path(file).name for file in self.build.files if file.endswith(".java")]
        self._call("javac", "-cp", "jars/*", "-d", "classes", *sources, cwd=self.part)
        match = None
        for jar in sorted((self.part / "jars").iterdir()):
            match = match or re.fullmatch(rf"{re.escape(self.build.package)}-(\d.*)\.jar", jar.name)
        if not match:
            raise BuildError(self.name, f"mvn brought no {self.build.package}")
        java = Path(os.path.realpath(self._tool("java"))).parent.parent
        # Debian keeps the runtime's configuration under /etc, and links to it.
        links = [path for pattern in ("conf/*", "lib/*") for path in java.glob(pattern) if path.is_symlink()]
        return match[1], _outside_usr([str(java), *(os.path.dirname(os.path.realpath(path)) for path in links)])

    def _pip(self) -> tuple[str, Sequence[str]]:
        self._copy()
        self._call(sys.executable, "-m", "venv", "venv", cwd=self.part)
        python = str(self.part / "venv" / "bin" / "python")
        wanted = f"{self.build.package}=={self.version}"
        # No builds: a wheel, or it cannot be had here. Only of the package itself are versions pinned.
        self._call(python, "-m", "pip", "install", "-q", "--disable-pip-version-check", wanted, cwd=self.part)
        asks = "import sys, importlib.metadata as m; print(m.version(sys.argv[1]))"
        version = self._call(python, "-c", asks, self.build.package, cwd=self.part).strip()
        return version, _outside_usr([sys.base_prefix])


def _outside_usr(paths: Sequence[str]) -> list[str]:
    """Those of `paths` that a cell does not show anyway, none of them inside another."""
    kept: list[str] = []
    for path in sorted({os.path.normpath(path) for path in paths}):
        if not path.startswith("/usr/") and not any(path == one or path.startswith(one + "/") for one in kept):
            kept.append(path)
    return kept
