"""A finding as a directory for somebody else's bug tracker: archive, case, words, and one line of shell.

    archive.tar             the minimised archive
    case.toml               what it is made of
    README.md               what happens, with which versions, which bytes
    reproduce-gnu-tar.sh    sh reproduce-gnu-tar.sh ARCHIVE DEST: its own command, no tarbiter needed

A script is run in a cell first, and offered only when it shows what the finding says. A contestant that has no
command of its own (a library behind a driver) has no script; the README says so.
"""

from __future__ import annotations

import os
import shlex
import sys

import msgspec

from ..archive.case import World, surroundings
from ..archive.cases import bytes_of
from ..archive.encode import encode
from ..archive.inspect import annotate, render
from ..archive.text import loads
from ..contest.installed.registry import Contestant, everyone
from ..contest.observation import Job, Observation
from ..contest.pool import Pool
from ..files import write_folder
from ..judge.facets import differences
from ..judge.invariants import PROMISES
from ..judge.wording import telling
from .records import Kept, RunError

SAME = ("status", "names", "types", "content", "links", "escapes")
"""Facets in which the script must do what the contestant did."""

_TARFILE = "import sys, tarfile; t = tarfile.open(sys.argv[1]); {}t.extractall(sys.argv[2]{})"
_FILTERS = {
    "data": ("", ", filter='data'"),
    "tar": ("", ", filter='tar'"),
    # A Python without filters has no other way, and no parameter to ask for it.
    "fully_trusted": ("t.extraction_filter = getattr(tarfile, 'fully_trusted_filter', None); ", ""),
}


class ExportError(RunError):
    """A finding that cannot be exported: `path`, what is wrong."""


class Script(msgspec.Struct, frozen=True):
    """How one contestant shows the finding: the line of shell, or why there is none."""

    contestant: str
    line: str = ""
    why_not: str = ""


def line_for(contestant: Contestant) -> str:
    """A line of shell in which $1 is the archive and $2 the destination; empty: it has no command of its own."""
    table = contestant.table
    if any("{home}" in word or "{drivers}" in word for word in table.argv):
        return ""
    if table.argv:
        line = " ".join(map(_word, table.argv))
        return line if any("{dest}" in word for word in table.argv) else f'cd "$2" && {line}'
    if table.driver == "tarfile" and table.mode in _FILTERS:
        return f'python3 -c {shlex.quote(_TARFILE.format(*_FILTERS[table.mode]))} "$1" "$2"'
    return ""


def _word(word: str) -> str:
    if "{archive}" in word or "{dest}" in word:
        return f'"{word}"'.replace("{archive}", "$1").replace("{dest}", "$2")
    return shlex.quote(word)


def _checked(pool: Pool, kept: Kept, seen: Observation, line: str, script: Contestant) -> Script:
    case = loads(kept.case)
    job = Job(archive=bytes_of(case), contestants=(script.name,), world=case.world)
    (shown,) = pool.run(job)
    parted = [facet for facet in SAME if differences(facet, _as(seen), _as(shown))]
    if parted:
        words = f"the command parts from it in {', '.join(parted)}: {telling(shown.error)}"
        return Script(seen.contestant, "", words)
    return Script(seen.contestant, line)


def _as(observation: Observation) -> Observation:
    """Statuses that a shell tells apart: it went well, or it did not."""
    well = observation.status == "extracted"
    return msgspec.structs.replace(observation, status="extracted" if well else "partial")


def scripts(kept: Kept) -> tuple[Script, ...]:
    """A line of shell for each contestant that the finding is about, run in a cell. Raises SandboxError."""
    named = {one.name: one for one in everyone()}
    about = {name for broken in kept.divergence.broken for name in broken.contestants + broken.against}
    about |= set(kept.target.contestants)
    done: list[Script] = []
    todo: list[tuple[Observation, str, Contestant]] = []
    for seen in kept.observations:
        if seen.contestant not in about:
            continue
        contestant = named.get(seen.contestant)
        if contestant is None or contestant.missing:
            done.append(Script(seen.contestant, "", "it is not here"))
        elif contestant.version != seen.version:
            done.append(Script(seen.contestant, "", f"{contestant.version} is here, {seen.version} was seen"))
        elif line := line_for(contestant):
            local = line.replace("python3 ", f"{shlex.quote(sys.executable)} ", 1)
            command = f"{shlex.join(['sh', '-c', local, 'sh'])} {{archive}} {{dest}}"
            todo.append((seen, line, Contestant.from_command(command, name=f"script-{seen.contestant}")))
        else:
            done.append(Script(seen.contestant, "", "a library behind a driver: there is no command to call"))
    if todo:
        with Pool([script for _, _, script in todo], cells=1) as pool:
            done += [_checked(pool, kept, seen, line, script) for seen, line, script in todo]
    return tuple(sorted(done, key=lambda one: one.contestant))


def readme(kept: Kept, lines: tuple[Script, ...]) -> str:
    """The words: what happens, who does what, which bytes, how to see it."""
    case = loads(kept.case)
    promise = PROMISES.get(kept.invariant, "Contestants do not part.")
    told = kept.account
    text = [f"# {case.title or kept.id}", "", told.sentence, "", f"{promise} Here it does not hold.", ""]
    text += ["| extractor | version | outcome | says |", "| --- | --- | --- | --- |"]
    for seen in kept.observations:
        said = telling(seen.error)[:160].replace("|", "\\|")
        text.append(f"| {seen.contestant} | {seen.version} | {seen.status} | {said} |")
    text += ["", "What parts them:", ""]
    for group in kept.divergence.groups[1:]:
        for parted in group.differences:
            path = "" if parted.path is None else f"`{ascii(parted.path)[2:-1]}`: "
            who = ", ".join(group.contestants)
            text.append(f"- {parted.facet}: {path}{parted.right} with {who}, otherwise {parted.left}")
    text += [f"- {broken.invariant}: {broken.evidence}" for broken in kept.divergence.broken]
    needed = [one for one in told.reasons if one.verdict != "idle"]
    if needed:
        text += ["", "What it takes:", ""]
    for reason in needed:
        text.append(f"- {reason.words}" + (f" ({reason.where})" if reason.where else ""))
        text += [f"  - {reason.readers}"] if reason.readers else []
        text += [f"  - {clause} <{clause.url}>" for clause in reason.clauses]
    if case.world != World():
        around = ", ".join(surroundings(case.world))
        text += ["", f"It takes a world of its own: {around}; `[world]` in case.toml. No script makes it."]
    text += ["", "To see it:", ""]
    for one in lines:
        if one.line:
            text += [f"    mkdir dest && sh reproduce-{one.contestant}.sh archive.tar dest"]
        else:
            text += [f"    # {one.contestant}: {one.why_not}"]
    text += ["", "Use a machine or container that may be damaged: the archive is odd on purpose.", ""]
    text += ["The archive, field by field:", "", "```"]
    data = encode(case.recipe).data
    text += [str(row).rstrip() for row in render(annotate(data), everything=False)]
    text += ["```", "", "And as the recipe it was made from:", "", "```toml", kept.case.rstrip(), "```", ""]
    return "\n".join(text)


def export(kept: Kept, where: str) -> tuple[Script, ...]:
    """Write the directory `where`, which must not exist. Raises ExportError, FileError, SandboxError."""
    if os.path.lexists(where):
        raise ExportError(where, "exists already; name another directory")
    lines = scripts(kept)
    files = {
        "archive.tar": bytes_of(loads(kept.case)),
        "case.toml": kept.case.encode(),
        "README.md": readme(kept, lines).encode(),
    }
    for one in lines:
        if one.line:
            name = f"reproduce-{one.contestant}.sh"
            files[name] = f"#!/bin/sh\n# sh {name} archive.tar dest\n{one.line}\n".encode()
    write_folder(where, files)
    return lines
