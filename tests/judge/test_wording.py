"""Two failures for one reason say the same, whatever the archive's names are."""

from __future__ import annotations

import pytest

from tarbiter.judge.wording import reasons, said, telling

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


@pytest.mark.parametrize(
    ("error", "want"),
    [
        pytest.param("", "", id="empty"),
        pytest.param("\n \n", "", id="blank"),
        pytest.param("one\ntwo", "one", id="first"),
        pytest.param(
            "Using CPython 3.11.7 interpreter at: {home}/venv/bin/python\n"
            "error: Failed to build `anchored @ file://{tmp}/anchored-1.0.tar.gz`\n"
            "  cause: Failed to extract archive: anchored @ file://{tmp}/anchored-1.0.tar.gz\n"
            "  cause: Invalid tar file\n"
            '  cause: at byte 512: unsafe member path "../x": contains a parent-directory component',
            'at byte 512: unsafe member path "../x": contains a parent-directory component',
            id="uv",
        ),
        pytest.param("Using CPython 3.11.7 interpreter at: /x\nerror: no room", "error: no room", id="uv-alone"),
        pytest.param("ERRORS:\nHeaders Error", "Headers Error", id="7zip"),
        pytest.param(
            "\nERRORS:\nUnexpected end of archive\n"
            "\nERROR: Data Error : b", "Unexpected end of archive", id="7zip-2",
        ),
        pytest.param(
            "7-Zip (z) 26.02 (x64)\nScanning the drive for archives:\n"
            "Extracting archive: x\n--\nPath = x\nERROR: x is bad",
            "ERROR: x is bad",
            id="7zip-banner",
        ),
        pytest.param(
            "Error while expanding {archive}\n"
            "java.io.IOException: Corrupted TAR archive.\n\tat org.apache.X.y(X.java:1)",
            "java.io.IOException: Corrupted TAR archive.",
            id="ant",
        ),
        pytest.param(
            'Exception in thread "main" a.B: outer\n\tat a.B.c(B.java:1)\n'
            'Caused by: a.C: inner\n\tat a.C.d(C.java:2)',
            "a.C: inner",
            id="java-cause",
        ),
        pytest.param(
            "tar: Removing leading `../\' from member names\ntar: ../x: Member name contains \'..\'\n"
            "tar: Exiting with failure status due to previous errors",
            "tar: ../x: Member name contains \'..\'",
            id="gnu-tar",
        ),
        pytest.param(
            "tar: Skipping to next header\ntar: Exiting with failure status\n"
            "dpkg-deb: error: tar subprocess returned error exit status 2",
            "tar: Skipping to next header",
            id="dpkg-deb",
        ),
        pytest.param("dpkg-deb: error: tar subprocess returned error exit status 2",
            "dpkg-deb: error: tar subprocess returned error exit status 2", id="nothing-else"),
        pytest.param(
            "warming up\nTraceback (most recent call last):\n"
            "  File \"x\", line 1\n    boom\n    ^^^^\nValueError: no\nat all",
            "ValueError: no",
            id="python",
        ),
        pytest.param("Traceback (most recent call last):\n  File", "File", id="torn-traceback"),
        pytest.param(
            "\nthread \'main\' panicked at src/main.rs:3:5:\n"
            "index out of bounds\nnote: run with `RUST_BACKTRACE=1`",
            "index out of bounds",
            id="rust",
        ),
        pytest.param("cause:\nno more", "cause:", id="cause-of-nothing"),
    ],
)  # fmt: skip
def test_the_line_that_tells(error: str, want: str) -> None:
    assert telling(error) == want
