"""Where a report comes from: a project's store, or the directory of one run."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version

import msgspec

from ..archive.text import loads
from ..campaign.runs import Asked, RunError, State
from ..campaign.store import NEW, Entry, Ran, Store, StoreError
from ..judge.compare import compare
from ..judge.ledger import Ledger
from ..judge.machine import plain as as_plain
from .console import plain
from .record import FORMAT, Group, Parted, Report, Row, RunRow, Told, feature_rows, invariant_rows, matrix, rate

SEEDS = 10
"""The latest runs whose seeds are drawn again for the features: a year of nights would take minutes."""


def gather(path: str, ledger: Ledger | None = None) -> Report:
    """The report on the store or the run's directory at `path`. Raises RunError (StoreError)."""
    if os.path.exists(os.path.join(path, "tarbiter.db")):
        with Store(path) as store:
            return _of_store(path, store, ledger or Ledger())
    if os.path.exists(os.path.join(path, "run.json")):
        return _of_run(path, ledger or Ledger())
    raise StoreError(
        path, "is neither a store nor a run; `tarbiter fuzz --store DIR` makes both, --store names another"
    )


def _of_store(path: str, store: Store, ledger: Ledger) -> Report:
    ran = store.runs()
    rows, first_run = [], {}
    for entry in store.findings():
        first_run[entry.kept.id] = entry.first_run
        reopened = entry.status == NEW and bool(ran) and entry.changed >= ran[-1].began
        rows.append(_row(entry, ledger, bool(ran) and entry.first_run == ran[-1].number, reopened))
    counts = Counter(first_run.values())
    runs = [_run_row(one, counts[one.number]) for one in ran]
    return _report(path, ledger, rows, runs, first_run)


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
    )


def _of_run(path: str, ledger: Ledger) -> Report:
    """A run without a store knows nothing of earlier ones: all of its findings are new."""
    try:
        with open(os.path.join(path, "run.json"), "rb") as file:
            asked = msgspec.json.decode(file.read(), type=Asked)
            began = os.fstat(file.fileno()).st_mtime
        state = State()
        if os.path.exists(os.path.join(path, "state.json")):
            with open(os.path.join(path, "state.json"), "rb") as file:
                state = msgspec.json.decode(file.read(), type=State)
        with open(os.path.join(path, "findings.jsonl"), "rb") as file:
            # A torn last line is of a run that was killed, or goes on right now.
            told = [msgspec.json.decode(line, type=Told) for line in file if line.endswith(b"\n")]
    except OSError as error:
        raise RunError(
            path, f"{os.path.basename(error.filename or '')} cannot be read: {error.strerror}"
        ) from error
    except msgspec.DecodeError as error:
        raise RunError(path, f"its run.json, state.json or findings.jsonl is damaged: {error}") from error
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began))
    rows = []
    for one in told:
        recipe = os.path.join(path, "findings", f"{one.id}.toml")
        accepted_by = _accepted_by(ledger, one)
        rows.append(
            Row(
                finding=one,
                status=NEW,
                reason="",
                accepted_by=accepted_by,
                fresh=True,
                first_seen=when,
                runs=1,
                recipe=recipe,
                size=len(one.case.encode()),
                open=not accepted_by,
                news=not accepted_by,
            )
        )
    rows.sort(key=lambda row: (row.finding.rank, row.size, row.finding.id))
    ran = Ran(
        number=1,
        began=when,
        path=os.path.abspath(path),
        cases=state.cases,
        seconds=state.seconds,
        asked=asked,
    )
    return _report(path, ledger, rows, [_run_row(ran, len(rows))], dict.fromkeys((one.id for one in told), 1))


def _report(
    path: str, ledger: Ledger, rows: Sequence[Row], runs: Sequence[RunRow], first_run: dict[str, int]
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
    )
