"""Ways for an archive to arrive: where reads can end that might split what belongs together.

A schedule's chunks are used in turn and again from the start, so the last one says how the rest arrives.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..archive.recipe import BLOCK
from ..archive.wire import FORMATS
from .choices import Choices, below, pick

FIELD_EDGES = tuple(
    sorted({edge for fields in FORMATS.values() for one in fields for edge in (one.start, one.stop)} - {0})
)
"""Bytes of a header block at which some field of some format begins or ends."""

STEPS = (1, 2, 3, 7, 100, 511, 512, 513, 1000, 1023, 1024, 1025, 4096, 8192, 10240, 32768, 65536)
"""Fixed sizes of reads: single bytes, around one block and two, a page, a record, usual buffers."""

REST = 1 << 20
"""A read that takes what is left of nearly every archive."""


def cut_at(edges: Sequence[int], rest: int = REST) -> tuple[int, ...]:
    """Chunks that end a read at each of the edges (offsets from the start, in order), then at most `rest` bytes."""
    chunks: list[int] = []
    at = 0
    for edge in sorted({one for one in edges if one > 0}):
        chunks.append(edge - at)
        at = edge
    return (*chunks, rest)


def chunks(choices: Choices, size: int) -> tuple[int, ...]:
    """Reads of an archive of `size` bytes: fixed steps, ends at field and block edges or just past, or random."""
    how = below(choices, 4)
    blocks = max(size // BLOCK, 1)
    if how == 0:
        return (pick(choices, STEPS),)
    if how == 1:
        block = below(choices, min(blocks, 32))
        edge = BLOCK * block + pick(choices, FIELD_EDGES)
        return cut_at((edge, edge + pick(choices, (1, 2, 512))))
    if how == 2:
        return cut_at([BLOCK * (1 + below(choices, min(blocks, 32))) + pick(choices, (-1, 0, 1)) for _ in range(3)])
    return tuple(1 + below(choices, pick(choices, (4, 600, 3000))) for _ in range(1 + below(choices, 8)))
