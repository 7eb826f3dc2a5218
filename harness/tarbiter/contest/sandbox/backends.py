"""Which kind of cell is used: what was asked for, what works here, and never a weaker one in silence."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

from . import landlock
from .namespaces import LANDLOCK, NAMESPACES, Plan, SandboxError

AUTO = "auto"
"""Namespaces; where those are refused Landlock, if nothing of the host can be changed from such a cell."""

CHOICES = (AUTO, NAMESPACES, LANDLOCK)

VARIABLE = "TARBITER_CELL"
"""The environment variable that says which; `tarbiter --cell` sets it."""

_Made = TypeVar("_Made")

_told: set[str] = set()
"""The notes that this process has given already."""


def asked() -> str:
    """What was asked for. Raises SandboxError when there is no such kind."""
    wanted = os.environ.get(VARIABLE) or AUTO
    if wanted not in CHOICES:
        raise SandboxError(VARIABLE, f"{wanted!r} is no kind of cell; there are {', '.join(CHOICES)}")
    return wanted


@contextlib.contextmanager
def asking(kind: str) -> Iterator[None]:
    """Ask for this kind, wherever a pool is made meanwhile."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = kind
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def planned(plan: Plan, backend: str) -> Plan:
    """The plan, for this kind of cell. Raises SandboxError where it cannot be had."""
    if backend == NAMESPACES:
        return plan
    try:
        landlock.abi()
        scratch = landlock.place(plan.arena_size)
    except SandboxError as error:
        raise SandboxError(error.step, error.detail, refused=True) from error
    return msgspec.structs.replace(plan, backend=LANDLOCK, scratch=scratch)


def choose(plan: Plan, wanted: str, start: Callable[[Plan], _Made]) -> tuple[_Made, Plan]:
    """Start a cell of the kind that is `wanted`, and say which plan it came to. Raises SandboxError.

    Going from namespaces to Landlock is told on standard error, once.
    """
    if wanted != AUTO:
        chosen = planned(plan, wanted)
        return start(chosen), chosen
    try:
        return start(plan), plan
    except SandboxError as error:
        if not error.refused:
            raise
        refused = error
    why = f"{refused.step}: {refused.detail}"
    try:
        weaker = planned(plan, LANDLOCK)
        if landlock.closed():
            made = start(weaker)
            tell(f"no namespaces here ({why}). The cell is the weaker one, by Landlock: {_list(plan)}")
            return made, weaker
    except SandboxError as error:
        detail = f"{refused.detail}; and {error.step}: {error.detail}"
        raise SandboxError(refused.step, detail, refused=error.refused) from error
    hint = f"A weaker cell can be had, by --cell {LANDLOCK} or {VARIABLE}={LANDLOCK}; in it, {_list(plan)}"
    raise SandboxError(refused.step, f"{refused.detail}. {hint}", refused=True)


def _list(plan: Plan) -> str:
    return "; ".join(landlock.lacks(plan))


def tell(note: str) -> None:
    """Say it on standard error, once in this process."""
    if note not in _told:
        _told.add(note)
        print(f"tarbiter: {note}", file=sys.stderr, flush=True)  # noqa: T201  # on standard error: results may be piped
