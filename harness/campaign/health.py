"""The health check: archives whose outcome is known run first, so that a harness that sees nothing cannot go on.

A campaign that reports no findings because its snapshot, its canaries or its comparison are broken looks exactly
like good news. So before each campaign three cases run through our own extractor and `tarfile` without a filter:
both are there on every Python.
"""

from __future__ import annotations

import msgspec

from ..archive.case import CANARY
from ..archive.encode import encode_bytes
from ..archive.recipe import Member, Recipe
from ..contest.observation import Job, Observation
from ..contest.pool import Pool
from ..judge.compare import compare

CAREFUL, TRUSTING = "extractor-compat", "tarfile-fully-trusted"
WITNESSES = (CAREFUL, TRUSTING)
"""The contestants the health check needs."""


class Health(msgspec.Struct, frozen=True):
    """One known case: what had to be seen, and what is wrong (empty when it was seen)."""

    name: str
    expected: str
    fault: str = ""


PLAIN = Recipe(
    parts=(
        Member(kind="dir", name=b"d/"),
        Member(name=b"d/f", data=b"contents\n", mode=0o640),
        Member(kind="symlink", name=b"d/l", linkname=b"f"),
    )
)
ABSOLUTE = Recipe(parts=(Member(kind="symlink", name=b"l", linkname=b"/nowhere"), Member(name=b"f", data=b"x")))
CLIMBING = Recipe(parts=(Member(name=b"../" + CANARY + b"/health", data=b"x"),))


def _run(pool: Pool, recipe: Recipe) -> dict[str, Observation]:
    job = Job(archive=encode_bytes(recipe), contestants=WITNESSES)
    return {observation.contestant: observation for observation in pool.run(job)}


def _faults(observations: dict[str, Observation]) -> str:
    return "; ".join(f"{o.contestant} {o.status} {o.error}".strip() for o in observations.values())


def _agreed(pool: Pool) -> str:
    seen = _run(pool, PLAIN)
    if any(one.status != "extracted" for one in seen.values()):
        return _faults(seen)
    tree = {node.path: (node.type, node.mode, node.data, node.link) for node in seen[CAREFUL].tree}
    wanted = {
        b"d": ("dir", 0o755, None, None),
        b"d/f": ("file", 0o640, b"contents\n", None),
        b"d/l": ("symlink", tree.get(b"d/l", ("", 0))[1], None, b"f"),
    }
    tree.pop(b".", None)
    if tree != wanted:
        return f"the tree is {tree}: {_faults(seen)}"
    verdict = compare(tuple(seen.values()))
    return "" if verdict.agreed else f"two contestants that agree were told apart: {verdict.signature}"


def _parted(pool: Pool) -> str:
    seen = _run(pool, ABSOLUTE)
    if seen[CAREFUL].status not in ("refused", "partial") or seen[TRUSTING].status != "extracted":
        return _faults(seen)
    return "the comparison sees no difference" if compare(tuple(seen.values())).agreed else ""


def _escaped(pool: Pool) -> str:
    seen = _run(pool, CLIMBING)
    if seen[CAREFUL].escapes:
        return f"an escape was seen where there was none: {seen[CAREFUL].escapes}"
    if not any(change.path == CANARY + b"/health" for change in seen[TRUSTING].escapes):
        return f"a file beside the destination was not seen: {_faults(seen)}"
    broken = {one.invariant for one in compare(tuple(seen.values())).broken}
    return "" if "contained" in broken else "an escape was seen and not called a broken invariant"


def check(pool: Pool) -> tuple[Health, ...]:
    """Run the known cases in `pool`, which must have the `WITNESSES`. A fault in any means: do not go on."""
    return (
        Health("agreement", "an ordinary archive gives one tree, and that tree is right", _agreed(pool)),
        Health(
            "disagreement", "an absolute link parts our compat policy from tarfile without a filter", _parted(pool)
        ),
        Health(
            "escape",
            "tarfile without a filter writes beside the destination, and the canary sees it",
            _escaped(pool),
        ),
    )
