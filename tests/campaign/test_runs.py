"""A run's directory: nothing is lost, a torn line is cut off, and what cannot be used is said."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tarbiter.archive.case import Case
from tarbiter.archive.recipe import Member, Recipe
from tarbiter.archive.text import loads
from tarbiter.campaign.records import Kept, RunError, State
from tarbiter.campaign.runs import LEARNED, Run
from tarbiter.campaign.suspects import Suspect
from tarbiter.generate.recipes import case_at
from tarbiter.triage.target import Target

from .findings import ASKED, CASE, finding


def keep(run: Run, name: bytes) -> Kept:
    kept = run.keep(finding(name), case_at(7, 3), ())
    run.write(kept)
    return kept


def log(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (path / "findings.jsonl").read_text().splitlines()]


def test_a_finding_is_on_disk_as_soon_as_it_is_kept(tmp_path: Path) -> None:
    run = Run.create(str(tmp_path / "run"), ASKED)
    kept = keep(run, b"a")
    (row,) = log(tmp_path / "run")
    assert (row["id"], row["seed"], row["index"], row["versions"]) == (kept.id, 7, 3, {"one": "1", "two": "2"})
    assert kept.replay.endswith("--with one,two")
    case = loads((tmp_path / "run" / "findings" / f"{kept.id}.toml").read_text())
    assert case.recipe == CASE.recipe
    assert case.title.startswith("no-smuggling")
    original = loads((tmp_path / "run" / "findings" / f"{kept.id}.original.toml").read_text())
    assert original == case_at(7, 3).case
    run.close()


def test_resuming_knows_what_was_found_and_how_far_it_came(tmp_path: Path) -> None:
    run = Run.create(str(tmp_path / "run"), ASKED)
    first = keep(run, b"a")
    run.state.next_index = 512
    run.checkpoint()
    second = keep(run, b"b")
    run.close()
    again = Run.resume(str(tmp_path / "run"))
    assert (again.asked, again.state.next_index, again.known) == (run.asked, 512, {first.id, second.id})
    assert msgspec.structs.replace(run.asked, id="") == ASKED
    again.close()


@pytest.mark.parametrize("torn", [b"{", b'{"id": "x"', b'{"id": "x"}'])
def test_a_torn_last_line_is_cut_off(tmp_path: Path, torn: bytes) -> None:
    run = Run.create(str(tmp_path / "run"), ASKED)
    kept = keep(run, b"a")
    run.close()
    with (tmp_path / "run" / "findings.jsonl").open("ab") as file:
        file.write(torn)
    again = Run.resume(str(tmp_path / "run"))
    assert again.known == {kept.id}
    keep(again, b"b")
    again.close()
    assert len(log(tmp_path / "run")) == 2


def test_a_run_killed_before_its_first_checkpoint_begins_at_the_start(tmp_path: Path) -> None:
    Run.create(str(tmp_path / "run"), ASKED).close()
    again = Run.resume(str(tmp_path / "run"))
    assert again.state == State()
    again.close()


def test_a_case_that_waits_may_hold_any_number(tmp_path: Path) -> None:
    # Mutation doubles numbers; base-256 and pax hold more than 64 bits.
    large = msgspec.structs.replace(
        case_at(1, 0),
        case=Case(recipe=Recipe((Member(name=b"a", mtime=1 << 75), Member(name=b"b", size=-1 << 70)))),
    )
    target = Target("disagreement", "one", "other", "types")
    run = Run.create(str(tmp_path / "run"), ASKED)
    run.learned.waiting = [Suspect.of(target, large, frozenset(("file mtime",)))]
    run.checkpoint()
    run.close()
    again = Run.resume(str(tmp_path / "run"))
    assert again.learned == run.learned
    again.close()


def test_what_a_killed_writer_left_behind_does_no_harm(tmp_path: Path) -> None:
    run = Run.create(str(tmp_path / "run"), ASKED)
    run.checkpoint()
    run.close()
    left = ".tarbiter-0123456789abcdef.part"
    for folder in ("", "findings"):
        (tmp_path / "run" / folder / left).write_bytes(b'{"sta')
    again = Run.resume(str(tmp_path / "run"))
    assert list((tmp_path / "run").rglob(left)) == []
    assert again.state == State()
    again.close()


def exists(path: Path) -> None:
    Run.create(str(path), ASKED).close()


def damaged(path: Path) -> None:
    exists(path)
    (path / "run.json").write_text("{}")


def damaged_state(path: Path) -> None:
    exists(path)
    (path / LEARNED).write_bytes(msgspec.json.encode([{"next_index": "many"}]))


def damaged_log(path: Path) -> None:
    exists(path)
    (path / "findings.jsonl").write_text('{"id": "a"}\nno JSON\n{"id": "b"}\n')


def state(**fields: object) -> Callable[[Path], None]:
    """A run whose state has these fields."""

    def prepare(path: Path) -> None:
        run = Run.create(str(path), ASKED)
        run.checkpoint()
        run.close()
        point = json.loads((path / LEARNED).read_bytes())
        point["state"] |= {name: value for name, value in fields.items() if name in point["state"]}
        point["learned"] |= {name: value for name, value in fields.items() if name in point["learned"]}
        (path / LEARNED).write_text(json.dumps(point))

    return prepare


PARENT = {"packed": "", "label": "7:1"}


@pytest.mark.parametrize(
    ("prepare", "act", "says"),
    [
        pytest.param(exists, lambda path: Run.create(path, ASKED), "exists already", id="create over a run"),
        pytest.param(
            lambda path: path.write_text(""),
            lambda path: Run.create(path, ASKED),
            "exists already",
            id="create over a file",
        ),
        pytest.param(
            lambda path: path.write_text(""),
            lambda path: Run.create(os.path.join(path, "run"), ASKED),
            "cannot be written",
            id="create below a file",
        ),
        pytest.param(lambda _path: None, Run.resume, "no run", id="resume nothing"),
        pytest.param(lambda path: path.mkdir(), Run.resume, "no run", id="resume an empty directory"),
        pytest.param(lambda path: path.write_text(""), Run.resume, "cannot be read", id="resume a file"),
        pytest.param(damaged, Run.resume, "damaged", id="run.json without its fields"),
        pytest.param(damaged_state, Run.resume, "damaged", id="learned.json of another type"),
        pytest.param(
            damaged_log,
            Run.resume,
            r"findings\.jsonl, line 2 is damaged: .*; remove that line",
            id="a log, no JSON",
        ),
        *(
            pytest.param(
                state(**{name: value}),
                Run.resume,
                rf"learned\.json is damaged: {says}.*remove learned\.json",
                id=says,
            )
            for name, value, says in (
                ("next_index", -1, r"Expected `int` >= 0 - at `\$\.state\.next_index`"),
                ("cases", 1.5, "Expected `int`, got `float`"),
                ("seconds", -0.5, r"Expected `float` >= 0\.0 - at `\$\.state\.seconds`"),
                ("statuses", {"extracted": -1}, "Expected `int` >= 0"),
                ("faults", [{"index": -3, "contestant": "a", "words": "b"}], "Expected `int` >= 0"),
                ("parents", [{**PARENT, "chosen": -1}], "Expected `int` >= 0"),
                ("parents", [PARENT], "a case of the pool is empty"),
                ("parents", [{**PARENT, "packed": "dG9ybg=="}], "a packed case cannot be read"),
            )
        ),
    ],
)
def test_what_cannot_be_used_is_said(
    tmp_path: Path, prepare: Callable[[Path], object], act: Callable[[str], Run], says: str
) -> None:
    prepare(tmp_path / "run")
    with pytest.raises(RunError, match=says) as caught:
        act(str(tmp_path / "run"))
    assert caught.value.where.startswith(str(tmp_path / "run"))


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    run = Run.create(str(tmp_path / "run"), ASKED)
    with pytest.raises(RunError, match="in use"):
        Run.resume(str(tmp_path / "run"))
    run.close()
    Run.resume(str(tmp_path / "run")).close()


@pytest.mark.parametrize("write", [lambda run: keep(run, b"a"), lambda run: run.checkpoint()])
def test_a_directory_that_went_away_is_said(tmp_path: Path, write: Callable[[Run], object]) -> None:
    run = Run.create(str(tmp_path / "run"), ASKED)
    (tmp_path / "run").rename(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="cannot be written"):
        write(run)
    run.close()


def test_a_full_disk_tears_at_most_the_last_line(tmp_path: Path) -> None:
    """A limit on file sizes fails a write half-way, as a full disk does."""
    path = tmp_path / "run"
    run = Run.create(str(path), ASKED)
    kept = [keep(run, b"a"), keep(run, b"b")]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    room = (path / "findings.jsonl").stat().st_size + 100
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        with pytest.raises(
            RunError, match=r"a finding cannot be written: File too large; nothing before it is lost"
        ):
            keep(run, b"c")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        run.close()
    assert len((path / "findings.jsonl").read_bytes()) == room
    assert list(path.rglob("*.part")) == []
    resumed = Run.resume(str(path))
    resumed.close()
    assert resumed.known == {one.id for one in kept}
    assert [row["id"] for row in log(path)] == [one.id for one in kept]
