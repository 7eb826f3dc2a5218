"""The ledger accepts what it says and no version more, and a damaged one is told with its entry."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tarbiter.judge.ledger import Ledger, LedgerError, dump
from tarbiter.triage.clauses import clauses

ENTRY = """
[[accepted]]
id = "slash"
reason = "it has always been so"
date = 2026-01-31
"""

SIGNATURE = ENTRY + 'signature = "0123456789"\n'
CAUSES = ENTRY + 'invariant = "no-smuggling"\ncauses = ["file name: slash", "dir"]\n'
RANGED = CAUSES + 'contestants = { tar = ">=1.30,<1.36", busybox = "===odd" }\n'


def ledger(tmp_path: Path, text: str) -> Ledger:
    path = tmp_path / "ledger.toml"
    path.write_text(text)
    return Ledger.load(str(path))


@pytest.mark.parametrize(
    ("text", "signature", "invariant", "causes"),
    [
        (SIGNATURE, "0123456789", "alive", ()),
        (CAUSES, "other", "no-smuggling", ("dir",)),
        (CAUSES, "other", "no-smuggling", ("dir", "file name: slash")),
        (CAUSES.replace('invariant = "no-smuggling"\n', ""), "other", "alive", ("dir",)),
    ],
)
def test_what_an_entry_is_about(
    tmp_path: Path, text: str, signature: str, invariant: str, causes: tuple[str, ...]
) -> None:
    assert ledger(tmp_path, text).verdict(signature, invariant, causes, {}).accepted


@pytest.mark.parametrize(
    ("text", "signature", "invariant", "causes"),
    [
        (SIGNATURE, "0123456780", "alive", ()),
        (CAUSES, "other", "alive", ("dir",)),
        (CAUSES, "other", "no-smuggling", ("dir", "pax")),
        (CAUSES, "other", "no-smuggling", ()),
        ("", "other", "no-smuggling", ("dir",)),
    ],
)
def test_what_an_entry_is_not_about(
    tmp_path: Path, text: str, signature: str, invariant: str, causes: tuple[str, ...]
) -> None:
    assert ledger(tmp_path, text).verdict(signature, invariant, causes, {}).entry is None


@pytest.mark.parametrize(
    ("versions", "uncovered"),
    [
        ({}, ()),
        ({"tar": "1.30"}, ()),
        ({"tar": "1.35.90", "other": "9"}, ()),
        ({"tar": "1.36"}, ("tar 1.36",)),
        ({"tar": "1.29", "busybox": "odd"}, ("tar 1.29",)),
        ({"tar": "1.35-custom!", "busybox": "odder"}, ("tar 1.35-custom!", "busybox odder")),
    ],
)
def test_a_version_outside_the_range_opens_it_again(
    tmp_path: Path, versions: dict[str, str], uncovered: tuple[str, ...]
) -> None:
    verdict = ledger(tmp_path, RANGED).verdict("other", "no-smuggling", ("dir",), versions)
    assert verdict.entry is not None
    assert verdict.uncovered == uncovered
    assert verdict.accepted == (uncovered == ())


def test_of_two_entries_the_one_that_covers_wins(tmp_path: Path) -> None:
    wide = CAUSES.replace('"slash"', '"wide"')
    verdict = ledger(tmp_path, RANGED + wide).verdict("x", "no-smuggling", ("dir",), {"tar": "2"})
    assert verdict.entry is not None
    assert (verdict.entry.id, verdict.accepted) == ("wide", True)


def test_what_matched_nothing_is_stale(tmp_path: Path) -> None:
    read = ledger(tmp_path, CAUSES + SIGNATURE.replace('"slash"', '"old"'))
    assert [entry.id for entry in read.stale] == ["slash", "old"]
    read.verdict("x", "no-smuggling", ("dir",), {})
    assert [entry.id for entry in read.stale] == ["old"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[accepted]\n", "not TOML"),
        ("[other]\n", "not other"),
        ("accepted = 1\n", "[[accepted]] tables"),
        (ENTRY, "number 1 (slash): say which divergence"),
        (CAUSES + 'signature = "x"\n', "number 1 (slash): say which divergence"),
        (SIGNATURE + SIGNATURE, "number 2 (slash): its id stands above"),
        (SIGNATURE.replace("it has always been so", " "), "a reason"),
        (SIGNATURE.replace("2026-01-31", '"yesterday"'), "number 1: Invalid RFC3339"),
        (SIGNATURE + "colour = 1\n", "number 1: Object contains unknown field `colour`"),
        (CAUSES.replace("no-smuggling", "no-smugling"), "'no-smugling' is no invariant; there are contained"),
        (RANGED.replace("<1.36", "before 1.36"), "of tar is no version specifier"),
    ],
)
def test_a_damaged_ledger_is_told(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(LedgerError) as caught:
        ledger(tmp_path, text)
    assert says in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "ledger.toml"))


def test_a_missing_ledger_is_told(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="cannot be read"):
        Ledger.load(str(tmp_path / "none.toml"))


@pytest.mark.parametrize("text", [SIGNATURE, CAUSES, RANGED, RANGED.replace("always", 'ever "so"')])
def test_what_is_appended_reads_the_same(tmp_path: Path, text: str) -> None:
    (entry,) = ledger(tmp_path, text.replace('"so"', r"\"so\" \u00e9")).entries
    assert tomllib.loads(dump(entry))["accepted"][0]["reason"] == entry.reason
    assert ledger(tmp_path, dump(entry)).entries == (entry,)


def test_the_project_accepts_disagreements_with_reasons_and_links() -> None:
    ledger = Ledger.load(str(Path(__file__).parents[2] / "corpus" / "ledger.toml"))
    assert ledger.entries
    for entry in ledger.entries:
        assert entry.invariant in ("disagreement", "no-smuggling"), entry.id
        assert entry.link.startswith("https://"), entry.id
        assert all(clauses(words) for words in entry.causes), entry.id
    assert not any(entry.matches("0", "contained", ("symlink",)) for entry in ledger.entries)
