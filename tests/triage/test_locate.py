from __future__ import annotations

import pytest

from tarbiter.archive.encode import located
from tarbiter.archive.recipe import Long, Member, Pax, Recipe, Record
from tarbiter.triage.locate import Index

RECIPE = Recipe(
    parts=(
        Member(name=b"plain/f", data=b"x"),  # 0x000: header, 0x200: body
        Pax(records=(Record(b"path", b"from/pax"),)),  # 0x400: header, 0x600: records
        Member(name=b"header"),  # 0x800
        Long(text=b"n" * 150),  # 0xa00: header, 0xc00: text
        Member(format="gnu", name=b"n" * 100),  # 0xe00
        Member(name=b"tail", prefix=b"in/front"),  # 0x1000
        Pax(kind="pax-global", records=(Record(b"path", b"for/all"),)),  # 0x1200, 0x1400
        Member(name=b"last"),  # 0x1600
    )
)


@pytest.fixture(scope="module")
def index() -> Index:
    return Index(located(RECIPE))


@pytest.mark.parametrize(
    ("path", "want"),
    [
        (b"plain/f", ["member 1, bytes 0x0-0x1ff (name)"]),
        (b"from/pax", ["member 2, bytes 0x400-0x9ff (pax path)"]),
        (b"header", ["member 2, bytes 0x400-0x9ff (name)"]),
        (b"n" * 150, ["member 3, bytes 0xa00-0xfff (GNU long name)"]),
        (b"n" * 100, ["member 3, bytes 0xa00-0xfff (name)"]),
        (b"in/front/tail", ["member 4, bytes 0x1000-0x11ff (prefix)"]),
        (b"for/all", ["member 5, bytes 0x1200-0x17ff (pax path)"]),
        (b"plain", ["member 1, bytes 0x0-0x1ff (name)"]),
        (b"n" * 87, ["member 3, bytes 0xa00-0xfff (GNU long name)", "member 3, bytes 0xa00-0xfff (name)"]),
        (b"pax", ["member 2, bytes 0x400-0x9ff (pax path)"]),
        (b"nowhere", []),
    ],
)
def test_find(index: Index, path: bytes, want: list[str]) -> None:
    assert [str(place) for place in index.find(path)] == want
