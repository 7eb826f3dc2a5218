r"""Bytes and words as TOML: strings with `\\`, `\n` and `\xNN` escapes, arrays for long repetitions."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from .recipe import BLOCK

_VALID = re.compile(r"(?:[^\\]++|\\(?:x[0-9a-fA-F]{2}|n|\\))*+")
_ESCAPES = {byte: f"\\x{byte:02x}" for byte in range(256) if not 32 <= byte < 127} | {10: "\\n", 92: "\\\\"}
_TABLE = [_ESCAPES.get(byte, chr(byte)) for byte in range(256)]
_ODD = re.compile(rb"[^ -\[\]-~]")
"""What `escape` does not leave as it is."""
_NOT_BASIC = re.compile(rb"[^ !#-\[\]-~]")
"""What keeps bytes from being written between double quotes."""

CHUNK = 1 << 16
"""Bytes that are turned into text at a time."""


def escape(data: bytes) -> str:
    r"""Bytes as text: printable ASCII as it is, a backslash doubled, newline as `\n`, all else as `\xNN`."""
    return data.decode("ascii") if _ODD.search(data) is None else "".join(map(_TABLE.__getitem__, data))


def unescape(text: str) -> bytes:
    """What `escape` made a text of. Characters outside ASCII stand for their UTF-8 bytes.

    Raises ValueError for an escape that does not exist.
    """
    if "\\" not in text:
        return text.encode("utf-8")
    valid = _VALID.match(text)
    stop = valid.end() if valid else 0
    if stop < len(text):
        found = text[stop : stop + 2]
        raise ValueError(f"{found} is no escape; there are \\\\, \\n and \\xNN, and TOML's '...' leaves them alone")
    # Only escapes that Python has as well are left; every other byte it takes for Latin-1.
    return text.encode("utf-8").decode("unicode_escape").encode("latin-1")


PERIODS = range(1, 9)
"""Lengths in bytes of what is looked for as a repetition."""

TIMES = 32
"""Repetitions from which on they are told as such."""

_REACH = 1 << 20
"""Bytes that are compared with those behind them at a time; more than TIMES of the longest unit."""


class _Runs:
    """The repetitions in some bytes, the first one first, of several at one place that of the shortest unit.

    Where bytes repeat with a period, they are those that stand a period behind them: the bytes XOR themselves,
    moved by it, are zeros there. That is a few operations on large integers, far faster than a regular expression.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._starts = dict.fromkeys(PERIODS, -1)
        """For each period where its next run begins; before where we are: it is to be looked for."""
        self._windows = dict.fromkeys(PERIODS, (0, b""))

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        """First byte, length of the unit, times."""
        at = 0
        while at + TIMES <= len(self.data):
            for period in PERIODS:
                if self._starts[period] < at:
                    self._starts[period] = self._next(period, at)
            start, period = min((start, period) for period, start in self._starts.items())
            if start == len(self.data):
                return
            times = self._same(period, start) // period + 1
            yield start, period, times
            at = start + times * period

    def _window(self, period: int, at: int) -> tuple[int, bytes]:
        """The bytes from `at` on, and perhaps some before, XOR those a period behind; and where that begins."""
        start, window = self._windows[period]
        if not (start <= at and at + TIMES * period <= start + len(window)):
            data = self.data[at : at + _REACH + period]
            size = len(data) - period
            start = at
            window = (int.from_bytes(data[:size], "big") ^ int.from_bytes(data[period:], "big")).to_bytes(
                size, "big"
            )
            self._windows[period] = start, window
        return start, window

    def _next(self, period: int, at: int) -> int:
        """Where the next run begins; the length of the data: there is none."""
        zeros = bytes((TIMES - 1) * period)
        while at + TIMES * period <= len(self.data):
            start, window = self._window(period, at)
            found = window.find(zeros, at - start)
            if found >= 0:
                return start + found
            at = start + len(window) - len(zeros) + 1
        return len(self.data)

    def _same(self, period: int, start: int) -> int:
        """How many bytes from `start` on are those that stand a period behind them."""
        at = start
        while at + period < len(self.data):
            first, window = self._window(period, at)
            rest = window[at - first :]
            zeros = len(rest) - len(rest.lstrip(b"\0"))
            at += zeros
            if zeros < len(rest):
                break
        return at - start


BLOCKS = 32
"""Equal blocks in a row from which on they are a repetition. (The other repetitions are of few bytes.)"""


def _same_blocks(data: bytes) -> Iterator[tuple[int, int]]:
    """Runs of BLOCKS equal blocks and more: where, and how many. Those of few bytes that repeat are left out."""
    start, unit = 0, data[:BLOCK]
    for at in range(BLOCK, len(data) + BLOCK, BLOCK):
        block = data[at : at + BLOCK]
        if block == unit:
            continue
        times = (at - start) // BLOCK
        if times >= BLOCKS and unit != unit[:8] * (BLOCK // 8):
            yield start, times
        start, unit = at, block


def _elements(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Bytes, cut where something repeats: each piece, and how often it comes."""
    at = 0
    for start, times in _same_blocks(data) if len(data) >= BLOCKS * BLOCK else ():
        yield from _few_bytes(data[at:start])
        yield data[start : start + BLOCK], times
        at = start + times * BLOCK
    yield from _few_bytes(data[at:])


def _few_bytes(data: bytes) -> Iterator[tuple[bytes, int]]:
    at = 0
    for start, period, times in _Runs(data):
        if start > at:
            yield data[at:start], 1
        yield data[start : start + period], times
        at = start + period * times
    if at < len(data):
        yield data[at:], 1


def _quoted(data: bytes) -> Iterator[str]:
    literal = _NOT_BASIC.search(data) is not None
    yield "'" if literal else '"'
    for at in range(0, len(data), CHUNK):
        text = escape(data[at : at + CHUNK])
        yield text.replace("'", "\\x27") if literal else text
    yield "'" if literal else '"'


def bytes_pieces(data: bytes) -> Iterator[str]:
    """Bytes as a TOML string, or as an array of pieces where something repeats; the text comes bit by bit."""
    elements = _elements(data)
    first, second = next(elements, (b"", 1)), next(elements, None)
    if second is None and first[1] == 1:
        yield from _quoted(first[0])
        return
    yield "["
    for number, (piece, times) in enumerate(
        itertools.chain((first,), () if second is None else (second,), elements)
    ):
        yield ", " if number else ""
        if times == 1:
            yield from _quoted(piece)
            continue
        yield "{ of = "
        yield from bytes_pieces(piece)
        yield f", times = {times} }}"
    yield "]"


def toml(value: object) -> str:
    """A scalar as TOML: bytes are escaped, words are not. Raises TypeError for anything else."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case bytes():
            return "".join(bytes_pieces(value))
        case str():
            return words_toml(value)
        case _:
            raise TypeError(f"{type(value).__name__} has no place in a case")


def words_toml(text: str) -> str:
    """A TOML basic string of words (not of bytes)."""
    out = [
        {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t"}.get(char)
        or (char if char.isprintable() else f"\\U{ord(char):08x}")
        for char in text
    ]
    return '"' + "".join(out) + '"'
