"""The commands `tarbiter generate` and `tarbiter features`: cases of a seed as files, and what they are made of."""

from __future__ import annotations

import itertools
import os
import sys
from collections import Counter

import click
import msgspec
from rich.console import Console
from rich.table import Table

from ..archive.case import Case
from ..archive.cases import bytes_of
from ..archive.text import dumps
from ..campaign.recorded import findings_at
from ..campaign.records import RunError
from ..files import writable_folder, write
from ..generate.dimensions import DIMENSIONS, OUTSIDE
from ..generate.draft import Draft, ordinary
from ..generate.features import FEATURES, Feature, apply
from ..generate.mutators import MUTATORS
from ..generate.recipes import LARGE, Generated, case_at, cases

COUNTED = 20_000
"""Cases of each run's seed that are drawn again to count their features: more takes long and says the same."""


class OutputError(RunError):
    """A directory or file that cannot be written."""


def _known(names: tuple[str, ...]) -> None:
    missing = [name for name in names if name not in FEATURES]
    if missing:
        raise OutputError(missing[0], "is no feature; `tarbiter features` has them")


def _words(one: Generated) -> Case:
    """The case with an id and words that say where it comes from."""
    title = f"case {one.index} of seed {one.seed}: {', '.join(one.features) or 'no feature'}"
    return msgspec.structs.replace(one.case, id=f"seed-{one.seed}/{one.index:06d}", title=title)


@click.command("generate")
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same bytes, on every machine.")
@click.option("--count", type=click.IntRange(1), default=20, show_default=True, help="How many cases.")
@click.option("--start", type=click.IntRange(0), default=0, show_default=True, help="Number of the first case.")
@click.option("--feature", "features", multiple=True, metavar="NAME", help="Only this feature; may be given again.")
@click.option(
    "--large", type=click.IntRange(0), default=LARGE, show_default=True, metavar="N",
    help="One case in N has 800 to 20,000 members; 0: none.",
)  # fmt: skip
@click.option("--only", type=click.Choice(("toml", "tar")), help="Write only cases, or only archives.")
@click.option("-o", "--output", required=True, metavar="DIR", help="Where to write; made when it is not there.")
def generate_command(
    seed: int, count: int, start: int, features: tuple[str, ...], large: int, only: str | None, output: str
) -> None:
    """Write cases of a seed: NNNNNN.toml with recipe, world and schedule, and NNNNNN.tar, its archive.

    \b
    tarbiter generate --seed 7 --count 20 -o out
    tarbiter generate --feature pax.size --feature name.two-carriers -o out --only toml
    tarbiter compare out/*.toml

    Exit code: 0 written, 2 not.
    """
    _known(features)
    writable_folder(output)
    made = cases(seed, start=start, features=features or None, one_large_in=large)
    total = 0
    for one in itertools.islice(made, count):
        archive = bytes_of(one.case)
        total += len(archive)
        files = {"toml": dumps(_words(one)).encode(), "tar": archive}
        for kind, data in files.items():
            if only in (None, kind):
                write(os.path.join(output, f"{one.index:06d}.{kind}"), data)
    click.echo(f"{count} cases of seed {seed}, archives of {total} bytes, in {output}")


def example(feature: Feature) -> str:
    """What a feature makes of an ordinary archive, its parameters at their first values, as TOML."""
    draft = Draft([ordinary("dir", b"dir", 0), ordinary("file", b"a", 5)])
    apply(feature.name, draft, {key: values[0] for key, values in feature.parameters.items()})
    return dumps(draft.case())


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A feature as `tarbiter features --json` prints it."""

    name: str
    section: str
    about: str
    weight: int
    parameters: dict[str, int]
    """How many values each parameter has."""
    example: str
    cases: int | None = None
    """How often it came up in what the store's runs drew; null without a store."""
    findings: int | None = None
    """In how many of the store's findings it was."""


def _from_store(path: str) -> tuple[Counter[str], Counter[str]]:
    """How often each feature came up in the cases that the runs of a store drew, and in its findings."""
    came: Counter[str] = Counter()
    with findings_at(path) as store:
        found = Counter(name for entry in store.findings() for name in set(entry.kept.features))
        for run in store.runs():
            for index in range(min(run.cases, COUNTED)):
                came.update(set(case_at(run.asked.seed, index).features))
        for words in store.damaged.values():
            click.echo(f"tarbiter: {path}: {words}", err=True)
    return came, found


def _rows(store: str | None) -> list[Row]:
    came, found = _from_store(store) if store else (None, None)
    return [
        Row(
            name=one.name,
            section=one.section,
            about=one.about,
            weight=one.weight,
            parameters={key: len(values) for key, values in one.parameters.items()},
            example=example(one),
            cases=None if came is None else came[one.name],
            findings=None if found is None else found[one.name],
        )
        for one in sorted(FEATURES.values(), key=lambda one: (one.section, one.name))
    ]


def _table(rows: list[Row], counted: bool) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("section", "feature", "weight", *(("cases", "findings") if counted else ()), "what it is"):
        right = title in ("weight", "cases", "findings")
        table.add_column(title, justify="right" if right else "left", no_wrap=title == "feature")
    for row in rows:
        counts = (str(row.cases), str(row.findings)) if counted else ()
        table.add_row(row.section, row.name, str(row.weight), *counts, row.about)
    return table


@click.command("features")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--store", metavar="DIR", help="Count how often each came up in its runs, and in how many findings.")
@click.option(
    "--dimensions", is_flag=True, help="List every line of what can vary, with the features that reach it."
)
@click.option("--mutators", is_flag=True, help="List the mutators instead.")
@click.option("--json", "as_json", is_flag=True, help="Print rows for a program.")
def features_command(
    names: tuple[str, ...], store: str | None, dimensions: bool, mutators: bool, as_json: bool
) -> None:
    """List every feature with section, weight and, with a store, counts. With NAME: its values and an example.

    Cases are counted as the runs' seeds draw them, at most 20,000 a run; children of mutation are not among them.

    \b
    tarbiter features
    tarbiter features pax.size
    tarbiter features --store .tarbiter/store

    Exit code: 0, or 2 for a name that is no feature and a store that is none.
    """
    _known(names)
    if mutators or dimensions:
        _others(mutators, as_json)
        return
    rows = [row for row in _rows(store) if not names or row.name in names]
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode() + "\n")
        return
    console = Console(soft_wrap=not sys.stdout.isatty())
    console.print(_table(rows, store is not None))
    for row in rows if names else ():
        click.echo("")
        for key, values in FEATURES[row.name].parameters.items():
            click.echo(f"{key}: {', '.join(map(str, values))}")
        click.echo(f"\n{row.example.rstrip()}")


def _others(mutators: bool, as_json: bool) -> None:
    """Print mutators, or dimensions with the features that reach them."""
    if mutators:
        rows = [{"name": one.name, "weight": one.weight, "about": one.about} for one in MUTATORS.values()]
    else:
        rows = [
            {"section": one.section, "line": one.line, "features": sorted({reach.feature for reach in one.reaches})}
            for one in DIMENSIONS
        ]
        rows += [
            {"section": int(line[0]), "line": line[2:], "features": [], "outside": why}
            for line, why in OUTSIDE.items()
        ]
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(rows), indent=2).decode() + "\n")
        return
    for row in rows:
        if mutators:
            click.echo(f"{row['weight']!s:>2}  {row['name']}: {row['about']}")
        else:
            reached = ", ".join(row["features"]) or f"no feature: {row['outside']}"  # type: ignore[arg-type]  # names
            click.echo(f"{row['section']} {row['line']}\n    {reached}")
