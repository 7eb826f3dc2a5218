"""What compat decides, member by member: refused, changed, skipped, written as it is."""

import re
from pathlib import Path

import pytest
from hypothesis import given

from onetar import Limits, RefusedError, Report, TarError, check, extract
from onetar.pax import records
from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.recipe import Member, Part, Pax, Recipe
from tarbiter.generate.strategies import recipes

from .archives import file, folder, hardlink, long_link, long_name, pack, pax, symlink

SOURCES = Path(__file__).parents[2] / "extractor/onetar"

REFUSED: dict[str, tuple[str, int, tuple[Part, ...]]] = {
    # id: code, offset of what is wrong, archive
    "no-name": ("name.empty", 0, (file(b""),)),
    "climbs": ("name.climbs", 0, (file(b"../a"),)),
    "climbs-inside": ("name.climbs", 0, (file(b"a/../b"),)),
    "climbs-at-the-end": ("name.climbs", 0, (folder(b"a/.."),)),
    "climbs-alone": ("name.climbs", 0, (folder(b".."),)),
    "climbs-behind-an-absolute": ("name.climbs", 0, (file(b"/../a"),)),
    "climbs-by-pax": ("name.climbs", 1024, (pax((b"path", b"a/../../b")), file(b"a"))),
    "climbs-by-long-name": ("name.climbs", 1024, (long_name(b"../b"), file(b"a"))),
    "climbs-by-prefix": ("name.climbs", 0, (file(b"b", prefix=b".."),)),
    "deep": ("limit.depth", 3072, (pax((b"path", b"d/" * 1025)), folder(b"d"))),
    "long-component": ("name.too-long", 1024, (pax((b"path", b"n" * 256)), file(b"n"))),
    "directory-with-size": ("size.without-body", 124, (folder(b"d", data=b"x"),)),
    "symlink-with-size": ("size.without-body", 124, (symlink(b"l", b"a", data=b"x"),)),
    "hard-link-with-size": ("size.without-body", 512 + 512 + 124, (file(b"a"), hardlink(b"l", b"a", data=b"x"))),
    "fifo-with-size": ("size.without-body", 124, (file(b"f", kind="fifo"),)),
    "file-with-slash": ("type.slash-on-file", 0, (file(b"a/"),)),
    "symlink-without-target": ("link.empty", 157, (symlink(b"l", b""),)),
    "hard-link-without-target": ("link.empty", 157, (hardlink(b"l", b""),)),
    "hard-link-to-the-destination": ("link.empty", 157, (hardlink(b"l", b"./"),)),
    "absolute-symlink": ("link.absolute", 157, (symlink(b"l", b"/etc/passwd"),)),
    "long-target": ("link.too-long", 5120 + 157, (long_link(b"t" * 4096), symlink(b"l", b"t"))),
    "symlink-outside": ("link.climbs", 157, (symlink(b"l", b".."),)),
    "symlink-outside-from-below": ("link.climbs", 157, (symlink(b"a/b/l", b"../../../c"),)),
    "symlink-outside-and-in-again": ("link.climbs", 157, (symlink(b"l", b"../dest/a"),)),
    "symlink-outside-behind-a-name": ("link.climbs", 157, (symlink(b"l", b"a/../../b"),)),
    "hard-link-outside": ("link.climbs", 157, (hardlink(b"l", b"../a"),)),
    "hard-link-to-nothing": ("link.target", 157, (hardlink(b"l", b"a"),)),
    "hard-link-to-later": ("link.target", 157, (hardlink(b"l", b"a"), file(b"a"))),
    "hard-link-to-directory": ("link.target", 512 + 157, (folder(b"a"), hardlink(b"l", b"a"))),
    "hard-link-to-symlink": ("link.target", 512 + 157, (symlink(b"a", b"b"), hardlink(b"l", b"a"))),
    "hard-link-through-symlink": (
        "link.target",
        512 + 512 + 512 + 157,
        (symlink(b"s", b"d"), file(b"d/a"), hardlink(b"l", b"s/a")),
    ),
    "hard-link-to-itself": ("link.itself", 1024 + 157, (file(b"a"), hardlink(b"./a", b"a"))),
}

REFUSED_WHERE_IT_LANDS: dict[str, tuple[str, tuple[Part, ...]]] = {
    "below-a-symlink": ("path.through-link", (folder(b"d"), symlink(b"l", b"d"), file(b"l/a"))),
    "below-a-dangling-symlink": ("path.through-link", (symlink(b"l", b"d"), file(b"l/a"))),
    "below-a-chain": ("path.through-link", (symlink(b"k", b"."), symlink(b"l", b"k"), file(b"l/a"))),
    "below-a-file": ("path.through-link", (file(b"f"), file(b"f/a"))),
    "directory-below-a-symlink": ("path.through-link", (folder(b"d"), symlink(b"l", b"d"), folder(b"l/a"))),
    "directory-over-file": ("path.replaces", (file(b"a"), folder(b"a"))),
    "directory-over-symlink": ("path.replaces", (folder(b"d"), symlink(b"a", b"d"), folder(b"a/"))),
    "file-over-directory": ("path.directory-there", (folder(b"a"), file(b"a"))),
    "file-over-implied-directory": ("path.directory-there", (file(b"a/b"), file(b"a"))),
    "symlink-over-directory": ("path.directory-there", (folder(b"a"), symlink(b"a", b"b"))),
    "hard-link-over-directory": ("path.directory-there", (file(b"b"), folder(b"a"), hardlink(b"a", b"b"))),
}

CHANGED: dict[str, tuple[str, bytes, tuple[Part, ...]]] = {
    # id: code, path that is written, archive
    "absolute": ("name.absolute", b"etc/a", (file(b"/etc/a"),)),
    "slashes": ("name.absolute", b"a", (file(b"///a"),)),
    "absolute-directory": ("name.absolute", b"a", (folder(b"/a/"),)),
    "file-with-slash-and-no-size": ("type.slash", b"a", (file(b"a/", b""),)),
    "unknown-type": ("type.unknown", b"a", (file(b"a", typeflag=b"Z"),)),
    "target-through-a-name": ("link.straightened", b"l", (symlink(b"l", b"a/../b"),)),
    "target-climbs-behind-a-name": ("link.straightened", b"d/l", (symlink(b"d/l", b"a/../../b"),)),
    "absolute-hard-link": ("link.absolute-hardlink", b"l", (file(b"a"), hardlink(b"l", b"/a"))),
}

SKIPPED: dict[str, tuple[str, tuple[Part, ...]]] = {
    "destination": ("name.destination", (folder(b"./"),)),
    "destination-by-slashes": ("name.destination", (folder(b"//"),)),
    "character-device": ("type.special", (file(b"d", b"", kind="char"),)),
    "block-device": ("type.special", (file(b"d", b"", kind="block"),)),
    "fifo": ("type.special", (file(b"d", b"", kind="fifo"),)),
    "volume-label": ("type.not-extracted", (file(b"V", b"", typeflag=b"V"),)),
    "continuation": ("type.not-extracted", (file(b"M", b"rest", typeflag=b"M"),)),
    "long-names": ("type.not-extracted", (file(b"N", b"names", typeflag=b"N"),)),
    "dump-directory": ("type.not-extracted", (file(b"D", b"Yx\0\0", typeflag=b"D"),)),
}

WRITTEN: dict[str, tuple[dict[str, str], tuple[Part, ...]]] = {
    # id: what is there afterwards (a directory ends in a slash, a symlink says where it leads), archive
    "file": ({"a": "text"}, (file(b"a"),)),
    "nul-type": ({"a": "text"}, (file(b"a", typeflag=b"\0"),)),
    "contiguous": ({"a": "text"}, (file(b"a", kind="contiguous"),)),
    "parents": ({"a/": "", "a/b/": "", "a/b/c": "text"}, (file(b"a/b/c"),)),
    "dots-and-slashes": ({"a/": "", "a/b": "text"}, (file(b".//a/./b"),)),
    "odd-bytes": ({"\\x1b\x7f\n*": "text"}, (file(b"\\x1b\x7f\n*"),)),
    "not-utf-8": ({"\udcff": "text"}, (file(b"\xff"),)),
    "bytes-behind-a-nul": ({"a": "text"}, (file(b"a\0b"),)),
    "symlink": ({"l": "-> a"}, (symlink(b"l", b"a"),)),
    "symlink-up": ({"d/": "", "d/l": "-> ../a"}, (symlink(b"d/l", b"../a"),)),
    "symlink-to-the-top": ({"l": "-> ."}, (symlink(b"l", b"."),)),
    "symlink-loop": ({"a": "-> b", "b": "-> a"}, (symlink(b"a", b"b"), symlink(b"b", b"a"))),
    "hard-link": ({"a": "text", "l": "text"}, (file(b"a"), hardlink(b"l", b"./a"))),
    "hard-link-chain": (
        {"a": "text", "b": "text", "c": "text"},
        (file(b"a"), hardlink(b"b", b"a"), hardlink(b"c", b"b")),
    ),
    "twice-the-last-wins": ({"a": "new"}, (file(b"a", b"older"), file(b"a", b"new"))),
    "file-over-symlink": ({"a": "text"}, (symlink(b"a", b"b"), file(b"a"))),
    "symlink-over-file": ({"a": "-> b"}, (file(b"a"), symlink(b"a", b"b"))),
    "file-over-hard-link": ({"a": "text", "l": "new"}, (file(b"a"), hardlink(b"l", b"a"), file(b"l", b"new"))),
    "directory-twice": ({"d/": ""}, (folder(b"d"), folder(b"d/"))),
    "parent-afterwards": ({"d/": "", "d/a": "text"}, (file(b"d/a"), folder(b"d"))),
    "empty": ({}, ()),
}


def tree(root: Path) -> dict[str, str]:
    """What is below a directory: files with their text, directories with a slash, links with their target."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_dir():
            found[f"{name}/"] = ""
        else:
            found[name] = path.read_text()
    return found


@pytest.mark.parametrize(("code", "offset", "parts"), REFUSED.values(), ids=REFUSED)
def test_refused(tmp_path: Path, code: str, offset: int, parts: tuple[Part, ...]) -> None:
    archive = pack(*parts)
    with pytest.raises(RefusedError) as caught:
        extract(archive, tmp_path / "dest", keep_partial=False)
    assert (caught.value.code, caught.value.offset) == (code, offset)
    with pytest.raises(RefusedError, match=code):
        check(archive)
    report = caught.value.report
    assert report is not None
    assert (report.members[-1].outcome, report.members[-1].code) == ("refused", code)
    assert [path.name for path in tmp_path.iterdir()] == []


@pytest.mark.parametrize(("code", "parts"), REFUSED_WHERE_IT_LANDS.values(), ids=REFUSED_WHERE_IT_LANDS)
@pytest.mark.parametrize("existing", ["replace", "refuse", "keep"])
def test_refused_where_it_lands(tmp_path: Path, existing: str, code: str, parts: tuple[Part, ...]) -> None:
    with pytest.raises(RefusedError) as caught:
        extract(pack(*parts), tmp_path / "dest", existing=existing)
    assert caught.value.code == code
    assert caught.value.member is not None


@pytest.mark.parametrize(("code", "path", "parts"), CHANGED.values(), ids=CHANGED)
def test_changed(tmp_path: Path, code: str, path: bytes, parts: tuple[Part, ...]) -> None:
    row = extract(pack(*parts), tmp_path).members[-1]
    assert (row.outcome, row.code, row.path) == ("changed", code, path)
    assert row.detail
    assert (tmp_path / path.decode()).is_symlink() or (tmp_path / path.decode()).exists()


@pytest.mark.parametrize(("code", "parts"), SKIPPED.values(), ids=SKIPPED)
def test_skipped(tmp_path: Path, code: str, parts: tuple[Part, ...]) -> None:
    report = extract(pack(*parts, file(b"after")), tmp_path)
    assert (report.members[0].outcome, report.members[0].code) == ("skipped", code)
    assert tree(tmp_path) == {"after": "text"}
    assert report.complete == (code == "name.destination")


@pytest.mark.parametrize(("want", "parts"), WRITTEN.values(), ids=WRITTEN)
def test_written(tmp_path: Path, want: dict[str, str], parts: tuple[Part, ...]) -> None:
    report = extract(pack(*parts), tmp_path)
    assert tree(tmp_path) == want
    assert [row.outcome for row in report.members] == ["written"] * len(parts)
    assert report.complete


@pytest.mark.parametrize(
    ("given", "want"),
    [
        pytest.param(0o644, 0o644, id="plain"),
        pytest.param(0o755, 0o755, id="executable"),
        pytest.param(0o777, 0o755, id="not-for-others-to-write"),
        pytest.param(0o4755, 0o755, id="set-uid"),
        pytest.param(0o2755, 0o755, id="set-gid"),
        pytest.param(0o1644, 0o644, id="sticky"),
        pytest.param(0o611, 0o600, id="executable-by-others-only"),
        pytest.param(0o000, 0o600, id="nothing"),
        pytest.param(0o100644, 0o644, id="type-bits"),
    ],
)
def test_mode_of_a_file(tmp_path: Path, given: int, want: int) -> None:
    extract(pack(file(b"a", mode=given)), tmp_path)
    assert (tmp_path / "a").stat().st_mode & 0o7777 == want


@pytest.mark.parametrize(
    ("given", "want"),
    [
        pytest.param(0o755, 0o755, id="plain"),
        pytest.param(0o777, 0o755, id="not-for-others-to-write"),
        pytest.param(0o1777, 0o755, id="sticky"),
        pytest.param(0o000, 0o700, id="nothing"),
        pytest.param(0o555, 0o755, id="read-only"),
    ],
)
def test_mode_of_a_directory(tmp_path: Path, given: int, want: int) -> None:
    extract(pack(folder(b"d", mode=given), file(b"d/a")), tmp_path)
    assert (tmp_path / "d").stat().st_mode & 0o7777 == want


def test_mode_of_a_directory_that_comes_twice_is_the_last(tmp_path: Path) -> None:
    extract(pack(folder(b"d", mode=0o700), folder(b"d", mode=0o755)), tmp_path)
    assert (tmp_path / "d").stat().st_mode & 0o7777 == 0o755


@pytest.mark.parametrize(
    ("given", "written"),
    [(b"a/../b", b"b"), (b"./a", b"./a"), (b"../a/../c", b"../c"), (b"a//b", b"a//b"), (b"a/..", b".")],
)
def test_targets_are_straightened_only_where_a_name_is_climbed_out_of(
    tmp_path: Path, given: bytes, written: bytes
) -> None:
    extract(pack(symlink(b"d/l", given)), tmp_path)
    assert (tmp_path / "d/l").readlink() == Path(written.decode())


def test_depth_is_a_limit(tmp_path: Path) -> None:
    archive = pack(file(b"a/b/c"))
    assert extract(archive, tmp_path, limits=Limits(depth=3)).complete
    with pytest.raises(RefusedError, match=r"limit\.depth"):
        extract(archive, tmp_path, limits=Limits(depth=2))


# -- selection -----------------------------------------------------------------------------------------------------

ARCHIVE = pack(
    folder(b"top"), file(b"top/a"), file(b"top/d/b"), symlink(b"top/d/up", b"../a"), hardlink(b"top/h", b"top/d/b")
)


@pytest.mark.parametrize("policy", ["strict", "compat"])
@pytest.mark.parametrize(
    ("only", "strip", "want"),
    [
        pytest.param(["top/d/b"], 0, {"top/": "", "top/d/": "", "top/d/b": "text"}, id="one"),
        pytest.param([b"./top//a/"], 0, {"top/": "", "top/a": "text"}, id="spelt-otherwise"),
        pytest.param(["top/d"], 1, {"d/": "", "d/b": "text", "d/up": "-> ../a"}, id="below-a-name-and-stripped"),
        pytest.param(
            None,
            1,
            {"a": "text", "d/": "", "d/b": "text", "d/up": "-> ../a", "h": "text"},
            id="hard-link-targets-are-stripped-too",
        ),
        pytest.param(["top/d/b"], 3, {}, id="nothing-left"),
    ],
)
def test_selection(
    tmp_path: Path, policy: str, only: list[bytes | str] | None, strip: int, want: dict[str, str]
) -> None:
    report = extract(ARCHIVE, tmp_path, policy=policy, only=only, strip_components=strip)
    assert tree(tmp_path) == want
    assert report.complete


@pytest.mark.parametrize(
    ("code", "parts"),
    [
        pytest.param("link.climbs", (symlink(b"a/l", b"../b"),), id="symlink-outside-once-stripped"),
        pytest.param("name.climbs", (file(b"../a/b"),), id="dots-that-would-be-stripped"),
        pytest.param("link.climbs", (file(b"a/b"), hardlink(b"a/l", b"../b")), id="hard-link-dots"),
        pytest.param("link.empty", (symlink(b"a/l", b""),), id="no-target"),
    ],
)
def test_what_is_left_after_stripping_is_judged(tmp_path: Path, code: str, parts: tuple[Part, ...]) -> None:
    with pytest.raises(RefusedError) as caught:
        extract(pack(*parts), tmp_path / "dest", strip_components=1)
    assert caught.value.code == code


def test_strict_refuses_names_that_meet_once_they_are_stripped(tmp_path: Path) -> None:
    archive = pack(file(b"a/x"), file(b"b/x"))
    assert extract(archive, tmp_path / "whole", policy="strict").complete
    with pytest.raises(RefusedError) as caught:
        extract(archive, tmp_path / "stripped", policy="strict", strip_components=1)
    assert (caught.value.code, caught.value.offset) == ("strict.duplicate", 1024)


def test_strict_judges_members_that_are_not_wanted(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"strict\.name"):
        extract(pack(file(b"a"), file(b"../b")), tmp_path / "dest", policy="strict", only=["a"])


def test_a_hard_link_to_what_was_not_wanted_is_skipped(tmp_path: Path) -> None:
    report = extract(pack(file(b"a"), hardlink(b"l", b"a")), tmp_path, only=["l"])
    assert [(row.outcome, row.code) for row in report.members] == [
        ("skipped", "only.other"),
        ("skipped", "link.not-extracted"),
    ]
    assert not report.complete


def test_a_name_that_no_member_has_is_told(tmp_path: Path) -> None:
    report = extract(pack(file(b"a")), tmp_path, only=["a", "b"])
    assert [note.code for note in report.notes] == ["only.not-found"]
    assert not report.complete


@pytest.mark.parametrize(
    "options",
    [
        {"only": "a"},
        {"only": ["."]},
        {"strip_components": -1},
        {"policy": "lax"},
        {"existing": "x"},
        {"xattrs": "x"},
    ],
    ids=str,
)
def test_arguments_that_mean_nothing(tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"is|names"):
        extract(pack(file(b"a")), tmp_path / "dest", **options)  # type: ignore[arg-type]  # that is the point
    assert not (tmp_path / "dest").exists()


# -- what holds for all --------------------------------------------------------------------------------------------


def outcome(archive: bytes, policy: str) -> Report | None:
    """What a policy makes of an archive without writing it; None: it refuses."""
    try:
        return check(archive, policy=policy)
    except TarError:
        return None


@given(recipes())
def test_strict_accepts_a_subset_of_compat_and_says_the_same_of_it(recipe: Recipe) -> None:
    archive = encode_bytes(recipe)
    strict, compat = outcome(archive, "strict"), outcome(archive, "compat")
    assert strict is None or (compat is not None and strict.members == compat.members)


def test_the_records_of_a_header_are_read_once_and_not_once_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    # 50,000 records in one header took a minute and more: each of them read all of them again.
    counted = 0

    def counting(body: bytes, offset: int) -> list[tuple[bytes, bytes]]:
        nonlocal counted
        counted += 1
        return records(body, offset)

    monkeypatch.setattr("onetar.rules.records", counting)
    header = b"".join(b"%d K.%03d=v\n" % (11, number) for number in range(500))
    archive = encode_bytes(Recipe((Pax(data=header), Member(name=b"a"))))
    assert outcome(archive, "strict") is None
    assert 0 < counted < 10


def test_every_code_has_a_row() -> None:
    text = (SOURCES / "policy.py").read_text() + (SOURCES / "writer.py").read_text()
    codes = set(re.findall(r'"((?:name|type|link|size|path|limit|strip|only)\.[a-z-]+)"', text))
    shown = {row[0] for table in (REFUSED, REFUSED_WHERE_IT_LANDS, CHANGED, SKIPPED) for row in table.values()}
    elsewhere = {
        "path.exists": "test_writer",
        "only.other": "above",
        "only.not-found": "above",
        "strip.nothing-left": "above",
        "link.not-extracted": "above",
        "limit.members": "test_names",
    }
    assert codes - set(elsewhere) == shown
