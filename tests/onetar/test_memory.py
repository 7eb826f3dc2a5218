"""64 MiB for a million members: what each costs is measured where it is the same for every further one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PROMISED = 64
"""MiB at the peak of a process that does nothing else."""
MEMBERS = 1_000_000
LEARN, STOP = 140_000, 220_000
"""From the first of these on no part of the extractor works otherwise than before."""

PROGRAM = """
import re, sys
from hashlib import blake2b
from onetar import check, members

how, policy, shape = sys.argv[1:]
learn, stop = LEARN, STOP

def name(number):
    folder = b"D%04d/" % (number // 1000)
    if shape == "short":
        return folder + b"file-%07d" % number
    return folder + blake2b(b"%d" % number, digest_size=40).hexdigest().encode()

def header(number):
    block = bytearray(512)
    path = name(number)
    block[:len(path)] = path
    block[100:148] = b"0000644\\0" + b"0000000\\0" * 2 + b"00000000000\\0" + b"07346545000\\0"
    block[148:157] = b"        0"
    block[257:265] = b"ustar\\x0000"
    block[148:156] = b"%06o\\0 " % sum(block)
    return bytes(block)

def peak():
    # Not ru_maxrss: a process begins with that of the one it was forked from.
    return re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1]

def source():
    for start in range(0, stop, 400):
        if start == learn:
            print(peak())
        yield b"".join(map(header, range(start, start + 400)))
    print(peak())
    yield bytes(1024)

if how == "members":
    for member in members(source()):
        pass
else:
    assert check(source(), policy=policy).count("listed") == stop
print(peak())
""".replace("LEARN", str(LEARN)).replace("STOP", str(STOP))


@pytest.mark.parametrize(
    ("how", "policy", "shape"),
    [
        ("members", "strict", "short"),
        ("check", "compat", "noise"),
        ("check", "strict", "short"),
    ],
)
def test_a_million_members(tmp_path: Path, how: str, policy: str, shape: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, how, policy, shape],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "extractor")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, last, end = (int(line) / 1024 for line in done.stdout.split())
    expected = end + (last - first) / (STOP - LEARN) * (MEMBERS - STOP)
    assert expected < PROMISED, (first, last, end)
