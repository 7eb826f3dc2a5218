"""Both policies beside tarfile's data filter (PEP 706): where they decide alike, and where not and why."""

import os
import tarfile
from pathlib import Path

import pytest

from onetar import Member, RefusedError, Report, extract, members
from onetar.policy import POLICIES, Policy
from tarbiter.archive.recipe import Part

from .archives import file, folder, hardlink, pack, symlink

needs_filters = pytest.mark.skipif(
    not hasattr(tarfile, "data_filter"), reason="this Python's tarfile has no filters"
)
REFUSED = "refused"


def ours(policy: str, parts: tuple[Part, ...]) -> str:
    """What a policy makes of the last member: where it goes and leads, skipped, or refused."""
    judge = POLICIES[policy]()
    *before, last = list(members(pack(*parts)))
    for member in before:
        judge.decide(member)
    try:
        decision = judge.decide(last)
    except RefusedError as error:
        return f"{REFUSED} {error.code}" if policy == "strict" else REFUSED
    return f"{decision.path.decode()} {decision.link.decode()}".strip() if decision.action == "write" else "skipped"


def theirs(parts: tuple[Part, ...], dest: Path) -> str:
    """What the data filter makes of it."""
    last = list(members(pack(*parts)))[-1]
    try:
        found = tarfile.data_filter(as_info(last), str(dest))
    except tarfile.FilterError:
        return REFUSED
    return f"{found.name} {found.linkname}".strip()


def as_info(member: Member) -> tarfile.TarInfo:
    info = tarfile.TarInfo.frombuf(b"".join(member.header), "utf-8", "surrogateescape")
    assert info.name.rstrip("/") == member.path.decode("utf-8", "surrogateescape").rstrip("/")
    return info


ALIKE: dict[str, tuple[Part, ...]] = {
    "file": (file(b"a"),),
    "directory": (folder(b"d"),),
    "nested": (file(b"a/b/c"),),
    "absolute": (file(b"/a"),),
    "many-slashes": (file(b"///a"),),
    "outside": (file(b"../a"),),
    "far-outside": (file(b"a/../../b"),),
    "sibling-with-the-same-prefix": (file(b"../dest-sibling"),),
    "symlink": (symlink(b"l", b"a"),),
    "symlink-up": (symlink(b"d/l", b"../a"),),
    "symlink-outside": (symlink(b"l", b"../a"),),
    "symlink-outside-from-below": (symlink(b"d/l", b"../../a"),),
    "symlink-absolute": (symlink(b"l", b"/a"),),
    "symlink-into-a-sibling": (symlink(b"l", b"../dest-sibling/a"),),
    "hard-link": (file(b"a"), hardlink(b"l", b"a")),
    "hard-link-outside": (file(b"a"), hardlink(b"l", b"../a")),
}

APART: dict[str, tuple[str, str, tuple[Part, ...]]] = {
    # ours, theirs (where releases of Python differ: any of these), archive; docs/extractor.md says why, by this key
    "climbs-inside": (REFUSED, "a/../b", (file(b"a/../b"),)),
    "target-to-nothing": (REFUSED, "l a", (hardlink(b"l", b"a"),)),
    "absolute-hard-link": ("l a", REFUSED, (file(b"a"), hardlink(b"l", b"/a"))),
    "device": ("skipped", REFUSED, (file(b"d", b"", kind="char"),)),
    "fifo": ("skipped", REFUSED, (file(b"d", b"", kind="fifo"),)),
    "destination": ("skipped", ".", (folder(b"."),)),
    "empty-target": (REFUSED, "l|l .", (symlink(b"l", b""),)),
}


STRICT = {
    # what strict says of either table's archives where it does not do what compat does
    "absolute": "strict.name",
    "many-slashes": "strict.name",
    "outside": "strict.name",
    "far-outside": "strict.name",
    "sibling-with-the-same-prefix": "strict.name",
    "symlink-outside": "link.climbs",
    "symlink-outside-from-below": "link.climbs",
    "symlink-absolute": "strict.link",
    "symlink-into-a-sibling": "link.climbs",
    "hard-link-outside": "strict.link",
    "climbs-inside": "strict.name",
    "target-to-nothing": "strict.link",
    "absolute-hard-link": "strict.link",
    "device": "strict.type",
    "fifo": "strict.type",
    "destination": "strict.name",
    "empty-target": "strict.link",
}


@needs_filters
@pytest.mark.parametrize("parts", ALIKE.values(), ids=ALIKE)
def test_alike(tmp_path: Path, parts: tuple[Part, ...]) -> None:
    assert ours("compat", parts) == theirs(parts, tmp_path / "dest")


@needs_filters
@pytest.mark.parametrize(("our", "their", "parts"), APART.values(), ids=APART)
def test_apart(tmp_path: Path, our: str, their: str, parts: tuple[Part, ...]) -> None:
    assert ours("compat", parts) == our
    assert theirs(parts, tmp_path / "dest") in their.split("|")


@pytest.mark.parametrize("key", [*ALIKE, *APART])
def test_strict(key: str) -> None:
    parts = ALIKE[key] if key in ALIKE else APART[key][2]
    expected = f"{REFUSED} {STRICT[key]}" if key in STRICT else ours("compat", parts)
    assert ours("strict", parts) == expected


# -- the archives of CPython's own tests of its filters ------------------------------------------------------------

CPYTHON: dict[str, tuple[str, str, str, tuple[Part, ...]]] = {
    # by the name of the test there: what it expects of the data filter; what compat and strict say (empty: all is
    # written as it is; with a +: the archive is not refused, and has such a row), archive
    "benign_file": ("writes", "", "", (file(b"benign.txt"),)),
    "absolute": ("writes", "+name.absolute", "strict.name", (file(b"/outer/escaped.evil"),)),
    "parent_symlink": (
        "refuses",
        "path.through-link",
        "strict.changed",
        (symlink(b"current", b"."), symlink(b"parent", b"current/.."), file(b"parent/evil")),
    ),
    "parent_symlink2": (
        "refuses",
        "path.through-link",
        "strict.duplicate",
        (symlink(b"current", b"."), symlink(b"current/parent", b".."), file(b"parent/evil")),
    ),
    "absolute_symlink": (
        "refuses",
        "link.absolute",
        "strict.link",
        (symlink(b"parent", b"/outer"), file(b"parent/evil")),
    ),
    "absolute_hardlink": ("refuses", "link.target", "strict.link", (hardlink(b"parent", b"/outer/foo"),)),
    "sly_relative0": ("refuses", "name.climbs", "strict.name", (symlink(b"../moo", b"..//tmp/moo"),)),
    "sly_relative2": (
        "refuses",
        "name.climbs",
        "strict.name",
        (folder(b"tmp/"), symlink(b"tmp/../../moo", b"tmp/../..//tmp/moo")),
    ),
    "deep_symlink": (
        "writes",
        "",
        "",
        (
            file(b"targetdir/target", b"abc"),
            hardlink(b"linkdir/hardlink", b"targetdir/target"),
            symlink(b"linkdir/symlink", b"../targetdir/target"),
        ),
    ),
    "chains": (
        "writes",
        "link.target",
        "strict.link",
        (
            symlink(b"linkdir/symlink", b"hardlink"),
            symlink(b"symlink2", b"linkdir/hardlink2"),
            file(b"targetdir/target", b"abc"),
            hardlink(b"linkdir/hardlink", b"targetdir/target"),
            hardlink(b"linkdir/hardlink2", b"linkdir/symlink"),
        ),
    ),
    "modes": ("writes", "", "strict.mode", (file(b"all_bits", mode=0o7777), folder(b"dir/", mode=0o077))),
    "pipe": ("refuses", "+type.special", "strict.type", (file(b"foo", b"", kind="fifo"),)),
    "special_files": ("refuses", "+type.special", "strict.type", (file(b"foo", b"", kind="block"),)),
    "realpath_limit_attack": (  # CVE-2025-4517; how long the names are is nothing to who resolves none
        "refuses",
        "path.through-link",
        "strict.duplicate",
        (
            folder(b"d" * 99),
            symlink(b"a", b"d" * 99),
            symlink(b"a/" + b"l" * 90, b".."),
            symlink(b"escape", b"a/" + b"l" * 90 + b"/.."),
            hardlink(b"flaglink", b"escape/flag"),
            file(b"flaglink"),
            file(b"escape/newfile"),
        ),
    ),
}
APART_THERE = {"chains": "chains", "modes": "directory-modes", "pipe": "fifo", "special_files": "device"}
"""Where compat does not do what the data filter does there, and the key by which docs/extractor.md says why."""


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("key", CPYTHON)
def test_archives_of_cpython(tmp_path: Path, key: str, policy: str) -> None:
    theirs, compat, strict, parts = CPYTHON[key]
    expected = compat if policy == "compat" else strict
    report, said = Report(), ""
    (tmp_path / "outer").mkdir()
    try:
        extract(pack(*parts), tmp_path / "outer/dest", policy=policy, report=report)
    except RefusedError as error:
        said = error.code
    else:
        said = "".join(f"+{row.code}" for row in report.members if row.code)
        assert len(report.members) == len(parts)
    assert said == expected
    assert os.listdir(tmp_path) == ["outer"]
    assert set(os.listdir(tmp_path / "outer")) <= {"dest"}
    if policy == "compat" and key not in APART_THERE:
        assert (theirs == "writes") is (said in ("", "+name.absolute"))


@pytest.mark.parametrize("policy", POLICIES)
def test_modes_of_directories(tmp_path: Path, policy: str) -> None:
    """The data filter leaves them to the umask; here they have the archive's, as with GNU tar."""
    before = os.umask(0)
    try:
        extract(pack(folder(b"dir/", mode=0o077), folder(b"all/", mode=0o7777)), tmp_path, policy=policy)
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o7777 for name in ("dir", "all")] == [0o755, 0o755]


# -- what the documentation says ---------------------------------------------------------------------------------


def test_every_difference_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs/extractor.md").read_text()
    rows = {line.split(" | ")[0][2:]: line for line in text.splitlines() if line.startswith("| ")}
    assert {*APART, *APART_THERE.values()} - set(rows) == set()
    assert [key for key in APART if f"(`{STRICT[key]}`)" not in rows[key]] == []


@needs_filters
def test_modes_of_files_are_the_same() -> None:
    archive = pack(*(file(b"%d" % mode, mode=mode) for mode in range(0o10000)))
    policy = Policy()
    for member in members(archive):
        assert policy.decide(member).mode == tarfile.data_filter(as_info(member), "dest").mode
