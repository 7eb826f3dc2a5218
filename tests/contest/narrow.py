"""Limits that contestants in tests run into soon."""

from __future__ import annotations

from tarbiter.contest.pool import Limits

from .hostile import TIME_S

LIMITS = Limits(
    time_s=TIME_S,
    memory=256 << 20,
    together=320 << 20,
    disk=64 << 20,
    inodes=3000,
    file_size=32 << 20,
    processes=40,
)
