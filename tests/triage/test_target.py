"""A target is kept while a case is made small: what fails for another reason is another target."""

from __future__ import annotations

import pytest

from tarbiter.archive.stored import in_memory
from tarbiter.contest.observation import Change, Job, Observation
from tarbiter.triage.target import Target, targets
from tarbiter.triage.trial import Trial

from ..judge.observations import ended, extracted, file

FINE = extracted("other", file(b"f"))
DANGLING, FORMAT = "header 7 is followed by nothing", "header 7 is not permitted here"


def trial(*seen: Observation) -> Trial:
    return Trial(Job(archive=b"", contestants=tuple(one.contestant for one in seen)), seen)


def the_target(*seen: Observation) -> Target:
    one = trial(*seen)
    (target,) = targets(one.divergence(), one.observations, in_memory(one.job.archive))
    return target


@pytest.mark.parametrize(
    ("first", "again", "same"),
    [
        pytest.param(
            ended("tar", "refused", error=FORMAT),
            ended("tar", "refused", error=FORMAT.replace("7", "1")),
            True,
            id="the-same-words",
        ),
        pytest.param(
            ended("tar", "refused", error=FORMAT), ended("tar", "refused", error=DANGLING), False, id="other-words"
        ),
        pytest.param(
            ended("tar", "refused", error=FORMAT), ended("tar", "refused"), True, id="who-says-nothing-may-mean-it"
        ),
        pytest.param(
            ended("tar", "refused", error=f"{FORMAT}\n{DANGLING}"),
            ended("tar", "refused", error=DANGLING),
            True,
            id="one-of-two-lines",
        ),
        pytest.param(
            ended("tar", "crashed", error_class="KeyError"),
            ended("tar", "crashed", error_class="ValueError"),
            False,
            id="another-crash",
        ),
    ],
)
def test_a_failure_for_another_reason_is_another_one(first: Observation, again: Observation, same: bool) -> None:
    target = the_target(FINE, first)
    assert target.seen_in(trial(FINE, first))
    assert target.seen_in(trial(FINE, again)) == same


def test_trees_are_compared_whatever_is_said() -> None:
    target = the_target(FINE, extracted("tar", file(b"g"), error="a warning"))
    assert (target.invariant, target.words) == ("no-smuggling", ())


def test_its_own_line_comes_first() -> None:
    outside = (Change(path=b"canary/x", what="created"),)
    seen = tuple(extracted(name, escapes=outside) for name in ("a", "b", "c"))
    found = trial(*seen).divergence(weak=False)
    assert found.signature is not None
    splits, names = [], []
    for target in targets(found, seen):
        signature = target.signed(found.signature, seen, ("symlink",))
        splits.append(signature.split)
        names.append(signature.id)
    lines = [f"contained: {name} created" for name in ("a", "b", "c")]
    assert splits == [
        (lines[0], lines[1], lines[2]),
        (lines[1], lines[0], lines[2]),
        (lines[2], lines[0], lines[1]),
    ]
    assert len(set(names)) == 3
