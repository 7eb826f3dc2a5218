"""Verdicts: every way to pass, to fail and not to be run, on observations written by hand."""

import hashlib
from typing import Any

import pytest

from tarbiter.archive.case import Case, Schedule
from tarbiter.archive.expect import NEVER, Entry, Expect, Reading
from tarbiter.contest.observation import Change, Listed, Node, Observation
from tarbiter.judge.conformance import LIMIT, MUST, verdict

from .observations import ended, extracted, file, folder, symlink

A = Entry(name=b"a", data=b"x")
BODY = b"0123456789" * 100
TREE = Case(id="t/tree", expect=Expect(must=(A,)))
REFUSED = Case(id="t/refused", expect=Expect(must="refuse", absent=(b"inner",)))
DIRECTORY = Reading(name="directory", tree=(Entry(type="dir", name=b"a"),))
FILE = Reading(name="file", tree=(A,))
REFUSAL = Reading(name="refusal")
CHOICE = Case(id="t/choice", expect=Expect(may=(DIRECTORY, FILE, REFUSAL)))
OPEN = Case(id="t/open")


def must(*tree: Entry) -> Case:
    return Case(expect=Expect(must=tree))


def linked(*names: bytes) -> list[Node]:
    return [file(name, group=1) for name in names]


@pytest.mark.parametrize(
    ("case", "observation", "reading"),
    [
        pytest.param(TREE, extracted("c", file(b"a")), MUST, id="tree"),
        pytest.param(must(), extracted("c"), MUST, id="empty-tree"),
        pytest.param(
            must(Entry(name=b"d/e/f")),
            extracted("c", folder(b"d"), folder(b"d/e"), file(b"d/e/f")),
            MUST,
            id="implied",
        ),
        pytest.param(must(Entry(name=b"a")), extracted("c", file(b"a", b"anything")), MUST, id="any-content"),
        pytest.param(
            must(Entry(name=b"a", data=BODY)),
            extracted(
                "c", Node(path=b"a", type="file", size=1000, digest=hashlib.blake2b(BODY, digest_size=16).digest())
            ),
            MUST,
            id="digest",
        ),
        pytest.param(
            must(Entry(type="symlink", name=b"l", link=b"a")),
            extracted("c", symlink(b"l", b"a")),
            MUST,
            id="symlink",
        ),
        pytest.param(
            must(A, Entry(name=b"b", same=b"a")), extracted("c", *linked(b"a", b"b")), MUST, id="hardlink"
        ),
        pytest.param(
            must(Entry(name=b"a", mode=0o644, mtime=7)),
            extracted("c", file(b"a", mtime_ns=7_900_000_000)),
            MUST,
            id="metadata",
        ),
        pytest.param(REFUSED, ended("c", "refused"), MUST, id="refused"),
        pytest.param(REFUSED, ended("c", "partial", tree=(file(b"a"),)), MUST, id="partial-is-a-refusal"),
        pytest.param(CHOICE, extracted("c", folder(b"a")), "directory", id="first-reading"),
        pytest.param(CHOICE, extracted("c", file(b"a")), "file", id="second-reading"),
        pytest.param(CHOICE, ended("c", "refused"), "refusal", id="refusal"),
        pytest.param(OPEN, extracted("c", file(b"whatever")), "", id="no-opinion"),
    ],
)
def test_passes(case: Case, observation: Observation, reading: str) -> None:
    found = verdict(case, observation)
    assert (found.mark, found.reading, found.never, found.detail) == ("pass", reading, (), ())


ESCAPE = (Change(path=b"canary/x", what="created"),)


@pytest.mark.parametrize(
    ("case", "observation", "never", "words"),
    [
        pytest.param(TREE, extracted("c"), ("silent-loss",), "'a' is missing", id="lost"),
        pytest.param(TREE, extracted("c", file(b"a"), file(b"b")), (), "'b' should not be there", id="extra"),
        pytest.param(TREE, extracted("c", file(b"a", b"y")), (), "'a' has other bytes", id="content"),
        pytest.param(TREE, extracted("c", file(b"a", b"xx")), (), "'a' has 2 bytes, not 1", id="length"),
        pytest.param(TREE, extracted("c", folder(b"a")), (), "'a' is a dir, not a file", id="type"),
        pytest.param(
            TREE, ended("c", "partial", error="no\nmore"), (), "partial: no", id="error-on-a-good-archive"
        ),
        pytest.param(
            must(Entry(name=b"a", data=BODY)),
            extracted("c", Node(path=b"a", type="file", size=1000, digest=b"other")),
            (),
            "other bytes",
            id="digest",
        ),
        pytest.param(
            must(Entry(name=b"d/f")),
            extracted("c", symlink(b"d", b"e"), file(b"d/f")),
            (),
            "'d' is a symlink, not a directory",
            id="implied",
        ),
        pytest.param(
            must(Entry(type="symlink", name=b"l", link=b"a")),
            extracted("c", symlink(b"l", b"b")),
            (),
            "leads to 'b', not 'a'",
            id="target",
        ),
        pytest.param(
            must(A, Entry(name=b"b", same=b"a")),
            extracted("c", file(b"a"), file(b"b")),
            (),
            "'b' is not linked to 'a'",
            id="copied-link",
        ),
        pytest.param(
            must(Entry(name=b"a", mode=0o600)), extracted("c", file(b"a")), (), "mode 0644, not 0600", id="mode"
        ),
        pytest.param(
            must(Entry(name=b"a", mtime=7)),
            extracted("c", file(b"a")),
            (),
            "the time now, not 7",
            id="time-not-set",
        ),
        pytest.param(
            REFUSED, extracted("c", file(b"b")), (), "extracted instead of a refusal, and made 'b'", id="accepted"
        ),
        pytest.param(
            REFUSED,
            ended("c", "partial", tree=(file(b"inner"),)),
            ("smuggled",),
            "smuggled: 'inner'",
            id="smuggled",
        ),
        pytest.param(CHOICE, extracted("c", symlink(b"a", b"b")), (), "none of the readings", id="no-reading"),
        pytest.param(
            TREE, extracted("c", file(b"a"), escapes=ESCAPE), ("escape",), "escape: created 'canary/x'", id="escape"
        ),
        pytest.param(
            REFUSED, ended("c", "refused", escapes=ESCAPE), ("escape",), "escape", id="escape-and-refusal"
        ),
        pytest.param(
            OPEN, ended("c", "crashed", error_class="signal 11"), ("crash",), "crash: signal 11", id="crash"
        ),
        pytest.param(OPEN, ended("c", "hung"), ("hang",), "hang", id="hang"),
        pytest.param(OPEN, ended("c", "over-limit"), ("over-limit",), "over-limit", id="over-limit"),
        pytest.param(
            OPEN,
            extracted("c", listing=(Listed(path=b"gone"),)),
            ("silent-loss",),
            "silent-loss",
            id="listed-and-lost",
        ),
        pytest.param(CHOICE, extracted("c"), ("silent-loss",), "silent-loss", id="in-every-tree-and-lost"),
    ],
)
def test_failures(case: Case, observation: Observation, never: tuple[str, ...], words: str) -> None:
    found = verdict(case, observation)
    assert (found.mark, found.never) == ("fail", never)
    assert any(words in line for line in found.detail)


@pytest.mark.parametrize(
    ("case", "observation", "reason"),
    [
        pytest.param(TREE, ended("c", "unavailable", error="lacks it"), "unavailable: lacks it", id="unavailable"),
        pytest.param(TREE, ended("c", "harness-fault"), "harness-fault", id="harness-fault"),
        pytest.param(
            Case(schedule=Schedule(chunks=(1,))),
            extracted("c", notes=("the schedule was not applied: it seeks",)),
            "the schedule was not applied: it seeks",
            id="schedule",
        ),
        pytest.param(
            TREE,
            extracted("c", notes=("1 directories too deep to be recorded, first 'd'",)),
            "1 directories too deep to be recorded, first 'd'",
            id="deep-tree",
        ),
    ],
)
def test_what_was_not_run(case: Case, observation: Observation, reason: str) -> None:
    found = verdict(case, observation)
    assert (found.mark, found.detail, found.never) == ("not-run", (reason,), ())


def test_a_note_on_the_schedule_matters_only_where_there_is_one() -> None:
    seen = extracted("c", file(b"a"), notes=("the schedule was not applied: it seeks",))
    assert verdict(TREE, seen).mark == "pass"


def test_a_listing_does_not_gainsay_an_outcome_that_is_allowed() -> None:
    stored = extracted("c", file(b"a"), listing=(Listed(path=b"C:/a"),))
    assert verdict(TREE, stored).never == ()


def test_arrival() -> None:
    case = Case(schedule=Schedule(chunks=(1,)), expect=Expect(must=(A,)))
    late, whole = extracted("c", file(b"a")), extracted("c", file(b"b"))
    assert verdict(case, late, whole=late).mark == "pass"
    found = verdict(case, late, whole=whole)
    assert (found.mark, found.reading, found.never) == ("fail", MUST, ("arrival",))


def flaky(*both: Observation) -> Observation:
    return ended("c", "flaky", both=both)


def test_flaky_with_one_meaning() -> None:
    again = flaky(extracted("c", file(b"a")), extracted("c", file(b"a", mtime_ns=1)))
    assert verdict(TREE, again).mark == "pass"


def test_flaky_with_two_meanings() -> None:
    found = verdict(TREE, flaky(extracted("c", file(b"a")), extracted("c")))
    assert (found.mark, found.never) == ("fail", ("silent-loss",))
    assert found.detail[0].startswith("two runs differ")


def test_details_are_bounded() -> None:
    many: list[Any] = [file(b"%d" % number) for number in range(50)]
    assert len(verdict(TREE, extracted("c", file(b"a"), *many)).detail) == LIMIT


def test_every_never_has_its_words() -> None:
    assert all(words for words in NEVER.values())
