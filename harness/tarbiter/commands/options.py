"""Options that several commands share: which contestants, what must agree, how many cells."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click
import msgspec

from ..archive.case import CWDS, UIDS, Cwd, Uid, World
from ..contest.installed.registry import (
    ALL,
    DEFAULT,
    YOURS,
    Contestant,
    RegistryError,
    available,
    everyone,
    group,
    target,
)
from ..contest.pool import Limits
from ..judge.facets import FACETS, STRONG


def _split_names(_ctx: click.Context, _param: click.Parameter, values: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.strip() for value in values for name in value.split(",") if name.strip())


def _complete_contestants(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    head, comma, last = incomplete.rpartition(",")
    names = (DEFAULT, ALL, *(one.name for one in everyone()))
    return [head + comma + name for name in names if name.startswith(last)]


def _facets(_ctx: click.Context, _param: click.Parameter, values: Sequence[str]) -> tuple[str, ...]:
    names = _split_names(_ctx, _param, values)
    if "all" in names:
        return tuple(FACETS)
    for name in names:
        if name not in FACETS:
            raise click.BadParameter(f"{name!r} is no facet; there are {', '.join(FACETS)}, and all")
    return names or STRONG


WITH = click.option(
    "--with",
    "names",
    multiple=True,
    callback=_split_names,
    shell_complete=_complete_contestants,
    metavar="NAME,...",
    help="Which contestants: names; `default`, the first ring, which takes part when nobody is named; or `all`. Of "
    "groups, those that are installed. `tarbiter contestants` lists them.",
)
TARGET = click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="'CMD {archive} {dest}'",
    help="Your own extractor as one more contestant, run in the cell like the others. What it needs besides its "
    "own files is named in front: 'visible=DIR CMD ...'. How it lists, one name a line, may stand behind: "
    "'CMD ... :: LIST {archive}'.",
)
FACET = click.option(
    "--facet",
    "facets",
    multiple=True,
    callback=_facets,
    metavar="NAME,...",
    help=f"What must agree; the default is {','.join(STRONG)}. `all` is every facet.",
)


def _cells(_ctx: click.Context, _param: click.Parameter, value: int | None) -> int:
    return value or os.cpu_count() or 1


JOBS = click.option(
    "--jobs",
    "cells",
    type=click.IntRange(1, 256),
    default=None,
    callback=_cells,
    help="Cells at a time; default: one a core.",
)


_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


def _bytes(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    """A size in bytes: a number, with K, M, G or T behind it for powers of 1024."""
    if value is None:
        return None
    digits, unit = (value[:-1], value[-1].upper()) if value[-1:].isalpha() else (value, "")
    if not (digits.isascii() and digits.isdigit() and unit in _UNITS):
        raise click.BadParameter(f"{value!r} is no size: say bytes, or a number with K, M, G or T behind it")
    size = int(digits) << _UNITS[unit]
    if not 1 << 20 <= size <= 1 << 50:
        raise click.BadParameter(f"{value!r} is out of range: from 1M to 1024T")
    return size


DISK = click.option(
    "--disk",
    callback=_bytes,
    metavar="SIZE",
    help="What a contestant's tree, and each file in it, may have: 6G, ... (512M, a file 256M). It is memory here.",
)
MEMORY = click.option(
    "--memory", callback=_bytes, metavar="SIZE", help="What each process of a contestant may have: 4G, ... (768M)."
)


def limited(disk: int | None, memory: int | None) -> Limits:
    """The limits of a cell, with what was asked for on the command line."""
    limits = Limits()
    if disk is not None:
        limits = msgspec.structs.replace(limits, disk=disk, file_size=disk)
    if memory is not None:
        limits = msgspec.structs.replace(limits, memory=memory, together=max(limits.together, memory * 4 // 3))
    return limits


CWD = click.option(
    "--cwd",
    type=click.Choice(CWDS),
    help="Where contestants are called: in an empty directory (tmp), in the destination, or in what holds it.",
)
UID = click.option("--uid", type=click.Choice(UIDS), help="As whom contestants see themselves.")


def around(world: World, cwd: Cwd | None, uid: Uid | None) -> World:
    """A world with what was asked for on the command line."""
    return msgspec.structs.replace(world, cwd=cwd or world.cwd, uid=uid or world.uid)


def choose(names: Sequence[str], targets: Sequence[str], *, least: int = 2) -> tuple[Contestant, ...]:
    """The contestants asked for. One that was named and is missing is an error, not a smaller ring.

    Of a group those are asked that are here; the others are told on standard error where the group was named. Where
    one is enough, `targets` alone are what is asked for. Raises RegistryError, also for fewer than `least`.
    """
    chosen = [] if targets and not names and least == 1 else list(available(names or None))
    chosen += [target(command) for command in targets]
    missing = [one.name for name in names or (DEFAULT,) for one in group(name) if one.missing]
    if len(chosen) < least:
        there = f" ({', '.join(one.name for one in chosen)})" if chosen else ""
        help_ = f"; not installed: {', '.join(missing)}" if missing else ""
        wanted = "comparing takes two contestants" if least > 1 else "it takes a contestant"
        raise RegistryError(
            "--with", f"{wanted}, and there is {len(chosen)}{there}{help_}: see `tarbiter contestants`"
        )
    if names and missing:
        who = ", ".join(dict.fromkeys(missing))
        click.echo(
            f"tarbiter: not here, so left out of what was asked for: {who}; `tarbiter contestants`", err=True
        )
    return tuple(chosen)


def named(contestants: Sequence[Contestant], names: Sequence[str]) -> frozenset[str]:
    """Those of `contestants` that were asked for by name or as a command: they have to answer."""
    return frozenset(one.name for one in contestants if one.name in names or one.table.ecosystem == YOURS)
