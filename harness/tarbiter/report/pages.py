"""HTML pages: one file each, with everything in it, no scripts, every text that goes in escaped.

Templates are in `templates/`. A page extends `base.html.j2`, which forbids the browser to load or run anything
(Content-Security-Policy), whatever an archive's names may hold. Text is escaped by Jinja2 without exception;
bytes have no way into a page but `console.name`, which leaves printable ASCII only.
"""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

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
        loader=PackageLoader("tarbiter.report", "templates"),
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
