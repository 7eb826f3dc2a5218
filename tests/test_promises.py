"""Every promise is looked at: contestants that lie, one for each invariant, through each command that promises it.

The liars are small shell programs. `check`, `conformance` and the plugin judge one contestant at a time against
what a case expects: they do not promise what takes two (one-tree) or is our extractor's own (own-word).
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tarbiter.archive.case import Case, Schedule
from tarbiter.archive.expect import Entry, Expect
from tarbiter.archive.recipe import Member, Recipe
from tarbiter.archive.text import dumps
from tarbiter.cli import main
from tarbiter.contest.installed import registry
from tarbiter.judge.invariants import RANKS

LIES = {
    "honest": "",
    "out": 'echo x > "$dest/../canary-2"',
    "dead": "kill -SEGV $$",
    "more": 'echo x > "$dest/extra"',
    "loser": 'rm "$dest/b"',
    "late": 'if [ "$archive" = - ]; then echo x > "$dest/late"; fi',
    "extractor-strict": "",
}
"""What each does once GNU tar has extracted the archive."""

LIAR = {
    "contained": "out",
    "alive": "dead",
    "one-tree": "more",
    "no-smuggling": "more",
    "arrival": "late",
    "no-silent-loss": "loser",
    "own-word": "extractor-strict",
}
"""Who breaks it. Our strict mode is replaced by GNU tar, which accepts what compat refuses."""

CODES = {
    "contained": "escape",
    "alive": "crash",
    "no-smuggling": "smuggled",
    "arrival": "arrival",
    "no-silent-loss": "silent-loss",
}
"""What a verdict on one contestant calls it (`archive.expect.NEVER`)."""

CHANGES = {
    "contained": "escapes",
    "alive": "status",
    "no-smuggling": "names",
    "arrival": "arrival",
    "no-silent-loss": "names",
}
"""The facet of a change between two releases, the older of which keeps the promise."""

RECIPE = Recipe(parts=(Member(name=b"a", data=b"x"), Member(name=b"b", data=b"y")))
TREE = (Entry(name=b"a", data=b"x"), Entry(name=b"b", data=b"y"))
THROUGH = Recipe(
    parts=(
        Member(name=b"b", data=b"y"),
        Member(name=b"d/f", data=b"x"),
        Member(kind="symlink", name=b"l", linkname=b"d"),
        Member(name=b"l/f", data=b"z"),
    )
)
"""GNU tar follows its own symlink, and compat does not."""

CASES = {
    "plain": Case(title="Two files", recipe=RECIPE, expect=Expect(must=TREE, absent=(b"extra",))),
    "late": Case(
        title="Two files in pieces", recipe=RECIPE, schedule=Schedule(chunks=(100,)), expect=Expect(must=TREE)
    ),
    "through": Case(title="A member below a symlink", recipe=THROUGH),
    "open": Case(title="Two files, whatever comes of them", recipe=RECIPE),
}

SEED, REFUSED = "2836", "20"
"""The first archive of SEED is one that everybody here extracts, with a file `b`, in pieces; that of REFUSED one
that compat refuses and GNU tar extracts."""

ALONE = [name for name in LIES if name != "extractor-strict"]


def _program(lie: str) -> str:
    """It keeps its promises on an ordinary archive: who fails on that is not judged."""
    start = 'archive=$1 dest=$2\ntar -xf "$archive" -C "$dest" || exit\n[ -e "$dest/b" ] || exit 0\n'
    return f"#!/bin/sh\n{start}{lie}\nexit 0\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with the liars' tables and a corpus, which is the working directory."""
    folder = tmp_path_factory.mktemp("liars")
    tables = []
    for name, lie in LIES.items():
        (folder / f"{name}.sh").write_text(_program(lie))
        (folder / f"{name}.sh").chmod(0o755)
        words = f"'{folder}/{name}.sh'"
        tables.append(
            f"[{name}]\nfamily = '{name}'\nargv = [{words}, '{{archive}}', '{{dest}}']\n"
            f"stdin = [{words}, '-', '{{dest}}']\n"
            "list = ['/bin/tar', '-tf', '{archive}']\n"
        )
    (folder / "tarbiter.toml").write_text("\n".join(tables[:-1]))
    (folder / "corpus" / "lies").mkdir(parents=True)
    (folder / "corpus" / "flags.toml").write_text("")
    for name, case in CASES.items():
        (folder / "corpus" / "lies" / f"{name}.toml").write_text(dumps(case))
    ours = registry.OWN.read_text(encoding="utf-8")
    before, _, rest = ours.partition("[extractor-strict]")
    (folder / "own.toml").write_text(f"{before}{tables[-1]}\n[{rest.partition(chr(10) + '[')[2]}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "OWN", folder / "own.toml")
        patch.chdir(folder)
        yield folder


def run(*words: str, code: int = 1) -> str:
    done = CliRunner(env={"COLUMNS": "160"}).invoke(main, list(words))
    assert done.exit_code == code, done.output
    return done.stdout


Broken = set[tuple[str, str]]
"""Invariant and contestant, or what stands for it."""

OURS = "extractor-strict,extractor-compat"
TOGETHER = (
    ("honest,out,dead,loser,late", "late", SEED),
    ("honest,more", "plain", SEED),
    ("extractor-strict,more", "plain", SEED),
    (OURS, "through", REFUSED),
)
"""Rings, and the case and the seed that each gets. A finding explains others that part the same two contestants, so
that not all promises are seen to be broken in one ring."""


def _broken(divergence: dict[str, Any]) -> Broken:
    return {(one["invariant"], who) for one in divergence["broken"] for who in one["contestants"]}


def compare(_place: Path) -> Broken:
    found: Broken = set()
    for names, case, _ in TOGETHER:
        (row,) = json.loads(run("compare", "--json", "--with", names, f"corpus/lies/{case}.toml"))
        found |= _broken(row["divergence"])
    return found


def _findings(path: Path) -> Broken:
    rows = [json.loads(line)["target"] for line in path.read_text().splitlines()]
    return {(row["invariant"], who) for row in rows for who in (row["contestant"], row["against"])}


def fuzz(place: Path) -> Broken:
    found: Broken = set()
    for names, case, _ in TOGETHER:
        where = place / f"fuzz-{names}"
        words = ("--seeds", f"corpus/lies/{case}.toml", "--cases", "1", "--seed", "1", "-o", str(where))
        run("fuzz", "--jobs", "1", "--with", names, *words)
        found |= _findings(where / "findings.jsonl")
    return found


def nightly(place: Path) -> Broken:
    found: Broken = set()
    for names, _, seed in TOGETHER:
        where = place / f"nightly-{names}"
        words = ("--cases", "1", "--seed", seed, "--minutes", "9", "--jobs", "1", "--run", str(where))
        run("nightly", "--with", names, "--store", f"{where}-store", "--reports", f"{where}-reports", *words)
        found |= _findings(where / "findings.jsonl")
    return found


def check(_place: Path) -> Broken:
    rows = json.loads(run("check", "--json", "--with", ",".join(ALONE)))
    assert {row["case"] for row in rows if row["contestant"] == "honest" and row["mark"] != "pass"} == set()
    seen = {(row["case"], row["contestant"]) for row in rows if "silent-loss" in row.get("never", ())}
    assert ("lies/open", "loser") in seen, "what no case expects is seen by the listing alone"
    return {
        (name, row["contestant"]) for row in rows for name, code in CODES.items() if code in row.get("never", ())
    }


def conformance(_place: Path) -> Broken:
    cards = json.loads(run("conformance", "--json", "--with", ",".join(ALONE), code=0))
    return {
        (name, card["contestant"])
        for card in cards
        for name, code in CODES.items()
        if card["total"]["never"].get(code)
    }


def plugin(place: Path) -> Broken:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--tarbiter-corpus", "corpus"]
    command += [word for name in ALONE for word in ("--tarbiter-with", name)]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    told = re.split(r"^_+ tarbiter \S+\[(\S+)\] _+$", done.stdout, flags=re.MULTILINE)[1:]
    pairs = list(zip(told[::2], told[1::2], strict=True))
    lines = {(who, line.split(":")[0].strip()) for who, text in pairs for line in text.splitlines()}
    return {(name, who) for name, code in CODES.items() for who in ALONE if (who, code) in lines}


def versus(_place: Path) -> Broken:
    ring = ("honest", "late", "loser", "more", "out", "dead")
    told = json.loads(run("versus", "--json", "--cases", "1", "--seed", SEED, "--jobs", "1", *ring))
    aspects = {(one["aspect"]["facet"], one["pair"]["new"]) for one in told["changes"]}
    return {(name, who) for name, facet in CHANGES.items() for other, who in aspects if other == facet}


ONE_BY_ONE = {name: LIAR[name] for name in CODES}

PROMISED: dict[Callable[[Path], Broken], dict[str, str]] = {
    compare: LIAR,
    fuzz: LIAR,
    nightly: LIAR,
    check: ONE_BY_ONE,
    conformance: ONE_BY_ONE,
    plugin: ONE_BY_ONE,
    versus: {name: LIAR[name] for name in CHANGES},
}


@pytest.mark.parametrize("command", PROMISED, ids=lambda command: command.__name__)
def test_who_breaks_a_promise_is_seen(place: Path, command: Callable[[Path], Broken]) -> None:
    found = command(place)
    assert set(PROMISED[command].items()) - found == set()
    assert "honest" not in {who for name, who in found if name in ONE_BY_ONE and name != "no-smuggling"}


def test_every_promise_has_a_liar() -> None:
    assert set(LIAR) == set(RANKS)
