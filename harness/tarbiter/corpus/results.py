"""Results as data: what one contestant at one version made of each case, in a file that a review can read.

    corpus/results/gnu-tar/1.34.json      one file for each contestant and version

Trees are lines of text. Nothing in them depends on the machine, the clock or the run, so that a change is a diff.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Mapping

import msgspec
from packaging.version import InvalidVersion, Version

from ..archive.cases import InputError
from ..archive.text import escape
from ..contest.observation import Node, Observation
from ..files import write
from ..judge.conformance import MUST, Mark, Verdict
from ..judge.facets import ROOT, has_tree
from ..judge.wording import plain

FORMAT = 1
"""The version of the files' form."""

LINES = 60
"""Lines of a tree that are kept; a digest stands for the rest."""

SHOWN = 32
"""Bytes of a content that are kept as they are."""

UNVERSIONED = "unversioned"
"""The name of the file of a contestant that tells no version."""


class Made(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a contestant made of one case."""

    archive: str
    """Digest of the bytes it was given, in the world and by the schedule of the case: another one, another case."""
    status: str
    mark: Mark
    reading: str = ""
    never: tuple[str, ...] = ()
    detail: tuple[str, ...] = ()
    """Why it fails, or was not run."""
    tree: tuple[str, ...] = ()
    """What it left, a line for each name; only where it says that it extracted the archive."""
    escapes: tuple[str, ...] = ()


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """What one contestant at one version made of the corpus."""

    format: int
    contestant: str
    version: str
    family: str
    date: str
    """The day on which it was recorded, ISO 8601 in UTC."""
    environment: dict[str, str]
    cases: dict[str, Made]


def _leaf(node: Node) -> str:
    words = [node.type, escape(node.path)]
    if node.type == "file":
        words.append(f"{node.size} bytes")
        if node.data is not None and len(node.data) <= SHOWN:
            words.append(f'"{escape(node.data)}"')
        elif node.data is not None or node.digest is not None:
            digest = node.digest or hashlib.blake2b(node.data or b"", digest_size=16).digest()
            words.append(digest.hex())
    if node.link is not None:
        words.append(f'-> "{escape(node.link)}"')
    if node.group:
        words.append(f"(inode {node.group})")
    if node.outside_links:
        words.append("(linked to something outside)")
    return " ".join(words)


def tree_lines(nodes: Iterable[Node]) -> tuple[str, ...]:
    """A tree in lines: type, name, size, content or its digest, link, inode. No modes, owners, times."""
    lines = [_leaf(node) for node in nodes if node.path != ROOT]
    if len(lines) <= LINES:
        return tuple(lines)
    digest = hashlib.blake2b("\n".join(lines).encode(), digest_size=8).hexdigest()
    return (*lines[:LINES], f"and {len(lines) - LINES} more; all of it: {digest}")


def made(verdict: Verdict, observation: Observation, archive: str) -> Made:
    """The record of one observation with its verdict."""
    return Made(
        archive=archive,
        status=observation.status,
        mark=verdict.mark,
        reading=verdict.reading,
        never=verdict.never,
        detail=tuple(map(plain, verdict.detail)),
        tree=tree_lines(observation.tree) if has_tree(observation) else (),
        escapes=tuple(sorted({f"{change.what} {escape(change.path)}" for change in observation.escapes})),
    )


def parted(old: Made, new: Made) -> tuple[str, ...]:
    """In what a case came out otherwise, in words; empty: it did not. Wording of errors does not count."""
    found = []
    if old.status != new.status:
        found.append(f"{old.status} before, {new.status} now")
    if (old.mark, old.reading) != (new.mark, new.reading):
        before, now = (f"{one.mark} ({one.reading})" if one.reading else one.mark for one in (old, new))
        found.append(f"{before} before, {now} now")
    found += [f"{word}: no longer" for word in old.never if word not in new.never]
    found += [f"{word}: new" for word in new.never if word not in old.never]
    for were, are in ((old.tree, new.tree), (old.escapes, new.escapes)):
        found += [f"no longer: {line}" for line in were if line not in are]
        found += [f"new: {line}" for line in are if line not in were]
    if not found and old.tree != new.tree:
        found.append("the same names in another order")
    return tuple(found)


EXPECTED, OPEN = "as expected", "nothing broken"


def in_words(one: Made) -> str:
    """An outcome in a few words that do not change with the wording of messages."""
    if one.mark == "pass":
        return {MUST: EXPECTED, "": OPEN}.get(one.reading, one.reading)
    what = ", ".join(one.never)
    if not what:
        what = "another tree" if one.status == "extracted" else one.status
    return f"fails: {what}"


def seen(found: Iterable[Results], keys: Mapping[str, str]) -> dict[str, dict[str, tuple[str, ...]]]:
    """What was recorded of each case: outcome in words to contestants with their versions.

    `keys` are the digests of the cases as they are now: what was recorded of another archive is left out. So are
    those who were not run, and those who touched anything outside: that is for its maintainers first.
    """
    by: dict[str, dict[str, list[str]]] = {}
    for results in found:
        name = f"{results.contestant} {results.version}".strip()
        for case, one in results.cases.items():
            if one.archive == keys.get(case) and one.mark != "not-run" and "escape" not in one.never:
                by.setdefault(case, {}).setdefault(in_words(one), []).append(name)
    return {
        case: {words: tuple(sorted(names)) for words, names in sorted(outcomes.items())}
        for case, outcomes in sorted(by.items())
    }


# Files ----------------------------------------------------------------------------------------------------------


def base(contestant: str) -> str:
    """The name of a contestant without `@VERSION`."""
    return contestant.partition("@")[0]


def path_of(root: str, contestant: str, version: str) -> str:
    """The file of these results below `root`."""
    name = re.sub(r"[^A-Za-z0-9.+_-]", "_", version).lstrip(".") or UNVERSIONED
    return os.path.join(root, base(contestant), f"{name}.json")


def load(path: str) -> Results:
    """The results in a file. Raises InputError."""
    try:
        with open(path, "rb") as file:
            found = msgspec.json.decode(file.read(), type=Results)
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise InputError(path, f"holds no results: {error}; record them anew") from error
    if found.format != FORMAT:
        raise InputError(path, f"is of form {found.format}, and this tarbiter reads {FORMAT}; record them anew")
    return found


def save(root: str, results: Results) -> str:
    """Write results into their file below `root`, and say which. Raises FileError, InputError.

    Where nothing changed but the day, the file stays as it is.
    """
    path = path_of(root, results.contestant, results.version)
    if os.path.exists(path):
        old = load(path)
        if msgspec.structs.replace(old, date=results.date) == results:
            return path
    data = msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n"
    write(path, data, parents=True)
    return path


def _order(results: Results) -> tuple[Version, str]:
    try:
        return Version(results.version), results.date
    except InvalidVersion:
        return Version("0"), results.date


def recorded(root: str, contestant: str) -> tuple[Results, ...]:
    """All results of a contestant below `root`, by version, the newest last. Raises InputError."""
    folder = os.path.join(root, base(contestant))
    if not os.path.isdir(folder):
        return ()
    files = sorted(name for name in os.listdir(folder) if name.endswith(".json"))
    return tuple(sorted((load(os.path.join(folder, name)) for name in files), key=_order))


def everything(root: str) -> tuple[Results, ...]:
    """All results below `root`, by contestant and version. Raises InputError."""
    if not os.path.isdir(root):
        return ()
    return tuple(one for name in sorted(os.listdir(root)) for one in recorded(root, name))


def baseline(root: str, contestant: str, version: str) -> Results | None:
    """What to hold a contestant against: its own version, else the newest one recorded. Raises InputError."""
    there = recorded(root, contestant)
    same = [one for one in there if one.version == version]
    return same[-1] if same else there[-1] if there else None
