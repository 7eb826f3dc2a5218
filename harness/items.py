"""The corpus as tests of pytest: an item for each case and contestant, and what a failure says.

Each process (each worker of pytest-xdist) has a pool of its own, made when its first item runs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from .archive.case import Case
from .archive.cases import InputError
from .archive.text import CaseError, dumps
from .contest.pool import Pool
from .contest.registry import Contestant, RegistryError, available, target
from .contest.replay import Called
from .contest.sandbox import SandboxError
from .corpus.checking import Row, check, choose, name_of, place
from .corpus.shelf import Shelved

EXPECTED = (InputError, CaseError, RegistryError, SandboxError)

_POOL = pytest.StashKey[Pool]()


def _contestants(config: pytest.Config) -> tuple[Contestant, ...]:
    names: list[str] = config.getoption("--tarbiter-with")
    commands: list[str] = config.getoption("--tarbiter-target")
    found = list(available(names)) if names else []
    return (*found, *(target(command) for command in commands))


def made(session: pytest.Session) -> Iterator[pytest.Item]:
    """The items that the options ask for. Raises pytest.UsageError."""
    config = session.config
    try:
        contestants = _contestants(config)
        corpus = place(config.getoption("--tarbiter-corpus"))
        shelved = choose(corpus, config.getoption("--tarbiter-cases"))
    except EXPECTED as error:
        raise pytest.UsageError(f"tarbiter: {error}") from error
    root = config.getoption("--tarbiter-results") or os.path.join(corpus, "results")
    folder = Cases.from_parent(session, name="tarbiter", nodeid="tarbiter")
    for contestant in contestants:
        for one in shelved:
            yield CaseItem.from_parent(folder, shelved=one, contestant=contestant, everyone=contestants, root=root)


def end(config: pytest.Config) -> None:
    """End the cells of this process."""
    pool = config.stash.get(_POOL, None)
    if pool is not None:
        pool.__exit__(None, None, None)


class Cases(pytest.Collector):
    """What the items belong to: no file holds them."""

    def collect(self) -> Iterator[pytest.Item]:
        """Nothing more: the items were made already."""
        return iter(())


class ConformanceError(AssertionError):
    """A case that did not come out as it should."""

    def __init__(self, case: Case, row: Row) -> None:
        super().__init__(row.case)
        self.case, self.row = case, row


class CaseItem(pytest.Item):
    """One case and one contestant."""

    def __init__(
        self,
        *,
        shelved: Shelved,
        contestant: Contestant,
        everyone: tuple[Contestant, ...],
        root: str,
        **more: Any,  # pytest's own
    ) -> None:
        super().__init__(name=f"{name_of(shelved.path)}[{contestant.name}]", **more)
        self.shelved, self.contestant, self.everyone, self.root = shelved, contestant, everyone, root
        self.add_marker("tarbiter")

    def _pool(self) -> Pool:
        pool = self.config.stash.get(_POOL, None)
        if pool is None:
            pool = Pool(self.everyone, cells=1)
            pool.__enter__()
            self.config.stash[_POOL] = pool
        return pool

    def runtest(self) -> None:
        """Run the case; what is neither as recorded nor as expected fails."""
        (row,) = check(self._pool(), (self.contestant,), [self.shelved], self.root)
        if row.status == "harness-fault":
            raise SandboxError("harness-fault", "; ".join(row.detail))
        if row.bad:
            raise ConformanceError(self.shelved.case, row)
        if row.mark == "not-run":
            pytest.skip("; ".join(row.detail))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What a person needs: the case, what happened, what was expected, the recipe, how to see it again."""
        error = excinfo.value
        if isinstance(error, ConformanceError):
            called = Called.of((self.contestant,), backend=self._pool().backend)
            words = ("--results", os.path.abspath(self.root))
            replay = called.line("check", os.path.abspath(self.shelved.path), *words)
            return "\n".join(explain(self.shelved, error.row, replay))
        if isinstance(error, EXPECTED):
            return f"tarbiter: {error}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[str, None, str]:
        """Where it is, for the report's heading."""
        return self.shelved.path, None, f"tarbiter {self.name}"


def explain(shelved: Shelved, row: Row, replay: str) -> Iterator[str]:
    """A failure in lines; `replay` is the line of shell that shows it again."""
    case = shelved.case
    yield f"{row.case}: {case.title}"
    yield f"  {row.contestant} {row.version}".rstrip() + f": {row.status}, {row.mark}"
    if row.against:
        yield f"  not as recorded with {row.against}:"
    yield from (f"    {words}" for words in (row.parted or row.detail))
    if row.parted and row.detail:
        yield "  and against what is expected:"
        yield from (f"    {words}" for words in row.detail)
    if case.why:
        yield f"  why: {case.why}"
    yield from (f"  source: {one}" for one in case.source)
    yield ""
    yield from (
        f"  {line}" for line in dumps(Case(recipe=case.recipe, world=case.world)).rstrip().splitlines()[:30]
    )
    yield ""
    yield f"  again: {replay}"
