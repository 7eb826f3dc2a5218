"""When a contestant has had its time: on a machine that is busy with others, later."""

from __future__ import annotations

import os
import time

import pytest

from tarbiter.contest.worker.idle import BUSY, cpu_ns, out_of_time


@pytest.mark.parametrize(
    ("wall", "cpu", "over"),
    [
        pytest.param(3.9, 3.9, False, id="it has time left"),
        pytest.param(4.1, 4.0, True, id="it ran all the time"),
        pytest.param(4.1, 3.1, True, id="it ran most of the time"),
        pytest.param(4.1, 2.9, False, id="others ran"),
        pytest.param(4.0 * BUSY + 0.1, 0.0, True, id="there is an end to it"),
    ],
)
def test_out_of_time(wall: float, cpu: float, over: bool) -> None:
    assert out_of_time(wall, cpu, 4.0) == over


def test_the_clock_of_another_process() -> None:
    before = cpu_ns(os.getpid())
    ours = time.process_time_ns()
    while time.process_time_ns() - ours < 20_000_000:
        pass
    assert cpu_ns(os.getpid()) - before >= 20_000_000
    assert cpu_ns(2**22 - 1) == 0
