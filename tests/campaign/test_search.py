"""The search: the same seed and answers give the same cases; energy goes to what bears fruit; all is bounded."""

from __future__ import annotations

import copy

import msgspec
import pytest

from tarbiter.archive.case import Case
from tarbiter.archive.cases import bytes_of
from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.layers import Layer
from tarbiter.archive.recipe import Member, Recipe
from tarbiter.campaign import search
from tarbiter.campaign.packing import pack, unpack
from tarbiter.campaign.search import POOL, UNIT, WORTH, Parent, Search
from tarbiter.generate.recipes import Generated, case_at


def generated(name: bytes, index: int = 0, size: int = 0) -> Generated:
    return Generated(case=Case(recipe=Recipe((Member(name=name, data=b"x" * size),))), seed=1, index=index)


def grown(count: int = 40) -> Search:
    """A search that learned from its own cases: every fourth was new."""
    one = Search(7)
    for start in range(0, count, 10):
        for case in one.propose(start, 10):
            one.learn(case, WORTH if case.index % 4 == 0 else 0)
        one.trim()
    return one


def test_without_a_pool_every_case_is_fresh() -> None:
    assert Search(7).propose(3, 4) == [case_at(7, index) for index in range(3, 7)]


def test_unguided_every_case_is_fresh_whatever_was_learned() -> None:
    one = Search(7, guided=False)
    one.learn(case_at(7, 0), 1000)
    assert one.propose(0, 20) == [case_at(7, index) for index in range(20)]


def test_the_same_seed_and_answers_give_the_same_cases() -> None:
    assert grown().propose(40, 30) == grown().propose(40, 30)


def test_a_pool_that_was_written_down_goes_on_the_same() -> None:
    one = grown()
    other = Search(7, copy.deepcopy(one.parents))
    assert one.propose(40, 30) == other.propose(40, 30)


def test_children_say_where_they_come_from_and_encode() -> None:
    children = [case for case in grown().propose(40, 60) if case.mutators]
    assert len(children) > 20
    for child in children:
        assert child.parents
        encode_bytes(child.case.recipe)


@pytest.mark.parametrize("worth", range(WORTH))
def test_too_little_newness_does_not_join(worth: int) -> None:
    one = Search(7)
    one.learn(generated(b"a"), worth)
    assert one.parents == []


def test_the_same_case_joins_once_and_a_large_one_does_not() -> None:
    one = Search(7)
    assert one.add(generated(b"a"))
    assert not one.add(generated(b"a", 5))
    assert not one.add(generated(b"b", size=search.LARGEST))
    assert len(one.parents) == 1


def test_what_is_small_only_because_it_is_compressed_does_not_join() -> None:
    """Each child of 20,000 members that were compressed took a dozen seconds."""
    bomb = generated(b"b", size=search.LARGEST_PLAIN)
    case = msgspec.structs.replace(bomb.case, layers=(Layer(kind="bzip2"),))
    assert len(bytes_of(case)) < search.LARGEST // 16
    assert not Search(7).add(msgspec.structs.replace(bomb, case=case))


def test_what_joins_comes_out_as_it_was() -> None:
    for case in (case_at(11, index).case for index in range(300)):
        assert unpack(pack(case.identity()), Case) == case.identity()


def test_the_pool_is_bounded_and_keeps_the_most_energy() -> None:
    one = Search(7)
    for number in range(POOL + 50):
        one.add(generated(b"%d" % number, number), 1 + number % 100)
    energies = sorted((parent.energy for parent in one.parents), reverse=True)
    one.trim()
    assert sorted((parent.energy for parent in one.parents), reverse=True) == energies[:POOL]


def test_energy_falls_when_chosen_and_grows_with_fruit() -> None:
    parent = Parent(packed=b"", label="", features=(), worth=8)
    first = parent.energy
    parent.chosen = 3
    chosen = parent.energy
    parent.fruitful = 2
    assert chosen < parent.energy
    assert chosen < first


def test_energy_falls_with_the_size_of_the_archive() -> None:
    one = Search(7)
    for number, size in enumerate((10, UNIT, 7 * UNIT)):
        assert one.add(generated(b"%d" % number, number, size), 8)
    layers = (Layer(kind="gzip"),)
    packed = generated(b"3", 3, 7 * UNIT)
    one.add(msgspec.structs.replace(packed, case=msgspec.structs.replace(packed.case, layers=layers)), 8)
    energies = [parent.energy for parent in one.parents]
    assert energies[0] > energies[1] > energies[2] > 1
    assert energies[3] == energies[2], "what counts is what is unpacked"


def test_parents_of_an_older_run_get_their_size() -> None:
    one = grown()
    sizes = [parent.size for parent in one.parents]
    assert min(sizes) >= 1024
    again = Search(7, [msgspec.structs.replace(parent, size=0) for parent in one.parents])
    assert [parent.size for parent in again.parents] == sizes


def test_a_fruitful_child_counts_for_its_parent() -> None:
    one = grown()
    children = one.propose(40, 60)
    before = sum(parent.fruitful for parent in one.parents)
    one.learn(next(child for child in children if child.mutators), WORTH)
    assert sum(parent.fruitful for parent in one.parents) == before + 1
