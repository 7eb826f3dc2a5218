"""Safe, streaming extraction of tar archives.

    from onetar import extract
    report = extract("sdist.tar.gz", "build/", policy="strict")

`strict` accepts only archives that have one meaning, `compat` what the usual extractors agree on. Neither writes
outside its destination, follows a link, or keeps quiet about what it changed.
"""

from .drivers import check, extract, extract_async, members
from .errors import ArgumentError, CompressionError, FormatError, LimitError, RefusedError, TarError
from .events import ArchiveEnd, Data, Kind, Member, Need
from .extraction import Extraction, Options
from .limits import Limits
from .parser import Parser
from .report import Note, Report
from .store.rows import Row, Rows

__all__ = [
    "ArchiveEnd",
    "ArgumentError",
    "CompressionError",
    "Data",
    "Extraction",
    "FormatError",
    "Kind",
    "LimitError",
    "Limits",
    "Member",
    "Need",
    "Note",
    "Options",
    "Parser",
    "RefusedError",
    "Report",
    "Row",
    "Rows",
    "TarError",
    "check",
    "extract",
    "extract_async",
    "members",
]
