"""Names that commands print are taken out of their escapes."""

from __future__ import annotations

import pytest

from harness.contest.command import unescaped


@pytest.mark.parametrize(
    ("printed", "name"),
    [
        (b"plain", b"plain"),
        (rb"a\\b", b"a\\b"),
        (rb"a\nb\tc", b"a\nb\tc"),
        (rb"\303\251", b"\xc3\xa9"),
        (rb"\a\b\f\r\v", b"\a\b\f\r\v"),
        (rb"\\n", b"\\n"),
        (rb"\0011", b"\x011"),
        pytest.param(b"end\\", b"end\\", id="a backslash at the end"),
    ],
)
def test_unescaped(printed: bytes, name: bytes) -> None:
    assert unescaped(printed) == name
