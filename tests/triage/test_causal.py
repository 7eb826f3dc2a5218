"""Each cause is made canonical in turn: what the target needs is told from what only happens to be there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import pytest

from tarbiter.archive.case import Case, Placed, World
from tarbiter.archive.layers import Layer
from tarbiter.archive.recipe import End, Long, Member, Part, Pax, Raw, Recipe, Record
from tarbiter.archive.text import loads
from tarbiter.triage.causal import LOOKS, Cause, heed, tell, variants
from tarbiter.triage.causes import causes

from ..judge.observations import ended, extracted, file


def case(*parts: Part, world: World | None = None, end: int = 2) -> Case:
    return Case(recipe=Recipe(parts=parts, end=end), world=world or World())


def members(one: Case) -> list[Member]:
    return [part for part in one.recipe.parts if isinstance(part, Member)]


def probe(wanted: Callable[[Case], bool]) -> Callable[[Sequence[Case]], Sequence[bool]]:
    return lambda cases: [wanted(one) for one in cases]


def through_link(one: Case) -> bool:
    links = [part.name for part in members(one) if part.kind == "symlink" and part.name]
    return any(
        part.name is not None and part.name.startswith(name + b"/") for name in links for part in members(one)
    )


def slashed(one: Case) -> bool:
    return any((part.name or b"").endswith(b"/") and part.kind == "file" for part in members(one))


TABLE = [
    pytest.param(
        case(Member(kind="symlink", name=b"a", linkname=b"b"), Member(name=b"a/")),
        through_link,
        {
            "symlink": "causal",
            "symlink, then file of the same name": "causal",
            "file name: slash at the end": "causal",
        },
        id="two-members-that-belong-together",
    ),
    pytest.param(
        case(Member(name=b"a/", uname=b"x")),
        slashed,
        {"file name: slash at the end": "causal", "file uname": "idle"},
        id="a-field-that-only-happens-to-be-there",
    ),
    pytest.param(
        case(Pax(records=(Record(b"path", b"../x"),)), Member(name=b"x")),
        lambda one: (
            any(b"../" in (part.name or b"") for part in members(one))
            or any(
                b"../" in record.value
                for part in one.recipe.parts
                if isinstance(part, Pax)
                for record in part.records
            )
        ),
        {"file name: climbing": "causal", "pax": "idle", "pax path": "idle", "pax path: climbing": "idle"},
        id="whoever-carries-the-name",
    ),
    pytest.param(
        case(Member(name=b"f"), world=World(placed=(Placed(kind="fifo", name=b"f"),), umask=0), end=0),
        lambda one: bool(one.world.placed),
        {"world fifo": "causal", "world: mode, umask or locale": "idle", "end of archive: none": "idle"},
        id="a-world",
    ),
    pytest.param(case(Member(name=b"f")), lambda _one: True, {}, id="an-ordinary-archive"),
]


@pytest.mark.parametrize(("one", "wanted", "want"), TABLE)
@pytest.mark.parametrize("width", [1, 8])
def test_tell(one: Case, wanted: Callable[[Case], bool], want: dict[str, str], width: int) -> None:
    told = tell(one, probe(wanted), width=width)
    assert {cause.words: cause.verdict for cause in told.causes} == want
    assert wanted(told.case)
    assert causes(told.case) == tuple(cause.words for cause in told.causes if cause.verdict != "idle")


def test_a_cause_has_its_bytes() -> None:
    (cause,) = tell(case(Member(name=b"f"), Member(name=b"a/")), probe(slashed)).causes
    assert (cause.part, cause.field, cause.offset, cause.length, cause.raw[:3]) == (1, "name", 512, 100, b"a/\0")


def test_two_of_which_one_is_enough() -> None:
    either = case(Member(name=b"a/", uname=b"x", gname=b"y"))
    told = tell(either, probe(lambda one: any(part.uname or part.gname for part in members(one))))
    assert [cause.verdict for cause in told.causes] == ["causal", "idle", "idle"]


def test_when_the_time_is_over_nothing_is_claimed() -> None:
    told = tell(case(Member(name=b"a/")), probe(slashed), ended=lambda: True)
    assert ([cause.verdict for cause in told.causes], told.probes) == (["untested"], 0)


RICH = case(
    Pax(records=(Record(b"path", b"a/../b", length=b"0"), Record(b"size", b"1", end=b"")), data=b"junk", uid=3),
    Member(name=b"x/", size=5, data=b"12345", typeflag=b"5", prefix=b"p"),
    Long(text=b"n" * 150, end=b""),
    Member(format="gnu", name=b"/n", isextended=1, realsize=9),
    Member(kind="dir", name=b"q", data=b"d"),
    Member(kind="symlink", name=b"l", linkname=b"../canary"),
    Member(kind="hardlink", name=b"l/h", linkname=b"x"),
    Pax(kind="pax-global", records=(Record(b"mtime", b"a\nb"),)),
    End(),
    Raw(b"junk"),
    world=World(placed=(Placed(kind="file", name=b"x"),), umask=0, cwd="dest", uid="root"),
    end=0,
)


def test_nearly_everything_has_a_canonical_form() -> None:
    gone = {words for _, left in variants(RICH) for words in set(causes(RICH)) - left}
    assert set(causes(RICH)) - gone == set()


def test_no_variant_adds_a_cause() -> None:
    assert all(len(left) < len(causes(RICH)) for _, left in variants(RICH))


def test_layers_of_compression_are_made_canonical_too() -> None:
    odd = msgspec.structs.replace(case(Member(name=b"f")), layers=(Layer(kind="gzip", cut=4), Layer(kind="xz")))
    told = tell(odd, probe(lambda one: any(layer.cut for layer in one.layers)))
    assert {cause.words: cause.verdict for cause in told.causes} == {
        "compressed: gzip, odd": "causal",
        "compressed: xz": "idle",
        "compressed more than once": "idle",
    }
    assert told.case.layers == (Layer(kind="gzip", cut=4),)


def test_the_canonical_form_of_a_cause_can_be_run() -> None:
    (cause,) = tell(case(Member(name=b"f"), Member(name=b"a/")), probe(slashed)).causes
    assert [part.name for part in members(loads(cause.canonical))] == [b"f", b"a"]


def test_who_heeds_a_cause() -> None:
    seen = [
        extracted("one", file(b"a")),
        extracted("two", file(b"a")),
        ended("three", "refused"),
        extracted("four"),
    ]
    without = [
        extracted("one", file(b"b")),
        extracted("two", file(b"a")),
        extracted("three"),
        ended("four", "flaky"),
    ]
    told = heed(Cause(words="x", verdict="causal"), seen, without)
    assert (told.heeded, told.ignored) == (("one", "three"), ("two",))


def test_a_large_case_that_could_not_be_made_smaller_is_explained_in_bounded_time() -> None:
    parts = tuple(Member(name=b"%d" % number) for number in range(2000))
    case = Case(recipe=Recipe((Member(name=b"odd", mode=0o600), *parts)))
    asked = 0

    def probe(offers: Sequence[Case]) -> Sequence[bool]:
        nonlocal asked
        asked += len(offers)
        return [False] * len(offers)

    told = tell(case, probe)
    assert told.case == case
    assert 0 < asked <= LOOKS // len(parts)
