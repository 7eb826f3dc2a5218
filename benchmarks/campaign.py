"""What a campaign costs: generated cases per second on one core, and where the time goes.

    python -m benchmarks.campaign [--cases 2000] [--repeats 5] [--seed 1] [--with NAME,...]

The first tier of a campaign: cases of a seed, two in-process contestants, one cell, everything on one processor;
nothing is investigated. Medians of the repeats, each of which runs other cases of the same seed. A case on which
some contestant hangs costs its time limit, twice, whatever the harness does: those are counted apart.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Iterator

from tarbiter.contest.installed.registry import available
from tarbiter.contest.observation import Job
from tarbiter.contest.pool import Pool
from tarbiter.generate.recipes import case_at
from tarbiter.judge.facets import STRONG
from tarbiter.triage.trial import Trial, job_for, trials

PAIR = "extractor-compat,tarfile-fully-trusted"
PARTS = ("extraction", "snapshot and clean-up", "generate and encode", "compare", "frames and pool")


def hanging(pool: Pool, names: tuple[str, ...], seed: int, indices: range) -> set[int]:
    """The cases on which somebody hangs."""
    jobs = [job_for(case_at(seed, index).case, names) for index in indices]
    seen = zip(indices, trials(pool, jobs), strict=True)
    return {index for index, trial in seen if any(one.status == "hung" for one in trial.observations + trial.whole)}


def measure(
    pool: Pool, names: tuple[str, ...], seed: int, indices: list[int]
) -> tuple[dict[str, float], float, list[Trial]]:
    """Microseconds a case by part, seconds in all, and what was seen."""
    generating = 0.0

    def jobs() -> Iterator[Job]:
        nonlocal generating
        for index in indices:
            began = time.perf_counter()
            job = job_for(case_at(seed, index).case, names)
            generating += time.perf_counter() - began
            yield job

    began = time.perf_counter()
    seen = list(trials(pool, jobs()))
    ran = time.perf_counter() - began
    began = time.perf_counter()
    for trial in seen:
        trial.divergence(STRONG, weak=False)
    comparing = time.perf_counter() - began
    observations = [one for trial in seen for one in trial.observations + trial.whole]
    extraction = sum(one.wall_ns for one in observations) / 1e9
    around = sum(one.overhead_ns for one in observations) / 1e9
    seconds = (extraction, around, generating, comparing, ran - extraction - around - generating)
    count = len(indices)
    return {part: 1e6 * value / count for part, value in zip(PARTS, seconds, strict=True)}, ran + comparing, seen


def main() -> int:
    """Run the cases, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--with", dest="names", default=PAIR, metavar="NAME,...")
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    contestants = available(tuple(options.names.split(",")))
    names = tuple(one.name for one in contestants)
    rows, rates, some, left_out, ran = [], [], [], 0, 0
    with Pool(contestants, cells=1, coverage=True) as pool:
        for repeat in range(options.repeats):
            drawn = range(repeat * options.cases, (repeat + 1) * options.cases)
            hang = hanging(pool, names, options.seed, drawn)
            indices = [index for index in drawn if index not in hang]
            row, seconds, seen = measure(pool, names, options.seed, indices)
            rows.append(row)
            rates.append(len(indices) / seconds)
            left_out += len(hang)
            ran += len(indices)
            some.append(sum(any(one.status == "extracted" for one in trial.observations) for trial in seen))
    median = {part: statistics.median(row[part] for row in rows) for part in PARTS}
    print(f"{', '.join(names)}: {statistics.median(rates):.0f} cases/s ({min(rates):.0f} to {max(rates):.0f})")
    for part, value in median.items():
        print(f"  {part:24} {value:7.0f} us a case {value / sum(median.values()):6.1%}")
    rest = sum(median.values()) - median["extraction"]
    print(f"  not extraction: {rest / median['extraction']:.0%} of the extractions' own time")
    print(f"  extracted by some: {sum(some) / ran:.0%}; somebody hung on {left_out} of {left_out + ran} cases")
    return 0


if __name__ == "__main__":
    sys.exit(main())
