"""Listings: rows of commands and words of drivers, and what is not used because it is not understood."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tarbiter.contest.installed.registry import OWN, Contestant, RegistryError, target
from tarbiter.contest.observation import Job
from tarbiter.contest.pool import Pool
from tarbiter.contest.worker.listing import LARGEST, UNUSED, ListingError, of_words, rows, unescaped

from .archives import PLAIN

TABLES = tomllib.loads(OWN.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("printed", "name"),
    [
        (b"plain", b"plain"),
        (rb"a\\b", b"a\\b"),
        (rb"a\nb\tc", b"a\nb\tc"),
        (rb"\303\251", b"\xc3\xa9"),
        (rb"\a\b\f\r\v", b"\a\b\f\r\v"),
        (rb"\\n", b"\\n"),
        (rb"\0011", b"\x011"),
        pytest.param(b"end\\", b"end\\", id="a backslash at the end"),
    ],
)
def test_unescaped(printed: bytes, name: bytes) -> None:
    assert unescaped(printed) == name


SEVEN = """Path = {}
Folder = -
Size = {}
Packed Size = 512
Modified = 1970-01-01 00:00:00
Mode = {}
User = my user
Symbolic Link = {}
Hard Link = {}
Characteristics = 0 POSIX ASCII
Device Minor = {}

"""

UNDERSTOOD = [
    ("gnu-tar", rb"drw-r--r-- 0/0               0 1970-01-01 00:00 d/", (b"d/", "dir", None)),
    ("gnu-tar", rb"-rw-r--r-- 0/0               5 1970-01-01 00:00 a\ b\\c\n\001", (b"a b\\c\n\x01", "file", 5)),
    (
        "gnu-tar",
        rb"lrw-r--r-- 0/0               0 1970-01-01 00:00 l\ ->\ x -> to\ y",
        (b"l -> x", "symlink", None),
    ),
    ("gnu-tar", rb"hrw-r--r-- 0/0               0 1970-01-01 00:00 h link to d/x", (b"h", "hardlink", None)),
    ("gnu-tar", rb"crw-r--r-- 0/0             1,3 1970-01-01 00:00 c", (b"c", "char", None)),
    ("gnu-tar", rb"-rw-r--r-- 9/9   2 36812-02-20 00:36 \ lead", (b" lead", "file", 2)),
    ("gnu-tar", rb"-rw-r--r-- 0/0  2 -9223372036854775808 f", (b"f", "file", 2)),
    (
        "gnu-tar",
        rb"Vrw-r--r-- 0/0               0 1970-01-01 00:00 v--Volume Header--",
        (b"v--Volume", "other", None),
    ),
    ("bsdtar", rb"-rw-r--r--  0 0      0           5 Jan  1  1970 a b\\c\n\001", (b"a b\\c\n\x01", "file", 5)),
    ("bsdtar", rb"-rw-r--r--  0 0      0           2 Dec 31 23:59  lead", (b" lead", "file", 2)),
    ("bsdtar", rb"-rw-r--r--  0 0      0           2 Dec 31 23:59 a -> b", (b"a -> b", "file", 2)),
    ("bsdtar", rb"-rw-r--r--  0 0      0           2 Dec 31 23:59 h link to a", (b"h", "other", None)),
    ("bsdtar", rb"lrw-r--r--  0 0      0           0 Jan  1  1970 l -> to", (b"l", "symlink", None)),
    ("bsdtar", rb"lrw-r--r--  0 0      0           0 Jan  1  1970 l", (b"l", "symlink", None)),
    ("bsdtar", rb"hrw-r--r--  0 0      0           0 Jan  1  1970 h link to d/x", (b"h", "hardlink", None)),
    ("busybox", rb"-rw-r--r-- my user/g g         5 1970-01-01 00:00:00 a\b", (b"a\\b", "file", 5)),
    ("busybox", rb"lrw-r--r-- 0/0         0 1970-01-01 00:00:00 l -> to", (b"l", "symlink", None)),
    ("busybox", rb"-rw-r--r-- 0/0         0 1970-01-01 00:00:00 h -> a", (b"h", "other", None)),
    ("7zip", SEVEN.format("a\\b", 5, "-rw-r--r--", "", "", "").encode(), (b"a\\b", "file", 5)),
    ("7zip", SEVEN.format("l", 2, "lrw-r--r--", "to", "", "").encode(), (b"l", "symlink", None)),
    ("7zip", SEVEN.format("h", 0, "-rw-r--r--", "", "a", "").encode(), (b"h", "hardlink", None)),
    ("7zip", SEVEN.format("p", 0, "prw-r--r--", "", "", "").encode(), (b"p", "fifo", None)),
]


@pytest.mark.parametrize(("name", "printed", "row"), UNDERSTOOD)
def test_what_commands_print(name: str, printed: bytes, row: tuple[bytes, str, int | None]) -> None:
    twice = rows((printed.rstrip(b"\n") + b"\n" + b"\n" * printed.endswith(b"\n\n")) * 2, TABLES[name]["row"])
    assert [(one.path, one.type, one.size) for one in twice] == [row, row]


@pytest.mark.parametrize(
    ("name", "printed", "words"),
    [
        ("gnu-tar", b"tar: Substituting -9 for an unknown date\n", "is not understood: 'tar: Subst"),
        ("gnu-tar", b"-rw-r--r-- 0/0   5 1970-01-01 00:00 a b\n", "is not understood"),
        ("bsdtar", b"lrw-r--r--  0 0      0           0 Jan  1  1970 l -> x -> y\n", "is not understood"),
        ("busybox", b"-rw-r--r-- 0/0   5 1970-01-01 00:00:00 a\n\x1b[31m\n", r"is not understood: '\\x1b\[31m'"),
        ("7zip", b"Path = a\nFolder = -\n", "is not understood"),
        ("gnu-tar", b"x" * LARGEST, "longer than"),
    ],
)
def test_what_is_not_understood_is_not_used(name: str, printed: bytes, words: str) -> None:
    with pytest.raises(ListingError, match=words):
        rows(printed, TABLES[name]["row"])


def test_names_alone() -> None:
    assert [one.path for one in rows(b"a\\nb\n c")] == [b"a\nb", b" c"]
    assert rows(b"") == ()


@pytest.mark.parametrize(
    ("detail", "kind"),
    [
        ("type Regular, size 5, mode 644", "file"),
        ("type Directory, size 0", "dir"),
        ("type XGlobalHeader, size 0", "other"),
        ('{"type":"SymbolicLink","size":0}', "symlink"),
        ('{"type":"character-device"}', "char"),
        ("size 5, type Regular", ""),
        ("", ""),
    ],
)
def test_what_drivers_say(detail: str, kind: str) -> None:
    row = of_words(b"n", detail)
    assert (row.path, row.type, row.size, row.detail) == (b"n", kind, None, detail)


# -- a command of one's own ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lister(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that extracts like tar, and lists as its argument says."""
    path = tmp_path_factory.mktemp("lister") / "lister"
    path.write_text(
        "#!/bin/sh\n"
        'case "$1" in\n'
        'x) exec tar -xf "$2" -C "$3" ;;\n'
        'names) echo "nothing of this is a name" >&2; tar -tf "$2" ;;\n'
        'more) tar -tf "$2"; echo more ;;\n'
        'fails) tar -tf "$2"; exit 3 ;;\n'
        "dies) kill -SEGV $$ ;;\n"
        'floods) yes "$2" | head -c 5000000 ;;\n'
        "esac\n"
    )
    path.chmod(0o755)
    return path


WAYS = {
    "names": ([b"d/", b"d/f", b"d/l", b"h"], ()),
    "more": ([b"d/", b"d/f", b"d/l", b"h", b"more"], ()),
    "fails": (None, (f"{UNUSED}: it ended with exit code 3",)),
    "dies": (None, (f"{UNUSED}: it ended with signal 11",)),
    "floods": (None, (f"{UNUSED}: it is longer than {LARGEST} bytes",)),
}


def test_a_command_of_ones_own_lists(lister: Path) -> None:
    ring = [
        Contestant.from_command(f"{lister} x {{archive}} {{dest}} :: {lister} {way} {{archive}}", name=way)
        for way in WAYS
    ]
    with Pool(ring) as pool:
        (silent,) = pool.run(Job(archive=PLAIN, contestants=("names",)))
        heard = pool.run(Job(archive=PLAIN, contestants=tuple(WAYS), listing=True))
    assert silent.listing is None
    found = {
        one.contestant: (None if one.listing is None else [row.path for row in one.listing], one.notes)
        for one in heard
    }
    assert found == WAYS


def test_a_known_program_is_asked_as_it_is_known_to_list(lister: Path) -> None:
    known = target("tar --exclude=x -xf {archive} -C {dest}")
    assert (known.table.list, known.table.row) == (tuple(TABLES["gnu-tar"]["list"]), TABLES["gnu-tar"]["row"])
    assert target(f"{lister} x {{archive}} {{dest}}").table.list == ()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("tar -xf {archive} -C {dest} ::", "must say behind ::"),
        ("tar -xf {archive} -C {dest} :: tar -t", "must say behind ::"),
        (
            "tar -xf {archive} -C {dest} :: no-such-lister {archive}",
            "no program no-such-lister on PATH, which is to list",
        ),
        ("tar -t :: tar -xf {archive} -C {dest}", "must say where the archive and the destination go"),
    ],
)
def test_a_listing_command_that_is_none(command: str, words: str) -> None:
    with pytest.raises(RegistryError, match=words):
        Contestant.from_command(command)
