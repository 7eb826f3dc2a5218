"""Two failures for one reason say the same, whatever the archive's names are."""

from __future__ import annotations

import pytest

from harness.judge.wording import reasons, said

from .observations import ended, extracted


@pytest.mark.parametrize(
    ("error", "want"),
    [
        ("", ""),
        ("failed to unpack `{dest}/a b`", "failed to unpack …"),
        ("bad octal in 'size': \"12\"\nmore", "bad octal in …"),
        ("checksum mismatch: 1234 != 5678", "checksum mismatch: …"),
        ("ENOENT: open {dest}/x/y", "ENOENT: open …"),
        ("(os error 17) when symlinking f to x.py", "(os error … when symlinking … to …"),
    ],
)
def test_a_message_without_its_values(error: str, want: str) -> None:
    assert said(error) == want


ARCHIVE = b"project\0beta-2\0a\0ustar\0"


@pytest.mark.parametrize(
    ("status", "error", "want"),
    [
        pytest.param(
            "refused",
            "tar: project: Cannot open: Not a directory",
            {"tar: project: Cannot open: Not … directory", "tar: … Cannot open: Not … directory"},
        ),
        pytest.param(
            "refused",
            "tar: a: Cannot open: Not a directory",
            {"tar: a: Cannot open: Not … directory", "tar: … Cannot open: Not … directory"},
        ),
        pytest.param(
            "partial",
            "tar: Skipping to next header\ntar: Exiting with failure status due to previous errors",
            {"tar: Skipping to next header"},
        ),
        pytest.param("partial", "bsdtar: Error exit delayed from previous errors.", set()),
        pytest.param("refused", "", set()),
        pytest.param("refused", "beta-2: not found", {"… not found"}),
    ],
)
def test_reasons(status: str, error: str, want: set[str]) -> None:
    assert reasons(ended("tar", status, error=error), ARCHIVE) == want


def test_a_crash_is_told_by_its_class() -> None:
    assert reasons(ended("tar", "crashed", error="a: b", error_class="KeyError"), b"") == {"KeyError"}
    assert reasons(extracted("tar", error="a warning"), b"") == frozenset()
