"""Suspects: what a known finding explains, what it does not, and the order in which the rest is looked at."""

from __future__ import annotations

import pytest

from tarbiter.archive.case import Case
from tarbiter.archive.recipe import Member, Recipe
from tarbiter.campaign.suspects import PEEK, QUEUE, RECHECK, Known, Suspects, folded, split, splits, unfolded
from tarbiter.contest.observation import Node, Observation
from tarbiter.generate.recipes import Generated
from tarbiter.triage.causes import causes
from tarbiter.triage.target import Target

SYMLINK = Member(kind="symlink", name=b"l", linkname=b"t")
SIZED = Member(name=b"f", size=5)
PARTED = Target("no-smuggling", "one", "two", "names")
KNOWN = Known(frozenset(causes(Case(recipe=Recipe((SIZED,))))), frozenset({("names", "one", "two")}))


def case(*members: Member, index: int = 0) -> Generated:
    return Generated(case=Case(recipe=Recipe(members)), seed=1, index=index)


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(PARTED, id="the same"),
        pytest.param(Target("no-smuggling", "two", "one", "names"), id="told from the other side"),
        pytest.param(Target("disagreement", "one", "two", "names"), id="another name for it"),
    ],
)
def test_a_case_with_the_causes_of_a_finding_is_explained(target: Target) -> None:
    suspects = Suspects([KNOWN])
    assert suspects.offer(case(SYMLINK, SIZED), [target]) == 0


@pytest.mark.parametrize(
    ("members", "target"),
    [
        pytest.param((SYMLINK,), PARTED, id="without the cause"),
        pytest.param((SIZED,), Target("no-smuggling", "one", "three", "names"), id="another contestant"),
        pytest.param((SIZED,), Target("no-smuggling", "one", "two", "content"), id="another facet"),
        pytest.param((SIZED,), Target("alive", "one", "", "crashed"), id="another invariant"),
    ],
)
def test_what_no_finding_explains_is_a_suspect(members: tuple[Member, ...], target: Target) -> None:
    suspects = Suspects([KNOWN])
    assert suspects.offer(case(*members), [target]) == 1


def test_now_and_then_even_the_explained_is_investigated() -> None:
    suspects = Suspects([KNOWN])
    taken = sum(suspects.offer(case(SIZED, index=index), [PARTED]) for index in range(RECHECK))
    assert taken == 1
    found = suspects.next()
    assert found is not None
    assert found.sure


def test_what_was_found_meanwhile_explains_who_waits() -> None:
    suspects = Suspects()
    suspects.offer(case(SIZED), [PARTED])
    suspects.learn(KNOWN)
    assert suspects.next() is None


def test_the_gravest_first_then_the_simplest_and_what_hangs_last() -> None:
    suspects = Suspects()
    hung, crashed = Target("alive", "one", "", "hung"), Target("alive", "one", "", "crashed")
    suspects.offer(case(SYMLINK, SIZED, index=0), [PARTED, hung, crashed])
    suspects.offer(case(SIZED, index=1), [PARTED])
    order = []
    while (one := suspects.next()) is not None:
        order.append((one.target, one.generated.index))
    assert order == [(crashed, 0), (PARTED, 1), (PARTED, 0), (hung, 0)]


def test_the_queue_is_bounded_and_says_what_it_left_out() -> None:
    suspects = Suspects()
    for index in range(QUEUE + 7):
        suspects.offer(case(SIZED, index=index), [PARTED])
    suspects.trim()
    assert (len(suspects.waiting), suspects.left_out) == (QUEUE, 7)


def test_what_waits_for_one_case_is_written_down_with_it_once() -> None:
    suspects = Suspects()
    for index in range(3):  # number 1 in two forms, as what was freed of its reasons has the number it had before
        suspects.offer(case(SIZED, index=index), [PARTED, Target("alive", "one", "", "crashed")])
        suspects.offer(case(SYMLINK, index=1), [Target("alive", "two", "", "crashed")])
    mixed = suspects.waiting[::2] + suspects.waiting[1::2]
    written = folded(mixed)
    assert sorted(bool(one.packed) for one in written) == [False] * 5 + [True] * 4
    again = unfolded(written)
    assert sorted(again, key=lambda one: one.order) == sorted(mixed, key=lambda one: one.order)
    assert len({id(one.packed) for one in again}) == 4
    assert unfolded(mixed) == mixed


def test_a_smaller_case_does_not_drift_to_what_is_known() -> None:
    suspects = Suspects([KNOWN])
    small = Case(recipe=Recipe((SIZED,)))
    assert suspects.drifts(PARTED, small, frozenset({"symlink"}))
    assert not suspects.drifts(PARTED, small, frozenset({"symlink", *KNOWN.causes}))
    assert not suspects.drifts(PARTED, Case(recipe=Recipe((SYMLINK,))), frozenset({"symlink"}))


def test_a_finding_explains_all_pairs_that_part_and_not_what_a_bystander_breaks() -> None:
    seen = (
        Observation(contestant="one", status="extracted", tree=(Node(path=b"a", type="file"),)),
        Observation(contestant="two", status="extracted"),
        Observation(contestant="three", status="crashed"),
    )
    found = splits(PARTED, seen)
    assert split(PARTED) in found
    assert ("status", "three", "two") in found
    assert ("alive crashed", "", "three") not in found
    assert ("names", "three", "two") not in found


def test_now_and_then_the_explained_is_looked_at_without_what_explains_it() -> None:
    suspects = Suspects([KNOWN])
    for index in range(2 * PEEK):
        suspects.offer(case(SYMLINK, SIZED, index=index), [PARTED])
    assert len(suspects.doubts) == 2
    freed = suspects.freed(suspects.doubts[0])
    assert freed is not None
    assert not suspects.explained(PARTED, freed.causes)
    assert freed.causes == frozenset(causes(freed.generated.case)) == frozenset(causes(case(SYMLINK).case))
    assert [part.size for part in freed.generated.case.recipe.parts if isinstance(part, Member)] == [None, None]


def test_a_case_that_has_nothing_but_its_explanation_is_left_alone() -> None:
    suspects = Suspects([KNOWN])
    suspects.offer(case(SIZED), [PARTED])
    (doubt,) = suspects.doubts
    assert suspects.freed(doubt) is None
