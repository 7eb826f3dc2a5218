"""Imports go one way: a package imports only what stands before it, and the extractor knows nothing of harness."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

ORDER = (
    "errors",
    "files",
    "exit_codes",
    "archive",
    "generate",
    "contest",
    "judge",
    "triage",
    "campaign",
    "corpus",
    "report",
    "commands",
    "pytest_plugin",
    "cli",
    "__main__",
)
"""The packages of `harness`, from what everything stands on to what stands on everything."""

OPTIONAL = {"isal", "backports", "compression"}
"""What the extractor uses when it is there (`compression.zstd` is in the standard library from 3.14 on)."""

DRIVER = Path("harness/tarbiter/contest/contestants/extractor.py")
"""The one module of the harness that may import the extractor: it runs in the cell, like every contestant's."""


def modules(package: str) -> list[Path]:
    return sorted(path.relative_to(ROOT) for path in (ROOT / package).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Absolute dotted names of all that a module imports, anywhere in it, relative imports resolved."""
    package = list(path.with_suffix("").parts[1:])
    if package[-1] != "__init__":
        package.pop()
    else:
        package = package[:-1]
    for node in ast.walk(ast.parse((ROOT / path).read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            yield ".".join([*base, node.module] if node.module else base)
            if node.level and not node.module:
                yield from (".".join([*base, alias.name]) for alias in node.names)


def rank(dotted: str) -> int:
    return ORDER.index(dotted.split(".")[1])


@pytest.mark.parametrize("path", modules("harness/tarbiter"), ids=str)
def test_harness_imports_what_stands_before_it(path: Path) -> None:
    inside = [name for name in imported(path) if name.startswith("tarbiter.")]
    own = path.with_suffix("").parts[1:]
    limit = ORDER.index(own[1]) if own[1] in ORDER else 0
    assert [name for name in inside if rank(name) > limit] == []


@pytest.mark.parametrize("path", modules("harness/tarbiter"), ids=str)
def test_only_the_driver_imports_the_extractor(path: Path) -> None:
    found = [name for name in imported(path) if name.split(".")[0] == "onetar"]
    assert found == [] or path == DRIVER


@pytest.mark.parametrize("path", modules("extractor/onetar"), ids=str)
def test_the_extractor_needs_the_standard_library_only(path: Path) -> None:
    allowed = set(sys.stdlib_module_names) | OPTIONAL | {"onetar"}
    assert [name for name in imported(path) if name.split(".")[0] not in allowed] == []


def test_the_order_names_every_package() -> None:
    packages = {path.parent.name for path in (ROOT / "harness/tarbiter").glob("*/__init__.py")}
    modules = {path.stem for path in (ROOT / "harness/tarbiter").glob("*.py")} - {"__init__"}
    assert packages | modules == set(ORDER)


@pytest.mark.parametrize("path", [*modules("harness/tarbiter"), *modules("extractor/onetar")], ids=str)
def test_a_module_begins_by_saying_its_job(path: Path) -> None:
    assert (ast.get_docstring(ast.parse((ROOT / path).read_bytes())) or "").strip()


@pytest.mark.parametrize("path", [*modules("harness/tarbiter"), *modules("extractor/onetar")], ids=str)
def test_a_module_stays_readable(path: Path) -> None:
    assert len((ROOT / path).read_text().splitlines()) <= 600
