"""What the extractor's tests share."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def deep_path(tmp_path: Path) -> Iterator[Path]:
    """A directory that is removed even if a test fails and leaves a tree in it that is too deep for pytest."""
    path = tmp_path / "deep"
    path.mkdir()
    yield path
    subprocess.run(["rm", "-rf", path], check=True)
