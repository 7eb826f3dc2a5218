"""Verdicts for a terminal: who agrees with whom, on what they part, and which bytes it comes from."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group as Lines
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..contest.observation import Observation
from ..judge.answered import own_words
from ..judge.compare import Divergence, Group
from ..judge.facets import FACETS, Difference
from ..judge.invariants import PROMISES
from ..judge.wording import name, plain, telling
from ..triage.locate import Index

SHOWN = 6
"""Differences shown for each group; `--json` has all of them."""

STYLES = {
    "extracted": "green",
    "partial": "yellow",
    "refused": "cyan",
    "crashed": "bold red",
    "hung": "bold red",
    "over-limit": "bold red",
    "unavailable": "dim",
    "flaky": "magenta",
    "harness-fault": "bold magenta",
}


def _who(contestants: Sequence[str], versions: dict[str, str]) -> str:
    return ", ".join(f"{one} {versions.get(one, '')}".strip() for one in contestants)


def _difference(difference: Difference, index: Index | None) -> Text:
    text = Text(f"{difference.facet:<9} ")
    if difference.path is not None:
        text.append(f"{name(difference.path)}: ")
    text.append(f"{difference.right} here, {difference.left} in A")
    places = index.find(difference.path) if index is not None and difference.path is not None else ()
    if places:
        text.append(f"   {places[0]}" + (f" and {len(places) - 1} more" if len(places) > 1 else ""), style="dim")
    return text


def _said(group: Group, observations: dict[str, Observation]) -> list[Text]:
    """What the members of a group that did not extract said, each message once."""
    messages: dict[str, list[str]] = {}
    for contestant in group.contestants:
        observation = observations[contestant]
        said = telling(observation.error) or observation.error_class
        if said and observation.status != "extracted":
            messages.setdefault(said, []).append(contestant)
    return [Text(f"{', '.join(who)}: {plain(said)}", style="dim") for said, who in messages.items()]


def verdict(
    title: str,
    divergence: Divergence,
    observations: Sequence[Observation],
    index: Index | None,
) -> RenderableType:
    """The verdict on one archive: one line when all agree, otherwise the groups and what parts them."""
    by_name = {observation.contestant: observation for observation in observations}
    versions = {observation.contestant: observation.version for observation in observations}
    heard = sum(len(group.contestants) for group in divergence.groups)
    lines: list[RenderableType] = []
    if divergence.uncompared:
        lines.append(
            Text.assemble((title, "bold"), ": ", ("not compared", "bold red"), f": {divergence.uncompared}")
        )
    elif divergence.agreed:
        status = divergence.groups[0].status
        lines.append(Text.assemble((title, "bold"), f": all {heard} agree: ", (status, STYLES.get(status, ""))))
        # Who refuses has said why: of what is no archive that is all there is to see.
        lines += [Padding(row, (0, 0, 0, 2)) for group in divergence.groups for row in _said(group, by_name)]
    else:
        readings = len(divergence.groups)
        head = (
            f": {readings} readings among {heard} contestants" if readings > 1 else f": {heard} contestants agree"
        )
        lines.append(Text.assemble((title, "bold"), head))
    if not divergence.agreed and divergence.groups:
        table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
        for column in ("label", "status", "contestants"):
            table.add_column(column, no_wrap=column != "contestants", overflow="fold")
        for group in divergence.groups:
            table.add_row(
                Text(f" {group.label}", style="bold"),
                Text(group.status, style=STYLES.get(group.status, "")),
                _who(group.contestants, versions),
            )
            details = [_difference(one, index) for one in group.differences if one.facet != "status"]
            for row in [*details[:SHOWN], *_said(group, by_name)]:
                table.add_row("", "", Padding(row, (0, 0, 0, 2)))
            if len(details) > SHOWN:
                table.add_row("", "", Text(f"  and {len(details) - SHOWN} more (--json has all)", style="dim"))
        lines.append(table)
    for broken in divergence.broken:
        against = f" against {', '.join(broken.against)}" if broken.against else ""
        lines.append(
            Text.assemble(
                " broken ",
                (broken.invariant, "bold red"),
                f" ({PROMISES[broken.invariant]}) by {', '.join(broken.contestants)}{against}: {broken.evidence}",
            )
        )
    for weak in divergence.weak:
        example = (
            "" if weak.example is None or weak.example.path is None else f", for instance {_example(weak.example)}"
        )
        lines.append(Text(f" also differ in {weak.facet} ({FACETS[weak.facet].meaning}){example}", style="dim"))
    lines.extend(
        Text(f" left out {who}: {plain(' | '.join(own_words(reason)))}", style="dim")
        for who, reason in together(divergence.left_out)
    )
    if divergence.signature is not None:
        lines.append(Text(f" signature {divergence.signature.id} {divergence.signature.invariant}", style="dim"))
    return Lines(*lines)


def together(left_out: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Who was left out and why, each reason once."""
    reasons: dict[str, list[str]] = {}
    for contestant, reason in left_out:
        reasons.setdefault(reason, []).append(contestant)
    return [(", ".join(who), reason) for reason, who in reasons.items()]


def _example(difference: Difference) -> str:
    assert difference.path is not None
    return f"{name(difference.path)}: {difference.left} / {difference.right}"
