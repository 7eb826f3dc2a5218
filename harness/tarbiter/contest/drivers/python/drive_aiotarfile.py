"""Reads with aiotarfile and writes what it gives, as its users do: it has no extraction of its own."""

import asyncio
import os
from collections.abc import Iterator
from importlib import import_module

from protocol import Order, pieces, serve  # type: ignore[import-not-found]  # it lies beside this file

aiotarfile = import_module("aiotarfile")
Type = aiotarfile.TarfileEntryType


class Stream:
    """The archive, in reads as short as the schedule says; with pauses, each comes a turn of the loop later."""

    def __init__(self, order: Order) -> None:
        self.pieces: Iterator[bytes] = pieces(order)
        self.rest, self.pause = b"", order["pause"]

    async def read(self, size: int) -> bytes:
        """At most `size` bytes."""
        if self.pause:
            await asyncio.sleep(0)
        self.rest = self.rest or next(self.pieces, b"")
        piece, self.rest = self.rest[:size], self.rest[size:]
        return piece


async def _extract(order: Order) -> None:
    dest = os.fsencode(order["dest"])
    async with await aiotarfile.open_rd(Stream(order)) as archive:
        async for entry in archive:
            path = os.path.normpath(os.path.join(dest, entry.name()))
            if path != dest and not path.startswith(dest + b"/"):
                raise OSError(f"{entry.name()!r} leaves the destination")
            kind = entry.entry_type()
            os.makedirs(path if kind == Type.Directory else os.path.dirname(path), exist_ok=True)
            if kind == Type.Symlink:
                os.symlink(entry.link_target(), path)
            elif kind == Type.Link:
                os.link(os.path.join(dest, entry.link_target()), path)
            elif kind != Type.Directory:
                with open(path, "wb") as file:
                    file.write(await entry.read())


async def _names(order: Order) -> list[bytes]:
    async with await aiotarfile.open_rd(Stream(order)) as archive:
        return [entry.name() async for entry in archive]


serve(
    lambda order: asyncio.run(_extract(order)),
    lambda order: asyncio.run(_names(order)),
    refusals=(aiotarfile.AioTarfileError,),
)
