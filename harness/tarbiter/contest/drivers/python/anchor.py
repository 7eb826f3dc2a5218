"""An archive that what unpacks sdists takes as it is, though it cuts a leading folder that all names share."""

import contextlib
import tempfile
from collections.abc import Iterator

ANCHOR = "tarbiter-anchor"


@contextlib.contextmanager
def anchored(archive: str) -> Iterator[str]:
    """A copy of the archive with an empty file, ANCHOR, before its first member: with it no folder is shared."""
    with open(archive, "rb") as file:
        data = file.read()
    numbers = b"0000644\0" + b"0000000\0" * 2 + b"00000000000\0" * 2
    # The magic of what follows: some take no archive whose format changes.
    magic = data[257:265] if data[257:262] == b"ustar" else b"ustar\00000"
    header = bytearray(ANCHOR.encode().ljust(100, b"\0") + numbers + b" " * 8 + b"0" + bytes(100) + magic)
    header[148:156] = b"%06o\0 " % sum(header)
    with tempfile.NamedTemporaryFile(suffix=".tar") as copy:
        copy.write(header.ljust(512, b"\0") + data)
        copy.flush()
        yield copy.name
