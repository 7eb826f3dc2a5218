"""What the verbs of `tarbiter triage` share: options, and what a verb prints when it is done."""

from __future__ import annotations

import click
import msgspec

from ...campaign.export import Script
from ...campaign.records import Kept
from ...judge.machine import page

STORE = click.option("--store", default=".tarbiter", show_default=True, metavar="DIR", help="The project's store.")
SOURCE = click.option(
    "--store",
    default=".tarbiter",
    show_default=True,
    metavar="DIR",
    help="The project's store, or a run's directory.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="The same as JSON.")
REASON = click.option("--reason", required=True, help="Why, in a sentence: whoever comes next reads it.")
LEDGER = click.option(
    "--ledger", default="corpus/ledger.toml", show_default=True, metavar="FILE", help="The ledger (TOML)."
)


def families(kept: Kept) -> tuple[str, ...]:
    """The families that the finding is about."""
    about = {name for broken in kept.divergence.broken for name in broken.contestants + broken.against}
    about |= set(kept.target.contestants)
    return tuple(sorted({one.family or one.contestant for one in kept.observations if one.contestant in about}))


class Done(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a verb did, as its `--json` prints it: the finding, its status from now on, and what was written."""

    id: str
    status: str
    entry: str = ""
    """The ledger's entry."""
    path: str = ""
    """The file or directory that was written."""
    scripts: tuple[Script, ...] = ()
    """export: a line of shell for each contestant, or why there is none."""


def say(as_json: bool, done: Done, *lines: str) -> None:
    """Print what a verb did: `done` as JSON, or the lines."""
    click.echo(page(done) if as_json else "\n".join(lines))
