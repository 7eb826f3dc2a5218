"""Nothing ran is not green: each command with each way of not running ends with 2, with who, why and what to do.

The contestants are small real programs that the test writes, as --target or in a tarbiter.toml.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from tarbiter.archive.case import Case
from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.expect import Entry, Expect
from tarbiter.archive.recipe import Member, Recipe
from tarbiter.archive.text import dumps
from tarbiter.cli import main

PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable

PLAIN = Recipe(parts=(Member(name=b"a", data=b"x"), Member(name=b"b")))
LINK = Recipe(parts=(Member(name=b"a", data=b"x"), Member(name=b"b", kind="symlink", linkname=b"a")))

EXTRACT = """import sys, tarfile{more}
options = dict(filter="fully_trusted") if hasattr(tarfile, "data_filter") else dict()
tarfile.open(sys.argv[1]).extractall(sys.argv[2], **options)
"""

TABLES = f"""
[dies]
serve = ["{PYTHON}", "-c", "import sys; sys.exit('no module named foo')"]

[mute]
serve = ["sleep", "1000"]

[babbles]
serve = ["echo", "hello"]

[idle]
argv = ["true", "{{archive}}", "{{dest}}"]

[fails]
argv = ["sh", "-c", "echo cannot find my files >&2; exit 3", "{{archive}}", "{{dest}}"]

[linkless]
argv = ["{PYTHON}", "ours/extract.py", "{{archive}}", "{{dest}}"]
lacks = {{ symlink = "it writes them as files" }}

[needy]
argv = ["{PYTHON}", "ours/needy.py", "{{archive}}", "{{dest}}"]

[served-with-needs]
argv = ["{PYTHON}", "ours/needy.py", "{{archive}}", "{{dest}}"]
visible = ["ours"]
"""


class Ended:
    """How a command ended, and all that it said, with line ends as blanks: a terminal may break them."""

    def __init__(self, code: int, output: str) -> None:
        self.code, self.output = code, " ".join(output.split())


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with contestants, an archive, a corpus of one case; and it is the working directory."""
    (tmp_path / "tarbiter.toml").write_text(TABLES)
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours" / "extract.py").write_text(EXTRACT.format(more=""))
    (tmp_path / "ours" / "needy.py").write_text(EXTRACT.format(more=", beside_it"))
    (tmp_path / "ours" / "beside_it.py").write_text("")
    (tmp_path / "plain.py").write_text(EXTRACT.format(more=""))
    (tmp_path / "x.tar").write_bytes(encode_bytes(PLAIN))
    (tmp_path / "link.tar").write_bytes(encode_bytes(LINK))
    for name, recipe in (("plain", PLAIN), ("link", LINK)):
        expected = Expect(must=(Entry(name=b"a", data=b"x"), Entry(name=b"b"))) if name == "plain" else Expect()
        case = Case(title="Two", why="Simple.", source=("POSIX pax",), recipe=recipe, expect=expected)
        (tmp_path / "corpus" / name).mkdir(parents=True)
        (tmp_path / "corpus" / name / "two.toml").write_text(dumps(case))
    (tmp_path / "corpus" / "flags.toml").write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments: str) -> Ended:
    done = CliRunner(env={"COLUMNS": "200"}).invoke(main, list(arguments))
    return Ended(done.exit_code, done.output)


def by_pytest(*arguments: str) -> Ended:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist", "-o", "addopts="]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    return Ended(done.returncode, done.stdout + done.stderr)


def options(who: str) -> tuple[str, str]:
    return ("--target" if "{archive}" in who else "--with", who)


OTHERS = "extractor-compat,tarfile-fully-trusted"

COMMANDS: dict[str, Callable[[str], Ended]] = {
    "compare": lambda who: call("compare", "x.tar", "--with", OTHERS, *options(who)),
    "check": lambda who: call("check", "--corpus", "corpus", *options(who)),
    "conformance": lambda who: call("conformance", "--corpus", "corpus", *options(who)),
    "fuzz": lambda who: call("fuzz", "--cases", "3", "--seed", "1", "--with", OTHERS, *options(who)),
    "nightly": lambda who: call(
        "nightly", "--minutes", "1", "--cases", "3", "--seed", "1", "--with", OTHERS, *options(who)
    ),
    "versus": lambda who: call("versus", "extractor-compat", who, "--cases", "3"),
    "pytest": lambda who: by_pytest(
        "--tarbiter-corpus", "corpus", f"--tarbiter-{options(who)[0].lstrip('-')}", who, "corpus"
    ),
}

WAYS = {
    "a driver that ends": ("dies", ("no module named foo", "tarbiter contestants check dies")),
    "a command that does nothing": (
        "/bin/true {archive} {dest}",
        ("reports success and left nothing instead of 'beside'", "visible=DIR"),
    ),
    "a command that fails": ("fails", ("does not extract an ordinary archive", "cannot find my files")),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.usefixtures("here")
def test_who_does_not_run_is_told_and_nothing_is_green(command: str, way: str) -> None:
    who, words = WAYS[way]
    ended = COMMANDS[command](who)
    assert ended.code == 2, ended.output
    assert [word for word in words if word not in ended.output] == [], ended.output
    assert "this is a bug" not in ended.output


@pytest.mark.parametrize(
    ("who", "words"),
    [
        ("mute", "its driver did not start: it did not say that it is ready, and does nothing for 2 s"),
        ("babbles", "its driver does not speak version 1 of the protocol, but: b'hello'"),
    ],
)
@pytest.mark.usefixtures("here")
def test_a_driver_that_never_says_that_it_is_ready(who: str, words: str) -> None:
    ended = call("compare", "x.tar", "--with", f"{OTHERS},{who}")
    assert ended.code == 2
    assert f"{who} answered 0 of 1: {words}" in ended.output


@pytest.mark.usefixtures("here")
def test_one_alone_agrees_with_nobody() -> None:
    ended = call("compare", "link.tar", "x.tar", "--with", "linkless,extractor-compat")
    assert ended.code == 2
    assert "link.tar: not compared: only extractor-compat of 2 ran" in ended.output
    assert "x.tar: all 2 agree: extracted" in ended.output
    assert "linkless answered 1 of 2: it cannot extract a symlink" in ended.output


@pytest.mark.usefixtures("here")
def test_of_those_that_were_not_named_an_absence_is_only_told(here: Path) -> None:
    """A mixture, with two who answer everything: the verdict stands, and the absence is told."""
    ended = call("compare", "link.tar", "x.tar", "--with", f"{OTHERS},linkless")
    assert ended.code == 0, ended.output
    assert "linkless answered 1 of 2" in ended.output
    assert here.exists()


@pytest.mark.usefixtures("here")
def test_a_case_that_nobody_was_judged_by() -> None:
    ended = call("check", "link", "--corpus", "corpus", "--with", "linkless")
    assert ended.code == 2
    assert "nothing was judged: nobody ran" in ended.output
    assert "all is well" not in ended.output


@pytest.mark.usefixtures("here")
def test_who_can_be_judged_is_judged_all_the_same() -> None:
    ended = call("check", "plain", "--corpus", "corpus", "--with", "extractor-compat,idle")
    assert ended.code == 2
    assert "extractor-compat 0.1.0: 1 cases, 1 pass" in ended.output
    assert "idle failed on the baseline" in ended.output


@pytest.mark.usefixtures("here")
def test_a_report_says_that_its_run_compared_nothing() -> None:
    """The same in a run's directory and in a store: what a campaign ended with, its report ends with."""
    for name in ("a", "b"):
        seed = (
            f'part = [{{ kind = "file", name = "{name}" }}]\n[world]\nplaced = [{{ kind = "file", name = "/x" }}]\n'
        )
        Path(f"{name}.toml").write_text(seed)
    ended = call("fuzz", "--cases", "2", "--seed", "1", "--with", OTHERS, "--seeds", "a.toml", "--seeds", "b.toml",
                 "--store", "store", "-o", "run")  # fmt: skip
    assert ended.code == 2, ended.output
    for source in ("run", "store"):
        report = call("report", source)
        assert report.code == 2, report.output
        for words in ("nothing was compared: nobody ran", "extractor-compat 0.1.0 answered 0 of 2: WorldError"):
            assert report.output.count(words) == 2, report.output


@pytest.mark.usefixtures("here")
def test_a_report_on_a_run_that_ran_ends_well() -> None:
    assert call("fuzz", "--cases", "2", "--seed", "1", "--with", OTHERS, "-o", "run").code in (0, 1)
    assert call("report", "run").code == 0


RELATIVE: dict[str, tuple[tuple[str, ...], int, str]] = {
    "script": (("--target", f"{PYTHON} plain.py {{archive}} {{dest}}"), 0, "all 2 agree"),
    "script in a directory": (("--target", f"{PYTHON} ours/extract.py {{archive}} {{dest}}"), 0, "all 2 agree"),
    "files beside it hidden": (
        ("--target", f"{PYTHON} ours/needy.py {{archive}} {{dest}}"),
        2,
        "No module named 'beside_it'",
    ),
    "files beside it visible": (
        ("--target", f"visible=ours {PYTHON} ours/needy.py {{archive}} {{dest}}"),
        0,
        "all 2 agree",
    ),
    "visible, and not there": (
        ("--target", f"visible=theirs {PYTHON} ours/needy.py {{archive}} {{dest}}"),
        2,
        "theirs is to be visible, and there is no such file or directory",
    ),
    "table": (("--with", "linkless"), 0, "all 2 agree"),
    "table, files beside it hidden": (("--with", "needy"), 2, "No module named 'beside_it'"),
    "table, files beside it visible": (("--with", "served-with-needs"), 0, "all 2 agree"),
    "no execute bit": (("--target", "./plain.py {archive} {dest}"), 2, "has no execute bit: chmod +x"),
    "no interpreter named": (("--target", "./bare {archive} {dest}"), 2, "a script begins with #!"),
    "interpreter not there": (
        ("--target", "./lost {archive} {dest}"),
        2,
        "the interpreter that its first line names",
    ),
    "a directory": (("--target", "./ours {archive} {dest}"), 2, "is a directory and no program"),
}


@pytest.mark.parametrize("way", RELATIVE)
def test_relative_paths_of_a_command(here: Path, way: str) -> None:
    for name, first in (("bare", ""), ("lost", "#!/no/such/interpreter\n")):
        (here / name).write_text(first + EXTRACT.format(more=""))
        (here / name).chmod(0o755)
    arguments, code, words = RELATIVE[way]
    ended = call("compare", "x.tar", "--with", "tarfile-fully-trusted", *arguments)
    assert (ended.code, words in ended.output) == (code, True), ended.output


@pytest.mark.usefixtures("here")
def test_a_file_below_the_working_directory_is_told_from_a_table_above(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths of a tarbiter.toml begin at its directory, wherever tarbiter is called."""
    monkeypatch.chdir("corpus")
    assert call("compare", "../x.tar", "--with", "tarfile-fully-trusted,linkless").code == 0


GROUPS: dict[str, tuple[str, ...]] = {
    "compare": ("compare", "x.tar", "--with", "default,idle"),
    "check": ("check", "plain", "--corpus", "corpus", "--with", "default,nobody"),
    "recheck": ("triage", "recheck", "--with", "all,nobody"),
    "ask": ("triage", "ask", "--with", "all,nobody"),
    "conformance": ("conformance", "--with", "default,nobody"),
    "fuzz": ("fuzz", "--cases", "1", "--with", "default,nobody"),
    "nightly": ("nightly", "--minutes", "1", "--with", "default,nobody"),
}


@pytest.mark.parametrize("command", [name for name in GROUPS if name != "compare"])
@pytest.mark.usefixtures("here")
def test_a_group_may_be_named_and_a_wrong_name_is_told(command: str) -> None:
    ended = call(*GROUPS[command])
    assert ended.code == 2
    assert "nobody: is no contestant" in ended.output


@pytest.mark.usefixtures("here")
def test_the_nearest_names_are_told() -> None:
    ended = call("compare", "x.tar", "--with", "tarfile-dat,extractor-compat")
    assert (ended.code, len(ended.output) < 200) == (2, True)
    assert "tarfile-dat: is no contestant; did you mean tarfile-data or" in ended.output


@pytest.mark.usefixtures("here")
def test_a_group_is_those_who_are_here() -> None:
    ended = call("compare", "x.tar", "--with", "default", "--json")
    assert all(
        f'"contestant": "{name}"' in ended.output
        for name in ("tarfile-fully-trusted", "extractor-strict", "linkless")
    )
    rows = json.loads(CliRunner().invoke(main, ["contestants", "--json"]).stdout)
    missing = [row["name"] for row in rows if row["ring"] == 1 and row["missing"]]
    assert ("left out of what was asked for" in ended.output) == bool(missing)
