"""Where a report comes from: a project's store, or the directory of one run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version

import msgspec

from ..archive.text import loads
from ..campaign.recorded import Findings, findings_at
from ..campaign.store import NEW, Entry, Ran
from ..judge.answered import Verdict, verdict
from ..judge.compare import compare
from ..judge.ledger import Ledger
from ..judge.machine import plain as as_plain
from ..judge.wording import plain
from .record import FORMAT, Group, Parted, Report, Row, RunRow, Told, feature_rows, invariant_rows, matrix, rate

SEEDS = 10
"""The latest runs whose seeds are drawn again for the features: a year of nights would take minutes."""


def gather(path: str, ledger: Ledger | None = None) -> Report:
    """The report on the store or the run's directory at `path`. Raises RunError (StoreError)."""
    ledger = ledger or Ledger()
    with findings_at(path) as store:
        return _of(path, store, ledger)


def _of(path: str, store: Findings, ledger: Ledger) -> Report:
    ran = store.runs()
    rows, first_run = [], {}
    for entry in store.findings():
        first_run[entry.kept.id] = entry.first_run
        reopened = entry.status == NEW and bool(ran) and entry.changed >= ran[-1].began
        rows.append(_row(entry, ledger, bool(ran) and entry.first_run == ran[-1].number, reopened))
    counts = Counter(first_run.values())
    runs = [_run_row(one, counts[one.number]) for one in ran]
    return _report(path, ledger, rows, runs, first_run, tuple(store.damaged.values()))


def _row(entry: Entry, ledger: Ledger, fresh: bool, reopened: bool) -> Row:
    told = Told.of(entry.kept)
    accepted_by = _accepted_by(ledger, told)
    still_open = entry.status == NEW and not accepted_by
    return Row(
        finding=told,
        status=entry.status,
        reason=entry.reason,
        accepted_by=accepted_by,
        fresh=fresh,
        first_seen=entry.first_seen,
        runs=entry.runs,
        recipe=entry.recipe,
        size=entry.size,
        open=still_open,
        news=still_open and (fresh or reopened),
        asked=_asked(entry),
    )


def _asked(entry: Entry) -> tuple[Group, ...]:
    if not entry.asked:
        return ()
    divergence = compare(entry.asked, world=loads(entry.kept.case).world, weak=False)
    parted = msgspec.convert(as_plain(divergence), Parted)
    versions = {one.contestant: one.version for one in entry.asked}
    return tuple(
        msgspec.structs.replace(
            group, contestants=tuple(plain(f"{name} {versions[name]}".strip()) for name in group.contestants)
        )
        for group in parted.groups
    )


def _accepted_by(ledger: Ledger, told: Told) -> str:
    verdict = ledger.verdict(told.id, told.invariant, told.causes, told.versions)
    return verdict.entry.id if verdict.entry is not None and verdict.accepted else ""


def _run_row(ran: Ran, findings: int) -> RunRow:
    answers = verdict(ran.answers, named=ran.asked.named) if ran.answers else Verdict()
    return RunRow(
        number=ran.number,
        began=ran.began,
        path=ran.path,
        seed=ran.asked.seed,
        cases=ran.cases,
        seconds=round(ran.seconds, 3),
        findings=findings,
        contestants=ran.asked.contestants,
        environment=ran.asked.environment,
        uncompared=tuple(map(plain, answers.reasons)),
        absent=tuple(map(plain, answers.absent)),
    )


def _report(
    path: str,
    ledger: Ledger,
    rows: Sequence[Row],
    runs: Sequence[RunRow],
    first_run: dict[str, int],
    damaged: tuple[str, ...],
) -> Report:
    return Report(
        format=FORMAT,
        tarbiter=version("tarbiter"),
        source=path,
        ledger=ledger.path,
        runs=tuple(runs),
        statuses=dict(sorted(Counter(row.status for row in rows).items())),
        invariants=invariant_rows(rows),
        matrix=matrix(rows),
        rate=rate(rows, runs, first_run),
        features=feature_rows(rows, [run.seed for run in runs[-SEEDS:]]),
        stale=tuple(entry.id for entry in ledger.stale),
        findings=tuple(rows),
        damaged=tuple(map(plain, damaged)),
    )
