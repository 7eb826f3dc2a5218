"""docs/extractor.md is true: its examples run, its tables are complete, its rules are those of the code."""

import contextlib
import gzip
import inspect
import io
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from onetar import rules
from onetar.extraction import Options
from onetar.report import OUTCOMES

from .archives import file, folder, pack, symlink

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/extractor.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
SESSIONS = re.findall(r"^```console\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
OURS = ("policy", "rules", "writer", "extraction", "metadata", "report", "sparse", "compression", "parser", "pax")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tree = (folder(b"tree"), file(b"tree/a", b"hello"), symlink(b"tree/link", b"a"))
    (tmp_path / "tree.tar").write_bytes(pack(*tree))
    (tmp_path / "sdist.tar.gz").write_bytes(gzip.compress(pack(*tree, end=16)))
    (tmp_path / "evil.tar").write_bytes(pack(file(b"a"), file(b"../evil")))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0])
def test_examples_print_what_their_comments_say(block: str) -> None:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block, "docs/extractor.md", "exec"), {})
    # Comments of their own line are output.
    assert printed.getvalue().splitlines() == [
        line.removeprefix("# ").rstrip() for line in block.splitlines() if line.startswith("# ")
    ]


def commands() -> list[tuple[str, str]]:
    return [
        found for block in SESSIONS for found in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    ]


@pytest.mark.parametrize(("command", "output"), commands(), ids=[command for command, _ in commands()])
def test_commands_print_what_is_shown(here: Path, command: str, output: str) -> None:
    words = shlex.split(command)
    done = subprocess.run(
        [sys.executable, *words[1:]],
        cwd=here,
        env={"PYTHONPATH": str(ROOT / "extractor")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert words[0] == "python"
    assert done.stdout == output


def test_there_are_examples() -> None:
    assert len(BLOCKS) >= 5
    assert len(commands()) >= 3


def rules_in_words() -> str:
    """The section between the markers, from the docstrings: the source of what is to be pasted there."""
    found = []
    for rule in (*rules.MEMBER_RULES, rules.end_of_archive, rules.stream):
        head, *more = (inspect.getdoc(rule) or "").split("\n", 1)
        code, _, words = head.partition(": ")
        found.append(f"- **{code}** {words} {' '.join(' '.join(more).split())}")
    return "\n".join(found) + "\n"


def test_the_rules_are_those_of_the_code() -> None:
    shown = TEXT.partition("<!-- rules -->\n")[2].partition("<!-- end of rules -->")[0]
    assert shown == rules_in_words()


def test_every_code_is_documented() -> None:
    text = "".join((ROOT / "extractor/onetar" / f"{name}.py").read_text() for name in OURS)
    codes = set(re.findall(r'"([a-z]+\.[a-z-]+)"', text))
    codes -= {"compression.zstd"}  # a module of the standard library
    assert {code for code in codes if f"`{code}`" not in TEXT} == set()


def test_every_option_and_outcome_is_documented() -> None:
    assert {name for name in Options.__annotations__ if f"`{name}`" not in TEXT} == set()
    assert {name for name in OUTCOMES if f"| `{name}` |" not in TEXT} == set()
