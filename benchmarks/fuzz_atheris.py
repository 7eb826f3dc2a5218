"""Coverage-guided fuzzing of two parsers, ours and tarfile's, from recipes: Atheris in a child process.

    python -m benchmarks.fuzz_atheris [--seconds 60] [--runs N] [--seed 1] [-o .tarbiter/atheris] [SEED.toml ...]
    make fuzz-atheris ARGS="--seconds 600"

libFuzzer keeps inputs, and an input is a recipe in msgpack: bytes that are none are choices for the generator. The
custom mutator is the campaign's (`tarbiter.generate.mutate`). Coverage is counted in `extractor`'s parser and in
`tarfile`; only headers are read, nothing is extracted.

A child that crashes, hangs (`--timeout`) or eats memory is written down and started again: Atheris ends a process
without `finally`, so everything is written when it comes.

    DIR/corpus/      libFuzzer's own: inputs that reached new coverage
    DIR/recipes/     the same as cases in TOML
    DIR/findings/    exceptions that the interface does not promise, crashes and hangs: one case and one text each

Exit code: 0 nothing found, 1 something found, 2 could not run.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from tarbiter.archive.case import Case
from tarbiter.archive.cases import load
from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.recipe import Recipe, RecipeError
from tarbiter.archive.text import dumps
from tarbiter.exit_codes import verdicts_kept
from tarbiter.generate.mutate import mutate
from tarbiter.generate.recipes import case_from

INSTRUMENTED = ("tarfile", "onetar.parser", "onetar.layout", "onetar.pax", "onetar.events")
LARGEST = 2048
"""Bytes of an input, which is some twenty members. Mutation makes parts double: with 64 KiB archives soon had a
hundred members, and a run a hundredth of the executions, which reached nothing that smaller ones do not."""

RESTARTS = 20
"""Children that may die before the run is given up."""

RING = 64
"""Recipes that a mutation may borrow from: the last ones that were mutated."""

_decoder = msgspec.msgpack.Decoder(Recipe)
_encoder = msgspec.msgpack.Encoder()


@functools.lru_cache(maxsize=1024)
def recipe_of(data: bytes) -> Recipe:
    """The recipe that an input stands for, whatever its bytes are."""
    try:
        recipe = _decoder.decode(data)
        encode_bytes(recipe)
    except (msgspec.MsgspecError, RecipeError):
        return case_from(data).case.recipe
    return recipe


def packed(recipe: Recipe) -> bytes | None:
    """A recipe as an input; None for one with a number beyond 64 bits, which msgpack cannot hold."""
    try:
        return _encoder.encode(recipe)
    except OverflowError:
        return None


def _read_with_ours(archive: bytes) -> None:
    parser_module = sys.modules["onetar.parser"]
    parser = parser_module.Parser()
    parser.feed(archive)
    fed = False
    while True:
        event = parser.next_event()
        if isinstance(event, sys.modules["onetar.events"].ArchiveEnd):
            return
        if event is sys.modules["onetar.events"].Need.DATA:
            if fed:
                raise RuntimeError("asks for more behind the end of the input")
            parser.feed(b"")
            fed = True


class EndlessError(Exception):
    """More members than the archive has blocks: a reader that goes in circles, told without waiting for the end."""


def list_with_tarfile(archive: bytes) -> None:
    """List all members. Raises what tarfile raises, and EndlessError."""
    tarfile = sys.modules["tarfile"]
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:", encoding="utf-8", errors="surrogateescape") as opened:
        blocks = len(archive) // 512
        for count, _ in enumerate(opened, 1):
            if count > blocks:
                raise EndlessError


class Child:
    """What runs under Atheris: one input after another, findings written as they come."""

    def __init__(self, output: Path) -> None:
        import tarfile  # noqa: PLC0415  # instrumented: this import comes inside Atheris's hook

        from onetar import errors  # noqa: PLC0415  # the same

        self.output = output
        self.ring: list[Case] = []
        self.readers: tuple[tuple[str, Callable[[bytes], None], tuple[type[Exception], ...]], ...] = (
            ("extractor", _read_with_ours, (errors.TarError,)),
            # What tarfile promises, and what the file object below it may raise.
            ("tarfile", list_with_tarfile, (tarfile.TarError, OSError, EOFError)),
        )

    def one_input(self, data: bytes) -> None:
        """Read one archive with both; an exception that nobody promised is a finding, and the run goes on."""
        recipe = recipe_of(data)
        archive = encode_bytes(recipe)
        for name, read, promised in self.readers:
            try:
                read(archive)
            except promised:
                continue
            except Exception as error:  # noqa: BLE001  # any other exception is what we look for; it is written down
                self.found(name, recipe, error)

    def found(self, name: str, recipe: Recipe, error: Exception) -> None:
        """Write down one case for each class of exception and place."""
        at = error.__traceback__
        while at is not None and at.tb_next is not None:
            at = at.tb_next
        place = f"{os.path.basename(at.tb_frame.f_code.co_filename)}:{at.tb_lineno}" if at is not None else ""
        slug = re.sub(r"[^\w.-]", "-", f"{name}-{type(error).__name__}-{place}")
        path = self.output / "findings" / f"{slug}.toml"
        if not path.exists():
            path.with_suffix(".txt").write_text(f"{name}: {type(error).__name__} at {place}: {error}\n")
            path.write_text(dumps(recipe))

    def mutated(self, data: bytes, max_size: int, seed: int) -> bytes:
        """A child of an input for libFuzzer, at most `max_size` bytes; the input again where it would be larger."""
        parent = Case(recipe=recipe_of(data))
        child = mutate(Random(seed), parent, self.ring).case  # chance, not cryptography
        self.ring.append(parent)
        del self.ring[:-RING]
        out = packed(child.recipe)
        return out if out is not None and len(out) <= max_size else data[:max_size]


def child(output: Path, libfuzzer: list[str]) -> None:
    """Fuzz in this process; it ends when libFuzzer does."""
    import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore]  # noqa: PLC0415  # the parent runs without

    for name in list(sys.modules):
        if name == "tarfile" or name.split(".")[0] == "extractor":
            del sys.modules[name]
    with atheris.instrument_imports(include=list(INSTRUMENTED)):
        import tarfile  # noqa: F401, PLC0415  # into sys.modules, with counters

        import onetar.parser  # noqa: F401, PLC0415  # the same
    this = Child(output)
    atheris.Setup(["fuzz_atheris", *libfuzzer], this.one_input, custom_mutator=this.mutated)
    atheris.Fuzz()


def save_recipes(output: Path) -> int:
    """Write each input that reached new coverage as a case; how many there are."""
    there = sorted(path for path in (output / "corpus").iterdir() if path.is_file())
    for path in there:
        target = output / "recipes" / f"{path.name[:16]}.toml"
        if not target.exists():
            target.write_text(dumps(recipe_of(path.read_bytes())))
    return len(there)


def save_death(output: Path, status: int, said: str) -> None:
    """Write down what a child died of, with the input that libFuzzer left behind."""
    left = sorted(
        path for path in output.iterdir() if path.name.startswith(("crash-", "timeout-", "oom-", "leak-"))
    )
    name = left[0].name if left else "died-" + hashlib.blake2b(said.encode(), digest_size=6).hexdigest()
    target = output / "findings" / f"{name}.txt"
    target.write_text(f"exit status {status}\n{said[-8000:]}")
    for path in left:
        target.with_suffix(".toml").write_text(dumps(recipe_of(path.read_bytes())))
        path.unlink()


def seeds(output: Path, names: list[str]) -> None:
    """Put cases into the corpus, so that they are mutated from the beginning."""
    for name in names:
        loaded = load(name)
        assert loaded.case is not None
        data = packed(loaded.case.recipe)
        if data is None:
            continue
        (output / "corpus" / hashlib.sha1(data).hexdigest()).write_bytes(data)  # libFuzzer's own names


def run(output: Path, *, seconds: int, runs: int, seed: int, timeout_s: int) -> dict[str, Any]:
    """Fuzz until the seconds or the runs are over; what came of it."""
    began = time.monotonic()
    executed, restarts, coverage = 0, 0, 0
    while True:
        left = seconds - int(time.monotonic() - began)
        if left <= 0 or restarts > RESTARTS or (runs and executed >= runs):
            break
        libfuzzer = [
            f"-max_total_time={left}", f"-seed={seed + restarts}", f"-timeout={timeout_s}", "-rss_limit_mb=2048",
            f"-max_len={LARGEST}", f"-artifact_prefix={output}/", "-print_final_stats=1",
            *([f"-runs={runs - executed}"] if runs else []), str(output / "corpus"),
        ]  # fmt: skip
        command = [sys.executable, "-m", "benchmarks.fuzz_atheris", "--child", "-o", str(output), "--", *libfuzzer]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)  # ourselves
        counted = re.findall(r"#(\d+)\s", done.stderr)
        executed += max(map(int, counted), default=0)
        coverage = max([coverage, *map(int, re.findall(r"cov: (\d+)", done.stderr))])
        if done.returncode == 0:
            break
        if not counted and "ModuleNotFoundError" in done.stderr:
            raise RuntimeError(done.stderr.strip().splitlines()[-1])
        save_death(output, done.returncode, done.stderr)
        restarts += 1
    return {
        "executions": executed,
        "seconds": round(time.monotonic() - began, 1),
        "restarts": restarts,
        "coverage": coverage,
        "recipes": save_recipes(output),
        "findings": sorted(path.stem for path in (output / "findings").glob("*.txt")),
    }


def main(arguments: list[str] | None = None) -> int:
    """Run as a program."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--runs", type=int, default=0, help="executions; 0: as many as the seconds allow")
    parser.add_argument(
        "--seed", type=int, default=1, help="libFuzzer's; timing makes two runs differ all the same"
    )
    parser.add_argument("--timeout", type=int, default=10, help="seconds after which an input counts as a hang")
    parser.add_argument("-o", "--output", type=Path, default=Path(".tarbiter/atheris"))
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs="*", metavar="SEED.toml", help="cases to begin with")
    asked = parser.parse_args(arguments)
    for name in ("corpus", "recipes", "findings"):
        (asked.output / name).mkdir(parents=True, exist_ok=True)
    if asked.child:
        child(asked.output, asked.rest)
        return 0
    try:
        seeds(asked.output, asked.rest)
        came = run(asked.output, seconds=asked.seconds, runs=asked.runs, seed=asked.seed, timeout_s=asked.timeout)
    except RuntimeError as error:
        print(f"fuzz_atheris: {error}; pip install 'tarbiter[fuzz]' (CPython 3.11 to 3.13)", file=sys.stderr)
        return 2
    rate = came["executions"] / max(came["seconds"], 0.1)
    print(
        f"{came['executions']} executions in {came['seconds']} s ({rate:.0f} a second), {came['restarts']} restarts"
    )
    print(f"coverage {came['coverage']}, {came['recipes']} recipes in {asked.output / 'recipes'}")
    for name in came["findings"]:
        print(f"finding: {asked.output / 'findings' / name}.txt")
    return 1 if came["findings"] else 0


if __name__ == "__main__":
    with verdicts_kept():
        sys.exit(main())
