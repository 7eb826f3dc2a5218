"""A persistent driver that misbehaves, for the tests of the cell: its argument names what it does.

It needs nothing but Python, so these tests run everywhere.
"""

from __future__ import annotations

import json
import mmap
import os
import sys
import time
from typing import Any


def say(text: str) -> None:
    os.write(1, text.encode() + b"\n")


def answer(order: dict[str, Any], **more: object) -> None:
    say(json.dumps({"id": order["id"], "status": "ok", **more}))


def behave(order: dict[str, Any]) -> None:
    with open(order["archive"], "rb") as archive, open(f"{order['dest']}/file", "wb") as file:
        file.write(archive.read(10))
    answer(order, names=["66696c65"])


def here(order: dict[str, Any]) -> None:
    """Writes where it is called."""
    try:
        os.close(os.open("here", os.O_CREAT | os.O_WRONLY, 0o644))
    except OSError as error:
        answer(order, status="refused", error=str(error))
    else:
        answer(order)


def whoami(order: dict[str, Any]) -> None:
    """Writes as whom it runs."""
    with open(f"{order['dest']}/who", "wb") as file:
        file.write(b"%d" % os.geteuid())
    answer(order)


def crash(_order: dict[str, Any]) -> None:
    os.write(2, b"no more\n")
    os.kill(os.getpid(), 11)


def leave(_order: dict[str, Any]) -> None:
    sys.exit(3)


def spin(_order: dict[str, Any]) -> None:
    while True:
        pass


def sleep(_order: dict[str, Any]) -> None:
    time.sleep(1000)


def babble(_order: dict[str, Any]) -> None:
    say("I am no JSON")


def bad_name(order: dict[str, Any]) -> None:
    answer(order, names=["no hexadecimal"])


def bad_status(order: dict[str, Any]) -> None:
    answer(order, status="fine")


def no_status(order: dict[str, Any]) -> None:
    say(json.dumps({"id": order["id"]}))


def bad_field(order: dict[str, Any]) -> None:
    answer(order, error=5)


def twice(order: dict[str, Any]) -> None:
    behave(order)
    answer(order, status="refused", error="a late second answer")


def shout(order: dict[str, Any]) -> None:
    """More on standard error than any pipe holds."""
    os.write(2, b"x" * (1 << 20))
    behave(order)


def eat(_order: dict[str, Any]) -> None:
    """Takes all the memory it gets, without using it: that would take time."""
    hoard = []
    try:
        while True:
            hoard.append(mmap.mmap(-1, 1 << 26, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    except OSError as error:
        sys.exit(str(error))


def eat_together(_order: dict[str, Any]) -> None:
    """Little memory in each of several processes."""
    for _ in range(12):
        if os.fork() == 0:
            kept = bytearray(b"x") * (24 << 20)
            while kept:
                time.sleep(1000)
    os.wait()


def full(order: dict[str, Any]) -> None:
    answer(order, status="refused", error="ENOSPC: no space left on device, write")


def lists_for_ever(order: dict[str, Any]) -> None:
    """Extracts, and hangs when it is asked for a listing."""
    if order["list"]:
        spin(order)
    with open(f"{order['dest']}/file", "wb"):
        answer(order)


def limit(order: dict[str, Any]) -> None:
    answer(order, status="limit", error="OutOfMemoryError")


def bug(order: dict[str, Any]) -> None:
    answer(order, **{"status": "crashed", "class": "TypeError", "error": "x is not a function"})


def once(order: dict[str, Any]) -> None:
    """Answers the first request of its life only."""
    global behave_next  # noqa: PLW0603  # what a sticky error is
    if not behave_next:
        answer(order, **{"status": "crashed", "class": "sticky", "error": "I remember"})
        return
    behave_next = False
    behave(order)


def hog(order: dict[str, Any]) -> None:
    """Uses 48 MiB for its first request, and names a file of its own."""
    global behave_next  # noqa: PLW0603
    if behave_next:
        bytearray(b"x") * (48 << 20)
    behave_next = False
    with open(f"{order['dest']}/file", "wb") as file:
        file.write(b"x")
    answer(order, warnings=[f"{os.environ['TMPDIR']}/of/mine"])


def umask(order: dict[str, Any]) -> None:
    os.umask(order["umask"])
    behave(order)


behave_next = True

if __name__ == "__main__":
    how = sys.argv[1]
    if how == "dumb":
        sys.exit("I cannot start")
    say('{"tarbiter":2}' if how == "newer" else '{"tarbiter":1}')
    for line in sys.stdin.buffer:
        globals()[how](json.loads(line))
