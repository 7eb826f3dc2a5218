"""Both distributions, built and installed into an empty environment, and run outside the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from email import message_from_bytes
from email.message import Message
from importlib.metadata import distribution
from pathlib import Path

import msgspec
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PROJECTS = {"onetar": ROOT / "extractor", "tarbiter": ROOT}


class Installed(msgspec.Struct, frozen=True):
    """What was built, and the environment that it was installed into."""

    built: Path
    binaries: Path

    def wheel(self, name: str) -> zipfile.ZipFile:
        (found,) = self.built.glob(f"{name}-*.whl")
        return zipfile.ZipFile(found)

    def run(self, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        names = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
        around = {key: value for key, value in os.environ.items() if key not in names}
        command = [str(self.binaries / words[0]), *words[1:]]
        return subprocess.run(command, cwd=cwd, env=around, capture_output=True, text=True, check=False)


def copy_with_dependencies(name: str, target: Path, done: set[str]) -> None:
    """Copy an installed distribution into `target`, then what it requires without extras."""
    if canonicalize_name(name) in done:
        return
    done.add(canonicalize_name(name))
    found = distribution(name)
    for file in found.files or ():
        if ".." not in file.parts and "__pycache__" not in file.parts:
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(file.locate()), target / file)
    needed(found.requires or [], target, done)


def needed(requires: list[str], target: Path, done: set[str]) -> None:
    for one in map(Requirement, requires):
        if one.marker is None or one.marker.evaluate({"extra": ""}):
            copy_with_dependencies(one.name, target, done)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Sdists, wheels made from the sdists, and an environment with the wheels, what they require, and pytest."""
    top = tmp_path_factory.mktemp("wheels")
    built = top / "dist"
    for project in PROJECTS.values():
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(built), str(project)]
        subprocess.run(command, check=True, capture_output=True)
    venv.create(top / "env", with_pip=False, symlinks=True)
    (target,) = (top / "env/lib").glob("python*/site-packages")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(top / "env/bin/python")]
    wheels = sorted(map(str, built.glob("*.whl")))
    subprocess.run([*pip, "install", "--quiet", "--no-index", "--no-deps", "--no-compile", *wheels], check=True)
    done = set(PROJECTS)
    made = Installed(built=built, binaries=top / "env/bin")
    for name in PROJECTS:
        needed(metadata(made, name).get_all("Requires-Dist") or [], target, done)
    copy_with_dependencies("pytest", target, done)
    return made


def metadata(installed: Installed, name: str) -> Message[str, str]:
    with installed.wheel(name) as wheel:
        (path,) = (one for one in wheel.namelist() if one.endswith(".dist-info/METADATA"))
        return message_from_bytes(wheel.read(path))


@pytest.mark.parametrize("name", PROJECTS)
def test_a_wheel_holds_one_typed_package_its_licence_and_its_readme(installed: Installed, name: str) -> None:
    with installed.wheel(name) as wheel:
        names = wheel.namelist()
        (licence,) = (one for one in names if one.endswith(".dist-info/licenses/LICENSE"))
        assert wheel.read(licence) == (ROOT / "LICENSE").read_bytes()
    tops = {one.split("/")[0] for one in names}
    assert {one for one in tops if not one.endswith(".dist-info")} == {name}
    assert f"{name}/py.typed" in names
    said = metadata(installed, name)
    assert said["Description-Content-Type"] == "text/markdown"
    text = said.get_payload(decode=True)
    assert isinstance(text, bytes)
    assert text.decode().strip() == (PROJECTS[name] / "README.md").read_text().strip()


@pytest.mark.parametrize("name", PROJECTS)
def test_an_sdist_has_its_licence_as_a_file(installed: Installed, name: str) -> None:
    (path,) = installed.built.glob(f"{name}-*.tar.gz")
    with tarfile.open(path) as sdist:
        assert all(one.isfile() for one in sdist)


def test_the_extractor_requires_nothing(installed: Installed) -> None:
    requires = metadata(installed, "onetar").get_all("Requires-Dist") or []
    assert [one for one in requires if "extra ==" not in one] == []


RUNS = [
    ("tarbiter doctor", (0,)),
    ("tarbiter compare {slash} --with extractor-compat,tarfile-fully-trusted", (1,)),
    ("tarbiter fuzz --cases 50 --seed 1 --jobs 1 --with extractor-compat,tarfile-fully-trusted -o run", (0, 1)),
    ("tarbiter check types/file-with-trailing-slash links --with tarfile-fully-trusted --jobs 1", (0, 1)),
    ("tarbiter corpus lint", (0,)),
    ("tarbiter corpus export out", (0,)),
    ("tarbiter conformance --recorded", (0,)),
    ("python -m onetar --help", (0,)),
]


@pytest.mark.parametrize(("command", "codes"), RUNS, ids=[command for command, _ in RUNS])
def test_a_command_runs_outside_the_checkout(
    installed: Installed, tmp_path: Path, command: str, codes: tuple[int, ...]
) -> None:
    words = command.format(slash="types/file-with-trailing-slash").split()
    done = installed.run(*words, cwd=tmp_path)
    assert done.returncode in codes, done.stdout + done.stderr
    assert done.stdout or done.stderr


def test_a_project_keeps_its_own_folders(installed: Installed, tmp_path: Path) -> None:
    for folder in ("harness", "extractor"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").write_text(f"WHOSE = {folder!r}\n")
    (tmp_path / "test_own.py").write_text(
        "import extractor, harness\ndef test_own():\n    assert (harness.WHOSE, extractor.WHOSE) == "
        "('harness', 'extractor')\n"
    )
    options = ("--tarbiter-with", "tarfile-fully-trusted", "--tarbiter-cases", "types/file-with-trailing-slash")
    done = installed.run("python", "-m", "pytest", "-q", "-rA", *options, cwd=tmp_path)
    assert "PASSED test_own.py::test_own" in done.stdout, done.stdout + done.stderr
    assert "tarbiter::types/file-with-trailing-slash[tarfile-fully-trusted" in done.stdout, (
        done.stdout + done.stderr
    )
