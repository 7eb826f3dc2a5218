"""The ledger: divergences that we know and accept, each with a reason, in one TOML file.

    [[accepted]]
    id = "slash-on-a-file"
    signature = "901c5d2eb1"                         what it is about: a finding's id,
    invariant = "no-smuggling"                       or the invariant it breaks
    causes = ["file name: slash at the end"]         and all causes it may have
    contestants = { gnu-tar = "<2", tarfile-data = ">=3.11,<3.15" }
    reason = "Typeflag 0 with a slash is a directory for GNU tar since 1987."
    link = "https://www.gnu.org/software/tar/manual/html_node/Standard.html"
    date = 2026-11-24

An entry covers the versions it names (specifiers as of PEP 440): a version outside its range opens the finding
again. An entry that matches nothing any more is stale, and told.
"""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from ..errors import UserError
from .invariants import DISAGREEMENT, RANKS


class LedgerError(UserError):
    """A ledger that cannot be used: `where`, which entry, what is wrong, what was expected."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One accepted divergence. Either `signature`, or `causes` (with or without `invariant`), says which."""

    id: str
    reason: str
    date: datetime.date
    signature: str = ""
    invariant: str = ""
    causes: tuple[str, ...] = ()
    contestants: dict[str, str] = {}
    """Contestant to version specifier, PEP 440; a contestant that is not named may have any version."""
    link: str = ""

    def matches(self, signature: str, invariant: str, causes: Sequence[str]) -> bool:
        """Whether a finding is what this entry is about, whatever the versions."""
        if self.signature:
            return signature == self.signature
        return self.invariant in ("", invariant) and bool(causes) and set(causes) <= set(self.causes)

    def uncovered(self, versions: Mapping[str, str]) -> tuple[str, ...]:
        """Contestants at a version outside the range that was accepted, as `name version`."""
        return tuple(
            f"{name} {versions[name]}"
            for name, specifier in self.contestants.items()
            if name in versions and not _inside(versions[name], specifier)
        )


class Verdict(msgspec.Struct, frozen=True):
    """What the ledger says of a finding: the entry that is about it, and why it does not cover it after all."""

    entry: Entry | None = None
    uncovered: tuple[str, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether nobody needs to look at it."""
        return self.entry is not None and not self.uncovered


def _inside(version: str, specifier: str) -> bool:
    """Whether a version is in a range. One that PEP 440 cannot read is in the empty range and in `===` itself."""
    try:
        return Version(version) in SpecifierSet(specifier, prereleases=True)
    except InvalidVersion:
        return specifier in ("", f"==={version}")


class Ledger:
    """The entries of a ledger. `verdict` also notes which of them matched, for `stale`."""

    def __init__(self, path: str = "", entries: Sequence[Entry] = ()) -> None:
        self.path, self.entries = path, tuple(entries)
        self._matched: set[str] = set()

    @classmethod
    def load(cls, path: str) -> Ledger:
        """The ledger in the file `path`. Raises LedgerError: unreadable, not TOML, a field too many or too few."""
        try:
            document = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise LedgerError(path, f"cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise LedgerError(path, f"not UTF-8 at byte {error.start:#x}") from None
        except tomllib.TOMLDecodeError as error:
            raise LedgerError(path, f"not TOML: {error}") from None
        unknown = sorted(set(document) - {"accepted"})
        rows = document.get("accepted", [])
        if unknown or not isinstance(rows, list):
            raise LedgerError(
                path, f"holds [[accepted]] tables and nothing else, not {', '.join(unknown) or 'this'}"
            )
        entries: list[Entry] = []
        for number, row in enumerate(rows, 1):
            try:
                entry = msgspec.convert(row, Entry)
            except msgspec.ValidationError as error:
                raise LedgerError(path, f"[[accepted]] number {number}: {error}") from None
            if fault := _fault(entry, entries):
                raise LedgerError(path, f"[[accepted]] number {number} ({entry.id}): {fault}")
            entries.append(entry)
        return cls(path, entries)

    def verdict(
        self, signature: str, invariant: str, causes: Sequence[str], versions: Mapping[str, str]
    ) -> Verdict:
        """What the ledger says of a finding with these versions. Of two entries the one that covers more wins."""
        found = [entry for entry in self.entries if entry.matches(signature, invariant, causes)]
        self._matched.update(entry.id for entry in found)
        verdicts = [Verdict(entry, entry.uncovered(versions)) for entry in found]
        return min(verdicts, key=lambda one: len(one.uncovered), default=Verdict())

    @property
    def stale(self) -> tuple[Entry, ...]:
        """The entries that no finding asked about so far has matched."""
        return tuple(entry for entry in self.entries if entry.id not in self._matched)


def _fault(entry: Entry, before: Sequence[Entry]) -> str:
    if any(other.id == entry.id for other in before):
        return "its id stands above already"
    if not entry.reason.strip():
        return "a reason is what a ledger is for"
    if bool(entry.signature) == bool(entry.causes):
        return "say which divergence: either a signature, or causes"
    if entry.invariant and entry.invariant not in {*RANKS, DISAGREEMENT}:
        return f"{entry.invariant!r} is no invariant; there are {', '.join((*RANKS, DISAGREEMENT))}"
    for name, specifier in entry.contestants.items():
        try:
            SpecifierSet(specifier)
        except InvalidSpecifier:
            return f"{specifier!r} of {name} is no version specifier (like '<2' or '>=1.34,<1.36')"
    return ""


def dump(entry: Entry) -> str:
    """An entry as TOML, to be appended to a ledger."""
    lines = ["[[accepted]]"]
    for field in entry.__struct_fields__:
        value = getattr(entry, field)
        if not value:
            continue
        match value:
            case datetime.date():
                lines.append(f"{field} = {value.isoformat()}")
            case dict():
                inside = ", ".join(f"{_string(key)} = {_string(item)}" for key, item in value.items())
                lines.append(f"{field} = {{ {inside} }}")
            case tuple():
                lines.append(f"{field} = [{', '.join(map(_string, value))}]")
            case _:
                lines.append(f"{field} = {_string(value)}")
    return "\n".join(lines) + "\n"


def _string(text: str) -> str:
    """A TOML basic string: JSON's escapes are a subset of TOML's."""
    return msgspec.json.encode(text).decode()
