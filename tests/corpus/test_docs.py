"""docs/corpus.md: its case is in the form the project writes, and its table of what is never right is complete."""

import re
from pathlib import Path

from tarbiter.archive.expect import NEVER
from tarbiter.archive.text import dumps, loads

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "corpus.md").read_text()
EXAMPLES = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)


def test_the_examples_are_in_the_form_the_project_writes() -> None:
    assert EXAMPLES
    assert [dumps(loads(example)) for example in EXAMPLES] == EXAMPLES


def test_the_table_of_what_is_never_right() -> None:
    assert dict(re.findall(r"\| `([a-z-]+)` \| (.*) \|", TEXT.split("Some things nobody")[1])) == NEVER
