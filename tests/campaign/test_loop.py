"""The campaign end to end: what it finds is true, the same seed finds the same, and stopping it loses nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from tarbiter.archive.case import Case, Placed, World
from tarbiter.archive.cases import load
from tarbiter.archive.recipe import Member, Recipe
from tarbiter.archive.text import loads
from tarbiter.campaign.loop import HANG_COUNTS, HANG_PROBES, PROBES, Bounds, Campaign, counts_for, probes_for
from tarbiter.campaign.records import FAULTS, Asked, Fault
from tarbiter.campaign.runs import Run
from tarbiter.campaign.suspects import PEEK, Known, Suspect, split
from tarbiter.contest.installed.registry import available
from tarbiter.contest.pool import Pool
from tarbiter.generate.recipes import Generated, case_at
from tarbiter.judge.facets import STRONG
from tarbiter.triage.causes import causes
from tarbiter.triage.target import Target
from tarbiter.triage.trial import job_for, trials

NAMES = ("extractor-compat", "tarfile-fully-trusted")
ASKED = Asked(seed=1, contestants=dict.fromkeys(NAMES, ""), facets=STRONG, environment={})
CASES = 8


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(available(NAMES), cells=2) as opened:
        yield opened


def quiet() -> None:
    return


def go(pool: Pool, run: Run, bounds: Bounds, progress: Callable[[], None] = quiet) -> Campaign:
    campaign = Campaign(pool, run, NAMES, bounds, progress)
    try:
        campaign.go()
    finally:
        run.close()
    return campaign


def ids(path: Path) -> list[str]:
    return [json.loads(line)["id"] for line in (path / "findings.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def finished(pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of CASES cases that nobody disturbed."""
    path = tmp_path_factory.mktemp("campaign") / "run"
    go(pool, Run.create(str(path), ASKED), Bounds(cases=CASES))
    return path


def test_it_finds_some_and_counts_all(finished: Path) -> None:
    state = json.loads((finished / "state.json").read_text())
    assert ids(finished)
    assert state["cases"] == state["next_index"] == CASES
    assert sum(state["statuses"].values()) == CASES * len(NAMES)
    assert state["extracted_by_all"] <= state["extracted_by_some"] <= CASES


def test_each_finding_is_there_once(finished: Path) -> None:
    assert len(set(ids(finished))) == len(ids(finished))


def test_each_minimised_case_shows_its_finding_again(pool: Pool, finished: Path) -> None:
    for row in map(json.loads, (finished / "findings.jsonl").read_text().splitlines()):
        case = load(str(finished / "findings" / f"{row['id']}.toml")).case
        assert case is not None
        (trial,) = trials(pool, [job_for(case, NAMES)])
        pattern = trial.divergence(STRONG).signature
        assert pattern is not None
        target = msgspec.convert(row["target"], Target)
        assert target.seen_in(trial)
        assert target.signed(pattern, trial.observations, row["causes"]).id == row["id"]


def test_the_same_seed_finds_the_same(pool: Pool, finished: Path, tmp_path: Path) -> None:
    go(pool, Run.create(str(tmp_path / "run"), ASKED), Bounds(cases=CASES))
    assert ids(tmp_path / "run") == ids(finished)
    for case in (finished / "findings").iterdir():
        assert (tmp_path / "run" / "findings" / case.name).read_bytes() == case.read_bytes()


@pytest.mark.parametrize("at", [1, CASES // 2, CASES + 1], ids=["at once", "in a slice", "while investigating"])
def test_interrupted_and_resumed_it_finds_the_same(pool: Pool, finished: Path, tmp_path: Path, at: int) -> None:
    calls = 0

    def interrupt() -> None:
        nonlocal calls
        calls += 1
        if calls == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        go(pool, Run.create(str(tmp_path / "run"), ASKED), Bounds(cases=CASES), interrupt)
    resumed = Run.resume(str(tmp_path / "run"))
    go(pool, resumed, Bounds(cases=CASES - resumed.state.cases))
    assert set(ids(tmp_path / "run")) == set(ids(finished))


KILLED = """
import os, signal, sys
from tarbiter.campaign.loop import Bounds, Campaign
from tarbiter.campaign.records import Asked
from tarbiter.campaign.runs import Run
from tarbiter.contest.pool import Pool
from tarbiter.contest.installed.registry import available
from tarbiter.judge.facets import STRONG
names, cases, at = ("extractor-compat", "tarfile-fully-trusted"), int(sys.argv[2]), int(sys.argv[3])
asked = Asked(seed=1, contestants=dict.fromkeys(names, ""), facets=STRONG, environment={})
with Pool(available(names), cells=1) as pool:
    def progress():
        if len(campaign.new) == at:
            os.kill(os.getpid(), signal.SIGKILL)
    campaign = Campaign(pool, Run.create(sys.argv[1], asked), names, Bounds(cases=cases), progress)
    campaign.go()
"""


def test_killed_and_resumed_it_finds_the_same(pool: Pool, finished: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), str(CASES), "1"], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(ids(path)) == 1
    resumed = Run.resume(str(path))
    go(pool, resumed, Bounds(cases=CASES - resumed.state.cases))
    assert set(ids(path)) == set(ids(finished))


FULL = """
import resource, signal, sys
from tarbiter.campaign.loop import Bounds, Campaign
from tarbiter.campaign.records import Asked, RunError
from tarbiter.campaign.runs import Run
from tarbiter.contest.pool import Pool
from tarbiter.contest.installed.registry import available
from tarbiter.judge.facets import STRONG
names, cases, room = ("extractor-compat", "tarfile-fully-trusted"), int(sys.argv[2]), int(sys.argv[3])
asked = Asked(seed=1, contestants=dict.fromkeys(names, ""), facets=STRONG, environment={})
with Pool(available(names), cells=1) as pool:
    run = Run.create(sys.argv[1], asked)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    def progress():
        # The cells are there by now: this is for what the campaign writes.
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    campaign = Campaign(pool, run, names, Bounds(cases=cases), progress)
    try:
        campaign.go()
    except RunError as error:
        sys.exit(str(error))
"""


@pytest.mark.parametrize(
    ("room", "what"),
    [
        pytest.param(10, "the checkpoint", id="at-once"),
        pytest.param(10_000, "a finding", id="when-something-was-found"),
    ],
)
def test_a_full_disk_ends_a_run_that_goes_on_later(
    pool: Pool, finished: Path, tmp_path: Path, room: int, what: str
) -> None:
    """A limit on file sizes fails a write half-way, as a full disk does."""
    path = tmp_path / "run"
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path), str(CASES), str(room)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert f"{path}: {what} cannot be written: File too large; nothing before it is lost" in done.stderr
    assert f"--resume {path}" in done.stderr
    assert list(path.rglob("*.part")) == []
    resumed = Run.resume(str(path))
    go(pool, resumed, Bounds(cases=CASES - resumed.state.cases))
    assert set(ids(path)) == set(ids(finished))


def test_a_second_session_goes_on_where_the_first_ended(pool: Pool, finished: Path, tmp_path: Path) -> None:
    go(pool, Run.create(str(tmp_path / "run"), ASKED), Bounds(cases=CASES // 2))
    campaign = go(pool, Run.resume(str(tmp_path / "run")), Bounds(cases=CASES // 2))
    assert campaign.state.cases == campaign.state.next_index == CASES
    # The pool of the first session decides what the second one tries: it is another run than one in one go.
    assert set(ids(tmp_path / "run")) & set(ids(finished))


def test_what_a_session_learned_is_there_in_the_next(finished: Path) -> None:
    learned = Run.resume(str(finished))
    learned.close()
    assert learned.learned.parents
    assert learned.learned.known
    assert learned.learned.young
    assert learned.state.pool == len(learned.learned.parents)


def test_scouts_see_every_case_and_the_others_what_is_new(pool: Pool, tmp_path: Path) -> None:
    run = Run.create(str(tmp_path / "run"), ASKED)
    campaign = Campaign(pool, run, NAMES, Bounds(cases=CASES), quiet, scouts=NAMES[:1], sample=CASES)
    campaign.go()
    run.close()
    seen = sum(run.state.statuses.values())
    assert run.state.cases == CASES
    assert CASES < seen < CASES * len(NAMES)


def test_where_our_own_side_failed_is_kept(pool: Pool, tmp_path: Path) -> None:
    world = World(placed=(Placed(kind="file", name=b"/x"),))
    run = Run.create(str(tmp_path / "run"), ASKED)
    campaign = Campaign(pool, run, NAMES, Bounds(cases=1), quiet)
    for index in range(FAULTS + 2):
        case = Case(recipe=Recipe(parts=(Member(name=b"a"),)), world=world)
        (trial,) = trials(pool, (job_for(case, NAMES),))
        campaign._judge(Generated(case=case, seed=8, index=index), trial)
    run.checkpoint()
    run.close()
    assert campaign.statuses == {"harness-fault": 2 * (FAULTS + 2)}
    kept = sorted((tmp_path / "run" / "faults").iterdir())
    assert [path.name for path in kept] == [f"{index}.toml" for index in range(FAULTS)]
    case = loads(kept[0].read_text())
    assert (case.world, case.title) == (world, f"harness-fault: {NAMES[0]}")
    again = Run.resume(str(tmp_path / "run"))
    again.close()
    words = "WorldError: world, '/x': is not relative, or leaves the destination"
    assert again.state.faults[0] == Fault(0, NAMES[0], words)


def test_coverage_makes_parents_and_brings_no_case_before_the_others(tmp_path: Path) -> None:
    cases, third = 32, "gnu-tar"
    names = (*NAMES, third)
    parents, shown = [], []
    for coverage in (False, True):
        run = Run.create(str(tmp_path / f"run {coverage}"), ASKED)
        with Pool(available(names), cells=2, coverage=coverage) as counting:
            campaign = Campaign(counting, run, names, Bounds(cases=cases), quiet, scouts=NAMES, sample=cases)
            fresh = campaign.search.propose(0, cases)
            for generated, trial in campaign._slice(fresh):
                campaign._judge(generated, trial)
        run.close()
        parents.append({parent.packed for parent in campaign.search.parents})
        shown.append(campaign.statuses)
    assert shown[0] == shown[1]
    assert parents[0] < parents[1]


def test_no_time_no_cases(pool: Pool, tmp_path: Path) -> None:
    campaign = go(pool, Run.create(str(tmp_path / "run"), ASKED), Bounds(seconds=0))
    assert (campaign.state.cases, campaign.new) == (0, [])


@pytest.mark.parametrize(
    ("facet", "probes", "counts"),
    [("hung", HANG_PROBES, HANG_COUNTS), ("crashed", PROBES, 1), ("status:refused/extracted", PROBES, 1)],
)
def test_what_hangs_has_fewer_probes_and_counts_for_more(facet: str, probes: int, counts: int) -> None:
    assert HANG_PROBES * 5 < PROBES
    target = Target("alive", NAMES[0], "", facet)
    assert probes_for(target) == probes
    assert counts_for(Suspect.of(target, case_at(1, 0), frozenset())) == counts


class Clock:
    """Stands still, but for the jump of a minute once `jump` says so."""

    def __init__(self) -> None:
        self.jump: Callable[[], bool] = lambda: False

    def __call__(self) -> float:
        return 60.0 if self.jump() else 0.0


def test_an_investigation_ends_with_the_time_and_its_suspect_waits(
    pool: Pool, finished: Path, tmp_path: Path
) -> None:
    run, clock = Run.create(str(tmp_path / "run"), ASKED), Clock()
    campaign = Campaign(pool, run, NAMES, Bounds(cases=CASES, seconds=10), quiet, clock=clock)
    asked = 0

    def jump() -> bool:
        nonlocal asked
        asked += campaign.doing == "investigating"
        return asked > 1  # the first asks whether to begin

    clock.jump = jump
    campaign.go()
    run.close()
    assert (campaign.state.cases, campaign.state.investigated, ids(tmp_path / "run")) == (CASES, 0, [])
    assert campaign.state.due == campaign.state.waiting > 0
    resumed = Run.resume(str(tmp_path / "run"))
    go(pool, resumed, Bounds(cases=0))
    assert set(ids(tmp_path / "run")) == set(ids(finished))


def test_cases_in_flight_are_given_up_with_the_time_and_run_again(pool: Pool, tmp_path: Path) -> None:
    run, clock = Run.create(str(tmp_path / "run"), ASKED), Clock()
    campaign = Campaign(pool, run, NAMES, Bounds(cases=CASES, seconds=10), quiet, clock=clock)
    clock.jump = lambda: campaign.state.cases >= 1
    campaign.go()
    run.close()
    assert 1 <= campaign.state.cases < CASES
    assert campaign.state.next_index == campaign.state.cases
    resumed = Run.resume(str(tmp_path / "run"))
    go(pool, resumed, Bounds(cases=CASES - resumed.state.cases))
    assert resumed.state.cases == resumed.state.next_index == CASES


def test_contestants_of_one_mind_give_no_findings(tmp_path: Path) -> None:
    names = ("extractor-compat", "extractor-compat")
    with Pool(available(names[:1]), cells=1) as pool:
        run = Run.create(str(tmp_path / "run"), ASKED)
        campaign = Campaign(pool, run, names, Bounds(cases=CASES), quiet)
        campaign.go()
        run.close()
    serious = [one for one in campaign.new if one.invariant == "disagreement"]
    assert serious == []


def test_a_reason_that_hides_behind_a_known_one_is_found(pool: Pool, tmp_path: Path) -> None:
    """Each case has a file with a slash, which is known, and a second reason for another type."""
    slash = (Member(name=b"slash/"),)
    hidden = (Member(kind="dir", name=b"d"), Member(kind="symlink", name=b"d", linkname=b"t"))
    target = Target("disagreement", NAMES[0], NAMES[1], "status:partial/extracted")
    run = Run.create(str(tmp_path / "run"), ASKED)
    run.learned.known.append(Known(frozenset(causes(Case(recipe=Recipe(slash)))), frozenset({split(target)})))
    campaign = Campaign(pool, run, NAMES, Bounds(cases=1), quiet)
    try:
        both = Generated(case=Case(recipe=Recipe((*slash, *hidden))), seed=1, index=0)
        assert campaign.suspects.offer(both, [target]) == 0
        only = Generated(case=Case(recipe=Recipe((*slash, Member(name=b"f")))), seed=1, index=PEEK)
        assert campaign.suspects.offer(only, [target]) == 0
        campaign._peek()
        (found,) = campaign.suspects.waiting
        assert "dir, then symlink of the same name" in found.causes
        assert "file name: slash at the end" not in found.causes
        assert (run.state.peeked, run.state.unveiled, campaign.suspects.doubts) == (1, 1, [])
    finally:
        run.close()
