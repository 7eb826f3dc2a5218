"""Arrival does not matter: the same events, report and tree, however the bytes come (uv issue 2235)."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from onetar import ArchiveEnd, Data, Member, Need, Parser, Report, TarError, extract, extract_async
from tarbiter.archive.cases import load
from tarbiter.archive.encode import Encoded, encode
from tarbiter.archive.recipe import BLOCK, Part, Recipe
from tarbiter.generate.features import FEATURES
from tarbiter.generate.strategies import recipes

from .archives import file, folder, hardlink, long_link, long_name, pack, pax, symlink
from .test_dimensions import described, drafts
from .test_sparse import ENCODINGS

CASES = sorted((Path(__file__).parents[2] / "corpus").glob("*/*.toml"))

RICH: dict[str, tuple[Part, ...]] = {
    "long-names": (
        folder(b"d"),
        long_name(b"d/" + b"n" * 200),
        file(b"d/" + b"n" * 98, b"long" * 1000),
        long_link(b"d/" + b"m" * 300),
        symlink(b"l", b"d/" + b"m" * 98),
    ),
    "pax": (
        pax((b"path", b"p/" + b"q" * 200), (b"mtime", b"1.5")),
        file(b"p", b"x" * 513),
        pax((b"linkpath", b"p/" + b"q" * 200)),
        hardlink(b"h", b"p"),
    ),
} | {f"sparse-{name}": parts for name, parts in ENCODINGS.items()}


def events(pieces: Iterable[bytes]) -> list[object]:
    """What a parser says of an archive, pieces of one body joined; an error is the last event."""
    parser = Parser()
    found: list[Any] = []
    body = b""
    try:
        for piece in (*(piece for piece in pieces if piece), b""):
            parser.feed(piece)
            while (event := parser.next_event()) is not Need.DATA:
                if isinstance(event, Data):
                    body += event.data
                    if event.last:
                        found.append((body, event.offset + len(event.data)))
                        body = b""
                    continue
                if isinstance(event, Member):
                    found.append(event)
                    continue
                assert isinstance(event, ArchiveEnd)
                return [*found, event]
    except TarError as error:
        return [*found, str(error)]
    raise AssertionError("the end of the input is not the end of the archive")


def in_two(archive: bytes, cuts: Iterable[int]) -> Iterator[list[bytes]]:
    for cut in cuts:
        yield [archive[:cut], archive[cut:]]


def boundaries(encoded: Encoded) -> list[int]:
    """Where a field begins or ends, and a byte to either side."""
    edges = {edge + near for span in encoded.spans for edge in (span.start, span.stop) for near in (-1, 0, 1)}
    return sorted(edge for edge in edges if 0 < edge < len(encoded.data))


@pytest.mark.parametrize("parts", RICH.values(), ids=RICH)
def test_cut_at_every_field(parts: tuple[Part, ...]) -> None:
    encoded = encode(Recipe((*parts, file(b"z"))))
    whole = events([encoded.data])
    assert isinstance(whole[-1], ArchiveEnd)
    for pieces in in_two(encoded.data, boundaries(encoded)):
        assert events(pieces) == whole


@given(recipes(), st.data())
def test_generated_archives_cut_at_a_field_and_anywhere(recipe: Recipe, data: st.DataObject) -> None:
    encoded = encode(recipe)
    whole = events([encoded.data])
    edges = boundaries(encoded) or [0]
    cuts = sorted(data.draw(st.lists(st.sampled_from(edges) | st.integers(0, len(encoded.data)), max_size=8)))
    ends = [0, *cuts, len(encoded.data)]
    assert events(encoded.data[a:b] for a, b in itertools.pairwise(ends)) == whole


def slices(data: bytes, chance: random.Random) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        size = chance.choice((1, 7, 100, 511, 512, 513, 4096))
        yield data[at : at + size]
        at += size


async def paused(pieces: Iterable[bytes], pause: Callable[[], Awaitable[object]]) -> AsyncIterator[bytes]:
    for piece in pieces:
        await pause()
        yield piece
    await pause()


def outcome(run: Callable[[Report], object]) -> tuple[object, ...]:
    report = Report()
    try:
        run(report)
    except TarError as error:
        report.archive_bytes = 0  # how much had been read is the way's own
        return str(error), report
    return "", report


def tree_of(root: Path, error: object) -> dict[str, tuple[object, ...]]:
    """A tree; after an error without times, because a file that is not complete has that of the run."""
    tree = described(root)
    if not error:
        return tree
    latest = 1 << 40  # times are in nanoseconds, modes and counts are small
    return {
        name: tuple(part for part in entry if not isinstance(part, int) or part < latest)
        for name, entry in tree.items()
    }


SMALL = 1 << 16
"""Bytes up to which an archive arrives byte by byte from its beginning to its end."""


def ones(data: bytes) -> Iterator[bytes]:
    """Byte by byte; between both ends of a large archive by one byte less than a block.

    What is large repeats itself (thousands of members, or blocks of one body), and such pieces cut 511 blocks in a
    row at 511 places.
    """
    at = 0
    while at < len(data):
        size = 1 if len(data) <= SMALL or at < SMALL // 2 or at >= len(data) - SMALL // 2 else BLOCK - 1
        yield data[at : at + size]
        at += size


def by_every_way(archive: bytes, dest: Path) -> None:
    """Extract it whole, byte by byte, in chunks and with pauses; nothing may differ."""
    chance = random.Random(len(archive))
    ways: dict[str, Callable[[Path, Report], object]] = {
        "whole": lambda to, report: extract(archive, to, report=report),
        "bytes": lambda to, report: extract(ones(archive), to, report=report),
        "chunks": lambda to, report: extract(slices(archive, chance), to, report=report),
        "asyncio": lambda to, report: asyncio.run(
            extract_async(paused(slices(archive, chance), lambda: asyncio.sleep(0)), to, report=report)
        ),
    }
    results = {}
    for name, way in ways.items():
        (to := dest / name).mkdir(parents=True)
        said = outcome(lambda report, way=way, to=to: way(to, report))  # type: ignore[misc]
        results[name] = (said, tree_of(to, said[0]))
    for result in results.values():
        assert result == results["whole"]


@pytest.mark.parametrize("parts", RICH.values(), ids=RICH)
def test_trees(tmp_path: Path, parts: tuple[Part, ...]) -> None:
    by_every_way(pack(*parts, file(b"z")), tmp_path)


@pytest.mark.parametrize("name", sorted(set(FEATURES) - {"name.depth"}))  # a thousand directories, eight times
def test_trees_of_every_feature(deep_path: Path, name: str) -> None:
    for number, archive in enumerate(drafts(name)[:3]):
        by_every_way(archive, deep_path / str(number))


@pytest.mark.parametrize("path", CASES, ids=[path.stem for path in CASES])
def test_trees_of_the_corpus(deep_path: Path, path: Path) -> None:
    by_every_way(load(str(path)).data, deep_path)


# -- uv issue 2235: a long name that came in two parts lost the second ---------------------------------------------


def uv_2235() -> tuple[Recipe, list[bytes]]:
    """An sdist of 800 members with long names, and the names."""
    names = [b"package-1.0/" + b"%03d-" % number + b"long-" * 30 + b"/file.py" for number in range(800)]
    parts = [part for name in names for part in (long_name(name), file(name[:100], b"# %s\n" % name[12:15]))]
    return Recipe(tuple(parts)), names


async def pauses_in_long_names(encoded: Encoded, pause: Callable[[], Awaitable[object]]) -> AsyncIterator[bytes]:
    """Pending in the middle of every long name's body, where uv's reader stopped."""
    at = 0
    for span in encoded.spans:
        if span.field == "text":
            middle = (span.start + span.stop) // 2
            yield encoded.data[at:middle]
            await pause()
            at = middle
    yield encoded.data[at:]


def with_asyncio(encoded: Encoded, dest: Path) -> Report:
    source = pauses_in_long_names(encoded, lambda: asyncio.sleep(0))
    return asyncio.run(extract_async(source, dest, policy="strict"))


def with_trio(encoded: Encoded, dest: Path) -> Report:
    async def run() -> Report:
        return await extract_async(pauses_in_long_names(encoded, lambda: trio.sleep(0)), dest, policy="strict")

    return trio.run(run)


class Pending:
    """An awaitable that knows no event loop: it gives control back once."""

    def __await__(self) -> Generator[None, None, None]:
        yield


def without_a_loop(encoded: Encoded, dest: Path) -> Report:
    coroutine = extract_async(pauses_in_long_names(encoded, Pending), dest, policy="strict")
    pauses = 0
    try:
        while True:
            coroutine.send(None)
            pauses += 1
    except StopIteration as done:
        assert pauses == 800
        report: Report = done.value
        return report


@pytest.mark.parametrize("way", [with_asyncio, with_trio, without_a_loop])
def test_uv_issue_2235(tmp_path: Path, way: Callable[[Encoded, Path], Report]) -> None:
    recipe, names = uv_2235()
    report = way(encode(recipe), tmp_path)
    assert report.complete
    assert [row.path for row in report.members] == names
    assert sorted(bytes(path.relative_to(tmp_path)) for path in tmp_path.rglob("file.py")) == names
