"""A store with findings written by hand, whose names and messages are as hostile as they can be."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tarbiter.archive.case import Case
from tarbiter.archive.recipe import Member, Recipe
from tarbiter.archive.text import dumps
from tarbiter.campaign.records import Asked, Kept
from tarbiter.campaign.runs import Run
from tarbiter.campaign.store import Store
from tarbiter.contest.observation import Job, Node, Observation
from tarbiter.generate.recipes import case_at
from tarbiter.triage.investigate import Finding
from tarbiter.triage.target import Target
from tarbiter.triage.trial import Trial

NASTY = b"<script>alert(1)</script>&\"'`|*_[x](y) @octocat #1 \x1b[31m\x00\xff\xe2\x80\xae\n]]>"
"""Markup of every page that is drawn, control characters, what is not UTF-8, and what turns text around."""

ASKED = Asked(
    seed=7, contestants={"one": "1.0", "two": "2.0"}, facets=("names",), environment={"python": "3", "backend": "x"}
)
LATER = msgspec.structs.replace(ASKED, seed=8)


def finding(name: bytes, *, error: str = "") -> Finding:
    """Two contestants that leave different names; or one that refuses, when `error` is given."""
    tree = (Node(path=name, type="file"),)
    other = Observation(contestant="two", version="2.0", family="family two", status="extracted")
    if error:
        other = msgspec.structs.replace(other, status="refused", error=error)
    seen = (Observation(contestant="one", version="1.0", family="family one", status="extracted", tree=tree), other)
    trial = Trial(Job(archive=b"", contestants=("one", "two")), seen)
    cause = ascii(name)[1:]
    divergence = trial.divergence()
    assert divergence.signature is not None
    target = Target(divergence.signature.invariant, "one", "two", "names")
    signature = target.signed(divergence.signature, seen, (cause,))
    divergence = msgspec.structs.replace(divergence, signature=signature)
    return Finding(
        target=target,
        case=Case(recipe=Recipe(parts=(Member(name=name[:100]),))),
        trial=trial,
        divergence=divergence,
        causes=(cause,),
        places=(f"{cause}: member 1, bytes 0x0-0x1ff (name)",),
        probes=3,
        complete=True,
    )


def keep(run: Run, index: int, name: bytes, *, error: str = "") -> Kept:
    """The record of a finding at case `index`, on disk in the run's directory."""
    kept = run.keep(finding(name, error=error), case_at(run.asked.seed, index), ())
    run.write(kept)
    return kept


def asked(*who: tuple[str, str]) -> tuple[Observation, ...]:
    """What contestants, with their versions, answer who are in no ring: they leave nothing at all."""
    return tuple(Observation(contestant=name, version=version, status="extracted") for name, version in who)


def filled(folder: Path) -> Path:
    """A store with two runs: three findings in the first, of which one is dismissed, two new ones in the second."""
    path = folder / "store"
    with Store(str(path)) as store:
        first = Run.create(str(folder / "first"), ASKED)
        number = store.begin(first.path, ASKED)
        kept = [keep(first, 3, b"a"), keep(first, 90, b"b"), keep(first, 5, b"refused", error="no")]
        for one in kept:
            store.add(one, number)
        store.mark(kept[1].id, "dismissed", "seen often, <b>really</b>")
        store.progress(number, 100, 10.0)
        first.close()
        second = Run.create(str(folder / "second"), LATER)
        number = store.begin(second.path, LATER)
        for one in (keep(second, 10, NASTY), keep(second, 20, b"c", error=NASTY.decode("latin-1"))):
            store.add(one, number)
        store.add(kept[0], number)
        words = NASTY.decode("latin-1")
        store.answered(kept[0].id, (*kept[0].observations, *asked(("three", words), ("four", "4.0"), ("five", ""))))
        store.progress(number, 50, 5.0)
        second.close()
    return path


def empty(folder: Path) -> Path:
    """A store of one run that found nothing."""
    with Store(str(folder / "store")) as store:
        store.progress(store.begin(str(folder / "run"), ASKED), 100, 10.0)
    return folder / "store"


def text_of(name: bytes) -> str:
    """The TOML form of a case with that name, for comparison."""
    return dumps(Case(recipe=Recipe(parts=(Member(name=name[:100]),))))
