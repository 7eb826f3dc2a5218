"""The health check: archives whose outcome is known run first, so that a harness that sees nothing cannot go on.

A campaign that reports no findings because its snapshot, its canaries or its comparison are broken looks exactly
like good news. So before each campaign three cases run through our own extractor and `tarfile` without a filter:
both are there on every Python.

And the baseline: an ordinary archive that everybody extracts. Who does not is not looked at any further: what it
would do with odd archives says nothing of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec

from ..archive.case import CANARY
from ..archive.encode import encode_bytes
from ..archive.recipe import Member, Recipe
from ..contest.observation import Job, Observation
from ..contest.pool import Pool
from ..judge.answered import BASELINE, NO_ANSWER, Verdict, own_words, remedy
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


ORDINARY = Recipe(
    parts=(
        Member(kind="dir", name=b"ordinary/"),
        Member(kind="dir", name=b"ordinary/folder/"),
        Member(name=b"ordinary/folder/words", data=b"contents\n"),
        Member(name=b"beside", data=b"x" * 1000),
    )
)
"""What everybody can extract: directories and files. No links, which some cannot make, and no odd field."""

_LEFT = (
    (b"beside", "file", 1000),
    (b"ordinary", "dir", 0),
    (b"ordinary/folder", "dir", 0),
    (b"ordinary/folder/words", "file", 9),
)


class Unfit(msgspec.Struct, frozen=True, kw_only=True):
    """A contestant that does not extract an ordinary archive: what it did, its words (if any), what to do."""

    contestant: str
    version: str
    what: str
    said: tuple[str, ...]
    todo: str

    @property
    def lines(self) -> tuple[str, ...]:
        """All of it, to be printed."""
        head = f"{self.contestant} {self.version}".rstrip() + f" does not extract an ordinary archive: {self.what}"
        return (
            head,
            *(f"    {line}" for line in self.said or ("it printed nothing",)),
            *([f"    {self.todo}"] if self.todo else ()),
        )


def unfit(seen: Observation) -> Unfit | None:
    """What is wrong with how somebody extracted the ordinary archive; None: nothing is."""
    what, said = "", own_words(seen.error or "\n".join(seen.warnings))
    if seen.status != "extracted":
        what = seen.status + (f" ({seen.error_class})" if seen.error_class else "")
    elif tuple((node.path, node.type, node.size) for node in seen.tree if node.path != b".") != _LEFT:
        left = ", ".join(ascii(node.path)[1:] for node in seen.tree if node.path != b".")
        wanted = ", ".join(ascii(path)[1:] for path, _, _ in _LEFT)
        what = f"it reports success and left {left or 'nothing'} instead of {wanted}"
    elif seen.escapes:
        what = f"it changed {ascii(seen.escapes[0].path)[1:]} outside the destination"
    if not what:
        return None
    kind = seen.error_class if seen.status in NO_ANSWER else BASELINE
    return Unfit(
        contestant=seen.contestant,
        version=seen.version,
        what=what,
        said=tuple(said),
        todo=remedy(seen.contestant, kind) or remedy(seen.contestant, BASELINE),
    )


def baseline(pool: Pool, names: Iterable[str]) -> dict[str, Unfit]:
    """Let these contestants extract the ordinary archive; those that do not. Raises SandboxError."""
    job = Job(archive=encode_bytes(ORDINARY), contestants=tuple(names))
    if not job.contestants:
        return {}
    found = (unfit(seen) for seen in pool.run(job))
    return {one.contestant: one for one in found if one is not None}


def on_baseline(found: Mapping[str, Unfit], named: Collection[str]) -> Verdict:
    """The verdict on a call with contestants that failed the baseline: who of them was named ends it."""
    asked = [name for name in found if name in named]
    return Verdict(
        reasons=(f"{', '.join(asked)} failed on the baseline: nothing of it is judged",) if asked else (),
        absent=tuple(line for one in found.values() for line in one.lines),
    )
