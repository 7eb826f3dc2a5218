"""Hypothesis runs derandomised: the same examples on every machine, no deadline on a loaded one."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Tests start some thousand interpreters (cells, drivers, commands). Where the environment forbids compiled files,
# each of them would spend half of its time on compiling: they are kept where pytest keeps what is its own.
BYTECODE = Path(__file__).parent.parent / ".pytest_cache" / "bytecode"
if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix = str(BYTECODE)
    sys.dont_write_bytecode = False

settings.register_profile(
    "ci",
    derandomize=True,
    deadline=None,
    max_examples=100,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],  # machines are shared: slowness says nothing about the strategy
)
settings.load_profile("ci")


@pytest.fixture(autouse=True)
def same_directory() -> Iterator[None]:
    """No test leaves the next one elsewhere: a snapshot ends in `/`, as it should in a cell."""
    where = os.getcwd()
    yield
    os.chdir(where)
