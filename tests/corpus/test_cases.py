"""The corpus itself: what it must hold, and what our extractor makes of it in both policies."""

from __future__ import annotations

import functools
import os
from collections import Counter

import pytest

from tarbiter.archive.expect import REFUSE
from tarbiter.contest.installed.registry import available, known
from tarbiter.contest.pool import Pool
from tarbiter.corpus import shelf
from tarbiter.corpus.checking import run
from tarbiter.corpus.results import Made, baseline, in_words, parted
from tarbiter.corpus.shelf import Shelved

from .corpora import ROOT

OURS = ("extractor-strict", "extractor-compat")


@functools.cache
def everything() -> tuple[Shelved, ...]:
    return tuple(shelf.cases(ROOT))


def test_there_are_enough_and_of_every_topic() -> None:
    topics = Counter(one.topic for one in everything())
    assert sum(topics.values()) >= 300
    assert min(topics.values()) >= 8, topics


BUGS = [
    "cpython/issues/83869",
    "CVE-2019-20907",
    "CVE-2026-11972",
    "CVE-2025-4435",
    "CVE-2025-4330",
    "CVE-2025-4517",
    "CVE-2025-4138",
    "CVE-2025-62518",
    "tar-rs/pull/228",
    "GHSA-3pv8-6f4r-ffg2",
    "tar-rs/issues/265",
    "tokio-tar/commit/27e6ff7",
    "DIFF-023",
    "PR#2",
    "DIFF-024",
    "DIFF-030",
    "tar-rs/pull/249",
    "DIFF-034",
    "tokio-tar/pull/40",
    "TAR-IS-071",
    "DIFF-029",
    "DIFF-013",
    "DIFF-031",
    "DIFF-002",
    "#1569",
    "libarchive/commit/36a53097",
    "80f126c9",
    "#2360",
    "#2405",
    "CVE-2026-42496",
    "#2477",
    "CVE-2026-32288",
    "CVE-2023-42503",
    "CVE-2021-35517",
    "plexus-archiver",
    "CVE-2026-53655",
    "CVE-2026-59875",
    "CVE-2026-59874",
    "CVE-2026-59873",
    "CVE-2024-28863",
    "CVE-2026-29786",
    "tar-stream/pull/83",
    "tar-fs-root",
    "tar-fs-setuid",
    "CVE-2020-12265",
    "CVE-2025-69874",
    "CVE-2026-31802",
    "CVE-2025-59343",
    "CVE-2021-37701",
    "modern-tar-chain",
    "CVE-2026-39245",
    "node-tar/commit/e02a4e9",
    "GHSA-3cv2-h65g-fgmm",
    "dignifiedquire",
    "GHSA-fp55-jw48-c537",
    "uv/issues/5450",
    "CMake",
    "CVE-2025-8869",
    "uv/releases/tag/0.11.25",
]
"""Fixed bugs that have a case: a CVE, or the end of an address."""

SPELLED = {
    "PR#2": "astral PR 2:",
    "tar-fs-root": "(root entry)",
    "tar-fs-setuid": "(setuid bits)",
    "modern-tar-chain": "modern-tar 0.7.2 (symlink chain)",
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_fixed_bug_has_a_case(bug: str) -> None:
    words = SPELLED.get(bug, bug)
    assert [one.case.id for one in everything() if any(words in source for source in one.case.source)]


@functools.cache
def measured() -> tuple[tuple[Shelved, str, Made], ...]:
    """Every case with what our extractor makes of it now: strict first."""
    contestants, shelved = available(OURS), everything()
    with Pool(contestants, cells=1) as pool:
        made = run(pool, contestants, shelved)
    return tuple((one, name, made[name][one.case.id]) for one in shelved for name in OURS)


def test_our_extractor_does_what_is_recorded() -> None:
    """Fails when the extractor does something else than before.

    Look at it, then run `tarbiter check --record --with extractor-strict,extractor-compat`.
    """
    recorded = {name: baseline(os.path.join(ROOT, "results"), name, known(name).version) for name in OURS}
    differ = []
    for one, name, made in measured():
        before = recorded[name]
        assert before is not None
        was = before.cases.get(one.case.id)
        if was is None or was.archive != made.archive or parted(was, made):
            differ.append(f"{one.case.id}: {name}: {'not recorded' if was is None else parted(was, made)}")
    assert differ == []


def test_our_extractor_breaks_nothing_and_makes_no_tree_that_is_wrong() -> None:
    wrong = [
        f"{one.case.id}: {name}: {in_words(made)}"
        for one, name, made in measured()
        if made.never or (made.mark == "fail" and in_words(made) == "fails: another tree")
    ]
    assert wrong == []


def test_our_extractor_refuses_what_must_be_refused() -> None:
    wrong = [
        f"{one.case.id}: {name}"
        for one, name, made in measured()
        if one.case.expect.must == REFUSE and made.mark == "fail"
    ]
    assert wrong == []


def test_compat_takes_every_archive_that_has_one_meaning() -> None:
    wrong = [
        f"{one.case.id}: {in_words(made)}"
        for one, name, made in measured()
        if name == "extractor-compat" and made.mark == "fail"
    ]
    assert wrong == []
