"""What hurt other extractors, and every odd feature we know: for each a decision, the same whoever asks."""

import os
from pathlib import Path

import pytest

from onetar import Report, TarError, extract
from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.recipe import Long, Member, Part, Pax, Record
from tarbiter.generate.draft import Draft, ordinary
from tarbiter.generate.features import FEATURES, apply

from .archives import common, file, folder, hardlink, long_link, long_name, pack, pax, symlink
from .test_policy import tree
from .test_worlds import snapshot

DOCS = (Path(__file__).parents[2] / "docs/extractor.md").read_text()
INNER = pack(file(b"smuggled"), end=0)
HUGE = b"\x80" + b"\0" * 3 + b"\x80" + b"\0" * 7

HURT: dict[str, tuple[str, str, tuple[Part, ...] | bytes]] = {
    # what was hurt: what strict says, what compat says (a code, or the names of the tree), archive
    "CVE-2019-20907-tarfile-hangs": (
        "pax.length",
        "pax.length",
        (Pax(records=(Record(b"path", b"z", b"0"),)), file(b"a")),
    ),
    "CVE-2026-11972-tarfile-hangs": ("strict.number", "archive.truncated", (file(b"a", size=HUGE),)),
    "tar-rs-265-panics": ("strict.number", "archive.truncated", (file(b"a", size=b"\x80" + b"\xff" * 11),)),
    "CVE-2026-82049-tarfile": (
        "strict.link",
        "link.target",
        (symlink(b"d/l", b"../x"), hardlink(b"m", b"d/l"), file(b"m")),
    ),
    "CVE-2024-12718-tarfile": ("strict.duplicate", "path.directory-there", (folder(b"d"), symlink(b"d", b"e"))),
    "CVE-2025-4435-tarfile": ("strict.name", "name.climbs", (file(b"../a"),)),
    "CVE-2025-4330-tarfile": ("strict.link", "link.target", (symlink(b"l", b"d"), hardlink(b"h", b"d/x"))),
    "CVE-2025-4517-tarfile": (
        "link.climbs",
        "link.climbs",
        (
            folder(b"d" * 90),
            symlink(b"a", b"d" * 90),
            pax((b"linkpath", b"a/" * 16 + b"../" * 18)),
            symlink(b"e", b"a"),
        ),
    ),
    "CVE-2025-4138-tarfile": ("strict.changed", "a a/l", (symlink(b"a/l", b"b/../../x"),)),
    "CVE-2025-62518-tokio-tar": (
        "strict.pax",
        "a b",
        (pax((b"size", b"%d" % len(INNER))), file(b"a", INNER, size=0), file(b"b")),
    ),
    "GHSA-3pv8-6f4r-ffg2-tar-rs": (
        "strict.extension",
        "a" + "n" * 120,
        (pax((b"size", b"4")), long_name(b"a" + b"n" * 120), file(b"an", b"text")),
    ),
    "GHSA-fp55-jw48-c537-uv-leaks-a-size": (
        "a b",
        "a b",
        (pax((b"size", b"4")), file(b"a"), file(b"b", b"longer")),
    ),
    "tokio-tar-nul-version": ("strict.layout", "p p/a", (file(b"a", version=b"\0\0", prefix=b"p"),)),
    "tokio-tar-pax-under-gnu": ("b", "b", (pax((b"path", b"b"), format="gnu"), file(b"a", format="gnu"))),
    "tokio-tar-dangling": ("strict.end", "a", (file(b"a"), pax((b"path", b"b")))),
    "CVE-2021-38511-tar-rs": ("strict.duplicate", "path.through-link", (symlink(b"l", b"d"), folder(b"l/x"))),
    "CVE-2026-33056-tar-rs": ("strict.duplicate", "path.replaces", (symlink(b"l", b"d"), folder(b"l"))),
    "tar-rs-249-read-only-parent": ("d d/a", "d d/a", (folder(b"d", mode=0o555), file(b"d/a"))),
    "tokio-tar-40-long-name-of-a-directory": (
        "n" * 120,
        "n" * 120,
        (long_name(b"n" * 120 + b"/"), folder(b"n" * 100)),
    ),
    "tokio-tar-nul-in-a-long-name": ("strict.extension", "a", (long_name(b"a\0b"), file(b"a"))),
    "tokio-tar-newline-in-an-attribute": ("a", "a", (pax((b"SCHILY.xattr.user.a", b"x\ny=z\n")), file(b"a"))),
    "tokio-tar-solaris": ("strict.extension", "b", (pax((b"path", b"b"), kind="pax-solaris"), file(b"a"))),
    "tokio-tar-mixed-carriers": (
        "extension.carriers-disagree",
        "extension.carriers-disagree",
        (pax((b"path", b"b")), long_name(b"c"), file(b"a")),
    ),
    "libarchive-1569-v7-directory-with-size": ("strict.name", "type.slash-on-file", (file(b"d/", format="v7"),)),
    "libarchive-v7-directory": ("strict.name", "d", (file(b"d/", b"", format="v7"),)),
    "libarchive-36a53097-negative-size": ("header.size", "header.size", (file(b"v", b"", typeflag=b"V", size=-1),)),
    "CVE-2026-59874-node-tar-negative-size": ("header.size", "header.size", (file(b"a", b"", size=-1),)),
    "CVE-2026-42497-Archive-Tar": ("strict.link", "link.target", (hardlink(b"l", b"/etc/passwd"),)),
    "CVE-2026-42496-Archive-Tar": ("strict.link", "link.absolute", (symlink(b"l", b"/etc"), file(b"l/a"))),
    "libarchive-80f126c9-empty-pax": ("a", "a", (pax(), file(b"a"))),
    "libarchive-2360-pax-before-v7": ("b", "b", (pax((b"path", b"b")), file(b"a", format="v7"))),
    "libarchive-ignores-globals": ("strict.extension", "b", (common((b"path", b"b")), file(b"a"))),
    "CVE-2023-42503-commons-compress": ("pax.time", "pax.time", (pax((b"mtime", b"1e9999")), file(b"a"))),
    "CVE-2021-35517-commons-compress": (
        "limit.extension",
        "limit.extension",
        (pax((b"path", b"b"), size=1 << 30),),
    ),
    "CVE-2026-59875-node-tar-nul-in-path": ("pax.nul", "pax.nul", (pax((b"path", b"a\0b")), file(b"a"))),
    "CVE-2024-28863-node-tar-deep": ("strict.name", "limit.depth", (pax((b"path", b"d/" * 2000)), folder(b"d"))),
    "CVE-2018-20835-tar-fs": (
        "strict.link",
        "link.climbs",
        (hardlink(b"a", b"../outside"), file(b"a", b"overwritten")),
    ),
    "CVE-2025-48387-tar-fs": (
        "strict.duplicate",
        "path.through-link",
        (symlink(b"a", b"."), symlink(b"a/b", b"."), file(b"a/b/c")),
    ),
    "CVE-2026-29786-node-tar-drive": ("strict.link", "link.target", (hardlink(b"l", b"C:../x"),)),
    "CVE-2026-31802-node-tar-drive": ("strict.link", "l", (symlink(b"l", b"C:../x"),)),
    "CVE-2021-37701-node-tar-backslash": (
        "strict.name",
        "a\\b a\\b/c",
        (folder(b"a\\b"), file(b"a\\b/c")),
    ),
    "tar-stream-83-cut-short": ("archive.truncated", "archive.truncated", pack(file(b"a", b"x" * 600))[:1024]),
    "tar-fs-root-entry": ("a", "a", (folder(b"./", mode=0), file(b"./a"))),
    "tar-fs-setuid": ("strict.mode", "a", (file(b"a", mode=0o4755),)),
    "plexus-sibling-prefix": ("strict.name", "name.climbs", (file(b"../dest-sibling/a"),)),
    "CVE-2025-59343-tar-fs-sibling": ("link.climbs", "link.climbs", (symlink(b"l", b"../dest-sibling"),)),
    "node-tar-numeric-name": ("123", "123", (pax((b"path", b"123")), file(b"a"))),
    "uv-repeated-key": ("strict.pax", "c", (pax((b"path", b"b"), (b"path", b"c")), file(b"a"))),
    "uv-5450-long-names": (
        " ".join(sorted(chr(97 + one) * 120 for one in range(8))),
        " ".join(sorted(chr(97 + one) * 120 for one in range(8))),
        tuple(
            part
            for one in range(8)
            for part in (Long(text=bytes([97 + one]) * 120), Member(name=bytes([97 + one]) * 100, data=b"x"))
        ),
    ),
    "long-link-of-a-symlink": ("l", "l", (long_link(b"t" * 120), symlink(b"l", b"t" * 100))),
    "one-zero-block-between-members": (
        "archive.lone-zero-block",
        "archive.lone-zero-block",
        pack(file(b"a"), end=1) + pack(file(b"b")),
    ),
}


def said(archive: bytes, dest: Path, policy: str) -> str:
    """The code of a refusal, or the names of the tree."""
    try:
        extract(archive, dest, policy=policy, keep_partial=False)
    except TarError as error:
        return error.code
    return " ".join(sorted(name.rstrip("/") for name in tree(dest)))


@pytest.mark.parametrize(("strict", "compat", "what"), HURT.values(), ids=HURT)
def test_what_hurt_others(tmp_path: Path, strict: str, compat: str, what: tuple[Part, ...] | bytes) -> None:
    archive = what if isinstance(what, bytes) else pack(*what)
    outside = tmp_path / "outside"
    outside.mkdir()
    before = snapshot(outside)
    assert said(archive, tmp_path / "strict", "strict") == strict
    assert said(archive, tmp_path / "compat", "compat") == compat
    assert snapshot(outside) == before


ORDINARY: tuple[Part, ...] = (
    ordinary("dir", b"dir", 0),
    ordinary("file", b"a", 5),
    ordinary("file", b"dir/f", 600),
    ordinary("symlink", b"b", 0, b"a"),
    ordinary("hardlink", b"c", 0, b"a"),
)


def drafts(name: str) -> list[bytes]:
    """Archives in which one feature has each value of each of its parameters, the others their first."""
    parameters = FEATURES[name].parameters
    first = {key: values[0] for key, values in parameters.items()}
    found = []
    for key, values in parameters.items():
        for value in values:
            draft = Draft(list(ORDINARY))
            apply(name, draft, {**first, key: value})
            found.append(encode_bytes(draft.recipe()))
    return list(dict.fromkeys(found))


def verdict(archive: bytes, dest: Path, policy: str) -> str:
    """The code of a refusal; empty: it was accepted."""
    report = Report()
    try:
        extract(archive, dest, policy=policy, report=report)
    except TarError as error:
        return error.code
    assert all(row.outcome in ("written", "changed", "skipped") for row in report.members)
    return ""


@pytest.mark.parametrize("name", FEATURES)
def test_every_feature_has_a_decision(deep_path: Path, name: str) -> None:
    """Whatever it is like: one of our codes, nothing outside changes, and what strict accepts compat makes too."""
    outside = deep_path / "outside"
    outside.mkdir()
    (outside / "mine").write_text("mine")
    before = snapshot(outside)
    for number, archive in enumerate(drafts(name)):
        strict, compat = deep_path / f"{number}s", deep_path / f"{number}c"
        codes = (verdict(archive, strict, "strict"), verdict(archive, compat, "compat"))
        assert all(not code or f"{code}`" in DOCS for code in codes)
        assert codes[0] or not codes[1]
        assert codes[0] or described(strict) == described(compat)
    assert snapshot(outside) == before


def described(root: Path) -> dict[str, tuple[object, ...]]:
    """A tree with contents, modes, times of files, and how many names each has, as deep as paths can reach."""
    found: dict[str, tuple[object, ...]] = {}
    pending = [root]
    while pending:
        for entry in os.scandir(pending.pop()):
            status = entry.stat(follow_symlinks=False)
            name = str(Path(entry.path).relative_to(root))
            if entry.is_dir(follow_symlinks=False):
                found[name] = (status.st_mode,)
                pending += [Path(entry.path)] if len(entry.path) < 3500 else []
            elif entry.is_symlink():
                found[name] = (os.readlink(entry.path), status.st_mtime_ns, status.st_nlink)
            else:
                content = Path(entry.path).read_bytes()
                found[name] = (status.st_mode, status.st_mtime_ns, status.st_nlink, content)
    return found
