"""Two releases side by side: which aspects are told apart, what is grouped, and a run that finds what is known."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import msgspec
import pytest

from tarbiter.archive.case import Case
from tarbiter.archive.recipe import Member, Recipe
from tarbiter.archive.text import loads
from tarbiter.campaign.aspects import Aspect, Pair, aspects, of_trial
from tarbiter.campaign.packing import pack
from tarbiter.campaign.versus import Change, Left, Parted, Progress, Versus, chain, foremost, grouped, identity
from tarbiter.contest.installed.registry import available
from tarbiter.contest.observation import Change as Outside
from tarbiter.contest.observation import Node, Observation, Status
from tarbiter.contest.pool import Pool
from tarbiter.generate.recipes import Generated, case_at
from tarbiter.triage.trial import Trial, job_for, trials

from ..contest.hostile import hostile

PAIR = Pair("tarfile-fully-trusted", "extractor-compat")


def seen(
    status: Status = "extracted", *nodes: Node, error: str = "", escapes: tuple[Outside, ...] = ()
) -> Observation:
    return Observation(contestant="c", status=status, tree=nodes, error=error, escapes=escapes)


FILE = Node(path=b"a", type="file", data=b"1", size=1, mode=0o644)
OTHER = Node(path=b"b", type="file", data=b"1", size=1, mode=0o644)
LONGER = Node(path=b"a", type="file", data=b"12", size=2, mode=0o644)
CLOSED = Node(path=b"a", type="file", data=b"1", size=1, mode=0o600)
LINK = Node(path=b"a", type="symlink", link=b"b")
OUT = Outside(path=b"canary/x", what="created")


@pytest.mark.parametrize(
    ("old", "new", "want"),
    [
        pytest.param(seen("extracted", FILE), seen("extracted", FILE), (), id="same"),
        pytest.param(seen("extracted", FILE), seen("extracted"), (Aspect("names", "more", ""),), id="fewer-names"),
        pytest.param(seen("extracted"), seen("extracted", FILE), (Aspect("names", "", "more"),), id="more-names"),
        pytest.param(
            seen("extracted", FILE), seen("extracted", OTHER), (Aspect("names", "more", "more"),), id="other-names"
        ),
        pytest.param(seen("extracted", FILE), seen("extracted", LINK), (Aspect("types"),), id="types"),
        pytest.param(seen("extracted", FILE), seen("extracted", LONGER), (Aspect("content"),), id="content"),
        pytest.param(seen("extracted", FILE), seen("extracted", CLOSED), (Aspect("mode"),), id="mode"),
        pytest.param(
            seen("extracted"),
            seen("refused", error="bad"),
            (Aspect("status", "extracted", "refused: bad"),),
            id="status",
        ),
        pytest.param(
            seen("partial", FILE, error="at 7"),
            seen("crashed"),
            (Aspect("status", "refused: at …", "crashed"),),
            id="crash",
        ),
        pytest.param(
            seen("partial", FILE, error="x"), seen("refused", error="y"), (Aspect("left behind"),), id="left"
        ),
        pytest.param(seen("partial", FILE, error="x"), seen("partial", FILE, error="y"), (), id="other-words"),
        pytest.param(seen("hung"), seen("hung", FILE), (), id="hung-both"),
        pytest.param(
            seen("refused", escapes=(OUT,)),
            seen("refused"),
            (Aspect("escapes", "created", ""),),
            id="escape-mended",
        ),
        pytest.param(
            seen("refused"), seen("refused", escapes=(OUT,)), (Aspect("escapes", "", "created"),), id="escape-new"
        ),
        pytest.param(seen("flaky"), seen("extracted", FILE), (), id="flaky"),
        pytest.param(seen("harness-fault"), seen("extracted", FILE), (), id="harness-fault"),
    ],
)
def test_aspects(old: Observation, new: Observation, want: tuple[Aspect, ...]) -> None:
    assert aspects(old, new) == want


def test_what_was_slow_the_first_time_says_nothing() -> None:
    slow = Observation(contestant="c", status="partial", notes=("run twice: hung first (time)",))
    assert aspects(slow, seen("extracted", FILE)) == ()


def test_what_hung_twice_says_something() -> None:
    hung = Observation(contestant="c", status="hung", notes=("run twice: hung first (time)",))
    assert aspects(hung, seen("extracted", FILE)) == (Aspect("status", "hung", "extracted"),)


def test_a_chain_of_releases() -> None:
    assert chain(["a", "b", "c"]) == (Pair("a", "b"), Pair("b", "c"))


def change(index: int, *causes: str, pair: Pair = PAIR) -> Change:
    return Change(
        id=str(index), pair=pair, aspect=Aspect("names"), causes=causes, case="", original="", index=index, cases=1,
        seconds=1.0, features=(), probes=1, complete=True, observations=(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "want"),
    [
        pytest.param(
            [change(1, "x"), change(2, "x", "y"), change(3, "z")], [["1", "2"], ["3"]], id="one-more-cause"
        ),
        pytest.param([change(1, "x", "y"), change(2, "y", "z")], [["1"], ["2"]], id="one-cause-shared"),
        pytest.param([change(1), change(2, "x")], [["1"], ["2"]], id="an-ordinary-archive-explains-nothing"),
        pytest.param([change(1, "x"), change(2, "x", pair=Pair("b", "c"))], [["1"], ["2"]], id="another-pair"),
    ],
)
def test_grouped(changes: list[Change], want: list[list[str]]) -> None:
    assert [[one.id for one in group] for group in grouped(changes)] == want


def test_the_id_knows_the_direction() -> None:
    assert identity(PAIR, Aspect("names"), ("x",)) != identity(Pair(PAIR.new, PAIR.old), Aspect("names"), ("x",))


# A run ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pool() -> Iterator[Pool]:
    with Pool(available((PAIR.old, PAIR.new)), cells=2) as opened:
        yield opened


@pytest.fixture(scope="module")
def run(pool: Pool) -> Versus:
    versus = Versus(pool, (PAIR,), 3)
    list(versus.go(cases=48))
    return versus


def test_it_counts_every_case(run: Versus) -> None:
    assert run.state.cases == run.state.next_index == 48
    assert {name: sum(row.values()) for name, row in run.state.statuses.items()} == {PAIR.old: 48, PAIR.new: 48}
    assert 0 < run.state.parted <= 48


def test_each_change_shows_in_its_minimised_case(pool: Pool, run: Versus) -> None:
    assert run.changes
    for found in run.changes:
        (trial,) = trials(pool, [job_for(loads(found.case), (PAIR.old, PAIR.new))])
        assert found.aspect in of_trial(trial, PAIR)


def test_each_change_is_there_once(run: Versus) -> None:
    ids = [found.id for found in run.changes]
    assert len(ids) == len(set(ids))
    assert set(ids) <= run.state.sightings.keys()


def test_an_escape_is_found_with_its_direction(run: Versus) -> None:
    escapes = {found.aspect for found in run.changes if found.aspect.facet == "escapes"}
    assert escapes
    assert {aspect.new for aspect in escapes} == {""}


@pytest.mark.usefixtures("hasty")
def test_a_run_that_goes_on_keeps_what_it_has(pool: Pool) -> None:
    """What minimising comes to in its 20 seconds may differ; what was found, and how far it came, does not."""
    first = Versus(pool, (PAIR,), 3)
    list(first.go(cases=16))
    found = [one.id for one in first.changes]
    second = Versus(pool, (PAIR,), 3, changes=first.changes, progress=first.state)
    list(second.go(cases=32))
    assert second.state.cases == second.state.next_index == 32
    assert [one.id for one in second.changes][: len(found)] == found != []


def test_nothing_is_found_where_nothing_differs(pool: Pool) -> None:
    versus = Versus(pool, (Pair(PAIR.new, PAIR.new),), 11)
    assert list(versus.go(cases=40)) == []
    assert versus.state.cases == 40


def test_a_run_that_is_out_of_time_does_nothing(pool: Pool) -> None:
    versus = Versus(pool, (PAIR,), 3, progress=Progress(seconds=10.0))
    assert list(versus.go(seconds=5.0)) == []
    assert versus.state.cases == 0


def test_it_can_be_left_at_any_change(pool: Pool) -> None:
    assert len(list(itertools.islice(Versus(pool, (PAIR,), 3).go(cases=48), 1))) == 1


@pytest.mark.usefixtures("hasty")
def test_what_time_left_no_room_for_is_looked_into_when_the_run_goes_on(pool: Pool) -> None:
    first = Versus(pool, (PAIR,), 3)
    next(first.go(cases=16))  # whoever stops listening stops the run
    looked_into = first.state.looked_into
    assert first.left.waiting
    second = Versus(pool, (PAIR,), 3, changes=first.changes, progress=first.state, left=first.left)
    list(second.go(cases=16))
    assert (second.left.waiting, second.state.waiting, second.state.cases) == ([], 0, 16)
    assert second.state.looked_into > looked_into


def parted(index: int, *features: str, facet: str = "names", causes: tuple[str, ...] = ()) -> Parted:
    return Parted(
        packed=pack(case_at(1, index)), index=index, features=features, pair=PAIR, aspect=Aspect(facet),
        causes=frozenset(causes), cost_s=0.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("waiting", "tries", "first"),
    [
        pytest.param([parted(1, "a"), parted(2, "b")], {parted(0, "a").keys[0]: 1}, 2, id="what-was-tried-least"),
        pytest.param([parted(1, "a", facet="mode"), parted(2, "a", facet="escapes")], {}, 2, id="the-gravest"),
        pytest.param([parted(1, "a", causes=("x", "y")), parted(2, "a", causes=("x",))], {}, 2, id="the-simplest"),
        pytest.param([parted(2, "a"), parted(1, "a")], {}, 1, id="the-oldest"),
        pytest.param(
            [parted(1, "b"), parted(2, "a", facet="listing")],
            {parted(0, "a").kind: 1, parted(0, "a", facet="listing").keys[0]: 1},
            2,
            id="kinds-take-turns",
        ),
        pytest.param(
            [parted(1, "a", "b"), parted(2, "a")], {parted(0, "a").keys[0]: 1}, 1, id="with-one-new-feature"
        ),
    ],
)
def test_what_is_looked_into_first(waiting: list[Parted], tries: dict[str, int], first: int) -> None:
    assert foremost(waiting, tries).index == first


@pytest.mark.parametrize(
    ("looking_s", "order"),
    [
        pytest.param(90.0, ["running", "looking into"], id="cases-have-their-turn"),
        pytest.param(1.0, ["looking into", "running"], id="what-waits-has-its-turn"),
    ],
)
def test_new_cases_have_their_share_of_the_time(pool: Pool, looking_s: float, order: list[str]) -> None:
    """However much waits; what is left when there are no more cases is looked into all the same."""
    doing: list[str] = []
    run = Versus(
        pool,
        (PAIR,),
        11,
        progress=Progress(seconds=100.0, looking_s=looking_s),
        left=Left(waiting=[parted(1, "a")]),
        source=lambda _seed, start: iter(() if start else (case_at(11, 0),)),
    )
    run.tell = lambda: doing.append(run.doing)
    list(run.go(seconds=1000.0))
    assert list(dict.fromkeys(doing))[:2] == order
    assert run.left.waiting == []


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is not the point how small a change becomes, it need not become small."""
    monkeypatch.setattr("tarbiter.campaign.versus.PROBES", 24)


@pytest.mark.usefixtures("hasty")
def test_a_guided_run_mutates_what_was_new(pool: Pool) -> None:
    plain, guided = Versus(pool, (PAIR,), 3), Versus(pool, (PAIR,), 3, guided=True)
    for run in (plain, guided):
        list(run.go(cases=32))
    assert guided.left.parents
    assert guided.left.young
    assert (plain.left.parents, plain.left.young) == ([], [])
    assert [one.original for one in guided.changes] != [one.original for one in plain.changes]


@pytest.mark.usefixtures("hasty")
def test_a_guided_run_goes_on_with_its_pool(pool: Pool) -> None:
    """Stopped and gone on with is the same run as one in one go."""
    whole = Versus(pool, (PAIR,), 3, guided=True)
    list(whole.go(cases=32))
    first = Versus(pool, (PAIR,), 3, guided=True)
    list(first.go(cases=16))
    left = msgspec.json.decode(msgspec.json.encode(first.left), type=Left)
    second = Versus(pool, (PAIR,), 3, guided=True, changes=first.changes, progress=first.state, left=left)
    list(second.go(cases=32))
    assert [one.id for one in second.changes] == [one.id for one in whole.changes]
    assert [one.packed for one in second.left.parents] == [one.packed for one in whole.left.parents]


UNSTEADY = "differs from run to run"


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        pytest.param("take_turns", "behave", [Aspect("steadiness", UNSTEADY, "")], id="the old one"),
        pytest.param("behave", "take_turns", [Aspect("steadiness", "", UNSTEADY)], id="the new one"),
        pytest.param("take_turns", "take_other_turns", [], id="both: no change"),
    ],
)
def test_chance_in_one_of_two_is_a_change(old: str, new: str, found: list[Aspect]) -> None:
    case = Case(recipe=Recipe(parts=(Member(name=b"a"),)))
    only = Generated(case=case, seed=11, index=0, features=())
    with Pool([hostile(old), hostile(new)], cells=1) as pool:
        run = Versus(pool, (Pair(old, new),), 11, source=lambda _seed, start: iter((only,)[start:]))
        list(run.go())
    assert [one.aspect for one in run.changes] == found
    assert run.state.vanished == (not found)


def test_what_waits_cost_what_its_own_two_took() -> None:
    """With seven releases in a run, one that loses names by chance was not run again: all were too slow."""

    def ran(name: str, seconds: float, *nodes: Node) -> Observation:
        return Observation(
            contestant=name, status="extracted", tree=nodes, wall_ns=int(seconds * 1e9), overhead_ns=1_000_000_000
        )

    generated = case_at(1, 0)
    observations = (ran("a", 0.5, FILE), ran("b", 1.5), ran("c", 30.0))
    job = job_for(generated.case, ("a", "b", "c"))
    versus = Versus(None, chain("abc"), 1)  # type: ignore[arg-type]  # nothing is run
    versus._wait(generated, Trial(job, observations))
    assert [(one.pair, one.cost_s) for one in versus.left.waiting] == [(Pair("a", "b"), 4.0)]
