"""The command `tarbiter`: thin subcommands over the packages, one exit code for each kind of outcome.

Exit codes: 0 all agree, 1 something differs, 2 could not run (bad input, no sandbox, nothing to run), 130 stopped
by Ctrl-C after writing down what was found.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import time
from contextlib import AbstractContextManager
from typing import Any, NoReturn

import click
import msgspec
from rich.table import Table
from rich.text import Text

from .archive.case import Case
from .archive.cases import TEXT, Loaded, bytes_of, load, read_text
from .archive.decode import decode
from .archive.inspect import annotate, lines
from .archive.layers import layer_of
from .archive.stored import Spool, in_memory
from .archive.text import about, dump_pieces, loads
from .commands.check import check_command
from .commands.compare import DIFFERS, compare_command
from .commands.conformance import conformance_command
from .commands.contestants import install_command, try_command
from .commands.corpus import corpus
from .commands.generate import features_command, generate_command
from .commands.nightly import nightly_command
from .commands.options import FACET, JOBS, TARGET, WITH, choose, named
from .commands.report import report_command
from .commands.triage.bisect import bisect_command
from .commands.triage.recheck import recheck_command
from .commands.triage.triage import triage
from .commands.verdict import ended
from .commands.versus import versus_command
from .contest.doctor import checks
from .contest.installed.registry import Contestant, everyone
from .contest.sandbox.backends import CHOICES, VARIABLE, asking
from .corpus.checking import path_of
from .exit_codes import COULD_NOT_RUN, INTERRUPTED, verdicts_kept
from .files import Output, write
from .judge.ledger import Ledger
from .judge.machine import page
from .report import session
from .report.console import STYLES
from .report.terminal import console, print_lines


def _fail(message: str) -> NoReturn:
    click.echo(f"tarbiter: {message}", err=True)
    sys.exit(COULD_NOT_RUN)


class _Group(click.Group):
    """Ends with exit code 2 and words for every error, also where a test calls the command in its own process."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        # --help and --version print here, and completions are made.
        with _clicks():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> object:
        with _clicks():
            return super().invoke(ctx)


def _clicks() -> AbstractContextManager[None]:
    """As `verdicts_kept`; of a bad option click itself tells, and ends with 2."""
    return verdicts_kept(click.ClickException, click.exceptions.Exit, click.exceptions.Abort)


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Shell completion: see `tarbiter completion --help`.",
)
@click.version_option(package_name="tarbiter", message="%(prog)s %(version)s")
@click.option(
    "--cell",
    "kind",
    type=click.Choice(CHOICES),
    envvar=VARIABLE,
    help="What contestants run in; the default is auto: namespaces, or (told, and weaker) Landlock. docs/cell.md",
)
@click.pass_context
def main(ctx: click.Context, kind: str | None) -> None:
    """One archive, many extractors: which ones disagree, on which bytes, and why.

    \b
    tarbiter compare some.tar.gz      who agrees with whom on this archive
    tarbiter fuzz --minutes 10        look for archives on which they part
    tarbiter inspect some.tar         every field, its bytes, and what is odd
    """
    if kind is not None:
        ctx.with_resource(asking(kind))


@main.command()
@click.argument("case", metavar="CASE.toml")
@click.option("-o", "--output", default="-", help="Where the archive goes; - (the default) is standard output.")
def build(case: str, output: str) -> None:
    """Build the archive that a case describes.

    \b
    tarbiter build case.toml -o x.tar
    tarbiter build case.toml | tar -tvf -
    tarbiter build links/hardlink -o x.tar             a case of the corpus
    """
    case = path_of(case)
    if not case.endswith(".toml") and case != "-":
        _fail(f"{case}: a case is a TOML file; to read an archive, say `tarbiter recipe {case}`")
    loaded = _from_stdin() if case == "-" else load(case)
    if output == "-" and sys.stdout.isatty():
        _fail("an archive is not text: name a file with -o, or pipe it on")
    write(output, loaded.data)


def _from_stdin() -> Loaded:
    case = loads(read_text("-"), filename="<stdin>")
    return Loaded(path="-", archive=bytes_of(case), case=case)


@main.command()
@click.argument("archive")
@click.option("-o", "--output", default="-", help="Where the recipe goes; - (the default) is standard output.")
@click.option("--plain", is_flag=True, help="Leave the compression out: the recipe of the archive alone.")
def recipe(archive: str, output: str, plain: bool) -> None:
    """Print the recipe of an archive: TOML that `tarbiter build` turns into the same bytes.

    \b
    tarbiter recipe x.tar > case.toml
    tarbiter recipe release.tar.gz | less      the compression is a layer of the case
    tarbiter recipe --plain release.tar.gz     without it

    Compressors give other bytes in other versions. What cannot be made again is in the layer as it is, and holds
    for as long as nothing in the recipe is changed.
    """
    loaded = load(path_of(archive))
    made = Case(
        recipe=decode(in_memory(loaded.plain)), layers=loaded.case.layers if loaded.case and not plain else ()
    )
    notes = loaded.notes
    if loaded.packed is not None and not plain:
        layer, told = layer_of(loaded.compression, in_memory(loaded.packed))
        made = msgspec.structs.replace(made, layers=(layer,))
        notes = (told, *loaded.faults)
    for note in notes:
        click.echo(f"tarbiter: {archive}: {note}", err=True)
    size = about(made.recipe)
    if size > TEXT:
        _fail(
            f"{archive}: its recipe would have some {size >> 20} MiB of text, and `tarbiter build` takes "
            f"{TEXT >> 20}; `tarbiter inspect` shows the archive, `tarbiter compare` runs it"
        )
    with Output(output) as out:
        kept = io.StringIO()
        for piece in dump_pieces(made):
            kept.write(piece)
            if kept.tell() > _PIECE:
                out.write(kept.getvalue())
                kept = io.StringIO()
        out.write(kept.getvalue())


_PIECE = 1 << 20
"""Characters of a recipe that are written at a time."""


@main.command()
@click.argument("archive")
@click.option("--all", "everything", is_flag=True, help="Show every field, also those with nothing to say.")
@click.option("--colour/--no-colour", default=None, help="Colours; the default is yes on a terminal, no in a pipe.")
def inspect(archive: str, everything: bool, colour: bool | None) -> None:
    """Show an archive field by field: offset, raw bytes, meaning, and what is odd about it.

    \b
    tarbiter inspect x.tar
    tarbiter inspect --all links/write-through-symlink          a case of the corpus
    """
    with Spool() as spool:
        loaded = load(path_of(archive), spool)
        plain = loaded.plain
        out = console(colour)
        for note in loaded.notes:
            out.print(f"{archive}: {note}", style="dim")
        print_lines(out, lines(annotate(plain), everything=everything))


@main.command("fuzz")
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
def fuzz_command(
    cases: int | None,
    minutes: float | None,
    seed: int | None,
    cells: int | None,
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
        _fail("say where to stop: --cases or --minutes")
    options = session.Options(
        cases=cases,
        seconds=None if minutes is None else minutes * 60,
        jobs=cells or os.cpu_count() or 1,
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
            _fail("a resumed run has its seed, its directory and its seeds: leave out --seed, --output, --seeds")
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


@main.command()
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
def doctor(as_json: bool) -> None:
    """Try to break out of each kind of cell in every way we know, and say what held.

    "lacks" is what a kind of cell is known not to keep (docs/cell.md), or that it cannot be had here.

    \b
    tarbiter doctor
    tarbiter --cell landlock doctor        that kind only

    Exit code: 0 everything else held, 1 something did not, 2 no cell can be set up here.
    """
    done = checks()
    if as_json:
        click.echo(page(done))
    else:
        table = Table(box=None, pad_edge=False)
        for column in ("cell", "check", "held", "detail"):
            table.add_column(column)
        for check in done:
            held = "[green]yes" if check.held else "[yellow]lacks" if check.known else "[bold red]NO"
            table.add_row(check.cell, check.name, held, Text(check.detail))
        console().print(table)
    sys.exit(0 if all(check.held or check.known for check in done) else DIFFERS)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One contestant as `tarbiter contestants --json` prints it; `missing` is empty where it can take part."""

    name: str
    version: str
    family: str
    ecosystem: str
    ring: int
    program: str
    missing: str
    install: str

    @classmethod
    def of(cls, one: Contestant) -> Row:
        """The row of a contestant."""
        return cls(
            name=one.name,
            version=one.version,
            family=one.family,
            ecosystem=one.ecosystem,
            ring=one.table.ring,
            program=one.program,
            missing=one.missing,
            install=one.install,
        )


@main.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
@click.pass_context
def contestants(ctx: click.Context, as_json: bool) -> None:
    """List the contestants: version, family, whether they are here, and how to install those that are not."""
    if ctx.invoked_subcommand is not None:
        return
    rows = everyone()
    if as_json:
        click.echo(page([Row.of(row) for row in rows]))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("contestant", "version", "family", "ecosystem", "status"):
        table.add_column(column, overflow="fold")
    for row in rows:
        status = "[green]here" if not row.missing else f"[{STYLES['unavailable']}]unavailable: {row.missing}"
        if row.missing and row.install:
            status += f"; install: {row.install}"
        table.add_row(row.name, row.version, row.family, row.ecosystem, status)
    console().print(table)


contestants.add_command(install_command)
contestants.add_command(try_command)
triage.add_command(bisect_command)
triage.add_command(recheck_command)
main.add_command(triage)
main.add_command(generate_command)
main.add_command(features_command)
main.add_command(check_command)
main.add_command(compare_command)
main.add_command(conformance_command)
main.add_command(report_command)
main.add_command(versus_command)
main.add_command(nightly_command)
main.add_command(corpus)


@main.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes tarbiter's commands, options and contestants in your shell.

    \b
    bash: tarbiter completion bash > ~/.local/share/bash-completion/completions/tarbiter
    zsh:  tarbiter completion zsh > "${fpath[1]}/_tarbiter"
    fish: tarbiter completion fish > ~/.config/fish/completions/tarbiter.fish
    """
    from click.shell_completion import get_completion_class  # noqa: PLC0415  # only this command needs it

    found = get_completion_class(shell)
    assert found is not None
    program = os.path.basename(sys.argv[0]) if shutil.which(os.path.basename(sys.argv[0])) else "tarbiter"
    click.echo(found(main, {}, program, "_TARBITER_COMPLETE").source())
