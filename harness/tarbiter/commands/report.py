"""The command `tarbiter report`: what a store or a run holds, for people and for machines."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NamedTuple

import click

from ..files import FileError, write, write_all
from ..judge.answered import Verdict
from ..judge.ledger import Ledger
from ..judge.machine import page
from ..report.junit import junit
from ..report.markdown import issue, summary, title
from ..report.overview import overview
from ..report.record import Report
from ..report.sarif import sarif
from ..report.sources import gather
from .verdict import ended, unread


class Format(NamedTuple):
    """A form of the report: the name of its file in `--all DIR`, and what draws it."""

    file: str
    draw: Callable[[Report], bytes]


FORMATS: dict[str, Format] = {
    "markdown": Format("summary.md", lambda report: summary(report).encode()),
    "json": Format("report.json", lambda report: (page(report) + "\n").encode()),
    "html": Format("report.html", overview),
    "junit": Format("junit.xml", junit),
    "sarif": Format("tarbiter.sarif", sarif),
}

ISSUE, ISSUE_TITLE = "issue.md", "issue-title.txt"
"""Written by `--all` only when something is new, and taken away when nothing is: a job posts what is there."""


def save_all(report: Report, folder: str) -> tuple[str, ...]:
    """Write every format into `folder`, and the text of an issue if something is new. Raises FileError.

    All or none: what is there stays whole until everything new is on disk.
    """
    files = {name: draw(report) for name, draw in FORMATS.values()}
    if report.news:
        files[ISSUE] = issue(report).encode()
        files[ISSUE_TITLE] = f"{title(report)}\n".encode()
    write_all({os.path.join(folder, name): data for name, data in files.items()})
    for name in {ISSUE, ISSUE_TITLE} - files.keys():
        try:
            os.unlink(os.path.join(folder, name))
        except FileNotFoundError:
            pass
        except OSError as error:
            raise FileError(os.path.join(folder, name), f"cannot be removed: {error.strerror}") from error
    return tuple(os.path.join(folder, name) for name in files)


@click.command("report")
@click.argument("source", default=".tarbiter", metavar="[STORE|RUN]")
@click.option(
    "--format", "form", type=click.Choice([*FORMATS]), default="markdown", show_default=True, help="What to draw."
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option(
    "-o", "--output", default="-", metavar="FILE", help="Where it goes; - (the default) is standard output."
)
@click.option(
    "--all", "folder", metavar="DIR", help="Write every format into DIR, and issue.md when something is new."
)
@click.option("--ledger", default="", metavar="FILE", help="What this ledger (TOML) accepts is not new.")
def report_command(source: str, form: str, as_json: bool, output: str, folder: str | None, ledger: str) -> None:
    """Report on a store (default: .tarbiter) or on the directory of one run.

    New is what the latest run was the first to see, and nobody has accepted, promoted or dismissed. In a run
    without a store everything is new.

    \b
    tarbiter report                                   a summary in Markdown
    tarbiter report --format html -o report.html      one page with everything in it
    tarbiter report --format sarif -o tarbiter.sarif
    tarbiter report --all reports --ledger corpus/ledger.toml
    tarbiter report --json | jq '.findings[] | select(.news)'

    Exit code: 0 reported; 2 could not, not all of it could be read, or in the latest run too few contestants
    answered (what there is, is reported all the same).
    """
    report = gather(source, Ledger.load(ledger) if ledger else None)
    if folder is not None:
        for path in save_all(report, folder):
            click.echo(path)
    else:
        write(output, FORMATS["json" if as_json else form].draw(report), parents=True)
    sys.exit(max(unread(source, report.damaged), ended(_answers(report), 0)))


def _answers(report: Report) -> Verdict:
    """Whether the latest run compared anything: what is new is what it found."""
    if not report.runs:
        return Verdict(reasons=("there was no run yet: nothing was compared",))
    last = report.runs[-1]
    return Verdict(reasons=last.uncompared, absent=last.absent)
