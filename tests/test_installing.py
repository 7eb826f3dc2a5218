"""`tarbiter contestants check`: who works here, and what is wrong with who does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tarbiter.cli import main

TABLES = """
[good]
argv = ["tar", "-xf", "{archive}", "-C", "{dest}"]
[idle]
argv = ["sh", "-c", "exit 0", "{archive}", "{dest}"]
[angry]
argv = ["sh", "-c", "echo no; exit 3", "{archive}", "{dest}"]
[gone]
argv = ["no-such-program", "{archive}", "{dest}"]
install = "make gone"
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tarbiter.toml").write_text(TABLES)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("names", "code", "said"),
    [
        ("extractor-strict,good", 0, "good : works"),
        ("good,idle", 2, "idle : it reports success and left nothing instead of 'beside', 'ordinary'"),
        ("angry", 2, "angry : refused (exit 3): no"),
        ("gone", 2, "gone : no program no-such-program on PATH; install it: make gone"),
    ],
)
def test_check(names: str, code: int, said: str) -> None:
    done = CliRunner().invoke(main, ["contestants", "check", names])
    assert (done.exit_code, said in done.output) == (code, True), done.output


def test_a_name_that_nobody_has() -> None:
    done = CliRunner().invoke(main, ["contestants", "check", "nobody"])
    assert done.exit_code == 2
    assert "is no contestant" in done.output + str(done.exception)
