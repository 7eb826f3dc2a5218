"""The conformance test of persistent drivers: each speaks the protocol, and does the ordinary in the ordinary way.

A driver whose contestant is not installed is skipped; `tarbiter contestants install all` installs it. Nothing here
uses the network.
"""

from __future__ import annotations

import json
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tarbiter.archive.case import WHOLE, Placed, Schedule, World
from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.recipe import Long, Member, Recipe
from tarbiter.contest.installed import interpreters
from tarbiter.contest.installed.cache import DRIVERS
from tarbiter.contest.installed.registry import OWN, Contestant, everyone, known
from tarbiter.contest.observation import Job, Observation
from tarbiter.contest.pool import Pool
from tarbiter.contest.worker import command, serving

from .archives import CUT, LONG, NOT_TAR, PLAIN

SERVED = {one.name: one for one in everyone() if one.table.serve and "@" not in one.name}
OLD = ("astral-tokio-tar@0.5.0",)
BUILT = {name: table for name, table in tomllib.loads(OWN.read_text()).items() if "build" in table}

SOURCES = {".go", ".rs", ".mjs", ".java", ".py", ".pl", ".php", ".rb"}
MANIFESTS = {"go.mod", "go.sum", "Cargo.toml", "Cargo.lock", "package.json", "package-lock.json", "pom.xml"}

TIMELESS = {"aiotarfile", "rubygems", "uv"}
"""Contestants that set no times."""

COPYING = {"pip-unfiltered"}
"""Contestants that make copies of hard links."""

UNMASKED = {"containerd"}
"""Contestants that give implied directories a mode of their own, whatever the umask."""

OWN_WAYS = {
    ("ant", CUT): "extracted",
    ("decompress", NOT_TAR): "extracted",
    ("xhmikosr-decompress", NOT_TAR): "extracted",
    ("modern-tar", NOT_TAR): "extracted",
    ("modern-tar", CUT): "extracted",
    ("nanotar", NOT_TAR): "extracted",
    ("nanotar", CUT): "crashed",
    ("rubygems", CUT): "crashed",
    ("tar-fs", CUT): "crashed",
}
"""Statuses that are neither refused nor partial: some take anything for an archive, or half of one for it all;
some fail with an error of the language, or with one that nobody can catch."""


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    here = [one for one in (*SERVED.values(), *map(known, OLD)) if not one.missing]
    with Pool(here) as opened:
        yield opened


@pytest.fixture(params=SERVED)
def one(request: pytest.FixtureRequest) -> Contestant:
    """Every contestant with a persistent driver that is here."""
    return present(request.param)


def present(name: str) -> Contestant:
    found = known(name)
    if found.missing:
        pytest.skip(f"{name}: {found.missing}; {found.install}")
    return found


def run(
    pool: Pool, name: str, archive: bytes, schedule: Schedule = WHOLE, world: World | None = None
) -> Observation:
    job = Job(archive=archive, contestants=(name,), schedule=schedule, world=world or World(), listing=True)
    return pool.run(job)[0]


def names(seen: Observation) -> list[bytes]:
    return [node.path for node in seen.tree[1:]]


def test_it_speaks_the_protocol(one: Contestant, tmp_path: Path) -> None:
    """Nothing is extracted here: the archive that is asked for does not exist."""
    numbers = (1, 2**53 - 1)
    lines = b"".join(
        serving.request(
            number, f"{tmp_path}/none", str(tmp_path), umask=0o22, chunks=(7,), pause=False, listing=True
        )
        for number in numbers
    )
    done = subprocess.run(
        [one.program, *one.serve[1:]],
        input=lines,
        env=command.environment(one, "C.UTF-8", str(tmp_path)),
        capture_output=True,
        timeout=60,
        check=False,
    )
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert said[0] == {"tarbiter": serving.VERSION}
    assert [(answer["id"], answer["status"]) for answer in said[1:]] == [(number, "refused") for number in numbers]
    assert all(answer["class"] and answer["error"] for answer in said[1:])
    assert done.returncode == 0, "it ends when its input does"


def test_an_ordinary_archive(pool: Pool, one: Contestant) -> None:
    for _ in range(2):
        seen = run(pool, one.name, LONG if one.table.lacks else PLAIN)
        assert (seen.status, seen.error, seen.escapes, seen.notes) == ("extracted", "", (), ())
        assert seen.version
        assert seen.wall_ns > 0


def test_links_contents_and_times(pool: Pool, one: Contestant) -> None:
    if one.table.lacks:
        pytest.skip(f"it lacks {', '.join(one.table.lacks)}")
    seen = run(pool, one.name, PLAIN)
    assert [(n.path, n.type, n.data, n.link) for n in seen.tree] == [
        (b".", "dir", None, None),
        (b"d", "dir", None, None),
        (b"d/f", "file", b"contents\n", None),
        (b"d/l", "symlink", None, b"f"),
        (b"h", "file", b"contents\n", None),
    ]
    by_path = {node.path: node for node in seen.tree}
    assert by_path[b"h"].group == by_path[b"d/f"].group == (one.name not in COPYING)
    assert (by_path[b"d/f"].mtime_ns == 1_000_000_001_000_000_000) == (one.name not in TIMELESS)


def test_a_listing_has_every_name(pool: Pool, one: Contestant) -> None:
    seen = run(pool, one.name, LONG)
    if seen.listing is None:
        pytest.skip("its library does not list")
    assert [row.path for row in seen.listing] == names(seen) == [b"%0100d" % number for number in range(3)]


def test_a_long_answer_arrives_whole(pool: Pool, one: Contestant) -> None:
    """A listing beyond what a pipe holds: who did not look how much was written seemed to sleep for ever."""
    many = [b"%060d" % number for number in range(1500)]
    archive = encode_bytes(Recipe(parts=tuple(Member(name=name) for name in many)))
    seen = run(pool, one.name, archive)
    assert seen.status == "extracted"
    if seen.listing is None:
        pytest.skip("its library does not list")
    assert [row.path for row in seen.listing] == many


@pytest.mark.parametrize("archive", [pytest.param(CUT, id="cut short"), pytest.param(NOT_TAR, id="not a tar")])
def test_a_bad_archive_does_not_stick(pool: Pool, one: Contestant, archive: bytes) -> None:
    expected = {OWN_WAYS[one.name, archive]} if (one.name, archive) in OWN_WAYS else {"refused", "partial"}
    for _ in range(2):
        assert run(pool, one.name, archive).status in expected
        assert names(run(pool, one.name, LONG)) == [b"%0100d" % number for number in range(3)]


SCHEDULES = {
    "byte by byte": Schedule(chunks=(1,)),
    "off by one": Schedule(chunks=(511, 1, 513)),
    "pieces of nothing": Schedule(chunks=(0, 7)),
    "whole, after a pause": Schedule(pause=True),
}


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_arrival_does_not_matter_to_the_ordinary(pool: Pool, one: Contestant, schedule: Schedule) -> None:
    whole, pieces = run(pool, one.name, LONG), run(pool, one.name, LONG, schedule)
    assert whole.status == pieces.status == "extracted"
    assert [(n.path, n.digest) for n in whole.tree] == [(n.path, n.digest) for n in pieces.tree]
    told = any("the schedule was not applied" in note for note in pieces.notes)
    assert told == (not one.table.schedule)


@pytest.mark.parametrize("mask", [0o077, 0o022])
def test_the_umask_is_the_worlds(pool: Pool, one: Contestant, mask: int) -> None:
    archive = encode_bytes(Recipe(parts=(Member(name=b"implied/f", data=b"x"),)))
    seen = run(pool, one.name, archive, world=World(umask=mask))
    assert seen.status == "extracted"
    assert (seen.tree[1].mode & mask == 0) == (one.name not in UNMASKED or mask == 0o022)


def test_a_world_and_a_locale(pool: Pool, one: Contestant) -> None:
    world = World(placed=(Placed(kind="file", name=b"old", data=b"stays"),), locale="C")
    seen = run(pool, one.name, LONG, world=world)
    assert seen.status == "extracted"
    assert {node.path: node.data for node in seen.tree}[b"old"] == b"stays"


LOST = encode_bytes(
    Recipe(parts=(Long(text=b"directory/" * 20 + b"file"), Member(name=b"directory/cut", data=b"x")))
)
"""A long name, and in the member's own header what is left of it for those that do not know such names."""


@pytest.mark.parametrize(
    ("name", "keeps"),
    [
        pytest.param("astral-tokio-tar@0.5.0", False, id="0.5.0 loses it"),
        pytest.param("astral-tokio-tar", True, id="the present version keeps it"),
    ],
)
def test_a_long_name_that_arrives_in_pieces(pool: Pool, name: str, keeps: bool) -> None:
    """https://github.com/astral-sh/uv/issues/2235 is what this looks like to a user."""
    present(name)
    path = b"directory/" * 20 + b"file"
    assert names(run(pool, name, LOST))[-1] == path
    for _ in range(5):
        seen = run(pool, name, LOST, Schedule(chunks=(100,), pause=True))
        assert seen.status == "extracted"
        assert names(seen)[-1] == (path if keeps else b"directory/cut")


@pytest.mark.parametrize("mode", ["data", "tar", "fully-trusted", "stream"])
def test_the_tarfile_of_another_python_does_the_same(mode: str) -> None:
    """All that are on this machine, against the one that is called in the worker."""
    others = [known(f"tarfile-{mode}@{one.version}") for one in interpreters.interpreters()]
    here = [one for one in (known(f"tarfile-{mode}"), *others) if not one.missing]
    if len(here) < 2:
        pytest.skip("no other Python with a tarfile of that kind is on this machine")
    jobs = [
        Job(archive=archive, contestants=tuple(one.name for one in here), schedule=schedule, listing=True)
        for archive in (PLAIN, LONG)
        for schedule in (WHOLE, Schedule(chunks=(7,)))
    ]
    with Pool(here) as opened:
        for job, seen in opened.map(jobs):
            assert {one.status for one in seen} == {"extracted"}
            assert len({repr((rows(one), names(one))) for one in seen}) == 1
            told = [any("not applied" in note for note in one.notes) for one in seen]
            assert told == [job.schedule != WHOLE and mode != "stream"] * len(seen)


def rows(seen: Observation) -> list[bytes]:
    return [row.path for row in seen.listing or ()]


# -- what can be seen without any of them ------------------------------------------------------------------------


@pytest.mark.parametrize("path", [p for p in DRIVERS.rglob("*.*") if p.suffix in SOURCES], ids=lambda p: p.name)
def test_a_driver_is_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 80


@pytest.mark.parametrize("name", BUILT)
def test_a_pinned_version_is_the_manifests(name: str) -> None:
    build = BUILT[name]["build"]
    texts = [(DRIVERS / file).read_text() for file in build.get("files", ())]
    assert all(texts)
    version = build.get("version", "")
    manifests = [
        text for file, text in zip(build.get("files", ()), texts, strict=True) if Path(file).name in MANIFESTS
    ]
    assert all(version in text for text in manifests)
    assert manifests or not version or build["tool"] == "pip"


@pytest.mark.parametrize("path", [p for p in DRIVERS.rglob("*") if p.is_file()], ids=lambda p: p.name)
def test_every_file_belongs_to_somebody(path: Path) -> None:
    used = {file for table in BUILT.values() for file in table["build"].get("files", ())}
    used |= {word for one in everyone() for word in (*one.table.serve, *one.table.argv, *one.table.elsewhere)}
    assert {str(path.relative_to(DRIVERS)), f"{{drivers}}/{path.relative_to(DRIVERS)}"} & used
