"""Hypothesis runs derandomised: the same examples on every machine, no deadline on a loaded one."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

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
