"""Everybody: who is asked about a new finding besides the ring, when there is time, and what is kept of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tarbiter.campaign.full_field import START_S, Asking, everybody, unasked
from tarbiter.campaign.known_findings import Memory
from tarbiter.campaign.loop import Bounds, Campaign
from tarbiter.campaign.records import Asked
from tarbiter.campaign.runs import Run
from tarbiter.campaign.store import Entry, Store
from tarbiter.contest.installed.registry import Contestant, Table, available, everyone
from tarbiter.contest.observation import Observation
from tarbiter.contest.pool import Pool
from tarbiter.judge.facets import STRONG

from .findings import ASKED
from .test_runs import keep

NAMES = ("extractor-compat", "tarfile-fully-trusted")
EVERYBODY = (*NAMES, "extractor-strict")


def test_everybody_is_there_once_and_in_one_release() -> None:
    chosen = available(NAMES)
    names = [one.name for one in everybody(chosen)]
    assert names[:2] == list(NAMES)
    assert len(names) == len(set(names))
    wanted = {one.name for one in everyone() if not one.missing and "@" not in one.name}
    assert set(names) == wanted > set(EVERYBODY)


def test_who_was_chosen_is_there_in_any_release() -> None:
    own = Contestant(name="mine@1", table=Table(family="mine", argv=("x",)))
    assert everybody((own,))[0] == own


ONE = (Contestant(name="one", table=Table(argv=("x",)), version="1"),)
SAME = Observation(contestant="one", version="1", status="extracted")


@pytest.mark.parametrize(
    ("asked", "due"),
    [
        pytest.param((), True, id="nobody"),
        pytest.param((SAME,), False, id="this version"),
        pytest.param((Observation(contestant="one", version="0", status="extracted"),), True, id="another version"),
        pytest.param(
            (Observation(contestant="two", version="1", status="extracted"), SAME), False, id="and others"
        ),
    ],
)
def test_who_has_not_been_asked(tmp_path: Path, asked: tuple[Observation, ...], due: bool) -> None:
    with Store(str(tmp_path / "store")) as store:
        entry = stored(tmp_path, store)
        if asked:
            store.answered(entry.kept.id, asked)
        assert [one.kept.id for one in unasked(store.findings(), ONE)] == [entry.kept.id] * due


def stored(folder: Path, store: Store) -> Entry:
    run = Run.create(str(folder / "run"), ASKED)
    kept = keep(run, b"a")
    store.add(kept, store.begin(run.path, ASKED))
    run.close()
    return store.get(kept.id)


@pytest.mark.parametrize(
    ("left_s", "asked"),
    [
        pytest.param(None, 1, id="no end"),
        pytest.param(START_S + 1, 1, id="time enough"),
        pytest.param(START_S - 1, 0, id="too little to start everybody"),
        pytest.param(-1.0, 0, id="none"),
    ],
)
def test_nothing_is_begun_that_has_no_time(tmp_path: Path, left_s: float | None, asked: int) -> None:
    def late(by_s: float) -> bool:
        return left_s is not None and by_s + left_s <= 0

    with Store(str(tmp_path / "store")) as store, Asking(store, available(EVERYBODY)) as asking:
        entry = stored(tmp_path, store)
        asking.ask(entry.kept, late, 40.0)
        assert (asking.asked, asking.left) == (asked, 1 - asked)
        assert [one.contestant for one in store.get(entry.kept.id).asked] == list(EVERYBODY) * asked


@pytest.mark.parametrize(
    ("patience_s", "answers"),
    [
        pytest.param(60.0, [False, *[True] * 1000], id="the campaign is over"),
        pytest.param(0.0, [False] * 1000, id="one finding takes long"),
    ],
)
def test_what_takes_longer_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience_s: float, answers: list[bool]
) -> None:
    monkeypatch.setattr("tarbiter.campaign.full_field.PATIENCE_S", patience_s)
    times = iter(answers)

    def late(_by_s: float) -> bool:
        return next(times)

    with Store(str(tmp_path / "store")) as store, Asking(store, available(EVERYBODY)) as asking:
        entry = stored(tmp_path, store)
        asking.ask(entry.kept, late, 40.0)
        assert (asking.asked, asking.left) == (0, 1)
        assert store.get(entry.kept.id).asked == ()
        monkeypatch.undo()
        asking.ask(entry.kept, lambda _by_s: False, 40.0)
        assert (asking.asked, asking.left) == (1, 1), "the cell was given up with what was in flight"


def test_a_campaign_asks_about_what_is_new_and_nothing_else(tmp_path: Path) -> None:
    asked = Asked(seed=8, contestants=dict.fromkeys(NAMES, ""), facets=STRONG, environment={})
    counts = []
    with Store(str(tmp_path / "store")) as store, Pool(available(NAMES), cells=2) as pool:
        for number in (1, 2):
            run = Run.create(str(tmp_path / f"run{number}"), asked)
            with Asking(store, available(EVERYBODY)) as asking:
                campaign = Campaign(
                    pool, run, NAMES, Bounds(cases=8), lambda: None, Memory(run, store), asking=asking
                )
                campaign.go()
            run.close()
            counts.append((asking.asked, len(campaign.new)))
        assert counts[0][0] == counts[0][1] > 0
        assert counts[1] == (0, 0)
        for entry in store.findings():
            assert [one.contestant for one in entry.asked] == list(EVERYBODY)


def test_a_ring_that_was_not_named_is_not_all_that_is_asked(tmp_path: Path) -> None:
    """The ring of a machine with GNU tar alone, and one contestant of the user's that is in no ring."""
    own = '[outsider]\nargv = ["tar", "--extract", "--file={archive}", "--directory={dest}"]\nring = 2\n'
    (tmp_path / "tarbiter.toml").write_text(own)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "tar").symlink_to(str(shutil.which("tar")))
    (tmp_path / "home").mkdir()
    environment = {**os.environ, "PATH": str(programs), "HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": ""}
    command = [sys.executable, "-m", "tarbiter", "fuzz", "--cases", "4", "--seed", "1"]
    for store, names in (("all", ()), ("named", ("--with", ",".join(NAMES)))):
        where = ("--store", str(tmp_path / store), "-o", str(tmp_path / f"run {store}"))
        done = subprocess.run(
            [*command, *where, *names], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1, done.stderr
        with Store(str(tmp_path / store)) as opened:
            answers = [{one.contestant for one in entry.asked} for entry in opened.findings()]
        assert answers
        if names:
            assert set().union(*answers) == set()
            assert "contestants were asked" not in done.stdout
        else:
            assert all({"outsider", "gnu-tar"} <= answer for answer in answers)
            assert f"were asked about {len(answers)} new findings; for 0 there was no time" in done.stdout
