"""What listings cost: the same generated cases with and without them, in turns, in one cell.

    python -m benchmarks.listings [--cases 80] [--seed 21] [--with NAME,...]

Milliseconds a case for the whole ring, and for each contestant with all that is done around it. The ratio is of one
run on one machine; a few cases at a time take turns, so that what else the machine does falls on both.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter

from tarbiter.contest.installed.registry import available
from tarbiter.contest.pool import Pool
from tarbiter.generate.recipes import case_at
from tarbiter.triage.trial import job_for

TURN = 8
"""Cases that are run in one way before they are run in the other."""


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=80)
    parser.add_argument("--seed", type=int, default=21)
    parser.add_argument("--with", dest="names", default="")
    options = parser.parse_args()
    ring = available(options.names.split(",") if options.names else None)
    names = tuple(one.name for one in ring)
    cases = [case_at(options.seed, index).case for index in range(options.cases)]
    whole, each = Counter[bool](), Counter[tuple[str, bool]]()
    with Pool(ring, cells=1) as pool:
        list(pool.map(job_for(case, names, hasty=True) for case in cases[:TURN]))
        for turn, start in enumerate(range(0, len(cases), TURN)):
            for listing in (True, False) if turn % 2 else (False, True):
                began = time.monotonic_ns()
                jobs = [job_for(case, names, listing=listing, hasty=True) for case in cases[start : start + TURN]]
                for _, seen in pool.map(jobs):
                    for one in seen:
                        each[one.contestant, listing] += one.wall_ns + one.overhead_ns
                whole[listing] += time.monotonic_ns() - began
    print("contestant               without     with  (ms a case)")
    for name, of in (("all", whole), *((name, {way: each[name, way] for way in (False, True)}) for name in names)):
        print(f"{name:<24} {of[False] / 1e6 / len(cases):>7.2f}  {of[True] / 1e6 / len(cases):>7.2f}")
    print(f"ratio {whole[True] / whole[False]:.3f}")


if __name__ == "__main__":
    main()
