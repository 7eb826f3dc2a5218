"""What a case becomes when it is run."""

from __future__ import annotations

import gzip

from tarbiter.archive.case import Case, Schedule, World
from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.layers import Layer
from tarbiter.archive.recipe import Member, Recipe
from tarbiter.archive.stored import in_memory
from tarbiter.triage.causes import causes
from tarbiter.triage.trial import job_for


def test_a_job_has_everything_that_the_case_has() -> None:
    recipe = Recipe((Member(name=b"a"),))
    case = Case(recipe=recipe, layers=(Layer(),), world=World(umask=0), schedule=Schedule(chunks=(1,)))
    job = job_for(case, ("x",))
    assert job.archive != encode_bytes(recipe)
    assert gzip.decompress(in_memory(job.archive)) == encode_bytes(recipe)
    assert (job.contestants, job.world, job.schedule) == (("x",), case.world, case.schedule)


def test_layers_are_a_cause() -> None:
    case = Case(recipe=Recipe((Member(name=b"a"),)), layers=(Layer(kind="xz"), Layer(cut=4)))
    assert causes(case) == ("compressed more than once", "compressed: gzip, odd", "compressed: xz")
