"""The command `tarbiter fuzz`: a campaign that makes archives and keeps what divides the contestants."""

from __future__ import annotations

import os
import sys
import time

import click
import msgspec

from ..campaign import session
from ..errors import UserError
from ..exit_codes import COULD_NOT_RUN, INTERRUPTED
from ..judge.ledger import Ledger
from .options import FACET, JOBS, TARGET, WITH, choose, named
from .verdict import DIFFERS, ended


@click.command("fuzz")
@click.option("--cases", type=click.IntRange(1), help="Stop after so many cases.")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Stop after so many minutes.")
@click.option("--seed", type=click.IntRange(0), default=None, help="Same seed, same archives; default: a new one.")
@JOBS
@WITH
@TARGET
@FACET
@click.option("-o", "--output", metavar="DIR", help="Directory of the run; default: runs/DATE-seedN.")
@click.option(
    "--resume",
    metavar="DIR",
    help="Go on with a run that was stopped, with its seed and contestants; they need not be named.",
)
@click.option(
    "--store", default="", metavar="DIR", help="Remember findings here: only what no earlier run saw is new."
)
@click.option(
    "--ledger", default="", metavar="FILE", help="Divergences that are accepted, with their reasons (TOML)."
)
@click.option(
    "--sample",
    type=click.IntRange(1),
    default=None,
    metavar="N",
    help="Contestants that cost little see every case; the others what was new to those, and one case in N. "
    "Default: 1 with --with, else 4.",
)
@click.option("--guided/--unguided", default=True, help="Mutate what was new, or make every case afresh.")
@click.option(
    "--seeds",
    multiple=True,
    metavar="PATH",
    help="Begin with these archives and cases (a directory: all below it).",
)
def fuzz(
    cases: int | None,
    minutes: float | None,
    seed: int | None,
    cells: int,
    names: tuple[str, ...],
    targets: tuple[str, ...],
    facets: tuple[str, ...],
    output: str | None,
    resume: str | None,
    store: str,
    ledger: str,
    sample: int | None,
    guided: bool,
    seeds: tuple[str, ...],
) -> None:
    """Make archives, run them through the contestants, and keep every new way in which those part.

    What shows something new is mutated. Each finding is run twice before it is kept, and kept once per signature:
    findings.jsonl in the run's directory has everything, findings/ID.toml is its case for `tarbiter compare`.
    Ctrl-C ends the run; what was found is kept, and --resume goes on.

    \b
    tarbiter fuzz --minutes 10
    tarbiter fuzz --cases 5000 --seed 7 --with extractor-compat,tarfile-data,gnu-tar
    tarbiter fuzz --resume runs/2026-01-31T22-15-00-seed7 --minutes 60
    tarbiter fuzz --minutes 240 --store .tarbiter --ledger corpus/ledger.toml
    tarbiter fuzz --minutes 10 --seeds corpus/links --seeds release.tar.gz

    Exit code: 0 nothing new differs, 1 new findings, 2 could not run or not enough answered, 130 Ctrl-C.
    """
    if cases is None and minutes is None:
        raise UserError("", "say where to stop: --cases or --minutes")
    options = session.Options(
        cases=cases,
        seconds=None if minutes is None else minutes * 60,
        jobs=cells,
        facets=facets,
        store=store,
        ledger=Ledger.load(ledger) if ledger else None,
        sample=sample or (1 if names else session.SAMPLE),
        guided=guided,
        seeds=seeds,
        ask=not names,
    )
    if resume is not None:
        if seed is not None or output is not None or seeds:
            raise UserError(
                "", "a resumed run has its seed, its directory and its seeds: leave out --seed, --output, --seeds"
            )
        given = choose(names, targets) if names or targets else ()
        outcome = session.resume(resume, given, msgspec.structs.replace(options, sample=sample or 0))
    else:
        chosen = choose(names, targets)
        chosen_seed = seed if seed is not None else int.from_bytes(os.urandom(4))
        where = output or os.path.join("runs", f"{time.strftime('%Y-%m-%dT%H-%M-%S')}-seed{chosen_seed}")
        asked = msgspec.structs.replace(options, named=named(chosen, names))
        outcome = session.start(where, chosen_seed, chosen, asked)
    # What was named and could not be read was not looked at, whatever was found.
    code = COULD_NOT_RUN if outcome.unread else DIFFERS if outcome.findings else 0
    sys.exit(INTERRUPTED if outcome.interrupted else ended(outcome.answers, code))
