"""What a parser gives: members, pieces of their bodies, the end. Every event tells the bytes it accounts for."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from .layout import Header
from .sparse import SparseMap


class Need(enum.Enum):
    """The parser cannot go on without more input."""

    DATA = "data"


class Kind(enum.StrEnum):
    """What a member is, as far as extracting it goes."""

    FILE = "file"
    DIR = "dir"
    SYMLINK = "symlink"
    HARDLINK = "hardlink"
    CHAR = "char"
    BLOCK = "block"
    FIFO = "fifo"
    SPARSE = "sparse"
    OTHER = "other"
    """A type that is not extracted: volume labels, continuations, dump directories."""


@dataclass(frozen=True, slots=True)
class Extension:
    """One extended header: its typeflag (x, g, X, L or K), its header, its body, and where its header begins."""

    typeflag: bytes
    header: Header
    body: bytes
    offset: int
    dialect: str


@dataclass(slots=True)
class Member:
    """One entry, with every long name and pax record already applied.

    Paths are bytes as stored: not decoded, not cleaned.
    """

    path: bytes
    kind: Kind
    size: int
    """Bytes of body that follow as `Data`."""
    linkname: bytes
    mode: int
    mtime_ns: int
    offset: int
    """Where its first byte is: of its first extension, or of its header."""
    header_offset: int
    header: Header
    dialect: str
    uid: int = 0
    gid: int = 0
    pax: dict[bytes, bytes] = field(default_factory=dict)
    """The pax records in force for it, global ones included."""
    extensions: tuple[Extension, ...] = ()
    number: int = 0
    """1 for the first member."""
    sparse: SparseMap | None = None
    """Of a sparse file: where the bytes of its body belong."""
    map_size: int = 0
    """Bytes of a sparse map between header and body."""

    @property
    def span(self) -> range:
        """Archive bytes of its extensions, its header and its sparse map."""
        return range(self.offset, self.header_offset + 512 + self.map_size)

    @property
    def length(self) -> int:
        """Bytes of the file: its size, or with its holes."""
        return self.size if self.sparse is None else self.sparse.realsize


@dataclass(slots=True)
class Data:
    """A piece of the body of the latest member. `data` is only valid until the next call of the parser."""

    data: memoryview
    offset: int
    last: bool
    """The body is complete with it. A member without a body has no Data."""


@dataclass(frozen=True, slots=True)
class ArchiveEnd:
    """The archive has ended.

    `offset` is the first byte behind its last member, `blocks` the zero blocks there (two, unless the input ended
    earlier), `dangling` the extensions that no member followed.
    """

    offset: int
    blocks: int
    dangling: tuple[Extension, ...] = ()
    globals_: tuple[Extension, ...] = ()


Event = Member | Data | ArchiveEnd | Need
