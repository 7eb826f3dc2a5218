from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from random import Random

import pytest

from tarbiter.archive.case import Case, Placed, Schedule, World
from tarbiter.archive.cases import bytes_of
from tarbiter.archive.layers import Layer
from tarbiter.archive.recipe import Long, Member, Part, Pax, Recipe, Record
from tarbiter.triage.minimise import Budget, Minimised, NotInterestingError, minimise, weight
from tarbiter.triage.passes import PASSES


def case(*parts: Part, end: int = 2, **more: object) -> Case:
    return Case(recipe=Recipe(parts=parts, end=end), **more)  # type: ignore[arg-type]  # world or schedule


NOISE: tuple[Part, ...] = (
    Member(kind="dir", name=b"project-1.0/", mode=0o700, uid=1000, gname=b"users"),
    Member(name=b"project-1.0/setup.py", data=b"import setuptools\n" * 40, mtime=1_600_000_000),
    Long(text=b"project-1.0/" + b"n" * 150),
    Member(format="gnu", name=b"project-1.0/" + b"n" * 88, data=b"long"),
    Member(kind="symlink", name=b"project-1.0/link", linkname=b"setup.py", devmajor=b"7"),
)


def probe(wanted: Callable[[Case], bool]) -> Callable[[Sequence[Case]], Sequence[bool]]:
    return lambda cases: [wanted(one) for one in cases]


def members(one: Case) -> list[Member]:
    return [part for part in one.recipe.parts if isinstance(part, Member)]


def directory_with_size(one: Case) -> bool:
    return any(part.kind == "dir" and part.size not in (None, 0) for part in members(one))


def pax_size(one: Case) -> bool:
    parts = one.recipe.parts
    return any(
        isinstance(pax, Pax)
        and any(record.key == b"size" for record in pax.records)
        and isinstance(member, Member)
        and member.size == 0
        and member.data != b""
        for pax, member in itertools.pairwise(parts)
    )


def twice(one: Case) -> bool:
    names = [part.name for part in members(one) if part.name]
    return len(set(names)) < len(names)


def through_link(one: Case) -> bool:
    links = [part.name for part in members(one) if part.kind == "symlink" and part.name and part.linkname]
    return any(
        part.name is not None and part.name.startswith(link + b"/") for link in links for part in members(one)
    )


def needs_its_world(one: Case) -> bool:
    return any(placed.kind == "symlink" for placed in one.world.placed) and bool(members(one))


def in_two_members(one: Case) -> bool:
    return any(layer.kind == "gzip" and layer.splits for layer in one.layers)


PLANTED = [
    pytest.param(
        directory_with_size,
        case(*NOISE, Member(kind="dir", name=b"project-1.0/odd", size=1024, uname=b"root"), end=3),
        case(Member(kind="dir", name=b"a", size=1)),
        id="one-field",
    ),
    pytest.param(
        pax_size,
        case(
            *NOISE,
            Pax(records=(Record(b"mtime", b"1.5"), Record(b"size", b"512")), uid=7),
            Member(name=b"project-1.0/body", size=0, data=b"z" * 512),
        ),
        case(Pax(records=(Record(b"size", b"512"),)), Member(name=b"a", size=0, data=b"a")),
        id="two-parts-that-belong-together",
    ),
    pytest.param(
        twice,
        case(
            Member(name=b"pkg/data/config.ini", data=b"1"), *NOISE, Member(name=b"pkg/data/config.ini", data=b"22")
        ),
        case(Member(name=b"a"), Member(name=b"a")),
        id="two-that-must-stay-equal",
    ),
    pytest.param(
        through_link,
        case(
            *NOISE,
            Member(kind="symlink", name=b"pkg/door", linkname=b"../outside"),
            Member(name=b"pkg/door/note.txt", data=b"note"),
        ),
        case(Member(kind="symlink", name=b"a", linkname=b"a"), Member(name=b"a/")),
        id="a-name-inside-another",
    ),
    pytest.param(
        needs_its_world,
        case(
            *NOISE,
            world=World(
                placed=(
                    Placed(kind="file", name=b"old", data=b"old"),
                    Placed(kind="symlink", name=b"project-1.0", link=b"../canary"),
                ),
                umask=0o077,
                cwd="dest",
                uid="root",
            ),
            schedule=Schedule(chunks=(1, 511, 512), pause=True),
        ),
        case(Member(name=b"a"), world=World(placed=(Placed(kind="symlink", name=b"a", link=b"../canary"),))),
        id="a-world",
    ),
    pytest.param(
        in_two_members,
        case(*NOISE, layers=(Layer(kind="zstd"), Layer(name=b"x.tar", splits=(512, 900), tail=b"junk"), Layer())),
        case(layers=(Layer(splits=(512,)),)),
        id="a-layer",
    ),
    pytest.param(
        directory_with_size,
        case(Member(kind="dir", name=b"a", size=1), layers=(Layer(kind="xz"), Layer(cut=4))),
        case(Member(kind="dir", name=b"a", size=1)),
        id="layers-that-do-not-matter",
    ),
]


@pytest.mark.parametrize(("wanted", "start", "ideal"), PLANTED)
def test_it_reaches_the_ideal(wanted: Callable[[Case], bool], start: Case, ideal: Case) -> None:
    found = minimise(start, probe(wanted))
    assert found.complete
    assert wanted(found.case)
    assert found.case == ideal


@pytest.mark.parametrize(("wanted", "start", "ideal"), PLANTED)
def test_one_probe_at_a_time_ends_in_the_same_place(
    wanted: Callable[[Case], bool], start: Case, ideal: Case
) -> None:
    assert minimise(start, probe(wanted), budget=Budget(width=1)).case.recipe == ideal.recipe


@pytest.mark.parametrize(("wanted", "start", "ideal"), PLANTED)
def test_the_order_of_the_passes_does_not_matter(wanted: Callable[[Case], bool], start: Case, ideal: Case) -> None:
    passes = list(PASSES)
    Random(7).shuffle(passes)
    found = minimise(start, probe(wanted), passes=passes).case
    # Which letter stands for which name is all that may differ.
    assert weight(found)[:3] == weight(ideal)[:3]


def test_a_small_case_stays_as_it_is() -> None:
    small = case(Member(kind="dir", name=b"a", size=1))
    assert minimise(small, probe(directory_with_size)).case == small


def test_what_does_not_show_it_is_refused() -> None:
    with pytest.raises(NotInterestingError):
        minimise(case(*NOISE), probe(directory_with_size))


def test_what_shows_it_only_sometimes_is_refused() -> None:
    answers = iter((True, False))
    with pytest.raises(NotInterestingError):
        minimise(case(*NOISE), lambda cases: [next(answers) for _ in cases])


def test_a_budget_ends_it_and_says_so() -> None:
    start = PLANTED[0].values[1]
    assert isinstance(start, Case)
    found = minimise(start, probe(directory_with_size), budget=Budget(probes=10, width=2))
    assert not found.complete
    assert directory_with_size(found.case)
    assert weight(found.case) < weight(start)


def test_a_budget_ends_it_between_two_offers_of_a_pass() -> None:
    """None of these offers is smaller, so that no batch is ever full: a clock is looked at all the same."""
    offered: list[Case] = []
    asked = 0

    def endless(one: Case) -> Iterator[Case]:
        for _ in range(1000):
            offered.append(one)
            yield one

    def ended() -> bool:
        nonlocal asked
        asked += 1
        return asked > 5

    start = case(Member(name=b"a"))
    small = minimise(start, probe(lambda _: True), budget=Budget(ended=ended), passes=(endless,))
    assert small.case == start
    assert not small.complete
    assert len(offered) == 6


def test_a_budget_bounds_what_is_weighed_and_not_run() -> None:
    """A pass offers a long path in tens of thousands of ways; to weigh them all took a quarter of an hour."""
    offered = 0

    def endless(one: Case) -> Iterator[Case]:
        nonlocal offered
        while True:
            offered += 1
            yield one

    start = case(Long(text=b"n" * 1000))
    small = minimise(start, probe(lambda _: True), budget=Budget(weighed=20_000), passes=(endless,))
    assert small == Minimised(case=start, probes=2, complete=False)
    assert 10 < offered <= 20


def test_what_is_heavy_counts_for_more_and_fewer_are_run_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight cases of 20,000 members at a time took 700 MB, and sixty probes of them a quarter of an hour."""
    monkeypatch.setattr("tarbiter.triage.minimise.HEAVY", 10_240)
    together: list[tuple[int, int]] = []

    def heavy(one: Case) -> int:
        return 1 + len(bytes_of(one)) // 10_240

    def wanted(cases: Sequence[Case]) -> list[bool]:
        together.append((len(cases), sum(map(heavy, cases))))
        return [any(part.kind == "symlink" for part in members(one)) for one in cases]

    start = case(*(Member(name=b"%02d" % n, data=b"n" * 1000) for n in range(40)), *NOISE)
    small = minimise(start, wanted, budget=Budget(probes=60, width=8))
    first = heavy(start)
    assert together[0] == (2, 2 * first)
    assert all(total < 8 + first for _, total in together)
    assert max(count for count, _ in together) == 8
    assert together[1][0] < 4
    assert small.probes == sum(total for _, total in together)
    assert members(small.case)[-1].kind == "symlink"


def test_every_pass_offers_something() -> None:
    rich = case(
        *NOISE,
        Pax(records=(Record(b"path", b"a/b", length=b"0"),), data=b"junk"),
        Member(name=b"x", size=5, data=b"12345", typeflag=b"5"),
        end=0,
        world=World(umask=0),
    )
    assert [
        reduce.__name__
        for reduce in PASSES
        if not any(True for _ in reduce(case(*rich.recipe.parts[-4:], end=0, layers=(Layer(),))))
    ] == []
