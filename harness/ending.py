"""How a program of ours ends when it cannot go on: never with a code that says something of what was compared."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import click

from .judge.answered import Verdict
from .report.console import plain

COULD_NOT_RUN, INTERRUPTED = 2, 130


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


@contextmanager
def verdicts_kept(*expected: type[Exception]) -> Iterator[None]:
    """Within, a bug of ours ends the program with 2 and its traceback, and Ctrl-C with 130.

    By itself Python ends with 1 for the one, and click for both, and 1 is how we say "something differs":
    `make fuzz` would take a campaign that broke down for one with findings. SystemExit passes, and so does what is
    `expected`.
    """
    try:
        yield
    except expected:
        raise
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        sys.exit(INTERRUPTED)
    except Exception:  # noqa: BLE001  # the program's end: nothing is swallowed, the traceback is what is reported
        traceback.print_exc()
        sys.stderr.write("this is a bug in tarbiter: please report it, with the lines above\n")
        sys.exit(COULD_NOT_RUN)
