"""HTML pages: one file each, with everything in it, no scripts, every text that goes in escaped.

Templates are in `templates/`. A page extends `base.html.j2`, which forbids the browser to load or run anything
(Content-Security-Policy), whatever an archive's names may hold. Text is escaped by Jinja2 without exception;
bytes have no way into a page but `console.name`, which leaves printable ASCII only.
"""

from __future__ import annotations

import contextlib
import os
import sys
from types import TracebackType

from jinja2 import Environment, PackageLoader, StrictUndefined

from ..archive.cases import InputError

TONES = {
    "extracted": "good",
    "partial": "warn",
    "refused": "info",
    "crashed": "bad",
    "hung": "bad",
    "over-limit": "bad",
    "flaky": "warn",
    "harness-fault": "bad",
    "pass": "good",
    "fail": "bad",
}
"""Which words are good and which are bad: the classes of a badge."""


def _size(count: int) -> str:
    """A number of bytes for people."""
    if count < 10_000:
        return f"{count} bytes" if count != 1 else "1 byte"
    for unit, factor in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    raise AssertionError(count)


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("harness.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["size"] = _size
    made.filters["tone"] = lambda word: TONES.get(word, "")
    return made


_templates = _environment()


def render(template: str, made_with: dict[str, str], **values: object) -> str:
    """The page that a template of this package makes of `values`. `made_with` stands at its foot."""
    return _templates.get_template(template).render(made_with=made_with, **values)


class Output:
    """A file that a long run will fill: that it can be written is known before the run begins.

    The file appears as a whole, or not at all. `-` is standard output. Raises InputError.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._part = f"{path}.{os.getpid()}.part"
        self._file = None
        if path == "-":
            return
        if os.path.isdir(path):
            raise InputError(path, "is a directory; name a file in it")
        try:
            self._file = open(self._part, "x", encoding="utf-8")  # noqa: SIM115  # closed by __exit__
        except OSError as error:
            raise InputError(path, f"cannot be written: {error.strerror}") from error

    def __enter__(self) -> Output:
        return self

    def write(self, page: str) -> None:
        """Make it the file's content. Raises InputError; nothing is left behind then."""
        if self._file is None:
            sys.stdout.write(page)
            return
        try:
            self._file.write(page)
            self._file.flush()
            os.fsync(self._file.fileno())
            os.replace(self._part, self.path)
        except OSError as error:
            raise InputError(self.path, f"cannot be written: {error.strerror}") from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):  # a full disk has been told by write
                self._file.close()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._part)
