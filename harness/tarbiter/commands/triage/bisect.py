"""The command `tarbiter triage bisect`: since which version of a contestant a finding is what it is."""

from __future__ import annotations

import sys

import click
import msgspec
from rich.console import Console

from ...archive.case import Case
from ...archive.text import loads
from ...campaign.aspects import aspects
from ...campaign.recorded import findings_at
from ...campaign.records import RunError
from ...campaign.reopening import SEEN
from ...campaign.versus import LIMITS
from ...contest.installed.building import BuildError, install
from ...contest.installed.registry import Contestant, available, known
from ...contest.installed.versions import listed, ordered
from ...contest.observation import Observation
from ...contest.pool import Pool
from ...judge.machine import page
from ...judge.wording import plain, telling
from ...triage.bisect import Bisected, bisect
from ...triage.trial import job_for
from .options import JSON, SOURCE


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What `tarbiter triage bisect --json` prints."""

    finding: str
    contestant: str
    version: str
    """The one whose behaviour is looked for."""
    status: str
    error: str
    found: Bisected
    statuses: dict[str, str]
    """What each version that was tried did, in a word; or why it could not be told."""


def _case(finding: str, store: str) -> Case:
    """The minimised case of a finding, or the case in a file."""
    if finding.endswith(".toml"):
        try:
            with open(finding, encoding="utf-8") as file:
                return loads(file.read())
        except OSError as error:
            raise RunError(finding, f"cannot be read: {error.strerror}") from error
    with findings_at(store) as opened:
        return loads(opened.get(finding).kept.case)


class _Versions:
    """Runs one case in versions of one contestant, each of which is installed when it is missing."""

    def __init__(self, base: Contestant, case: Case, console: Console) -> None:
        self.base, self.case, self.console = base, case, console
        self.statuses: dict[str, str] = {}
        self.reference: Observation | None = None

    def observe(self, one: Contestant) -> Observation:
        """What a contestant does with the case; twice, so that chance is seen."""
        with Pool((one,), limits=LIMITS) as pool:
            (seen,) = pool.run(job_for(self.case, (one.name,), twice=True))
        return seen

    def attempt(self, version: str) -> bool | None:
        """Whether a version does what the reference does; None when it cannot be told."""
        assert self.reference is not None
        one = known(f"{self.base.name.partition('@')[0]}@{version}")
        try:
            if one.missing:
                self.console.print(f"installing {one.name}", style="dim")
                install(one, lambda _step: None)
                one = known(one.name)
        except BuildError as error:
            self.statuses[version] = f"does not build: {plain(error.detail.splitlines()[-1])[:100]}"
            return None
        if one.missing:
            self.statuses[version] = one.missing
            return None
        seen = self.observe(one)
        self.statuses[version] = seen.status
        if seen.status in ("unavailable", "flaky", "harness-fault"):
            return None
        return not any(aspect.facet in SEEN for aspect in aspects(self.reference, seen))


@click.command("bisect")
@click.argument("finding", metavar="ID|CASE.toml")
@click.option(
    "--contestant", required=True, metavar="NAME[@VERSION]", help="Whose versions; what it does is looked for."
)
@click.option("--from", "oldest", default="", metavar="VERSION", help="No version older than this.")
@click.option("--to", "newest", default="", metavar="VERSION", help="No version newer than this.")
@SOURCE
@JSON
def bisect_command(finding: str, contestant: str, oldest: str, newest: str, store: str, *, as_json: bool) -> None:
    """Say since which version a contestant does what it does with a finding, and until which one.

    The versions are those that its package index lists, previews left out. Those that are tried are installed: some
    ten of a hundred. ID is a finding of the store, or its beginning; a case's file will do as well.

    \b
    tarbiter triage bisect 3fa8c1 --contestant tar-rs
    tarbiter triage bisect changes/3fa8c10b2d.toml --contestant astral-tokio-tar@0.6.2 --from 0.5.0 --json

    Exit code: 0 a change was found, 1 all versions do the same as far as can be told, 2 could not run.
    """
    case = _case(finding, store)
    (one,) = available((contestant,))
    if one.table.build is None:
        raise RunError(contestant, "comes from no package index: there are no versions to try")
    console = Console(stderr=True, highlight=False)
    try:
        everything = listed(one)
    except BuildError as error:
        raise RunError(contestant, error.detail) from error
    chosen = tuple(
        version
        for version in everything
        if (not oldest or ordered(version) >= ordered(oldest))
        and (not newest or ordered(version) <= ordered(newest))
    )
    if one.version not in chosen:
        raise RunError(
            contestant,
            f"{one.version} is none of the versions {chosen[0]} to {chosen[-1]}"
            if chosen
            else "no version is left to try",
        )
    versions = _Versions(one, case, console)
    versions.reference = versions.observe(one)
    if versions.reference.status in ("unavailable", "flaky", "harness-fault"):
        raise RunError(
            contestant,
            f"cannot be told what it does: {versions.reference.status}: {plain(versions.reference.error)}",
        )
    versions.statuses[one.version] = versions.reference.status
    found = bisect(chosen, one.version, versions.attempt)
    answer = Answer(
        finding=finding,
        contestant=one.name,
        version=one.version,
        status=versions.reference.status,
        error=versions.reference.error,
        found=found,
        statuses=versions.statuses,
    )
    click.echo(page(answer) if as_json else _told(answer, chosen), nl=not as_json)
    sys.exit(0 if found.before or found.after else 1)


def _told(answer: Answer, chosen: tuple[str, ...]) -> str:
    found, name = answer.found, answer.contestant.partition("@")[0]
    lines = [
        f"{name} {answer.version} {answer.status}" + (f": {plain(telling(answer.error))}" if answer.error else "")
    ]
    if found.before:
        lines.append(f"since {found.first}; {found.before} does something else ({answer.statuses[found.before]})")
    else:
        end = "the oldest listed" if found.first == chosen[0] else "nothing older could be tried"
        lines.append(f"in {found.first} already: {end}")
    if found.after:
        lines.append(f"until {found.last}; {found.after} does something else ({answer.statuses[found.after]})")
    else:
        end = "the newest" if found.last == chosen[-1] else "nothing newer could be tried"
        lines.append(f"in {found.last} still: {end}")
    row = ", ".join(f"{version} {answer.statuses[version]}" for version in sorted(found.tried, key=ordered))
    return "\n".join((*lines, f"tried: {row}"))
