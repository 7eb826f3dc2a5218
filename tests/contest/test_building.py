"""What installing leaves in the cache when it is killed, and who takes it away."""

from __future__ import annotations

import fcntl
from pathlib import Path

from tarbiter.contest.installed import building


def test_what_a_killed_installation_left_is_removed(tmp_path: Path) -> None:
    for name in ("killed@1.2-ab", "running@1.2-cd"):
        (tmp_path / f".{name}.part" / "target").mkdir(parents=True)
        (tmp_path / f".{name}.lock").touch()
    (tmp_path / "installed@1.0-ef").mkdir()
    with (tmp_path / ".running@1.2-cd.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        building._sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == [
        ".running@1.2-cd.part",
        "installed@1.0-ef",
    ]
