"""Which clause speaks of which cause."""

from __future__ import annotations

import itertools
from collections import Counter
from urllib.parse import urlsplit

import pytest

from tarbiter.generate.recipes import cases
from tarbiter.triage.causes import causes
from tarbiter.triage.clauses import _TABLE, clauses


@pytest.mark.parametrize(
    ("words", "sections"),
    [
        ("pax size", ["pax Extended Header, size"]),
        ("pax header size", ["pax Header Block"]),
        ("symlink size", ["ustar Interchange Format, size", "ustar Interchange Format, numeric fields"]),
        ("pax path twice", ["pax Extended Header Keyword Precedence"]),
        ("pax path: empty", ["pax Extended Header"]),
        ("file below a symlink", ["4.13 Pathname Resolution"]),
        ("symlink, then file of the same name", ["Multiple Members with the Same Name", "Dealing with Old Files"]),
        ("file typeflag 'V'", ["GNU Extensions to the Archive Format", "ustar Interchange Format, typeflag A-Z"]),
        ("end of archive: none", ["ustar Interchange Format, end of the archive"]),
        ("schedule: pauses", []),
        ("no such cause", []),
    ],
)
def test_clauses(words: str, sections: list[str]) -> None:
    found = [one.section for one in clauses(words)]
    assert found[: len(sections)] == sections
    assert bool(found) == bool(sections)


def test_every_row_speaks_of_some_cause_that_is_generated_or_named_here() -> None:
    seen = {words for generated in itertools.islice(cases(5), 3000) for words in causes(generated.case)}
    seen |= {"block", "pax path: record end", "compressed: gzip, odd", "world hardlink"}
    seen |= {"pax GNU.dumpdir", "pax charset"}
    found = {clause for words in seen for clause in clauses(words)}
    assert [clause for _, clause in _TABLE if clause not in found] == []


def test_sources_have_a_title_a_place_and_an_address() -> None:
    for _, clause in _TABLE:
        assert all((clause.document, clause.section, clause.says))
        assert urlsplit(clause.url).scheme == "https"
        assert str(clause) == f"{clause.document}, {clause.section}: {clause.says}"


def test_most_of_what_is_generated_is_spoken_of() -> None:
    seen = Counter(words for generated in itertools.islice(cases(6), 2000) for words in causes(generated.case))
    silent = Counter({words: count for words, count in seen.items() if not clauses(words)})
    assert silent.total() < seen.total() / 8, silent.most_common(10)
