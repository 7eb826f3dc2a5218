"""The command `tarbiter check`: the corpus through any contestants, and what changed since it was recorded."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click
from junitparser import Error, Failure, JUnitXml, Skipped, TestCase, TestSuite
from rich.console import Console
from rich.text import Text

from ..archive.cases import InputError
from ..archive.text import CaseError
from ..campaign import health
from ..contest.installed.registry import Contestant
from ..contest.pool import Pool
from ..corpus.checking import Row, check, place, results, run
from ..corpus.checking import choose as choose_cases
from ..corpus.results import baseline, save
from ..corpus.shelf import Shelved
from ..files import write
from ..judge.answered import Tally, Verdict, verdict
from ..judge.machine import page
from ..judge.wording import plain
from ..report.terminal import console
from .options import JOBS, TARGET, WITH, choose, named
from .verdict import COULD_NOT_RUN, ended

CHANGED = 1

CORPUS = click.option(
    "--corpus", default="", metavar="DIR", help="The corpus; default: corpus/ here, or the one tarbiter brings."
)
RESULTS = click.option(
    "--results", "root", default="", metavar="DIR", help="The recorded results; default: results/ in the corpus."
)

WORDS = {
    "changed": "not as recorded",
    "flaky": "two runs of it differ",
    "other-case": "the case is another one than was recorded",
    "no-record": "not recorded",
}


def tell(rows: Sequence[Row]) -> list[str]:
    """The lines about one contestant's row that a person has to look at."""
    lines = []
    for row in rows:
        if not row.bad:
            continue
        head = f"{row.case}: {row.status}, {row.mark}" + (f" ({row.reading})" if row.reading else "")
        lines.append(f"  {head}; {WORDS[row.change]}" if row.change else f"  {head}")
        lines += [f"      {plain(words)}" for words in (row.parted or row.detail)]
    return lines


def scored(rows: Sequence[Row], contestants: Sequence[Contestant], names: Sequence[str]) -> Verdict:
    """Whether each contestant was judged: on no case, and there is nothing to say of it."""
    found = {one.name: Tally(version=one.version) for one in contestants}
    for row in rows:
        said = "\n".join(row.detail)
        found[row.contestant].count("unavailable" if row.mark == "not-run" else row.status, said=said)
    return verdict(found, named=named(contestants, names), least=1)


def junit(rows: Sequence[Row], unfit: Sequence[health.Unfit] = ()) -> bytes:
    """A suite for each contestant, a test for each case; of who failed on the baseline that alone."""
    suites = JUnitXml("tarbiter check")
    for contestant in dict.fromkeys((row.contestant, row.version) for row in rows):
        suite = TestSuite(f"{contestant[0]} {contestant[1]}".strip())
        for row in rows:
            if (row.contestant, row.version) != contestant:
                continue
            case = TestCase(row.case, f"tarbiter.{row.contestant}", 0)
            said = [plain(words) for words in (*row.parted, *row.detail)]
            if row.bad:
                failure = Failure(f"{row.status}, {row.mark}; {WORDS[row.change]}", row.change)
                failure.text = "\n".join((plain(row.title), *said))
                case.result = [failure]
            elif row.mark == "not-run":
                case.result = [Skipped("; ".join(said))]
            suite.add_testcase(case)
        suites.add_testsuite(suite)
    for one in unfit:
        suite = TestSuite(f"{one.contestant} {one.version}".strip())
        case = TestCase("baseline", f"tarbiter.{one.contestant}", 0)
        error = Error("does not extract an ordinary archive: nothing of it was judged", "baseline")
        error.text = "\n".join(map(plain, one.lines))
        case.result = [error]
        suite.add_testcase(case)
        suites.add_testsuite(suite)
    suites.update_statistics()  # type: ignore[no-untyped-call]  # the library's own types stop here
    xml: bytes = suites.tostring()  # type: ignore[no-untyped-call]
    return xml


def show(rows: Sequence[Row], out: Console) -> None:
    """A paragraph for each contestant: counts, then every row to look at."""
    for name in dict.fromkeys(row.contestant for row in rows):
        mine = [row for row in rows if row.contestant == name]
        marks = {mark: sum(row.mark == mark for row in mine) for mark in ("pass", "fail", "not-run")}
        bad = [row for row in mine if row.bad]
        against = sorted({row.against for row in mine if row.against})
        since = f"against the results of {', '.join(against)}" if against else "nothing recorded to hold it against"
        counts = ", ".join(f"{count} {mark}" for mark, count in marks.items() if count)
        out.print(
            Text.assemble(
                (f"{name} {mine[0].version}".strip(), "bold"),
                f": {len(mine)} cases, {counts}; {since}: ",
                (f"{len(bad)} to look at", "bold red")
                if bad
                else ("nothing was judged", "bold red")
                if marks["not-run"] == len(mine)
                else ("as it was" if against else "all is well", "green"),
            )
        )
        for line in tell(mine):
            out.print(Text(line), soft_wrap=True)


def _chosen(corpus: str, wanted: Sequence[str]) -> tuple[list[Shelved], int]:
    """The cases that can be read, and how many words name none; of those it is told why. Raises where none can."""
    if not wanted:
        return choose_cases(corpus, ()), 0
    found: dict[str, Shelved] = {}
    unread: list[InputError | CaseError] = []
    for word in wanted:
        try:
            found |= {one.path: one for one in choose_cases(corpus, (word,))}
        except (InputError, CaseError) as error:
            unread.append(error)
    if not found:
        raise unread[0]
    for one in unread:
        click.echo(f"tarbiter: {one}", err=True)
    return list(found.values()), len(unread)


@click.command("check")
@click.argument("cases", nargs=-1, metavar="[CASE]...")
@WITH
@TARGET
@CORPUS
@RESULTS
@click.option("--record", is_flag=True, help="Write down what comes out, as what is to be expected from now on.")
@click.option("--json", "as_json", is_flag=True, help="A row for each case and contestant, as JSON.")
@click.option("--junit", "xml", default="", metavar="FILE", help="Also write JUnit XML.")
@JOBS
def check_command(
    cases: tuple[str, ...],
    names: tuple[str, ...],
    targets: tuple[str, ...],
    corpus: str,
    root: str,
    record: bool,
    as_json: bool,
    xml: str,
    cells: int,
) -> None:
    """Run cases of the corpus (files, topic/name or a topic; default: all) and say what changed since recorded.

    A contestant is held against the results of its own version, or else of the newest recorded one. What was
    never recorded is judged by what the case expects. With a --target and nothing else, only that one runs. First
    of all each extracts an ordinary archive: who does not is told, and not judged.

    \b
    tarbiter check                                                everybody of the first ring
    tarbiter check --target 'mytar -xf {archive} -C {dest}'       your own extractor, as you change it
    tarbiter check links --with tarfile-data,node-tar
    tarbiter check --record --with gnu-tar

    Exit code: 0 all as recorded (or as expected), 1 something is not, 2 could not run, or somebody was not judged.
    """
    corpus = place(corpus)
    root = root or os.path.join(corpus, "results")
    shelved, unread = _chosen(corpus, cases)
    contestants = choose(names, targets, least=1)
    with Pool(contestants, cells=min(cells, len(shelved))) as pool:
        unfit = health.baseline(pool, (one.name for one in contestants))
        fit = tuple(one for one in contestants if one.name not in unfit)
        came = health.on_baseline(unfit, named(contestants, names))
        if not fit:
            came &= Verdict(reasons=("nothing was judged: nobody extracts an ordinary archive",))
        if record:
            found = run(pool, fit, shelved, twice=True)
            for one in fit:
                made = found[one.name]
                if cases:
                    # The others stay as they were recorded; a whole run forgets cases that are gone.
                    before = baseline(root, one.name, one.version)
                    made = {**(before.cases if before and before.version == one.version else {}), **made}
                click.echo(save(root, results(pool, one, made)))
            sys.exit(ended(came, COULD_NOT_RUN if unread else 0))
        rows = check(pool, fit, shelved, root) if fit else []
    if xml:
        write(xml, junit(rows, tuple(unfit.values())))
    if as_json:
        click.echo(page(rows))
    else:
        show(rows, console())
    faults = [row for row in rows if row.status == "harness-fault"]
    if faults:
        click.echo(f"tarbiter: {len(faults)} could not be run: {'; '.join(faults[0].detail)}", err=True)
    if fit:
        came &= scored(rows, fit, names)
    code = COULD_NOT_RUN if faults or unread else CHANGED if any(row.bad for row in rows) else 0
    sys.exit(ended(came, code))
