"""What a cell costs: cases per second on one core, where the time goes, how long a cell takes to start, and again.

    python -m benchmarks.cell [--cases 1000] [--repeats 5] [--with NAME,...]

Archives of five files in two directories, one cell. The cell and this process are kept on one processor, so that
what the harness itself does counts. Medians of the repeats; times are microseconds a case. With
TARBITER_CELL=landlock it is that kind of cell.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence

import msgspec

from tarbiter.archive.case import World
from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.recipe import Member, Recipe
from tarbiter.contest.installed.registry import Contestant, available
from tarbiter.contest.observation import Job, Node
from tarbiter.contest.pool import Pool
from tarbiter.contest.sandbox.arena import Arena

PAIR = ("extractor-strict", "tarfile-data")
STARTS = 10


def archive(number: int) -> bytes:
    """Five small files in two directories; `number` makes each archive another one."""
    files = (Member(name=b"d%d/f%d" % (i % 2, i), data=b"%d" % number * 20, mtime=10**9) for i in range(5))
    return encode_bytes(Recipe(parts=tuple(files)))


def jobs(cases: int, names: Sequence[str]) -> Iterator[Job]:
    """That many jobs for these contestants."""
    for number in range(cases):
        yield Job(archive=archive(number), contestants=tuple(names))


def throughput(contestants: Sequence[Contestant], cases: int, repeats: int) -> None:
    """Print cases per second and where a case's time goes, as the observations have it."""
    names = [one.name for one in contestants]
    rows = []
    each: dict[str, list[tuple[int, int, int]]] = {name: [] for name in names}
    with Pool(contestants) as pool:
        made = list(jobs(cases, names))
        list(pool.map(made[:50]))
        for _ in range(repeats):
            began = time.perf_counter_ns()
            extracting = around = 0
            for _, seen in pool.map(made):
                extracting += sum(one.wall_ns for one in seen)
                around += sum(one.overhead_ns for one in seen)
                for one in seen:
                    each[one.contestant].append((one.wall_ns, one.cpu_ns, one.overhead_ns))
            total = time.perf_counter_ns() - began
            rows.append((cases * 1e9 / total, extracting / cases / 1e3, around / cases / 1e3, total / cases / 1e3))
    rate, extracting_us, around_us, total_us = (statistics.median(column) for column in zip(*rows, strict=True))
    rest_us = total_us - extracting_us - around_us
    print(f"{len(names)} contestants ({', '.join(names)})")
    print(
        f"  {rate:.0f} cases/s; a case {total_us:.0f} us: extraction {extracting_us:.0f}, destination, canaries, "
        f"snapshot and clean-up {around_us:.0f}, frames and pool {rest_us:.0f}"
    )
    print(f"  not extraction: {100 * (around_us + rest_us) / extracting_us:.0f} % of the extractions' own time")
    print(f"  {'ms a case, medians':24}{'extraction':>12}{'its processor':>15}{'harness around it':>19}")
    for name, times in each.items():
        wall, cpu, over = (statistics.median(column) / 1e6 for column in zip(*times, strict=True))
        print(f"  {name:24}{wall:12.2f}{cpu:15.2f}{over:19.2f}")


def parts(rounds: int) -> None:
    """Print what looking at one tree costs, part by part: the arena alone, no cell and no contestant around it."""
    spent: dict[str, int] = {}
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        arena = Arena(folder)
        tree: tuple[Node, ...] = ()
        for _ in range(rounds):
            began = time.time_ns()
            marks = [time.perf_counter_ns()]
            before = arena.prepare(World())
            marks.append(time.perf_counter_ns())
            for number in range(2):
                os.mkdir(f"{arena.dest_path}/d{number}")
            for number in range(5):
                with open(f"{arena.dest_path}/d{number % 2}/f{number}", "wb") as file:
                    file.write(b"0123456789")
            marks.append(time.perf_counter_ns())
            arena.escapes()
            marks.append(time.perf_counter_ns())
            tree = arena.clear(since=began, cut=[])
            arena.leaks(tree, before, b"")
            marks.append(time.perf_counter_ns())
            msgspec.msgpack.decode(msgspec.msgpack.encode(tree), type=tuple[Node, ...])
            marks.append(time.perf_counter_ns())
            for name, start, end in zip(
                ("destination", "(writing)", "canaries", "snapshot and clean-up", "encode and decode"),
                marks,
                marks[1:],
                strict=False,
            ):
                spent[name] = spent.get(name, 0) + end - start
        arena.close()
    split = ", ".join(f"{name} {ns / rounds / 1e3:.1f}" for name, ns in spent.items() if name[0] != "(")
    print(f"one tree of {len(tree)} names: {split} us")


def starts(contestants: Sequence[Contestant]) -> None:
    """Print how long a cell takes from nothing to its first observation."""
    whole, inside = [], []
    for _ in range(STARTS):
        began = time.perf_counter()
        with Pool(contestants[:1]) as pool:
            pool.run(next(jobs(1, [contestants[0].name])))
            whole.append((time.perf_counter() - began) * 1e3)
            inside.append(pool.first.ready.milliseconds)
    print(
        f"a cell ({pool.backend}): {statistics.median(whole):.0f} ms to its first observation, "
        f"of which the sandbox {statistics.median(inside):.1f} ms"
    )


def restarts(contestants: Sequence[Contestant]) -> None:
    """Print how long it takes to replace a cell, and until everybody in the new one has answered again."""
    replacing, answering = [], []
    job = next(jobs(1, [one.name for one in contestants]))
    with Pool(contestants) as pool:
        pool.run(job)
        for _ in range(STARTS):
            began = time.perf_counter()
            pool.replace(pool.first)
            replacing.append((time.perf_counter() - began) * 1e3)
            pool.run(job)
            answering.append((time.perf_counter() - began) * 1e3)
    print(
        f"a cell of {len(contestants)} contestants: replaced in {statistics.median(replacing):.0f} ms, "
        f"all of them have answered after {statistics.median(answering):.0f} ms"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--with", dest="names", default="")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    chosen = available(arguments.names.split(",") if arguments.names else None)
    pair = available(PAIR)
    starts(pair)
    restarts(pair)
    restarts(chosen)
    parts(2000)
    throughput(pair, arguments.cases, arguments.repeats)
    throughput(chosen, max(50, arguments.cases // 5), arguments.repeats)


if __name__ == "__main__":
    main()
