"""compat beside tarfile's data filter (PEP 706): where they decide alike, and where not and why."""

import tarfile
from pathlib import Path

import pytest

from extractor import Member, RefusedError, members
from extractor.policy import Policy
from harness.archive.recipe import Part

from .archives import file, folder, hardlink, pack, symlink

if not hasattr(tarfile, "data_filter"):
    pytest.skip("this Python's tarfile has no filters", allow_module_level=True)

REFUSED = "refused"


def ours(parts: tuple[Part, ...]) -> str:
    """What compat makes of the last member: where it goes and leads, skipped, or refused."""
    policy = Policy()
    *before, last = list(members(pack(*parts)))
    for member in before:
        policy.decide(member)
    try:
        decision = policy.decide(last)
    except RefusedError:
        return REFUSED
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


@pytest.mark.parametrize("parts", ALIKE.values(), ids=ALIKE)
def test_alike(tmp_path: Path, parts: tuple[Part, ...]) -> None:
    assert ours(parts) == theirs(parts, tmp_path / "dest")


@pytest.mark.parametrize(("our", "their", "parts"), APART.values(), ids=APART)
def test_apart(tmp_path: Path, our: str, their: str, parts: tuple[Part, ...]) -> None:
    assert ours(parts) == our
    assert theirs(parts, tmp_path / "dest") in their.split("|")


def test_every_difference_is_documented() -> None:
    text = (Path(__file__).parents[2] / "docs/extractor.md").read_text()
    assert {key for key in APART if f"| {key} |" not in text} == set()


def test_modes_of_files_are_the_same() -> None:
    archive = pack(*(file(b"%d" % mode, mode=mode) for mode in range(0o10000)))
    policy = Policy()
    for member in members(archive):
        assert policy.decide(member).mode == tarfile.data_filter(as_info(member), "dest").mode
