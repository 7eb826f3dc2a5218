"""The rediscovery benchmark: its list is whole, its oracles know their bugs, its report says what was done."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from benchmarks.rediscover.bugs import Bug, groups, load, pairs
from benchmarks.rediscover.campaigns import Campaign, Hit, advance, hits, loaded, path_of, save
from benchmarks.rediscover.oracles import ORACLES, confirms
from benchmarks.rediscover.report import Result, curve, markdown, plot, write_report
from tarbiter.archive.case import CANARY, Case, Placed, World
from tarbiter.archive.recipe import Long, Member, Part, Pax, Recipe, Record
from tarbiter.archive.text import dumps
from tarbiter.campaign.aspects import Aspect, Pair
from tarbiter.campaign.versus import LIMITS, Change
from tarbiter.contest.installed.registry import available
from tarbiter.contest.observation import Change as Outside
from tarbiter.contest.observation import Node, Observation, Status
from tarbiter.contest.pool import Pool

BUGS = {bug.id: bug for bug in load()}
LOOKED_FOR = [bug for bug in BUGS.values() if not bug.absent]


def test_each_bug_is_there_once() -> None:
    assert len(load()) == len(BUGS) == 68


@pytest.mark.parametrize("bug", LOOKED_FOR, ids=lambda bug: bug.id)
def test_what_is_looked_for_has_two_contestants_an_oracle_and_words(bug: Bug) -> None:
    assert bug.vulnerable
    assert bug.fixed
    assert bug.vulnerable != bug.fixed
    assert bug.explains
    assert bug.id in ORACLES


def test_no_oracle_is_for_nothing() -> None:
    assert set(ORACLES) == {bug.id for bug in LOOKED_FOR}


@pytest.mark.parametrize("bug", [bug for bug in BUGS.values() if bug.absent], ids=lambda bug: bug.id)
def test_what_is_not_looked_for_names_its_versions(bug: Bug) -> None:
    assert bug.versions
    assert not bug.vulnerable


def test_campaigns_take_the_oldest_versions_first() -> None:
    rows = groups(tuple(BUGS.values()))["node-tar-sync"]
    versions = [pair.old for pair in pairs(rows)]
    assert versions[0] == "node-tar-sync@6.1.2"
    assert versions.index("node-tar-sync@7.5.9") < versions.index("node-tar-sync@7.5.10")


# Oracles -------------------------------------------------------------------------------------------------------


def seen(
    status: Status = "extracted", *nodes: Node, escapes: tuple[Outside, ...] = (), error: str = ""
) -> Observation:
    root = Node(path=b".", type="dir", mode=0o755)
    return Observation(contestant="c", status=status, tree=(root, *nodes), escapes=escapes, error=error)


def node(name: bytes, mode: int = 0o644) -> Node:
    return Node(path=name, type="file", mode=mode)


def change(
    bug: str,
    parts: tuple[Part, ...],
    old: Observation,
    new: Observation,
    facet: str = "names",
    world: World | None = None,
) -> Change:
    case = Case(recipe=Recipe(parts=parts), world=world or World())
    return Change(
        id="1" * 10, pair=BUGS[bug].pair, aspect=Aspect(facet), causes=("pax size",), case=dumps(case),
        original="", index=0, cases=3, seconds=1.5, features=(), probes=1, complete=True, observations=(old, new),
    )  # fmt: skip


SIZE = Pax(records=(Record(b"size", b"1024"),))
BODY = b"inner".ljust(512, b"\0") + bytes(512)
OUTSIDE = (Outside(path=CANARY + b"/x", what="created"),)
ROWS = [
    pytest.param(
        "CVE-2025-62518",
        (SIZE, Member(name=b"a", size=0, data=BODY)),
        seen("extracted", node(b"inner")),
        seen(),
        True,
        id="a-nested-member",
    ),
    pytest.param(
        "CVE-2025-62518",
        (SIZE, Member(name=b"a", size=0, data=BODY)),
        seen("extracted", node(b"other")),
        seen(),
        False,
        id="another-member",
    ),
    pytest.param(
        "CVE-2025-62518",
        (Member(name=b"a", data=BODY),),
        seen("extracted", node(b"inner")),
        seen(),
        False,
        id="no-pax-size",
    ),
    pytest.param(
        "GHSA-3pv8-6f4r-ffg2",
        (SIZE, Long(text=b"g"), Member()),
        seen("extracted", node(b"ge")),
        seen("extracted", node(b"g")),
        True,
        id="size-before-a-long-name",
    ),
    pytest.param(
        "GHSA-3pv8-6f4r-ffg2",
        (Long(text=b"g"), SIZE, Member()),
        seen("extracted", node(b"ge")),
        seen("extracted", node(b"g")),
        False,
        id="size-behind-a-long-name",
    ),
    pytest.param(
        "CVE-2021-38511",
        (Member(kind="symlink", linkname=b"x"),),
        seen("refused", escapes=OUTSIDE),
        seen("refused"),
        True,
        id="an-escape",
    ),
    pytest.param(
        "CVE-2021-38511",
        (Member(kind="symlink", linkname=b"x"),),
        seen("refused", escapes=OUTSIDE),
        seen("refused", escapes=OUTSIDE),
        False,
        id="an-escape-of-both",
    ),
    pytest.param(
        "tar-fs 3.1.3 (setuid bits)",
        (Member(),),
        seen("extracted", node(b"a", 0o4644)),
        seen("extracted", node(b"a")),
        True,
        id="high-bits",
    ),
    pytest.param(
        "tar-fs 3.1.3 (setuid bits)",
        (Member(),),
        seen("extracted", node(b"a", 0o600)),
        seen("extracted", node(b"a")),
        False,
        id="other-bits",
    ),
]


@pytest.mark.parametrize(("bug", "parts", "old", "new", "want"), ROWS)
def test_oracles(bug: str, parts: tuple[Part, ...], old: Observation, new: Observation, want: bool) -> None:
    assert confirms(bug, change(bug, parts, old, new)) is want


def test_an_oracle_looks_at_the_world() -> None:
    bug = "tar-fs 3.1.3 (pre-existing symlink)"
    old, new = seen("extracted", escapes=OUTSIDE), seen()
    world = World(placed=(Placed(kind="symlink", name=b"l", link=b"../canary"),))
    assert confirms(bug, change(bug, (Member(),), old, new, "escapes", world))
    assert not confirms(bug, change(bug, (Member(),), old, new, "escapes"))


@pytest.mark.parametrize(
    ("causes", "want"),
    [
        (("long-name", "pax size"), True),
        (("pax size",), False),
        ((), False),
        (("long-name: NUL", "pax size: empty"), True),
    ],
)
def test_whether_the_field_is_named(causes: tuple[str, ...], want: bool) -> None:
    found = change("GHSA-3pv8-6f4r-ffg2", (Member(),), seen(), seen())
    bug = BUGS["GHSA-3pv8-6f4r-ffg2"]
    assert bug.explains == ("pax size", "long-name")
    assert (
        bug.named_by(
            type(found)(**{name: getattr(found, name) for name in found.__struct_fields__} | {"causes": causes})
        )
        is want
    )


# Campaigns and the report --------------------------------------------------------------------------------------


def campaign(*found: Hit, seed: int = 1) -> Campaign:
    return Campaign(
        group="tar-rs", seed=seed, guided=False, budget_s=60, bugs=("CVE-2021-38511",), hits=list(found)
    )


SEED, MOST = 8, 400

HIT = Hit(bug="CVE-2021-38511", change="1" * 10, cases=256, seconds=9.0, named=True)
ESCAPE = change(
    "CVE-2021-38511", (Member(kind="symlink", linkname=b"x"),), seen("refused", escapes=OUTSIDE), seen("refused")
)


def test_a_bug_is_hit_once() -> None:
    one = campaign()
    (hit,) = hits(one, [BUGS["CVE-2021-38511"]], ESCAPE)
    assert (hit.bug, hit.cases, hit.seconds, hit.named) == ("CVE-2021-38511", 3, 1.5, False)
    one.hits.append(hit)
    assert hits(one, [BUGS["CVE-2021-38511"]], ESCAPE) == []


def test_another_pair_is_no_hit() -> None:
    other = change(
        "CVE-2021-38511",
        (Member(kind="symlink", linkname=b"x"),),
        seen("refused", escapes=OUTSIDE),
        seen("refused"),
    )
    fields = {name: getattr(other, name) for name in other.__struct_fields__} | {"pair": Pair("a", "b")}
    assert hits(campaign(), [BUGS["CVE-2021-38511"]], Change(**fields)) == []


def test_a_campaign_goes_on_where_it_was(tmp_path: Path) -> None:
    path = path_of(tmp_path, "tar-rs", 1, guided=False)
    one = campaign()
    one.progress.cases = 128
    save(path, one)
    assert loaded(path, campaign()).progress.cases == 128


def test_a_campaign_with_other_releases_begins_anew(tmp_path: Path) -> None:
    path = path_of(tmp_path, "tar-rs", 1, guided=False)
    one = campaign()
    one.progress.cases = 128
    one.contestants = {"tar-rs@0.4.35": "0.4.35"}
    save(path, one)
    assert loaded(path, campaign()).progress.cases == 0


def advanced(bug_id: str, most: int) -> tuple[Campaign, list[int]]:
    """A campaign of two contestants, the first of which stands for what has the bug, and the cases at each save."""
    pair = ("tarfile-fully-trusted", "extractor-compat")
    bug = msgspec.structs.replace(BUGS[bug_id], vulnerable=pair[0], fixed=pair[1])
    one = Campaign(group="pair", seed=SEED, guided=False, budget_s=600, bugs=(bug.id,))
    saved: list[int] = []
    with Pool(available(pair), cells=1, limits=LIMITS) as pool:
        advance(pool, one, [bug], save=lambda: saved.append(one.progress.cases), tell=lambda _: None, most=most)
    return one, saved


def test_a_campaign_runs_until_its_bug_is_found() -> None:
    """A real one: tarfile without a filter writes where a climbing name says, ours does not."""
    one, saved = advanced("CVE-2020-12265", MOST)
    assert [hit.bug for hit in one.hits] == ["CVE-2020-12265"]
    assert one.done
    assert one.progress.cases < MOST
    assert saved[-1] == one.progress.cases
    assert one.progress.seconds > 0


def test_a_campaign_ends_with_its_cases() -> None:
    one, saved = advanced("CVE-2026-32288", 32)
    assert (one.hits, one.done, one.progress.cases, one.progress.waiting) == ([], True, 32, 0)
    assert saved == sorted(saved)
    assert 16 <= saved[0] <= 32


def test_the_report(tmp_path: Path) -> None:
    one = campaign(HIT)
    one.changes = [ESCAPE]
    results = [
        Result(bug=BUGS["CVE-2021-38511"], campaigns=(one, campaign(seed=2))),
        Result(bug=BUGS["CVE-2019-20907"], why_not=BUGS["CVE-2019-20907"].absent),
    ]
    text = markdown(results)
    assert "1 of 1 bugs found (1 within 100,000 cases, 0 by every seed)" in text
    assert "some seeds" in text
    assert "not looked for" in text
    assert plot(results).count("without guidance") == 1
    assert "with guidance" not in plot(results)
    write_report(tmp_path, results)
    page = (tmp_path / "report.html").read_text()
    assert "some-seeds" in page
    assert "kind = &#34;symlink&#34;" in page


def test_the_plot_tells_guidance_from_none() -> None:
    """Each curve counts a bug by the share of its own seeds that found it."""
    plain, guided = campaign(HIT), msgspec.structs.replace(campaign(HIT), guided=True)
    results = [Result(bug=BUGS["CVE-2021-38511"], campaigns=(plain, campaign(seed=2), guided))]
    assert curve(results, guided=False) == [(HIT.cases, 0.5)]
    assert curve(results, guided=True) == [(HIT.cases, 1.0)]
    drawn = plot(results)
    assert ">with guidance<" in drawn
    assert ">without guidance<" in drawn
