"""Selection: which members of an archive are wanted, and how many leading components their names lose."""

from __future__ import annotations

from collections.abc import Iterable

from .errors import ArgumentError


def clean(path: bytes) -> list[bytes]:
    """The components of a path that mean anything; `..` stays."""
    return [part for part in path.split(b"/") if part and part != b"."]


class Selection:
    """What the caller wants of one archive.

    `only` are names as the archive has them (`./`, doubled and trailing slashes do not matter): a member is wanted
    when it is one of them or lies below one; no names: everything is. `strip_components` is how many leading
    components of a wanted member's name, and of a hard link's target, are taken off before anything is decided.
    Raises ArgumentError for a negative number and for a name that means nothing.
    """

    def __init__(self, only: Iterable[bytes | str] | None = None, strip_components: int = 0) -> None:
        if strip_components < 0:
            raise ArgumentError(f"strip_components is 0 or more, not {strip_components}")
        if isinstance(only, bytes | str):
            raise ArgumentError("only is a list of names, not one name")
        self.strip = strip_components
        self._missing: dict[bytes, bytes] = {}
        for name in only or ():
            given = name.encode("utf-8", "surrogateescape") if isinstance(name, str) else name
            parts = clean(given)
            if not parts:
                raise ArgumentError(f"only: {name!r} names no member")
            self._missing[b"/".join(parts)] = given
        self._only = frozenset(self._missing)
        self.active = bool(self._only) or strip_components > 0

    def wants(self, parts: list[bytes]) -> bool:
        """Whether the member whose name has these components is wanted."""
        if not self._only:
            return True
        for length in range(1, len(parts) + 1):
            name = b"/".join(parts[:length])
            if name in self._only:
                self._missing.pop(name, None)
                return True
        return False

    def missing(self) -> list[bytes]:
        """Names that were asked for, and that no member had so far, as they were given."""
        return list(self._missing.values())
