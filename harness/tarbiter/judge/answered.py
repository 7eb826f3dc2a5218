"""Whether anything was compared: who answered, who did not and why, and what to do about it.

The one rule of every command that compares or scores. It counts what each contestant did over the whole call.

A contestant *answers* an archive when its program ran on it, however that ended: extracted, partial, refused,
crashed, hung, over-limit, flaky. `unavailable` (not there, not started, cannot take this archive) and
`harness-fault` (our own side failed) are no answers. hung and over-limit are answers that say nothing of how it
reads the archive: where nobody gave another one, a limit was reached, and nobody agreed.

Nothing was compared, or not what was asked for, when
- fewer than two contestants answered (than one, where each is scored by itself), or
- a contestant that was named (`--with NAME`, `--target`) answered no archive of the call, or
- every answer of the call is hung or over-limit.
A contestant that answered some archives and not others is told, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from ..contest.observation import Observation

NO_ANSWER = ("unavailable", "harness-fault")
"""Statuses of a contestant that did not run on the archive."""

LIMITED = ("hung", "over-limit")
"""Statuses of one that ran until a limit of the cell ended it."""

LINES = 8
"""Lines of a contestant's own words that are told: the first, and the last, where programs say why they end."""

LACKS, DRIVER, START, BASELINE = "lacks", "driver", "start", "baseline"
"""Why there is no answer, as `Observation.error_class` has it: it cannot take such an archive; its persistent
driver did not start; its program cannot be started. And `baseline`: it does not extract an ordinary archive."""

REMEDIES = {
    LACKS: "leave it out, or give it archives that it can take",
    DRIVER: "`tarbiter contestants check {name}` tries it alone; files that it needs are named with `visible` "
    "(docs/contestants.md)",
    START: "the program must be executable and all that it needs visible in the cell (docs/contestants.md)",
    BASELINE: "files that it needs must be visible in the cell: `visible` in tarbiter.toml, or in front of the "
    "command, --target 'visible=DIR CMD ...' (docs/contestants.md)",
}
"""What to do, by why there is no answer."""


class Tally(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What one contestant did over a call: how often each status, and why it did not answer the first time."""

    version: str = ""
    statuses: dict[str, int] = {}
    kind: str = ""
    """The error class of the first archive that it did not answer."""
    said: str = ""
    """What was said of that."""

    @property
    def asked(self) -> int:
        """Archives that it was given."""
        return sum(self.statuses.values())

    @property
    def answered(self) -> int:
        """Archives on which it ran."""
        return sum(count for status, count in self.statuses.items() if status not in NO_ANSWER)

    @property
    def limited(self) -> int:
        """Archives on which a limit ended it."""
        return sum(count for status, count in self.statuses.items() if status in LIMITED)

    def count(self, status: str, kind: str = "", said: str = "") -> None:
        """Count one more archive."""
        if status in NO_ANSWER and not any(self.statuses.get(one) for one in NO_ANSWER):
            self.kind, self.said = kind, said
        self.statuses[status] = self.statuses.get(status, 0) + 1

    def add(self, observation: Observation) -> None:
        """Count what was observed on one more archive."""
        self.version = self.version or observation.version
        self.count(observation.status, observation.error_class, observation.error)


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a call compared what it was to compare."""

    reasons: tuple[str, ...] = ()
    """Why it did not; empty: it did."""
    absent: tuple[str, ...] = ()
    """Lines on each contestant that left archives unanswered: how many, why, what to do."""

    @property
    def compared(self) -> bool:
        """Whether what came out can be believed: 0 and 1 are then exit codes of it, else it is 2."""
        return not self.reasons

    def __and__(self, other: Verdict) -> Verdict:
        """Both verdicts on one call."""
        return Verdict(reasons=self.reasons + other.reasons, absent=self.absent + other.absent)


def tallies(names: Iterable[str]) -> dict[str, Tally]:
    """Nothing counted yet, of everybody who is to be asked."""
    return {name: Tally() for name in names}


def count(found: dict[str, Tally], observations: Iterable[Observation]) -> None:
    """Count what was observed on one more archive."""
    for one in observations:
        found.setdefault(one.contestant, Tally()).add(one)


def own_words(said: str) -> list[str]:
    """The first and the last lines of what was said, without empty ones."""
    lines = [line.rstrip() for line in said.splitlines() if line.strip()]
    return lines if len(lines) <= LINES else [lines[0], *lines[1 - LINES :]]


def remedy(name: str, kind: str) -> str:
    """What to do where a contestant did not answer for this reason; empty: what it said tells."""
    return REMEDIES.get(kind, "").replace("{name}", name)


def absence(name: str, tally: Tally, *, named: bool = True) -> list[str]:
    """The lines on one contestant that left archives unanswered; empty: it answered all.

    Who was not `named` may lack what it lacks: nobody has to do anything about it.
    """
    if tally.answered == tally.asked:
        return []
    lines = own_words(tally.said)
    head = f"{name} {tally.version}".rstrip()
    head += (
        f" answered {tally.answered} of {tally.asked}: {lines[0] if lines else tally.kind or 'no reason was given'}"
    )
    todo = remedy(name, tally.kind) if named or tally.kind != LACKS else ""
    return [head, *(f"    {line}" for line in lines[1:]), *([f"    {todo}"] if todo else [])]


def verdict(found: Mapping[str, Tally], *, named: Collection[str] = (), least: int = 2) -> Verdict:
    """What the counts come to.

    `found` has everybody who was to be asked, `named` those of them who were asked for by name. `least` is how many
    must have answered: 2 to compare, 1 where each is held against something that is written down.
    """
    answered = [name for name, tally in found.items() if tally.answered]
    silent = [name for name in found if name in named and name not in answered]
    reasons = []
    if len(answered) < least:
        who = f"only {answered[0]} ran" if answered else "nobody ran"
        reasons.append(f"nothing was compared: {who}" if least > 1 else f"nothing was judged: {who}")
    elif all(found[name].limited == found[name].answered for name in answered):
        reasons.append(f"nothing was compared: a limit was reached by all {len(answered)} that ran, always")
    if silent:
        reasons.append(f"named and never answered: {', '.join(silent)}")
    return Verdict(
        reasons=tuple(reasons),
        absent=tuple(line for name, tally in found.items() for line in absence(name, tally, named=name in named)),
    )


def uncompared(observations: Sequence[Observation]) -> str:
    """Why nothing was compared on one archive; empty: two or more were, and not by their limits alone."""
    ran = [one for one in observations if one.status not in NO_ANSWER]
    # What differs from itself is held against nobody.
    heard = [one for one in ran if one.status != "flaky"]
    if len(heard) < 2:
        who = f"only {heard[0].contestant}" if heard else "none"
        return f"{who} of {len(observations)} {'could be compared' if len(ran) > len(heard) else 'ran'}"
    if all(one.status in LIMITED for one in heard):
        kinds = sorted({one.status for one in heard})
        return f"a limit was reached by all {len(heard)} that ran: {', '.join(kinds)}"
    return ""
