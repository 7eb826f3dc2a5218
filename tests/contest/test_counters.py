"""Counters in the source of a module: which ways through it are told apart, and that nothing else is changed."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from tarbiter.contest.installed.registry import available
from tarbiter.contest.observation import Job
from tarbiter.contest.pool import Pool
from tarbiter.contest.worker.counters import Counters

from . import archives
from . import hostile as hostile_driver
from .hostile import hostile
from .narrow import LIMITS

SOURCE = '''"""Said first."""
from __future__ import annotations

def ways(n: int) -> str:
    """What it does."""
    if n < 0:
        return "negative"
    elif n == 0:
        raise ValueError("zero")
    for _ in range(n - 1):
        pass
    else:
        n += 0
    try:
        1 // (n - 7)
    except ZeroDivisionError:
        return "seven"
    match n:
        case 8:
            return "eight"
    while n > 8:
        n -= 1
    return "other"

class One:
    def called(self):
        return 1

class Other:
    def called(self):
        return 2
    def __del__(self):
        pass
'''
NAME = "counted_for_a_test"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / f"{NAME}.py").write_text(SOURCE)
    sys.path.insert(0, str(tmp_path))
    sys.modules.pop(NAME, None)
    importlib.invalidate_caches()
    yield tmp_path
    sys.path.remove(str(tmp_path))
    sys.modules.pop(NAME, None)


def counted(*names: str) -> tuple[Counters, ModuleType]:
    counters = Counters(names or (NAME,))
    module = importlib.import_module(NAME)
    assert counters.loaded() == ()
    return counters, module


def after(counters: Counters, module: ModuleType, *numbers: int) -> str:
    counters.clear()
    for number in numbers:
        try:
            module.ways(number)
        except ValueError:
            continue
    return counters.reached()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param((-1,), (1,), id="if"),
        pytest.param((0,), (1,), id="elif"),
        pytest.param((2,), (1,), id="the body of a loop"),
        pytest.param((7,), (6,), id="a handler"),
        pytest.param((8,), (6,), id="a case"),
        pytest.param((9,), (6,), id="while"),
        pytest.param((), (-1,), id="nothing at all"),
        pytest.param((-1, 6), (6,), id="one way more"),
    ],
)
@pytest.mark.usefixtures("place")
def test_another_way_through_is_another_set(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    counters, module = counted()
    assert after(counters, module, *one) != after(counters, module, *other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param((3,), (6,), id="how often does not count"),
        pytest.param((-1, 6), (6, -1), id="nor in which order"),
        pytest.param((-1,), (-2,), id="nor with which values"),
    ],
)
@pytest.mark.usefixtures("place")
def test_the_same_way_through_is_the_same_set(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    counters, module = counted()
    assert after(counters, module, *one) == after(counters, module, *other)


@pytest.mark.usefixtures("place")
def test_two_processes_have_the_same_set() -> None:
    first = after(*counted(), 5, 8)
    sys.modules.pop(NAME)
    assert after(*counted(), 5, 8) == first


def test_the_module_is_as_it_was(place: Path) -> None:
    _, module = counted()
    assert module.__doc__ == "Said first."
    assert module.ways.__doc__ == "What it does."
    assert [module.ways(n) for n in (-1, 1, 7, 8, 9)] == ["negative", "other", "seven", "eight", "other"]
    assert module.ways.__annotations__ == {"n": "int", "return": "str"}
    with pytest.raises(ValueError, match="zero") as caught:
        module.ways(0)
    frame = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (frame.lineno, frame.line) == (9, 'raise ValueError("zero")')
    assert not list(place.glob("__pycache__/*")), "a compiled file with marks in it would be found by others"


@pytest.mark.usefixtures("place")
def test_a_class_alone_can_be_counted() -> None:
    counters, module = counted(f"{NAME}:One")
    nothing = counters.reached()
    module.ways(1)
    module.Other().called()
    assert counters.reached() == nothing
    module.One().called()
    assert counters.reached() != nothing


@pytest.mark.usefixtures("place")
def test_what_the_collector_calls_is_not_counted() -> None:
    counters, module = counted()
    one = module.Other()
    nothing = counters.reached()
    del one
    assert counters.reached() == nothing


@pytest.mark.usefixtures("place")
def test_what_had_been_imported_is_imported_anew() -> None:
    before = importlib.import_module(NAME)
    counters, module = counted()
    assert module is not before
    assert after(counters, module, 1) != after(counters, module)


@pytest.mark.usefixtures("place")
def test_no_such_class_is_an_error() -> None:
    counters = Counters((f"{NAME}:Third",))
    with pytest.raises(ImportError, match="there is no class Third"):
        importlib.import_module(NAME)
    counters.loaded()


@pytest.mark.parametrize(
    "name", [pytest.param("itertools", id="no source"), pytest.param("never", id="not imported")]
)
@pytest.mark.usefixtures("place")
def test_what_is_not_counted_is_said(name: str) -> None:
    counters = Counters((name, NAME))
    importlib.import_module(NAME)
    importlib.import_module("itertools")
    assert counters.loaded() == (name,)


# -- in a cell -----------------------------------------------------------------------------------------------------

NAMES = ("extractor-strict", "extractor-compat", "tarfile-fully-trusted")


def reached(pool: Pool, *jobs: Job) -> list[tuple[str, ...]]:
    return [tuple(one.reached for one in seen) for _, seen in pool.map(jobs)]


def test_a_cell_tells_the_ways_through_parsers_apart() -> None:
    plain, cut = (Job(archive=one, contestants=NAMES) for one in (archives.PLAIN, archives.CUT))
    with Pool(available(NAMES), coverage=True) as pool:
        first, second, again = reached(pool, plain, cut, plain)
        with Pool(available(NAMES[:1])) as other:
            assert reached(other, Job(archive=archives.PLAIN, contestants=NAMES[:1])) == [("",)]
    assert first == again
    assert all(first)
    assert all(one != other for one, other in zip(first, second, strict=True))


def test_who_did_not_end_has_no_set() -> None:
    modes = ("behave", "refuse", "loop")
    table = {
        mode: msgspec.structs.replace(hostile(mode).table, counted=(hostile_driver.__name__,)) for mode in modes
    }
    contestants = [msgspec.structs.replace(hostile(mode), table=table[mode]) for mode in modes]
    with Pool(contestants, limits=LIMITS, coverage=True) as pool:
        behaved, refused, looped = pool.run(Job(archive=b"", contestants=modes))
    assert looped.status == "hung"
    assert (bool(behaved.reached), bool(refused.reached), looped.reached) == (True, True, "")
    assert behaved.reached != refused.reached
