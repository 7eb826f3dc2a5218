"""The rule of what counts as compared: a table of what contestants did, and what that comes to."""

from __future__ import annotations

from typing import get_args

import pytest

from tarbiter.contest.observation import Observation, Status
from tarbiter.judge.answered import LIMITED, NO_ANSWER, Tally, absence, count, remedy, tallies, uncompared, verdict
from tarbiter.judge.compare import compare


def seen(contestant: str, status: Status, error: str = "", kind: str = "") -> Observation:
    return Observation(contestant=contestant, status=status, error=error, error_class=kind)


def tally(*statuses: Status) -> Tally:
    made = Tally()
    for status in statuses:
        made.add(seen("x", status, "why", "driver"))
    return made


RULE: list[tuple[str, dict[str, tuple[Status, ...]], tuple[str, ...], int, tuple[str, ...]]] = [
    ("two that ran", {"a": ("extracted",), "b": ("refused",)}, ("a", "b"), 2, ()),
    ("a crash is an answer", {"a": ("crashed",), "b": ("crashed",)}, ("a", "b"), 2, ()),
    ("a limit of one of two", {"a": ("extracted",), "b": ("over-limit",)}, ("a", "b"), 2, ()),
    ("chance is an answer", {"a": ("extracted",), "b": ("flaky",)}, ("a", "b"), 2, ()),
    (
        "nobody",
        {"a": ("unavailable",), "b": ("harness-fault",)},
        (),
        2,
        ("nothing was compared: nobody ran",),
    ),
    (
        "one of two, in the ring",
        {"a": ("extracted",), "b": ("unavailable",)},
        (),
        2,
        ("nothing was compared: only a ran",),
    ),
    (
        "one of three that was named",
        {"a": ("extracted",), "b": ("extracted",), "c": ("unavailable", "harness-fault")},
        ("c",),
        2,
        ("named and never answered: c",),
    ),
    (
        "one of three that was not named",
        {"a": ("extracted",), "b": ("extracted",), "c": ("unavailable",)},
        (),
        2,
        (),
    ),
    ("now and then", {"a": ("extracted",) * 3, "b": ("unavailable", "unavailable", "partial")}, ("a", "b"), 2, ()),
    (
        "limits alone",
        {"a": ("hung", "over-limit"), "b": ("over-limit", "over-limit")},
        (),
        2,
        ("nothing was compared: a limit was reached by all 2 that ran, always",),
    ),
    ("one is enough", {"a": ("refused",)}, ("a",), 1, ()),
    (
        "one is enough, and none",
        {"a": ("unavailable",)},
        ("a",),
        1,
        ("nothing was judged: nobody ran", "named and never answered: a"),
    ),
    (
        "nobody was ever asked",
        {"a": (), "b": ()},
        ("a", "b"),
        2,
        ("nothing was compared: nobody ran", "named and never answered: a, b"),
    ),
]


@pytest.mark.parametrize(
    ("did", "named", "least", "reasons"), [row[1:] for row in RULE], ids=[row[0] for row in RULE]
)
def test_the_rule(
    did: dict[str, tuple[Status, ...]], named: tuple[str, ...], least: int, reasons: tuple[str, ...]
) -> None:
    came = verdict({name: tally(*statuses) for name, statuses in did.items()}, named=named, least=least)
    assert came.reasons == reasons
    assert came.compared == (not reasons)


@pytest.mark.parametrize("status", get_args(Status))
def test_every_status_is_an_answer_or_none(status: Status) -> None:
    one = tally(status)
    assert (one.asked, one.answered) == (1, 0 if status in NO_ANSWER else 1)
    assert one.limited == (status in LIMITED)


def test_a_mixture_is_told_with_the_first_reason_and_what_to_do() -> None:
    found = tallies(("node-tar",))
    count(found, [seen("node-tar", "extracted")] * 3)
    count(found, [seen("node-tar", "unavailable", "its driver did not start:\n\nno module tar", "driver")])
    count(found, [seen("node-tar", "harness-fault", "another")])
    assert absence("node-tar", found["node-tar"]) == [
        "node-tar answered 3 of 5: its driver did not start:",
        "    no module tar",
        f"    {remedy('node-tar', 'driver')}",
    ]


def test_of_many_lines_the_first_and_the_last_are_told() -> None:
    one = Tally()
    one.count("unavailable", said="\n".join(f"line {number}" for number in range(100)))
    lines = absence("x", one)
    assert lines[0].endswith("line 0")
    assert lines[1:] == [f"    line {number}" for number in range(93, 100)]


def test_what_a_ring_lacks_by_its_nature_needs_nobody() -> None:
    one = Tally()
    one.count("unavailable", "lacks", "it cannot extract a symlink")
    assert len(absence("x", one, named=False)) == 1
    assert len(absence("x", one, named=True)) == 2


ONE_ARCHIVE: list[tuple[tuple[Status, ...], str]] = [
    (("extracted", "extracted"), ""),
    (("extracted", "hung"), ""),
    (("extracted", "unavailable"), "only a of 2 ran"),
    (("unavailable", "harness-fault"), "none of 2 ran"),
    (("extracted", "flaky"), "only a of 2 could be compared"),
    (("flaky", "flaky"), "none of 2 could be compared"),
    (("over-limit", "hung", "unavailable"), "a limit was reached by all 2 that ran: hung, over-limit"),
]


@pytest.mark.parametrize(("statuses", "why"), ONE_ARCHIVE, ids=[" ".join(row[0]) for row in ONE_ARCHIVE])
def test_nobody_agrees_where_nothing_was_compared(statuses: tuple[Status, ...], why: str) -> None:
    observations = [seen(name, status) for name, status in zip("abc", statuses, strict=False)]
    assert uncompared(observations) == why
    divergence = compare(observations)
    assert divergence.uncompared == why
    assert not (why and divergence.agreed)
