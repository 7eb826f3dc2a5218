"""The driver protocol: a line of JSON with an archive in, a line that tells how it went out."""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Order = dict[str, Any]
else:
    Order = dict  # what is older than 3.9 cannot say more, and some contestants are: it runs on 3.7


def pieces(order: Order) -> Iterator[bytes]:
    """The archive in pieces as the schedule says."""
    with open(order["archive"], "rb") as file:
        data = file.read()
    sizes = [size for size in order["chunks"] if size > 0] or [len(data)]
    at = turn = 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        yield data[at : at + size]
        at, turn = at + size, turn + 1


def serve(
    extract: Callable[[Order], None],
    names: Callable[[Order], list[bytes]] | None = None,
    refusals: tuple[type[BaseException], ...] = (),
) -> None:
    """Answer requests until standard input ends. OSError and `refusals` are promised; anything else is a crash."""
    say = os.fdopen(os.dup(1), "w", encoding="ascii", buffering=1)
    os.dup2(2, 1)  # libraries print
    print('{"tarbiter":1}', file=say)
    for line in sys.stdin:
        order = json.loads(line)
        answer: dict[str, Any] = {"id": order["id"], "status": "ok"}
        os.umask(order["umask"])
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            try:
                os.stat(order["archive"])
                extract(order)
            except MemoryError as error:
                answer.update({"status": "limit", "class": "MemoryError", "error": str(error)})
            except BaseException as error:  # noqa: BLE001  # whatever a library raises is its answer
                status = "refused" if isinstance(error, (OSError, *refusals)) else "crashed"
                answer.update({"status": status, "class": type(error).__name__, "error": str(error)})
        answer["warnings"] = [f"{one.category.__name__}: {one.message}" for one in heard[:20]]
        if order["list"] and names is not None:
            try:
                answer["names"] = [name.hex() for name in names(order)]
            except Exception as error:  # noqa: BLE001  # how it extracted has been told already
                sys.stderr.write(f"{error}\n")
        print(json.dumps(answer), file=say)
    say.flush()
    # Without the interpreter's own ending: a library's threads may still use what that takes down.
    os._exit(0)
