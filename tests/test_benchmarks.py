"""What the benchmarks of triage and search come to, from results written by hand; Hypothesis as a source."""

from __future__ import annotations

from xml.etree import ElementTree

import msgspec

from benchmarks.dedup import Result, Signed, report
from benchmarks.search import Drawn, Ran, drawing, told
from tarbiter.archive.cases import bytes_of


def result(bug: str, *signed: tuple[str, tuple[str, ...]]) -> Result:
    return Result(
        bug=bug,
        family="tar",
        versions={"tar@1": "1", "tar@2": "2"},
        bases=1,
        archives=["x"] * len(signed),
        signed=[Signed(signature=name, causes=causes) for name, causes in signed],
    )


def test_signatures_are_counted_grouped_and_shared() -> None:
    one = result("one", ("a", ("pax size",)), ("a", ("pax size",)), ("b", ("pax size", "raw bytes")), ("", ()))
    two = result("two", ("a", ("pax size",)), ("c", ("dir size",)))
    text = report([one, two])
    assert "| one | tar@1 / tar@2 | 1 | 4 | 3 | 1 | 2 | 1 | 67% |" in text
    assert "2 bugs, 5 archives, 3 signatures: 2 for a bug in the median, 2 at most" in text
    assert "grouped by causes: 3, 1.5 for a bug in the median" in text
    assert "1 signatures are shared: 1 of 1 pairs of bugs\n- a: one, two" in text
    assert "none" in report([])


def ran(mode: str, seed: int, *points: tuple[float, int, int]) -> Ran:
    return Ran(mode=mode, seed=seed, budget_s=9, contestants={"tar": "1"}, points=list(points), investigated=7)


RUNS = [
    ran("guided", 1, (1.0, 10, 3), (9.5, 90, 8)),
    ran("unguided", 1, (2.0, 20, 2), (9.0, 40, 5)),
    ran("guided", 2, (5.0, 30, 4), (10.0, 80, 6)),
]


def test_runs_are_compared_at_the_time_and_the_cases_that_all_had() -> None:
    text = told(RUNS)
    assert "signatures in 9 s | in half of it | after 40 cases" in text
    assert "| guided | 3.5 (3 to 4) | 1.5 (0 to 3) | 3.5 (3 to 4) | 85 (80 to 90) | 7 (7 to 7) |" in text
    assert "| unguided | 5 (5 to 5) | 2 (2 to 2) | 5 (5 to 5) |" in text
    assert "hypothesis" not in text


def test_the_plot_has_a_line_for_each_run() -> None:
    root = ElementTree.fromstring(drawing(RUNS))
    assert sum(one.tag.endswith("polyline") for one in root.iter()) == len(RUNS)


def test_hypothesis_draws_the_same_cases_for_the_same_seed() -> None:
    first, again = Drawn(3).propose(0, 12), Drawn(3).propose(0, 12)
    assert [bytes_of(one.case) for one in first] == [bytes_of(one.case) for one in again]
    assert [one.index for one in Drawn(3).propose(12, 5)] == [12, 13, 14, 15, 16]
    assert len({msgspec.json.encode(str(one.case)) for one in first}) > 6
