"""The bugs that are history, and the campaigns they are looked for in: one for each package."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import msgspec

from tarbiter.campaign.aspects import Pair
from tarbiter.campaign.versus import Change
from tarbiter.contest.installed.building import BuildError, Say, install
from tarbiter.contest.installed.registry import Contestant, RegistryError, known

FILE = Path(__file__).with_name("bugs.toml")


class Bug(msgspec.Struct, frozen=True, kw_only=True, rename={"kind": "class"}, forbid_unknown_fields=True):
    """One fixed bug."""

    id: str
    package: str
    ecosystem: str
    kind: str
    observable: str
    mechanism: str
    source: str
    features: tuple[str, ...]
    needs: str = ""
    vulnerable: str = ""
    """The contestant that has it."""
    fixed: str = ""
    """The contestant that has it no more."""
    explains: tuple[str, ...] = ()
    """What the causes of a finding must hold, each of them; `|` stands between alternatives."""
    shown: str = ""
    """A case of the corpus, or of `cases/` beside this file, that shows it: what the oracle is checked against."""
    versions: str = ""
    """Vulnerable and fixed version, where no contestant is either."""
    absent: str = ""
    """Why it cannot be looked for."""

    @property
    def pair(self) -> Pair:
        """The two contestants that it tells apart."""
        return Pair(self.vulnerable, self.fixed)

    @property
    def group(self) -> str:
        """The campaign it is looked for in: that of its package."""
        return self.vulnerable.partition("@")[0]

    def named_by(self, change: Change) -> bool:
        """Whether the causes of a finding name the field that the bug is in."""
        return all(
            any(word in cause for word in wanted.split("|") for cause in change.causes) for wanted in self.explains
        )


def load() -> tuple[Bug, ...]:
    """All bugs of the file."""
    return tuple(msgspec.convert(row, Bug) for row in tomllib.loads(FILE.read_text(encoding="utf-8"))["bug"])


def groups(bugs: tuple[Bug, ...]) -> dict[str, tuple[Bug, ...]]:
    """The bugs that can be looked for, by campaign, in the order of the file."""
    found: dict[str, list[Bug]] = {}
    for bug in bugs:
        if not bug.absent:
            found.setdefault(bug.group, []).append(bug)
    return {name: tuple(rows) for name, rows in found.items()}


def pairs(bugs: tuple[Bug, ...]) -> tuple[Pair, ...]:
    """The pairs that are put side by side for these bugs, the oldest version first."""
    return tuple(sorted(dict.fromkeys(bug.pair for bug in bugs), key=lambda pair: _version(pair.old)))


def _version(name: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", name.partition("@")[2])))


def present(bugs: tuple[Bug, ...], say: Say | None) -> tuple[dict[str, Contestant], dict[str, str]]:
    """The contestants of these bugs that are here, and why others are not; with `say` the missing are installed."""
    here: dict[str, Contestant] = {}
    missing: dict[str, str] = {}
    for name in dict.fromkeys(name for bug in bugs for name in (bug.vulnerable, bug.fixed)):
        try:
            one = known(name)
            if one.missing and say is not None and one.table.build:
                say(name)
                install(one, lambda _step: None)
                one = known(name)
        except (RegistryError, BuildError) as error:
            missing[name] = error.detail.splitlines()[0]
            continue
        if one.missing:
            missing[name] = one.missing
        else:
            here[name] = one
    return here, missing
