"""Running cases of the corpus through contestants, and holding what comes out against what was recorded."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import msgspec

from ..archive.case import Case, World
from ..archive.cases import InputError
from ..contest.environment import environment
from ..contest.installed.registry import Contestant
from ..contest.observation import Job
from ..contest.pool import Pool
from ..judge.conformance import Mark, verdict
from ..triage.trial import trials
from .results import FORMAT, UNVERSIONED, Made, Results, baseline, made, parted
from .shelf import FLAGS, Shelved, paths, shelve

Change: TypeAlias = Literal["", "changed", "flaky", "other-case", "no-record"]
"""`""`: as recorded. `flaky`: two runs of it differ. `other-case`: the case is another one than was recorded."""


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One case and one contestant: what it made of it, and how that stands to what was recorded."""

    case: str
    title: str
    contestant: str
    version: str
    mark: Mark
    status: str
    reading: str = ""
    never: tuple[str, ...] = ()
    detail: tuple[str, ...] = ()
    change: Change = ""
    against: str = ""
    """The version whose results it is held against."""
    parted: tuple[str, ...] = ()

    @property
    def bad(self) -> bool:
        """Whether a person has to look: it is not as recorded, or fails and nothing was recorded."""
        return self.change in ("changed", "flaky") or (bool(self.change) and self.mark == "fail")


def place(named: str = "") -> str:
    """The corpus: the one that is named, or the one below the working directory, or the one tarbiter brings."""
    if named or os.path.isfile(os.path.join("corpus", FLAGS)):
        return named or "corpus"
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    packed = os.path.join(here, "_corpus")
    return packed if os.path.isdir(packed) else os.path.join(os.path.dirname(os.path.dirname(here)), "corpus")


def choose(root: str, wanted: Sequence[str]) -> list[Shelved]:
    """Cases by file, by id (`topic/name`) or by topic; nothing wanted: all of the corpus. Raises InputError."""
    there = paths(root) if os.path.isdir(root) else []
    if not wanted:
        if not there:
            raise InputError(root, "holds no cases; --corpus names the directory of the corpus")
        return [shelve(path) for path in there]
    chosen: dict[str, None] = {}
    for one in wanted:
        if one.endswith(".toml"):
            chosen[one] = None
            continue
        found = _of(there, one)
        if not found:
            raise InputError(one, f"is no case (a .toml file), and no id or topic of {root}")
        chosen |= dict.fromkeys(found)
    return [shelve(path) for path in chosen]


def _of(there: Sequence[str], wanted: str) -> list[str]:
    """The files, of those of a corpus, that an id or a topic names."""
    name = wanted.strip("/")
    return [path for path in there if name in (name_of(path), name_of(path).partition("/")[0])]


def paths_of(wanted: Sequence[str]) -> list[str]:
    """The files that words of a command line name: files, ids (`topic/name`) or topics of the corpus.

    A file comes before an id of the same name, and `-` is standard input. Raises InputError for what is neither.
    """
    found = []
    for one in wanted:
        if one == "-" or os.path.lexists(one):
            found.append(one)
            continue
        root = place()
        named = _of(paths(root), one) if os.path.isdir(root) else []
        if not named:
            raise InputError(
                one,
                f"no such file, and no id or topic of {root}; name an archive, a case (.toml or topic/name), or - "
                "for standard input",
            )
        found += named
    return found


def path_of(wanted: str) -> str:
    """The one file that a word names, as `paths_of` has it. Raises InputError, also for several cases."""
    found = paths_of((wanted,))
    if len(found) > 1:
        raise InputError(wanted, f"is a topic of {len(found)} cases; name one, for instance {name_of(found[0])}")
    return found[0]


def name_of(path: str) -> str:
    """The id of the case in the file `path`: `topic/name`."""
    topic, file = os.path.split(path)
    return f"{os.path.basename(os.path.abspath(topic))}/{file.removesuffix('.toml')}"


def digest(shelved: Shelved) -> str:
    """What a case is to a contestant: its bytes, its world, its schedule; 16 hexadecimal digits."""
    case = shelved.case
    around = msgspec.json.encode((_said(case.world), repr(case.schedule)))
    return hashlib.blake2b(shelved.archive + around, digest_size=8).hexdigest()


_ALWAYS = ("placed", "dest_mode", "umask", "locale")
"""The fields that worlds had when the first results were kept. Others count only where they are not as usual."""


def _said(world: World) -> str:
    usual = World()
    fields = {name: getattr(world, name) for name in world.__struct_fields__}
    told = (
        f"{name}={value!r}" for name, value in fields.items() if name in _ALWAYS or value != getattr(usual, name)
    )
    return f"World({', '.join(told)})"


def job_of(shelved: Shelved, contestants: tuple[str, ...]) -> Job:
    """The job that runs a case, layers and all."""
    case = shelved.case
    return Job(
        archive=shelved.archive, contestants=contestants, world=case.world, schedule=case.schedule, listing=True
    )


def identity(shelved: Shelved) -> str:
    """The id of a case: its own, or that of its place."""
    return shelved.case.id or name_of(shelved.path)


def _named(shelved: Shelved) -> Case:
    return msgspec.structs.replace(shelved.case, id=identity(shelved))


def run(
    pool: Pool,
    contestants: Sequence[Contestant],
    shelved: Sequence[Shelved],
    *,
    twice: bool = False,
    progress: Callable[[], None] = lambda: None,
) -> dict[str, dict[str, Made]]:
    """What each contestant made of each case: contestant to case to record. Raises SandboxError.

    `twice`: run everything two times; what differs is flaky.
    """
    names = tuple(one.name for one in contestants)
    found: dict[str, dict[str, Made]] = {name: {} for name in names}
    jobs = [msgspec.structs.replace(job_of(one, names), twice=twice) for one in shelved]
    for one, trial in zip(shelved, trials(pool, jobs), strict=True):
        case, key = _named(one), digest(one)
        whole = {seen.contestant: seen for seen in trial.whole}
        for observation in trial.observations:
            said = verdict(case, observation, whole=whole.get(observation.contestant))
            found[observation.contestant][case.id] = made(said, observation, key)
        progress()
    return found


def results(pool: Pool, contestant: Contestant, cases: dict[str, Made]) -> Results:
    """The results of one contestant, of today."""
    around = environment(pool.backend)
    return Results(
        format=FORMAT,
        contestant=contestant.name,
        version=contestant.version,
        family=contestant.family,
        date=time.strftime("%Y-%m-%d", time.gmtime()),
        environment={key: around[key] for key in ("cell", "arena")},
        cases=dict(sorted(cases.items())),
    )


def check(
    pool: Pool,
    contestants: Sequence[Contestant],
    shelved: Sequence[Shelved],
    root: str,
    *,
    progress: Callable[[], None] = lambda: None,
) -> list[Row]:
    """Run cases and hold them against the results recorded below `root`. Raises SandboxError, InputError.

    What comes out otherwise runs a second time, before it is believed.
    """
    old = {one.name: baseline(root, one.name, one.version) for one in contestants}
    found = run(pool, contestants, shelved, progress=progress)
    rows = []
    for one in shelved:
        case = _named(one)
        changed = []
        for contestant in contestants:
            before = old[contestant.name]
            was = before.cases.get(case.id) if before else None
            if was is not None and was.archive == digest(one) and parted(was, found[contestant.name][case.id]):
                changed.append(contestant)
        again = run(pool, changed, [one]) if changed else {}
        for contestant in contestants:
            new = found[contestant.name][case.id]
            second = again[contestant.name][case.id] if contestant.name in again else None
            rows.append(_row(case, contestant, digest(one), old[contestant.name], new, second))
    return rows


def _row(
    case: Case, contestant: Contestant, key: str, before: Results | None, new: Made, second: Made | None
) -> Row:
    was = before.cases.get(case.id) if before else None
    change: Change = ""
    apart: tuple[str, ...] = ()
    if was is None:
        change = "no-record"
    elif was.archive != key:
        change = "other-case"
    elif second is not None:
        apart = parted(new, second)
        change = "flaky" if apart else "changed"
        apart = apart or parted(was, new)
    return Row(
        case=case.id,
        title=case.title,
        contestant=contestant.name,
        version=contestant.version,
        mark=new.mark,
        status=new.status,
        reading=new.reading,
        never=new.never,
        detail=new.detail,
        change=change,
        against=(before.version or UNVERSIONED) if before is not None and was is not None else "",
        parted=apart,
    )
