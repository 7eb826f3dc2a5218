"""Expectations as TOML: written in canonical form, and read with the keys of every fault.

    [expect]
    must = [
        { name = "a", data = "x" },
        { type = "symlink", name = "l", link = "a" },
    ]

`must = "refuse"` is a refusal; several defensible outcomes are tables `[[expect.may]]`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .escapes import toml
from .expect import ENTRY_TYPES, REFUSE, Entry, Expect, Outcome, Reading
from .reading import FaultError, Place, Reader, kind_of, nearest


def _entry(entry: Entry) -> str:
    fields = [f'type = "{entry.type}"'] if entry.type != "file" else []
    for name in ("name", "data", "link", "same", "mode", "mtime"):
        value = getattr(entry, name)
        if value is not None:
            fields.append(f"{name} = " + (f"0o{value:o}" if name == "mode" else toml(value)))
    return "{ " + ", ".join(fields) + " }"


def _outcome(key: str, outcome: Outcome) -> Iterator[str]:
    if outcome == REFUSE:
        yield f'{key} = "refuse"'
    elif not outcome:
        yield f"{key} = []"
    else:
        yield f"{key} = ["
        yield from (f"    {_entry(entry)}," for entry in outcome)
        yield "]"


def lines(expect: Expect) -> Iterator[str]:
    """The TOML lines of an expectation, each table with an empty line before it."""
    if expect == Expect():
        return
    if expect.must is not None or expect.absent:
        yield from ("", "[expect]")
    if expect.must is not None:
        yield from _outcome("must", expect.must)
    if expect.absent:
        yield f"absent = [{', '.join(map(toml, expect.absent))}]"
    for reading in expect.may:
        yield from ("", "[[expect.may]]", f"name = {toml(reading.name)}")
        if reading.why:
            yield f"why = {toml(reading.why)}"
        yield from _outcome("tree", reading.tree)


class ExpectReader(Reader):
    """Reads `[expect]`."""

    def entry(self, value: object, path: Place) -> Entry:
        """One name of a tree."""
        readers = {
            "type": self.text,
            **dict.fromkeys(("name", "data", "link", "same"), self.bytes_),
            "mode": self.mode,
            "mtime": self.integer,
        }
        found = self.struct(value, path, readers)
        if "name" not in found:
            raise FaultError(path, "an entry of a tree needs a name")
        type_ = found.get("type", "file")
        if type_ not in ENTRY_TYPES:
            raise FaultError((*path, "type"), f"{type_!r} is no type of file{nearest(type_, ENTRY_TYPES)}")
        for key, only_for in (("data", "file"), ("link", "symlink")):
            if key in found and type_ != only_for:
                raise FaultError((*path, key), f"a {type_} has no {key}: that is a {only_for}'s")
        return Entry(**found)

    def outcome(self, value: object, path: Place) -> Outcome:
        """A tree, or `refuse`."""
        if value == REFUSE:
            return REFUSE
        if not isinstance(value, list):
            raise FaultError(path, f'expected an array (the tree) or "refuse", found {kind_of(value)}')
        tree: tuple[Entry, ...] = self.items(value, path, self.entry)
        seen: set[bytes] = set()
        for index, entry in enumerate(tree):
            if entry.name in seen:
                raise FaultError((*path, index, "name"), f"{entry.name!r} is in this tree already")
            seen.add(entry.name)
        return tree

    def reading(self, value: object, path: Place) -> Reading:
        """One defensible outcome."""
        found = self.struct(value, path, {"name": self.text, "why": self.text, "tree": self.outcome})
        for key in ("name", "tree"):
            if key not in found:
                raise FaultError(path, f"a reading needs a {key}")
        return Reading(**found)

    def expect(self, value: object, path: Place) -> Expect:
        """The whole expectation. Raises FaultError when it contradicts itself."""
        readers: dict[str, Any] = {
            "must": self.outcome,
            "may": lambda item, where: self.items(item, where, self.reading),
            "absent": lambda item, where: self.items(item, where, self.bytes_),
        }
        found = self.struct(value, path, readers)
        may = found.get("may", ())
        if may and "must" in found:
            raise FaultError((*path, "may"), "what must be leaves nothing that may be: say one of the two")
        if "may" in found and len(may) < 2:
            raise FaultError((*path, "may"), "one reading alone is a must; say must, or two readings at least")
        names = [reading.name for reading in may]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise FaultError((*path, "may", index, "name"), f"two readings are called {name!r}")
        return Expect(**found)
