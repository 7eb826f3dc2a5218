"""Safe, streaming extraction of tar archives.

    from extractor import extract
    report = extract("sdist.tar.gz", "build/", policy="strict")

`strict` accepts only archives that have one meaning, `compat` what the usual extractors agree on. Neither writes
outside its destination, follows a link, or keeps quiet about what it changed.
"""

from .drivers import Extraction, extract, extract_async, members
from .errors import CompressionError, FormatError, LimitError, RefusedError, TarError
from .events import ArchiveEnd, Data, Kind, Member, Need
from .limits import Limits
from .parser import Parser
from .report import Report, Row

__all__ = [
    "ArchiveEnd",
    "CompressionError",
    "Data",
    "Extraction",
    "FormatError",
    "Kind",
    "LimitError",
    "Limits",
    "Member",
    "Need",
    "Parser",
    "RefusedError",
    "Report",
    "Row",
    "TarError",
    "extract",
    "extract_async",
    "members",
]
