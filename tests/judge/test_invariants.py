from __future__ import annotations

import re
from pathlib import Path

import pytest

from tarbiter.archive.case import Placed, World
from tarbiter.contest.observation import Change, Listed, Observation
from tarbiter.judge.invariants import (
    INVARIANTS,
    NO_INVARIANT,
    PROMISES,
    RANKS,
    arrival,
    broken_by,
    invariant_of,
)

from .observations import ended, extracted, file, folder, symlink

STRICT = "extractor-strict"
COMPAT = "extractor-compat"
ESCAPED = (Change(path=b"canary/secret.txt", what="mode", before="0644", after="0777"),)

DEEP = b"d" * 16384 + b"/f"
CUT = ("1 directories too deep to be recorded, first 'd'...",)

BROKEN = [
    pytest.param("contained", (extracted("a", escapes=ESCAPED),), ("a",), (), id="mode-outside"),
    pytest.param("contained", (ended("a", "refused", escapes=ESCAPED),), ("a",), (), id="refused-too-late"),
    pytest.param("alive", (ended("a", "crashed", error_class="signal 11"),), ("a",), (), id="crash"),
    pytest.param("alive", (ended("a", "hung"),), ("a",), (), id="hang"),
    pytest.param("alive", (ended("a", "over-limit"),), ("a",), (), id="over-limit"),
    pytest.param(
        "one-tree", (extracted(STRICT, file(b"f")), extracted("a", file(b"g"))), ("a",), (STRICT,), id="other-name"
    ),
    pytest.param(
        "one-tree",
        (extracted(STRICT, symlink(b"l", b"x")), extracted("a", symlink(b"l", b"./x"))),
        ("a",),
        (STRICT,),
        id="other-link",
    ),
    pytest.param(
        "no-smuggling",
        (extracted("a", file(b"f")), extracted("b", file(b"f")), extracted("c", file(b"f", b"evil"))),
        ("c",),
        ("a", "b"),
        id="other-content",
    ),
    pytest.param(
        "no-smuggling",
        (extracted("a", file(b"f")), extracted("b", file(b"f"), file(b"g"))),
        ("b",),
        ("a",),
        id="one-name-more",
    ),
    pytest.param(
        "no-silent-loss",
        (extracted("a", file(b"f"), listing=(Listed(path=b"f"), Listed(path=b"gone"))),),
        ("a",),
        (),
        id="listed-and-absent",
    ),
    pytest.param(
        "no-silent-loss",
        (extracted("a", listing=(Listed(path=DEEP),)),),
        ("a",),
        (),
        id="deep-and-absent",
    ),
    pytest.param(
        "no-silent-loss",
        (extracted("a", listing=(Listed(path=b"f"),), notes=CUT),),
        ("a",),
        (),
        id="absent-where-another-is-too-deep",
    ),
    pytest.param(
        "own-word",
        (extracted(STRICT, file(b"f")), ended(COMPAT, "refused")),
        (STRICT,),
        (COMPAT,),
        id="not-a-subset",
    ),
    pytest.param(
        "own-word",
        (extracted(COMPAT, file(b"f"), file(b"x/y"), listing=(Listed(path=b"f", outcome="written"),)),),
        (COMPAT,),
        (),
        id="not-in-the-report",
    ),
]

KEPT = [
    pytest.param((extracted("a", listing=(Listed(path=DEEP),), notes=CUT),), id="too-deep-to-be-seen"),
    pytest.param((extracted("a", file(b"f")), extracted("b", file(b"f"))), id="agreement"),
    pytest.param((extracted("a", file(b"f")), ended("b", "refused")), id="one-refuses"),
    pytest.param((extracted("a", file(b"f")), ended("b", "partial", tree=(file(b"g"),))), id="one-fails-half-way"),
    pytest.param(
        (extracted("a", symlink(b"l", b"x")), extracted("b", symlink(b"l", b"./x"))), id="link-targets-only"
    ),
    pytest.param((ended(STRICT, "refused"), extracted(COMPAT, file(b"f"))), id="strict-refuses"),
    pytest.param((extracted(STRICT, file(b"f")), ended(COMPAT, "unavailable")), id="compat-not-asked"),
    pytest.param(
        (
            extracted(
                "a",
                folder(b"d"),
                file(b"d/f"),
                listing=(
                    Listed(path=b"/d/f"),
                    Listed(path=b"./"),
                    Listed(path=b"../x"),
                    Listed(path=b"s", outcome="skipped"),
                ),
            ),
        ),
        id="listing-spelt-otherwise",
    ),
    pytest.param(
        (extracted(COMPAT, folder(b"d"), file(b"d/f"), listing=(Listed(path=b"d/f", outcome="written"),)),),
        id="implied-parents-need-no-row",
    ),
]


@pytest.mark.parametrize(("name", "observations", "by", "against"), BROKEN)
def test_it_is_broken(
    name: str, observations: tuple[Observation, ...], by: tuple[str, ...], against: tuple[str, ...]
) -> None:
    found = [one for one in broken_by(observations, World()) if one.invariant == name]
    assert [(one.contestants, one.against) for one in found] == [(by, against)]
    assert found[0].evidence


@pytest.mark.parametrize("observations", KEPT)
def test_it_is_kept(observations: tuple[Observation, ...]) -> None:
    assert broken_by(observations, World()) == ()


def test_what_the_world_put_there_needs_no_row_in_the_report() -> None:
    world = World(placed=(Placed(kind="file", name=b"old/f"),))
    seen = (extracted(COMPAT, folder(b"old"), file(b"old/f"), listing=()),)
    assert broken_by(seen, world) == ()
    assert [one.invariant for one in broken_by(seen, World())] == ["own-word"]


def test_gravest_first() -> None:
    seen = (extracted(STRICT, file(b"f")), extracted("a", file(b"g"), escapes=ESCAPED), ended("b", "crashed"))
    ranks = [RANKS[one.invariant] for one in broken_by(seen, World())]
    assert ranks == sorted(ranks)
    assert ranks[0] == 1


@pytest.mark.parametrize(
    ("whole", "pieces", "facets"),
    [
        pytest.param(extracted("a", file(b"long")), extracted("a", file(b"lon")), ("names",), id="name-cut-short"),
        pytest.param(extracted("a", file(b"f")), ended("a", "refused"), ("status",), id="refused-in-pieces"),
    ],
)
def test_arrival_matters(whole: Observation, pieces: Observation, facets: tuple[str, ...]) -> None:
    found = arrival(whole, pieces)
    assert found is not None
    assert found.facets == facets


def test_arrival_does_not_matter() -> None:
    assert arrival(extracted("a", file(b"f")), extracted("a", file(b"f"))) is None


def test_every_invariant_has_a_row_that_breaks_it() -> None:
    assert {str(row.values[0]) for row in BROKEN} == {one.name for one in INVARIANTS if one.check is not None}
    assert set(PROMISES) == set(RANKS)
    assert [one.rank for one in INVARIANTS] == list(range(1, 8))
    assert all((one.check is None) != (one.check_runs is None) for one in INVARIANTS)
    assert NO_INVARIANT.rank > max(RANKS.values())


def test_an_unknown_name_is_no_invariant() -> None:
    assert [invariant_of(one.name) for one in INVARIANTS] == list(INVARIANTS)
    assert invariant_of("of-another-release") is NO_INVARIANT


def test_the_documented_table_is_the_table() -> None:
    text = (Path(__file__).parents[2] / "docs/judge.md").read_text()
    rows = re.findall(r"^\| (\d) \| ([a-z-]+) \| (.*) \|$", text, re.MULTILINE)
    assert rows == [(str(one.rank), one.name, one.promise) for one in INVARIANTS]
