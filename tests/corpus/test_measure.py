"""What is kept of a measurement: words that last, everybody who was run, and nobody who got out."""

from harness.archive.case import Case, Schedule
from harness.archive.expect import Entry, Expect, Reading
from harness.contest.observation import Change, Observation
from harness.corpus import measure

from ..judge.observations import ended, extracted, file

MUST = Case(expect=Expect(must=(Entry(name=b"a"),)))
MAY = Case(expect=Expect(may=(Reading(name="file", tree=(Entry(name=b"a"),)), Reading(name="refusal"))))


def words(case: Case, *observations: Observation) -> dict[str, tuple[str, ...]]:
    found = measure.verdicts(case, [observations])
    return measure.seen(found, observations)


def test_words() -> None:
    assert words(
        MUST,
        extracted("good", file(b"a"), version="1.2"),
        extracted("also", file(b"a")),
        extracted("wrong", file(b"a"), file(b"b")),
        extracted("lossy"),
        ended("picky", "refused"),
        ended("dead", "crashed"),
        ended("gone", "unavailable"),
        extracted("out", file(b"a"), escapes=(Change(path=b"x", what="created"),)),
    ) == {
        "as expected": ("also", "good 1.2"),
        "fails: another tree": ("wrong",),
        "fails: crash": ("dead",),
        "fails: refused": ("picky",),
        "fails: silent-loss": ("lossy",),
    }
    assert words(MAY, extracted("a", file(b"a")), ended("b", "refused")) == {"file": ("a",), "refusal": ("b",)}
    assert words(Case(), extracted("a")) == {"nothing broken": ("a",)}


def test_a_schedule_is_run_twice() -> None:
    late, whole = measure.jobs(Case(schedule=Schedule(chunks=(1,))), ["a"])
    assert (late.schedule.chunks, whole.schedule.chunks) == ((1,), ())
    assert len(measure.jobs(Case(), ["a"])) == 1


def test_a_schedule_that_matters() -> None:
    case = Case(schedule=Schedule(chunks=(1,)), expect=MUST.expect)
    runs = [[extracted("a", file(b"a"))], [extracted("a", file(b"b"))]]
    assert measure.seen(measure.verdicts(case, runs), runs[0]) == {"fails: arrival": ("a",)}


def test_merging_replaces_the_lines_of_those_who_were_run() -> None:
    before = {"as expected": ("a 1", "b 1"), "fails: crash": ("c 1",)}
    now = {"fails: crash": ("a 2",), "refusal": ("d 1",)}
    assert measure.merged(before, now, ["a", "d"]) == {
        "as expected": ("b 1",),
        "fails: crash": ("a 2", "c 1"),
        "refusal": ("d 1",),
    }
