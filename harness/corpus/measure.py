"""What contestants make of a case, in the words that a case keeps (`[seen]`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..archive.case import WHOLE, Case
from ..archive.cases import bytes_of
from ..contest.observation import Job, Observation
from ..judge.conformance import MUST, Verdict, verdict

EXPECTED, OPEN = "as expected", "nothing broken"


def jobs(case: Case, contestants: Sequence[str]) -> tuple[Job, ...]:
    """What has to be run: the case, and once more with all bytes at once where it has a schedule."""
    job = Job(archive=bytes_of(case), contestants=tuple(contestants), world=case.world, listing=True)
    if case.schedule == WHOLE:
        return (job,)
    late = Job(
        archive=job.archive, contestants=job.contestants, world=case.world, schedule=case.schedule, listing=True
    )
    return (late, job)


def verdicts(case: Case, runs: Sequence[Sequence[Observation]]) -> list[Verdict]:
    """The verdicts of all contestants, of the observations that the jobs of the case gave, in their order."""
    whole: Sequence[Observation | None] = runs[1] if len(runs) > 1 else [None] * len(runs[0])
    return [verdict(case, one, whole=other) for one, other in zip(runs[0], whole, strict=True)]


def in_words(found: Verdict, observation: Observation) -> str:
    """A verdict in a few words that do not change with the wording of messages."""
    if found.mark == "pass":
        return {MUST: EXPECTED, "": OPEN}.get(found.reading, found.reading)
    what = ", ".join(found.never)
    if not what:
        what = "another tree" if observation.status == "extracted" else observation.status
    return f"fails: {what}"


def seen(found: Sequence[Verdict], observations: Sequence[Observation]) -> dict[str, tuple[str, ...]]:
    """What was measured, by outcome.

    Who was not run is left out, and so is who touched anything outside: that is for its maintainers first.
    """
    by: dict[str, list[str]] = {}
    for one, observation in zip(found, observations, strict=True):
        if one.mark != "not-run" and "escape" not in one.never:
            name = f"{one.contestant} {one.version}".strip()
            by.setdefault(in_words(one, observation), []).append(name)
    return {words: tuple(sorted(names)) for words, names in sorted(by.items())}


def merged(
    before: Mapping[str, tuple[str, ...]], now: Mapping[str, tuple[str, ...]], contestants: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """What was seen before, with the lines of these contestants replaced by those of now."""
    by = {
        words: [name for name in names if name.split(" ")[0] not in contestants] for words, names in before.items()
    }
    for words, names in now.items():
        by.setdefault(words, []).extend(names)
    return {words: tuple(sorted(names)) for words, names in sorted(by.items()) if names}
