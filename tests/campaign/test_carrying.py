"""A night begins with what the last one learned, and begins anew where that cannot be used."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tarbiter.campaign.carrying import FILE, put, take
from tarbiter.campaign.checkpoint import Learned
from tarbiter.campaign.packing import pack
from tarbiter.campaign.runs import LEARNED, Run
from tarbiter.campaign.search import Parent, Search
from tarbiter.campaign.store import StoreError
from tarbiter.campaign.suspects import Known, Suspect, folded, unfolded
from tarbiter.generate.recipes import case_at
from tarbiter.triage.target import Target

from .findings import ASKED

NAMES = ("one", "two")


def learned() -> Learned:
    """Two cases in the pool, three suspects of two cases, one of them about a contestant of its own."""
    first, second = case_at(7, 1), case_at(7, 2)
    suspects = [
        Suspect.of(Target("no-smuggling", "one", "two", "names"), first, frozenset({"a"})),
        Suspect.of(Target("no-smuggling", "one", "two", "content"), first, frozenset({"a"})),
        Suspect.of(Target("alive", "three", "", "crashed"), second, frozenset()),
    ]
    return Learned(
        young=[1, 2],
        old=[3],
        parents=[Parent(packed=pack(one.case), label=one.label, worth=9, chosen=2) for one in (first, second)],
        known=[Known(frozenset({"b"}), frozenset({("names", "one", "two")}))],
        waiting=folded(suspects),
    )


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run.create(str(tmp_path / "run"), ASKED)
    run.learned = learned()
    return run


@pytest.fixture
def store(tmp_path: Path, run: Run) -> Path:
    """A store after a night, whose run is there."""
    folder = tmp_path / "store"
    folder.mkdir()
    run.checkpoint()
    put(str(folder), run)
    run.close()
    return folder


def test_a_first_night_begins_with_nothing_and_says_nothing(tmp_path: Path) -> None:
    taken = take(str(tmp_path), NAMES, ASKED.facets)
    assert (taken.learned, taken.words) == (Learned(), "")


@pytest.mark.parametrize("gone", [False, True], ids=["run there", "run gone"])
def test_a_night_goes_on_with_the_last_one(store: Path, run: Run, gone: bool) -> None:
    if gone:
        shutil.rmtree(run.path)
    taken = take(str(store), (*NAMES, "three"), ASKED.facets)
    assert taken.words == f"went on with 2 cases in the pool and 3 waiting suspects of {run.path}"
    assert taken.learned == learned()


def test_suspects_about_others_are_left_out(store: Path, run: Run) -> None:
    taken = take(str(store), NAMES, ASKED.facets)
    assert taken.words.startswith(
        f"went on with 2 cases in the pool and 2 waiting suspects of {run.path}; 1 suspects"
    )
    assert [one.target.contestant for one in unfolded(taken.learned.waiting)] == ["one", "one"]
    assert all(one.generated == case_at(7, 1) for one in unfolded(taken.learned.waiting))


def test_a_night_that_was_killed_is_gone_on_from_its_checkpoint(store: Path, run: Run) -> None:
    again = Run.resume(run.path)
    again.learned.parents = again.learned.parents[:1]
    again.checkpoint()
    again.close()
    assert len(take(str(store), NAMES, ASKED.facets).learned.parents) == 1


def test_a_damaged_checkpoint_leaves_what_the_store_has(store: Path, run: Run) -> None:
    (Path(run.path) / LEARNED).write_text("{")
    taken = take(str(store), NAMES, ASKED.facets)
    assert len(taken.learned.parents) == 2
    assert "as the store has it, since" in taken.words


def change(data: dict[str, Any], *path: str | int, value: object) -> str:
    place: Any = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return json.dumps(data)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        pytest.param(("format",), 99, "is of another version", id="format"),
        pytest.param(("tarbiter",), "0.0.1", "is of another version (tarbiter 0.0.1", id="version"),
        pytest.param(("facets",), ["mode"], "was about other facets (mode)", id="facets"),
        pytest.param(("learned",), 5, "is damaged", id="type"),
        pytest.param(("learned", "parents", 0, "packed"), "AAAA", "is damaged", id="case"),
        pytest.param(("learned", "parents", 0, "worth"), -1, "Expected `int` >= 0", id="negative"),
        pytest.param(("learned", "waiting", 0, "packed"), "AAAA", "is damaged", id="suspect"),
        pytest.param(("learned", "waiting", 0, "target"), {}, "is damaged", id="target"),
    ],
)
def test_what_cannot_be_used_is_told(
    store: Path, run: Run, path: tuple[str | int, ...], value: object, says: str
) -> None:
    shutil.rmtree(run.path)
    file = store / FILE
    file.write_text(change(json.loads(file.read_text()), *path, value=value))
    taken = take(str(store), NAMES, ASKED.facets)
    assert taken.words.startswith("begins anew: ")
    assert says in taken.words
    assert taken.learned == Learned()


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\x00", b"[]"])
def test_what_is_no_record_is_told(store: Path, content: bytes) -> None:
    (store / FILE).write_bytes(content)
    taken = take(str(store), NAMES, ASKED.facets)
    assert (taken.learned, "is damaged" in taken.words) == (Learned(), True)


def test_the_same_seed_and_state_give_the_same_cases(store: Path) -> None:
    proposed = [Search(11, take(str(store), NAMES, ASKED.facets).learned.parents).propose(0, 40) for _ in range(2)]
    assert proposed[0] == proposed[1]
    assert proposed[0] != Search(11).propose(0, 40)


def test_what_cannot_be_written_leaves_what_was_kept(store: Path, run: Run) -> None:
    before = (store / FILE).read_bytes()
    with pytest.raises(StoreError, match="cannot be kept"):
        put(f"{store}/{FILE}", run)
    assert (store / FILE).read_bytes() == before
    assert msgspec.json.decode(before)["run"] == run.path
