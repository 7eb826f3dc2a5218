"""Every example of docs/recipes.md is in the form the project writes, and its error is the true one."""

import os
import re

import pytest

from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.text import CaseError, dumps, loads

DOC = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "recipes.md")
with open(DOC, encoding="utf-8") as _file:
    TEXT = _file.read()
EXAMPLES = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 5


@pytest.mark.parametrize("example", EXAMPLES)
def test_example(example: str) -> None:
    case = loads(example)
    assert dumps(case) == example
    assert encode_bytes(case.recipe)


def test_error() -> None:
    with pytest.raises(CaseError) as caught:
        loads("part = [\n    { nam = 'a' },\n]\n", filename="case.toml")
    assert f"```text\n{caught.value}\n```" in TEXT
