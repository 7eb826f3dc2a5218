"""The command `tarbiter`: assembles the subcommands, and gives each kind of outcome its exit code.

Exit codes: 0 all agree, 1 something differs, 2 could not run (bad input, no sandbox, nothing to run), 130 stopped
by Ctrl-C after writing down what was found.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import click

from .commands.lazy import LazyGroup, Place
from .exit_codes import verdicts_kept

COMMANDS = {
    "build": Place(".build:build", "Build the archive that a case describes."),
    "check": Place(".check:check_command", "Run the corpus and compare with the recorded results."),
    "compare": Place(".compare:compare_command", "Run archives through the contestants and show who agrees."),
    "completion": Place(".completion:completion", "Print the completion script for your shell."),
    "conformance": Place(".conformance:conformance_command", "Score contestants on the corpus."),
    "contestants": Place(".contestants:contestants", "List the contestants, install them, check them."),
    "corpus": Place(".corpus:corpus", "Check, measure and export the cases of the corpus."),
    "doctor": Place(".doctor:doctor", "Try to break out of each kind of cell."),
    "features": Place(".generate:features_command", "List the features of generated cases."),
    "fuzz": Place(".fuzz:fuzz", "Generate archives and keep those on which contestants differ."),
    "generate": Place(".generate:generate_command", "Write the cases of a seed."),
    "inspect": Place(".inspect:inspect", "Show an archive field by field."),
    "nightly": Place(".nightly:nightly_command", "Fuzz with a store, then write every report."),
    "recipe": Place(".recipe:recipe", "Print the recipe of an archive."),
    "report": Place(".report:report_command", "Report on a store or a run."),
    "triage": Place(".triage.triage:triage", "Review the findings of campaigns."),
    "versus": Place(".versus:versus_command", "Show what changed between two releases."),
}
"""Every subcommand: its module is imported when it is called, its summary is what `--help` lists."""


class _Group(LazyGroup):
    """Ends with exit code 2 and words for every error, also where a test calls the command in its own process."""

    places = COMMANDS

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
    type=click.Choice(("auto", "namespaces", "landlock")),
    envvar="TARBITER_CELL",
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
        from .contest.sandbox.backends import asking  # noqa: PLC0415  # `--help` does without it

        ctx.with_resource(asking(kind))
