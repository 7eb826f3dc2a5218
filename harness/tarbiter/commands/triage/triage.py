"""The command `tarbiter triage`: the group of its verbs, each imported when it is called."""

from __future__ import annotations

from types import MappingProxyType

import click

from ..lazy import LazyGroup, Place


class _Triage(LazyGroup):
    places = MappingProxyType(
        {
            "list": Place(".triage.reading:list_command", "List findings, the gravest first."),
            "show": Place(".triage.reading:show", "Show all about one finding."),
            "stale": Place(".triage.reading:stale", "List ledger entries that match no finding."),
            "accept": Place(".triage.settle:accept", "Accept a finding: write it into the ledger."),
            "promote": Place(".triage.settle:promote", "Make a case of the corpus from a finding."),
            "dismiss": Place(".triage.settle:dismiss", "Put a finding aside."),
            "remove": Place(".triage.settle:remove", "Remove a finding whose record is damaged."),
            "export": Place(".triage.passing_on:export_command", "Write a directory for a bug report."),
            "ask": Place(".triage.passing_on:ask", "Run findings through every installed contestant."),
            "bisect": Place(
                ".triage.bisect:bisect_command", "Find the release in which a finding began, and ended."
            ),
            "recheck": Place(".triage.recheck:recheck_command", "Run known findings again with newer releases."),
        }
    )


@click.group("triage", cls=_Triage)
def triage() -> None:
    """Look through what campaigns found: one exemplar of each cause, the gravest first.

    \b
    tarbiter triage list                             what nobody has looked at yet
    tarbiter triage show 9f3a                        all about one finding (ids may be shortened)
    tarbiter triage ask 9f3a                         what everybody who is installed makes of it
    tarbiter triage accept 9f3a --reason "POSIX leaves it open"
    tarbiter triage promote 9f3a --topic names
    """
