"""The commands `tarbiter triage list`, `show` and `stale`: what a store holds."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import click
import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ...archive.case import Case
from ...archive.cases import bytes_of
from ...archive.encode import encode, located
from ...archive.inspect import annotate, render
from ...archive.text import loads
from ...campaign.recorded import findings_at
from ...campaign.records import told
from ...campaign.store import NEW, STATUSES, Entry
from ...judge.compare import compare
from ...judge.invariants import PROMISES
from ...judge.ledger import Ledger
from ...judge.machine import page
from ...judge.machine import plain as as_plain
from ...judge.wording import plain
from ...report.console import verdict
from ...report.terminal import console
from ...triage.causes import like
from ...triage.explanation import Reason
from ...triage.locate import Index
from ..verdict import unread
from .options import JSON, LEDGER, SOURCE, families


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A finding as `tarbiter triage list --json` prints it; everything but what was observed."""

    id: str
    status: str
    reason: str
    invariant: str
    rank: int
    causes: tuple[str, ...]
    split: tuple[str, ...]
    families: tuple[str, ...]
    size: int
    first_seen: str
    runs: int
    recipe: str
    like: str = ""
    """The finding that has some of its causes and no others: perhaps this is one more consequence of them."""

    @classmethod
    def of(cls, entry: Entry, like: str = "") -> Row:
        """The row of a finding."""
        kept = entry.kept
        return cls(
            id=kept.id,
            status=entry.status,
            reason=entry.reason,
            invariant=kept.invariant,
            rank=kept.rank,
            causes=kept.causes,
            split=kept.split,
            families=families(kept),
            size=entry.size,
            first_seen=entry.first_seen,
            runs=entry.runs,
            recipe=entry.recipe,
            like=like,
        )


@click.command("list")
@SOURCE
@JSON
@click.option("--status", type=click.Choice([*STATUSES, "all"]), default=NEW, show_default=True)
@click.option(
    "--invariant", type=click.Choice([*PROMISES, "disagreement"]), help="Only findings that break this one."
)
@click.option("--family", help="Only findings that are about this family.")
def list_command(store: str, as_json: bool, status: str, invariant: str | None, family: str | None) -> None:
    """List findings by broken invariant, then by size.

    "like" names a finding with some of its causes and no others: perhaps both are consequences of one cause.

    \b
    tarbiter triage list --invariant contained
    tarbiter triage list --family tarfile --status all --json
    tarbiter triage list --store runs/2026-01-31T22-15-00-seed7

    Exit code: 0 listed (also when there are none), 2 could not run, or some could not be read.
    """
    with findings_at(store) as opened:
        everything = list(opened.findings())
        counts = opened.counts()
    code = unread(store, opened.damaged.values())
    heads = like([(entry.kept.id, entry.kept.causes) for entry in everything])
    rows = [Row.of(entry, heads.get(entry.kept.id, "")) for entry in everything if status in ("all", entry.status)]
    rows = [
        row for row in rows if invariant in (None, row.invariant) and (family is None or family in row.families)
    ]
    if as_json:
        click.echo(page(rows))
        sys.exit(code)
    table = Table(box=None, pad_edge=False)
    for column in ("id", "status", "breaks", "causes", "about", "runs", "like"):
        table.add_column(column, overflow="fold")
    for row in rows:
        causes = "; ".join(row.causes) or "; ".join(row.split[:1])
        table.add_row(
            row.id, row.status, row.invariant, Text(causes), ", ".join(row.families), str(row.runs), row.like
        )
    out = console()
    out.print(table)
    out.print(f"{len(rows)} shown; in all: " + ", ".join(f"{name} {count}" for name, count in counts.items()))
    sys.exit(code)


@click.command("show")
@click.argument("finding", metavar="ID")
@SOURCE
@JSON
def show(finding: str, store: str, as_json: bool) -> None:
    """Show a finding: who does what, its recipe, the bytes, the causes, how to see it again.

    \b
    tarbiter triage show 9f3a
    tarbiter triage show 9f3a --json | jq .kept.causes
    """
    with findings_at(store) as opened:
        entry = opened.get(finding)
    kept = entry.kept
    if as_json:
        record = as_plain(entry)
        assert isinstance(record, dict)
        click.echo(page(record | {"kept": told(kept)}))
        return
    account = kept.account
    case = loads(kept.case)
    archive = encode(case.recipe)
    seen = kept.observations + kept.whole
    parts = [
        verdict(f"{kept.id} ({entry.status})", kept.divergence, seen, Index(located(case.recipe))),
        Text(),
        Text(plain(account.sentence), style="bold"),
        Text(f"{PROMISES.get(kept.invariant, 'Contestants part, and break no invariant.')}"),
        Text(),
        *_reasons(account.reasons),
        Text("where the paths come from:") if kept.places else Text("no path comes from a member's name"),
        *(Text(f"  {place}") for place in kept.places),
        Text(),
        Text(kept.case.rstrip()),
        Text(),
        *([Text(f"The bytes inside the compression ({_layers(case)}):", style="bold")] if case.layers else []),
        *render(annotate(archive.data)),
        Text(),
        *_asked(entry, case),
        Text(f"first seen {entry.first_seen}, by {entry.runs} runs; seed {kept.seed}, case {kept.index}"),
        *([Text(f"flaky, and left out: {', '.join(kept.flaky)}")] if kept.flaky else []),
        *([] if kept.complete else [Text("the time ended before this was as small as it can be")]),
        *([Text(f"{entry.status} {entry.changed}: {entry.reason}")] if entry.changed else []),
        Text(f"again: {kept.replay}"),
    ]
    console().print(Group(*parts), soft_wrap=True)


def _asked(entry: Entry, case: Case) -> list[RenderableType]:
    """What all that were installed did, when they were asked."""
    if not entry.asked:
        return []
    parted = compare(entry.asked, world=case.world, weak=False)
    return [verdict("everybody who was asked", parted, entry.asked, None), Text()]


def _layers(case: Case) -> str:
    """The layers around an archive, the outermost first."""
    wrapped = len(bytes_of(case))
    return (
        f"{' around '.join(layer.kind for layer in reversed(case.layers))}, {wrapped} bytes as they are given out"
    )


def _reasons(reasons: Sequence[Reason]) -> Iterator[Text]:
    """Each cause: whether the divergence needs it, the bytes that say it, who reads it, what documents say."""
    yield Text("causes:" if reasons else "causes: none, an ordinary archive shows it", style="bold")
    for one in reasons:
        yield Text.assemble(
            f"  {plain(one.words)}: ", (one.verdict, "green" if one.verdict == "idle" else "bold yellow")
        )
        yield from (Text(f"      {line}") for line in (one.where, one.readers) if line)
        yield from (Text(f"      {clause} <{clause.url}>", style="dim") for clause in one.clauses)


@click.command("stale")
@SOURCE
@LEDGER
@JSON
def stale(store: str, ledger: str, as_json: bool) -> None:
    """List the entries of the ledger that no finding of the store matches any more.

    Exit code: 0 none, 1 some, 2 could not run, or a finding could not be read that may match.
    """
    read = Ledger.load(ledger)
    with findings_at(store) as opened:
        for entry in opened.findings():
            read.verdict(entry.kept.id, entry.kept.invariant, entry.kept.causes, entry.kept.versions)
    code = unread(store, opened.damaged.values())
    if as_json:
        click.echo(page([old.id for old in read.stale]))
    else:
        for old in read.stale:
            click.echo(f"{old.id}: {old.reason}")
    sys.exit(code or (1 if read.stale else 0))
