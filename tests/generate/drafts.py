"""Ordinary archives, and what one feature makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tarbiter.archive.case import Case
from tarbiter.archive.recipe import Part
from tarbiter.generate.draft import Draft, ordinary
from tarbiter.generate.features import FEATURES, apply

ORDINARY: tuple[Part, ...] = (
    ordinary("dir", b"dir", 0),
    ordinary("file", b"a", 5),
    ordinary("file", b"dir/f", 600),
    ordinary("symlink", b"b", 0, b"a"),
    ordinary("hardlink", b"c", 0, b"a"),
)


PLAIN = Draft(list(ORDINARY)).case()


def settings(name: str) -> Iterator[dict[str, Any]]:
    """Each value of each parameter of a feature, the others their first."""
    parameters = FEATURES[name].parameters
    first = {key: values[0] for key, values in parameters.items()}
    yield first
    for key, values in parameters.items():
        yield from ({**first, key: value} for value in values[1:])


def applied(name: str, values: dict[str, Any]) -> Case:
    """An ordinary archive with one feature."""
    draft = Draft(list(ORDINARY))
    apply(name, draft, values)
    return draft.case()
