"""Mutation: total, deterministic, always an archive, always another one, and it tells what it did."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tarbiter.archive.case import Case, Schedule, World
from tarbiter.archive.cases import load
from tarbiter.archive.decode import decode
from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.layers import Layer
from tarbiter.archive.recipe import End, Member, Raw, Recipe
from tarbiter.archive.text import dumps, loads
from tarbiter.contest.sandbox.arena import Arena
from tarbiter.generate import mutators
from tarbiter.generate.choices import ByteChoices, seeded
from tarbiter.generate.mutate import mutant, mutate
from tarbiter.generate.mutators import MUTATORS, Work
from tarbiter.generate.recipes import Generated, case_at
from tarbiter.generate.strategies import cases

from .drafts import PLAIN

PARENTS = [case_at(5, index, one_large_in=0).case for index in range(120)]

BARE = {
    "nothing at all": Case(recipe=Recipe((), 0)),
    "two zero blocks": Case(),
    "raw bytes": Case(recipe=Recipe((Raw(b"no tar"),), 0)),
    "zero blocks inside": Case(recipe=Recipe((End(3), Member(name=b"a")))),
    "a number no octal holds": Case(recipe=Recipe((Member(size=2**80, mtime=-(2**80), uid=-1),))),
    "every field raw": Case(recipe=decode(bytes(range(1, 256)) * 20)),
}


def child(index: int, parent: Case, others: list[Case]) -> Case:
    return mutate(seeded(9, index), parent, others).case


@pytest.mark.parametrize("parent", BARE.values(), ids=BARE)
def test_every_case_can_be_mutated(parent: Case) -> None:
    for index in range(300):
        made = child(index, parent, [PLAIN])
        assert isinstance(encode_bytes(made.recipe), bytes)
        assert made != parent


def test_generations_stay_archives() -> None:
    """A child of a child of a child: nothing piles up that the encoder or the text form refuses."""
    for index, start in enumerate(PARENTS):
        case = start
        for generation in range(25):
            case = child(1000 * index + generation, case, PARENTS)
        archive = encode_bytes(case.recipe)
        assert encode_bytes(decode(archive)) == archive
        assert len(archive) < 2 * mutators.LARGEST_BYTES
        assert loads(dumps(case), filename="text") == case


@given(cases(), cases(), st.binary(max_size=200))
def test_any_bytes_mutate_any_case(parent: Case, other: Case, data: bytes) -> None:
    made = mutate(ByteChoices(data), parent, [other])
    assert isinstance(encode_bytes(made.case.recipe), bytes)
    assert made.mutators


def test_real_archives_can_be_mutated(request: pytest.FixtureRequest) -> None:
    found = sorted(Path(request.config.rootpath, "corpus").glob("*/*.toml"))
    assert found
    for path in found:
        case = load(str(path)).case
        assert case is not None
        made = mutate(seeded(1, 1), case, [])
        assert (made.case.id, made.case.title, made.case.why) == ("", "", "")


def test_the_choices_alone_decide() -> None:
    first = [mutate(seeded(3, index), PARENTS[index], PARENTS) for index in range(50)]
    assert first == [mutate(seeded(3, index), PARENTS[index], PARENTS) for index in range(50)]


GOLDEN = "6627e7ddf0359236a4954733"
"""BLAKE2b of the texts of the first 300 children. A change of any mutator or feature changes it: then the new one,
which the failing test prints, goes here."""


def test_same_seed_same_children() -> None:
    found = hashlib.blake2b(digest_size=12)
    for index in range(300):
        found.update(dumps(child(index, PARENTS[index % 120], PARENTS)).encode())
    assert found.hexdigest() == GOLDEN


@pytest.mark.parametrize("name", MUTATORS)
def test_a_mutator_works_somewhere_and_tells_the_truth(name: str) -> None:
    """It changes what it says it changed, and makes only what has bytes."""
    changed = 0
    for index, parent in enumerate(PARENTS * 3):
        work = Work(parent, PARENTS)
        if MUTATORS[name].mutate(work, seeded(17, index)):
            assert isinstance(encode_bytes(work.case().recipe), bytes)
            changed += work.case() != parent
    assert changed >= 3


def test_all_mutators_come_up() -> None:
    seen = Counter(
        name for index in range(3000) for name in mutate(seeded(4, index), PARENTS[index % 120], PARENTS).mutators
    )
    assert set(seen) == set(MUTATORS)


def test_every_module_of_mutators_is_loaded() -> None:
    there = {path.stem for path in Path(mutators.__file__).parent.glob("*.py")} - {"__init__"}
    assert there == set(mutators.MODULES)


def test_most_children_keep_their_checksums() -> None:
    """Bytes that change under the recipe do not end in archives that everybody refuses at the first block."""
    made = [child(index, PARENTS[index % 120], PARENTS) for index in range(600)]
    parts = [part for one in made for part in one.recipe.parts]
    assert sum(isinstance(part, Member) and part.chksum is not None for part in parts) < len(parts) / 50


def test_a_child_knows_its_parents() -> None:
    parents = [case_at(5, index, one_large_in=0) for index in range(20)]
    kept = Generated(case=Case(id="links/door", recipe=PLAIN.recipe), seed=-1, index=-1)
    made = [mutant(7, index, kept, parents) for index in range(200)]
    assert {one.parents[0] for one in made} == {"links/door"}
    lent = [one for one in made if len(one.parents) > 1]
    assert lent
    assert all(parent in {one.label for one in parents} for child in lent for parent in child.parents[1:])
    assert mutant(7, 3, made[5], []).parents == ("7:5",)
    assert {(one.seed, one.label) for one in made} == {(7, f"7:{index}") for index in range(200)}
    for one in lent:
        assert set(one.features) >= set(parents[int(one.parents[1].partition(":")[2])].features)


def test_nothing_of_the_surroundings_is_lost() -> None:
    layers = (Layer(splits=(512,)), Layer(kind="xz"))
    schedule = Schedule(chunks=(7,), pause=True)
    parent = Case(recipe=PLAIN.recipe, layers=layers, world=World(umask=0o077), schedule=schedule)
    made = [child(index, parent, []) for index in range(200)]
    assert sum((one.world, one.schedule) == (parent.world, parent.schedule) for one in made) > 100
    assert sum(one.layers == parent.layers for one in made) > 150


def test_every_world_can_be_built(tmp_path: Path) -> None:
    arena = Arena(str(tmp_path))
    worlds = set()
    for index in range(4000):
        parent = PARENTS[index % 120]
        worlds.add(child(index, occupied(parent), PARENTS).world)
    built = 0
    for world in sorted(worlds, key=repr):
        arena.prepare(world)
        arena.clear(since=0, cut=[])
        built += bool(world.placed)
    arena.close()
    assert built > 50


def occupied(case: Case) -> Case:
    """The case with a world in which several names are taken."""
    first = child(1, case, [])
    return Case(recipe=case.recipe, world=first.world)
