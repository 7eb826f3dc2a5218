"""A corpus of two cases in a directory of its own, for tests that break it."""

from __future__ import annotations

from pathlib import Path

from tarbiter.archive.case import Case
from tarbiter.archive.expect import Entry, Expect
from tarbiter.archive.recipe import Member, Recipe
from tarbiter.archive.text import dumps

ROOT = str(Path(__file__).resolve().parents[2] / "corpus")
"""The corpus itself."""

FLAGS = '[loss]\neffect = "A member is missing."\nlinks = ["https://example.org/"]\n'
DIMENSIONS = '[shown]\nmagic = "ustar"\n\n[elsewhere]\nasked = "options: the tests of extractors"\n'


def case(name: str, data: bytes = b"x") -> Case:
    return Case(
        id=f"headers/{name}",
        title=f"A file called {name}",
        why="It is one.",
        source=("POSIX",),
        flags=("loss",),
        covers=("magic",),
        recipe=Recipe((Member(name=name.encode(), data=data),)),
        expect=Expect(must=(Entry(name=name.encode(), data=data),)),
    )


def make(root: Path) -> None:
    """Write the two cases, `a` and `b`, and the words they use."""
    (root / "headers").mkdir(parents=True)
    (root / "flags.toml").write_text(FLAGS)
    (root / "dimensions.toml").write_text(DIMENSIONS)
    for name in ("a", "b"):
        (root / "headers" / f"{name}.toml").write_text(dumps(case(name)))
