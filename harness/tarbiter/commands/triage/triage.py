"""The command `tarbiter triage`: one exemplar of each cause, ranked; accept, promote, dismiss it or pass it on."""

from __future__ import annotations

import datetime
import os
import re
import sys
from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import NoReturn

import click
import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ...archive.case import Case
from ...archive.cases import bytes_of
from ...archive.encode import encode, located
from ...archive.inspect import annotate, render
from ...archive.text import dumps, loads
from ...campaign.full_field import everybody, job_of, unasked
from ...campaign.recorded import findings_at, store_at
from ...campaign.runs import Kept, told
from ...campaign.store import ACCEPTED, DISMISSED, NEW, PROMOTED, STATUSES, Entry
from ...contest.pool import Pool
from ...contest.replay import command
from ...files import write
from ...judge.compare import compare
from ...judge.invariants import PROMISES
from ...judge.ledger import Entry as Accepted
from ...judge.ledger import Ledger, dump
from ...judge.machine import page
from ...judge.machine import plain as as_plain
from ...report.console import plain, verdict
from ...report.export import Script, export
from ...report.terminal import console
from ...triage.causes import like
from ...triage.explanation import Reason
from ...triage.locate import Index
from ...triage.trial import trials
from ..lazy import LazyGroup, Place
from ..options import JOBS, WITH, choose
from ..verdict import COULD_NOT_RUN, unread

STORE = click.option("--store", default=".tarbiter", show_default=True, metavar="DIR", help="The project's store.")
SOURCE = click.option(
    "--store",
    default=".tarbiter",
    show_default=True,
    metavar="DIR",
    help="The project's store, or a run's directory.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
REASON = click.option("--reason", required=True, help="Why, in a sentence: whoever comes next reads it.")
LEDGER = click.option(
    "--ledger", default="corpus/ledger.toml", show_default=True, metavar="FILE", help="The ledger (TOML)."
)


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
            families=_families(kept),
            size=entry.size,
            first_seen=entry.first_seen,
            runs=entry.runs,
            recipe=entry.recipe,
            like=like,
        )


def _families(kept: Kept) -> tuple[str, ...]:
    """The families that the finding is about."""
    about = {name for broken in kept.divergence.broken for name in broken.contestants + broken.against}
    about |= set(kept.target.contestants)
    return tuple(sorted({one.family or one.contestant for one in kept.observations if one.contestant in about}))


class Done(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a verb did, as its `--json` prints it: the finding, its status from now on, and what was written."""

    id: str
    status: str
    entry: str = ""
    """The ledger's entry."""
    path: str = ""
    """The file or directory that was written."""
    scripts: tuple[Script, ...] = ()
    """export: a line of shell for each contestant, or why there is none."""


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """Who agrees with whom on a finding's case, as `triage ask --json` prints it; the largest group first."""

    id: str
    groups: tuple[tuple[str, ...], ...]


def _say(as_json: bool, done: Done, *lines: str) -> None:
    click.echo(page(done) if as_json else "\n".join(lines))


def _fail(message: str) -> NoReturn:
    click.echo(f"tarbiter: {message}", err=True)
    sys.exit(COULD_NOT_RUN)


class _Triage(LazyGroup):
    places = MappingProxyType(
        {
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


@triage.command("list")
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


@triage.command()
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


@triage.command()
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
        about = _families(kept)
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
    _say(
        as_json,
        Done(id=kept.id, status=ACCEPTED, entry=accepted.id, path=ledger),
        f"{ledger}: {accepted.id} for {', '.join(accepted.contestants) or 'any version'}",
    )


def _readable(version: str) -> bool:
    """Whether PEP 440 has a specifier for this version."""
    return re.fullmatch(r"\d+(\.\d+)*", version) is not None


@triage.command()
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
            about = ", ".join(_families(kept))
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
    _say(as_json, Done(id=kept.id, status=PROMOTED, path=path), path)


@triage.command()
@click.argument("finding", metavar="ID")
@REASON
@STORE
@JSON
def dismiss(finding: str, reason: str, store: str, as_json: bool) -> None:
    """Put a finding aside: it stays known, and is no longer listed."""
    with store_at(store) as opened:
        kept = opened.get(finding).kept
        opened.mark(kept.id, DISMISSED, reason)
    _say(as_json, Done(id=kept.id, status=DISMISSED), f"{kept.id}: dismissed")


@triage.command()
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
    _say(as_json, Done(id=finding, status="removed"), f"{finding}: removed")


@triage.command("export")
@click.argument("finding", metavar="ID")
@SOURCE
@JSON
@click.option("-o", "--output", default="", metavar="DIR", help="The new directory; default: finding-ID.")
def export_command(finding: str, store: str, as_json: bool, output: str) -> None:
    """Write a directory for a bug report: archive, case, words, and a script that needs no tarbiter.

    Each script is run in a cell before it is offered.
    """
    with findings_at(store) as opened:
        entry = opened.get(finding)
    where = output or f"finding-{entry.kept.id}"
    scripts = export(entry.kept, where)
    lines = [
        f"{where}/reproduce-{one.contestant}.sh" if one.line else f"{one.contestant}: no script: {one.why_not}"
        for one in scripts
    ]
    _say(as_json, Done(id=entry.kept.id, status=entry.status, path=where, scripts=scripts), *lines, where)


@triage.command()
@click.argument("findings", nargs=-1, metavar="[ID...]")
@STORE
@JSON
@WITH
@JOBS
def ask(findings: tuple[str, ...], store: str, as_json: bool, names: tuple[str, ...], cells: int) -> None:
    """Ask everybody who is installed what they make of findings: of new ones not asked about yet, if none is named.

    A campaign runs a ring of contestants, and a finding may be about many more. What they do with its minimised
    case (twice, so that chance is told) is kept in the store, and `tarbiter triage show` and the reports have it.
    Everybody is who is installed, in one release each; former releases are asked when --with names them.

    \b
    tarbiter triage ask
    tarbiter triage ask 9f3a --json

    Exit code: 0 asked (also when there was nothing to ask), 2 could not run, or some could not be read.
    """
    contestants = choose(names, ()) if names else everybody(choose((), ()))
    with store_at(store) as opened:
        entries = [opened.get(one) for one in findings] if findings else unasked(opened.findings(NEW), contestants)
        jobs = [job_of(entry.kept, contestants) for entry in entries]
        done = []
        if entries:
            with Pool(contestants, cells=min(cells, len(entries))) as pool:
                for entry, trial in zip(entries, trials(pool, jobs), strict=True):
                    opened.answered(entry.kept.id, trial.observations)
                    divergence = trial.divergence(weak=False)
                    groups = tuple(group.contestants for group in divergence.groups)
                    done.append(Answered(id=entry.kept.id, groups=groups))
    code = unread(store, opened.damaged.values())
    if as_json:
        click.echo(page(done))
        sys.exit(code)
    for one in done:
        click.echo(f"{one.id}: {len(one.groups)} readings among {sum(map(len, one.groups))} contestants")
        for group in one.groups:
            click.echo(f"  {', '.join(group)}")
    sys.exit(code)


@triage.command()
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
