"""Cases of a seed: the same bytes everywhere, each of them an archive, all features and values among them."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator

import pytest

from tarbiter.archive.cases import bytes_of
from tarbiter.archive.decode import decode
from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.recipe import Long, Member, Pax
from tarbiter.archive.text import dumps
from tarbiter.contest.installed.registry import available
from tarbiter.contest.observation import Job
from tarbiter.contest.pool import Limits, Pool
from tarbiter.generate.choices import seeded
from tarbiter.generate.features import FEATURES
from tarbiter.generate.recipes import SWARM, Selection, build, case_at, case_from, cases, large

GOLDEN = {0: "61567c808ac46849f07243f7", 7: "f13ca6920613fdc8341276e5", 2**40: "f664e819ee51bb0557c72a39"}
"""BLAKE2b of the texts and archives of the first 200 cases of a seed. A change of any feature changes them: then
the new ones, which the failing test prints, go here, and seeds of earlier runs mean something else."""


def digest(seed: int) -> str:
    """What GOLDEN holds."""
    found = hashlib.blake2b(digest_size=12)
    for one in itertools.islice(cases(seed), 200):
        found.update(dumps(one.case).encode() + bytes_of(one.case))
    return found.hexdigest()


@pytest.mark.parametrize("seed", GOLDEN)
def test_same_seed_same_bytes(seed: int) -> None:
    assert digest(seed) == GOLDEN[seed]


@pytest.mark.parametrize("index", [0, 1, SWARM - 1, SWARM, 1000])
def test_a_case_depends_on_its_number_alone(index: int) -> None:
    alone = case_at(7, index)
    assert next(cases(7, start=index)) == alone
    assert (alone.seed, alone.index) == (7, index)


def test_every_case_is_an_archive_that_reads_back() -> None:
    for one in itertools.islice(cases(11, one_large_in=0), 1500):
        archive = encode_bytes(one.case.recipe)
        assert encode_bytes(decode(archive)) == archive


def test_all_features_come_up_and_slices_switch_some_off() -> None:
    made = list(itertools.islice(cases(3, one_large_in=0), 40 * SWARM))
    seen = Counter(name for one in made for name in one.features)
    assert set(seen) == set(FEATURES)
    first = {name for one in made[:SWARM] for name in one.features}
    assert first < set(FEATURES)


def test_cases_have_none_to_four_features() -> None:
    counts = Counter(len(case_at(5, index, one_large_in=0).features) for index in range(1000))
    assert set(counts) == {0, 1, 2, 3, 4}
    assert counts[1] + counts[2] > 600


@pytest.mark.parametrize("name", FEATURES)
def test_every_value_of_every_parameter_comes_up(name: str) -> None:
    want = {(key, repr(value)) for key, values in FEATURES[name].parameters.items() for value in values}
    seen: set[tuple[str, str]] = set()
    selection = Selection.of([name])
    for index in range(600):
        _, used = build(seeded(1, index), selection, one_large_in=0)
        seen |= {(key, repr(value)) for one in used for key, value in one.values.items()}
        if seen == want and index >= 60:  # a large value costs much, and what is not in the table shows by now
            break
    assert seen == want


def test_large_cases_are_as_many_as_asked() -> None:
    sizes = [len(case_at(7, index, one_large_in=10).case.recipe.parts) for index in range(60)]
    assert 1 <= sum(size > 1500 for size in sizes) <= 20
    sizes = [len(case_at(7, index, one_large_in=0).case.recipe.parts) for index in range(60)]
    assert max(sizes) < 320  # `scale.many` has up to 300


def test_a_large_archive_has_a_carrier_for_each_member() -> None:
    parts = large(seeded(7, 1))
    assert len([part for part in parts if isinstance(part, Member)]) >= 800
    assert len([part for part in parts if isinstance(part, Pax | Long)]) == len(parts) // 2


@pytest.mark.parametrize("data", [b"", b"\0" * 50, bytes(range(256)), b"\xff" * 300])
def test_bytes_are_a_case(data: bytes) -> None:
    assert case_from(data) == case_from(data)
    assert encode_bytes(case_from(data).case.recipe)


def test_three_drivers_reach_the_same_features() -> None:
    """The bytes' half; `test_strategies` has the third driver."""
    random = seeded(3, 0)
    seen = {
        name
        for _ in range(4000)
        for name in case_from(random.getrandbits(8 * 256).to_bytes(256, "little")).features
    }
    assert seen == set(FEATURES)


def jobs(count: int) -> Iterator[Job]:
    for one in itertools.islice(cases(7, one_large_in=0), count):
        yield Job(
            archive=bytes_of(one.case),
            contestants=("tarfile-fully-trusted",),
            world=one.case.world,
            schedule=one.case.schedule,
        )


def test_most_archives_are_extractable_by_somebody() -> None:
    """Something odd is found next to ordinary things, not in archives that everybody throws away at once."""
    limits = Limits(time_s=0.5)  # what hangs has left behind by then what it ever will
    with Pool(available(("tarfile-fully-trusted",)), limits=limits) as pool:
        left = [len(seen[0].tree) > 1 for _, seen in pool.map(jobs(400))]
    assert len(left) == 400
    assert sum(left) >= 240
