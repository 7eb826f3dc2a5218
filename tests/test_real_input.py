"""Real archives: this project's own sdist, and the repository packed by each tar at hand in each of its formats."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tarbiter.archive.cases import load
from tarbiter.contest.installed.registry import available, everyone
from tarbiter.contest.observation import Job, Observation
from tarbiter.contest.pool import Pool
from tarbiter.judge.compare import compare

ROOT = Path(__file__).resolve().parent.parent
PACKED = ("harness", "extractor", "corpus/links", "README.md", "pyproject.toml")
"""What is packed in every format; the sdist has all."""
FACETS = ("status", "names", "types", "content", "links", "hardlinks")
RING = tuple(one.name for one in available())

APART = {one.name: f"{kind}: {why}" for one in available() for kind, why in one.table.lacks.items()}
"""Who takes no part, and why: who extracts no links, since the repository has some."""
APART["cpio"] = (
    "it makes files of pax headers and GNU long names, and takes a number that ends in a space for malformed"
)
LINKING = tuple(name for name in RING if name not in APART)


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(available(RING), cells=1) as opened:
        yield opened


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources, with what a repository may have besides: links, modes, an empty directory."""
    top = tmp_path_factory.mktemp("packed") / "tarbiter-0"
    top.mkdir()
    for name in PACKED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, top / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, top / name)
    (top / "empty").mkdir()
    (top / "link").symlink_to("harness/tarbiter/cli.py")
    (top / "hard").hardlink_to(top / "README.md")
    (top / "run.sh").write_text("#!/bin/sh\n")
    (top / "run.sh").chmod(0o755)
    return top


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory, short: Path) -> Path:
    """The same with a name of more than 200 bytes."""
    top = tmp_path_factory.mktemp("packed") / "tarbiter-0"
    shutil.copytree(short, top, symlinks=True)
    (top / "hard").unlink()
    (top / "hard").hardlink_to(top / "README.md")
    deep = top / ("deep-" + "d" * 60) / ("er-" + "e" * 60)
    deep.mkdir(parents=True)
    (deep / ("ü" * 40)).write_text("more than fits a header's name\n")
    return top


def run(*command: str | Path) -> None:
    done = subprocess.run([str(one) for one in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def with_tarfile(tree: Path, out: Path, form: str) -> None:
    formats = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
    with tarfile.open(out, "w", format=formats[form]) as archive:
        archive.add(tree, tree.name)


def with_gnu(tree: Path, out: Path, form: str) -> None:
    run("tar", "-C", tree.parent, f"--format={form}", "-cf", out, tree.name)


def with_bsdtar(tree: Path, out: Path, form: str) -> None:
    run("bsdtar", "-C", tree.parent, f"--format={form}", "-cf", out, tree.name)


def with_busybox(tree: Path, out: Path, _form: str) -> None:
    run("busybox", "tar", "-C", tree.parent, "-cf", out, tree.name)


def is_gnu_tar() -> bool:
    return any(one.name == "gnu-tar" and not one.missing for one in everyone())


PACKERS = {
    "tarfile": (with_tarfile, ("ustar", "gnu", "pax"), True),
    "tar": (with_gnu, ("v7", "oldgnu", "gnu", "ustar", "posix"), is_gnu_tar()),
    "bsdtar": (with_bsdtar, ("v7", "ustar", "pax", "gnutar"), shutil.which("bsdtar") is not None),
    "busybox": (with_busybox, ("gnu",), shutil.which("busybox") is not None),
}


REFUSED = {
    "v7": {
        "busybox": "it reads no header without ustar's magic",
        "tar-fs": "it reads no header without ustar's magic, unless it is told to",
        "extractor-strict": "a header without a magic leaves open what lies behind linkname (strict.layout)",
    }
}
"""Who refuses a format, and why."""

IGNORES_PAX = {"perl-archive-tar": "Archive::Tar reads no pax records, so it cuts the name of more than 200 bytes"}
ELSEWHERE = {"pax": IGNORES_PAX, "posix": IGNORES_PAX}
"""Who takes an archive of a format for another one, and why: it takes no part."""


def differing(observations: tuple[Observation, ...]) -> str:
    """Empty where all contestants agree; otherwise who says what."""
    verdict = compare(observations, facets=FACETS, weak=False)
    return "" if verdict.agreed else f"{verdict.groups} {verdict.broken}"


@pytest.mark.parametrize(
    ("packer", "form"), [(packer, form) for packer, (_, forms, _) in PACKERS.items() for form in forms]
)
def test_everybody_agrees_on_the_repository(
    pool: Pool, tree: Path, short: Path, tmp_path: Path, packer: str, form: str
) -> None:
    pack, _, here = PACKERS[packer]
    if not here:
        pytest.skip(f"{packer} is not installed")
    tree = short if form == "v7" else tree  # v7 has 100 bytes for a name, and no prefix
    out = tmp_path / "packed.tar"
    pack(tree, out, form)
    ring = tuple(name for name in LINKING if name not in ELSEWHERE.get(form, {}))
    observations = pool.run(Job(archive=out.read_bytes(), contestants=ring))
    refused = REFUSED.get(form, {})
    assert {one.contestant: one.status for one in observations} == {
        name: "refused" if name in refused else "extracted" for name in ring
    }
    assert differing(tuple(one for one in observations if one.contestant not in refused)) == ""
    names = {node.path.decode() for node in observations[ring.index("extractor-compat")].tree}
    wanted = {tree.name, *(str(path.relative_to(tree.parent)) for path in tree.rglob("*"))}
    assert names - {"."} == wanted


def test_everybody_agrees_on_our_own_sdist(pool: Pool, tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--sdist", "--no-isolation", "--outdir", tmp_path, ROOT)
    (sdist,) = tmp_path.glob("*.tar.gz")
    loaded = load(str(sdist))
    assert loaded.archive == gzip.decompress(sdist.read_bytes())
    observations = pool.run(Job(archive=loaded.archive, contestants=RING))
    assert {one.status for one in observations} == {"extracted"}
    assert differing(observations) == ""
    assert any(node.path.endswith(b"/harness/tarbiter/cli.py") for node in observations[0].tree)
