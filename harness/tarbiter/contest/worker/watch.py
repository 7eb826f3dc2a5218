"""What a cell's supervisor knows of its worker: memory that both share, in which the worker says where it is."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple


class Watch:
    """What worker and supervisor share: until when the worker may be silent, and what it is doing."""

    _FORM = struct.Struct("<dIIIBBBBI")
    _WORDS = 2048

    def __init__(self, memory: Any) -> None:
        self._memory = memory
        self.batch = 0
        """The batch that this process is at work on; 0: none."""
        self.set(0.0, 0, 0)

    def set(
        self,
        deadline: float,
        job: int,
        contestant: int,
        *,
        sending: bool = False,
        around: bool = False,
        relinked: bool = False,
        inside: bool = False,
        served: int = 0,
    ) -> None:
        """Say where the worker is. `deadline` is on the monotonic clock, 0 for none."""
        self._FORM.pack_into(
            self._memory, 0, deadline, self.batch, job, contestant, sending, around, relinked, inside, served
        )

    def get(self) -> Where:
        """Where the worker is."""
        return Where(*self._FORM.unpack_from(self._memory, 0))

    def say(self, words: str) -> None:
        """Leave last words: the worker ends by a fault of its own."""
        text = words.encode("utf-8", "backslashreplace")[-self._WORDS :]
        start = self._FORM.size
        self._memory[start : start + self._WORDS] = text.ljust(self._WORDS, b"\0")

    def last_words(self) -> str:
        """What `say` left."""
        start = self._FORM.size
        return bytes(self._memory[start : start + self._WORDS]).rstrip(b"\0").decode("utf-8", "replace")


class Where(NamedTuple):
    """What a worker was doing when it was last heard of."""

    deadline: float
    """0: nothing that can take too long, and no contestant is running."""
    batch: int
    """0: none has arrived yet."""
    job: int
    contestant: int
    sending: bool
    """A frame is on its way."""
    around: bool
    """The contestant has ended, and its tree is being looked at."""
    relinked: bool
    """The world itself linked files outside into the destination."""
    inside: bool
    """The contestant runs in the worker itself."""
    served: int
    """The place of the persistent driver that has been asked, from 1; 0: none."""
