r"""Bytes and words as TOML: strings with `\\`, `\n` and `\xNN` escapes, arrays for long repetitions."""

from __future__ import annotations

import re

from .recipe import BLOCK

_UNESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|n|\\|.?)", re.DOTALL)
_ESCAPES = {byte: f"\\x{byte:02x}" for byte in range(256) if not 32 <= byte < 127} | {10: "\\n", 92: "\\\\"}
_TABLE = {byte: _ESCAPES.get(byte, chr(byte)) for byte in range(256)}


def escape(data: bytes) -> str:
    r"""Bytes as text: printable ASCII as it is, a backslash doubled, newline as `\n`, all else as `\xNN`."""
    return data.decode("latin-1").translate(_TABLE)


def unescape(text: str) -> bytes:
    """What `escape` made a text of. Characters outside ASCII stand for their UTF-8 bytes.

    Raises ValueError for an escape that does not exist.
    """
    if "\\" not in text:
        return text.encode("utf-8")
    out, at = [], 0
    for match in _UNESCAPE.finditer(text):
        out.append(text[at : match.start()].encode("utf-8"))
        code = match[1]
        if code == "n":
            out.append(b"\n")
        elif code == "\\":
            out.append(b"\\")
        elif code.startswith("x") and len(code) == 3:
            out.append(bytes([int(code[1:], 16)]))
        else:
            raise ValueError(
                f"\\{code} is no escape; there are \\\\, \\n and \\xNN, and TOML's '...' leaves them alone"
            )
        at = match.end()
    out.append(text[at:].encode("utf-8"))
    return b"".join(out)


_RUN = re.compile(rb"(.{1,8}?)\1{31,}", re.DOTALL)
"""Thirty-two and more repetitions of up to eight bytes."""


def _quoted(text: str) -> str:
    if "\\" not in text and '"' not in text:
        return f'"{text}"'
    return "'" + text.replace("'", "\\x27") + "'"


BLOCKS = 32
"""Equal blocks in a row from which on they are a repetition. (`_RUN` finds repetitions of few bytes only.)"""


def _same_blocks(data: bytes) -> tuple[int, int]:
    """Where the longest run of equal blocks begins, and how many they are; 0, 0: there are fewer than BLOCKS."""
    found, start = (0, 0), 0
    blocks = [data[at : at + BLOCK] for at in range(0, len(data) - BLOCK + 1, BLOCK)]
    for index in range(1, len(blocks) + 1):
        if index == len(blocks) or blocks[index] != blocks[start]:
            if index - start >= BLOCKS and index - start > found[1]:
                found = (start * BLOCK, index - start)
            start = index
    return found


def bytes_toml(data: bytes) -> str:
    """Bytes as a TOML string, or as an array of pieces where something repeats."""
    if len(data) >= BLOCKS * BLOCK:
        at, times = _same_blocks(data)
        unit = data[at : at + BLOCK]
        if times and not _RUN.fullmatch(unit):
            stop = at + times * BLOCK
            around = [bytes_toml(piece) for piece in (data[:at], data[stop:])]
            middle = f"{{ of = {bytes_toml(unit)}, times = {times} }}"
            pieces = [around[0].removeprefix("[").removesuffix("]")] if at else []
            pieces += [middle, *([around[1].removeprefix("[").removesuffix("]")] if stop < len(data) else [])]
            return "[" + ", ".join(pieces) + "]"
    pieces, at = [], 0
    for match in _RUN.finditer(data) if len(data) >= 32 else ():
        if match.start() > at:
            pieces.append(_quoted(escape(data[at : match.start()])))
        unit = match[1]
        times = (match.end() - match.start()) // len(unit)
        pieces.append(f"{{ of = {_quoted(escape(unit))}, times = {times} }}")
        at = match.end()
    if not pieces:
        return _quoted(escape(data))
    if at < len(data):
        pieces.append(_quoted(escape(data[at:])))
    return "[" + ", ".join(pieces) + "]"


def toml(value: object) -> str:
    """A scalar as TOML: bytes are escaped, words are not. Raises TypeError for anything else."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case bytes():
            return bytes_toml(value)
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
