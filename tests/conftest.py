"""Hypothesis runs derandomised: the same examples on every machine, no deadline on a loaded one."""

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
