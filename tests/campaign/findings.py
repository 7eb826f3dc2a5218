"""Findings written by hand, for the tests of what keeps them."""

from __future__ import annotations

import msgspec

from tarbiter.archive.case import Case
from tarbiter.archive.recipe import Member, Recipe
from tarbiter.campaign.records import Asked
from tarbiter.contest.observation import Job, Node, Observation
from tarbiter.triage.investigate import Finding
from tarbiter.triage.target import Target
from tarbiter.triage.trial import Trial

ASKED = Asked(seed=7, contestants={"one": "1", "two": "2"}, facets=("names",), environment={"python": "3"})
CASE = Case(recipe=Recipe(parts=(Member(name=b"a\xff/"),)))


def finding(name: bytes) -> Finding:
    """A finding as triage makes them: two contestants that leave different names."""
    seen = (
        Observation(contestant="one", family="one", status="extracted", tree=(Node(path=name, type="file"),)),
        Observation(contestant="two", family="two", status="extracted"),
    )
    trial = Trial(Job(archive=b"", contestants=("one", "two")), seen)
    divergence, target = trial.divergence(), Target("no-smuggling", "one", "two", "names")
    assert divergence.signature is not None
    signature = target.signed(divergence.signature, seen, (repr(name),))
    divergence = msgspec.structs.replace(divergence, signature=signature)
    return Finding(
        target=target,
        case=CASE,
        trial=trial,
        divergence=divergence,
        causes=("file name",),
        places=("'a': bytes 0x0-0x1ff",),
        probes=3,
        complete=True,
    )
