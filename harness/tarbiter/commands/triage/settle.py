"""The commands `tarbiter triage accept`, `promote`, `dismiss` and `remove`: settle a finding."""

from __future__ import annotations

import datetime
import os
import re
import sys
from typing import NoReturn

import click
import msgspec

from ...archive.text import dumps, loads
from ...campaign.recorded import store_at
from ...campaign.store import ACCEPTED, DISMISSED, PROMOTED
from ...contest.replay import command
from ...files import write
from ...judge.ledger import Entry as Accepted
from ...judge.ledger import Ledger, dump
from ..verdict import COULD_NOT_RUN
from .options import JSON, LEDGER, REASON, STORE, Done, families, say


def _fail(message: str) -> NoReturn:
    click.echo(f"tarbiter: {message}", err=True)
    sys.exit(COULD_NOT_RUN)


@click.command("accept")
@click.argument("finding", metavar="ID")
@REASON
@STORE
@LEDGER
@JSON
@click.option("--link", default="", help="Where it is discussed or documented.")
@click.option("--id", "name", default="", help="The entry's id; default: the finding's.")
def accept(finding: str, reason: str, store: str, ledger: str, as_json: bool, link: str, name: str) -> None:
    """Accept a divergence: write it into the ledger, for the versions that were seen.

    A newer version of a contestant that it is about opens it again; widen the range by hand where you know better.

    \b
    tarbiter triage accept 9f3a --reason "POSIX leaves it open" --link https://pubs.opengroup.org/
    """
    with store_at(store) as opened:
        entry = opened.get(finding)
        kept = entry.kept
        about = families(kept)
        names = [one.contestant for one in kept.observations if (one.family or one.contestant) in about]
        accepted = Accepted(
            id=name or kept.id,
            reason=reason,
            date=datetime.datetime.now(datetime.UTC).date(),
            signature=kept.id,
            contestants={one: f"=={kept.versions[one]}" for one in names if _readable(kept.versions.get(one, ""))},
            link=link,
        )
        before = ""
        if os.path.exists(ledger):
            if any(accepted.id == other.id for other in Ledger.load(ledger).entries):
                _fail(f"{ledger}: has an entry {accepted.id} already; take another --id, or change that one")
            with open(ledger, encoding="utf-8") as file:
                before = file.read().rstrip("\n") + "\n\n"
        write(ledger, before + dump(accepted), parents=True)
        opened.mark(kept.id, ACCEPTED, reason)
    say(
        as_json,
        Done(id=kept.id, status=ACCEPTED, entry=accepted.id, path=ledger),
        f"{ledger}: {accepted.id} for {', '.join(accepted.contestants) or 'any version'}",
    )


def _readable(version: str) -> bool:
    """Whether PEP 440 has a specifier for this version."""
    return re.fullmatch(r"\d+(\.\d+)*", version) is not None


@click.command("promote")
@click.argument("finding", metavar="ID")
@STORE
@click.option("--topic", required=True, help="The folder below the corpus: names, links, pax, ...")
@click.option("--name", default="", help="The case's file name; default: from its causes.")
@click.option("--title", default="", help="One sentence; default: the finding's.")
@click.option("--corpus", default="corpus", show_default=True, metavar="DIR")
@click.option("--fixed", is_flag=True, help="For an escape: every newest release withstands it.")
@JSON
def promote(
    finding: str, store: str, topic: str, name: str, title: str, corpus: str, fixed: bool, as_json: bool
) -> None:
    """Make a case of the corpus out of a finding.

    A finding that leaves the destination is refused unless --fixed says that no newest release is hurt by it:
    such a one belongs to the maintainers first.

    \b
    tarbiter triage promote 9f3a --topic names --title "A file whose name ends in a slash"
    """
    with store_at(store) as opened:
        kept = opened.get(finding).kept
        if kept.invariant == "contained" and not fixed:
            about = ", ".join(families(kept))
            _fail(f"{kept.id} leaves the destination ({about}): tell the maintainers first, then say --fixed")
        slug = name or re.sub(r"[^a-z0-9]+", "-", "-".join(kept.causes[:2]).lower()).strip("-")[:60] or kept.id
        if not all(re.fullmatch(r"[a-z0-9][a-z0-9-]*", part) for part in (topic, slug)):
            _fail(f"{topic}/{slug}: small letters, digits and hyphens, please (--topic, --name)")
        path = os.path.join(corpus, topic, f"{slug}.toml")
        if os.path.lexists(path):
            _fail(f"{path}: exists already; take another --name")
        case = loads(kept.case)
        write(path, dumps(msgspec.structs.replace(case, title=title or case.title)), parents=True)
        opened.mark(kept.id, PROMOTED, path)
    say(as_json, Done(id=kept.id, status=PROMOTED, path=path), path)


@click.command("dismiss")
@click.argument("finding", metavar="ID")
@REASON
@STORE
@JSON
def dismiss(finding: str, reason: str, store: str, as_json: bool) -> None:
    """Put a finding aside: it stays known, and is no longer listed."""
    with store_at(store) as opened:
        kept = opened.get(finding).kept
        opened.mark(kept.id, DISMISSED, reason)
    say(as_json, Done(id=kept.id, status=DISMISSED), f"{kept.id}: dismissed")


@click.command("remove")
@click.argument("finding", metavar="ID")
@STORE
@JSON
def remove(finding: str, store: str, as_json: bool) -> None:
    """Remove a finding whose record is damaged from the store; ID is whole. One that can be read is dismissed.

    A campaign that meets it again keeps it as new.

    \b
    tarbiter triage remove 9f3a5c0d11e2b744
    """
    with store_at(store) as opened:
        names = {entry.kept.id for entry in opened.findings()}
        if finding in names:
            _fail(
                f"{finding} can be read; `{command('triage', 'dismiss', finding, '--store', store)}` puts it aside"
            )
        opened.remove(finding)
    say(as_json, Done(id=finding, status="removed"), f"{finding}: removed")
