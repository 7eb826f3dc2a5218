"""One cause, one signature? Many archives that trigger one known bug, and how many findings they come to.

    python -m benchmarks.dedup [--archives 50] [--minutes 15] [--only PACKAGE|BUG ...] [--install]

For every bug of `rediscover/bugs.toml` whose two releases are here, the cases of the corpus on which its oracle
sees it are mutated, and their mutants too; what the oracle still sees is kept until there are enough. Each is
investigated between the two releases as a campaign does it (minimise, find the causes, sign). Told are the
signatures for each bug, and those that two bugs share. The oracle has to see the bug in the minimised case as well,
or the causes have to name its field: what comes to something else is counted as `other`. `grouped` counts those
as one of which one needs the causes of the other and something more: another consequence of one cause.

What is done is kept in DIR/BUG.json after each archive, so that a stopped run goes on. Nothing is drawn from the
clock: the same archives come from the same `--seed`.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from benchmarks.rediscover.bugs import Bug, groups, load, present
from benchmarks.rediscover.oracles import confirms
from tarbiter.archive.case import Case
from tarbiter.archive.cases import load as load_case
from tarbiter.archive.recipe import RecipeError
from tarbiter.archive.stored import in_memory
from tarbiter.archive.text import dumps, loads
from tarbiter.campaign.aspects import of_trial
from tarbiter.campaign.versus import LIMITS, Change, identity
from tarbiter.contest.installed.registry import Contestant
from tarbiter.contest.pool import Pool
from tarbiter.exit_codes import verdicts_kept
from tarbiter.files import write
from tarbiter.generate.choices import below, seeded
from tarbiter.generate.mutate import mutate
from tarbiter.generate.recipes import case_at
from tarbiter.judge.facets import STRONG, WEAK
from tarbiter.triage.investigate import Finding, investigate
from tarbiter.triage.minimise import Budget
from tarbiter.triage.target import targets
from tarbiter.triage.trial import Trial, job_for, trials

DEFAULT = Path("runs") / "dedup"
FACETS = (*STRONG, *WEAK)
BATCH = 32
"""Mutants that are run at a time."""

MOST = 60
"""Batches of mutants for one bug at most: one that mutation nearly always destroys gives fewer archives."""

PROBES = 600
TARGETS = 3
"""Targets of one archive that are investigated, the gravest first, until one comes to the bug."""


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """What one archive came to. `signature` is empty where no finding of it is the bug."""

    signature: str
    invariant: str = ""
    facet: str = ""
    causes: tuple[str, ...] = ()
    case: str = ""
    """The minimised case as TOML."""
    members: int = 0
    probes: int = 0


class Result(msgspec.Struct, kw_only=True):
    """What is known of one bug."""

    bug: str
    family: str
    versions: dict[str, str]
    bases: int = 0
    """Cases of the corpus that trigger it."""
    tried: int = 0
    """Mutants that were run."""
    archives: list[str] = []
    """Those that trigger it, as TOML, the corpus's own among them."""
    signed: list[Signed] = []

    @property
    def signatures(self) -> Counter[str]:
        """Archives by signature."""
        return Counter(one.signature for one in self.signed if one.signature)

    @property
    def grouped(self) -> int:
        """Signatures when one that needs all causes of another, and something more, counts as the other."""
        causes = sorted({frozenset(one.causes) for one in self.signed if one.signature}, key=len)
        return sum(not any(other < one for other in causes) for one in causes)


def corpus() -> list[Case]:
    """All cases of the corpus that can be built."""
    paths = [path for path in sorted(Path("corpus").glob("*/*.toml")) if path.parent.name != "schema"]
    cases = [case for path in paths if (case := load_case(str(path)).case) is not None]
    return [msgspec.structs.replace(case, expect=type(case.expect)()) for case in cases]


def changes(bug: Bug, case: Case, trial: Trial) -> Iterator[Change]:
    """Every way in which the two releases part on a case, as the oracles look at it."""
    pair = bug.pair
    by_name = {one.contestant: one for one in trial.observations}
    whole = {one.contestant: one for one in trial.whole}
    for aspect in of_trial(trial, pair):
        yield Change(
            id=identity(pair, aspect, ()),
            pair=pair,
            aspect=aspect,
            causes=(),
            case=dumps(case),
            original="",
            index=0,
            cases=0,
            seconds=0.0,
            features=(),
            probes=0,
            complete=True,
            observations=(by_name[pair.old], by_name[pair.new]),
            whole=(whole[pair.old], whole[pair.new]) if whole else (),
        )


def triggers(bug: Bug, case: Case, trial: Trial) -> bool:
    """Whether the bug's oracle sees it."""
    return any(confirms(bug.id, change) for change in changes(bug, case, trial))


def run(pool: Pool, bug: Bug, cases: Sequence[Case]) -> Iterator[tuple[Case, Trial]]:
    """The two releases on each case."""
    jobs = [job_for(case, (bug.vulnerable, bug.fixed), hasty=True) for case in cases]
    yield from zip(cases, trials(pool, jobs), strict=True)


def encodes(case: Case) -> bool:
    """Whether the case has bytes, and not too many to be run a hundred times."""
    try:
        return len(job_for(case, ()).archive) < 64 * 1024
    except RecipeError:
        return False


def gather(
    pool: Pool, bug: Bug, shelf: Sequence[Case], result: Result, arguments: argparse.Namespace, until: float
) -> list[Case]:
    """The archives that trigger the bug: those of the corpus, then mutants of those and of mutants.

    For a bug that hangs each one costs a time limit: it gets fewer of them.
    """
    seed, wanted = arguments.seed, arguments.archives
    found = [case for case, trial in run(pool, bug, list(filter(encodes, shelf))) if triggers(bug, case, trial)]
    result.bases = len(found)
    texts = set(map(_text, found))
    for batch in range(MOST if found else 0):
        if len(found) >= wanted or time.monotonic() >= until:
            break
        offers = []
        for number in range(batch * BATCH, (batch + 1) * BATCH):
            choices = seeded(seed, number)
            parent = found[below(choices, len(found))]
            lenders = [shelf[below(choices, len(shelf))], case_at(seed, number).case]
            offers.append(mutate(choices, parent, lenders).case)
        offers = list(filter(encodes, offers))
        result.tried += len(offers)
        for case, trial in run(pool, bug, offers):
            text = _text(case)
            if text not in texts and triggers(bug, case, trial):
                texts.add(text)
                found.append(case)
    return found[:wanted]


def _text(case: Case) -> str:
    return dumps(msgspec.structs.replace(case.identity(), covers=()))


def is_bug(bug: Bug, finding: Finding) -> bool:
    """Whether a finding is the bug: its oracle sees it in the minimised case, or the causes name its field.

    Some oracles look for more of the mechanism than a minimiser leaves (all of a header inside a body, say).
    """
    if triggers(bug, finding.case, finding.trial):
        return True
    return all(
        any(word in cause for word in wanted.split("|") for cause in finding.causes) for wanted in bug.explains
    )


def sign(pool: Pool, bug: Bug, case: Case, until: float) -> Signed:
    """The signature that a campaign gives this archive, as far as a finding of it is the bug."""
    names = (bug.vulnerable, bug.fixed)
    (trial,) = trials(pool, (job_for(case, names),))
    budget = Budget(probes=PROBES, ended=lambda: time.monotonic() >= until)
    found = targets(trial.divergence(FACETS, weak=False), trial.observations, in_memory(trial.job.archive))
    for target in found[:TARGETS]:
        finding = investigate(pool, case, target, names, facets=FACETS, budget=budget).finding
        if finding is None or not is_bug(bug, finding):
            continue
        signature = finding.divergence.signature
        assert signature is not None
        return Signed(
            signature=signature.id,
            invariant=signature.invariant,
            facet=target.facet,
            causes=finding.causes,
            case=dumps(finding.case),
            members=len(finding.case.recipe.parts),
            probes=finding.probes,
        )
    return Signed(signature="")


def path_of(folder: Path, bug: Bug) -> Path:
    """Where the result of a bug is kept."""
    return folder / f"{''.join(letter if letter.isalnum() else '-' for letter in bug.id)[-60:]}.json"


def known(path: Path, fresh: Result) -> Result:
    """What an earlier run came to with the same releases, or the fresh result."""
    try:
        there = msgspec.json.decode(path.read_bytes(), type=Result)
    except (FileNotFoundError, msgspec.DecodeError):
        return fresh
    return there if there.versions == fresh.versions else fresh


def look(
    bug: Bug, here: dict[str, Contestant], shelf: Sequence[Case], arguments: argparse.Namespace, until: float
) -> Result:
    """Everything about one bug, as far as the time goes."""
    named = {name: here[name] for name in (bug.vulnerable, bug.fixed)}
    fresh = Result(bug=bug.id, family=named[bug.fixed].family, versions={n: c.version for n, c in named.items()})
    path = path_of(arguments.output, bug)
    result = known(path, fresh)
    if len(result.archives) < arguments.archives or len(result.signed) < len(result.archives):
        with Pool(tuple(named.values()), cells=2, limits=LIMITS) as pool:
            if not result.archives:
                half = (time.monotonic() + until) / 2
                cases = gather(pool, bug, shelf, result, arguments, half)
                result.archives = list(map(_text, cases))
                write(str(path), msgspec.json.encode(result))
            for text in result.archives[len(result.signed) :]:
                if time.monotonic() >= until:
                    break
                result.signed.append(sign(pool, bug, loads(text), until))
                write(str(path), msgspec.json.encode(result))
    return result


def report(results: Sequence[Result]) -> str:
    """The tables, in Markdown."""
    lines = [
        "| bug | releases | corpus | archives | signed | other | signatures | grouped | of the most frequent |"
    ]
    lines.append("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for one in results:
        ids = one.signatures
        most = f"{max(ids.values()) / ids.total():.0%}" if ids else ""
        lines.append(
            f"| {one.bug} | {' / '.join(one.versions)} | {one.bases} | {len(one.archives)} | {ids.total()} | "
            f"{len(one.signed) - ids.total()} | {len(ids)} | {one.grouped} | {most} |"
        )
    told = [one for one in results if one.signatures]
    owners: dict[str, list[str]] = {}
    for one in told:
        for name in one.signatures:
            owners.setdefault(name, []).append(one.bug)
    shared = {name: bugs for name, bugs in owners.items() if len(bugs) > 1}
    pairs = {pair for bugs in shared.values() for pair in itertools.combinations(sorted(set(bugs)), 2)}
    counts = [len(one.signatures) for one in told]
    lines += [
        "",
        f"{len(told)} bugs, {sum(one.signatures.total() for one in told)} archives, {len(owners)} signatures: "
        + (f"{statistics.median(counts):g} for a bug in the median, {max(counts)} at most" if counts else "none"),
        f"grouped by causes: {sum(one.grouped for one in told)}"
        + (f", {statistics.median([one.grouped for one in told]):g} for a bug in the median" if told else ""),
        f"{len(shared)} signatures are shared: {len(pairs)} of {len(told) * (len(told) - 1) // 2} pairs of bugs",
    ]
    lines += [f"- {name}: {', '.join(bugs)}" for name, bugs in sorted(shared.items())]
    return "\n".join(lines)


def say(text: str) -> None:
    """A line of progress."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Look at the bugs in turn until the time is over, then tell what came of all of them so far."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dedup", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--archives", type=int, default=50, help="how many for each bug (50)")
    parser.add_argument("--minutes", type=float, default=15.0, help="budget of this run (15)")
    parser.add_argument("--seed", type=int, default=1, help="where mutants come from (1)")
    parser.add_argument("--only", action="append", default=[], help="a package's contestant, or a bug's id")
    parser.add_argument("--install", action="store_true", help="install the releases that are missing, first")
    parser.add_argument("--report", action="store_true", help="run nothing: tell what is kept")
    parser.add_argument("-o", "--output", type=Path, default=DEFAULT, help=f"directory of the results ({DEFAULT})")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    bugs = [bug for rows in groups(load()).values() for bug in rows]
    bugs = [bug for bug in bugs if not arguments.only or bug.group in arguments.only or bug.id in arguments.only]
    present(tuple(bugs), say if arguments.install else None)
    until = time.monotonic() + arguments.minutes * 60
    shelf = corpus()
    results = []
    for number, bug in enumerate(bugs):
        here, missing = present((bug,), None)
        if missing:
            print(f"{bug.id}: {next(iter(missing.items()))}", file=sys.stderr)
            continue
        began = time.monotonic()
        if arguments.report or began >= until:
            kept = path_of(arguments.output, bug)
            if kept.exists():
                results.append(msgspec.json.decode(kept.read_bytes(), type=Result))
            continue
        # Nobody takes it all: what is left is shared among the bugs that are left.
        share = began + max(20.0, (until - began) / (len(bugs) - number))
        result = look(bug, here, shelf, arguments, min(until, share))
        results.append(result)
        say(
            f"{bug.id}: {len(result.signatures)} signatures of {len(result.signed)} archives "
            f"({result.bases} from the corpus), {time.monotonic() - began:.0f} s"
        )
    print(report(results))
    return 0 if any(one.signatures for one in results) else 2


if __name__ == "__main__":
    with verdicts_kept():
        sys.exit(main())
