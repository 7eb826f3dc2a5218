from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tarbiter.contest.observation import Change, Observation
from tarbiter.judge.compare import LIMIT, compare, label
from tarbiter.judge.facets import FACETS

from .observations import ended, extracted, file, folder

names = st.sampled_from([b"a", b"b", b"c", b"d"])
nodes = st.one_of(
    st.builds(file, names, st.sampled_from([b"", b"x", b"y"])),
    st.builds(folder, names),
)
trees = st.lists(nodes, max_size=3, unique_by=lambda node: node.path)
observations = st.lists(
    st.one_of(
        trees.map(lambda tree: extracted("?", *tree)),
        st.sampled_from(["refused", "partial", "crashed"]).map(lambda status: ended("?", status)),
    ),
    min_size=1,
    max_size=6,
).map(lambda found: [_named(one, f"c{number}") for number, one in enumerate(found)])


def _named(observation: Observation, name: str) -> Observation:
    return Observation(contestant=name, status=observation.status, tree=observation.tree)


def test_groups_largest_first() -> None:
    seen = (
        extracted("a", file(b"g")),
        extracted("b", file(b"f")),
        extracted("c", file(b"f")),
        ended("d", "refused"),
    )
    verdict = compare(seen)
    assert [(group.label, group.contestants) for group in verdict.groups] == [
        ("A", ("b", "c")),
        ("B", ("a",)),
        ("C", ("d",)),
    ]
    assert [(one.facet, one.path) for one in verdict.groups[1].differences] == [("names", b"f"), ("names", b"g")]
    assert not verdict.agreed


def test_facets_not_asked_for_are_told_and_do_not_decide() -> None:
    seen = (extracted("a", file(b"f", mtime_ns=0)), extracted("b", file(b"f", mtime_ns=10**9)))
    verdict = compare(seen)
    assert verdict.agreed
    assert [weak.facet for weak in verdict.weak] == ["mtime"]
    asked = compare(seen, facets=("names", "mtime"))
    assert not asked.agreed
    assert [rule.name for rule in asked.rules] == ["mtime-seconds", "root-mtime", "mtime-now"]


def test_an_escape_is_no_agreement_even_when_all_do_it() -> None:
    change = Change(path=b"canary/x", what="created")
    verdict = compare([extracted(name, file(b"f"), escapes=(change,)) for name in "ab"])
    assert len(verdict.groups) == 1
    assert not verdict.agreed


def test_the_missing_are_named_and_not_compared() -> None:
    verdict = compare((extracted("a", file(b"f")), ended("b", "unavailable", error="not installed")))
    assert not verdict.agreed
    assert not verdict.parted
    assert verdict.left_out == (("b", "unavailable: not installed"),)


def test_many_differences_are_cut() -> None:
    many = [file(b"%03d" % number) for number in range(LIMIT + 10)]
    verdict = compare((extracted("a"), extracted("b", *many)))
    assert len(verdict.groups[1].differences) == LIMIT


def test_an_unknown_facet_is_refused() -> None:
    with pytest.raises(KeyError):
        compare((), facets=("colour",))


@pytest.mark.parametrize(("index", "want"), [(0, "A"), (25, "Z"), (26, "A1"), (53, "B2")])
def test_label(index: int, want: str) -> None:
    assert label(index) == want


@given(observations)
def test_groups_are_a_partition(seen: list[Observation]) -> None:
    verdict = compare(seen, facets=tuple(FACETS))
    assert sorted(name for group in verdict.groups for name in group.contestants) == sorted(
        o.contestant for o in seen
    )
    sizes = [len(group.contestants) for group in verdict.groups]
    assert sizes == sorted(sizes, reverse=True)


@given(observations)
def test_groups_part_and_members_agree(seen: list[Observation]) -> None:
    verdict = compare(seen)
    assert verdict.parted == (verdict.signature is not None)
    assert all(group.differences for group in verdict.groups[1:])


@given(observations, st.randoms(use_true_random=False))
def test_the_signature_does_not_depend_on_order(seen: list[Observation], order: object) -> None:
    shuffled = list(seen)
    order.shuffle(shuffled)  # type: ignore[attr-defined]  # Hypothesis gives a random.Random
    one, other = compare(seen).signature, compare(shuffled).signature
    assert (one and one.invariant) == (other and other.invariant)
    assert (one and one.split) == (other and other.split)
