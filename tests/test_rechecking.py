"""A newer version of a contestant reopens the findings on which it does something else."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from tarbiter.archive.case import Case
from tarbiter.archive.recipe import Member, Recipe
from tarbiter.archive.text import dumps
from tarbiter.campaign.records import Asked
from tarbiter.campaign.runs import Run
from tarbiter.campaign.store import DISMISSED, Entry, Store
from tarbiter.cli import main
from tarbiter.contest.installed.registry import available
from tarbiter.contest.observation import Observation
from tarbiter.contest.pool import Pool
from tarbiter.generate.recipes import case_at
from tarbiter.judge.facets import STRONG
from tarbiter.judge.ledger import Entry as Accepted
from tarbiter.judge.ledger import dump
from tarbiter.report.sources import gather
from tarbiter.triage.investigate import investigate
from tarbiter.triage.target import targets
from tarbiter.triage.trial import job_for, trials

PAIR = ("extractor-compat", "tarfile-fully-trusted")
NEWER = "tarfile-fully-trusted"
SLASH = Case(recipe=Recipe(parts=(Member(name=b"a/"),)))
"""Our compat policy makes a directory of it, tarfile a file."""

PLAIN = Case(recipe=Recipe(parts=(Member(name=b"a"),)))

Edit = Callable[[Observation], Observation]


def older(**changes: object) -> Edit:
    """The observation as if an older version had made it, which did these things."""
    return lambda seen: msgspec.structs.replace(seen, version="0.1", **changes)


AS_NOW, REFUSED = older(), older(status="refused", tree=(), error="no such names")


def run(*arguments: str | Path) -> Result:
    return CliRunner(env={"COLUMNS": "300"}).invoke(main, [str(one) for one in arguments])


def recheck(store: Path, *more: str) -> Result:
    return run("triage", "recheck", "--store", store, "--with", ",".join(PAIR), *more)


@pytest.fixture
def stored(tmp_path: Path) -> Callable[[Edit, Case], Path]:
    """A store with one dismissed finding: SLASH, on which `NEWER` was seen to do what an edit makes of it."""

    def fill(edit: Edit, case: Case) -> Path:
        contestants = available(PAIR)
        with Pool(contestants) as pool:
            (trial,) = trials(pool, [job_for(SLASH, PAIR)])
            target = targets(trial.divergence(), trial.observations)[0]
            found = investigate(pool, SLASH, target, PAIR, facets=STRONG).finding
        assert found is not None
        asked = Asked(
            seed=1, contestants={one.name: one.version for one in contestants}, facets=STRONG, environment={}
        )
        opened = Run.create(str(tmp_path / "first"), asked)
        kept = opened.keep(found, case_at(1, 0), ())
        opened.close()
        seen = tuple(edit(one) if one.contestant == NEWER else one for one in kept.observations)
        kept = msgspec.structs.replace(
            kept, observations=seen, case=kept.case if case is SLASH else dumps(case), versions=asked.contestants
        )
        with Store(str(tmp_path / "store")) as store:
            store.add(kept, store.begin(str(tmp_path / "first"), asked))
            store.mark(kept.id, DISMISSED, "known")
        return tmp_path / "store"

    return fill


def _text(case: Case) -> str:
    from tarbiter.archive.text import dumps  # noqa: PLC0415  # for this alone

    return dumps(case)


def entry(path: Path) -> Entry:
    with Store(str(path)) as store:
        (one,) = (found for found in store.findings() if found.first_run == 1)
    return one


def test_the_same_version_is_not_due(stored: Callable[[Edit, Case], Path]) -> None:
    done = recheck(stored(lambda seen: seen, SLASH))
    assert (done.exit_code, done.stdout) == (0, "0 of 1 findings were due: 0 reopened\n")


def test_a_newer_version_that_does_the_same_is_due_once(stored: Callable[[Edit, Case], Path]) -> None:
    store = stored(AS_NOW, SLASH)
    done = recheck(store)
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "1 of 1 findings were due: 0 reopened")
    assert "as before" in done.stdout
    assert entry(store).status == DISMISSED
    assert recheck(store).stdout == "0 of 1 findings were due: 0 reopened\n"


def test_a_newer_version_that_does_something_else_reopens_it(stored: Callable[[Edit, Case], Path]) -> None:
    store = stored(REFUSED, SLASH)
    done = recheck(store, "--json")
    assert done.exit_code == 1
    (one,) = json.loads(done.stdout)
    (moved,) = one["moved"]
    assert (moved["contestant"], moved["before"], one["status"], one["shows"]) == (NEWER, "0.1", "new", True)
    assert moved["what"] == ["status: refused: no such names, now extracted"]
    assert entry(store).status == "new"
    assert entry(store).reason.startswith(f"reopened: {NEWER} ")
    assert recheck(store).exit_code == 0


def test_what_does_not_show_any_more_is_told_and_stays_settled(stored: Callable[[Edit, Case], Path]) -> None:
    store = stored(REFUSED, PLAIN)
    done = recheck(store)
    assert done.exit_code == 1
    assert "does not show any more" in done.stdout
    assert entry(store).status == DISMISSED


def test_a_campaign_begins_with_it(stored: Callable[[Edit, Case], Path], tmp_path: Path) -> None:
    store = stored(REFUSED, SLASH)
    done = run(
        "fuzz", "--cases", "1", "--seed", "1", "--store", store, "--with", ",".join(PAIR), "-o", tmp_path / "run"
    )
    assert done.exit_code == 1
    assert "1 known findings were looked at again with other versions: 1 reopened" in done.stdout
    assert entry(store).kept.id in {row.finding.id for row in gather(str(store)).news}


def test_what_the_ledger_covers_stays_settled(stored: Callable[[Edit, Case], Path], tmp_path: Path) -> None:
    store = stored(REFUSED, SLASH)
    covers = Accepted(id="covers", reason="known", date=datetime.date(2026, 1, 1), signature=entry(store).kept.id)
    (tmp_path / "ledger.toml").write_text(dump(covers))
    done = run(
        "fuzz", "--cases", "1", "--seed", "1", "--store", store, "--with", ",".join(PAIR), "-o", tmp_path / "run",
        "--ledger", tmp_path / "ledger.toml",
    )  # fmt: skip
    assert "1 known findings were looked at again with other versions: 0 reopened" in done.stdout
    assert entry(store).status == DISMISSED


def test_without_a_store_it_says_so(tmp_path: Path) -> None:
    done = run("triage", "recheck", "--store", tmp_path / "none")
    assert done.exit_code == 2
    assert "is neither a store nor a run" in done.stderr
