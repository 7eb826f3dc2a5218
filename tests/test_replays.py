"""Every line that is printed for running something again does run, in any directory, and shows the same."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest
from click.testing import CliRunner, Result

from tarbiter.archive.case import Case
from tarbiter.archive.expect import Entry, Expect
from tarbiter.archive.recipe import Member, Recipe
from tarbiter.archive.text import dumps
from tarbiter.cli import main
from tarbiter.contest.replay import Called, command, quoted
from tarbiter.report.markdown import summary
from tarbiter.report.sources import gather

LINE = re.compile(r"(?:cd \S[^&]* && )?tarbiter (?:compare|check|triage) [^\n]*")

NAMED = "own, extractor-compat"
SCRIPT = """#!/bin/sh
# Extracts, and loses empty files.
tar -xf "$1" -C "$2"
status=$?
find "$2" -type "$3" -empty -delete
exit $status
"""
OWN = """[own]
family = "gnu-tar"
argv = ["tar", "-xf", "{archive}", "-C", "{dest}"]
"""


class Project:
    """A directory with a `tarbiter.toml` and an extractor of its own; a campaign that both took part in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "tarbiter.toml").write_text(OWN)
        (folder / "my tar").write_text(SCRIPT)
        (folder / "my tar").chmod(0o755)
        self.target = "'./my tar' {archive} {dest} 'f'"
        self.ring = ("--with", NAMED, "--target", self.target)

    def run(self, *arguments: str | Path) -> Result:
        """A command in this directory."""
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            return CliRunner(env={"COLUMNS": "300"}).invoke(main, list(map(str, arguments)))
        finally:
            os.chdir(before)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("it's here")
    return Project(folder)


@pytest.fixture(scope="module")
def campaign(project: Project) -> str:
    """What a campaign of this project printed; its run and its store are beside it."""
    result = project.run(
        "fuzz", "--cases", "4", "--seed", "3", *project.ring, "-o", "run", "--store", "store", "--jobs", "1"
    )
    assert result.exit_code == 1, result.output
    return str(result.stdout)


def shell(line: str) -> subprocess.CompletedProcess[str]:
    """Run a line as a person does who copied it, somewhere else."""
    programs = str(Path(sys.executable).parent)
    around = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "COLUMNS": "300"}
    return subprocess.run(["sh", "-c", line], cwd="/", env=around, capture_output=True, text=True, check=False)


def lines(text: str) -> list[str]:
    return LINE.findall(text)


def rows(project: Project) -> list[dict[str, Any]]:
    log = (project.folder / "run" / "findings.jsonl").read_text()
    return [json.loads(row) for row in log.splitlines()]


def test_the_target_is_in_the_line_as_it_was_given(project: Project, campaign: str) -> None:
    (line,) = lines(campaign)
    assert line.startswith("cd ")
    assert project.target in " ".join(line.replace("'\"'\"'", "'").split())
    assert "--with own,extractor-compat" in line
    assert not re.search(r"my tar-[0-9a-f]{4}", line)


def printed(project: Project, source: str) -> Iterator[tuple[str, str]]:
    """The lines of each kind of report on a store or a run, with the id of the finding that each is about."""
    folder = project.folder / f"reports of {source}"
    assert project.run("report", source, "--all", folder).exit_code == 0
    told = json.loads((folder / "report.json").read_text())
    by_id = {row["finding"]["id"]: row["finding"]["replay"] for row in told["findings"]}
    assert by_id
    yield from by_id.items()
    for name in ("summary.md", "issue.md"):
        yield from zip(by_id, lines((folder / name).read_text()), strict=True)
    page = html.unescape((folder / "report.html").read_text())
    yield from zip(by_id, [line.partition("</pre>")[0] for line in lines(page)], strict=True)
    failures = ElementTree.parse(folder / "junit.xml").iter("failure")
    for failure in failures:
        (line,) = lines(failure.text or "")
        (name,) = [one for one in by_id if f"{one}" in str(line)] or [""]
        yield name, line
    (log,) = json.loads((folder / "tarbiter.sarif").read_text())["runs"]
    for result in log["results"]:
        yield result["partialFingerprints"]["tarbiterSignature/v1"], result["properties"]["replay"]


def test_each_line_of_each_report_shows_its_finding(project: Project, campaign: str) -> None:
    found = {row["replay"]: row["id"] for row in rows(project)}
    (summed,) = lines(campaign)
    assert summed in found
    for source in ("run", "store"):
        for name, line in printed(project, source):
            assert found.setdefault(line, name) == (name or found[line])
    for name in {row["id"] for row in rows(project)}:
        shown = project.run("triage", "show", name, "--store", "store")
        (line,) = lines(shown.stdout)
        assert found[line] == name
    # The run's path and the store's: two lines for each finding, however often they were printed.
    assert len(found) == 2 * len(rows(project))
    findings = {row["id"]: row for row in rows(project)}
    for line, name in found.items():
        done = shell(line)
        assert (done.returncode, done.stderr) == (1, ""), line
        for broken in findings[name]["divergence"].get("broken", ()):
            assert f"broken {broken['invariant']}" in done.stdout
            assert f"by {', '.join(broken['contestants'])}" in done.stdout
        assert f"{len(findings[name]['divergence']['groups'])} readings among 3" in done.stdout


def test_a_run_goes_on_with_those_it_began_with(
    project: Project, campaign: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert campaign
    where = shutil.copytree(project.folder / "run", tmp_path / "run")
    monkeypatch.chdir("/")
    resume = ("fuzz", "--resume", str(where), "--cases", "1", "--jobs", "1")
    assert "done: 5 cases" in CliRunner().invoke(main, list(resume)).stdout
    named = project.run(*resume, *project.ring)
    assert "done: 6 cases" in named.stdout
    other = CliRunner().invoke(main, [*resume, "--with", "extractor-compat,tarfile-fully-trusted"])
    assert (other.exit_code, "leave out --with and --target" in other.stderr) == (2, True)
    facet = CliRunner().invoke(main, [*resume, "--facet", "mode"])
    assert (facet.exit_code, "leave out --facet" in facet.stderr) == (2, True)
    again = CliRunner().invoke(main, list(resume))
    assert "done: 7 cases" in again.stdout, "an error gives the run back"


def test_a_run_whose_directory_is_gone_says_so(project: Project, campaign: str, tmp_path: Path) -> None:
    assert campaign
    where = shutil.copytree(project.folder / "run", tmp_path / "run")
    asked = json.loads((where / "run.json").read_text())
    asked["called"]["folder"] = str(tmp_path / "gone")
    (where / "run.json").write_text(json.dumps(asked))
    done = project.run("fuzz", "--resume", where, "--cases", "1")
    assert (done.exit_code, f"{tmp_path}/gone, which cannot be entered" in done.stderr) == (2, True)


@pytest.mark.parametrize("source", ["run", "store"])
def test_what_is_withheld_is_shown_by_its_line(project: Project, campaign: str, source: str) -> None:
    assert campaign
    report = gather(str(project.folder / source))
    row = report.findings[0]
    escape = msgspec.structs.replace(row.finding, invariant="contained")
    secret = msgspec.structs.replace(report, findings=(msgspec.structs.replace(row, finding=escape),))
    (line,) = lines(summary(secret))
    done = shell(line.strip("`"))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{row.finding.id} (new)" in done.stdout


@pytest.mark.parametrize("source", ["run", "store"])
def test_an_id_that_is_none_leads_to_those_there_are(project: Project, campaign: str, source: str) -> None:
    assert campaign
    missing = project.run("triage", "show", "zz", "--store", project.folder / source)
    (line,) = re.findall("`(.*)`", missing.stderr)
    done = shell(line)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(row["id"] in done.stdout for row in rows(project))


def test_what_came_on_standard_input_has_no_line(tmp_path: Path) -> None:
    words = ["compare", "-", "--with", "extractor-compat,tarfile-fully-trusted", "--html", str(tmp_path / "x.html")]
    assert CliRunner().invoke(main, words, input=bytes(1024)).exit_code == 0
    page = (tmp_path / "x.html").read_text()
    assert lines(page) == []
    assert "came on standard input" in page


def test_a_page_of_a_comparison_says_how_it_was_made(project: Project, tmp_path: Path) -> None:
    world = tmp_path / "world.toml"
    case = Case(recipe=Recipe(parts=(Member(name=b"a", mode=0o640, data=b"x"), Member(name=b"b"))))
    world.write_text(dumps(case))
    archive = tmp_path / "odd\nname.toml"
    shutil.copy(world, archive)
    options = ("--facet", "names", "--world", world, "--schedule", "7,512+pause", "--cwd", "dest", "--uid", "root")
    shown = project.run("compare", archive, *project.ring, *options, "--html", tmp_path / "x.html")
    assert shown.exit_code == 1, shown.output
    (line,) = lines(html.unescape((tmp_path / "x.html").read_text()))
    done = shell(line.partition("</pre>")[0])
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.split() == shown.stdout.replace(str(archive), str(archive)).split()


@pytest.fixture
def corpus(project: Project) -> Path:
    folder = project.folder / "corpus"
    case = Case(
        title="A file",
        recipe=Recipe(parts=(Member(name=b"a"),)),
        expect=Expect(must=(Entry(name=b"a"),)),
    )
    (folder / "plain").mkdir(parents=True, exist_ok=True)
    (folder / "plain" / "one.toml").write_text(dumps(case))
    (folder / "flags.toml").write_text("")
    return folder


@pytest.mark.parametrize("recorded", [False, True])
def test_a_failure_of_pytest_is_shown_by_its_line(project: Project, corpus: Path, recorded: bool) -> None:
    if recorded:
        flipped = SCRIPT.replace("-delete", "-print")
        (project.folder / "my tar").write_text(flipped)
        assert project.run("check", "--corpus", corpus, "--target", project.target, "--record").exit_code == 0
        (project.folder / "my tar").write_text(SCRIPT)
    more = [] if recorded else ["--tarbiter-results", str(project.folder / "none")]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider"),
            *("--tarbiter-target", project.target, "--tarbiter-with", "own", *more),
        ],
        cwd=project.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 failed, 1 passed" in done.stdout, done.stdout
    (line,) = set(lines(done.stdout))  # where CI is set, the summary of pytest has the whole failure once more
    again = shell(line)
    assert (again.returncode, again.stderr) == (1, "")
    assert "1 to look at" in again.stdout
    assert ("not as recorded" in again.stdout) == recorded


@pytest.mark.parametrize(
    "word", ["plain", "", "a b", "it's", "$HOME `x`", "a\nb", "\x1b[31m", "é", "\udcff", "%s\\n"]
)
def test_a_word_reaches_the_program_as_it_is(word: str) -> None:
    shown = quoted(word)
    assert shown.isprintable()
    done = subprocess.run(["sh", "-c", f"printf %s {shown}"], capture_output=True, check=True)
    assert done.stdout == os.fsencode(word)


def test_what_needs_no_contestant_names_none() -> None:
    assert command("triage", "show", "9f3a", "--store", "/a b") == "tarbiter triage show 9f3a --store '/a b'"
    assert Called().line("check", "x.toml") == "tarbiter check x.toml"


def test_a_kind_of_cell_that_has_to_be_asked_for_is_asked_for() -> None:
    assert Called.of((), backend="landlock").line("compare", "x") == "tarbiter --cell landlock compare x"
    assert Called.of((), backend="namespaces").line("compare", "x") == "tarbiter compare x"
