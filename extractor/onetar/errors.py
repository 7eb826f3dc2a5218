"""Errors: whose fault it is is the type, what exactly it was is a stable code, where it was is a byte offset.

A `TarError` is the archive's fault. An `OSError` is the destination's (no space, no permission) and passes through
as it came, and an `ArgumentError` is the caller's. Anything else that escapes from this package is a bug in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .report import Report


class ArgumentError(ValueError):
    """The caller's fault: an argument that means nothing, or two that exclude each other."""


class TarError(Exception):
    """A bad archive. `offset` counts bytes from the start of the (uncompressed) archive.

    `code` is stable and made for programs, `field` the header field or pax key in question, `member` the path of
    the member when it is known, `report` what had been done until then (extract only).
    """

    def __init__(self, code: str, offset: int, detail: str, field: str = "", member: bytes | None = None) -> None:
        super().__init__(code, offset, detail, field, member)
        self.code, self.offset, self.detail, self.field, self.member = code, offset, detail, field, member
        self.report: Report | None = None

    def __str__(self) -> str:
        field = f", {self.field}" if self.field else ""
        member = f" ({ascii(self.member)[1:]})" if self.member is not None else ""
        return f"{self.code} at byte {self.offset:#x}{field}{member}: {self.detail}"


class FormatError(TarError):
    """The bytes are no tar archive, or stop being one."""


class CompressionError(TarError):
    """The compressed data is damaged. `offset` counts bytes of the compressed input that had been read."""


class LimitError(TarError):
    """The archive asks for more than the limits allow."""


class RefusedError(TarError):
    """The archive can be read, and the policy refuses it."""
