"""`tarbiter check`, and the pytest plugin: an extractor under development, before and after a change."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner, Result

from tarbiter.archive.case import Case
from tarbiter.archive.expect import Entry, Expect
from tarbiter.archive.recipe import Member, Recipe
from tarbiter.archive.text import dumps
from tarbiter.cli import main

PROGRAM = """import sys, tarfile
options = dict(filter="fully_trusted") if hasattr(tarfile, "data_filter") else dict()
with tarfile.open(sys.argv[1]) as archive:
    for member in archive:
        if member.name != {skipped!r}:
            archive.extract(member, sys.argv[2], **options)
"""

PLAIN = Case(
    title="Two files",
    why="Nothing is simpler.",
    source=("POSIX pax",),
    recipe=Recipe(parts=(Member(name=b"a", data=b"x"), Member(name=b"b"))),
    expect=Expect(must=(Entry(name=b"a", data=b"x"), Entry(name=b"b"))),
)
OPEN = Case(title="A FIFO", recipe=Recipe(parts=(Member(name=b"pipe", kind="fifo"),)))


class Bench:
    """A corpus of two cases and an extractor that can be changed."""

    def __init__(self, folder: Path) -> None:
        self.corpus, self.script, self.results = folder / "corpus", folder / "mytar.py", folder / "results"
        for name, case in (("plain/two", PLAIN), ("types/fifo", OPEN)):
            (self.corpus / name).parent.mkdir(parents=True, exist_ok=True)
            (self.corpus / f"{name}.toml").write_text(dumps(case))
        (self.corpus / "flags.toml").write_text("")
        self.change("")

    def change(self, skipped: str) -> None:
        """The extractor leaves out a member of that name."""
        self.script.write_text(PROGRAM.format(skipped=skipped))

    @property
    def target(self) -> str:
        return f"{sys.executable} {self.script} {{archive}} {{dest}}"

    def check(self, *arguments: str | Path) -> Result:
        where = ("--corpus", self.corpus, "--results", self.results, "--target", self.target)
        return CliRunner(env={"COLUMNS": "160"}).invoke(main, ["check", *map(str, (*where, *arguments))])

    def pytest(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        where = ("--tarbiter-corpus", self.corpus, "--tarbiter-results", self.results)
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--tarbiter-target", self.target]
        return subprocess.run(
            [*command, *map(str, (*where, *arguments))],
            cwd=self.script.parent,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_what_was_never_recorded_is_held_against_what_is_expected(bench: Bench) -> None:
    well = bench.check()
    assert well.exit_code == 0, well.output
    assert "2 cases, 2 pass; nothing recorded to hold it against: all is well" in well.stdout
    bench.change("b")
    ill = bench.check()
    assert ill.exit_code == 1, ill.output
    assert "plain/two: extracted, fail; not recorded" in ill.stdout
    assert "'b' is missing" in ill.stdout


def test_a_change_is_told_and_an_old_failure_is_not(bench: Bench) -> None:
    bench.change("b")
    assert bench.check("--record").exit_code == 0
    assert bench.check().exit_code == 0
    bench.change("pipe")
    result = bench.check()
    assert result.exit_code == 1
    assert "types/fifo: extracted, pass; not as recorded\n      no longer: fifo pipe" in result.stdout
    assert "plain/two: extracted, pass (must); not as recorded\n      fail before, pass (must) now" in result.stdout
    assert "against the results of" in result.stdout


def test_a_case_that_changed_is_no_change_of_the_extractor(bench: Bench) -> None:
    bench.check("--record")
    (bench.corpus / "types" / "fifo.toml").write_text(dumps(Case(recipe=Recipe(parts=(Member(name=b"z"),)))))
    rows = json.loads(bench.check("--json").stdout)
    assert {row["case"]: row.get("change", "") for row in rows} == {"plain/two": "", "types/fifo": "other-case"}
    assert bench.check().exit_code == 0


def test_recording_some_cases_leaves_the_others(bench: Bench) -> None:
    bench.check("--record")
    bench.change("pipe")
    path = Path(bench.check("--record", "plain").stdout.strip())
    assert json.loads(path.read_text())["cases"].keys() == {"plain/two", "types/fifo"}
    assert bench.check("plain").exit_code == 0
    assert bench.check("types").exit_code == 1


def test_recording_twice_writes_the_same_bytes(bench: Bench) -> None:
    path = Path(bench.check("--record").stdout.strip())
    first = path.read_bytes()
    path.unlink()
    bench.check("--record")
    assert path.read_bytes() == first


@pytest.mark.parametrize("case", ["plain/two", "plain", "{corpus}/plain/two.toml"])
def test_cases_by_id_topic_and_file(bench: Bench, case: str) -> None:
    rows = json.loads(bench.check(case.replace("{corpus}", str(bench.corpus)), "--json").stdout)
    assert [row["case"] for row in rows] == ["plain/two"]


def test_known_contestants_take_part_when_they_are_named(bench: Bench) -> None:
    rows = json.loads(bench.check("plain", "--with", "extractor-strict", "--json").stdout)
    assert [row["contestant"].partition("-")[0] for row in rows] == ["extractor", Path(sys.executable).name]


def test_as_junit(bench: Bench, tmp_path: Path) -> None:
    bench.change("b")
    assert bench.check("--junit", tmp_path / "x.xml").exit_code == 1
    (suite,) = ElementTree.parse(tmp_path / "x.xml").getroot()
    outcomes = {case.get("name"): [child.tag for child in case] for case in suite.iter("testcase")}
    assert outcomes == {"plain/two": ["failure"], "types/fifo": []}
    (failure,) = suite.iter("failure")
    assert "'b' is missing" in (failure.text or "")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("none/such",), "is no case"),
        (("none.toml",), "no such file"),
        (("--with", "nobody"), "is no contestant"),
        (("--corpus", "/none"), "holds no cases"),
        (("--target", "cat"), "{archive}"),
        (("--junit", "/proc/none/x.xml"), "cannot be written"),
        (("--record", "--results", "/proc/none"), "cannot be written"),
    ],
)
def test_what_cannot_run_ends_with_2(bench: Bench, arguments: tuple[str, ...], says: str) -> None:
    result = bench.check(*arguments)
    assert (result.exit_code, says in result.stderr, "Traceback" in result.stderr) == (2, True, False)


def test_damaged_results_are_told(bench: Bench) -> None:
    path = Path(bench.check("--record").stdout.strip())
    path.write_text("{")
    result = bench.check()
    assert (result.exit_code, "holds no results" in result.stderr) == (2, True)


# The plugin -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "xdist"])
def test_a_test_for_each_case(bench: Bench, workers: tuple[str, ...]) -> None:
    done = bench.pytest("-v", *workers)
    assert done.returncode == 0, done.stdout
    names = set(re.findall(r"tarbiter::(\S+?)\[", done.stdout))
    assert names == {"plain/two", "types/fifo"}
    assert "2 passed" in done.stdout


def test_a_failure_says_what_a_person_needs(bench: Bench) -> None:
    bench.change("b")
    done = bench.pytest()
    assert done.returncode == 1
    for words in ("Two files", "'b' is missing", "why: Nothing is simpler.", "source: POSIX pax", 'name = "b"'):
        assert words in done.stdout, words
    assert f"again: tarbiter check {bench.corpus}/plain/two.toml --results {bench.results} --target" in done.stdout
    assert "Traceback" not in done.stdout
    assert "1 failed, 1 passed" in done.stdout


def test_what_is_as_recorded_passes(bench: Bench) -> None:
    bench.change("b")
    bench.check("--record")
    assert bench.pytest().returncode == 0
    bench.change("a")
    done = bench.pytest()
    assert (done.returncode, "not as recorded with" in done.stdout) == (1, True)


def test_the_tests_can_be_chosen(bench: Bench) -> None:
    assert "1 passed, 1 deselected" in bench.pytest("-k", "fifo").stdout
    assert "2 passed" in bench.pytest("-m", "tarbiter", "--strict-markers").stdout
    assert "1 passed" in bench.pytest("--tarbiter-cases", "plain").stdout


def test_a_target_that_is_none_is_an_error_of_use(bench: Bench) -> None:
    done = bench.pytest("--tarbiter-target", "cat")
    assert (done.returncode, "{archive}" in done.stderr) == (4, True)


def test_without_the_option_nothing_is_added_or_imported() -> None:
    code = (
        "import sys, pytest; pytest.main(['--collect-only', '-q', '-p', 'no:cacheprovider', '/dev/null']); "
        "print('tarbiter.contest' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_a_bad_case_does_not_end_the_others(tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text("part = [")
    words = ("no/such-case", "types/file-with-trailing-slash", str(bad), "--with", "extractor-compat")
    done = CliRunner(env={"COLUMNS": "200"}).invoke(main, ["check", *words])
    assert done.exit_code == 2
    assert "extractor-compat" in done.stdout
    assert "1 cases" in done.stdout
    assert "no/such-case: is no case" in done.stderr
    assert f"{bad}:1: not TOML" in done.stderr
