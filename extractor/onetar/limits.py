"""Limits: how much an archive may ask for. Each stops one attack; `Limits` documents which."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What one archive may use. Everything is counted while reading, never taken from what a header declares."""

    output: int = 64 << 30
    """Bytes that compressed input may expand to. Stops decompression bombs."""
    ratio: int = 1100
    """How many times larger than the compressed input the output may be, once it is over `ratio_from` bytes.
    deflate cannot do more than 1032. Stops bombs of bzip2, xz and nested kinds early."""
    ratio_from: int = 64 << 20
    """Bytes of output from which on `ratio` is looked at."""
    extension: int = 1 << 20
    """Bytes of the extensions (pax bodies, GNU long names) of one member. They are held in memory. Stops "declared
    huge" headers."""
    members: int = 1 << 20
    """Members of one archive and directories that names imply before a member is one, together: each is
    remembered. Stops archives that fill the file system's inodes with empty files, or the memory with names."""
    path: int = 65_536
    """Bytes of one member's path or link target."""
    depth: int = 1024
    """Components of one path. Stops trees that no tool can remove."""
    memory: int = 40 << 20
    """Bytes that a decompressor may use for its window (xz, lzma, zstd). Stops small files that ask for all memory.
    `xz -9` needs 65 MiB, `zstd --long` 128 MiB."""
    sparse: int = 1 << 18
    """Pieces of one sparse file. Stops maps that fill the memory."""
    globals: int = 1 << 20
    """Bytes of all global extended headers together: they are held as long as the archive is read."""
