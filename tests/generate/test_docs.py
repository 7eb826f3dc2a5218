"""docs/generators.md names what there is: modules, commands, entries, and its example runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from tarbiter.cli import main
from tarbiter.generate import features, mutators
from tarbiter.generate.features import FEATURES

PAGE = (Path(__file__).parents[2] / "docs" / "generators.md").read_text()


def first_column(heading: str) -> set[str]:
    """The names in backquotes of the first column of the table under a heading."""
    rows = PAGE.split(heading, 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}


def test_the_modules_of_the_tables_are_those_that_there_are() -> None:
    assert first_column("| module of `harness/tarbiter/generate/features`") == set(features.MODULES)
    assert first_column("| module of `harness/tarbiter/generate/mutators`") == set(mutators.MODULES)


@pytest.mark.parametrize("line", re.findall(r"^    (tarbiter [^\n]*?)(?:  |$)", PAGE, flags=re.MULTILINE))
def test_its_commands_exist(line: str) -> None:
    words = line.split()[1:]
    result = CliRunner().invoke(main, [words[0], "--help"])
    assert result.exit_code == 0
    assert all(word in result.output for word in words[1:] if word.startswith("-") and word != "-o")


def test_its_feature_is_the_one_in_the_code() -> None:
    (shown,) = re.findall(r"```python\n(@feature.*?)```", PAGE, flags=re.DOTALL)
    code = (Path(features.__file__).parent / "pax.py").read_text()
    assert shown.strip() in code


def test_its_property_test_runs() -> None:
    (example,) = re.findall(r"```python\n(from hypothesis.*?)```", PAGE, flags=re.DOTALL)
    names = re.findall(r"features=\(([^)]*)\)", example)[0]
    assert set(re.findall(r'"([^"]+)"', names)) <= set(FEATURES)
    space: dict[str, object] = {}
    exec(compile(example, "docs/generators.md", "exec"), space)  # our own page
    test = space["test_my_reader_never_crashes"]
    assert callable(test)
    test()


@pytest.mark.parametrize("name", re.findall(r"`((?:recipes|strategies|mutate)\.\w+)\(", PAGE))
def test_its_entries_exist(name: str) -> None:
    module, _, function = name.partition(".")
    source = (Path(features.__file__).parents[1] / f"{module}.py").read_text()
    assert re.search(rf"^def {function}\(", source, flags=re.MULTILINE)
