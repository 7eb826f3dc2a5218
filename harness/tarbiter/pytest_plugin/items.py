"""The corpus as tests of pytest: an item for each case and contestant, and what a failure says.

Each process (each worker of pytest-xdist) has a pool of its own, made when its first item runs.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from ..archive.case import Case
from ..archive.text import dumps
from ..campaign.health import Unfit, baseline
from ..contest.installed.registry import Contestant, RegistryError, available, target
from ..contest.pool import Pool
from ..contest.replay import Called
from ..contest.sandbox.namespaces import SandboxError
from ..corpus.checking import Row, check, choose, name_of, place
from ..corpus.shelf import Shelved
from ..errors import UserError
from ..judge.wording import plain

ANSWER = "tarbiter"
"""The user property of a test's report that has the contestant and what became of it, one of the three below."""

RAN, NOT_RUN, UNFIT = "ran", "not run", "does not extract an ordinary archive"

_POOL = pytest.StashKey[Pool]()
_UNFIT = pytest.StashKey[dict[str, Unfit]]()
_TOLD = pytest.StashKey[set[str]]()


def _contestants(config: pytest.Config) -> tuple[Contestant, ...]:
    given: list[str] = config.getoption("--tarbiter-with")
    names = [name.strip() for word in given for name in word.split(",") if name.strip()]
    commands: list[str] = config.getoption("--tarbiter-target")
    found = available(names) if names else ()
    chosen = (*found, *map(target, commands))
    if not chosen:
        raise RegistryError("--tarbiter-with", f"of {', '.join(given)} nobody is here: see `tarbiter contestants`")
    return chosen


def made(session: pytest.Session) -> Iterator[pytest.Item]:
    """The items that the options ask for. Raises pytest.UsageError."""
    config = session.config
    try:
        contestants = _contestants(config)
        corpus = place(config.getoption("--tarbiter-corpus"))
        shelved = choose(corpus, config.getoption("--tarbiter-cases"))
    except UserError as error:
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


class Answers:
    """A plugin that counts what became of each contestant: of one that was never judged, nothing can be green."""

    def __init__(self) -> None:
        self._found: dict[str, Counter[str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the contestant of one test. With pytest-xdist the report comes from a worker."""
        for name, value in report.user_properties if report.when == "call" else ():
            if name == ANSWER:
                contestant, _, answer = str(value).partition(": ")
                self._found.setdefault(contestant, Counter())[answer] += 1

    def _silent(self) -> dict[str, Counter[str]]:
        return {name: counts for name, counts in self._found.items() if not counts[RAN]}

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """End with 2 where of some contestant nothing was judged: neither 0 nor 1 would be true of it."""
        if self._silent() and session.exitstatus in (0, 1):
            session.exitstatus = pytest.ExitCode.INTERRUPTED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say of whom nothing was judged, and why."""
        for name, counts in self._silent().items():
            why = "it " + UNFIT if counts[UNFIT] else f"{counts[NOT_RUN]} not run"
            terminalreporter.write_line(f"tarbiter: of {name} nothing was judged: {why}", red=True)


class BaselineError(AssertionError):
    """A contestant that does not extract an ordinary archive: nothing of it is judged."""


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

    def _unfit(self) -> Unfit | None:
        """What is wrong with this contestant on the baseline, which is run once in each process."""
        found = self.config.stash.get(_UNFIT, None)
        if found is None:
            found = baseline(self._pool(), (one.name for one in self.everyone))
            self.config.stash[_UNFIT] = found
        return found.get(self.contestant.name)

    def _answer(self, answer: str) -> None:
        self.user_properties.append((ANSWER, f"{self.contestant.name}: {answer}"))

    def runtest(self) -> None:
        """Run the case; what is neither as recorded nor as expected fails.

        Where the contestant fails on the baseline the first test says so, and the others are skipped.
        """
        unfit = self._unfit()
        if unfit is not None:
            self._answer(UNFIT)
            told = self.config.stash.setdefault(_TOLD, set())
            if self.contestant.name not in told:
                told.add(self.contestant.name)
                raise BaselineError("\n".join(map(plain, unfit.lines)))
            pytest.skip(f"{self.contestant.name} {UNFIT}")
        (row,) = check(self._pool(), (self.contestant,), [self.shelved], self.root)
        self._answer(NOT_RUN if row.mark == "not-run" else RAN)
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
        if isinstance(error, BaselineError):
            return f"tarbiter: nothing is judged: {error}"
        if isinstance(error, UserError):
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
