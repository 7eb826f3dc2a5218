"""Who did not answer, on standard error, and what that makes of the exit code."""

from __future__ import annotations

from collections.abc import Iterable

import click

from ..exit_codes import COULD_NOT_RUN, INTERRUPTED
from ..judge.answered import Verdict
from ..judge.wording import plain

__all__ = ["COULD_NOT_RUN", "DIFFERS", "INTERRUPTED", "ended", "unread"]


DIFFERS = 1


def ended(verdict: Verdict, otherwise: int) -> int:
    """Tell on standard error who did not answer; the exit code: 2 when nothing was compared, else `otherwise`.

    2 goes before 1: a difference among those who ran is printed all the same, but who reads the code alone must
    not take a call in which somebody was missing for one that looked at everything.
    """
    for reason in verdict.reasons:
        click.echo(f"tarbiter: {plain(reason)}", err=True)
    for line in verdict.absent:
        click.echo(f"tarbiter: {plain(line)}", err=True)
    return otherwise if verdict.compared else COULD_NOT_RUN


def unread(source: str, damaged: Iterable[str]) -> int:
    """Tell on standard error what of a store or a run could not be read; the exit code: 2 if there is anything."""
    code = 0
    for words in damaged:
        click.echo(f"tarbiter: {plain(source)}: {plain(words)}", err=True)
        code = COULD_NOT_RUN
    return code
