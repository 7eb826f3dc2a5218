"""Features: each odd thing an archive can have, described once, applied by whoever draws its parameters.

A feature is a function that changes a draft, and its parameters as data: a table of values, or a range. A seeded
`random.Random`, the bytes of a fuzzer and Hypothesis all draw from the same description (in `recipes` and
`strategies`), so they reach the same archives.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from ..draft import Draft

Table: TypeAlias = tuple[Any, ...]
Apply: TypeAlias = Callable[..., None]


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    """One odd thing. `section` is that of the list of dimensions, `weight` how often it comes up beside others."""

    name: str
    section: str
    about: str
    weight: int
    parameters: dict[str, Table | range]
    """What it can be like. Simpler values stand first: Hypothesis shrinks towards them."""
    apply: Apply


FEATURES: dict[str, Feature] = {}

MODULES = (
    "headers", "names", "types", "members", "links", "pax", "sparse", "stream", "compressed", "surroundings",
)  # fmt: skip


def feature(section: str, weight: int = 4, **parameters: Table | range) -> Callable[[Apply], Apply]:
    """Register a function as a feature, under its own name and with the first line of its docstring."""

    def register(apply: Apply) -> Apply:
        name = apply.__name__.replace("__", ".").replace("_", "-")
        about = (apply.__doc__ or "").strip().split("\n")[0]
        FEATURES[name] = Feature(
            name=name, section=section, about=about, weight=weight, parameters=parameters, apply=apply
        )
        return apply

    return register


WHERE = range(8)
"""Which member a feature is about, taken modulo their count."""


def apply(name: str, draft: Draft, values: dict[str, Any]) -> None:
    """Apply the feature `name` with these parameters."""
    FEATURES[name].apply(draft, **values)


for _module in MODULES:
    importlib.import_module(f"{__name__}.{_module}")
