"""python -m onetar: what it prints, what it leaves, and what it says when it ends."""

import gzip
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from onetar.__main__ import ALL, NOT_RUN, SOME, main

from .archives import file, folder, pack, pax, symlink
from .test_policy import tree

ROOT = Path(__file__).parents[2]
GOOD = pack(folder(b"d"), file(b"d/a"), symlink(b"l", b"d"))
FIFO = pack(file(b"a"), file(b"f", b"", kind="fifo"))
REFUSED = pack(file(b"a"), file(b"../b"))
AMBIGUOUS = pack(file(b"a"), file(b"a"))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, data in {
        "good.tar": GOOD,
        "good.tar.gz": gzip.compress(GOOD),
        "fifo.tar": FIFO,
        "refused.tar": REFUSED,
        "ambiguous.tar": AMBIGUOUS,
        "cut.tar": GOOD[:1026],
        "cut.tar.gz": gzip.compress(GOOD)[:-20],
        "empty.tar": b"",
        "text.tar": b"no archive at all\n" * 100,
        "short.tar": b"x",
    }.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("mine")
    (tmp_path / "full/l").write_text("mine")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code", "said", "left"),
    [
        pytest.param("x good.tar out", ALL, "", {"d/": "", "d/a": "text", "l": "-> d"}, id="all"),
        pytest.param("x good.tar.gz out", ALL, "", {"d/": "", "d/a": "text", "l": "-> d"}, id="gzip"),
        pytest.param(
            "x --strict --atomic good.tar out", ALL, "", {"d/": "", "d/a": "text", "l": "-> d"}, id="atomic"
        ),
        pytest.param("x --only d/a --strip-components 1 good.tar out", ALL, "", {"a": "text"}, id="selection"),
        pytest.param(
            "x fifo.tar out", SOME, r"skipped f at byte 0x400 \(type.special: ", {"a": "text"}, id="skipped"
        ),
        pytest.param(
            "x refused.tar out",
            SOME,
            r"refused.tar: name.climbs at byte 0x400, name \('\.\./b'\)",
            {"a": "text"},
            id="refused",
        ),
        pytest.param(
            "x --no-keep-partial refused.tar out",
            SOME,
            "1 members had been made and were taken back",
            None,
            id="taken-back",
        ),
        pytest.param("x --strict refused.tar out", SOME, "strict.name at byte 0x400", None, id="refused-by-strict"),
        pytest.param("x --strict --keep-partial refused.tar out", SOME, "partial.kept", {"a": "text"}, id="kept"),
        pytest.param("x --strict ambiguous.tar out", SOME, "strict.duplicate at byte 0x400", None, id="ambiguous"),
        pytest.param("x --compat ambiguous.tar out", ALL, "", {"a": "text"}, id="not-too-ambiguous"),
        pytest.param(
            "x cut.tar out",
            SOME,
            r"archive.truncated at byte 0x402(?s:.*)partial d/a",
            {"d/": "", "d/a": "te"},
            id="cut",
        ),
        pytest.param("x --no-keep-partial cut.tar.gz out", SOME, "compression.truncated", None, id="cut-gzip"),
        pytest.param("x --only zz good.tar out", SOME, "only.not-found: no member is 'zz'", {}, id="not-found"),
        pytest.param("x empty.tar out", NOT_RUN, "archive.empty at byte 0x0.*no tar archive", None, id="empty"),
        pytest.param("x text.tar out", NOT_RUN, "header.checksum at byte 0x94.*no tar archive", None, id="no-tar"),
        pytest.param("x short.tar out", NOT_RUN, "archive.truncated at byte 0x0.*no tar archive", None, id="short"),
        pytest.param("x missing.tar out", NOT_RUN, "missing.tar: No such file", None, id="missing"),
        pytest.param("x full out", NOT_RUN, "full: is a directory; name an archive", None, id="directory"),
        pytest.param("x good.tar good.tar", NOT_RUN, "good.tar: Not a directory", None, id="destination-is-a-file"),
        pytest.param("x good.tar no/where", NOT_RUN, "no/where: No such file", None, id="no-parent"),
        pytest.param(
            "x --atomic good.tar full", NOT_RUN, "full: atomic: the destination is not empty", None, id="full"
        ),
        pytest.param("x --atomic good.tar", NOT_RUN, "atomic needs a destination with a name", None, id="here"),
        pytest.param("x --atomic --keep-partial good.tar out", NOT_RUN, "exclude each other", None, id="both"),
        pytest.param("x --strip-components -1 good.tar out", NOT_RUN, "0 or more", None, id="negative"),
        pytest.param("t --only a good.tar", NOT_RUN, "need a policy", None, id="list-with-a-selection"),
    ],
)
def test_exit_codes(
    here: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    code: int,
    said: str,
    left: dict[str, str] | None,
) -> None:
    assert main(arguments.split()) == code
    out, err = capsys.readouterr()
    assert re.search(said, err) is not None
    assert out == ""
    assert (err == "") == (code == ALL)
    assert (tree(here / "out") if (here / "out").exists() else None) == left
    assert tree(here / "full") == {"l": "mine", "mine": "mine"}


@pytest.mark.parametrize(
    ("existing", "code", "there"),
    [([], SOME, "mine"), (["--existing", "keep"], ALL, "mine"), (["--existing", "replace"], ALL, "")],
    ids=["refuse", "keep", "replace"],
)
def test_existing_files_are_refused_unless_told_otherwise(
    here: Path, existing: list[str], code: int, there: str
) -> None:
    assert main(["x", *existing, "good.tar", "full"]) == code
    assert (here / "full/l").is_symlink() == (not there)


def test_metadata_options(here: Path) -> None:
    archive = pack(pax((b"SCHILY.xattr.user.a", b"b")), file(b"a", mode=0o755, mtime=5))
    (here / "a.tar").write_bytes(archive)
    assert main(["x", "--no-permissions", "--no-mtime", "--xattrs", "none", "a.tar", "plain"]) == ALL
    assert main(["x", "--xattrs", "all", "a.tar", "kept"]) == ALL
    plain, kept = (here / "plain/a").stat(), (here / "kept/a").stat()
    assert plain.st_mode & 0o111 == 0 != kept.st_mode & 0o100
    assert plain.st_mtime > kept.st_mtime == 5
    assert os.listxattr(here / "plain/a") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_owner_option(here: Path) -> None:
    (here / "a.tar").write_bytes(pack(file(b"a", uid=12345)))
    assert main(["x", "--owner", "a.tar", "out"]) == ALL
    assert (here / "out/a").stat().st_uid == 12345


def test_listing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["t", "good.tar"]) == ALL
    assert capsys.readouterr() == ("d\nd/a\nl\n", "")
    assert main(["t", "refused.tar"]) == ALL
    assert capsys.readouterr() == ("a\n../b\n", "")
    assert main(["t", "--strict", "good.tar"]) == ALL
    assert capsys.readouterr() == ("d\nd/a\nl\n", "")
    assert main(["t", "--strict", "ambiguous.tar"]) == SOME
    assert "strict.duplicate at byte 0x400" in capsys.readouterr().err
    assert not (here / "d").exists()


@pytest.mark.usefixtures("here")
def test_verbose(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["x", "-v", "fifo.tar", "out"]) == SOME
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == "written a at byte 0x0"
    assert out.splitlines()[1].startswith("skipped f at byte 0x400 (type.special: ")
    assert err == ""


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"plain", "plain"),
        ("\u00e4".encode(), "\u00e4"),
        (b"\x1b[31m\n", "\\x1b[31m\\n"),
        (b"\xff", "\\xff"),
        (b"a\\x1b", "a\\\\x1b"),
        ("\u202e".encode(), "\\u202e"),
    ],
)
def test_names_are_printed_so_that_no_terminal_obeys(
    here: Path, capsys: pytest.CaptureFixture[str], name: bytes, shown: str
) -> None:
    (here / "a.tar").write_bytes(pack(file(name)))
    assert main(["t", "a.tar"]) == ALL
    assert capsys.readouterr().out == f"{shown}\n"


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        ("x --json good.tar out", ALL, None),
        ("t --json good.tar", ALL, None),
        ("x --json refused.tar out", SOME, "name.climbs"),
        ("x --json empty.tar out", NOT_RUN, "archive.empty"),
        ("x --json missing.tar out", NOT_RUN, "not-run"),
        ("x --json good.tar good.tar", NOT_RUN, "ENOTDIR"),
    ],
)
@pytest.mark.usefixtures("here")
def test_json(capsys: pytest.CaptureFixture[str], arguments: str, code: int, error: str | None) -> None:
    assert main(arguments.split()) == code
    found = json.loads(capsys.readouterr().out)
    assert found["exit"] == code
    assert (found["error"] or {}).get("code") == error
    assert found["complete"] == (code == ALL)


def run(*arguments: str, **how: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]  # whatever it takes
        [sys.executable, "-m", "onetar", *arguments],
        env={"PYTHONPATH": str(ROOT / "extractor"), "LC_ALL": "C"},
        capture_output=True,
        check=False,
        **how,
    )


def test_standard_input_as_a_process(here: Path) -> None:
    done = run("x", "-", "out", input=gzip.compress(GOOD))
    assert (done.returncode, done.stdout, done.stderr) == (ALL, b"", b"")
    assert tree(here / "out") == {"d/": "", "d/a": "text", "l": "-> d"}


@pytest.mark.parametrize("arguments", [[], ["x"], ["y", "a"], ["x", "--strict", "--compat", "a"]], ids=str)
def test_usage(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == NOT_RUN
    assert "usage: " in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["x", "--help"], ["t", "--help"]], ids=str)
def test_help_shows_examples_and_exit_codes(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == ALL
    out = capsys.readouterr().out
    assert "python -m onetar x sdist.tar.gz build" in out
    assert "exit codes: 0 " in out


def test_a_reader_that_leaves(here: Path) -> None:
    (here / "many.tar").write_bytes(pack(*(file(b"%05d" % number, b"") for number in range(20_000))))
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as stdout:
        done = subprocess.run(
            [sys.executable, "-m", "onetar", "t", "many.tar"],
            env={"PYTHONPATH": str(ROOT / "extractor")},
            stdout=stdout,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


@pytest.mark.parametrize(
    ("number", "said"),
    [(signal.SIGINT, b"ended by SIGINT"), (signal.SIGTERM, b"ended by SIGTERM")],
    ids=["SIGINT", "SIGTERM"],
)
def test_signals(here: Path, number: int, said: bytes) -> None:
    """The archive comes by a pipe, and its end never: the signal finds it waiting."""
    with subprocess.Popen(
        [sys.executable, "-m", "onetar", "x", "--strict", "-v", "-", "out"],
        env={"PYTHONPATH": str(ROOT / "extractor")},
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # A shell starts what it puts into the background with SIGINT ignored, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  # there is one thread
    ) as process:
        assert process.stdin is not None
        process.stdin.write(GOOD)
        process.stdin.flush()
        while not (here / "out/l").is_symlink():
            assert process.poll() is None
        process.send_signal(number)
        out, err = process.communicate()
    assert process.returncode == 128 + number
    assert said in err
    assert re.findall(rb"^(\w+ \S+) ", out, re.MULTILINE) == [b"undone d", b"undone d/a", b"undone l"]
    assert not (here / "out").exists()
