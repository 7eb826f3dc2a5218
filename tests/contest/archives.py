"""Small archives for the tests of the contest, built from recipes."""

from __future__ import annotations

from tarbiter.archive.encode import encode_bytes
from tarbiter.archive.recipe import Member, Recipe

PLAIN = encode_bytes(
    Recipe(
        parts=(
            Member(kind="dir", name=b"d/", mode=0o755, mtime=1_000_000_000),
            Member(name=b"d/f", data=b"contents\n", mode=0o640, mtime=1_000_000_001),
            Member(kind="symlink", name=b"d/l", linkname=b"f", mtime=1_000_000_002),
            Member(kind="hardlink", name=b"h", linkname=b"d/f", mode=0o640, mtime=1_000_000_001),
        )
    )
)
CLIMBING = encode_bytes(Recipe(parts=(Member(name=b"../canary/new", data=b"x"),)))
ABSOLUTE = encode_bytes(Recipe(parts=(Member(kind="symlink", name=b"l", linkname=b"/nowhere"), Member(name=b"f"))))
NOT_TAR = b"this is no archive" * 100
EMPTY = b""
LONG = encode_bytes(
    Recipe(parts=tuple(Member(name=b"%0100d" % number, data=b"%d" % number * 600) for number in range(3)))
)
"""Names that fill their field, and bodies that end inside a block."""
CUT = LONG[: 512 + 100]
"""Ends inside the first body."""
ODD_NAME = encode_bytes(Recipe(parts=(Member(name=b"a\\b\nc\xc3\xa9", data=b"x"),)))
FAR_TIME = encode_bytes(Recipe(parts=(Member(name=b"f", mtime=1 << 62), Member(name=b"g", mtime=-(1 << 62)))))
"""Times that a file system takes and 64 bits of nanoseconds do not."""
