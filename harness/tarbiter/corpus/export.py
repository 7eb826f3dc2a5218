r"""The corpus as plain files for any language: an archive and a JSON document for each case, and an index.

Bytes in JSON are text with `\\`, `\n` and `\xNN` escapes, as in cases. The same corpus gives the same files, byte
by byte: nothing of the machine, the clock or the installation is in them.
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from ..archive.case import Cwd, Uid
from ..archive.expect import NEVER, REFUSE, Entry, EntryType, Outcome
from ..archive.text import escape
from ..judge.machine import page
from .lint import sums
from .shelf import Flag, Shelved

FORMAT = 1
"""The version of the form of these files. It changes when a program that reads them would have to."""

SMALL = 4096
"""Contents up to this many bytes are in the document, longer ones as a sum only."""


class ExportedEntry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One name of a tree. What is left out may be anything."""

    name: str
    type: EntryType
    size: int | None = None
    """A file's length in bytes."""
    sha256: str | None = None
    """The sum of a file's content."""
    data: str | None = None
    """A file's content, escaped, where it is short."""
    link: str | None = None
    same: str | None = None
    mode: int | None = None
    mtime: int | None = None


class ExportedOutcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One outcome that is allowed: a tree, or a refusal."""

    name: str
    why: str = ""
    refuse: bool
    tree: tuple[ExportedEntry, ...] = ()


class ExportedPlaced(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Something that is in the destination before."""

    kind: str
    name: str
    data: str = ""
    link: str = ""
    mode: int | None = None


class ExportedWorld(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What is there before, and the environment.

    `cwd`: where to call the extractor, `tmp` for anywhere else. `uid`: as whom.
    """

    placed: tuple[ExportedPlaced, ...]
    dest_mode: int
    umask: int
    locale: str
    cwd: Cwd = "tmp"
    uid: Uid = "user"


class ExportedSchedule(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How the bytes arrive: sizes of reads, used in turn; none: all at once. `pause`: a wait before every read."""

    chunks: tuple[int, ...]
    pause: bool


class ExportedCase(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One case. `verdict` says how to read `allowed`: `must` has one outcome, `may` several, `open` none."""

    format: int
    id: str
    title: str
    why: str
    source: tuple[str, ...]
    flags: tuple[str, ...]
    covers: tuple[str, ...]
    archive: str
    """The archive's file, relative to the directory of the index."""
    size: int
    sha256: str
    compression: tuple[str, ...] = ()
    """Around the archive, the innermost first, where the case puts it there."""
    verdict: Literal["must", "may", "open"]
    allowed: tuple[ExportedOutcome, ...] = ()
    absent: tuple[str, ...] = ()
    """Names that nobody may leave in the destination."""
    world: ExportedWorld | None = None
    schedule: ExportedSchedule | None = None
    seen: dict[str, tuple[str, ...]] = {}


class Row(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One case in the index."""

    id: str
    archive: str
    document: str
    sha256: str
    size: int
    verdict: Literal["must", "may", "open"]
    refuse: bool
    """Every allowed outcome is a refusal."""


class Index(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is in the directory. `corpus` is a sum over all documents: it changes when anything does."""

    format: int
    corpus: str
    never: dict[str, str]
    flags: dict[str, Flag]
    cases: tuple[Row, ...]


def _entry(entry: Entry) -> ExportedEntry:
    data = entry.data
    text = {
        name: None if getattr(entry, name) is None else escape(getattr(entry, name)) for name in ("link", "same")
    }
    return ExportedEntry(
        name=escape(entry.name),
        type=entry.type,
        size=None if data is None else len(data),
        sha256=None if data is None else hashlib.sha256(data).hexdigest(),
        data=None if data is None or len(data) > SMALL else escape(data),
        mode=entry.mode,
        mtime=entry.mtime,
        **text,
    )


def _outcome(name: str, why: str, outcome: Outcome) -> ExportedOutcome:
    if outcome == REFUSE:
        return ExportedOutcome(name=name, why=why, refuse=True)
    assert isinstance(outcome, tuple)
    return ExportedOutcome(name=name, why=why, refuse=False, tree=tuple(map(_entry, outcome)))


def exported(one: Shelved, seen: Mapping[str, tuple[str, ...]]) -> ExportedCase:
    """A case in the form that is written, with what was `seen` of it (`results.seen`).

    World and schedule are there where they are not the usual ones.
    """
    case = one.case
    allowed = tuple(_outcome(reading.name, reading.why, reading.tree) for reading in case.expect.may)
    if case.expect.must is not None:
        allowed = (_outcome("must", "", case.expect.must),)
    world, schedule = case.world, case.schedule
    return ExportedCase(
        format=FORMAT,
        id=case.id,
        title=case.title,
        why=case.why,
        source=case.source,
        flags=case.flags,
        covers=case.covers,
        archive=f"{case.id}.tar",
        size=len(one.archive),
        sha256=hashlib.sha256(one.archive).hexdigest(),
        compression=tuple(layer.kind for layer in case.layers),
        verdict="must" if case.expect.must is not None else "may" if allowed else "open",
        allowed=allowed,
        absent=tuple(map(escape, case.expect.absent)),
        world=None
        if world == type(world)()
        else ExportedWorld(
            placed=tuple(
                ExportedPlaced(
                    kind=placed.kind,
                    name=escape(placed.name),
                    data=escape(placed.data),
                    link=escape(placed.link),
                    mode=placed.mode,
                )
                for placed in world.placed
            ),
            dest_mode=world.dest_mode,
            umask=world.umask,
            locale=world.locale,
            cwd=world.cwd,
            uid=world.uid,
        ),
        schedule=None
        if schedule == type(schedule)()
        else ExportedSchedule(chunks=schedule.chunks, pause=schedule.pause),
        seen=dict(seen),
    )


_SETS = frozenset({"anyOf", "enum", "required", "type"})
"""Keywords of JSON Schema whose lists have no order."""


def _canonical(part: Any) -> Any:
    """A schema as any version of msgspec and of Python's compiler would make it.

    Only some of them dedent docstrings, and they list alternatives in different orders.
    """
    if isinstance(part, list):
        return [_canonical(one) for one in part]
    if not isinstance(part, dict):
        return part
    found = {name: _canonical(value) for name, value in part.items()}
    for name, value in found.items():
        if name in _SETS and isinstance(value, list):
            found[name] = sorted(value, key=lambda one: json.dumps(one, sort_keys=True))
        elif name == "description" and isinstance(value, str):
            found[name] = inspect.cleandoc(value)
    return found


def schema(of: type[msgspec.Struct] = ExportedCase) -> str:
    """The JSON Schema of one exported case, as text."""
    found: dict[str, Any] = _canonical(msgspec.json.schema(of))
    found = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A case of the corpus", **found}
    return json.dumps(found, indent=2, sort_keys=True) + "\n"


README = r"""# Tar archives, and what an extractor should do with each

Every case is two files: `TOPIC/NAME.tar`, the archive, and `TOPIC/NAME.json`, what is expected. `index.json` lists
them, `case.schema.json` is the JSON Schema of a document, `SHA256SUMS` is for `sha256sum -c`.

**These archives are made to break extractors.** Some write outside the destination, fill the disk or hang where an
extractor lets them. Run yours in a sandbox, as a plain user, with limits on time, memory and disk.

For each case:

1. Make an empty destination. If the document has a `world`, place what it says there, set umask and locale,
   and call the extractor in the destination (`cwd` is `dest`) or in the directory that holds it (`parent`), and as
   root of a user namespace in which nobody else is known (`uid` is `root`).
2. Extract the archive into it, if there is a `schedule` by reads of its sizes.
3. It is **refused** when your extractor reported an error, whatever it left; otherwise the **tree** is all names in
   the destination.
4. With `verdict` `must` the outcome has to be the one in `allowed`, with `may` any one of them, with `open` none
   is asked for. A tree matches when it has the same names (directories above them included), types, and whatever
   else an entry states: `size` and `sha256` of a file, `link` of a symlink, `same` (another name of the same
   inode), `mode`, `mtime` in seconds. What an entry leaves out may be anything.
5. No name in `absent` may be there, and nothing listed as `never` in the index may happen.

What your extractor cannot do (it has no symlinks, it does not read the compression) is not run. That is no failure.

Names and contents are bytes, written as text: `\\` is a backslash, `\n` a newline, `\xNN` a byte; all else is ASCII
as it is.
"""


def files(
    flags: dict[str, Flag], shelved: Sequence[Shelved], recorded: Mapping[str, Mapping[str, tuple[str, ...]]]
) -> dict[str, bytes]:
    """Every file of the export, by its path. `recorded` is what was seen, by case (`results.seen`)."""
    out: dict[str, bytes] = {"README.md": README.encode(), "case.schema.json": schema().encode()}
    rows, total = [], hashlib.sha256()
    for one in shelved:
        document = exported(one, recorded.get(one.case.id, {}))
        text = msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
        total.update(text)
        out[f"{one.case.id}.json"] = text
        out[f"{one.case.id}.tar"] = one.archive
        rows.append(
            Row(
                id=document.id,
                archive=document.archive,
                document=f"{document.id}.json",
                sha256=document.sha256,
                size=document.size,
                verdict=document.verdict,
                refuse=bool(document.allowed) and all(outcome.refuse for outcome in document.allowed),
            )
        )
    index = Index(format=FORMAT, corpus=total.hexdigest(), never=NEVER, flags=flags, cases=tuple(rows))
    out["index.json"] = page(index).encode() + b"\n"
    out["SHA256SUMS"] = sums(shelved).encode()
    return out
