"""What the generators make: how fast, how much of it is extractable, which dimensions, how many signatures.

    python -m benchmarks.generate [--cases 2000] [--repeats 5] [--seeds 100000] [--signatures 10000] [--json]
                                  [--atheris-seconds 20] [--only PART]...
                                  [--fandango PROGRAM --fandango-spec tar.fan]

Rates are medians of the repeats, in archives per second of processor time (the machine may be shared), without the
layers of compression. The specification of Fandango's own tar
evaluation is not part of this repository: without it, or without the program, the output says that nothing was
compared. ISLa is not compared at all.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import itertools
import json
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings

from tarbiter.archive.cases import bytes_of
from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.recipe import Recipe
from tarbiter.contest.installed.registry import available
from tarbiter.contest.observation import Job
from tarbiter.contest.pool import Pool
from tarbiter.generate.choices import below, seeded
from tarbiter.generate.dimensions import DIMENSIONS, count
from tarbiter.generate.features import FEATURES
from tarbiter.generate.mutate import mutate
from tarbiter.generate.recipes import EVERYTHING, SWARM, Applied, Selection, build, case_at, case_from, swarm, tree
from tarbiter.judge.facets import STRONG
from tarbiter.triage.trial import job_for, trials

PARTS = ("rates", "shares", "dimensions", "signatures", "atheris", "fandango")

TARGETS = {"random": 15_000, "hypothesis": 300, "atheris": 3_000, "some": 0.60, "all": 0.15, "least": 50}
"""What is aimed at: archives per second by driver, shares extracted, how often each dimension comes up at least."""

SMALL = 6
"""Parts of an archive that counts as small."""

LEAVE_OUT = ("extractor-strict",)
"""Who refuses by design what is not unambiguous: not asked whether an archive is extractable by all."""


def rate(make: Callable[[], int], repeats: int) -> float:
    """Things made per second of processor time: the median of the repeats."""
    found = []
    for _ in range(repeats):
        began = time.process_time()
        made = make()
        found.append(made / (time.process_time() - began))
    return statistics.median(found)


def rates(cases: int, repeats: int) -> dict[str, float]:
    """Archives per second, by driver; for the first target those of one to six members alone."""
    parents = [case_at(5, index, one_large_in=0).case for index in range(200)]
    inputs = [seeded(6, index).getrandbits(8 * 200).to_bytes(200, "little") for index in range(200)]
    starts = itertools.count(0, cases)
    few = [index for index in range(2 * cases) if len(case_at(1, index, one_large_in=0).case.recipe.parts) <= SMALL]

    def drawn() -> int:
        start = next(starts)
        for index in range(start, start + cases):
            case_at(1, index, one_large_in=0)
        return cases

    def encoded() -> int:
        start = next(starts)
        for index in range(start, start + cases):
            encode_bytes(case_at(1, index, one_large_in=0).case.recipe)
        return cases

    def small() -> int:
        for index in few:
            encode_bytes(case_at(1, index, one_large_in=0).case.recipe)
        return len(few)

    def from_bytes() -> int:
        for index in range(cases):
            encode_bytes(case_from(inputs[index % 200]).case.recipe)
        return cases

    def mutated() -> int:
        for index in range(cases):
            encode_bytes(mutate(seeded(2, index), parents[index % 200], parents).case.recipe)
        return cases

    def from_hypothesis() -> int:
        from tarbiter.generate.strategies import recipes  # noqa: PLC0415  # needs the extra `fuzz`

        seen = 0

        @settings(
            max_examples=max(cases // 10, 50),
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(recipes())
        def take(recipe: Recipe) -> None:
            nonlocal seen
            encode_bytes(recipe)
            seen += 1

        take()
        return seen

    return {
        "random, drawn": rate(drawn, repeats),
        "random": rate(small, repeats),
        "random, any size": rate(encoded, repeats),
        "bytes": rate(from_bytes, repeats),
        "mutation": rate(mutated, repeats),
        "hypothesis": rate(from_hypothesis, repeats),
    }


def shares(cases: int) -> dict[str, Any]:
    """How many cases are extracted by somebody, and by everybody."""
    contestants = [one for one in available() if one.name not in LEAVE_OUT]
    names = tuple(one.name for one in contestants)
    some = everybody = ran = 0
    with Pool(contestants) as pool:
        jobs = (job_for(case_at(3, index).case, names, hasty=True) for index in range(cases))
        for trial in trials(pool, jobs):
            went = [one.status == "extracted" for one in trial.observations if one.status != "unavailable"]
            ran += 1
            some += any(went)
            everybody += all(went)
    return {"cases": ran, "contestants": names, "some": some / ran, "all": everybody / ran}


def dimensions(seeds: int) -> dict[str, Any]:
    """How often the rarest dimension comes up, and which ones come up too rarely."""

    def made() -> Iterator[tuple[Applied, ...]]:
        for index in range(seeds):
            yield build(seeded(1, index), swarm(1, index // SWARM, EVERYTHING.names), one_large_in=0)[1]

    counted = count(made())
    least = TARGETS["least"] * seeds / 100_000
    lines = {one.name: counted[one.name] for one in DIMENSIONS}
    reaches = {
        f"{one.name}: {reach}": counted[f"{one.name}: {reach}"] for one in DIMENSIONS for reach in one.reaches
    }
    return {
        "seeds": seeds,
        "lines": len(lines),
        "reached": sum(value >= least for value in lines.values()),
        "rarest": min(lines.items(), key=lambda one: one[1]),
        "reaches": len(reaches),
        "reaches reached": sum(value >= least for value in reaches.values()),
        "rarest reach": min(reaches.values()),
    }


def flipped(seed: int) -> Iterator[bytes]:
    """Valid archives with one to eight bytes changed."""
    for index in itertools.count():
        choices = seeded(seed, index)
        data = bytearray(encode_bytes(Recipe(tuple(tree(choices)))))
        for _ in range(1 + below(choices, 8)):
            data[below(choices, len(data))] = below(choices, 256)
        yield bytes(data)


def alone(seed: int) -> Iterator[bytes]:
    """Archives with one feature, each in its turn."""
    selections = [Selection.of([name]) for name in FEATURES]
    for index in itertools.count():
        case, _ = build(seeded(seed, index), selections[index % len(selections)], one_large_in=0)
        yield bytes_of(case)


def combined(seed: int) -> Iterator[bytes]:
    """Archives as a campaign has them."""
    for index in itertools.count():
        yield bytes_of(case_at(seed, index, one_large_in=0).case)


def signatures(cases: int) -> dict[str, int]:
    """Distinct patterns of disagreement between tarfile and our extractor, archives only, by who made them."""
    names = ("tarfile-fully-trusted", "extractor-compat")
    contestants = [one for one in available() if one.name in names]
    found: dict[str, int] = {}
    with Pool(contestants) as pool:
        for name, source in (("features", combined), ("byte flips", flipped), ("one feature", alone)):
            seen: set[str] = set()
            drawn = itertools.islice(source(4), cases)
            # In haste: who hangs is told from who does not as well by a short wait, and some do on one in 200.
            jobs = (Job(archive=archive, contestants=names, hasty=True) for archive in drawn)
            for trial in trials(pool, jobs):
                divergence = trial.divergence(STRONG, weak=False)
                if divergence.signature is not None:
                    seen.add(divergence.signature.id)
            found[name] = len(seen)
    return found


def atheris(seconds: int) -> dict[str, Any]:
    """Executions per second with coverage, in a child."""
    if importlib.util.find_spec("atheris") is None:
        return {"missing": "atheris is not installed (CPython 3.11 to 3.13): pip install 'tarbiter[fuzz]'"}
    from benchmarks.fuzz_atheris import run  # noqa: PLC0415  # only where it is needed

    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder)
        for name in ("corpus", "recipes", "findings"):
            (output / name).mkdir()
        came = run(output, seconds=seconds, runs=0, seed=1, timeout_s=10)
    return {**came, "rate": came["executions"] / max(came["seconds"], 0.1)}


def valid(archive: bytes) -> bool:
    """Whether tarfile lists an archive without an error."""
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:", ignore_zeros=False) as opened:
            return len(opened.getmembers()) > 0
    except (tarfile.TarError, OSError, ValueError):
        return False


def share_valid(archives: Iterable[bytes]) -> float:
    """The share of archives that tarfile lists."""
    found = [valid(one) for one in archives]
    return sum(found) / len(found) if found else 0.0


def fandango(program: str | None, spec: str | None, cases: int, repeats: int) -> dict[str, Any]:
    """Valid archives per second, ours (ordinary trees, no features) and Fandango's."""

    def ours() -> int:
        for index in range(cases):
            encode_bytes(Recipe(tuple(tree(seeded(8, index)))))
        return cases

    share = share_valid(encode_bytes(Recipe(tuple(tree(seeded(8, index))))) for index in range(500))
    found: dict[str, Any] = {"ours": rate(ours, repeats) * share, "ours, share valid": share}
    if program is None or spec is None or shutil.which(program) is None or not Path(spec).is_file():
        return {**found, "missing": "no --fandango program or no --fandango-spec file: nothing was compared"}
    times = {}
    made: list[bytes] = []
    for wanted in (1, 20):
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            command = [program, "fuzz", "-f", spec, "-n", str(wanted), "-d", folder]
            done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
            times[wanted] = time.perf_counter() - began
            made = [path.read_bytes() for path in sorted(Path(folder).iterdir())]
        if done.returncode or len(made) < wanted:
            return {**found, "missing": f"fandango made {len(made)} of {wanted}: {done.stderr.strip()[-300:]}"}
    theirs = 19 / max(times[20] - times[1], 1e-9) * share_valid(made)
    return {**found, "fandango": theirs, "ratio": found["ours"] / theirs if theirs else float("inf")}


def told(found: dict[str, Any]) -> Iterator[str]:
    """The results in lines for people."""
    for name, value in found.get("rates", {}).items():
        target = f"   (target {TARGETS[name]:,.0f})" if name in TARGETS else ""
        yield f"{name:<18}{value:>10,.0f} archives a second{target}"
    if "shares" in found:
        for name in ("some", "all"):
            yield f"extracted by {name:<5}{found['shares'][name]:>10.1%}   (target {TARGETS[name]:.0%})"
    for part in ("dimensions", "signatures", "atheris", "fandango"):
        for name, value in found.get(part, {}).items():
            yield f"{part}, {name}: {value:,.2f}" if isinstance(value, float) else f"{part}, {name}: {value}"


def main() -> int:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=100_000)
    parser.add_argument("--signatures", type=int, default=10_000)
    parser.add_argument("--atheris-seconds", type=int, default=20)
    parser.add_argument("--fandango", metavar="PROGRAM")
    parser.add_argument("--fandango-spec", metavar="FILE")
    parser.add_argument("--only", action="append", choices=PARTS)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    measures: dict[str, Callable[[], dict[str, Any]]] = {
        "rates": lambda: rates(asked.cases, asked.repeats),
        "shares": lambda: shares(asked.cases),
        "dimensions": lambda: dimensions(asked.seeds),
        "signatures": lambda: dict(signatures(asked.signatures)),
        "atheris": lambda: atheris(asked.atheris_seconds),
        "fandango": lambda: fandango(asked.fandango, asked.fandango_spec, asked.cases, asked.repeats),
    }
    found = {}
    for part in asked.only or PARTS:
        found[part] = measures[part]()
        print("\n".join(told({part: found[part]})), file=sys.stderr if asked.json else sys.stdout, flush=True)
    if asked.json:
        print(json.dumps(found, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
