"""The command `tarbiter triage bisect`: what it refuses. What it finds takes a package index: no test asks one."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from tarbiter.archive.case import Case
from tarbiter.archive.recipe import Member, Recipe
from tarbiter.archive.text import dumps
from tarbiter.cli import main
from tarbiter.commands.triage.bisect import Answer, _told
from tarbiter.contest.installed.versions import ordered, releases
from tarbiter.triage.bisect import Bisected


@pytest.mark.parametrize(
    ("finding", "contestant", "says"),
    [
        pytest.param("abc", "tar-rs", "is neither a store nor a run", id="no-store"),
        pytest.param("none.toml", "tar-rs", "cannot be read", id="no-file"),
        pytest.param("case.toml", "nobody", "is no contestant", id="nobody"),
        pytest.param("case.toml", "extractor-compat", "no package index", id="no-index"),
    ],
)
def test_what_cannot_be_bisected(
    finding: str, contestant: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("case.toml").write_text(dumps(Case(recipe=Recipe(parts=(Member(name=b"a"),)))))
    done = CliRunner(env={"COLUMNS": "200"}).invoke(main, ["triage", "bisect", finding, "--contestant", contestant])
    assert done.exit_code == 2
    assert says in done.output


@pytest.mark.parametrize(
    ("versions", "want"),
    [
        (["1.10", "1.9", "1.9.1"], ("1.9", "1.9.1", "1.10")),
        (["2.0-rc1", "2.0b2", "2.0.dev1", "2.0"], ("2.0",)),
        (["1.0", "1.0"], ("1.0",)),
        ([], ()),
    ],
)
def test_releases_in_order(versions: list[str], want: tuple[str, ...]) -> None:
    assert releases(versions) == want


def test_versions_are_ordered_by_their_numbers() -> None:
    assert ordered("1.10.2") > ordered("1.9") > ordered("1.2.3")


def test_the_answer_in_words() -> None:
    found = Bisected(first="1.2", last="1.4", before="1.1", tried={"1.4": True, "1.1": False, "1.2": True})
    answer = Answer(
        finding="x", contestant="c@1.4", version="1.4", status="refused", error="bad\nmore", found=found,
        statuses={"1.1": "extracted", "1.2": "refused", "1.4": "refused"},
    )  # fmt: skip
    lines = _told(answer, ("1.0", "1.1", "1.2", "1.4")).splitlines()
    assert lines == [
        "c 1.4 refused: bad",
        "since 1.2; 1.1 does something else (extracted)",
        "in 1.4 still: the newest",
        "tried: 1.1 extracted, 1.2 refused, 1.4 refused",
    ]
