"""Signatures: what makes two archives show the same thing, in words and as a short id. There are two levels.

The *pattern* (`signature`) is read off any comparison: the gravest broken invariant, the facets on which
contestants part, and who stands with whom, by family. It names everybody: whoever joins the ring changes it.

The *signature of a finding* (`of_cause`) is taken from its minimised case: the invariant, the facet, and the causes
that the divergence needs. Where one family breaks a promise by itself, or two of its releases part, the family is
in it. Where two families part neither is at fault by itself: who parts is told with the finding, and is not in its
name, so that one cause is one finding whoever is in the ring.

Names, sizes, times and the order of members are in neither.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence

import msgspec

from ..contest.observation import Observation
from .facets import differences, has_tree, project
from .invariants import DISAGREEMENT, Broken, invariant_of


class Signature(msgspec.Struct, frozen=True, omit_defaults=True):
    """`id` has 10 hexadecimal digits; `split` says who parts in what: `content: extractor|gnu-tar / tarfile`."""

    id: str
    invariant: str
    rank: int
    split: tuple[str, ...]
    cause: tuple[str, ...] = ()
    """What the divergence needs; empty for a pattern."""

    @property
    def title(self) -> str:
        """The invariant and the split in one line. Some splits name their invariant themselves."""
        words = "; ".join(self.split)
        if not words or words.startswith(f"{self.invariant}: "):
            return words or self.invariant
        return f"{self.invariant}: {words}"


def _families(group: Sequence[Observation], everyone: Sequence[Observation]) -> str:
    """Who is in a group: a family's name where all of it is here, otherwise the contestants' own names."""
    here = {observation.contestant for observation in group}
    names = set()
    for observation in group:
        family = observation.family or observation.contestant
        whole = {o.contestant for o in everyone if (o.family or o.contestant) == family}
        names.add(family if whole <= here else observation.contestant)
    return "|".join(sorted(names))


def _groups(facet: str, observations: Sequence[Observation]) -> list[list[Observation]]:
    """Contestants gathered by what they share with the first of a group, in order of their names.

    Only differences on paths that both have count, so that a missing name parts contestants in `names` alone.
    """
    if facet in ("status", "escapes"):
        exact: dict[Hashable, list[Observation]] = {}
        for observation in observations:
            exact.setdefault(project(facet, observation), []).append(observation)
        return list(exact.values())
    groups: list[list[Observation]] = []
    for observation in sorted(filter(has_tree, observations), key=lambda one: one.contestant):
        for group in groups:
            if not differences(facet, group[0], observation):
                group.append(observation)
                break
        else:
            groups.append([observation])
    return groups


def _split(facet: str, observations: Sequence[Observation]) -> str:
    groups = _groups(facet, observations)
    if len(groups) < 2:
        return ""
    names = [_families(group, observations) for group in groups]
    if facet == "status":
        names = [f"{group[0].status} {name}" for group, name in zip(groups, names, strict=True)]
    return f"{facet}: {' / '.join(sorted(names))}"


def _hash(*words: str) -> str:
    return hashlib.blake2b("\n".join(words).encode(), digest_size=5).hexdigest()


def signature(observations: Sequence[Observation], broken: Sequence[Broken], facets: Sequence[str]) -> Signature:
    """The pattern of observations that part in `facets` or break invariants.

    Where the gravest invariant names only those who broke it (`Invariant.names_only_breakers`), who else differs is
    left out, so that one escape is one finding whatever the others make of the archive.
    """
    worst = min(broken, key=lambda one: invariant_of(one.invariant).rank, default=None)
    name = worst.invariant if worst is not None else DISAGREEMENT
    invariant = invariant_of(name)
    if invariant.names_only_breakers:
        same = [one for one in broken if one.invariant == name]
        split = tuple(sorted({f"{name}: {who} {'+'.join(one.facets)}" for one in same for who in one.contestants}))
    else:
        split = tuple(text for text in (_split(facet, observations) for facet in facets) if text)
    return Signature(_hash(name, *split), name, invariant.rank, split)


def of_cause(
    pattern: Signature, *, invariant: str, facet: str, families: Sequence[str], cause: Sequence[str]
) -> Signature:
    """The signature of a finding about one broken `invariant` in one `facet`, with the words of its `pattern`.

    `families` are those of the contestants it is about: one, where it breaks the promise by itself.
    """
    about = sorted(set(families))
    owner = about if len(about) == 1 else []
    rank = invariant_of(invariant).rank
    return Signature(_hash(invariant, facet, *owner, *cause), invariant, rank, pattern.split, tuple(cause))
